"""Quads: footprints with four corners, flattened, turned and cut at the antimeridian.

They come out as `shapes` makes them, digit by digit, at a tenth of the time; what is not as
simple as this is left to it.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any, Final

MAX_LONGITUDE: Final = 180.0
MAX_LATITUDE: Final = 90.0
FULL_TURN: Final = 360.0
MAX_UNROLLED_LONGITUDE: Final = 540.0
"""Degrees of longitude: a turn past the antimeridian either way."""
MAX_SPAN: Final = 90.0
"""Degrees between the corners of a footprint that is surely not the other way round the globe."""
MIN_DISTANCE: Final = 1e-6
"""Degrees from a corner to the antimeridian, and between cuts: no rounding turns edges round."""
MIN_TURN: Final = 1e-5
"""Square degrees of a turn between edges that are both longer than `APART` by far."""
CROSSING_DIGITS: Final = 7
"""Of a latitude where an edge crosses the antimeridian, as the library `antimeridian` has it."""
REPAIR_REASON: Final = "not valid, not flat, turned clockwise or over the antimeridian"
NUMBERS: Final = frozenset({int, float})
Position = tuple[float, float]
Ring = list[Position]


def repair_quadrilateral(geometry: object) -> dict[str, Any] | None:
    """Give a polygon that is right but for its height, its winding or the antimeridian.

    Args:
        geometry: GeoJSON, or anything; not a polygon that is right as it is.

    Returns:
        A valid geometry, or None when this is not for a convex quadrilateral.
    """
    ring = _parse_quadrilateral(geometry)
    if ring is None:
        return None
    straight = unroll_longitudes(ring)
    lons = [lon for lon, _ in straight]
    west, east = min(lons), max(lons)
    if east - west > MAX_SPAN:  # as where it goes round a pole
        return None
    turns = FULL_TURN * math.floor((west + MAX_LONGITUDE) / FULL_TURN)
    if _is_convex(straight) and west - turns < MAX_LONGITUDE < east - turns:
        return _cut_at_antimeridian([(lon - turns, lat) for lon, lat in straight])
    if straight != ring or west < -MAX_LONGITUDE or east > MAX_LONGITUDE:
        return None
    ring = ring if _is_convex(ring) else ring[::-1]
    return {"type": "Polygon", "coordinates": [_to_lists(ring)]} if _is_convex(ring) else None


def _parse_quadrilateral(geometry: object) -> Ring | None:
    """Give the only ring of a polygon of four corners, closed; None for all else."""
    match geometry:
        case {"type": "Polygon", "coordinates": [[_, _, _, _, _] as found], **rest} if not rest:
            pass
        case _:
            return None
    ring: Ring = []
    for each in found:
        if type(each) is not list or len(each) < 2:  # noqa: PLR2004 - longitude, latitude
            return None
        lon, lat = each[:2]
        if not (
            {type(lon), type(lat)} <= NUMBERS
            and abs(lon) <= MAX_UNROLLED_LONGITUDE
            and abs(lat) <= MAX_LATITUDE
        ):
            return None
        ring.append((float(lon), float(lat)))
    return ring if ring[0] == ring[-1] else None


def unroll_longitudes(ring: Ring) -> Ring:
    """Let longitudes run on past the antimeridian, so that no step is longer than half a turn."""
    line = [ring[0]]
    for lon, lat in ring[1:]:
        step = lon - line[-1][0]
        line.append(
            (lon - FULL_TURN * round(step / FULL_TURN) if abs(step) > MAX_LONGITUDE else lon, lat)
        )
    return line


def _is_convex(ring: Ring, least: float = MIN_TURN) -> bool:
    """Tell whether a closed ring turns left at each corner: with four it is simple then."""
    steps = [(two[0] - one[0], two[1] - one[1]) for one, two in pairwise(ring)]
    return all(
        dx * next_dy - dy * next_dx > least
        for (dx, dy), (next_dx, next_dy) in pairwise([*steps, steps[0]])
    )


def _cut_at_antimeridian(straight: Ring) -> dict[str, Any] | None:
    """Cut a counter-clockwise ring that runs on past the antimeridian into its two parts."""
    if any(abs(lon - MAX_LONGITUDE) < MIN_DISTANCE for lon, _ in straight):
        return None
    # The digits are those of the library: it brings every longitude back, past the edge or not.
    ring = [((lon + MAX_LONGITUDE) % FULL_TURN - MAX_LONGITUDE, lat) for lon, lat in straight]
    parts: tuple[Ring, Ring] = ([], [])
    crossings: list[float] = []
    for one, two in pairwise(ring):
        side = len(crossings) % 2
        parts[side].append(one)
        if (one[0] < 0) != (two[0] < 0):
            lat = _crossing_latitude(*sorted((one, two)))
            parts[side].append((math.copysign(MAX_LONGITUDE, one[0]), lat))
            parts[1 - side].append((math.copysign(MAX_LONGITUDE, two[0]), lat))
            crossings.append(lat)
    first, second = parts
    # The ring begins amidst its first part, which begins where the ring comes back to it.
    back = next(at for at, (lon, lat) in enumerate(first) if abs(lon) == MAX_LONGITUDE) + 1
    first = first[back:] + first[:back]
    rings = [[*part, part[0]] for part in (first, second)]
    if abs(crossings[0] - crossings[1]) < MIN_DISTANCE or not all(
        _is_convex(each, 0.0) for each in rings
    ):
        return None
    return {"type": "MultiPolygon", "coordinates": [[_to_lists(each)] for each in rings]}


def _crossing_latitude(west: Position, east: Position) -> float:
    """Give the latitude where an edge crosses the antimeridian, between -180 and 180."""
    rise = east[1] - west[1]
    return round(
        west[1] + (west[0] + MAX_LONGITUDE) * rise / (west[0] + FULL_TURN - east[0]),
        CROSSING_DIGITS,
    )


def _to_lists(ring: Ring) -> list[list[float]]:
    return [[lon, lat] for lon, lat in ring]
