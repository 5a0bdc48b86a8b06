"""Test the parsers of STAC's common metadata."""

from __future__ import annotations

from math import inf, nan
from typing import Any

import pytest

from tap_pixxel.stac.common_metadata import parse_license, parse_nodata, parse_statistics
from tap_pixxel.stac.parsers import Dropped, Invalid
from tests.tap_pixxel.stac.minimal_items import assert_parses, repaired

STATISTICS = {
    "minimum": 0,
    "maximum": 9,
    "mean": 4.5,
    "stddev": 1,
    "count": 0,
    "valid_percent": 100,
}


PARSED: list[tuple[Any, Any, Any]] = [
    # parser, value, expected result
    (parse_license, " MIT ", repaired("MIT")),
    (parse_license, "various", Invalid),
    (parse_license, " proprietary ", Invalid),
    (parse_license, 5, Invalid),
    (parse_nodata, "nan", "nan"),
    (parse_nodata, "inf", "inf"),
    (parse_nodata, "-inf", "-inf"),
    (parse_nodata, "+inf", repaired("inf")),
    (parse_nodata, " Infinity ", repaired("inf")),
    (parse_nodata, "-infinity", repaired("-inf")),
    (parse_nodata, nan, repaired("nan")),
    (parse_nodata, inf, repaired("inf")),
    (parse_nodata, -inf, repaired("-inf")),
    (parse_nodata, 0.5, 0.5),
    (parse_nodata, "5", repaired(5)),
    (parse_nodata, "none", Invalid),
    (parse_statistics, STATISTICS, STATISTICS),
    (parse_statistics, {"valid_percent": 0}, {"valid_percent": 0}),
    (parse_statistics, {"odd": "x"}, {"odd": "x"}),
    (parse_statistics, {"mean": "5"}, repaired({"mean": 5})),
    (parse_statistics, {"mean": 1, "odd": None}, repaired({"mean": 1})),
    (parse_statistics, {"mean": 1, "count": -1}, repaired({"mean": 1})),
    (parse_statistics, {"mean": 1, "valid_percent": -0.1}, repaired({"mean": 1})),
    (parse_statistics, {"mean": 1, "valid_percent": 100.1}, repaired({"mean": 1})),
    (parse_statistics, {"minimum": "x", "maximum": "x", "stddev": "x"}, Dropped),
    (parse_statistics, {}, Dropped),
    (parse_statistics, [1], Invalid),
]  # fmt: skip


@pytest.mark.parametrize(("parse", "value", "expected"), PARSED)
def test_common_metadata_parser_value_returns_expected(
    parse: Any, value: Any, expected: Any
) -> None:
    assert_parses(parse, value, expected)
