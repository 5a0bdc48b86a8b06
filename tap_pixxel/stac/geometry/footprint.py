"""Normalize footprints and their bounding boxes as RFC 7946 and STAC require, in degrees.

This module checks convex quadrilaterals, which most footprints are, and `fast_path` repairs those
that only need to be flattened, reversed or cut. `repair` handles all others; only it loads
shapely.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from tap_pixxel.stac.geometry.fast_path import REPAIR_REASON, repair_quadrilateral
from tap_pixxel.stac.geometry.longitude import (
    FULL_TURN,
    MAX_LATITUDE,
    MAX_LONGITUDE,
    longitude_bounds,
)
from tap_pixxel.stac.parsers import NUMBER_TYPES, parse_number_list
from tap_pixxel.stac.result import CONVERTED, DROPPED, REPAIRED

if TYPE_CHECKING:
    from tap_pixxel.stac.result import AddNote

BBOX_LENGTHS = frozenset({4, 6})
FLAT_BBOX_LENGTH = 4
_MIN_TURN = 1e-12
"""Square degrees: a left turn of this size cannot be a rounding error."""


def normalize_footprint(
    geometry: object, bbox: object, add_note: AddNote
) -> tuple[dict[str, Any] | None, list[float] | None]:
    """Return an item's geometry, normalized, and the bounding box of that geometry.

    Args:
        geometry: GeoJSON, or JSON text of it; null, or any other value.
        bbox: west, south, east, north in degrees, perhaps as texts; used only when there is no
            valid geometry.
        add_note: takes a note: field, action, reason.

    Returns:
        A valid geometry, two-dimensional, exterior rings counter-clockwise, cut at the
        antimeridian, and its bbox, west greater than east when it crosses the antimeridian; or
        None for both. The geometry may be the input's own object.
    """
    normalized: dict[str, Any] | None
    box = _convex_bbox(geometry)
    if box is not None:
        normalized = geometry  # type: ignore[assignment]  # a polygon, as `_convex_bbox` found
    else:
        normalized, box = _repair(geometry, bbox, add_note)
    if bbox is not None and bbox != box:
        _note_bbox_change(bbox, box, add_note)
    return normalized, box


def _repair(
    geometry: object, bbox: object, add_note: AddNote
) -> tuple[dict[str, Any] | None, list[float] | None]:
    if (quadrilateral := repair_quadrilateral(geometry)) is not None:
        add_note("geometry", REPAIRED, REPAIR_REASON)
        return quadrilateral, bbox_of(quadrilateral)
    from tap_pixxel.stac.geometry import repair  # noqa: PLC0415 - shapely takes long to import

    if geometry is not None:
        repaired = repair.repair_geometry(geometry, add_note)
        if repaired is not None:
            return repaired, bbox_of(repaired)
        add_note("geometry", DROPPED, "not a geometry")
    parsed_bbox = parse_bbox(bbox)
    if parsed_bbox is None:
        return None, None
    add_note("bbox", REPAIRED, "used as the geometry")
    polygon = bbox_polygon(parsed_bbox)
    return polygon, bbox_of(polygon)


def _convex_bbox(geometry: object) -> list[float] | None:
    """Return the bbox of a closed, counter-clockwise, convex quadrilateral, or None.

    Four left turns add up to less than two full turns, so they are one, and the ring is simple.
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
    if not {type(v) for v in (ax, ay, bx, by, cx, cy, dx, dy)} <= NUMBER_TYPES:
        return None
    west, south = min(ax, bx, cx, dx), min(ay, by, cy, dy)
    east, north = max(ax, bx, cx, dx), max(ay, by, cy, dy)
    is_convex = (
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
    return [west, south, east, north] if is_convex else None


def parse_bbox(value: object) -> list[float] | None:
    """Parse a two-dimensional bbox in degrees; None unless it encloses an area on the globe."""
    numbers = parse_number_list(value, BBOX_LENGTHS)
    if numbers is None:
        return None
    west, south = numbers[:2]
    east, north = numbers[len(numbers) // 2 :][:2]
    bbox = [float(west), float(south), float(east), float(north)]
    has_area = (
        -MAX_LONGITUDE <= west <= MAX_LONGITUDE
        and -MAX_LONGITUDE <= east <= MAX_LONGITUDE
        and west - east not in {0, FULL_TURN}  # from 180 to -180 there is no distance
        and -MAX_LATITUDE <= south < north <= MAX_LATITUDE
    )
    return bbox if has_area else None


def bbox_polygon(bbox: list[float]) -> dict[str, Any]:
    """Return the polygon of a bbox, or two polygons when it crosses the antimeridian."""
    west, south, east, north = bbox
    if west < east:
        return {"type": "Polygon", "coordinates": _bbox_ring(west, south, east, north)}
    halves = [(west, MAX_LONGITUDE), (-MAX_LONGITUDE, east)]
    rings = [_bbox_ring(left, south, right, north) for left, right in halves if left < right]
    if len(rings) == 1:
        return {"type": "Polygon", "coordinates": rings[0]}
    return {"type": "MultiPolygon", "coordinates": rings}


def _bbox_ring(west: float, south: float, east: float, north: float) -> list[list[list[float]]]:
    # No step is longer than half a turn, because it would seem to go the other way round.
    lons = [west, east] if east - west <= MAX_LONGITUDE else [west, (west + east) / 2, east]
    ring = [[lon, south] for lon in lons] + [[lon, north] for lon in reversed(lons)]
    return [[*ring, [west, south]]]


def bbox_of(geometry: dict[str, Any]) -> list[float]:
    """Return the bbox of a normalized geometry (RFC 7946, section 5).

    Its west is greater than its east when parts touch the antimeridian from both sides.
    """
    parts = [list_positions(part) for part in _list_parts(geometry)]
    lats = [lat for part in parts for _, lat in part]
    spans = [(min(lon for lon, _ in part), max(lon for lon, _ in part)) for part in parts]
    west, east = longitude_bounds(spans)
    return [west, min(lats), east, max(lats)]


def _list_parts(geometry: dict[str, Any]) -> list[Any]:
    coordinates = geometry["coordinates"]
    return list(coordinates) if geometry["type"].startswith("Multi") else [coordinates]


def list_positions(coordinates: Any) -> list[tuple[float, float]]:  # noqa: ANN401 - GeoJSON nests
    """Return all positions of a coordinates array, longitude and latitude."""
    if not isinstance(coordinates[0], list):
        return [(coordinates[0], coordinates[1])]
    return [position for each in coordinates for position in list_positions(each)]


def _note_bbox_change(bbox: object, normalized: list[float] | None, add_note: AddNote) -> None:
    if normalized is None:
        add_note("bbox", DROPPED, "no geometry")
    elif _is_same_bbox(bbox, normalized):
        add_note("bbox", CONVERTED, "numbers written as text, or rounded")
    else:
        add_note("bbox", REPAIRED, "not the bounds of the geometry")


def _is_same_bbox(bbox: object, normalized: list[float]) -> bool:
    if type(bbox) is not list or len(bbox) != FLAT_BBOX_LENGTH:
        return False
    if {*map(type, bbox)} == {str}:
        try:
            if [*map(float, bbox)] == normalized:
                return True
        except ValueError:
            return False
    numbers = parse_number_list(bbox, BBOX_LENGTHS)
    return numbers is not None and all(
        math.isclose(one, two, abs_tol=1e-9) for one, two in zip(numbers, normalized, strict=True)
    )
