"""Footprints at a glance, and the boxes around them."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

import pytest

from tap_pixxel.stac.geometry.footprint import (
    _convex_bbox,
    bbox_polygon,
    normalize_footprint,
    parse_bbox,
)
from tap_pixxel.stac.geometry.longitude import longitude_bounds
from tests.stac.test_geometry import BOX, SQUARE, polygon

if TYPE_CHECKING:
    from collections.abc import Iterator

# Corners with every sign of both steps, and each with the others on the same side.
KITE: list[list[float]] = [[3, 0], [1, 2], [-2, 1], [0, -3]]
PLACES = [(0, 0), (100, 50), (-100, -50), (100, -50), (-100, 50)]


def everywhere(corners: list[list[float]]) -> Iterator[tuple[dict[str, Any], float, float]]:
    """Yield polygons of these corners, begun at each, and how far each was moved."""
    for (x, y), start in product(PLACES, range(4)):
        ring = [[lon + x, lat + y] for lon, lat in corners[start:] + corners[:start]]
        yield polygon([*ring, ring[0]]), x, y


def test_a_convex_quadrilateral_is_right_as_it_is_but_not_clockwise() -> None:
    for geometry, x, y in everywhere(KITE):
        assert _convex_bbox(geometry) == [x - 2, y - 3, x + 3, y + 2]
    assert all(_convex_bbox(geometry) is None for geometry, _, _ in everywhere(KITE[::-1]))


@pytest.mark.parametrize("bent", range(4))
def test_a_quadrilateral_is_looked_at_closely_where_one_corner_turns_right(bent: int) -> None:
    corners = [*KITE]
    (x, y), before, after = KITE[bent], KITE[bent - 1], KITE[bent - 3]
    middle = (before[0] + after[0]) / 2, (before[1] + after[1]) / 2
    corners[bent] = [1.1 * middle[0] - 0.1 * x, 1.1 * middle[1] - 0.1 * y]
    assert all(_convex_bbox(geometry) is None for geometry, _, _ in everywhere(corners))


def box(west: float, south: float, east: float, north: float) -> list[list[float]]:
    return [[west, south], [east, south], [east, north], [west, north], [west, south]]


CLOSELY: list[Any] = [
    polygon(box(-180.1, 0, -179, 1)),
    polygon(box(179, 0, 180.1, 1)),
    polygon(box(0, -90.1, 1, 0)),
    polygon(box(0, 0, 1, 90.1)),
    polygon(box(-90, 0, 90.1, 1)),
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


@pytest.mark.parametrize("geometry", CLOSELY)
def test_whatever_else_is_looked_at_closely(geometry: Any) -> None:
    assert _convex_bbox(geometry) is None


@pytest.mark.parametrize(
    "bounds", [[-180, -90, 0, 90], [0.0, -90, 180, 90.0], [1, 1, 1.5, 1.5], [-90, 0, 90, 1]]
)
def test_the_edges_of_the_globe_belong_to_it(bounds: list[float]) -> None:
    assert _convex_bbox(polygon(box(*bounds))) == bounds


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
def test_a_box_encloses_something_on_the_globe(value: Any, expected: Any) -> None:
    assert parse_bbox(value) == expected


def test_a_box_becomes_a_polygon_whose_steps_are_no_longer_than_half_a_turn() -> None:
    assert bbox_polygon([0, 0, 180, 1]) == polygon(box(0, 0, 180, 1))
    wide = [[-90, 0], [5, 0], [100, 0], [100, 1], [5, 1], [-90, 1], [-90, 0]]
    assert bbox_polygon([-90, 0, 100, 1]) == polygon(wide)


def test_a_box_over_the_antimeridian_is_one_polygon_where_it_only_touches_it() -> None:
    halves = [[box(170, 0, 180, 1)], [box(-180, 0, -170, 1)]]
    assert bbox_polygon([170, 0, -170, 1]) == {"type": "MultiPolygon", "coordinates": halves}
    assert bbox_polygon([170, 0, -180, 1]) == polygon(*halves[0])
    assert bbox_polygon([180, 0, -170, 1]) == polygon(*halves[1])


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ([(0, 1), (5, 9)], (0, 9)),
        ([(170, 180), (175, 180)], (170, 180)),
        ([(-180, -170), (0, 5)], (-180, 5)),
        ([(-180, -170), (170, 180)], (170, -170)),
        ([(170, 180), (0, 5), (-180, -170)], (0, -170)),
        ([(-180, -100), (-50, 60), (70, 180)], (-50, -100)),
        ([(-180, 60), (-50, -40), (70, 180)], (70, 60)),
        ([(-180, 0), (0.5, 180)], (0.5, 0)),
        ([(-180, 0), (0, 180)], (-180, 180)),
        ([(-180, 180), (0, 5)], (-180, 180)),
    ],
)
def test_the_widest_gap_is_left_out_where_both_sides_of_the_antimeridian_are_touched(
    spans: list[tuple[float, float]], expected: tuple[float, float]
) -> None:
    assert longitude_bounds(spans) == expected


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
def test_a_bbox_is_compared_with_the_geometry(bbox: Any, done: list[str]) -> None:
    said: list[str] = []
    made, found = normalize_footprint(polygon(SQUARE), bbox, lambda _, what, __: said.append(what))
    assert (made, found) == (polygon(SQUARE), BOX)
    assert said == done
