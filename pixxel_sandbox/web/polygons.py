"""Parse the polygons of requests that create rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import shapely

from pixxel_sandbox.web.errors import bad_request
from pixxel_sandbox.web.search_params import MAX_LATITUDE, parse_geometry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shapely.geometry.base import BaseGeometry

    from pixxel_sandbox.json_types import Json

POLYGONAL = ("Polygon", "MultiPolygon")
MIN_RING_POSITIONS = 4


def parse_polygon(
    value: object, field: str, kinds: tuple[str, ...] = POLYGONAL[:1]
) -> BaseGeometry:
    """Parse a GeoJSON polygon.

    Args:
        value: The polygon.
        field: The field of the request that holds it.
        kinds: The types of GeoJSON that it may have.

    Raises:
        RequestRejected: It is not a polygon of closed rings, or its area is 0.
    """
    if not isinstance(value, dict) or value.get("type") not in kinds:
        raise bad_request(f"{field} must be a GeoJSON {' or '.join(kinds)}", field=field)
    polygon = parse_geometry(value, field)
    if any(len(ring) < MIN_RING_POSITIONS or ring[0] != ring[-1] for ring in _iter_rings(value)):
        raise bad_request(f"the rings of {field} must be closed", field=field)
    if not polygon.area:
        raise bad_request(f"the area of {field} is 0", field=field)
    south, north = polygon.bounds[1], polygon.bounds[3]
    if not -MAX_LATITUDE <= south <= north <= MAX_LATITUDE:
        raise bad_request(f"the latitudes of {field} must be within -90..90", field=field)
    return polygon


def _iter_rings(geometry: Json) -> Iterator[list[Any]]:
    polygons = geometry["coordinates"] if geometry["type"] == "MultiPolygon" else None
    for rings in polygons or [geometry["coordinates"]]:
        yield from rings


def parse_feature_collection(value: object, field: str) -> tuple[Json, BaseGeometry]:
    """Parse a GeoJSON FeatureCollection of polygons, one or more.

    Returns:
        One geometry of all polygons, as GeoJSON and as a shape.

    Raises:
        RequestRejected: It is not a FeatureCollection of polygons.
    """
    if not isinstance(value, dict) or value.get("type") != "FeatureCollection":
        raise bad_request(f"{field} must be a GeoJSON FeatureCollection", field=field)
    features = value.get("features")
    if not isinstance(features, list) or not features:
        raise bad_request(f"the features of {field} must be a non-empty list", field=field)
    geometries = [
        feature.get("geometry") if isinstance(feature, dict) else None for feature in features
    ]
    shapes = [parse_polygon(geometry, field, POLYGONAL) for geometry in geometries]
    return _merge_polygons([each for each in geometries if each]), shapely.union_all(shapes)


def _merge_polygons(geometries: list[Json]) -> Json:
    if len(geometries) == 1:
        return {name: geometries[0][name] for name in ("type", "coordinates")}
    parts: list[Any] = []
    for each in geometries:
        parts += each["coordinates"] if each["type"] == "MultiPolygon" else [each["coordinates"]]
    return {"type": "MultiPolygon", "coordinates": parts}
