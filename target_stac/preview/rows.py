"""A STAC item as a row of the page's data: what the map, the filters and the details need."""

from __future__ import annotations

import json
import math
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple, TypeGuard

from target_stac.preview.links import Link, asset_link, file_link

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

FIELDS = (  # STAC 1.1 common metadata and extension fields: label, name, unit
    ("Acquired", "datetime", ""),
    ("Start", "start_datetime", ""),
    ("End", "end_datetime", ""),
    ("Platform", "platform", ""),
    ("Ground sampling", "gsd", " m"),
    ("Cloud cover", "eo:cloud_cover", " %"),
    ("Off nadir", "view:off_nadir", "°"),
    ("Order", "order:status", ""),
)
_PICTURES = (("Thumbnail", "thumbnail"), ("Overview", "overview"))  # label, asset key or role
_SHAPES = {  # GeoJSON type: the kind of shape, how deep a list of such shapes is
    "Point": (0, 1),
    "MultiPoint": (0, 2),
    "LineString": (1, 2),
    "MultiLineString": (1, 3),
    "Polygon": (2, 3),
    "MultiPolygon": (2, 4),
}
_SINGLE = {"Point", "LineString", "Polygon"}
_FEWEST = (1, 2, 4)  # positions of a point, a line, a ring (RFC 7946, 3.1)
_DECIMALS = 5  # of a degree: a metre
_LARGEST = sys.float_info.max
_LONGEST = 300  # characters of a value
_ESCAPES = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})

Position = tuple[float, float]


class Footprint(NamedTuple):
    """An item of the export.

    Attributes:
        href: Path of the item's JSON from the folder of the page, not percent-encoded.
        item: The STAC item.
    """

    href: str | None
    item: Mapping[str, Any]


class Rows:
    """Makes rows; the collections are given by their position."""

    def __init__(self, collections: Sequence[str]) -> None:
        self._positions = {name: position for position, name in enumerate(collections)}

    def row(self, footprint: Footprint) -> bytes | None:
        """Give an item as a JSON array; None when it has no geometry that can be drawn.

        The array holds the kind of shape (0 point, 1 line, 2 polygon) and the shapes in degrees
        (longitude, latitude), the collection, the first and last second of the acquisition (UTC,
        Unix time), the cloud cover (percent), id, title, the values of `FIELDS`, the number of
        data assets, and links. Missing ones are null.
        """
        item = footprint.item
        shape = _shape(item.get("geometry"))
        if shape is None:
            return None
        properties = _mapping(item.get("properties"))
        cloud = properties.get("eo:cloud_cover")
        collection = item.get("collection")
        known = self._positions.get(collection) if isinstance(collection, str) else None
        return embedded(
            [
                *shape,
                _text(collection) if known is None else known,
                *_interval(properties),
                cloud if _is_number(cloud) else None,
                _text(item.get("id")),
                _text(properties.get("title")),
                [_value(properties.get(name)) for _, name, _ in FIELDS],
                *_assets_and_links(footprint),
            ]
        )


def embedded(data: object) -> bytes:
    """Give JSON that a script element can hold, whatever is in its strings.

    It is ASCII: U+2028 and U+2029 are escaped too.
    """
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return text.translate(_ESCAPES).encode("ascii")


def _shape(geometry: object) -> tuple[int, list[Any]] | None:
    found = _mapping(geometry)
    name = found.get("type")
    if not isinstance(name, str) or name not in _SHAPES:
        return None
    kind, depth = _SHAPES[name]
    try:
        coordinates = _rounded(found.get("coordinates"), depth, _FEWEST[kind])
    except ValueError:
        return None
    return kind, [coordinates] if name in _SINGLE else coordinates


def _rounded(coordinates: object, depth: int, fewest: int) -> list[Any]:
    """Round nested lists of positions.

    Raises:
        ValueError: They are not what their GeoJSON type says, or not in degrees.
    """
    if not isinstance(coordinates, list | tuple) or not coordinates:
        raise ValueError
    if depth == 1:
        return list(_position(coordinates))
    if depth == 2 and len(coordinates) < fewest:  # noqa: PLR2004  # a list of positions
        raise ValueError
    return [_rounded(part, depth - 1, fewest) for part in coordinates]


def _position(numbers: Sequence[object]) -> Position:
    longitude, latitude = numbers[:2]
    if not (_is_number(longitude) and _is_number(latitude)):
        raise ValueError
    if abs(longitude) > 180 or abs(latitude) > 90:  # noqa: PLR2004  # degrees
        raise ValueError
    return round(float(longitude), _DECIMALS), round(float(latitude), _DECIMALS)


def _interval(properties: Mapping[str, Any]) -> tuple[int | None, int | None]:
    """Give the seconds that the date filter compares."""
    at = _second(properties.get("datetime"))
    start, end = (_second(properties.get(f"{side}_datetime")) for side in ("start", "end"))
    first = next((second for second in (start, at, end) if second is not None), None)
    last = next((second for second in (end, at, start) if second is not None), None)
    return first, last


def _second(timestamp: object) -> int | None:
    if not isinstance(timestamp, str):
        return None
    try:
        moment = datetime.fromisoformat(timestamp)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return math.floor(moment.timestamp())
    except (ValueError, OverflowError):
        return None


def _assets_and_links(footprint: Footprint) -> tuple[int, list[Link]]:
    """Count the data assets, and give the links to the item's file and to its pictures."""
    links = [] if footprint.href is None else [file_link("Item JSON", footprint.href)]
    assets = _mapping(footprint.item.get("assets"))
    data = 0
    pictures = {name: assets.get(name) for _, name in _PICTURES}
    for asset in assets.values():  # hundreds of them: once is enough
        roles = _roles(asset)
        data += "data" in roles
        for name, picture in pictures.items():
            if picture is None and name in roles:
                pictures[name] = asset
    for label, name in _PICTURES:
        href = _mapping(pictures[name]).get("href")
        if isinstance(href, str):
            links.append(asset_link(label, href, footprint.href))
    return data, links


def _roles(asset: object) -> Sequence[object]:
    roles = _mapping(asset).get("roles")
    return roles if isinstance(roles, list | tuple) else ()


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _is_number(value: object) -> TypeGuard[float]:
    """Tell what JavaScript has as a finite number."""
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and -_LARGEST <= value <= _LARGEST
    )


def _text(value: object) -> str | None:
    return None if value is None else _shortened(str(value))


def _value(value: object) -> str | float | None:
    """Give a value to show: a number as it is, anything else as text."""
    if value is None or _is_number(value):
        return value
    return _shortened(value if isinstance(value, str) else json.dumps(value, default=str))


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"
