"""Limits of longitude and latitude in degrees, and rings past the antimeridian."""

from __future__ import annotations

MAX_LONGITUDE = 180.0
MAX_LATITUDE = 90.0
FULL_TURN = 360.0
MAX_UNROLLED_LONGITUDE = 540.0
"""A full turn past the antimeridian, to the east or to the west."""
Position = tuple[float, float]
Ring = list[Position]


def unroll_longitudes(ring: Ring) -> Ring:
    """Continue longitudes past the antimeridian, so that no step is longer than half a turn."""
    unrolled = [ring[0]]
    for lon, lat in ring[1:]:
        step = lon - unrolled[-1][0]
        if abs(step) > MAX_LONGITUDE:
            lon -= FULL_TURN * round(step / FULL_TURN)  # noqa: PLW2901 - the unrolled longitude
        unrolled.append((lon, lat))
    return unrolled


def longitude_bounds(spans: list[tuple[float, float]]) -> tuple[float, float]:
    """Return the west and east bounds of longitude spans, none of which crosses the antimeridian.

    When the spans touch both sides of the antimeridian and leave a gap elsewhere, west is greater
    than east.
    """
    west, east = min(span[0] for span in spans), max(span[1] for span in spans)
    if west > -MAX_LONGITUDE or east < MAX_LONGITUDE:
        return west, east
    # Both sides are touched: leave out the widest gap instead of the other side of the globe.
    covered, widest_gap, bounds = -MAX_LONGITUDE, 0.0, (west, east)
    for left, right in sorted(spans):
        if left - covered > widest_gap:
            widest_gap, bounds = left - covered, (left, covered)
        covered = max(covered, right)
    return bounds
