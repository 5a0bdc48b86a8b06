"""The setting `intersects`: GeoJSON of any kind, as one plain geometry that the API takes."""

from __future__ import annotations

from typing import Any

import shapely
from shapely.geometry import mapping

from pixxel_singer.errors import SettingError

_LONGEST_EDGE = 90.0  # degrees
_WORLD = (-180.0, -90.0, 180.0, 90.0)  # degrees


def read_area(text: str) -> dict[str, Any]:
    """Read a GeoJSON geometry, Feature or FeatureCollection (RFC 7946).

    Args:
        text: The GeoJSON. Heights are dropped; several geometries are united.

    Returns:
        A GeoJSON geometry in 2D, degrees in WGS84.

    Raises:
        BadSetting: It cannot be used.
    """
    try:
        geometry = shapely.from_geojson(text)
    except (shapely.errors.GEOSException, UnicodeEncodeError):
        raise SettingError("cannot be read as GeoJSON") from None
    parts = shapely.get_parts(geometry)
    if not shapely.is_valid(parts).all():
        raise SettingError("crosses itself or is otherwise invalid; mend the geometry")
    if geometry.geom_type == "GeometryCollection" and len(parts):
        geometry = shapely.union_all(parts)
    geometry = shapely.force_2d(geometry)
    if geometry.is_empty:
        raise SettingError("holds no geometry")
    west, south, east, north = geometry.bounds
    if not (west >= _WORLD[0] and south >= _WORLD[1] and east <= _WORLD[2] and north <= _WORLD[3]):
        raise SettingError(
            "has coordinates outside -180 to 180 and -90 to 90; GeoJSON has longitude first, in "
            "degrees"
        )
    if not geometry.is_valid:
        raise SettingError("crosses itself or is otherwise invalid; mend the geometry")
    return dict(mapping(geometry))


def polygons(bbox: tuple[float, ...] | None, area: dict[str, Any] | None) -> list[dict[str, Any]]:
    """Give the polygons that a setting covers; a box over the antimeridian is two.

    Args:
        bbox: West, south, east, north in degrees.
        area: A GeoJSON geometry; its lines and points cover nothing.
    """
    if bbox is not None:
        west, south, east, north = bbox
        spans = [(west, east)] if west <= east else [(west, 180.0), (-180.0, east)]
        parts = [shapely.box(left, south, right, north) for left, right in spans]
    elif area is not None:
        found = shapely.get_parts(shapely.geometry.shape(area))
        parts = [part for part in found if part.geom_type == "Polygon"]
    else:
        return []
    # A longer edge could be taken for the short way round, over the antimeridian.
    return [dict(mapping(shapely.segmentize(part, _LONGEST_EDGE))) for part in parts]
