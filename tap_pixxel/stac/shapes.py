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

from tap_pixxel.stac.notes import CONVERTED, DROPPED, REPAIRED
from tap_pixxel.stac.quads import CHANGED, EDGE, FARTHEST, POLE, TURN, unrolled
from tap_pixxel.stac.values import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from shapely.geometry.base import BaseGeometry

    from tap_pixxel.stac.quads import Position, Ring

    Say = Callable[[str, str, str], None]

DEEPEST: Final = 8
"""Collections of geometries within each other that are looked into."""
CORNERS: Final = 3
_LEVELS: Final = {"Point": 0, "MultiPoint": 1, "LineString": 1, "MultiLineString": 2}
_LEAST: Final = {"LineString": 2, "MultiLineString": 2}


class _NotGeometry(ValueError):
    """The coordinates are not what the geometry's type wants."""


def repaired(geometry: object, say: Say) -> dict[str, Any] | None:
    """Give a valid geometry of GeoJSON that may not be; None when there is none in it.

    Args:
        geometry: GeoJSON, an object or JSON text; not null.
        say: takes a note: the field, what was done, why.
    """
    try:
        found = _parsed(geometry)
        if not isinstance(found, dict):
            return None
        made = _repaired(found)
    except (_NotGeometry, RecursionError, shapely.errors.ShapelyError):
        return None
    if made is None:
        return None
    if found is not geometry:
        say("geometry", CONVERTED, "JSON text")
    _say_of_change(found, made, say)
    return made


def _parsed(value: object) -> Any:  # noqa: ANN401 - any JSON
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        raise _NotGeometry from None


def _say_of_change(found: dict[str, Any], made: dict[str, Any], say: Say) -> None:
    if found.get("coordinates") != made["coordinates"]:
        say("geometry", REPAIRED, CHANGED)
    if found.keys() - {"type", "coordinates", "geometries"}:
        say("geometry", DROPPED, "members that geometries do not have")


def _repaired(geometry: dict[str, Any]) -> dict[str, Any] | None:
    kind = geometry.get("type")
    if isinstance(kind, str) and kind in _LEVELS:
        return _lines(kind, _parsed(geometry.get("coordinates")))
    polygons = list(_polygons(geometry, 0))
    shapes = [part for rings in polygons for part in _parts_of(rings)]
    whole: BaseGeometry = MultiPolygon(shapes)
    if not whole.is_valid:
        whole = shapely.union_all(shapes)
    parts = [orient(part) for part in _polygonal(whole)]
    if not parts or not all(_is_done(part) for part in parts):
        return None
    return _plain(parts[0] if len(parts) == 1 else MultiPolygon(parts))


def _is_done(part: Polygon) -> bool:
    """Tell whether a polygon would come out of another repair as it is."""
    west, south, east, north = part.bounds
    on_globe = west >= -EDGE and east <= EDGE and south >= -POLE and north <= POLE
    rings = [part.exterior, *part.interiors]
    return on_globe and part.is_valid and not any(_crosses(_corners(ring)) for ring in rings)


def _corners(ring: LinearRing) -> Ring:
    return [(lon, lat) for lon, lat, *_ in ring.coords]


def _polygons(geometry: object, depth: int) -> Iterator[list[Ring]]:
    """Yield each polygon's rings; a collection's other members are left out."""
    if not isinstance(geometry, dict) or depth > DEEPEST:
        return
    kind = geometry.get("type")
    if kind == "GeometryCollection":
        members = geometry.get("geometries")
        for member in members if isinstance(members, list) else ():
            yield from _polygons(member, depth + 1)
    elif kind in {"Polygon", "MultiPolygon"} if isinstance(kind, str) else False:
        nested = _list(_parsed(geometry.get("coordinates")))
        for rings in [nested] if kind == "Polygon" else nested:
            yield [_ring(ring) for ring in _list(rings)]


def _list(value: object) -> list[Any]:
    if not isinstance(value, list) or not value:
        raise _NotGeometry
    return value


def _ring(value: object) -> Ring:
    ring = [_position(each) for each in _list(value)]
    if len(set(ring)) < CORNERS:
        raise _NotGeometry
    return ring if ring[0] == ring[-1] else [*ring, ring[0]]


def _position(value: object) -> Position:
    if not isinstance(value, list) or len(value) < 2:  # noqa: PLR2004 - longitude, latitude
        raise _NotGeometry
    lon, lat = plain(value[0]), plain(value[1])
    if lon is None or lat is None or abs(lon) > FARTHEST or abs(lat) > POLE:
        raise _NotGeometry
    return float(lon), float(lat)


def _parts_of(rings: list[Ring]) -> list[Polygon]:
    """Give the valid polygons that a polygon's rings enclose, cut at the antimeridian."""
    if not any(_crosses(ring) for ring in rings):
        return _valid(Polygon(rings[0], rings[1:]))
    straight = [unrolled(ring) for ring in rings]
    if all(ring[0] == ring[-1] for ring in straight):
        home = straight[0][0][0]
        holes = [_beside(ring, home) for ring in straight[1:]]
        return [cut for part in _valid(Polygon(straight[0], holes)) for cut in _cut(_centred(part))]
    # A ring that does not come back to where it began goes round a pole.
    return _cut(Polygon(rings[0], rings[1:]))


def _crosses(ring: Ring) -> bool:
    # A step of exactly one turn leads nowhere: a footprint of the whole globe has two.
    return any(abs(lon) > EDGE for lon, _ in ring) or any(
        EDGE < abs(two[0] - one[0]) < TURN for one, two in pairwise(ring)
    )


def _beside(ring: Ring, home: float) -> Ring:
    turns = TURN * round((ring[0][0] - home) / TURN)
    return [(lon - turns, lat) for lon, lat in ring]


def _centred(polygon: Polygon) -> Polygon:
    """Write a polygon so that its longitudes begin between -180 and 180."""
    turns = TURN * math.floor((polygon.bounds[0] + EDGE) / TURN)
    return shapely.transform(polygon, lambda points: points - [turns, 0.0]) if turns else polygon


def _cut(polygon: Polygon) -> list[Polygon]:
    west, _, east, _ = polygon.bounds
    if west >= -EDGE and east <= EDGE and not _crosses(_corners(polygon.exterior)):
        return [polygon]
    whole = _cut_ring(polygon.exterior)
    # The library refuses holes beyond the antimeridian, and loses some that lie over it.
    holes = [part for ring in polygon.interiors for part in _cut(_centred(Polygon(ring)))]
    if not holes:
        return whole
    return _polygonal(shapely.difference(MultiPolygon(whole), MultiPolygon(holes)))


def _cut_ring(ring: LinearRing) -> list[Polygon]:
    try:
        fixed = antimeridian.fix_polygon(Polygon(ring), fix_winding=True, great_circle=False)
    except (ValueError, IndexError, AssertionError):  # such as a ring along the antimeridian itself
        return []
    return [part for each in _polygonal(fixed) for part in _valid(each)]


def _valid(polygon: Polygon) -> list[Polygon]:
    return _polygonal(polygon if polygon.is_valid else shapely.make_valid(polygon))


def _polygonal(shape: shapely.Geometry) -> list[Polygon]:
    if isinstance(shape, Polygon):
        return [] if shape.is_empty else [shape]
    return [part for each in getattr(shape, "geoms", ()) for part in _polygonal(each)]


def _lines(kind: str, nested: object) -> dict[str, Any]:
    """Give points and lines, flat, longitudes within half a turn of Greenwich."""

    def read(value: object, level: int) -> Any:  # noqa: ANN401 - GeoJSON nests
        if level:
            made = [read(each, level - 1) for each in _list(value)]
            if level == 1 and len(made) < _LEAST.get(kind, 1):
                raise _NotGeometry
            return made
        lon, lat = _position(value)
        return [lon if -EDGE <= lon <= EDGE else (lon + EDGE) % TURN - EDGE, lat]

    return {"type": kind, "coordinates": read(nested, _LEVELS[kind])}


def _plain(shape: Polygon | MultiPolygon) -> dict[str, Any]:
    made = mapping(shape)
    return {"type": made["type"], "coordinates": _listed(made["coordinates"])}


def _listed(nested: Any) -> Any:  # noqa: ANN401 - GeoJSON nests
    return [_listed(each) for each in nested] if isinstance(nested, list | tuple) else nested
