"""Find the STAC Item or Collection in a Singer record, and check its required members."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeGuard

from pixxel_singer.message_reader import TOO_DEEP, InvalidJsonError, decode_json

Json = dict[str, Any]

ITEM, COLLECTION = "item", "collection"
STAC_VERSION = "1.1.0"
"""Version of the catalogs and collections that the target makes itself."""
NO_COLLECTION = ""
"""Collection id of items that name no collection."""
METADATA_MEMBER = "target_stac"
"""Member of the root catalog and of synthesised collections; files of other programs lack it."""

_KIND_OF_COLUMN = {"stac_item": ITEM, "stac_collection": COLLECTION}
_KIND_OF_TYPE = {"Feature": ITEM, "Collection": COLLECTION}
_TYPE_OF_KIND = {kind: name for name, kind in _KIND_OF_TYPE.items()}
_BBOX_LIMIT = 1e12
_FLATTENED_PROPERTIES = frozenset(
    {"datetime", "start_datetime", "created", "updated", "platform", "gsd"}
)
"""Item properties; a record with one of them at its top level is a table row, not an item."""
_GEOMETRY_TYPES = frozenset(
    {
        *("Point", "MultiPoint", "LineString", "MultiLineString", "Polygon", "MultiPolygon"),
        "GeometryCollection",
    }
)
_UTC_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z")


class StacRecord(NamedTuple):
    """The STAC object of a record.

    Attributes:
        kind: `item` or `collection`.
        stac: The object; None if the record's STAC column is empty.
    """

    kind: str
    stac: Json | None


class InvalidStacError(ValueError):
    """A record's STAC object is invalid; the message gives the reason, without values."""


def find_stac(record: Json) -> StacRecord | None:
    """Return the STAC object of a record; None if its stream carries no STAC.

    Raises:
        InvalidStacError: The STAC column holds neither a JSON object nor null.
    """
    for column, kind in _KIND_OF_COLUMN.items():
        if column in record:
            stac = _decode_object(column, record[column])
            return StacRecord(kind, stac and _drop_null_members(stac))
    if not _is_stac_version(record.get("stac_version")):
        return None
    record_kind = _KIND_OF_TYPE.get(str(record.get("type")))
    if record_kind is None or not record.keys().isdisjoint(_FLATTENED_PROPERTIES):
        return None
    members = {k: v for k, v in record.items() if not k.startswith("_sdc_")}
    return StacRecord(record_kind, _drop_null_members(members))


def _drop_null_members(stac: Json) -> Json:
    """Return an object without its null members, which count as absent, except `geometry`.

    An item without a location has the geometry null (STAC Item, geometry).
    """
    if None not in stac.values():
        return stac
    return {k: v for k, v in stac.items() if v is not None or k == "geometry"}


def _is_stac_version(version: Any) -> bool:  # noqa: ANN401 - any JSON
    """Return whether `version` is one of STAC 1; earlier drafts have other members."""
    return isinstance(version, str) and version.startswith("1.")


def _decode_object(column: str, value: Any) -> Json | None:  # noqa: ANN401 - any JSON
    if isinstance(value, str):  # a stream map or another target's file may hold JSON as a string
        try:
            decoded = decode_json(value.encode())
        except InvalidJsonError as error:
            raise InvalidStacError(f"'{column}' {str(error) or 'is not valid JSON'}") from None
        if decoded.is_pruned:
            raise InvalidStacError(f"'{column}' {TOO_DEEP}")
        value = decoded.value
    if value is None or isinstance(value, dict):
        return value
    raise InvalidStacError(f"'{column}' is not an object")


def validate_minimal(kind: str, stac: Json) -> None:
    """Check the members that an export requires.

    Raises:
        InvalidStacError: A member is missing or has the wrong type.
    """
    if not isinstance(stac.get("id"), str) or not stac["id"]:
        raise InvalidStacError("has no id")
    if stac.get("type") != _TYPE_OF_KIND[kind]:
        raise InvalidStacError(f"must have the type {_TYPE_OF_KIND[kind]}")
    links = stac.get("links", [])
    if not isinstance(links, list) or not all(isinstance(link, dict) for link in links):
        raise InvalidStacError("has links that are not a list of objects")
    if kind == COLLECTION:
        return
    collection, geometry = stac.get("collection"), stac.get("geometry")
    if collection is not None and (not isinstance(collection, str) or not collection):
        raise InvalidStacError("has a collection that is not a string")
    if not isinstance(stac.get("properties"), dict):
        raise InvalidStacError("has no properties")
    if geometry is not None:
        if not _is_geometry(geometry):
            raise InvalidStacError("has a geometry that is not GeoJSON")
        if not is_bbox(stac.get("bbox")):
            raise InvalidStacError("has a geometry but no bbox of four or six numbers")


def _is_geometry(value: Any) -> bool:  # noqa: ANN401 - any JSON
    if not isinstance(value, dict) or str(value.get("type")) not in _GEOMETRY_TYPES:
        return False
    parts = "geometries" if value["type"] == "GeometryCollection" else "coordinates"
    return isinstance(value.get(parts), list)


def is_bbox(value: Any) -> TypeGuard[list[float]]:  # noqa: ANN401 - any JSON
    """Return whether a value is a bbox: four numbers, or six with heights."""
    return (
        isinstance(value, list)
        and len(value) in {4, 6}
        and all(isinstance(edge, int | float) and not isinstance(edge, bool) for edge in value)
        and all(-_BBOX_LIMIT < edge < _BBOX_LIMIT for edge in value)
    )


class AcquisitionTime(NamedTuple):
    """Acquisition time of an item, RFC 3339 in UTC: its `datetime`, or its start and end."""

    start: str
    end: str

    @property
    def day(self) -> str:
        """The day that the item is filed under, `YYYY-MM-DD`."""
        return self.start[:10]


def read_acquisition_time(item: Json) -> AcquisitionTime:
    """Return the acquisition time of an item.

    Raises:
        InvalidStacError: It has neither a datetime nor a start and an end (STAC Item, datetime).
    """
    properties = item["properties"]
    instant = properties.get("datetime")
    if instant is not None:
        timestamp = _normalize_utc(instant, "datetime")
        return AcquisitionTime(timestamp, timestamp)
    start, end = properties.get("start_datetime"), properties.get("end_datetime")
    if start is None or end is None:
        raise InvalidStacError("has neither datetime nor start_datetime and end_datetime")
    return AcquisitionTime(
        _normalize_utc(start, "start_datetime"), _normalize_utc(end, "end_datetime")
    )


def _normalize_utc(value: Any, name: str) -> str:  # noqa: ANN401 - any JSON
    if isinstance(value, str):
        try:
            parsed = datetime.fromisoformat(value)
            if _UTC_TIMESTAMP.fullmatch(value):
                return value
            if parsed.tzinfo is not None:
                return parsed.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"
        except (ValueError, OverflowError):
            pass
    raise InvalidStacError(f"has a {name} that is not an RFC 3339 timestamp")
