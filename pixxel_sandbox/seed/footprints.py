"""Footprints of images: as GeoJSON, as bounding boxes, and as shapes for spatial filters."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import shapely
from shapely.affinity import translate
from shapely.geometry import shape as shape_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shapely.geometry.base import BaseGeometry

    from pixxel_sandbox.json_types import Json

FootprintForm = Literal["polygon", "polygon_3d", "point", "none"]

CORNERS = ((-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0), (-1.0, -1.0))
GROUND_HEIGHT_METRES = 412.5
HALF_TURN = 180.0
FULL_TURN = 360.0
LIST_LEVELS = {
    "Point": 0,
    "MultiPoint": 1,
    "LineString": 1,
    "MultiLineString": 2,
    "Polygon": 2,
    "MultiPolygon": 3,
}
"""Levels of lists around the positions of a GeoJSON geometry, by its type (RFC 7946, 3.1)."""
MIN_POSITION_LENGTH = 2
MAX_COLLECTION_LEVELS = 8


@dataclass(frozen=True, slots=True)
class RectangleFootprint:
    """A tilted rectangle around a centre.

    Attributes:
        lon: The longitude of the centre, in degrees.
        lat: The latitude of the centre, in degrees.
        half_width: In degrees.
        half_height: In degrees.
        tilt: In radians.
        form: The geometry that the API returns for it.
    """

    lon: float
    lat: float
    half_width: float
    half_height: float
    tilt: float
    form: FootprintForm = "polygon"

    def _ring(self) -> Iterator[tuple[float, float]]:
        """Yield the closed ring; its longitudes exceed 180 where it crosses the antimeridian."""
        cos, sin = math.cos(self.tilt), math.sin(self.tilt)
        for x, y in CORNERS:
            across, along = x * self.half_width, y * self.half_height
            yield (
                round(self.lon + across * cos - along * sin, 6),
                round(self.lat + across * sin + along * cos, 6),
            )

    def half_extent(self) -> tuple[float, float]:
        """Return half of its extent in longitude and in latitude, in degrees."""
        cos, sin = abs(math.cos(self.tilt)), abs(math.sin(self.tilt))
        across = self.half_width * cos + self.half_height * sin
        return across, self.half_width * sin + self.half_height * cos

    def geometry(self) -> Json | None:
        """Return the GeoJSON geometry, longitudes within -180..180."""
        if self.form == "none":
            return None
        if self.form == "point":
            return {"type": "Point", "coordinates": [_wrap_longitude(self.lon), self.lat]}
        height = [GROUND_HEIGHT_METRES] if self.form == "polygon_3d" else []
        ring = [[_wrap_longitude(lon), lat, *height] for lon, lat in self._ring()]
        return {"type": "Polygon", "coordinates": [ring]}

    def bbox(self) -> list[float] | None:
        """Return west, south, east, north; west exceeds east where it crosses the antimeridian."""
        if self.form == "none":
            return None
        if self.form == "point":
            return [_wrap_longitude(self.lon), self.lat, _wrap_longitude(self.lon), self.lat]
        lons, lats = zip(*self._ring(), strict=True)
        return [_wrap_longitude(min(lons)), min(lats), _wrap_longitude(max(lons)), max(lats)]


def _wrap_longitude(lon: float) -> float:
    """Return a longitude within -180..180."""
    if -HALF_TURN <= lon <= HALF_TURN:
        return lon
    return round((lon + HALF_TURN) % FULL_TURN - HALF_TURN, 6)


def build_shape(geometry: Json) -> BaseGeometry:
    """Build the planar shape of a GeoJSON geometry.

    A step of more than 180 degrees between two positions means that the line crosses the
    antimeridian. The longitudes after it exceed 180, so that the shape keeps its true extent.

    Raises:
        ValueError: The geometry is not GeoJSON.
    """
    try:
        return _build_shape(geometry)
    except (KeyError, OverflowError, TypeError, shapely.errors.ShapelyError) as error:
        raise ValueError(f"not a GeoJSON geometry: {error}") from error


def _build_shape(geometry: Json, levels: int = MAX_COLLECTION_LEVELS) -> BaseGeometry:
    kind = geometry["type"]
    if kind == "GeometryCollection":
        if not levels:
            raise ValueError("geometry collections are nested too deeply")
        parts = [_build_shape(part, levels - 1) for part in geometry["geometries"]]
        return _check_extent(shapely.GeometryCollection(parts))
    if kind not in LIST_LEVELS:
        raise ValueError(f"unknown geometry type {kind!r}")
    coordinates = geometry["coordinates"]
    _check_coordinates(coordinates, LIST_LEVELS[kind])
    flat = {"type": kind, "coordinates": _unwrap_longitudes(coordinates, kind)}
    shape = _check_extent(shapely.force_2d(shape_of(flat)))
    return shape if shape.is_valid else shapely.make_valid(shape)


def _check_coordinates(value: object, levels: int) -> None:
    """Raise ValueError unless a value is positions in so many levels of lists."""
    if not isinstance(value, (list, tuple)):
        raise ValueError("the coordinates must be lists of numbers")  # noqa: TRY004 - as others
    if levels:
        for part in value:
            _check_coordinates(part, levels - 1)
    elif len(value) < MIN_POSITION_LENGTH or {*map(type, value)} - {int, float}:
        raise ValueError("each position must be two or more numbers")


def _check_extent(shape: BaseGeometry) -> BaseGeometry:
    if shape.is_empty or not all(math.isfinite(edge) for edge in shape.bounds):
        raise ValueError("the geometry has no extent")
    return shape


def _unwrap_longitudes(coordinates: Any, kind: str) -> Any:  # noqa: ANN401 - GeoJSON nests to any depth
    """Remove the jumps at the antimeridian from every line of a coordinates array."""
    if kind in {"Point", "MultiPoint"}:
        return coordinates
    if kind != "LineString":
        inner = "Polygon" if kind == "MultiPolygon" else "LineString"
        return [_unwrap_longitudes(part, inner) for part in coordinates]
    line: list[list[float]] = []
    turns = 0.0
    for position in coordinates:
        lon = position[0] + turns
        step = lon - line[-1][0] if line else 0.0
        shift = -math.copysign(FULL_TURN, step) if abs(step) > HALF_TURN else 0.0
        turns += shift
        line.append([lon + shift, *position[1:]])
    return line


def intersects_on_globe(one: BaseGeometry, other: BaseGeometry) -> bool:
    """Return whether two shapes of `build_shape` touch on the globe, at any multiple of 360."""
    south, north = one.bounds[1], one.bounds[3]
    if other.bounds[3] < south or other.bounds[1] > north:
        return False
    return any(
        one.bounds[0] <= other.bounds[2] + turn
        and other.bounds[0] + turn <= one.bounds[2]
        and bool(one.intersects(_shift(other, turn)))
        for turn in (-FULL_TURN, 0.0, FULL_TURN)
    )


def _shift(shape: BaseGeometry, degrees: float) -> BaseGeometry:
    return translate(shape, xoff=degrees) if degrees else shape
