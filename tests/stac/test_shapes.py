"""Shapes: what the library is given, and what is made of what it gives back."""

from __future__ import annotations

import json
from typing import Any

import pytest
from shapely.geometry import shape

from tap_pixxel.stac.geometry.repair import repair_geometry
from tests.stac.test_geometry import SQUARE, polygon


def made(geometry: Any) -> tuple[Any, list[str]]:
    said: list[str] = []
    return repair_geometry(geometry, lambda _, done, __: said.append(done)), said


def closed(*corners: list[float]) -> list[list[float]]:
    return [*corners, corners[0]]


def moved(ring: list[list[float]], lon: float) -> list[list[float]]:
    return [[x + lon, y] for x, y in ring]


def turned(ring: list[list[float]]) -> list[list[float]]:
    return [[x - 360 if x > 180 else x, y] for x, y in ring]


def line(kind: Any, coordinates: Any) -> dict[str, Any]:
    return {"type": kind, "coordinates": coordinates}


LINES: list[tuple[str, Any, Any]] = [
    # type, coordinates, what becomes of them
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
def test_points_and_lines_are_flat_and_on_the_globe(
    kind: str, coordinates: Any, expected: Any
) -> None:
    found, said = made(line(kind, coordinates))
    assert found == (expected and line(kind, expected))
    assert said == (["repaired"] if expected and expected != coordinates else [])


def nested(depth: int) -> Any:
    """Give a polygon in as many collections."""
    geometry: Any = polygon(SQUARE)
    for _ in range(depth):
        geometry = {"type": "GeometryCollection", "geometries": [5, geometry]}
    return geometry


HOLED = [[0.5, 0.5], [0.5, 1], [1, 1], [1, 0.5], [0.5, 0.5]]
NOTED: list[tuple[Any, Any, list[str]]] = [
    # a geometry, what becomes of it, what is noted
    (polygon(SQUARE), polygon(SQUARE), []),
    (json.dumps(polygon(SQUARE)), polygon(SQUARE), ["converted"]),
    (polygon(SQUARE, HOLED), polygon(SQUARE, HOLED), []),
    (polygon(SQUARE) | {"bbox": [0, 0, 2, 2]}, polygon(SQUARE), ["dropped"]),
    (line("MultiPolygon", [[SQUARE]]), polygon(SQUARE), ["repaired"]),
    (nested(1), polygon(SQUARE), ["repaired"]),
    (nested(8), polygon(SQUARE), ["repaired"]),
    (nested(9), None, []),
    ({"type": "GeometryCollection", "geometries": 5}, None, []),
    (line(["MultiPolygon"], [[SQUARE]]), None, []),
    (line("MultiPolygon", [[SQUARE], []]), None, []),
    (polygon(SQUARE, [[0.5, 0.5], [1, 1], [0.5, 0.5]]), None, []),
    (polygon(SQUARE, []), None, []),
    # The library refuses to cut this one, and leaves that one with an edge round the globe.
    (polygon(closed([360, 80], [-180, -10], [0, 80])), None, []),
    (polygon(closed([-181, 90], [190, 0], [360, 0])), None, []),
    ("5", None, []),
    ("nothing", None, []),
]


@pytest.mark.parametrize(("geometry", "expected", "noted"), NOTED)
def test_polygons_are_found_wherever_they_are(
    geometry: Any, expected: Any, noted: list[str]
) -> None:
    assert made(geometry) == (expected, noted)


HOUSE = closed([179, 0], [181, 0], [181, 2], [180.5, 3], [179, 2])
EAST = closed([180, 2.6666667], [179, 2], [179, 0], [180, 0])
WEST = closed([-180, 0], [-179, 0], [-179, 2], [-179.5, 3], [-180, 2.6666667])


@pytest.mark.parametrize(
    "ring",
    [HOUSE, turned(HOUSE), moved(HOUSE, -360), HOUSE[::-1], turned(HOUSE)[::-1], HOUSE[:-1]],
)
def test_a_polygon_over_the_antimeridian_is_cut(ring: Any) -> None:
    found, _ = made(polygon(ring))
    assert found["type"] == "MultiPolygon"
    assert shape(found).equals(shape(line("MultiPolygon", [[EAST], [WEST]])))


BOWTIE = closed([178, 0], [182, 4], [182, 0], [178, 4])


@pytest.mark.parametrize("ring", [BOWTIE, turned(BOWTIE), BOWTIE[::-1]])
def test_a_bowtie_over_the_antimeridian_becomes_its_halves(ring: Any) -> None:
    found = shape(made(polygon(ring))[0])
    assert found.area == 8
    assert not found.covers(shape(line("Point", [179.5, 3])))
    assert found.covers(shape(line("Point", [178.5, 2])))
    assert found.covers(shape(line("Point", [-178.5, 2])))


@pytest.mark.parametrize(
    ("corners", "area"),
    [
        ([[177, 1], [183, 5], [179, 3], [182, 0]], 6.4),
        ([[178, 0], [-176, 2], [178, 2], [-176, 5]], 7.2),
    ],
)
def test_a_ring_that_meets_itself_over_the_antimeridian_is_mended_before_it_is_cut(
    corners: list[list[float]], area: float
) -> None:
    assert shape(made(polygon(closed(*corners)))[0]).area == pytest.approx(area)


def test_a_polygon_in_another_turn_is_brought_back_and_not_cut() -> None:
    assert made(polygon(moved(HOUSE, 180)))[0] == polygon(moved(HOUSE, -180))


WIDE = closed([-90, 0], [90, 0], [90, 10], [0, 20], [-90, 10])
GLOBE = closed([-180, -90], [180, -90], [180, 90], [-180, 90])


@pytest.mark.parametrize("ring", [WIDE, GLOBE])
def test_steps_of_half_a_turn_and_of_a_whole_one_cross_nothing(ring: Any) -> None:
    assert made(polygon(ring)) == (polygon(ring), [])


CAP = closed([0, 80], [90, 80], [180, 80], [-90, 80])
ON_CAP = closed([10, 85], [20, 85], [20, 86], [10, 86])


def test_a_ring_round_a_pole_takes_the_pole_in() -> None:
    found, _ = made(polygon(CAP))
    assert shape(found).bounds == (-180, 80, 180, 90)
    assert shape(found).area == 3600
    assert shape(made(polygon(CAP, ON_CAP))[0]).area == 3600 - 10
    other = shape(made(polygon(CAP[::-1]))[0])  # as the library has it: what lies to the left
    assert other.bounds == (-180, -90, 180, 80)


ROOM = closed([170, 0], [190, 0], [190, 10], [182, 12], [170, 10])
HOLE = closed([0, 2], [2, 2], [2, 4], [0, 4])


@pytest.mark.parametrize("west", [172, 178, 179, 180, 182, -178, -538])
def test_a_hole_stays_where_it_is_on_either_side_of_the_antimeridian(west: float) -> None:
    without = shape(made(polygon(ROOM))[0])
    hole = moved(HOLE, west)
    for ring in (ROOM, ROOM[::-1], turned(ROOM), moved(ROOM, -360)):
        for inner in (hole, hole[::-1], turned(hole)):
            found = shape(made(polygon(ring, inner))[0])
            assert found.is_valid
            assert found.area == pytest.approx(without.area - 4)
            lon = (west + 1 + 180) % 360 - 180
            assert not found.covers(shape(line("Point", [lon, 3])))
