"""Encode STAC items as features of the page, with the data that map, filters and details need."""

from __future__ import annotations

import json
import math
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple, TypeGuard

from target_stac.formats.preview.asset_links import PreviewLink, make_asset_link, make_file_link
from target_stac.records import is_bbox

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
_PREVIEW_IMAGES = (("Thumbnail", "thumbnail"), ("Overview", "overview"))  # label, asset key or role
_GEOMETRY_SHAPES = {  # GeoJSON type: kind of shape, nesting depth of a list of such shapes
    "Point": (0, 1),
    "MultiPoint": (0, 2),
    "LineString": (1, 2),
    "MultiLineString": (1, 3),
    "Polygon": (2, 3),
    "MultiPolygon": (2, 4),
}
_SINGLE = {"Point", "LineString", "Polygon"}
_MIN_POSITIONS = (1, 2, 4)  # of a point, a line, a ring (RFC 7946, 3.1)
_DECIMALS = 5  # of a degree; about one metre
_MAX_NUMBER = sys.float_info.max
_MAX_TEXT_LENGTH = 300  # characters
_ESCAPES = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})

Position = tuple[float, float]


class PreviewItem(NamedTuple):
    """An item of the export, to show on the page.

    Attributes:
        href: Path of the item's file, relative to the page, not percent-encoded; None if it has
            no file.
        item: The STAC item.
    """

    href: str | None
    item: Mapping[str, Any]


class FeatureEncoder:
    """Encoder of items as JSON arrays.

    Args:
        collections: Ids of the collections; an item refers to one by its position.
    """

    def __init__(self, collections: Sequence[str]) -> None:
        self._positions = {name: position for position, name in enumerate(collections)}

    def encode(self, preview_item: PreviewItem) -> bytes | None:
        """Return an item as a JSON array; None if it has no geometry that can be drawn.

        The array holds the kind of shape (0 point, 1 line, 2 polygon) and the shapes in degrees
        (longitude, latitude), the collection, the first and last second of the acquisition (UTC,
        Unix time), the cloud cover (percent), id, title, the values of `FIELDS`, the number of
        data assets, and links. Missing values are null.
        """
        item = preview_item.item
        shape = _parse_shape(_find_outline(item))
        if shape is None:
            return None
        properties = _as_mapping(item.get("properties"))
        cloud_cover = properties.get("eo:cloud_cover")
        collection = item.get("collection")
        position = self._positions.get(collection) if isinstance(collection, str) else None
        return encode_script_json(
            [
                *shape,
                _format_text(collection) if position is None else position,
                *_acquisition_seconds(properties),
                cloud_cover if _is_number(cloud_cover) else None,
                _format_text(item.get("id")),
                _format_text(properties.get("title")),
                [_format_value(properties.get(name)) for _, name, _ in FIELDS],
                *_summarize_assets(preview_item),
            ]
        )


def encode_script_json(data: object) -> bytes:
    """Return data as JSON that is safe in a script element, whatever its strings contain.

    It is ASCII: U+2028 and U+2029 are escaped as well.
    """
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return text.translate(_ESCAPES).encode("ascii")


def _find_outline(item: Mapping[str, Any]) -> object:
    """Return the geometry of an item; its bbox, if that has shapes of several kinds, or none."""
    geometry, bbox = _as_mapping(item.get("geometry")), item.get("bbox")
    has_shape = geometry.get("type") != "GeometryCollection" and geometry.get("coordinates") != []
    if has_shape or not is_bbox(bbox):
        return geometry
    (west, south), (east, north) = bbox[:2], bbox[len(bbox) // 2 :][:2]
    spans = [(west, east)] if west <= east else [(west, 180), (-180, east)]
    rings = [[[w, south], [e, south], [e, north], [w, north], [w, south]] for w, e in spans]
    return {"type": "MultiPolygon", "coordinates": [[ring] for ring in rings]}


def _parse_shape(geometry: object) -> tuple[int, list[Any]] | None:
    members = _as_mapping(geometry)
    name = members.get("type")
    if not isinstance(name, str) or name not in _GEOMETRY_SHAPES:
        return None
    kind, depth = _GEOMETRY_SHAPES[name]
    try:
        coordinates = _round_coordinates(members.get("coordinates"), depth, _MIN_POSITIONS[kind])
    except ValueError:
        return None
    return kind, [coordinates] if name in _SINGLE else coordinates


def _round_coordinates(coordinates: object, depth: int, min_positions: int) -> list[Any]:
    """Return nested lists of positions, rounded.

    Raises:
        ValueError: They do not match their GeoJSON type, or are not in degrees.
    """
    if not isinstance(coordinates, list | tuple) or not coordinates:
        raise ValueError
    if depth == 1:
        return list(_round_position(coordinates))
    if depth == 2 and len(coordinates) < min_positions:  # noqa: PLR2004  # a list of positions
        raise ValueError
    return [_round_coordinates(part, depth - 1, min_positions) for part in coordinates]


def _round_position(numbers: Sequence[object]) -> Position:
    longitude, latitude = numbers[:2]
    if not (_is_number(longitude) and _is_number(latitude)):
        raise ValueError
    if abs(longitude) > 180 or abs(latitude) > 90:  # noqa: PLR2004  # degrees
        raise ValueError
    return round(float(longitude), _DECIMALS), round(float(latitude), _DECIMALS)


def _acquisition_seconds(properties: Mapping[str, Any]) -> tuple[int | None, int | None]:
    """Return the first and last second of the acquisition, which the date filter compares."""
    instant = _unix_second(properties.get("datetime"))
    start, end = (_unix_second(properties.get(f"{side}_datetime")) for side in ("start", "end"))
    first = next((second for second in (start, instant, end) if second is not None), None)
    last = next((second for second in (end, instant, start) if second is not None), None)
    return first, last


def _unix_second(timestamp: object) -> int | None:
    if not isinstance(timestamp, str):
        return None
    try:
        parsed = datetime.fromisoformat(timestamp)
        if parsed.tzinfo is None:
            parsed = parsed.replace(tzinfo=UTC)
        return math.floor(parsed.timestamp())
    except (ValueError, OverflowError):
        return None


def _summarize_assets(preview_item: PreviewItem) -> tuple[int, list[PreviewLink]]:
    """Return the number of data assets, and the links to the item's file and preview images."""
    links = [] if preview_item.href is None else [make_file_link("Item JSON", preview_item.href)]
    assets = _as_mapping(preview_item.item.get("assets"))
    data_count = 0
    images = {name: assets.get(name) for _, name in _PREVIEW_IMAGES}
    for asset in assets.values():  # an item may have hundreds: one pass for all purposes
        roles = _roles(asset)
        data_count += "data" in roles
        for name, image in images.items():
            if image is None and name in roles:
                images[name] = asset
    for label, name in _PREVIEW_IMAGES:
        href = _as_mapping(images[name]).get("href")
        if isinstance(href, str):
            links.append(make_asset_link(label, href, preview_item.href))
    return data_count, links


def _roles(asset: object) -> Sequence[object]:
    roles = _as_mapping(asset).get("roles")
    return roles if isinstance(roles, list | tuple) else ()


def _as_mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _is_number(value: object) -> TypeGuard[float]:
    """Return whether JavaScript can represent the value as a finite number."""
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and -_MAX_NUMBER <= value <= _MAX_NUMBER
    )


def _format_text(value: object) -> str | None:
    return None if value is None else _shorten(str(value))


def _format_value(value: object) -> str | float | None:
    """Return a value to display: a number unchanged, anything else as text."""
    if value is None or _is_number(value):
        return value
    return _shorten(value if isinstance(value, str) else json.dumps(value, default=str))


def _shorten(text: str) -> str:
    return text if len(text) <= _MAX_TEXT_LENGTH else text[:_MAX_TEXT_LENGTH] + "…"
