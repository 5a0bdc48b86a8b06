"""Footprints: where a scene lies, as the API writes it and as a shape to test against."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

import shapely
from shapely.affinity import translate
from shapely.geometry import shape as shape_of
from shapely.geometry.base import BaseGeometry

Json: TypeAlias = dict[str, Any]
Form = Literal["polygon", "polygon_3d", "point", "none"]

CORNERS: Final = ((-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0), (-1.0, -1.0))
GROUND_METRES: Final = 412.5
HALF_TURN: Final = 180.0
TURN: Final = 360.0
GEOMETRY_TYPES: Final = frozenset(
    {
        "Point",
        "MultiPoint",
        "LineString",
        "MultiLineString",
        "Polygon",
        "MultiPolygon",
        "GeometryCollection",
    }
)


@dataclass(frozen=True, slots=True)
class Footprint:
    """A tilted rectangle around a centre, all in degrees except the tilt, in radians."""

    lon: float
    lat: float
    half_width: float
    half_height: float
    tilt: float
    form: Form = "polygon"

    def _ring(self) -> Iterator[tuple[float, float]]:
        """Yields the closed ring, longitudes running on past 180 where it crosses."""
        cos, sin = math.cos(self.tilt), math.sin(self.tilt)
        for x, y in CORNERS:
            across, along = x * self.half_width, y * self.half_height
            yield (
                round(self.lon + across * cos - along * sin, 6),
                round(self.lat + across * sin + along * cos, 6),
            )

    def reach(self) -> tuple[float, float]:
        """Returns how far it reaches from its centre, across and along, in degrees."""
        cos, sin = abs(math.cos(self.tilt)), abs(math.sin(self.tilt))
        across = self.half_width * cos + self.half_height * sin
        return across, self.half_width * sin + self.half_height * cos

    def geometry(self) -> Json | None:
        """Returns the GeoJSON geometry, longitudes within -180..180."""
        if self.form == "none":
            return None
        if self.form == "point":
            return {"type": "Point", "coordinates": [_wrapped(self.lon), self.lat]}
        height = [GROUND_METRES] if self.form == "polygon_3d" else []
        ring = [[_wrapped(lon), lat, *height] for lon, lat in self._ring()]
        return {"type": "Polygon", "coordinates": [ring]}

    def bbox(self) -> list[float] | None:
        """Returns west, south, east, north; west is larger where the antimeridian is crossed."""
        if self.form == "none":
            return None
        if self.form == "point":
            return [_wrapped(self.lon), self.lat, _wrapped(self.lon), self.lat]
        lons, lats = zip(*self._ring(), strict=True)
        return [_wrapped(min(lons)), min(lats), _wrapped(max(lons)), max(lats)]


def _wrapped(lon: float) -> float:
    """Brings a longitude into -180..180."""
    if -HALF_TURN <= lon <= HALF_TURN:
        return lon
    return round((lon + HALF_TURN) % TURN - HALF_TURN, 6)


def unrolled(geometry: Json) -> BaseGeometry:
    """Builds the flat shape of a GeoJSON geometry.

    A step of more than half a turn between two positions means that the line crosses the
    antimeridian; longitudes then run on past 180, so that the shape keeps its true extent.

    Raises:
        ValueError: the geometry is not GeoJSON.
    """
    try:
        return _unrolled(geometry)
    except (AttributeError, IndexError, KeyError, TypeError, shapely.errors.ShapelyError) as error:
        raise ValueError(f"not a GeoJSON geometry: {error}") from error


def _unrolled(geometry: Json) -> BaseGeometry:
    kind = geometry["type"]
    if kind not in GEOMETRY_TYPES:
        raise ValueError(f"unknown geometry type {kind!r}")
    if kind == "GeometryCollection":
        parts = [_unrolled(part) for part in geometry["geometries"]]
        return _with_extent(shapely.GeometryCollection(parts))
    flat = {"type": kind, "coordinates": _steady(geometry["coordinates"], kind)}
    shape = _with_extent(shapely.force_2d(shape_of(flat)))
    return shape if shape.is_valid else shapely.make_valid(shape)


def _with_extent(shape: BaseGeometry) -> BaseGeometry:
    if shape.is_empty or not all(math.isfinite(edge) for edge in shape.bounds):
        raise ValueError("the geometry has no extent")
    return shape


def _steady(coordinates: Any, kind: str) -> Any:  # noqa: ANN401 - GeoJSON nests to any depth
    """Removes the jumps from every line of a coordinates array."""
    if kind in {"Point", "MultiPoint"}:
        return coordinates
    if not isinstance(coordinates[0][0], (int, float)):
        return [_steady(part, kind) for part in coordinates]
    line: list[list[float]] = []
    turns = 0.0
    for position in coordinates:
        lon = position[0] + turns
        step = lon - line[-1][0] if line else 0.0
        shift = -math.copysign(TURN, step) if abs(step) > HALF_TURN else 0.0
        turns += shift
        line.append([lon + shift, *position[1:]])
    return line


def meet(one: BaseGeometry, other: BaseGeometry) -> bool:
    """Tells whether two unrolled shapes touch on the globe, whichever turn each is written in."""
    south, north = one.bounds[1], one.bounds[3]
    if other.bounds[3] < south or other.bounds[1] > north:
        return False
    return any(
        one.bounds[0] <= other.bounds[2] + turn
        and other.bounds[0] + turn <= one.bounds[2]
        and bool(one.intersects(_turned(other, turn)))
        for turn in (-TURN, 0.0, TURN)
    )


def _turned(shape: BaseGeometry, turn: float) -> BaseGeometry:
    return translate(shape, xoff=turn) if turn else shape
