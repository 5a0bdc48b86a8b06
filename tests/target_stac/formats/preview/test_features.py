"""Tests of what is decoded of an item for its feature."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from target_stac.formats.preview import FeatureEncoder, PreviewItem, decode_item
from tests.target_stac.exports import make_item

_BAND = {"eo:center_wavelength": 0.47, "eo:full_width_half_max": 0.01, "description": "blue"}
_OLD_BAND = {"center_wavelength": 0.86, "full_width_half_max": 0.02}
_ASSET = {"href": "./a.tif", "roles": ["data"], "title": "A", "bands": [_BAND]}


@pytest.mark.parametrize(
    "assets",
    [
        {"a": _ASSET, "b": {**_ASSET, "eo:bands": [_OLD_BAND]}, "thumbnail": {"href": "./t.png"}},
        {"a": _ASSET, "b": None},
        {"a": _ASSET, "b": {"bands": {}}},
        {"a": _ASSET, "b": {"eo:bands": [_OLD_BAND, 1]}},
        [_ASSET],
        None,
    ],
    ids=["usual", "no object", "no list of bands", "no band", "a list", "null"],
)
def test_item_decoded_in_part_has_feature_of_whole_item(assets: Any) -> None:
    line = msgspec.json.encode(make_item("a", assets=assets, other={"x": 1}))
    whole = msgspec.json.decode(line)
    encoder = FeatureEncoder(["l2a"])
    feature = encoder.encode(PreviewItem("l2a/a.json", decode_item(line)))
    assert feature is not None
    assert feature == encoder.encode(PreviewItem("l2a/a.json", whole))
