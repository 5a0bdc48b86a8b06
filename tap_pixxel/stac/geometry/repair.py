"""Repair geometries of any kind with shapely, and cut them at the antimeridian."""

from __future__ import annotations

import json
import math
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import antimeridian
import shapely
from shapely.geometry import LinearRing, MultiPolygon, Polygon, mapping
from shapely.geometry.polygon import orient

from tap_pixxel.stac.geometry.fast_path import REPAIR_REASON
from tap_pixxel.stac.geometry.longitude import (
    FULL_TURN,
    MAX_LATITUDE,
    MAX_LONGITUDE,
    MAX_UNROLLED_LONGITUDE,
    unroll_longitudes,
)
from tap_pixxel.stac.parsers import number_or_none
from tap_pixxel.stac.result import CONVERTED, DROPPED, REPAIRED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shapely.geometry.base import BaseGeometry

    from tap_pixxel.stac.geometry.longitude import Position, Ring
    from tap_pixxel.stac.result import AddNote

MAX_COLLECTION_DEPTH = 8
"""Levels of nested geometry collections that are searched for polygons."""
MIN_CORNERS = 3
_COORDINATE_DEPTH = {"Point": 0, "MultiPoint": 1, "LineString": 1, "MultiLineString": 2}
_MIN_POSITIONS = {"LineString": 2, "MultiLineString": 2}


class _InvalidGeometry(ValueError):
    """The coordinates do not fit the geometry's type."""


def repair_geometry(geometry: object, add_note: AddNote) -> dict[str, Any] | None:
    """Return the valid geometry in GeoJSON that may not be valid; None when there is none.

    Args:
        geometry: GeoJSON, an object or JSON text; not null.
        add_note: takes a note: field, action, reason.
    """
    try:
        decoded = _decode_json_text(geometry)
        if not isinstance(decoded, dict):
            return None
        repaired = _repair(decoded)
    except (_InvalidGeometry, RecursionError, shapely.errors.ShapelyError):
        return None
    if repaired is None:
        return None
    if decoded is not geometry:
        add_note("geometry", CONVERTED, "JSON text")
    _note_changes(decoded, repaired, add_note)
    return repaired


def _decode_json_text(value: object) -> Any:  # noqa: ANN401 - any JSON
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        raise _InvalidGeometry from None


def _note_changes(geometry: dict[str, Any], repaired: dict[str, Any], add_note: AddNote) -> None:
    if geometry.get("coordinates") != repaired["coordinates"]:
        add_note("geometry", REPAIRED, REPAIR_REASON)
    if geometry.keys() - {"type", "coordinates", "geometries"}:
        add_note("geometry", DROPPED, "members that geometries do not have")


def _repair(geometry: dict[str, Any]) -> dict[str, Any] | None:
    kind = geometry.get("type")
    if isinstance(kind, str) and kind in _COORDINATE_DEPTH:
        return _convert_lines(kind, _decode_json_text(geometry.get("coordinates")))
    polygons = list(_find_polygons(geometry, 0))
    parts = [part for rings in polygons for part in _split_polygon(rings)]
    union: BaseGeometry = MultiPolygon(parts)
    if not union.is_valid:
        union = shapely.union_all(parts)
    parts = [orient(part) for part in _list_polygons(union)]
    if not parts or not all(_is_normalized(part) for part in parts):
        return None
    return _to_geojson(parts[0] if len(parts) == 1 else MultiPolygon(parts))


def _is_normalized(polygon: Polygon) -> bool:
    """Return whether another repair would leave a polygon unchanged."""
    west, south, east, north = polygon.bounds
    rings = [polygon.exterior, *polygon.interiors]
    return (
        west >= -MAX_LONGITUDE
        and east <= MAX_LONGITUDE
        and south >= -MAX_LATITUDE
        and north <= MAX_LATITUDE
        and polygon.is_valid
        and not any(_crosses_antimeridian(_ring_positions(ring)) for ring in rings)
    )


def _ring_positions(ring: LinearRing) -> Ring:
    return [(lon, lat) for lon, lat, *_ in ring.coords]


def _find_polygons(geometry: object, depth: int) -> Iterator[list[Ring]]:
    """Yield the rings of each polygon; skip the other members of a collection."""
    if not isinstance(geometry, dict) or depth > MAX_COLLECTION_DEPTH:
        return
    kind = geometry.get("type")
    if kind == "GeometryCollection":
        members = geometry.get("geometries")
        for member in members if isinstance(members, list) else ():
            yield from _find_polygons(member, depth + 1)
    elif kind in {"Polygon", "MultiPolygon"} if isinstance(kind, str) else False:
        coordinates = _require_list(_decode_json_text(geometry.get("coordinates")))
        for rings in [coordinates] if kind == "Polygon" else coordinates:
            yield [_parse_ring(ring) for ring in _require_list(rings)]


def _require_list(value: object) -> list[Any]:
    if not isinstance(value, list) or not value:
        raise _InvalidGeometry
    return value


def _parse_ring(value: object) -> Ring:
    ring = [_parse_position(each) for each in _require_list(value)]
    if len(set(ring)) < MIN_CORNERS:
        raise _InvalidGeometry
    return ring if ring[0] == ring[-1] else [*ring, ring[0]]


def _parse_position(value: object) -> Position:
    if not isinstance(value, list) or len(value) < 2:  # noqa: PLR2004 - longitude, latitude
        raise _InvalidGeometry
    lon, lat = number_or_none(value[0]), number_or_none(value[1])
    if lon is None or lat is None or abs(lon) > MAX_UNROLLED_LONGITUDE or abs(lat) > MAX_LATITUDE:
        raise _InvalidGeometry
    return float(lon), float(lat)


def _split_polygon(rings: list[Ring]) -> list[Polygon]:
    """Return the valid polygons that a polygon's rings enclose, cut at the antimeridian."""
    if not any(_crosses_antimeridian(ring) for ring in rings):
        return _make_valid(Polygon(rings[0], rings[1:]))
    unrolled = [unroll_longitudes(ring) for ring in rings]
    if all(ring[0] == ring[-1] for ring in unrolled):
        first_longitude = unrolled[0][0][0]
        holes = [_shift_beside(ring, first_longitude) for ring in unrolled[1:]]
        valid = _make_valid(Polygon(unrolled[0], holes))
        return [cut for part in valid for cut in _cut(_shift_to_globe(part))]
    # An unrolled ring that does not end where it began encloses a pole.
    return _cut(Polygon(rings[0], rings[1:]))


def _crosses_antimeridian(ring: Ring) -> bool:
    # A step of exactly one turn leads nowhere: a footprint of the whole globe has two.
    return any(abs(lon) > MAX_LONGITUDE for lon, _ in ring) or any(
        MAX_LONGITUDE < abs(two[0] - one[0]) < FULL_TURN for one, two in pairwise(ring)
    )


def _shift_beside(ring: Ring, longitude: float) -> Ring:
    """Shift a ring by full turns, so that it begins within half a turn of a longitude."""
    turns = FULL_TURN * round((ring[0][0] - longitude) / FULL_TURN)
    return [(lon - turns, lat) for lon, lat in ring]


def _shift_to_globe(polygon: Polygon) -> Polygon:
    """Shift a polygon by full turns, so that its west edge is between -180 and 180."""
    turns = FULL_TURN * math.floor((polygon.bounds[0] + MAX_LONGITUDE) / FULL_TURN)
    return shapely.transform(polygon, lambda points: points - [turns, 0.0]) if turns else polygon


def _cut(polygon: Polygon) -> list[Polygon]:
    west, _, east, _ = polygon.bounds
    if (
        west >= -MAX_LONGITUDE
        and east <= MAX_LONGITUDE
        and not _crosses_antimeridian(_ring_positions(polygon.exterior))
    ):
        return [polygon]
    parts = _cut_ring(polygon.exterior)
    # The library rejects holes beyond the antimeridian, and loses some that lie across it.
    holes = [hole for ring in polygon.interiors for hole in _cut(_shift_to_globe(Polygon(ring)))]
    if not holes:
        return parts
    return _list_polygons(shapely.difference(MultiPolygon(parts), MultiPolygon(holes)))


def _cut_ring(ring: LinearRing) -> list[Polygon]:
    try:
        fixed = antimeridian.fix_polygon(Polygon(ring), fix_winding=True, great_circle=False)
    except (ValueError, IndexError, AssertionError):  # such as a ring along the antimeridian itself
        return []
    return [part for each in _list_polygons(fixed) for part in _make_valid(each)]


def _make_valid(polygon: Polygon) -> list[Polygon]:
    return _list_polygons(polygon if polygon.is_valid else shapely.make_valid(polygon))


def _list_polygons(geometry: shapely.Geometry) -> list[Polygon]:
    """Return the polygons in a geometry, without its points and lines."""
    if isinstance(geometry, Polygon):
        return [] if geometry.is_empty else [geometry]
    return [part for each in getattr(geometry, "geoms", ()) for part in _list_polygons(each)]


def _convert_lines(kind: str, coordinates: object) -> dict[str, Any]:
    """Return points and lines, two-dimensional, with longitudes between -180 and 180."""

    def convert(value: object, depth: int) -> Any:  # noqa: ANN401 - GeoJSON nests
        if depth:
            members = [convert(each, depth - 1) for each in _require_list(value)]
            if depth == 1 and len(members) < _MIN_POSITIONS.get(kind, 1):
                raise _InvalidGeometry
            return members
        lon, lat = _parse_position(value)
        is_on_globe = -MAX_LONGITUDE <= lon <= MAX_LONGITUDE
        return [lon if is_on_globe else (lon + MAX_LONGITUDE) % FULL_TURN - MAX_LONGITUDE, lat]

    return {"type": kind, "coordinates": convert(coordinates, _COORDINATE_DEPTH[kind])}


def _to_geojson(geometry: Polygon | MultiPolygon) -> dict[str, Any]:
    geojson = mapping(geometry)
    return {"type": geojson["type"], "coordinates": _to_lists(geojson["coordinates"])}


def _to_lists(coordinates: Any) -> Any:  # noqa: ANN401 - GeoJSON nests
    if not isinstance(coordinates, list | tuple):
        return coordinates
    return [_to_lists(each) for each in coordinates]
