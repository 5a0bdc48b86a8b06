"""Test the repair of geometries with shapely."""

from __future__ import annotations

import json
from typing import Any

import pytest
from shapely.geometry import shape

from tap_pixxel.stac.geometry.repair import repair_geometry
from tests.tap_pixxel.stac.geometry.shapes import SQUARE, polygon


def repair(geometry: Any) -> tuple[Any, list[str]]:
    actions: list[str] = []
    return repair_geometry(geometry, lambda _, done, __: actions.append(done)), actions


def close_ring(*corners: list[float]) -> list[list[float]]:
    return [*corners, corners[0]]


def shift(ring: list[list[float]], lon: float) -> list[list[float]]:
    return [[x + lon, y] for x, y in ring]


def wrap(ring: list[list[float]]) -> list[list[float]]:
    return [[x - 360 if x > 180 else x, y] for x, y in ring]


def make_geometry(kind: Any, coordinates: Any) -> dict[str, Any]:
    return {"type": kind, "coordinates": coordinates}


LINES: list[tuple[str, Any, Any]] = [
    # type, coordinates, expected coordinates
    ("Point", [1, 2], [1, 2]),
    ("Point", [1, 2, 412.5], [1, 2]),
    ("Point", ["1", "2"], [1, 2]),
    ("Point", "[1, 2]", [1, 2]),
    ("Point", [180, 90], [180, 90]),
    ("Point", [-180, -90], [-180, -90]),
    ("Point", [181, 0], [-179, 0]),
    ("Point", [-181, 0], [179, 0]),
    ("Point", [540, 0], [-180, 0]),
    ("Point", [540.1, 0], None),
    ("Point", [-540.1, 0], None),
    ("Point", [0, 90.1], None),
    ("Point", [0, -90.1], None),
    ("Point", ["x", 0], None),
    ("Point", [0, "x"], None),
    ("Point", [1], None),
    ("Point", "[[[", None),
    ("Point", {"lon": 1, "lat": 2}, None),
    ("MultiPoint", [[1, 2]], [[1, 2]]),
    ("MultiPoint", [[1, 2], [3, 4]], [[1, 2], [3, 4]]),
    ("MultiPoint", [], None),
    ("MultiPoint", 5, None),
    ("LineString", [[1, 2], [3, 4]], [[1, 2], [3, 4]]),
    ("LineString", [[1, 2]], None),
    ("MultiLineString", [[[1, 2], [3, 4]]], [[[1, 2], [3, 4]]]),
    ("MultiLineString", [[[1, 2], [3, 4]], [[5, 6]]], None),
    ("MultiLineString", [[1, 2], [3, 4]], None),
]


@pytest.mark.parametrize(("kind", "coordinates", "expected"), LINES)
def test_repair_geometry_lines_become_flat_and_wrapped(
    kind: str, coordinates: Any, expected: Any
) -> None:
    found, actions = repair(make_geometry(kind, coordinates))
    assert found == (expected and make_geometry(kind, expected))
    assert actions == (["repaired"] if expected and expected != coordinates else [])


def nest_in_collections(depth: int) -> Any:
    """Return a polygon inside nested collections."""
    geometry: Any = polygon(SQUARE)
    for _ in range(depth):
        geometry = {"type": "GeometryCollection", "geometries": [5, geometry]}
    return geometry


HOLED = [[0.5, 0.5], [0.5, 1], [1, 1], [1, 0.5], [0.5, 0.5]]


GEOMETRIES: list[tuple[Any, Any, list[str]]] = [
    # geometry, expected geometry, actions noted
    (polygon(SQUARE), polygon(SQUARE), []),
    (json.dumps(polygon(SQUARE)), polygon(SQUARE), ["converted"]),
    (polygon(SQUARE, HOLED), polygon(SQUARE, HOLED), []),
    (polygon(SQUARE) | {"bbox": [0, 0, 2, 2]}, polygon(SQUARE), ["dropped"]),
    (make_geometry("MultiPolygon", [[SQUARE]]), polygon(SQUARE), ["repaired"]),
    (nest_in_collections(1), polygon(SQUARE), ["repaired"]),
    (nest_in_collections(8), polygon(SQUARE), ["repaired"]),
    (nest_in_collections(9), None, []),
    ({"type": "GeometryCollection", "geometries": 5}, None, []),
    (make_geometry(["MultiPolygon"], [[SQUARE]]), None, []),
    (make_geometry("MultiPolygon", [[SQUARE], []]), None, []),
    (polygon(SQUARE, [[0.5, 0.5], [1, 1], [0.5, 0.5]]), None, []),
    (polygon(SQUARE, []), None, []),
    # The library rejects the first, and leaves the second with an edge around the globe.
    (polygon(close_ring([360, 80], [-180, -10], [0, 80])), None, []),
    (polygon(close_ring([-181, 90], [190, 0], [360, 0])), None, []),
    ("5", None, []),
    ("nothing", None, []),
]


@pytest.mark.parametrize(("geometry", "expected", "actions"), GEOMETRIES)
def test_repair_geometry_nested_polygons_return_expected(
    geometry: Any, expected: Any, actions: list[str]
) -> None:
    assert repair(geometry) == (expected, actions)


HOUSE = close_ring([179, 0], [181, 0], [181, 2], [180.5, 3], [179, 2])


EAST = close_ring([180, 2.6666667], [179, 2], [179, 0], [180, 0])


WEST = close_ring([-180, 0], [-179, 0], [-179, 2], [-179.5, 3], [-180, 2.6666667])


@pytest.mark.parametrize(
    "ring",
    [HOUSE, wrap(HOUSE), shift(HOUSE, -360), HOUSE[::-1], wrap(HOUSE)[::-1], HOUSE[:-1]],
)
def test_repair_geometry_across_antimeridian_is_cut(ring: Any) -> None:
    found, _ = repair(polygon(ring))
    assert found["type"] == "MultiPolygon"
    assert shape(found).equals(shape(make_geometry("MultiPolygon", [[EAST], [WEST]])))


BOWTIE = close_ring([178, 0], [182, 4], [182, 0], [178, 4])


@pytest.mark.parametrize("ring", [BOWTIE, wrap(BOWTIE), BOWTIE[::-1]])
def test_repair_geometry_bowtie_across_antimeridian_becomes_halves(ring: Any) -> None:
    found = shape(repair(polygon(ring))[0])
    assert found.area == 8
    assert not found.covers(shape(make_geometry("Point", [179.5, 3])))
    assert found.covers(shape(make_geometry("Point", [178.5, 2])))
    assert found.covers(shape(make_geometry("Point", [-178.5, 2])))


@pytest.mark.parametrize(
    ("corners", "area"),
    [
        ([[177, 1], [183, 5], [179, 3], [182, 0]], 6.4),
        ([[178, 0], [-176, 2], [178, 2], [-176, 5]], 7.2),
    ],
)
def test_repair_geometry_self_intersection_is_repaired_before_cut(
    corners: list[list[float]], area: float
) -> None:
    assert shape(repair(polygon(close_ring(*corners)))[0]).area == pytest.approx(area)


def test_repair_geometry_shifted_by_a_turn_is_not_cut() -> None:
    assert repair(polygon(shift(HOUSE, 180)))[0] == polygon(shift(HOUSE, -180))


WIDE = close_ring([-90, 0], [90, 0], [90, 10], [0, 20], [-90, 10])


GLOBE = close_ring([-180, -90], [180, -90], [180, 90], [-180, 90])


@pytest.mark.parametrize("ring", [WIDE, GLOBE])
def test_repair_geometry_half_and_full_turn_steps_are_not_cut(ring: Any) -> None:
    assert repair(polygon(ring)) == (polygon(ring), [])


CAP = close_ring([0, 80], [90, 80], [180, 80], [-90, 80])


ON_CAP = close_ring([10, 85], [20, 85], [20, 86], [10, 86])


def test_repair_geometry_around_pole_contains_pole() -> None:
    found, _ = repair(polygon(CAP))
    assert shape(found).bounds == (-180, 80, 180, 90)
    assert shape(found).area == 3600
    assert shape(repair(polygon(CAP, ON_CAP))[0]).area == 3600 - 10
    other = shape(repair(polygon(CAP[::-1]))[0])  # as the library has it: what lies to the left
    assert other.bounds == (-180, -90, 180, 80)


FRAME = close_ring([170, 0], [190, 0], [190, 10], [182, 12], [170, 10])


HOLE = close_ring([0, 2], [2, 2], [2, 4], [0, 4])


@pytest.mark.parametrize("west", [172, 178, 179, 180, 182, -178, -538])
def test_repair_geometry_hole_keeps_its_place(west: float) -> None:
    without = shape(repair(polygon(FRAME))[0])
    hole = shift(HOLE, west)
    for ring in (FRAME, FRAME[::-1], wrap(FRAME), shift(FRAME, -360)):
        for inner in (hole, hole[::-1], wrap(hole)):
            found = shape(repair(polygon(ring, inner))[0])
            assert found.is_valid
            assert found.area == pytest.approx(without.area - 4)
            lon = (west + 1 + 180) % 360 - 180
            assert not found.covers(shape(make_geometry("Point", [lon, 3])))
