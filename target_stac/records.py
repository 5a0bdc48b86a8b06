"""What a record brings: a STAC Item or Collection, itself or in a column, or neither."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec

Json = dict[str, Any]

ITEM, COLLECTION = "item", "collection"
_COLUMNS = {"stac_item": ITEM, "stac_collection": COLLECTION}
_TYPES = {"Feature": ITEM, "Collection": COLLECTION}
_TYPE_OF = {kind: name for name, kind in _TYPES.items()}
_MOST = 1e12
_FLATTENED = frozenset({"datetime", "start_datetime", "created", "updated", "platform", "gsd"})
"""Properties of items: a record that has them beside `properties` is a table's row, not an item."""
_GEOMETRIES = frozenset(
    {
        *("Point", "MultiPoint", "LineString", "MultiLineString", "Polygon", "MultiPolygon"),
        "GeometryCollection",
    }
)
_UTC_STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z")


class Brought(NamedTuple):
    """What a record brings.

    Attributes:
        kind: `item` or `collection`.
        stac: The object; None where the record has a column for it and no value in it.
    """

    kind: str
    stac: Json | None


class NotStacError(ValueError):
    """A record holds what should be STAC and is not; the text says why, without values."""


def brought(record: Json) -> Brought | None:
    """Find the STAC object of a record; None when its stream has none.

    Raises:
        NotStacError: The column that should hold it holds something else.
    """
    for column, kind in _COLUMNS.items():
        if column in record:
            return Brought(kind, _object(column, record[column]))
    itself = _TYPES.get(str(record.get("type"))) if _is_stac(record.get("stac_version")) else None
    if itself is None or not record.keys().isdisjoint(_FLATTENED):
        return None
    return Brought(itself, {k: v for k, v in record.items() if not k.startswith("_sdc_")})


def _is_stac(version: Any) -> bool:  # noqa: ANN401 - any JSON
    """Tell whether a `stac_version` is one of STAC 1; drafts before it had other members."""
    return isinstance(version, str) and version.startswith("1.")


def _object(column: str, value: Any) -> Json | None:  # noqa: ANN401 - any JSON
    if isinstance(value, str):  # a stream map or another target's file has made a text of it
        try:
            value = msgspec.json.decode(value)
        except msgspec.DecodeError:
            raise NotStacError(f"'{column}' is a text that is not JSON") from None
    if value is None or isinstance(value, dict):
        return value
    raise NotStacError(f"'{column}' is no object")


def check(kind: str, stac: Json) -> None:
    """Check that an object has what an export cannot do without.

    Raises:
        NotStacError: It has not.
    """
    if not isinstance(stac.get("id"), str) or not stac["id"]:
        raise NotStacError("has no id")
    if stac.get("type") != _TYPE_OF[kind]:
        raise NotStacError(f"has a type other than {_TYPE_OF[kind]}")
    links = stac.get("links", [])
    if not isinstance(links, list) or not all(isinstance(link, dict) for link in links):
        raise NotStacError("has links that are no list of objects")
    if kind == COLLECTION:
        return
    collection, geometry = stac.get("collection"), stac.get("geometry")
    if collection is not None and (not isinstance(collection, str) or not collection):
        raise NotStacError("has a collection that is no text")
    if not isinstance(stac.get("properties"), dict):
        raise NotStacError("has no properties")
    if geometry is not None:
        if not _is_geometry(geometry):
            raise NotStacError("has a geometry that is not GeoJSON")
        if not is_bbox(stac.get("bbox")):
            raise NotStacError("has a geometry and no bbox of four or six numbers")


def _is_geometry(value: Any) -> bool:  # noqa: ANN401 - any JSON
    if not isinstance(value, dict) or str(value.get("type")) not in _GEOMETRIES:
        return False
    parts = "geometries" if value["type"] == "GeometryCollection" else "coordinates"
    return isinstance(value.get(parts), list)


def is_bbox(value: Any) -> bool:  # noqa: ANN401 - any JSON
    """Tell whether a value is a bbox: four numbers, or six with heights."""
    return (
        isinstance(value, list)
        and len(value) in {4, 6}
        and all(isinstance(edge, int | float) and not isinstance(edge, bool) for edge in value)
        and all(-_MOST < edge < _MOST for edge in value)
    )


class Times(NamedTuple):
    """When an item was acquired, as RFC 3339 in UTC: its `datetime`, or its start and end."""

    start: str
    end: str

    @property
    def day(self) -> str:
        """The day it is filed under, `YYYY-MM-DD`."""
        return self.start[:10]


def times(item: Json) -> Times:
    """Read an item's times.

    Raises:
        NotStacError: It has neither a datetime nor a start and an end (STAC Item, datetime).
    """
    properties = item["properties"]
    moment = properties.get("datetime")
    if moment is not None:
        stamp = _utc(moment, "datetime")
        return Times(stamp, stamp)
    span = [properties.get("start_datetime"), properties.get("end_datetime")]
    if None in span:
        raise NotStacError("has no datetime, and no start_datetime with an end_datetime")
    return Times(_utc(span[0], "start_datetime"), _utc(span[1], "end_datetime"))


def _utc(value: Any, name: str) -> str:  # noqa: ANN401 - any JSON
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
            if _UTC_STAMP.fullmatch(value):
                return value
            if moment.tzinfo is not None:
                return moment.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"
        except (ValueError, OverflowError):
            pass
    raise NotStacError(f"has a {name} that is no RFC 3339 timestamp")
