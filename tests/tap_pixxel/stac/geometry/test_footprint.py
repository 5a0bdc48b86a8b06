"""Test the normalization of footprints and their bounding boxes."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import product
from typing import TYPE_CHECKING, Any

import pytest

from tap_pixxel.stac import to_item
from tap_pixxel.stac.geometry.footprint import (
    _convex_bbox,
    bbox_polygon,
    normalize_footprint,
    parse_bbox,
)
from tests.tap_pixxel.stac.geometry.shapes import BOX, SQUARE, polygon
from tests.tap_pixxel.stac.minimal_items import TIME

if TYPE_CHECKING:
    from collections.abc import Iterator


def normalize(geometry: Any, bbox: Any = None) -> tuple[Any, Any, set[tuple[str, str]]]:
    raw = {"id": "a", "properties": {"datetime": TIME}, "geometry": geometry, "bbox": bbox}
    stac, notes = to_item(raw)
    again = to_item(stac).stac
    assert again == stac
    return stac["geometry"], stac.get("bbox"), {(note.field, note.action) for note in notes}


def test_footprint_valid_polygon_is_unchanged() -> None:
    geometry = polygon(SQUARE)
    assert normalize(geometry, ["0", "0", "2", "2.0"]) == (geometry, BOX, {("bbox", "converted")})
    assert normalize(geometry, BOX) == (geometry, BOX, set())
    assert normalize(geometry, [9, 9, 10, 10])[1:] == (BOX, {("bbox", "repaired")})


@pytest.mark.parametrize(
    "ring",
    [
        pytest.param(SQUARE[::-1], id="clockwise"),
        pytest.param(SQUARE[:-1], id="unclosed"),
        pytest.param([[*each, 412.5] for each in SQUARE], id="three-dimensional"),
        pytest.param([[str(x), y] for x, y in SQUARE], id="texts"),
    ],
)
def test_footprint_ring_becomes_flat_closed_counter_clockwise(ring: Any) -> None:
    geometry, bbox, notes = normalize(polygon(ring), BOX)
    assert sorted(geometry["coordinates"][0]) == sorted(SQUARE)
    assert (bbox, notes) == (BOX, {("geometry", "repaired")})


@pytest.mark.parametrize("last", [[0, 1], [1, 0], [0.5, 0.5]])
def test_footprint_open_ring_is_closed(last: list[float]) -> None:
    geometry, _, _ = normalize(polygon([*SQUARE[:-1], last]))
    ring = geometry["coordinates"][0]
    assert ring[0] == ring[-1]


def test_footprint_geometry_collection_becomes_union_of_polygons() -> None:
    members = [
        polygon(SQUARE),
        polygon([[x + 1, y] for x, y in SQUARE]),
        {"type": "Point", "coordinates": [9, 9]},
    ]
    geometry, bbox, _ = normalize({"type": "GeometryCollection", "geometries": members})
    assert (geometry["type"], bbox) == ("Polygon", [0, 0, 3, 2])


def test_footprint_line_becomes_flat_with_wrapped_longitudes() -> None:
    line = {"type": "LineString", "coordinates": [["0", 0, 9], [190, 1]]}
    geometry, bbox, notes = normalize(line)
    assert geometry == {"type": "LineString", "coordinates": [[0, 0], [-170, 1]]}
    assert (bbox, notes) == ([-170, 0, 0, 1], {("geometry", "repaired")})


def test_footprint_unknown_members_are_dropped() -> None:
    geometry, _, notes = normalize(polygon(SQUARE[::-1]) | {"crs": 1})
    assert geometry.keys() == {"type", "coordinates"}
    assert notes == {("geometry", "repaired"), ("geometry", "dropped")}
    geometry, _, _ = normalize({"type": "GeometryCollection", "geometries": [5, polygon(SQUARE)]})
    assert geometry == polygon(SQUARE)


def test_footprint_bbox_of_invalid_texts_is_repaired() -> None:
    assert normalize(polygon(SQUARE), ["x", "0", "2", "2"])[1:] == (BOX, {("bbox", "repaired")})


def test_footprint_json_text_is_decoded() -> None:
    texts = polygon(SQUARE) | {"coordinates": json.dumps([SQUARE])}
    for given in (texts, json.dumps(polygon(SQUARE))):
        assert normalize(given)[:2] == (polygon(SQUARE), BOX)


UNUSABLE: list[Any] = [
    "nothing", [], 5, {}, {"type": "Polygon"}, polygon(), polygon([]), polygon([[0, 0], [1, 1]]),
    polygon([[0, 0], [1, 1], [2, 2], [0, 0]]), polygon([[0, 0], [float("nan"), 1], [1, 1]]),
    polygon([[0], [2, 0], [2, 2], [0, 2], [0, 0]]), {"type": "LineString", "coordinates": [[0, 0]]},
    polygon([[0, 0], [0, 91], [1, 1]]), polygon([[0, 0], [True, 1], [1, 1]]),
    {"type": "Circle", "coordinates": [1, 2]}, {"type": ["Polygon"], "coordinates": [SQUARE]},
    {"type": "Polygon", "coordinates": "[[["},
]  # fmt: skip


@pytest.mark.parametrize("geometry", UNUSABLE)
def test_footprint_invalid_is_replaced_by_bbox_or_null(geometry: Any) -> None:
    assert normalize(geometry)[:2] == (None, None)
    assert ("geometry", "dropped") in normalize(geometry)[2]
    found, bbox, notes = normalize(geometry, ["0", "0", "2", "2"])
    assert (found, bbox) == (polygon(SQUARE), BOX)
    assert {("geometry", "dropped"), ("bbox", "repaired")} <= notes


@pytest.mark.parametrize("bbox", [[0, 0, 0, 0], [0, 2, 2, 0], [0, 0, 200, 2], [1, 2], {"a": 1}])
def test_footprint_missing_with_empty_bbox_has_no_bbox(bbox: Any) -> None:
    assert normalize(None, bbox) == (None, None, {("bbox", "dropped")})


def test_footprint_missing_with_bbox_across_antimeridian_has_two_parts() -> None:
    geometry, bbox, _ = normalize(None, [170, 0, -170, 2])
    assert (geometry["type"], bbox) == ("MultiPolygon", [170, 0, -170, 2])


def test_footprint_missing_with_bbox_at_antimeridian_has_one_part() -> None:
    geometry, bbox, _ = normalize(None, [180, 0, -170, 2])
    assert (geometry["type"], bbox) == ("Polygon", [-180, 0, -170, 2])


def test_footprint_valid_polygon_does_not_import_shapely() -> None:
    raw = {"id": "a", "properties": {"datetime": TIME}, "geometry": polygon(SQUARE)}
    code = (
        "import sys, tap_pixxel.stac as s\n"
        f"s.to_item({raw!r})\n"
        "print(sorted({'shapely', 'antimeridian', 'pystac', 'singer_sdk'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# Each step has another pair of signs, and the corners are in convex position.
KITE: list[list[float]] = [[3, 0], [1, 2], [-2, 1], [0, -3]]


OFFSETS = [(0, 0), (100, 50), (-100, -50), (100, -50), (-100, 50)]


def place_everywhere(corners: list[list[float]]) -> Iterator[tuple[dict[str, Any], float, float]]:
    """Yield polygons of these corners, starting at each corner, and their offset."""
    for (x, y), start in product(OFFSETS, range(4)):
        ring = [[lon + x, lat + y] for lon, lat in corners[start:] + corners[:start]]
        yield polygon([*ring, ring[0]]), x, y


def test_convex_bbox_quadrilateral_must_be_counter_clockwise() -> None:
    for geometry, x, y in place_everywhere(KITE):
        assert _convex_bbox(geometry) == [x - 2, y - 3, x + 3, y + 2]
    assert all(_convex_bbox(geometry) is None for geometry, _, _ in place_everywhere(KITE[::-1]))


@pytest.mark.parametrize("bent", range(4))
def test_convex_bbox_concave_corner_returns_none(bent: int) -> None:
    corners = [*KITE]
    (x, y), before, after = KITE[bent], KITE[bent - 1], KITE[bent - 3]
    middle = (before[0] + after[0]) / 2, (before[1] + after[1]) / 2
    corners[bent] = [1.1 * middle[0] - 0.1 * x, 1.1 * middle[1] - 0.1 * y]
    assert all(_convex_bbox(geometry) is None for geometry, _, _ in place_everywhere(corners))


def box_ring(west: float, south: float, east: float, north: float) -> list[list[float]]:
    return [[west, south], [east, south], [east, north], [west, north], [west, south]]


NOT_CONVEX: list[Any] = [
    polygon(box_ring(-180.1, 0, -179, 1)),
    polygon(box_ring(179, 0, 180.1, 1)),
    polygon(box_ring(0, -90.1, 1, 0)),
    polygon(box_ring(0, 0, 1, 90.1)),
    polygon(box_ring(-90, 0, 90.1, 1)),
    polygon([*SQUARE[:4], [0, 1]]),
    polygon([*SQUARE[:4], [1, 0]]),
    polygon([[0, 0], [1, 0], [2, 0], [1, 1], [0, 0]]),
    polygon([*SQUARE[:3], [0, True], [0, 0]]),
    polygon([[*corner, 5] for corner in SQUARE]),
    polygon(SQUARE, SQUARE),
    polygon(SQUARE) | {"bbox": BOX},
    polygon(tuple(SQUARE)),
    {"type": "Polygon", "coordinates": (SQUARE,)},
    {"type": "MultiPoint", "coordinates": [SQUARE]},
    {"type": "Polygon", "odd": 5},
    polygon(SQUARE[:4]),
    polygon([5, 5, 5, 5, 5]),
]


@pytest.mark.parametrize("geometry", NOT_CONVEX)
def test_convex_bbox_other_geometry_returns_none(geometry: Any) -> None:
    assert _convex_bbox(geometry) is None


@pytest.mark.parametrize(
    "bounds", [[-180, -90, 0, 90], [0.0, -90, 180, 90.0], [1, 1, 1.5, 1.5], [-90, 0, 90, 1]]
)
def test_convex_bbox_globe_limits_are_included(bounds: list[float]) -> None:
    assert _convex_bbox(polygon(box_ring(*bounds))) == bounds


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([-180, -90, 180, 90], [-180, -90, 180, 90]),
        (["0", 0, 1, 1], [*BOX[:2], 1, 1]),
        ([0, 1, 500, 2, 3, 600], [0, 1, 2, 3]),
        ([180, 0, -179, 1], [180, 0, -179, 1]),
        ([179, 0, -180, 1], [179, 0, -180, 1]),
        ([180, 0, -180, 1], None),
        ([5, 0, 5, 1], None),
        ([0, 5, 1, 5], None),
        ([-181, 0, 0, 1], None),
        ([181, 0, 0, 1], None),
        ([0, 0, 181, 1], None),
        ([0, 0, -181, 1], None),
        ([0, -91, 1, 1], None),
        ([0, 0, 1, 91], None),
        ([0, 0, 1], None),
    ],
)
def test_parse_bbox_without_area_returns_none(value: Any, expected: Any) -> None:
    assert parse_bbox(value) == expected


def test_bbox_polygon_steps_are_at_most_half_a_turn() -> None:
    assert bbox_polygon([0, 0, 180, 1]) == polygon(box_ring(0, 0, 180, 1))
    wide = [[-90, 0], [5, 0], [100, 0], [100, 1], [5, 1], [-90, 1], [-90, 0]]
    assert bbox_polygon([-90, 0, 100, 1]) == polygon(wide)


def test_bbox_polygon_at_antimeridian_has_one_or_two_parts() -> None:
    halves = [[box_ring(170, 0, 180, 1)], [box_ring(-180, 0, -170, 1)]]
    assert bbox_polygon([170, 0, -170, 1]) == {"type": "MultiPolygon", "coordinates": halves}
    assert bbox_polygon([170, 0, -180, 1]) == polygon(*halves[0])
    assert bbox_polygon([180, 0, -170, 1]) == polygon(*halves[1])


@pytest.mark.parametrize(
    ("bbox", "done"),
    [
        (BOX, []),
        (["0", "0", "2", "2.0"], ["converted"]),
        ([0, "0", 2, 2], ["converted"]),
        ([0, 0, 2, 2.0000000001], ["converted"]),
        ([0, 0, 2, 2.1], ["repaired"]),
        (["0", "0", "2", "3"], ["repaired"]),
        (["0", "0", "2", "x"], ["repaired"]),
        ([0, 0, 2, None], ["repaired"]),
        ([0, 0, 5, 2, 2, 5], ["repaired"]),
        (5, ["repaired"]),
        ({"west": 0, "south": 0, "east": 2, "north": 2}, ["repaired"]),
    ],
)
def test_normalize_footprint_other_bbox_is_noted(bbox: Any, done: list[str]) -> None:
    actions: list[str] = []
    result, found = normalize_footprint(
        polygon(SQUARE), bbox, lambda _, what, __: actions.append(what)
    )
    assert (result, found) == (polygon(SQUARE), BOX)
    assert actions == done
