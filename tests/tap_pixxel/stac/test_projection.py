"""Test the parsers of the projection extension."""

from __future__ import annotations

from typing import Any

import pytest

from tap_pixxel.stac import projection
from tap_pixxel.stac.parsers import EMPTY, MAX_UINT64, Dropped, Invalid
from tests.tap_pixxel.stac.minimal_items import assert_parses, repaired

AFFINE = [10.0, 0.0, 500.0, 0.0, -10.0, 100.0]


PARSED: list[tuple[Any, Any, Any]] = [
    # parser, value, expected result
    (projection.parse_code, "EPSG:4326", "EPSG:4326"),
    (projection.parse_code, "IAU_2015:30100", "IAU_2015:30100"),
    (projection.parse_wkt2, 'PROJCRS["a"]', 'PROJCRS["a"]'),
    (projection.parse_shape, [1, 2], [1, 2]),
    (projection.parse_shape, [5, 5], [5, 5]),
    (projection.parse_shape, [MAX_UINT64, 1], [MAX_UINT64, 1]),
    (projection.parse_transform, AFFINE, AFFINE),
    (projection.parse_transform, [*AFFINE, 0, 0, 1], [*AFFINE, 0, 0, 1]),
    (projection.parse_transform, [-10, 5, 500, 5, -10, 100], [-10, 5, 500, 5, -10, 100]),
    (projection.parse_centroid, {"lat": 90, "lon": -180}, {"lat": 90, "lon": -180}),
    (projection.parse_projected_bbox, [1, 2, 3, 4], [1, 2, 3, 4]),
    (projection.parse_projected_bbox, [1, 2, 3, 4, 5, 6], [1, 2, 3, 4, 5, 6]),
    (projection.parse_code, 1, repaired("EPSG:1")),
    (projection.parse_code, MAX_UINT64, repaired(f"EPSG:{MAX_UINT64}")),
    (projection.parse_code, "4326", repaired("EPSG:4326")),
    (projection.parse_code, "epsg::4326", repaired("EPSG:4326")),
    (projection.parse_code, "urn:ogc:def:crs:EPSG:9.9:4326", repaired("EPSG:4326")),
    (projection.parse_code, " IAU_2015:30100 ", repaired("IAU_2015:30100")),
    (projection.parse_wkt2, ' PROJCRS["a"] ', repaired('PROJCRS["a"]')),
    (projection.parse_transform, [500.0, 10.0, 0.0, 100.0, 0.0, -10.0], repaired(AFFINE)),
    (projection.parse_centroid, {"lat": "1", "lon": 2, "z": 3}, repaired({"lat": 1, "lon": 2})),
    (projection.parse_code, 0, Invalid),
    (projection.parse_code, MAX_UINT64 + 1, Invalid),
    (projection.parse_code, 1.5, Invalid),
    (projection.parse_code, "nonsense", Invalid),
    (projection.parse_code, " ", EMPTY),
    (projection.parse_wkt2, 5, Invalid),
    (projection.parse_wkt2, " ", EMPTY),
    (projection.parse_wkt2, "PROJCS[]", Dropped),
    (projection.parse_wkt2, "nonsense", Invalid),
    (projection.parse_wkt2, 'PROJCRS["\u00e4"]', Invalid),
    (projection.parse_shape, [0, 5], Invalid),
    (projection.parse_shape, [1.5, 5], Invalid),
    (projection.parse_shape, [1, 2, 3], Invalid),
    (projection.parse_shape, [1, 1e30], Invalid),
    (projection.parse_transform, [1, 2], Invalid),
    (projection.parse_transform, [0, 10, 500, 0, -10, 100], Invalid),
    (projection.parse_transform, [10, 10, 500, 0, -10, 100], Invalid),
    (projection.parse_transform, [10, -20, 500, 0, -10, 100], Invalid),
    (projection.parse_transform, [10, 0, 500, 10, -10, 100], Invalid),
    (projection.parse_transform, [10, 0, 500, -20, -10, 100], Invalid),
    (projection.parse_transform, [500, 10, 0, 100, 0, -10, 0, 0, 1], Invalid),
    (projection.parse_transform, [*AFFINE, 0, 0, 2], Invalid),
    (projection.parse_centroid, {"lat": 91, "lon": 0}, Invalid),
    (projection.parse_centroid, {"lat": -91, "lon": 0}, Invalid),
    (projection.parse_centroid, {"lat": 0, "lon": 181}, Invalid),
    (projection.parse_centroid, {"lat": 0, "lon": -181}, Invalid),
    (projection.parse_centroid, {"lat": 0}, Invalid),
    (projection.parse_centroid, [1, 2], Invalid),
    (projection.parse_projected_bbox, [1, 2, 3], Invalid),
]  # fmt: skip


@pytest.mark.parametrize(("parse", "value", "expected"), PARSED)
def test_projection_parser_value_returns_expected(parse: Any, value: Any, expected: Any) -> None:
    assert_parses(parse, value, expected)
