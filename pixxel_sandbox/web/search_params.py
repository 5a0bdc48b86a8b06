"""Parse request bodies and query strings into typed values."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
import shapely

from pixxel_sandbox.seed.footprints import FULL_TURN, HALF_TURN, build_shape
from pixxel_sandbox.seed.timestamp_formats import parse_timestamp
from pixxel_sandbox.web.errors import bad_request, conflict, not_found

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from shapely.geometry.base import BaseGeometry
    from starlette.datastructures import QueryParams

    from pixxel_sandbox.json_types import Json
    from pixxel_sandbox.workspace import Workspace

Value = TypeVar("Value")

OPEN_ENDS = ("..", "")
OPERATORS = frozenset({"gt", "lt", "eq"})
BBOX_LENGTH = 4
MAX_LATITUDE = 90.0
MAX_INTEGER = 2**31 - 1
_INTEGER = re.compile("-?[0-9]{1,10}")


@dataclass(frozen=True)
class PageParams:
    """The part of a list that a request asks for."""

    offset: int
    limit: int


@dataclass(frozen=True)
class Range:
    """A range that includes its ends; None is an open end."""

    first: Any
    last: Any

    def overlaps(self, first: object, last: object) -> bool:
        """Return whether the range from `first` to `last` overlaps this one."""
        after: bool = self.first is None or self.first <= last
        before: bool = self.last is None or first <= self.last
        return after and before


@dataclass(frozen=True)
class Condition:
    """A comparison of an item's property with a value."""

    name: str
    operator: str
    value: object


@dataclass(frozen=True)
class Sorting:
    """A field to sort by: `id`, or `properties.` and a property's name."""

    field: str
    descending: bool


@dataclass(frozen=True)
class Search:
    """A parsed search; None for a filter that is not given."""

    shapes: tuple[BaseGeometry, ...] = ()
    datetime: Range | None = None
    conditions: tuple[Condition, ...] = ()
    sorting: tuple[Sorting, ...] = ()
    id_filters: Mapping[str, frozenset[str]] | None = None


def decode_body(raw: bytes) -> Json:
    """Decode a request's body, which must be a JSON object."""
    try:
        body = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError) as error:
        raise bad_request("the body must be JSON", reason=str(error)) from error
    if not isinstance(body, dict):
        raise bad_request("the body must be a JSON object")
    return body


def check_texts(body: Json, names: Iterable[str]) -> None:
    """Check that fields of a body are strings."""
    for name in names:
        if not isinstance(body.get(name), str):
            raise bad_request(f"{name} must be a string", field=name)


def parse_texts(value: object, name: str, field: str = "") -> list[str]:
    """Parse a list of strings.

    Args:
        value: The list.
        name: Its name in the body.
        field: The field that an error states, if it is not the name.
    """
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise bad_request(f"{name} must be a list of strings", field=field or name)
    return value


def page_params_from_body(body: Json, default_limit: int) -> PageParams:
    """Read `offset` and `limit` of a search's body."""
    values = {"offset": body.get("offset", 0), "limit": body.get("limit", default_limit)}
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int):
            raise bad_request(f"{name} must be an integer", field=name)
    return _check_page_params(PageParams(**values))


def page_params_from_query(params: QueryParams, default_limit: int) -> PageParams:
    """Read `offset` and `limit` of a query string."""
    return _check_page_params(
        PageParams(
            offset=read_integer(params, "offset", 0),
            limit=read_integer(params, "limit", default_limit),
        )
    )


def _check_page_params(page_params: PageParams) -> PageParams:
    if page_params.offset < 0:
        raise bad_request("offset must be at least 0", field="offset")
    if max(page_params.offset, page_params.limit) > MAX_INTEGER:
        raise bad_request(f"offset and limit must be at most {MAX_INTEGER}")
    if page_params.limit < 1:
        raise bad_request("limit must be at least 1", field="limit")
    return page_params


def read_integer(params: QueryParams, name: str, default: int) -> int:
    """Read an integer of a query string."""
    text = params.get(name)
    if text is None:
        return default
    if not _INTEGER.fullmatch(text):
        raise bad_request(f"{name} must be an integer", field=name)
    return int(text)


def read_string_list(params: QueryParams, name: str) -> frozenset[str] | None:
    """Read a list of a query string, comma-separated or repeated; None if it is not given."""
    texts = params.getlist(name)
    strings = frozenset(string for text in texts for string in text.split(",") if string)
    return strings if texts else None


def parse_number(text: str) -> float | None:
    """Parse a finite number, None for another text."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def parse_range(
    text: str, name: str, parse_value: Callable[[str], Value | None], separator: str = "/"
) -> Range:
    """Parse a value, or a range of two values of which one may be open.

    Raises:
        RequestRejected: A value is invalid, both ends are open, or the range is reversed.
    """
    ends = text.split(separator)
    values = [
        None if len(ends) > 1 and end in OPEN_ENDS else _parse_end(end, name, parse_value)
        for end in ends
    ]
    first, last = values[0], values[-1]
    if len(values) > len(("first", "last")) or (first is None and last is None):
        raise bad_request(f"{name} must be a value or a range", field=name)
    result = Range(first, last)
    if None not in values and not result.first <= result.last:
        raise bad_request(f"{name} must not end before it starts", field=name)
    return result


def _parse_end(text: str, name: str, parse_value: Callable[[str], Value | None]) -> Value:
    value = parse_value(text)
    if value is None:
        raise bad_request(f"{name} has an invalid value", field=name)
    return value


def parse_search(body: Json, id_fields: Sequence[str], sort_field: str) -> Search:
    """Parse the filters and the order of a search.

    Args:
        body: The request's body.
        id_fields: The filters of this search that are lists of ids.
        sort_field: The field of the body that holds the order.
    """
    shapes = [SHAPE_PARSERS[name](body[name]) for name in SHAPE_PARSERS if name in body]
    return Search(
        shapes=tuple(shapes),
        datetime=_parse_datetime(body["datetime"]) if "datetime" in body else None,
        conditions=_parse_conditions(body.get("query", {})),
        sorting=_parse_sorting(body.get(sort_field, []), sort_field),
        id_filters={
            name: frozenset(parse_texts(body[name], name)) for name in id_fields if name in body
        },
    )


def _parse_bbox(value: object) -> BaseGeometry:
    if (
        not isinstance(value, list)
        or len(value) != BBOX_LENGTH
        or not all(isinstance(edge, (int, float)) and not isinstance(edge, bool) for edge in value)
    ):
        raise bad_request("bbox must be a list of four numbers", field="bbox")
    west, south, east, north = (float(edge) for edge in value)
    if not (-MAX_LATITUDE <= south <= north <= MAX_LATITUDE):
        raise bad_request("the latitudes of bbox must be ordered and within -90..90", field="bbox")
    if not all(-HALF_TURN <= edge <= HALF_TURN for edge in (west, east)):
        raise bad_request("the longitudes of bbox must be within -180..180", field="bbox")
    box: BaseGeometry = shapely.box(west, south, east + FULL_TURN if west > east else east, north)
    return box


def parse_geometry(value: object, field: str) -> BaseGeometry:
    """Parse a GeoJSON geometry of any type."""
    if not isinstance(value, dict):
        raise bad_request(f"{field} must be a GeoJSON geometry", field=field)
    try:
        return build_shape(value)
    except ValueError as error:
        raise bad_request(str(error), field=field) from error


SHAPE_PARSERS: dict[str, Callable[[object], BaseGeometry]] = {
    "bbox": _parse_bbox,
    "intersects": partial(parse_geometry, field="intersects"),
}


def _parse_datetime(value: object) -> Range:
    if not isinstance(value, str):
        raise bad_request("datetime must be a string", field="datetime")
    return parse_range(value, "datetime", parse_timestamp)


def _parse_conditions(query: object) -> tuple[Condition, ...]:
    if not isinstance(query, dict):
        raise bad_request("query must be an object", field="query")
    return tuple(
        _parse_condition(name, operator, value)
        for name, comparisons in query.items()
        for operator, value in _check_comparisons(name, comparisons).items()
    )


def _check_comparisons(name: str, comparisons: object) -> Json:
    if not isinstance(comparisons, dict):
        raise bad_request(
            "each property of query must be an object of operators", field=f"query.{name}"
        )
    return comparisons


def _parse_condition(name: str, operator: str, value: object) -> Condition:
    field = f"query.{name}.{operator}"
    if operator not in OPERATORS:
        raise bad_request(f"unknown operator {operator!r}", field=field)
    if operator != "eq" and (isinstance(value, bool) or not isinstance(value, (int, float, str))):
        raise bad_request("the value must be a number or a string", field=field)
    return Condition(name, operator, value)


def _parse_sorting(value: object, name: str) -> tuple[Sorting, ...]:
    if not isinstance(value, list):
        raise bad_request(f"{name} must be a list", field=name)
    return tuple(key for entry in value for key in _parse_sort_keys(entry, name))


def _parse_sort_keys(entry: object, name: str) -> Iterator[Sorting]:
    """Yield the keys of an entry: `field` and `direction`, or a direction for each field."""
    if not isinstance(entry, dict) or not entry:
        raise bad_request(f"each of {name} must have a field", field=name)
    keys = {entry["field"]: entry.get("direction", "asc")} if "field" in entry else entry
    for field, direction in keys.items():
        if not isinstance(field, str):
            raise bad_request(f"each of {name} must have a field", field=name)
        if not isinstance(direction, str) or direction.lower() not in {"asc", "desc"}:
            raise bad_request("direction must be asc or desc", field=name)
        yield Sorting(_parse_sort_field(field, name), direction.lower() == "desc")


def check_sort_form(entries: list[Json], *, schema: bool, prose: bool) -> None:
    """Check the form of `sort_by`, which the contract shows in two.

    Args:
        entries: Its valid entries.
        schema: Accept only the form of the schema: a map of fields to ASC or DESC.
        prose: Accept only the form of the prose: a field, and the direction asc or desc.

    Raises:
        RequestRejected: An entry has another form.
    """
    for entry in entries:
        if schema and not {"ASC", "DESC"}.issuperset(entry.values()):
            raise bad_request("sort_by must map fields to ASC or DESC", field="sort_by")
        if prose and entry.get("direction") not in {"asc", "desc"}:
            raise bad_request("sort_by must have a direction, asc or desc", field="sort_by")


def _parse_sort_field(text: str, name: str) -> str:
    """Parse `id`, `properties.datetime` or `properties->>'datetime'`."""
    if text == "id":
        return text
    for head, tail in (("properties->>'", "'"), ("properties.", "")):
        inner = text.removeprefix(head).removesuffix(tail)
        if text == f"{head}{inner}{tail}" and inner and "'" not in inner:
            return f"properties.{inner}"
    raise bad_request(f"cannot sort by {text!r}", field=name)


def read_catalog_ids(workspace: Workspace, entry: Json, field: str) -> list[str]:
    """Return the ids of the catalogs that a request gives by their ids or their order items.

    Raises:
        RequestRejected: Both or none are given, an id is unknown, or an order item has no catalogs.
    """
    catalog_ids = _read_id_list(entry, "catalog_ids", field)
    order_item_ids = _read_id_list(entry, "order_item_ids", field)
    if bool(catalog_ids) == bool(order_item_ids):
        raise bad_request("give either catalog_ids or order_item_ids", field=field)
    for key in catalog_ids:
        if workspace.find("catalogs", key) is None:
            raise not_found("catalogs", key)
    for key in order_item_ids:
        if workspace.find("order_items", key) is None:
            raise not_found("order_items", key)
        if not (of_item := workspace.catalogs_of_order_item(key)):
            raise conflict("the order item has no catalogs yet", id=key)
        catalog_ids = [*catalog_ids, *of_item]
    return catalog_ids


def _read_id_list(entry: Json, name: str, field: str) -> list[str]:
    ids = parse_texts(entry.get(name) or [], name, field)
    if len(set(ids)) < len(ids):
        raise bad_request(f"{name} must not repeat an id", field=field)
    return ids
