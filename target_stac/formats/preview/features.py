"""Encode STAC items as features of the page, with the data that map, filters and list need."""

from __future__ import annotations

import json
import math
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple, TypedDict

import msgspec

from target_stac.formats.preview.asset_links import PreviewLink, make_asset_link, make_file_link
from target_stac.formats.preview.bands import find_bands
from target_stac.formats.preview.values import (
    as_mapping,
    encode_script_json,
    format_text,
    is_number,
)
from target_stac.records import is_bbox

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

FIELDS = (  # STAC 1.1 common metadata and extension fields: label, name, unit
    ("Platform", "platform", ""),
    ("Ground sampling", "gsd", " m"),
    ("Off nadir", "view:off_nadir", "°"),
    ("Order", "order:status", ""),
)
IMAGES = (("Thumbnail", "thumbnail"), ("Overview", "overview"))
"""Label and asset key or role of the images to show of an item, the preferred one first."""
_IMAGE_ROLES = [(position, name) for position, (_, name) in enumerate(IMAGES)]
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
_PLAIN_ID = re.compile(r"[A-Za-z0-9._~-]{4,}")  # characters that an href has as they are
_DECIMALS = 5  # of a degree; about one metre

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


_Band = TypedDict(
    "_Band",
    {
        "eo:center_wavelength": Any,
        "eo:full_width_half_max": Any,
        "center_wavelength": Any,
        "full_width_half_max": Any,
    },
    total=False,
)
_Asset = TypedDict(
    "_Asset",
    {"href": Any, "roles": Any, "bands": list[_Band], "eo:bands": list[_Band]},
    total=False,
)


class _Item(TypedDict, total=False):
    """What a feature is made of: the members of an item, if its assets have the usual types."""

    id: Any
    collection: Any
    geometry: Any
    bbox: Any
    properties: Any
    assets: dict[str, _Asset]


_decode_usual = msgspec.json.Decoder(_Item).decode
_decode_any = msgspec.json.Decoder(dict[str, Any]).decode


def decode_item(line: bytes) -> Mapping[str, Any]:
    """Return an item for `FeatureEncoder`, as a rule without the members that it does not read."""
    try:
        return _decode_usual(line)
    except msgspec.ValidationError:
        return _decode_any(line)


class FeatureEncoder:
    """Encoder of items as JSON arrays.

    Args:
        collections: Ids of the collections; an item refers to one by its position.
    """

    def __init__(self, collections: Sequence[str]) -> None:
        self._positions = {name: position for position, name in enumerate(collections)}

    def encode(self, preview_item: PreviewItem) -> bytes | None:
        """Return an item as two lines of JSON arrays; None if it has no geometry to draw.

        The first array holds the kind of shape (0 point, 1 line, 2 polygon) and the shapes in
        degrees (longitude, latitude), the collection, the first and last second of the acquisition
        (UTC, Unix time), the cloud cover (percent), id, title if it differs, the values of
        `FIELDS`, the number of data assets, the href of the item's file, and the position in
        `IMAGES` and the href of its image, with spaces for the id. Missing values are null. The
        second array holds the bands, as `find_bands` returns them; many items have the same.
        """
        item = preview_item.item
        shape = _parse_shape(_find_outline(item))
        if shape is None:
            return None
        properties = as_mapping(item.get("properties"))
        cloud_cover = properties.get("eo:cloud_cover")
        collection = item.get("collection")
        position = self._positions.get(collection) if isinstance(collection, str) else None
        identifier, title = item.get("id"), properties.get("title")
        file = None if preview_item.href is None else make_file_link(preview_item.href)
        data_count, image_name, image = _summarize_assets(preview_item)
        row = [
            *shape,
            collection if position is None else position,
            *_acquisition_seconds(properties),
            cloud_cover if is_number(cloud_cover) else None,
            None if identifier is None else str(identifier),
            None if title == identifier else format_text(title),
            [_format_value(properties.get(name)) for _, name, _ in FIELDS],
            data_count,
            _encode_link(file, identifier),
            image_name,
            _encode_link(image, identifier),
        ]
        return encode_script_json(row) + b"\n" + encode_script_json(find_bands(item))


def _find_outline(item: Mapping[str, Any]) -> object:
    """Return the geometry of an item; its bbox, if that has shapes of several kinds, or none."""
    geometry, bbox = as_mapping(item.get("geometry")), item.get("bbox")
    has_shape = geometry.get("type") != "GeometryCollection" and geometry.get("coordinates") != []
    if has_shape or not is_bbox(bbox):
        return geometry
    (west, south), (east, north) = bbox[:2], bbox[len(bbox) // 2 :][:2]
    spans = [(west, east)] if west <= east else [(west, 180), (-180, east)]
    rings = [[[w, south], [e, south], [e, north], [w, north], [w, south]] for w, e in spans]
    return {"type": "MultiPolygon", "coordinates": [[ring] for ring in rings]}


def _parse_shape(geometry: object) -> tuple[int, list[Any]] | None:
    members = as_mapping(geometry)
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
    if depth == 2 and min_positions == _MIN_POSITIONS[2] and coordinates[0] == coordinates[-1]:  # noqa: PLR2004
        coordinates = coordinates[:-1]  # the page closes rings
    return [_round_coordinates(part, depth - 1, min_positions) for part in coordinates]


def _round_position(numbers: Sequence[object]) -> Position:
    longitude, latitude = numbers[:2]
    if not (is_number(longitude) and is_number(latitude)):
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


def _encode_link(link: PreviewLink | None, identifier: object) -> str | list[str] | None:
    """Return a link as the page has it: an href, or in a list what is shown as text only.

    The item's id, which is often in it more than once, is a space, which an href never contains.
    """
    if link is None:
        return None
    if not link.is_safe:
        return [link.text]
    if isinstance(identifier, str) and _PLAIN_ID.fullmatch(identifier):
        return link.text.replace(identifier, " ")
    return link.text


def _summarize_assets(preview_item: PreviewItem) -> tuple[int, int | None, PreviewLink | None]:
    """Return the number of data assets, and the image to show: position in `IMAGES`, and link."""
    assets = as_mapping(preview_item.item.get("assets"))
    data_count = 0
    images = [assets.get(name) for _, name in IMAGES]
    for asset in assets.values():  # an item may have hundreds: one pass for all purposes
        roles = asset.get("roles") if isinstance(asset, dict) else None
        if isinstance(roles, list):
            data_count += "data" in roles
            for position, name in _IMAGE_ROLES:
                if name in roles and images[position] is None:
                    images[position] = asset
    for position, image in enumerate(images):
        href = as_mapping(image).get("href")
        if isinstance(href, str):
            return data_count, position, make_asset_link(href, preview_item.href)
    return data_count, None, None


def _format_value(value: object) -> str | float | None:
    """Return a value to display: a number unchanged, anything else as text."""
    if value is None or is_number(value):
        return value
    return format_text(value if isinstance(value, str) else json.dumps(value, default=str))
