"""Test the media types of assets, as stated or by suffix."""

from __future__ import annotations

from typing import Any

import pytest

from tap_pixxel.stac.assets.media_types import COG, GEOTIFF, find_suffix, parse_media_type
from tap_pixxel.stac.parsers import EMPTY, Invalid
from tests.tap_pixxel.stac.minimal_items import assert_parses, repaired

PARSED: list[tuple[Any, Any, Any]] = [
    # parser, value, expected result
    (parse_media_type, "image/png", "image/png"),
    (parse_media_type, " image/png ", repaired("image/png")),
    (parse_media_type, "image/tiff", repaired(GEOTIFF)),
    (parse_media_type, "image/tif", repaired(GEOTIFF)),
    (parse_media_type, "image/geotiff", repaired(GEOTIFF)),
    (parse_media_type, "image/vnd.stac.geotiff", repaired(GEOTIFF)),
    (parse_media_type, GEOTIFF, GEOTIFF),
    (parse_media_type, COG, COG),
    (parse_media_type, "image/tiff; application = geotiff", "image/tiff; application = geotiff"),
    (parse_media_type, " image/tiff ", repaired(GEOTIFF)),
    (parse_media_type, "image/TIFF", repaired(GEOTIFF)),
    (parse_media_type, "image/tiff ;", repaired(GEOTIFF)),
    (parse_media_type, "image/tiff;profile=cloud-optimized", repaired(COG)),
    (parse_media_type, " ", EMPTY),
    (parse_media_type, 5, Invalid),
    (find_suffix, "https://a.invalid/x.tif", "tif"),
    (find_suffix, "https://a.invalid/x.y.TIFF?z=1.png#z.pdf", "tiff"),
    (find_suffix, "https://a.invalid/x#y.png?z", ""),
    (find_suffix, "https://a.invalid/x.exe", ""),
]  # fmt: skip


@pytest.mark.parametrize(("parse", "value", "expected"), PARSED)
def test_media_type_parser_value_returns_expected(parse: Any, value: Any, expected: Any) -> None:
    assert_parses(parse, value, expected)
