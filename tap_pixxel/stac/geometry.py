"""Geometry: footprints as RFC 7946 and STAC want them, and their bounding boxes, in degrees.

A convex quadrilateral, which most footprints are, is checked here, and `quads` flattens, turns
and cuts it; all else is `shapes`' work, and only that loads shapely.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from tap_pixxel.stac import quads
from tap_pixxel.stac.notes import CONVERTED, DROPPED, REPAIRED
from tap_pixxel.stac.quads import EDGE, NUMBERS, POLE, TURN
from tap_pixxel.stac.values import numbers

if TYPE_CHECKING:
    from collections.abc import Callable

    Say = Callable[[str, str, str], None]

FOUR_OR_SIX: Final = frozenset({4, 6})
FLAT: Final = 4
_CORNER: Final = 1e-12
"""Square degrees: a turn to the left that rounding cannot have made."""


def footprint(
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
    box = _convex(geometry)
    if box is not None:
        made = geometry  # type: ignore[assignment]  # a polygon, as `_convex` found
    else:
        made, box = _repaired(geometry, bbox, say)
    if bbox is not None and bbox != box:
        _say_of_bbox(bbox, box, say)
    return made, box


def _repaired(
    geometry: object, bbox: object, say: Say
) -> tuple[dict[str, Any] | None, list[float] | None]:
    if (quad := quads.repaired(geometry)) is not None:
        say("geometry", REPAIRED, quads.CHANGED)
        return quad, box_of(quad)
    from tap_pixxel.stac import shapes  # noqa: PLC0415 - shapely takes long to load

    if geometry is not None:
        made = shapes.repaired(geometry, say)
        if made is not None:
            return made, box_of(made)
        say("geometry", DROPPED, "not a geometry")
    edges = to_box(bbox)
    if edges is None:
        return None, None
    say("bbox", REPAIRED, "the geometry is made of it")
    made = from_box(edges)
    return made, box_of(made)


def _convex(geometry: object) -> list[float] | None:
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
        and west >= -EDGE
        and east <= EDGE
        and south >= -POLE
        and north <= POLE
        and east - west <= EDGE
        and (bx - ax) * (cy - by) - (by - ay) * (cx - bx) > _CORNER
        and (cx - bx) * (dy - cy) - (cy - by) * (dx - cx) > _CORNER
        and (dx - cx) * (ay - dy) - (dy - cy) * (ax - dx) > _CORNER
        and (ax - dx) * (by - ay) - (ay - dy) * (bx - ax) > _CORNER
    )
    return [west, south, east, north] if simple else None


def to_box(value: object) -> list[float] | None:
    """Read a bbox of degrees, flat; None unless it encloses something on the globe."""
    read = numbers(value, FOUR_OR_SIX)
    if read is None:
        return None
    west, south = read[:2]
    east, north = read[len(read) // 2 :][:2]
    # From 180 eastward to -180 it is as far as from a place to itself.
    good = -EDGE <= west <= EDGE and -EDGE <= east <= EDGE and west - east not in {0, TURN}
    box = [float(west), float(south), float(east), float(north)]
    return box if good and -POLE <= south < north <= POLE else None


def from_box(box: list[float]) -> dict[str, Any]:
    """Make a polygon of a bbox, two of one that crosses the antimeridian."""
    west, south, east, north = box
    if west < east:
        return {"type": "Polygon", "coordinates": _ring(west, south, east, north)}
    halves = [(west, EDGE), (-EDGE, east)]
    rings = [_ring(left, south, right, north) for left, right in halves if left < right]
    if len(rings) == 1:
        return {"type": "Polygon", "coordinates": rings[0]}
    return {"type": "MultiPolygon", "coordinates": rings}


def _ring(west: float, south: float, east: float, north: float) -> list[list[list[float]]]:
    # No step is longer than half a turn, for such a one would seem to go the other way round.
    lons = [west, east] if east - west <= EDGE else [west, (west + east) / 2, east]
    ring = [[lon, south] for lon in lons] + [[lon, north] for lon in reversed(lons)]
    return [[*ring, [west, south]]]


def box_of(geometry: dict[str, Any]) -> list[float]:
    """Give the bbox of a geometry as `footprint` makes them (RFC 7946, section 5).

    Parts that touch the antimeridian from both sides are one: its west is greater than its east.
    """
    parts = [positions(part) for part in _parts(geometry)]
    lats = [lat for part in parts for _, lat in part]
    spans = [(min(lon for lon, _ in part), max(lon for lon, _ in part)) for part in parts]
    west, east = edges(spans)
    return [west, min(lats), east, max(lats)]


def edges(spans: list[tuple[float, float]]) -> tuple[float, float]:
    """Give the west and east edges around spans of longitude, none of which crosses."""
    west, east = min(span[0] for span in spans), max(span[1] for span in spans)
    if west > -EDGE or east < EDGE:
        return west, east
    # Both sides are touched: leave out the widest gap rather than the other side of the globe.
    reach, widest, around = -EDGE, 0.0, (west, east)
    for left, right in sorted(spans):
        if left - reach > widest:
            widest, around = left - reach, (left, reach)
        reach = max(reach, right)
    return around


def _parts(geometry: dict[str, Any]) -> list[Any]:
    nested = geometry["coordinates"]
    return list(nested) if geometry["type"].startswith("Multi") else [nested]


def positions(nested: Any) -> list[tuple[float, float]]:  # noqa: ANN401 - GeoJSON nests
    """Give all positions of a coordinates array, longitude and latitude."""
    if not isinstance(nested[0], list):
        return [(nested[0], nested[1])]
    return [position for each in nested for position in positions(each)]


def _say_of_bbox(bbox: object, box: list[float] | None, say: Say) -> None:
    if box is None:
        say("bbox", DROPPED, "there is no geometry")
    elif _is_the_same(bbox, box):
        say("bbox", CONVERTED, "numbers written as text, or rounded")
    else:
        say("bbox", REPAIRED, "not the bounds of the geometry")


def _is_the_same(bbox: object, box: list[float]) -> bool:
    if type(bbox) is not list or len(bbox) != FLAT:
        return False
    if {*map(type, bbox)} == {str}:
        try:
            if [*map(float, bbox)] == box:
                return True
        except ValueError:
            return False
    read = numbers(bbox, FOUR_OR_SIX)
    return read is not None and all(
        math.isclose(one, two, abs_tol=1e-9) for one, two in zip(read, box, strict=True)
    )
