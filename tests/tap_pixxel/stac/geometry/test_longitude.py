"""Test the bounds of longitude spans."""

from __future__ import annotations

import pytest

from tap_pixxel.stac.geometry.longitude import longitude_bounds


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
def test_longitude_bounds_both_sides_leave_out_widest_gap(
    spans: list[tuple[float, float]], expected: tuple[float, float]
) -> None:
    assert longitude_bounds(spans) == expected
