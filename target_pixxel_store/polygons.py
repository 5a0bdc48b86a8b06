"""Polygons: the outline of an area, read out of GeoJSON; no value of a record is ever quoted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from target_pixxel_store.records import Rejected

if TYPE_CHECKING:
    from collections.abc import Iterator

Position = tuple[float, float]
Ring = tuple[Position, ...]
Rings = tuple[Ring, ...]
"""The outer ring and the holes; each closed, of longitudes and latitudes in degrees."""
POLYGON = "Polygon"
FEATURE = "Feature"
LON, LAT = BOUNDS = (180, 90)
_FEWEST = 4
"""Positions of the smallest closed ring (RFC 7946, 3.1.6)."""
_DIGITS = 7  # of a degree: a centimetre


def read_polygon(value: object, name: str) -> Rings:
    """Read a GeoJSON Polygon, or a Feature that holds one; heights are left out.

    Args:
        value: An object, or its JSON as a text, which warehouses keep.
        name: The field that it stands in.

    Raises:
        Rejected: It is none; the text says what is wrong with it.
    """
    if isinstance(value, str):
        value = _decoded(value, name)
    if isinstance(value, dict) and value.get("type") == FEATURE:
        value = value.get("geometry")
    if value is None:
        raise Rejected(f"has no '{name}'")
    if not isinstance(value, dict) or value.get("type") != POLYGON:
        raise Rejected(f"'{name}' is no GeoJSON Polygon; an area takes one Polygon, no other type")
    rings = value.get("coordinates")
    if not isinstance(rings, list) or not rings:
        raise Rejected(f"'{name}' has no ring in its coordinates")
    return tuple(_ring(ring, name) for ring in rings)


def as_geojson(rings: Rings) -> dict[str, Any]:
    """Give rings as a GeoJSON Polygon."""
    return {"type": POLYGON, "coordinates": rings}


def same_outline(one: Rings, other: Rings) -> bool:
    """Tell whether two polygons are one, wherever their rings begin and whichever way they run."""
    return _shape(one) == _shape(other)


def _decoded(text: str, name: str) -> object:
    try:
        found: object = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        raise Rejected(f"'{name}' is a text that is no JSON") from None
    return found


def _ring(value: object, name: str) -> Ring:
    if not isinstance(value, list):
        raise Rejected(f"'{name}' has a ring that is no list of positions")
    ring = tuple(_position(each, name) for each in value)
    if len(ring) < _FEWEST:
        raise Rejected(f"'{name}' has a ring of fewer than {_FEWEST} positions")
    if ring[0] != ring[-1]:
        raise Rejected(f"'{name}' has a ring that is not closed; repeat its first position")
    return ring


def _position(value: object, name: str) -> Position:
    if not isinstance(value, list) or len(value) < len(BOUNDS) or not all(map(_is_number, value)):
        raise Rejected(f"'{name}' has a position that is not longitude and latitude")
    lon, lat = value[: len(BOUNDS)]
    if not (abs(lon) <= LON and abs(lat) <= LAT):  # as a NaN that a stream map made
        raise Rejected(
            f"'{name}' has a position outside of longitude -{LON} to {LON}, latitude -{LAT} to "
            f"{LAT}; degrees are wanted, the longitude first"
        )
    return lon, lat


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _shape(rings: Rings) -> tuple[Ring, frozenset[Ring]]:
    first, *holes = [min(_spellings(ring)) for ring in rings]
    return first, frozenset(holes)


def _spellings(ring: Ring) -> Iterator[Ring]:
    """Give a closed ring from each of its lowest positions on, in both directions."""
    rounded = tuple((round(lon, _DIGITS), round(lat, _DIGITS)) for lon, lat in ring[:-1])
    lowest = min(rounded)
    for way in (rounded, rounded[::-1]):
        for at, position in enumerate(way):
            if position == lowest:
                yield way[at:] + way[:at]
