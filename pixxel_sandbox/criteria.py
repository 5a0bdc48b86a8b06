"""Criteria: reads a search's body or query string into typed values, or says what is wrong."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeVar

import msgspec
import shapely
from shapely.geometry.base import BaseGeometry
from starlette.datastructures import QueryParams

from pixxel_sandbox.complaints import malformed
from pixxel_sandbox.footprints import HALF_TURN, TURN, Json, unrolled
from pixxel_sandbox.times import instant

Value = TypeVar("Value")

OPEN: Final = ("..", "")
OPERATORS: Final = frozenset({"gt", "lt", "eq"})
BBOX_LENGTH: Final = 4
QUARTER_TURN: Final = 90.0
LARGEST: Final = 2**31 - 1
_INTEGER: Final = re.compile("-?[0-9]{1,10}")


@dataclass(frozen=True)
class Window:
    """What part of a list is asked for."""

    offset: int
    limit: int


@dataclass(frozen=True)
class Span:
    """A range, open where an end is None; both ends belong to it."""

    first: Any
    last: Any

    def holds(self, first: object, last: object) -> bool:
        """Tells whether the range from first to last has a part in this one."""
        after: bool = self.first is None or self.first <= last
        before: bool = self.last is None or first <= self.last
        return after and before


@dataclass(frozen=True)
class Condition:
    """One comparison with a property of an item."""

    name: str
    operator: str
    value: object


@dataclass(frozen=True)
class Sorting:
    """One field to sort by: ``id``, or a property's name after ``properties.``."""

    field: str
    descending: bool


@dataclass(frozen=True)
class Search:
    """A search as it was understood; None means that the filter was not given."""

    shapes: tuple[BaseGeometry, ...] = ()
    datetime: Span | None = None
    conditions: tuple[Condition, ...] = ()
    sorting: tuple[Sorting, ...] = ()
    id_filters: Mapping[str, frozenset[str]] | None = None


def body_of(raw: bytes) -> Json:
    """Decodes a request's body, which has to be a JSON object."""
    try:
        body = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError) as error:
        raise malformed("the body is not JSON", reason=str(error)) from error
    if not isinstance(body, dict):
        raise malformed("the body is not a JSON object")
    return body


def window_of_body(body: Json, default_limit: int) -> Window:
    """Reads ``offset`` and ``limit`` of a search's body."""
    values = {"offset": body.get("offset", 0), "limit": body.get("limit", default_limit)}
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int):
            raise malformed(f"{name} is not an integer", field=name)
    return _checked(Window(**values))


def window_of_query(params: QueryParams, default_limit: int) -> Window:
    """Reads ``offset`` and ``limit`` of a query string."""
    return _checked(
        Window(offset=integer(params, "offset", 0), limit=integer(params, "limit", default_limit))
    )


def _checked(window: Window) -> Window:
    if window.offset < 0:
        raise malformed("offset is negative", field="offset")
    if max(window.offset, window.limit) > LARGEST:
        raise malformed(f"offset or limit is larger than {LARGEST}")
    if window.limit < 1:
        raise malformed("limit is smaller than 1", field="limit")
    return window


def integer(params: QueryParams, name: str, default: int) -> int:
    """Reads an integer of a query string."""
    text = params.get(name)
    if text is None:
        return default
    if not _INTEGER.fullmatch(text):
        raise malformed(f"{name} is not an integer", field=name)
    return int(text)


def words(params: QueryParams, name: str) -> frozenset[str] | None:
    """Reads a list of a query string, as commas or as repeats; None if it was not given."""
    texts = params.getlist(name)
    listed = frozenset(word for text in texts for word in text.split(",") if word)
    return listed if texts else None


def number(text: str) -> float | None:
    """Reads a finite number, None if it is none."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def span(text: str, name: str, read: Callable[[str], Value | None], separator: str = "/") -> Span:
    """Reads one value, or two with a separator, either of which may be left open.

    Raises:
        Complaint: a value cannot be read, both ends are open, or the first is after the last.
    """
    ends = text.split(separator)
    values = [None if len(ends) > 1 and end in OPEN else _read(end, name, read) for end in ends]
    first, last = values[0], values[-1]
    if len(values) > len(("first", "last")) or (first is None and last is None):
        raise malformed(f"{name} is not a range", field=name)
    found = Span(first, last)
    if None not in values and not found.first <= found.last:
        raise malformed(f"{name} ends before it begins", field=name)
    return found


def _read(text: str, name: str, read: Callable[[str], Value | None]) -> Value:
    value = read(text)
    if value is None:
        raise malformed(f"{name} holds something that cannot be read", field=name)
    return value


def search(body: Json, id_fields: Sequence[str], sort_field: str) -> Search:
    """Reads the filters and the order of a search.

    Args:
        body: the request's body.
        id_fields: the filters of this search that are lists of ids.
        sort_field: the name under which this search takes its order.
    """
    shapes = [READERS[name](body[name]) for name in READERS if name in body]
    return Search(
        shapes=tuple(shapes),
        datetime=_datetime(body["datetime"]) if "datetime" in body else None,
        conditions=_conditions(body.get("query", {})),
        sorting=_sorting(body.get(sort_field, []), sort_field),
        id_filters={name: _ids(name, body[name]) for name in id_fields if name in body},
    )


def _bbox(value: object) -> BaseGeometry:
    if not isinstance(value, list) or len(value) != BBOX_LENGTH:
        raise malformed("bbox is not a list of four numbers", field="bbox")
    if not all(isinstance(edge, (int, float)) and not isinstance(edge, bool) for edge in value):
        raise malformed("bbox holds something that is not a number", field="bbox")
    west, south, east, north = (float(edge) for edge in value)
    if not (-QUARTER_TURN <= south <= north <= QUARTER_TURN):
        raise malformed("bbox has latitudes out of order or range", field="bbox")
    if not all(-HALF_TURN <= edge <= HALF_TURN for edge in (west, east)):
        raise malformed("bbox has longitudes out of range", field="bbox")
    box: BaseGeometry = shapely.box(west, south, east + TURN if west > east else east, north)
    return box


def shape(value: object, field: str) -> BaseGeometry:
    """Reads a GeoJSON geometry of any type."""
    if not isinstance(value, dict):
        raise malformed(f"{field} is not a GeoJSON geometry", field=field)
    try:
        return unrolled(value)
    except ValueError as error:
        raise malformed(str(error), field=field) from error


READERS: Final[dict[str, Callable[[object], BaseGeometry]]] = {
    "bbox": _bbox,
    "intersects": partial(shape, field="intersects"),
}


def _datetime(value: object) -> Span:
    if not isinstance(value, str):
        raise malformed("datetime is not a text", field="datetime")
    return span(value, "datetime", instant)


def _conditions(query: object) -> tuple[Condition, ...]:
    if not isinstance(query, dict):
        raise malformed("query is not an object", field="query")
    return tuple(
        _condition(name, operator, value)
        for name, comparisons in query.items()
        for operator, value in _comparisons(name, comparisons).items()
    )


def _comparisons(name: str, comparisons: object) -> Json:
    if not isinstance(comparisons, dict):
        raise malformed("a query names operators for each property", field=f"query.{name}")
    return comparisons


def _condition(name: str, operator: str, value: object) -> Condition:
    field = f"query.{name}.{operator}"
    if operator not in OPERATORS:
        raise malformed(f"unknown operator {operator!r}", field=field)
    if operator != "eq" and (isinstance(value, bool) or not isinstance(value, (int, float, str))):
        raise malformed("only numbers and texts have an order", field=field)
    return Condition(name, operator, value)


def _sorting(value: object, name: str) -> tuple[Sorting, ...]:
    if not isinstance(value, list):
        raise malformed(f"{name} is not a list", field=name)
    return tuple(_sort_key(entry, name) for entry in value)


def _sort_key(entry: object, name: str) -> Sorting:
    if not isinstance(entry, dict) or not isinstance(entry.get("field"), str):
        raise malformed(f"{name} holds something without a field", field=name)
    direction = entry.get("direction", "asc")
    if not isinstance(direction, str) or direction.lower() not in {"asc", "desc"}:
        raise malformed("direction is neither asc nor desc", field=name)
    return Sorting(_sort_field(entry["field"], name), direction.lower() == "desc")


def _sort_field(text: str, name: str) -> str:
    """Reads ``id``, ``properties.datetime`` or ``properties->>'datetime'``."""
    if text == "id":
        return text
    for head, tail in (("properties->>'", "'"), ("properties.", "")):
        inner = text.removeprefix(head).removesuffix(tail)
        if text == f"{head}{inner}{tail}" and inner and "'" not in inner:
            return f"properties.{inner}"
    raise malformed(f"cannot sort by {text!r}", field=name)


def _ids(name: str, value: object) -> frozenset[str]:
    if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
        raise malformed(f"{name} is not a list of texts", field=name)
    return frozenset(value)
