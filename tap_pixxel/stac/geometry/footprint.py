"""Geometry: footprints as RFC 7946 and STAC want them, and their bounding boxes, in degrees.

A convex quadrilateral, which most footprints are, is checked here, and `quads` flattens, turns
and cuts it; all else is `shapes`' work, and only that loads shapely.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from tap_pixxel.stac.geometry import fast_path
from tap_pixxel.stac.geometry.fast_path import FULL_TURN, MAX_LATITUDE, MAX_LONGITUDE, NUMBERS
from tap_pixxel.stac.parsers import parse_number_list
from tap_pixxel.stac.result import CONVERTED, DROPPED, REPAIRED

if TYPE_CHECKING:
    from collections.abc import Callable

    Say = Callable[[str, str, str], None]

BBOX_LENGTHS: Final = frozenset({4, 6})
FLAT_BBOX_LENGTH: Final = 4
_MIN_TURN: Final = 1e-12
"""Square degrees: a turn to the left that rounding cannot have made."""


def normalize_footprint(
    geometry: object, bbox: object, say: Say
) -> tuple[dict[str, Any] | None, list[float] | None]:
    """Give an item's geometry and the bounding box that belongs to it.

    Args:
        geometry: GeoJSON, or JSON text of it; null, or anything.
        bbox: west, south, east, north in degrees, perhaps as texts; used where there is no
            usable geometry, and made anew otherwise.
        say: takes a note: the field, what was done, why.

    Returns:
        A valid geometry, two-dimensional, exterior rings counter-clockwise, cut at the
        antimeridian, and its bbox, west greater than east where it crosses there; or neither.
        The geometry may be the input's own object.
    """
    made: dict[str, Any] | None
    box = _convex_bbox(geometry)
    if box is not None:
        made = geometry  # type: ignore[assignment]  # a polygon, as `_convex` found
    else:
        made, box = _repair(geometry, bbox, say)
    if bbox is not None and bbox != box:
        _note_bbox_change(bbox, box, say)
    return made, box


def _repair(
    geometry: object, bbox: object, say: Say
) -> tuple[dict[str, Any] | None, list[float] | None]:
    if (quad := fast_path.repair_quadrilateral(geometry)) is not None:
        say("geometry", REPAIRED, fast_path.REPAIR_REASON)
        return quad, bbox_of(quad)
    from tap_pixxel.stac.geometry import repair  # noqa: PLC0415 - shapely takes long to load

    if geometry is not None:
        made = repair.repair_geometry(geometry, say)
        if made is not None:
            return made, bbox_of(made)
        say("geometry", DROPPED, "not a geometry")
    edges = parse_bbox(bbox)
    if edges is None:
        return None, None
    say("bbox", REPAIRED, "the geometry is made of it")
    made = bbox_polygon(edges)
    return made, bbox_of(made)


def _convex_bbox(geometry: object) -> list[float] | None:
    """Give the bbox of a closed, counter-clockwise, convex quadrilateral; None for all else.

    Four turns to the left add up to less than two circles, so they are one: the ring is simple.
    """
    if type(geometry) is not dict or len(geometry) != 2 or geometry.get("type") != "Polygon":  # noqa: PLR2004 - type, coordinates
        return None
    rings = geometry.get("coordinates")
    if type(rings) is not list or len(rings) != 1 or type(rings[0]) is not list:
        return None
    try:
        (ax, ay), (bx, by), (cx, cy), (dx, dy), (ex, ey) = rings[0]
    except (TypeError, ValueError):
        return None
    if not {type(v) for v in (ax, ay, bx, by, cx, cy, dx, dy)} <= NUMBERS:
        return None
    west, south = min(ax, bx, cx, dx), min(ay, by, cy, dy)
    east, north = max(ax, bx, cx, dx), max(ay, by, cy, dy)
    simple = (
        ax == ex
        and ay == ey
        and west >= -MAX_LONGITUDE
        and east <= MAX_LONGITUDE
        and south >= -MAX_LATITUDE
        and north <= MAX_LATITUDE
        and east - west <= MAX_LONGITUDE
        and (bx - ax) * (cy - by) - (by - ay) * (cx - bx) > _MIN_TURN
        and (cx - bx) * (dy - cy) - (cy - by) * (dx - cx) > _MIN_TURN
        and (dx - cx) * (ay - dy) - (dy - cy) * (ax - dx) > _MIN_TURN
        and (ax - dx) * (by - ay) - (ay - dy) * (bx - ax) > _MIN_TURN
    )
    return [west, south, east, north] if simple else None


def parse_bbox(value: object) -> list[float] | None:
    """Read a bbox of degrees, flat; None unless it encloses something on the globe."""
    read = parse_number_list(value, BBOX_LENGTHS)
    if read is None:
        return None
    west, south = read[:2]
    east, north = read[len(read) // 2 :][:2]
    # From 180 eastward to -180 it is as far as from a place to itself.
    good = (
        -MAX_LONGITUDE <= west <= MAX_LONGITUDE
        and -MAX_LONGITUDE <= east <= MAX_LONGITUDE
        and west - east not in {0, FULL_TURN}
    )
    box = [float(west), float(south), float(east), float(north)]
    return box if good and -MAX_LATITUDE <= south < north <= MAX_LATITUDE else None


def bbox_polygon(box: list[float]) -> dict[str, Any]:
    """Make a polygon of a bbox, two of one that crosses the antimeridian."""
    west, south, east, north = box
    if west < east:
        return {"type": "Polygon", "coordinates": _bbox_ring(west, south, east, north)}
    halves = [(west, MAX_LONGITUDE), (-MAX_LONGITUDE, east)]
    rings = [_bbox_ring(left, south, right, north) for left, right in halves if left < right]
    if len(rings) == 1:
        return {"type": "Polygon", "coordinates": rings[0]}
    return {"type": "MultiPolygon", "coordinates": rings}


def _bbox_ring(west: float, south: float, east: float, north: float) -> list[list[list[float]]]:
    # No step is longer than half a turn, for such a one would seem to go the other way round.
    lons = [west, east] if east - west <= MAX_LONGITUDE else [west, (west + east) / 2, east]
    ring = [[lon, south] for lon in lons] + [[lon, north] for lon in reversed(lons)]
    return [[*ring, [west, south]]]


def bbox_of(geometry: dict[str, Any]) -> list[float]:
    """Give the bbox of a geometry as `footprint` makes them (RFC 7946, section 5).

    Parts that touch the antimeridian from both sides are one: its west is greater than its east.
    """
    parts = [list_positions(part) for part in _list_parts(geometry)]
    lats = [lat for part in parts for _, lat in part]
    spans = [(min(lon for lon, _ in part), max(lon for lon, _ in part)) for part in parts]
    west, east = longitude_bounds(spans)
    return [west, min(lats), east, max(lats)]


def longitude_bounds(spans: list[tuple[float, float]]) -> tuple[float, float]:
    """Give the west and east edges around spans of longitude, none of which crosses."""
    west, east = min(span[0] for span in spans), max(span[1] for span in spans)
    if west > -MAX_LONGITUDE or east < MAX_LONGITUDE:
        return west, east
    # Both sides are touched: leave out the widest gap rather than the other side of the globe.
    reach, widest, around = -MAX_LONGITUDE, 0.0, (west, east)
    for left, right in sorted(spans):
        if left - reach > widest:
            widest, around = left - reach, (left, reach)
        reach = max(reach, right)
    return around


def _list_parts(geometry: dict[str, Any]) -> list[Any]:
    nested = geometry["coordinates"]
    return list(nested) if geometry["type"].startswith("Multi") else [nested]


def list_positions(nested: Any) -> list[tuple[float, float]]:  # noqa: ANN401 - GeoJSON nests
    """Give all positions of a coordinates array, longitude and latitude."""
    if not isinstance(nested[0], list):
        return [(nested[0], nested[1])]
    return [position for each in nested for position in list_positions(each)]


def _note_bbox_change(bbox: object, box: list[float] | None, say: Say) -> None:
    if box is None:
        say("bbox", DROPPED, "there is no geometry")
    elif _is_same_bbox(bbox, box):
        say("bbox", CONVERTED, "numbers written as text, or rounded")
    else:
        say("bbox", REPAIRED, "not the bounds of the geometry")


def _is_same_bbox(bbox: object, box: list[float]) -> bool:
    if type(bbox) is not list or len(bbox) != FLAT_BBOX_LENGTH:
        return False
    if {*map(type, bbox)} == {str}:
        try:
            if [*map(float, bbox)] == box:
                return True
        except ValueError:
            return False
    read = parse_number_list(bbox, BBOX_LENGTHS)
    return read is not None and all(
        math.isclose(one, two, abs_tol=1e-9) for one, two in zip(read, box, strict=True)
    )
