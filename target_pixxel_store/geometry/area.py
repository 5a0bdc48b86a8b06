"""The area of polygons on the ellipsoid."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from target_pixxel_store.geometry.polygon import Ring, Rings

_RADIUS_KM = 6371.0072
"""Radius of the sphere with the area of the WGS 84 ellipsoid."""
_FLATTENING = 1 / 298.257223563
_ECCENTRICITY_2 = _FLATTENING * (2 - _FLATTENING)
_FULL_TURN = 360.0


def compute_area(polygons: Iterable[Rings]) -> float:
    """Return the area of polygons in km², without their holes.

    Latitudes are mapped to the sphere of the same area; between two positions, an edge is straight
    in longitude and the sine of the latitude. For the few degrees of an order the result is exact
    to a part in a thousand. A polygon may cross the antimeridian, in either notation.
    """
    return sum(_ring_area(outer) - sum(map(_ring_area, holes)) for outer, *holes in polygons)


def _ring_area(ring: Ring) -> float:
    """Return the area in km² of the smaller of the two parts into which a ring cuts the globe."""
    sines = [_authalic_sine(latitude) for _, latitude in ring]
    doubled = 0.0
    for at, ((west, _), (east, _)) in enumerate(itertools.pairwise(ring)):
        turn = math.remainder(east - west, _FULL_TURN)  # across the antimeridian, too
        doubled += math.radians(turn) * (2 + sines[at] + sines[at + 1])
    area = abs(doubled) / 2 * _RADIUS_KM**2
    return min(area, abs(4 * math.pi * _RADIUS_KM**2 - area))


def _authalic_sine(latitude: float) -> float:
    """Return the sine of the authalic latitude of a latitude in degrees (Snyder 1987, 3-11)."""
    return _equal_area_term(math.sin(math.radians(latitude))) / _equal_area_term(1.0)


def _equal_area_term(sine: float) -> float:
    eccentricity = math.sqrt(_ECCENTRICITY_2)
    return (1 - _ECCENTRICITY_2) * (
        sine / (1 - _ECCENTRICITY_2 * sine**2) + math.atanh(eccentricity * sine) / eccentricity
    )
