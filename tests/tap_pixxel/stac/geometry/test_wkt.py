"""Test that WKT is what shapely reads and writes."""

from __future__ import annotations

from typing import Any

import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from shapely.geometry import shape

from tap_pixxel.stac.geometry.wkt import format_wkt

_DEGREES = st.one_of(
    st.floats(-540, 540),
    st.integers(-540, 540),
    st.sampled_from([0.0, -0.0, 1e-4, 9.9e-5, 1e-7, 180.0, 0.1 + 0.2]),
)


def polygons(degrees: st.SearchStrategy[float]) -> st.SearchStrategy[dict[str, Any]]:
    ring = st.lists(st.tuples(degrees, degrees).map(list), min_size=3, max_size=5)
    rings = st.lists(ring.map(lambda each: [*each, each[0]]), min_size=1, max_size=3)
    return rings.map(lambda each: {"type": "Polygon", "coordinates": each})


def format_with_shapely(geometry: dict[str, Any]) -> str:
    return str(shapely.to_wkt(shape(geometry), rounding_precision=-1))


@given(geometry=polygons(_DEGREES.map(lambda each: round(each, 9))))
def test_format_wkt_polygon_equals_shapely(geometry: dict[str, Any]) -> None:
    assert format_wkt(geometry) == format_with_shapely(geometry)


@pytest.mark.parametrize(
    ("kind", "coordinates", "text"),
    [
        ("Point", [1, 2.5], "POINT (1 2.5)"),
        ("LineString", [[0, 0], [1, -1]], "LINESTRING (0 0, 1 -1)"),
        (
            "MultiPolygon",
            [[[[0, 0], [1, 0], [1, 1], [0, 0]]]],
            "MULTIPOLYGON (((0 0, 1 0, 1 1, 0 0)))",
        ),
        ("Polygon", [[[0, 0], [1.0, -0.0], [1, 1], [0, 0]]], "POLYGON ((0 0, 1 0, 1 1, 0 0))"),
    ],
)
def test_format_wkt_other_geometry_returns_expected(
    kind: str, coordinates: list[Any], text: str
) -> None:
    assert format_wkt({"type": kind, "coordinates": coordinates}) == text
