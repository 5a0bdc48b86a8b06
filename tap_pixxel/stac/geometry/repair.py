"""Shapes: geometries that have to be repaired, or cut at the antimeridian."""

from __future__ import annotations

import json
import math
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import antimeridian
import shapely
from shapely.geometry import LinearRing, MultiPolygon, Polygon, mapping
from shapely.geometry.polygon import orient

from tap_pixxel.stac.geometry.fast_path import (
    FULL_TURN,
    MAX_LATITUDE,
    MAX_LONGITUDE,
    MAX_UNROLLED_LONGITUDE,
    REPAIR_REASON,
    unroll_longitudes,
)
from tap_pixxel.stac.parsers import number_or_none
from tap_pixxel.stac.result import CONVERTED, DROPPED, REPAIRED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from shapely.geometry.base import BaseGeometry

    from tap_pixxel.stac.geometry.fast_path import Position, Ring

    Say = Callable[[str, str, str], None]

MAX_COLLECTION_DEPTH: Final = 8
"""Collections of geometries within each other that are looked into."""
MIN_CORNERS: Final = 3
_COORDINATE_DEPTH: Final = {"Point": 0, "MultiPoint": 1, "LineString": 1, "MultiLineString": 2}
_MIN_POSITIONS: Final = {"LineString": 2, "MultiLineString": 2}


class _InvalidGeometry(ValueError):
    """The coordinates are not what the geometry's type wants."""


def repair_geometry(geometry: object, say: Say) -> dict[str, Any] | None:
    """Give a valid geometry of GeoJSON that may not be; None when there is none in it.

    Args:
        geometry: GeoJSON, an object or JSON text; not null.
        say: takes a note: the field, what was done, why.
    """
    try:
        found = _decode_json_text(geometry)
        if not isinstance(found, dict):
            return None
        made = _repair(found)
    except (_InvalidGeometry, RecursionError, shapely.errors.ShapelyError):
        return None
    if made is None:
        return None
    if found is not geometry:
        say("geometry", CONVERTED, "JSON text")
    _note_changes(found, made, say)
    return made


def _decode_json_text(value: object) -> Any:  # noqa: ANN401 - any JSON
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        raise _InvalidGeometry from None


def _note_changes(found: dict[str, Any], made: dict[str, Any], say: Say) -> None:
    if found.get("coordinates") != made["coordinates"]:
        say("geometry", REPAIRED, REPAIR_REASON)
    if found.keys() - {"type", "coordinates", "geometries"}:
        say("geometry", DROPPED, "members that geometries do not have")


def _repair(geometry: dict[str, Any]) -> dict[str, Any] | None:
    kind = geometry.get("type")
    if isinstance(kind, str) and kind in _COORDINATE_DEPTH:
        return _convert_lines(kind, _decode_json_text(geometry.get("coordinates")))
    polygons = list(_find_polygons(geometry, 0))
    shapes = [part for rings in polygons for part in _split_polygon(rings)]
    whole: BaseGeometry = MultiPolygon(shapes)
    if not whole.is_valid:
        whole = shapely.union_all(shapes)
    parts = [orient(part) for part in _list_polygons(whole)]
    if not parts or not all(_is_normalized(part) for part in parts):
        return None
    return _to_geojson(parts[0] if len(parts) == 1 else MultiPolygon(parts))


def _is_normalized(part: Polygon) -> bool:
    """Tell whether a polygon would come out of another repair as it is."""
    west, south, east, north = part.bounds
    on_globe = (
        west >= -MAX_LONGITUDE
        and east <= MAX_LONGITUDE
        and south >= -MAX_LATITUDE
        and north <= MAX_LATITUDE
    )
    rings = [part.exterior, *part.interiors]
    return (
        on_globe
        and part.is_valid
        and not any(_crosses_antimeridian(_ring_positions(ring)) for ring in rings)
    )


def _ring_positions(ring: LinearRing) -> Ring:
    return [(lon, lat) for lon, lat, *_ in ring.coords]


def _find_polygons(geometry: object, depth: int) -> Iterator[list[Ring]]:
    """Yield each polygon's rings; a collection's other members are left out."""
    if not isinstance(geometry, dict) or depth > MAX_COLLECTION_DEPTH:
        return
    kind = geometry.get("type")
    if kind == "GeometryCollection":
        members = geometry.get("geometries")
        for member in members if isinstance(members, list) else ():
            yield from _find_polygons(member, depth + 1)
    elif kind in {"Polygon", "MultiPolygon"} if isinstance(kind, str) else False:
        nested = _require_list(_decode_json_text(geometry.get("coordinates")))
        for rings in [nested] if kind == "Polygon" else nested:
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
    """Give the valid polygons that a polygon's rings enclose, cut at the antimeridian."""
    if not any(_crosses_antimeridian(ring) for ring in rings):
        return _make_valid(Polygon(rings[0], rings[1:]))
    straight = [unroll_longitudes(ring) for ring in rings]
    if all(ring[0] == ring[-1] for ring in straight):
        home = straight[0][0][0]
        holes = [_shift_beside(ring, home) for ring in straight[1:]]
        return [
            cut
            for part in _make_valid(Polygon(straight[0], holes))
            for cut in _cut(_shift_to_globe(part))
        ]
    # A ring that does not come back to where it began goes round a pole.
    return _cut(Polygon(rings[0], rings[1:]))


def _crosses_antimeridian(ring: Ring) -> bool:
    # A step of exactly one turn leads nowhere: a footprint of the whole globe has two.
    return any(abs(lon) > MAX_LONGITUDE for lon, _ in ring) or any(
        MAX_LONGITUDE < abs(two[0] - one[0]) < FULL_TURN for one, two in pairwise(ring)
    )


def _shift_beside(ring: Ring, home: float) -> Ring:
    turns = FULL_TURN * round((ring[0][0] - home) / FULL_TURN)
    return [(lon - turns, lat) for lon, lat in ring]


def _shift_to_globe(polygon: Polygon) -> Polygon:
    """Write a polygon so that its longitudes begin between -180 and 180."""
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
    whole = _cut_ring(polygon.exterior)
    # The library refuses holes beyond the antimeridian, and loses some that lie over it.
    holes = [part for ring in polygon.interiors for part in _cut(_shift_to_globe(Polygon(ring)))]
    if not holes:
        return whole
    return _list_polygons(shapely.difference(MultiPolygon(whole), MultiPolygon(holes)))


def _cut_ring(ring: LinearRing) -> list[Polygon]:
    try:
        fixed = antimeridian.fix_polygon(Polygon(ring), fix_winding=True, great_circle=False)
    except (ValueError, IndexError, AssertionError):  # such as a ring along the antimeridian itself
        return []
    return [part for each in _list_polygons(fixed) for part in _make_valid(each)]


def _make_valid(polygon: Polygon) -> list[Polygon]:
    return _list_polygons(polygon if polygon.is_valid else shapely.make_valid(polygon))


def _list_polygons(shape: shapely.Geometry) -> list[Polygon]:
    if isinstance(shape, Polygon):
        return [] if shape.is_empty else [shape]
    return [part for each in getattr(shape, "geoms", ()) for part in _list_polygons(each)]


def _convert_lines(kind: str, nested: object) -> dict[str, Any]:
    """Give points and lines, flat, longitudes within half a turn of Greenwich."""

    def read(value: object, level: int) -> Any:  # noqa: ANN401 - GeoJSON nests
        if level:
            made = [read(each, level - 1) for each in _require_list(value)]
            if level == 1 and len(made) < _MIN_POSITIONS.get(kind, 1):
                raise _InvalidGeometry
            return made
        lon, lat = _parse_position(value)
        return [
            lon
            if -MAX_LONGITUDE <= lon <= MAX_LONGITUDE
            else (lon + MAX_LONGITUDE) % FULL_TURN - MAX_LONGITUDE,
            lat,
        ]

    return {"type": kind, "coordinates": read(nested, _COORDINATE_DEPTH[kind])}


def _to_geojson(shape: Polygon | MultiPolygon) -> dict[str, Any]:
    made = mapping(shape)
    return {"type": made["type"], "coordinates": _to_lists(made["coordinates"])}


def _to_lists(nested: Any) -> Any:  # noqa: ANN401 - GeoJSON nests
    return [_to_lists(each) for each in nested] if isinstance(nested, list | tuple) else nested
