"""Polygons: parsed from GeoJSON and compared; errors never quote a value of a record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from target_pixxel_store.errors import RecordError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Position = tuple[float, float]
Ring = tuple[Position, ...]
Rings = tuple[Ring, ...]
"""The outer ring and the holes, each closed; longitudes and latitudes are in degrees."""
CanonicalPolygon = tuple[Ring, frozenset[Ring]]
GEOMETRY = "geometry"
POLYGON, MULTI_POLYGON = "Polygon", "MultiPolygon"
FEATURE, FEATURE_COLLECTION = "Feature", "FeatureCollection"
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
    value = _read_geometry(value, name)
    if value.get("type") != POLYGON:
        raise RecordError(f"'{name}' must be one GeoJSON Polygon; no other type is allowed")
    return _read_rings(value.get("coordinates"), name)


def read_polygons(value: object, name: str) -> tuple[Rings, ...]:
    """Read a GeoJSON Polygon or MultiPolygon, a Feature of one, or a FeatureCollection of these.

    Args:
        value: An object, or its JSON as a string, as warehouses store it.
        name: The name of its field.

    Raises:
        RecordError: It is anything else, or has no polygon.
    """
    value = _read_geometry(value, name)
    if value.get("type") == FEATURE_COLLECTION:
        features = value.get("features")
        if not isinstance(features, list) or not features:
            raise RecordError(f"'{name}' is a FeatureCollection without features")
        return tuple(rings for each in features for rings in _read_parts(each, name))
    return _read_parts(value, name)


def to_geojson(rings: Rings) -> dict[str, Any]:
    """Return rings as a GeoJSON Polygon."""
    return {"type": POLYGON, "coordinates": rings}


def to_feature_collection(polygons: Iterable[Rings]) -> dict[str, Any]:
    """Return a FeatureCollection with a Feature for each polygon.

    POST /v0/orders wants it so; the coordinates in its schema are those of a Polygon.
    """
    return {
        "type": FEATURE_COLLECTION,
        "features": [
            {"type": FEATURE, "properties": {}, GEOMETRY: to_geojson(rings)} for rings in polygons
        ],
    }


def equal_polygons(one: Rings, other: Rings) -> bool:
    """Return whether two polygons are equal, for any first position and direction of a ring."""
    return _canonical_form(one) == _canonical_form(other)


def canonical_polygons(polygons: Iterable[Rings]) -> frozenset[CanonicalPolygon]:
    """Return a value that is equal for the same polygons in any order and written in any way."""
    return frozenset(map(_canonical_form, polygons))


def _read_geometry(value: object, name: str) -> dict[str, Any]:
    """Return a GeoJSON object, that of a Feature for a Feature."""
    if isinstance(value, str):
        try:
            value = msgspec.json.decode(value)
        except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
            raise RecordError(f"'{name}' is a string that is not JSON") from None
    if isinstance(value, dict) and value.get("type") == FEATURE:
        value = value.get(GEOMETRY)
    if value is None:
        raise RecordError(f"has no '{name}'")
    return value if isinstance(value, dict) else {}


def _read_parts(value: object, name: str) -> tuple[Rings, ...]:
    """Return the polygons of a Polygon or MultiPolygon, or of a Feature of one."""
    value = _read_geometry(value, name)
    coordinates = value.get("coordinates")
    if value.get("type") == POLYGON:
        return (_read_rings(coordinates, name),)
    if value.get("type") != MULTI_POLYGON:
        raise RecordError(
            f"'{name}' must be a GeoJSON Polygon or MultiPolygon, or a FeatureCollection of these"
        )
    if not isinstance(coordinates, list) or not coordinates:
        raise RecordError(f"'{name}' is a MultiPolygon without polygons")
    return tuple(_read_rings(each, name) for each in coordinates)


def _read_rings(value: object, name: str) -> Rings:
    if not isinstance(value, list) or not value:
        raise RecordError(f"'{name}' has no ring in its coordinates")
    return tuple(_read_ring(ring, name) for ring in value)


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
    return float(lon), float(lat)  # so that 10 and 10.0 are the same content


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _canonical_form(rings: Rings) -> CanonicalPolygon:
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
