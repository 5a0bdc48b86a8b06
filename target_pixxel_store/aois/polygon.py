"""Polygons: parsed from GeoJSON and compared; errors never quote a value of a record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from target_pixxel_store.errors import RecordError

if TYPE_CHECKING:
    from collections.abc import Iterator

Position = tuple[float, float]
Ring = tuple[Position, ...]
Rings = tuple[Ring, ...]
"""The outer ring and the holes, each closed; longitudes and latitudes are in degrees."""
POLYGON = "Polygon"
FEATURE = "Feature"
LON, LAT = BOUNDS = (180, 90)
_MIN_POSITIONS = 4
"""Positions of the smallest closed ring (RFC 7946, 3.1.6)."""
_DECIMALS = 7  # of a degree: a centimetre


def read_polygon(value: object, name: str) -> Rings:
    """Read a GeoJSON Polygon, or a Feature with one; heights are dropped.

    Args:
        value: An object, or its JSON as a string, as warehouses store it.
        name: The name of its field.

    Raises:
        RecordError: It is not a valid polygon.
    """
    if isinstance(value, str):
        try:
            value = msgspec.json.decode(value)
        except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
            raise RecordError(f"'{name}' is a string that is not JSON") from None
    if isinstance(value, dict) and value.get("type") == FEATURE:
        value = value.get("geometry")
    if value is None:
        raise RecordError(f"has no '{name}'")
    if not isinstance(value, dict) or value.get("type") != POLYGON:
        raise RecordError(f"'{name}' must be one GeoJSON Polygon; no other type is allowed")
    rings = value.get("coordinates")
    if not isinstance(rings, list) or not rings:
        raise RecordError(f"'{name}' has no ring in its coordinates")
    return tuple(_read_ring(ring, name) for ring in rings)


def to_geojson(rings: Rings) -> dict[str, Any]:
    """Return rings as a GeoJSON Polygon."""
    return {"type": POLYGON, "coordinates": rings}


def equal_polygons(one: Rings, other: Rings) -> bool:
    """Return whether two polygons are equal, for any first position and direction of a ring."""
    return _canonical_form(one) == _canonical_form(other)


def _read_ring(value: object, name: str) -> Ring:
    if not isinstance(value, list):
        raise RecordError(f"'{name}' has a ring that is not a list of positions")
    ring = tuple(_read_position(each, name) for each in value)
    if len(ring) < _MIN_POSITIONS:
        raise RecordError(f"'{name}' has a ring of fewer than {_MIN_POSITIONS} positions")
    if ring[0] != ring[-1]:
        raise RecordError(f"'{name}' has a ring that is not closed; repeat its first position")
    return ring


def _read_position(value: object, name: str) -> Position:
    if not isinstance(value, list) or len(value) < len(BOUNDS) or not all(map(_is_number, value)):
        raise RecordError(f"'{name}' has a position that is not longitude and latitude")
    lon, lat = value[: len(BOUNDS)]
    if not (abs(lon) <= LON and abs(lat) <= LAT):  # as a NaN that a stream map made
        raise RecordError(
            f"'{name}' has a position outside of longitude -{LON} to {LON}, latitude -{LAT} to "
            f"{LAT}; use degrees, the longitude first"
        )
    return lon, lat


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _canonical_form(rings: Rings) -> tuple[Ring, frozenset[Ring]]:
    first, *holes = [min(_equivalent_rings(ring)) for ring in rings]
    return first, frozenset(holes)


def _equivalent_rings(ring: Ring) -> Iterator[Ring]:
    """Yield a closed ring from each of its lowest positions on, in both directions."""
    rounded = tuple((round(lon, _DECIMALS), round(lat, _DECIMALS)) for lon, lat in ring[:-1])
    lowest = min(rounded)
    for way in (rounded, rounded[::-1]):
        for at, position in enumerate(way):
            if position == lowest:
                yield way[at:] + way[:at]
