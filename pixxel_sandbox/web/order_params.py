"""Parse the order items of a request for an order."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count, takewhile
from typing import TYPE_CHECKING, NamedTuple

from pixxel_sandbox.seed.archive_items import ItemRow
from pixxel_sandbox.seed.footprints import intersects_on_globe
from pixxel_sandbox.seed.timestamp_formats import (
    format_with_offset,
    format_with_z,
    parse_timestamp,
)
from pixxel_sandbox.web.errors import RequestRejected, bad_request, forbidden
from pixxel_sandbox.web.polygons import parse_feature_collection

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shapely.geometry.base import BaseGeometry

    from pixxel_sandbox.json_types import Json
    from pixxel_sandbox.workspace import Workspace

MAX_NAME_LENGTH = 100
NOT_APPLICABLE = "NOT_APPLICABLE"
ONCE = "ONCE"
PERIOD_DAYS = {"MONTHLY": 30, "BIMONTHLY": 60, "QUARTERLY": 90}
"""The days between the captures of a recurring order; a month of the sandbox has 30."""
MAX_OCCURRENCES = 120
MIN_YEAR, MAX_YEAR = 2000, 2199
STANDARD = "STANDARD"
TERM_BOUNDS = {"cloud_cover": (0, 100), "off_nadir": (0, 90)}
DEFAULT_TERM = 20
TASKING_FIELDS = ("start_date", "end_date", "no_of_occurrences", "bandset", *TERM_BOUNDS)


class Period(NamedTuple):
    """The time in which an image is to be captured; it includes its start, but not its end."""

    start: datetime
    end: datetime


@dataclass(frozen=True)
class OrderItemRequest:
    """A valid order item of a request.

    Attributes:
        name: Its name, empty if it was not given.
        shape: The area of interest.
        images: The archive items; none for a tasking order item.
        captures: The periods of the captures; none for an archive order item.
        fields: The fields of its row that come from the request.
    """

    name: str
    shape: BaseGeometry
    images: tuple[ItemRow, ...]
    captures: tuple[Period, ...]
    fields: Json


class OrderItemFields:
    """The fields of an order item in a request, read with errors that name them."""

    def __init__(self, item: Mapping[str, object], location: str) -> None:
        self._item = item
        self._location = location

    def has(self, name: str) -> bool:
        """Return whether a field is given."""
        return self._item.get(name) is not None

    def get(self, name: str) -> object:
        """Return a field, None if it is not given."""
        return self._item.get(name)

    def locate(self, name: str) -> str:
        """Return the location of a field in the request."""
        return f"{self._location}.{name}"

    def reject(self, name: str, problem: str) -> RequestRejected:
        """Return the error of a field."""
        return bad_request(f"{name} {problem}", field=self.locate(name))

    def read_string(self, name: str, default: str = "") -> str:
        """Read a string; it may be missing if there is a default."""
        value = self._item.get(name)
        if value is None and default:
            return default
        if not isinstance(value, str) or not value:
            raise self.reject(name, "must be a non-empty string")
        return value

    def read_choice(self, name: str, choices: tuple[str, ...], default: str = "") -> str:
        """Read one of several words."""
        value = self.read_string(name, default)
        if value not in choices:
            raise self.reject(name, f"must be one of {', '.join(choices)}")
        return value

    def read_integer(self, name: str, low: int, high: int, default: int) -> int:
        """Read an integer within bounds."""
        value = self._item.get(name)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise self.reject(name, f"must be an integer within {low}..{high}")
        return value

    def read_time(self, name: str) -> datetime:
        """Read a timestamp, as UTC."""
        moment = parse_timestamp(self._item.get(name))
        if moment is None or not MIN_YEAR <= moment.year <= MAX_YEAR:
            raise self.reject(name, f"must be an RFC 3339 timestamp of {MIN_YEAR}..{MAX_YEAR}")
        return moment.astimezone(UTC)


def parse_order_item(workspace: Workspace, item: Json, location: str) -> OrderItemRequest:
    """Parse an order item of a request; it is for the archive if it has `item_ids`.

    Raises:
        RequestRejected: A field is invalid, or the token may not use the project.
    """
    fields = OrderItemFields(item, location)
    name = fields.read_string("name") if item.get("name") else ""
    if len(name) > MAX_NAME_LENGTH:
        raise fields.reject("name", f"must have at most {MAX_NAME_LENGTH} characters")
    shared: Json = {"usecase": fields.read_string("usecase")}
    geometry, shape = parse_feature_collection(item.get("geometry"), fields.locate("geometry"))
    images: tuple[ItemRow, ...] = ()
    captures: tuple[Period, ...] = ()
    if fields.has("item_ids"):
        images = _parse_images(workspace, fields, shape)
        terms = _archive_terms(workspace, fields, images, geometry)
    else:
        captures = _parse_captures(fields)
        terms = _tasking_terms(workspace, fields, captures)
    if fields.has("cloud_delivery"):
        shared["cloud_delivery"] = _parse_cloud_delivery(workspace, fields)
    shared["project_id"] = fields.read_string("project_id")
    if workspace.find("projects", shared["project_id"]) is None:
        raise forbidden("the token may not use this project", field=fields.locate("project_id"))
    return OrderItemRequest(name, shape, images, captures, {**shared, **terms})


def _parse_images(
    workspace: Workspace, fields: OrderItemFields, shape: BaseGeometry
) -> tuple[ItemRow, ...]:
    keys = fields.get("item_ids")
    if not isinstance(keys, list) or not keys or not all(isinstance(key, str) for key in keys):
        raise fields.reject("item_ids", "must be a non-empty list of strings")
    if len(set(keys)) < len(keys):
        raise fields.reject("item_ids", "must not repeat an id")
    return tuple(_find_image(workspace, fields, shape, key) for key in keys)


def _find_image(
    workspace: Workspace, fields: OrderItemFields, shape: BaseGeometry, key: str
) -> ItemRow:
    image = workspace.find("archive_items", key)
    if not isinstance(image, ItemRow):
        raise fields.reject("item_ids", f"has an item that is not in the archive: {key}")
    footprint = image.shape()
    if footprint is None or not intersects_on_globe(footprint, shape):
        raise fields.reject("item_ids", f"has an item that is outside of the geometry: {key}")
    return image


def _archive_terms(
    workspace: Workspace, fields: OrderItemFields, images: tuple[ItemRow, ...], geometry: Json
) -> Json:
    for name in TASKING_FIELDS:
        if fields.has(name):
            raise fields.reject(name, "is for tasking, but there are item_ids")
    for name in ("recurrence", "delivery_speed"):
        fields.read_choice(name, (NOT_APPLICABLE,), NOT_APPLICABLE)
    return {
        "type": "ARCHIVE",
        "images": [{"item_id": image.id, "geometry": geometry} for image in images],
        "bandset": {"bandset_id": workspace.ids("bandsets")[-1]},
        "delivery_speed": NOT_APPLICABLE,
        "recurrence": NOT_APPLICABLE,
    }


def _parse_captures(fields: OrderItemFields) -> tuple[Period, ...]:
    recurrence = fields.read_choice("recurrence", (ONCE, *PERIOD_DAYS))
    start = fields.read_time("start_date")
    times = fields.read_integer("no_of_occurrences", 0, MAX_OCCURRENCES, 0)
    if recurrence == ONCE:
        if times > 1:
            raise fields.reject("no_of_occurrences", "is for recurring orders")
        return (Period(start, _parse_end(fields, start)),)
    if fields.has("end_date") == (times > 0):
        raise fields.reject("no_of_occurrences", "or end_date must be given, but not both")
    days = timedelta(days=PERIOD_DAYS[recurrence])
    end = start + times * days if times else _parse_end(fields, start)
    starts = takewhile(lambda moment: moment < end, (start + n * days for n in count()))
    captures = tuple(Period(moment, min(moment + days, end)) for moment in starts)
    if len(captures) > MAX_OCCURRENCES:
        raise fields.reject("end_date", f"must leave at most {MAX_OCCURRENCES} occurrences")
    return captures


def _parse_end(fields: OrderItemFields, start: datetime) -> datetime:
    end = fields.read_time("end_date")
    if end <= start:
        raise fields.reject("end_date", "must be after start_date")
    return end


def _tasking_terms(
    workspace: Workspace, fields: OrderItemFields, captures: tuple[Period, ...]
) -> Json:
    bandset = fields.get("bandset")
    key = bandset.get("bandset_id") if isinstance(bandset, dict) else None
    row = workspace.find("bandsets", key) if isinstance(key, str) else None
    if not isinstance(row, dict):
        raise fields.reject("bandset", "must have the id of a bandset as bandset_id")
    is_recurring = fields.get("recurrence") != ONCE
    terms: Json = {
        "type": "RECURRING" if is_recurring else "TASKING",
        "image_type": "VNIR",
        "start_date": format_with_z(captures[0].start),
        "end_date": format_with_z(captures[-1].end),
        **{
            name: fields.read_integer(name, *bounds, DEFAULT_TERM)
            for name, bounds in TERM_BOUNDS.items()
        },
        "bandset": {"bandset_id": key},
        "number_of_bands": len(row["bands"]),
        "delivery_speed": fields.read_choice("delivery_speed", (STANDARD,), STANDARD),
        "recurrence": fields.get("recurrence"),
    }
    if is_recurring:
        terms["no_of_occurrences"] = len(captures)
        terms["occurrences"] = [
            {"start": format_with_offset(each.start), "end": format_with_offset(each.end)}
            for each in captures
        ]
    return terms


def _parse_cloud_delivery(workspace: Workspace, fields: OrderItemFields) -> Json:
    cloud = fields.get("cloud_delivery")
    if not isinstance(cloud, dict):
        raise fields.reject("cloud_delivery", "must be an object")
    store, path = cloud.get("config"), cloud.get("path", "")
    if not isinstance(store, str) or workspace.find("stores", store) is None:
        raise fields.reject("cloud_delivery", "must have the id of a store as config")
    if not isinstance(path, str):
        raise fields.reject("cloud_delivery", "must have a string as path")
    return {name: cloud[name] for name in ("config", "path") if name in cloud}
