"""Column types of the streams, as JSON Schema, and how a raw value becomes one."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from pixxel_api.timestamps import TimestampError, normalize_date, normalize_timestamp

if TYPE_CHECKING:
    from collections.abc import Callable

EXTRA = "extra"
_LARGEST = sys.float_info.max  # an integer may be larger
_BLANKS = str.maketrans("\t\n\r", "   ")


class NotThisType(ValueError):
    """A value is not what its column holds; it goes to `extra` as it came."""


def _text(value: Any) -> Any:  # noqa: ANN401 - any JSON
    if isinstance(value, str):
        return value
    raise NotThisType


def _timestamp(value: Any) -> str:  # noqa: ANN401 - any JSON
    try:
        return normalize_timestamp(_text(value))
    except TimestampError:
        raise NotThisType from None


def _date(value: Any) -> str:  # noqa: ANN401 - any JSON
    try:
        return normalize_date(_text(value))
    except TimestampError:
        raise NotThisType from None


def _number(value: Any) -> float:  # noqa: ANN401 - any JSON
    if isinstance(value, str):
        try:
            value = msgspec.json.decode(value)
        except (ValueError, RecursionError):
            raise NotThisType from None
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= _LARGEST:
        return value
    raise NotThisType


def _integer(value: Any) -> int:  # noqa: ANN401 - any JSON
    number = _number(value)
    if int(number) != number:
        raise NotThisType
    return int(number)


def _numbers(value: Any) -> list[float]:  # noqa: ANN401 - any JSON
    return [_number(item) for item in _list(value)]


def _texts(value: Any) -> list[str]:  # noqa: ANN401 - any JSON
    return [_text(item) for item in _list(value)]


def _list(value: Any) -> list[Any]:  # noqa: ANN401 - any JSON
    if isinstance(value, list):
        return value
    raise NotThisType


def _object(value: Any) -> dict[str, Any] | msgspec.Raw:  # noqa: ANN401 - any JSON
    if isinstance(value, dict | msgspec.Raw):  # only objects are left as text
        return value
    raise NotThisType


def _boolean(value: Any) -> bool:  # noqa: ANN401 - any JSON
    if isinstance(value, bool):
        return value
    raise NotThisType


def _json_text(value: Any) -> str:  # noqa: ANN401 - any JSON
    """Write any JSON as text; a list of numbers that are the bytes of a text is that text."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and value:
        try:
            text = bytes(value).decode()
        except (TypeError, ValueError):
            text = ""
        if text and (text.isprintable() or text.translate(_BLANKS).isprintable()):
            return text
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    except RecursionError:
        raise NotThisType from None


def _objects(value: Any) -> list[dict[str, Any] | msgspec.Raw]:  # noqa: ANN401 - any JSON
    return [_object(item) for item in _list(value)]


@dataclass(frozen=True, slots=True)
class Type:
    """A column's type: its JSON Schema (null is always allowed) and what makes a value of it."""

    schema: dict[str, Any]
    read: Callable[[Any], Any]


_OPEN: dict[str, Any] = {"type": "object", "additionalProperties": True}

TEXT = Type({"type": ["string", "null"]}, _text)
TIMESTAMP = Type({"type": ["string", "null"], "format": "date-time"}, _timestamp)
DATE = Type({"type": ["string", "null"], "format": "date"}, _date)
NUMBER = Type({"type": ["number", "null"]}, _number)
INTEGER = Type({"type": ["integer", "null"]}, _integer)
BOOLEAN = Type({"type": ["boolean", "null"]}, _boolean)
JSON_TEXT = Type({"type": ["string", "null"]}, _json_text)
NUMBERS = Type({"type": ["array", "null"], "items": {"type": "number"}}, _numbers)
TEXTS = Type({"type": ["array", "null"], "items": {"type": "string"}}, _texts)
OBJECT = Type({"type": ["object", "null"], "additionalProperties": True}, _object)
OBJECTS = Type({"type": ["array", "null"], "items": _OPEN}, _objects)
ANY_LIST = Type({"type": ["array", "null"], "items": {}}, _list)


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a stream.

    Attributes:
        name: Its name, the API's own where it has one.
        type: Its type.
        description: For people and catalogs.
    """

    name: str
    type: Type
    description: str


_EXTRA = Column(
    EXTRA, OBJECT, "Fields of the API's answer that no column holds, or not in this form, as raw."
)


class Shape:
    """The columns of a stream, and what shapes a raw row into a record.

    Args:
        columns: In the order of the schema; `extra` is added.
    """

    def __init__(self, *columns: Column) -> None:
        self._readers = {column.name: column.type.read for column in columns}
        properties = {
            column.name: {**column.type.schema, "description": column.description}
            for column in (*columns, _EXTRA)
        }
        self.schema: dict[str, Any] = {"type": "object", "properties": properties}

    def record(self, row: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Shape a row; the row stays as it is.

        An empty text counts as no value where the column is of another type (`paid_at` may be "").

        Returns:
            The record, and its `extra`: what has no column, or is not of the column's type.
        """
        record: dict[str, Any] = {}
        extra: dict[str, Any] = {}
        readers = self._readers
        for name, value in row.items():
            reader = readers.get(name)
            if reader is None:
                extra[name] = value
            elif value is None:
                record[name] = None
            else:
                try:
                    record[name] = reader(value)
                except NotThisType:
                    record[name] = None
                    if value != "":
                        extra[name] = value
        if extra:
            record[EXTRA] = extra
        return record, extra
