"""The setting `intersects`: any GeoJSON as one plain geometry that the API accepts."""

from __future__ import annotations

from typing import Any

import shapely
from shapely.geometry import mapping

from pixxel_singer.errors import SettingError

_MAX_EDGE = 90.0  # degrees
_WORLD_BOUNDS = (-180.0, -90.0, 180.0, 90.0)  # degrees
_INVALID = "crosses itself or is otherwise invalid; correct the geometry"


def parse_geojson(text: str) -> dict[str, Any]:
    """Parse a GeoJSON geometry, Feature or FeatureCollection (RFC 7946).

    Args:
        text: The GeoJSON. Heights are dropped; several geometries are united.

    Returns:
        A GeoJSON geometry in 2D, degrees in WGS84.

    Raises:
        SettingError: It is invalid.
    """
    try:
        geometry = shapely.from_geojson(text)
    except (shapely.errors.GEOSException, UnicodeEncodeError):
        raise SettingError("cannot be parsed as GeoJSON") from None
    parts = shapely.get_parts(geometry)
    if not shapely.is_valid(parts).all():
        raise SettingError(_INVALID)
    if geometry.geom_type == "GeometryCollection" and len(parts):
        geometry = shapely.union_all(parts)
    geometry = shapely.force_2d(geometry)
    if geometry.is_empty:
        raise SettingError("has no geometry")
    west, south, east, north = geometry.bounds
    min_x, min_y, max_x, max_y = _WORLD_BOUNDS
    if not (west >= min_x and south >= min_y and east <= max_x and north <= max_y):
        raise SettingError(
            "has coordinates outside -180 to 180 and -90 to 90; GeoJSON has longitude first, in "
            "degrees"
        )
    if not geometry.is_valid:
        raise SettingError(_INVALID)
    return dict(mapping(geometry))


def to_polygons(
    bbox: tuple[float, ...] | None, geometry: dict[str, Any] | None
) -> list[dict[str, Any]]:
    """Return the polygons that a setting covers; a box across the antimeridian is two.

    Args:
        bbox: West, south, east, north in degrees.
        geometry: A GeoJSON geometry; its lines and points cover nothing.
    """
    if bbox is not None:
        west, south, east, north = bbox
        spans = [(west, east)] if west <= east else [(west, 180.0), (-180.0, east)]
        parts = [shapely.box(left, south, right, north) for left, right in spans]
    elif geometry is not None:
        found = shapely.get_parts(shapely.geometry.shape(geometry))
        parts = [part for part in found if part.geom_type == "Polygon"]
    else:
        return []
    # A longer edge could be read as the short way round, across the antimeridian.
    return [dict(mapping(shapely.segmentize(part, _MAX_EDGE))) for part in parts]
