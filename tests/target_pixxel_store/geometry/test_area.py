"""Areas on the ellipsoid; that of the square at the equator is GeographicLib's."""

from __future__ import annotations

import pytest

from target_pixxel_store.geometry.area import compute_area


def box(west: float, south: float, east: float, north: float) -> tuple[tuple[float, float], ...]:
    return ((west, south), (east, south), (east, north), (west, north), (west, south))


@pytest.mark.parametrize(
    ("ring", "expected"),
    [
        (box(0, 0, 1, 1), 12308.778),
        (box(10, 50, 10.5, 50.5), 1983.4),
        (box(-102.41, 34.19, -102.28, 34.22), 39.85),
        (box(0, 0, 1, 1)[::-1], 12308.778),
        (box(0, 0, 0, 1), 0.0),
    ],
)
def test_area_of_ring_in_any_direction(
    ring: tuple[tuple[float, float], ...], expected: float
) -> None:
    assert compute_area([(ring,)]) == pytest.approx(expected, rel=2e-3)


@pytest.mark.parametrize("east", [180.5, -179.5])
def test_area_across_antimeridian_in_either_notation(east: float) -> None:
    assert compute_area([(box(179.5, 0, east, 1),)]) == pytest.approx(12308.778, rel=1e-3)


@pytest.mark.parametrize("sign", [1, -1])
def test_area_around_a_pole_is_the_smaller_part(sign: int) -> None:
    cap = tuple((float(lon), sign * 80.0) for lon in range(-180, 181, 30))
    assert compute_area([(cap,)]) == pytest.approx(3.9e6, rel=0.01)


def test_area_without_holes_and_of_several_polygons() -> None:
    outer, hole = box(0, 0, 1, 1), box(0.2, 0.2, 0.4, 0.4)
    alone, with_hole = compute_area([(outer,)]), compute_area([(outer, hole)])
    assert with_hole == pytest.approx(alone - compute_area([(hole,)]))
    assert compute_area([(outer,), (hole,)]) == pytest.approx(alone + compute_area([(hole,)]))
