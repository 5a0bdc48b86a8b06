"""Column types of the streams: their JSON Schema, and the conversion of raw values to them."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from pixxel_api.timestamps import (
    FIRST_YEAR_OF_TIMES,
    UNSET,
    TimestampError,
    normalize_date,
    normalize_timestamp,
)

if TYPE_CHECKING:
    from collections.abc import Callable

Fields = dict[str, Any]
"""A JSON object of the API, with its own names and values."""

EXTRA = "extra"
"""Column of the fields that no other column takes."""
_MAX_NUMBER = sys.float_info.max  # an integer may be larger
_WHITESPACE_TO_SPACE = str.maketrans("\t\n\r", "   ")


class TypeMismatch(ValueError):
    """A value does not have the type of its column, so it goes to `extra` unchanged."""


def _read_text(value: Any) -> Any:  # noqa: ANN401 - any JSON
    if isinstance(value, str):
        return value
    raise TypeMismatch


def _read_timestamp(value: Any) -> str | None:  # noqa: ANN401 - any JSON
    try:
        time = normalize_timestamp(_read_text(value))
    except TimestampError:
        raise TypeMismatch from None
    return time if time >= FIRST_YEAR_OF_TIMES else _read_unset(time, UNSET)


def _read_date(value: Any) -> str | None:  # noqa: ANN401 - any JSON
    try:
        date = normalize_date(_read_text(value))
    except TimestampError:
        raise TypeMismatch from None
    return date if date >= FIRST_YEAR_OF_TIMES else _read_unset(date, UNSET[:10])


def _read_unset(text: str, unset: str) -> str | None:
    """Return None for the time or date that means "not set"; others of year 1 are a mismatch."""
    if text == unset:
        return None
    raise TypeMismatch


def _read_number(value: Any) -> float:  # noqa: ANN401 - any JSON
    if isinstance(value, str):
        try:
            value = msgspec.json.decode(value)
        except (ValueError, RecursionError):
            raise TypeMismatch from None
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= _MAX_NUMBER:
        return value
    raise TypeMismatch


def _read_integer(value: Any) -> int:  # noqa: ANN401 - any JSON
    number = _read_number(value)
    if int(number) != number:
        raise TypeMismatch
    return int(number)


def _read_numbers(value: Any) -> list[float]:  # noqa: ANN401 - any JSON
    return [_read_number(item) for item in _read_list(value)]


def _read_texts(value: Any) -> list[str]:  # noqa: ANN401 - any JSON
    return [_read_text(item) for item in _read_list(value)]


def _read_list(value: Any) -> list[Any]:  # noqa: ANN401 - any JSON
    if isinstance(value, list):
        return value
    raise TypeMismatch


def _read_object(value: Any) -> dict[str, Any] | msgspec.Raw:  # noqa: ANN401 - any JSON
    if isinstance(value, dict | msgspec.Raw):  # only objects stay undecoded
        return value
    raise TypeMismatch


def _read_boolean(value: Any) -> bool:  # noqa: ANN401 - any JSON
    if isinstance(value, bool):
        return value
    raise TypeMismatch


def _read_json_text(value: Any) -> str:  # noqa: ANN401 - any JSON
    """Encode any JSON as text; a list of numbers that are the bytes of a text is that text."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and value:
        try:
            text = bytes(value).decode()
        except (TypeError, ValueError):
            text = ""
        if text and (text.isprintable() or text.translate(_WHITESPACE_TO_SPACE).isprintable()):
            return text
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    except RecursionError:
        raise TypeMismatch from None


def _read_objects(value: Any) -> list[dict[str, Any] | msgspec.Raw]:  # noqa: ANN401 - any JSON
    return [_read_object(item) for item in _read_list(value)]


@dataclass(frozen=True, slots=True)
class ColumnType:
    """A column's type: its JSON Schema (null is always allowed) and its converter of raw values."""

    schema: dict[str, Any]
    read: Callable[[Any], Any]


_OPEN_OBJECT: dict[str, Any] = {"type": "object", "additionalProperties": True}

TEXT = ColumnType({"type": ["string", "null"]}, _read_text)
TIMESTAMP = ColumnType({"type": ["string", "null"], "format": "date-time"}, _read_timestamp)
DATE = ColumnType({"type": ["string", "null"], "format": "date"}, _read_date)
NUMBER = ColumnType({"type": ["number", "null"]}, _read_number)
INTEGER = ColumnType({"type": ["integer", "null"]}, _read_integer)
BOOLEAN = ColumnType({"type": ["boolean", "null"]}, _read_boolean)
JSON_TEXT = ColumnType({"type": ["string", "null"]}, _read_json_text)
NUMBERS = ColumnType({"type": ["array", "null"], "items": {"type": "number"}}, _read_numbers)
TEXTS = ColumnType({"type": ["array", "null"], "items": {"type": "string"}}, _read_texts)
OBJECT = ColumnType({"type": ["object", "null"], "additionalProperties": True}, _read_object)
OBJECTS = ColumnType({"type": ["array", "null"], "items": _OPEN_OBJECT}, _read_objects)
ANY_LIST = ColumnType({"type": ["array", "null"], "items": {}}, _read_list)


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a stream.

    Attributes:
        name: The API's name of the field, where it has one.
        type: Its type.
        description: Text for the schema.
    """

    name: str
    type: ColumnType
    description: str


_EXTRA_COLUMN = Column(
    EXTRA,
    OBJECT,
    "Fields of the response without a column, or not of their column's type, unchanged.",
)


class TableSchema:
    """The columns of a stream, and the conversion of its rows to records.

    Args:
        columns: In the order of the schema; `extra` is added.
    """

    def __init__(self, *columns: Column) -> None:
        self._readers = {column.name: column.type.read for column in columns}
        properties = {
            column.name: {**column.type.schema, "description": column.description}
            for column in (*columns, _EXTRA_COLUMN)
        }
        self.schema: dict[str, Any] = {"type": "object", "properties": properties}
        self._nulls: dict[str, Any] = dict.fromkeys(properties)

    def make_record(self, row: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Convert a row; the row is not changed.

        The record has every column, null where the row has no value: stream maps may then name any
        column, and loaders that write a file of columns get the same ones for each record.
        An empty text counts as no value unless the column is a text (`paid_at` may be ""), and so
        does the zero time of Go in a column of times or dates.

        Returns:
            The record, and its `extra`: fields without a column or not of the column's type.
        """
        record = self._nulls.copy()
        extra: dict[str, Any] = {}
        readers = self._readers
        for name, value in row.items():
            reader = readers.get(name)
            if reader is None:
                extra[name] = value
            elif value is not None:
                try:
                    record[name] = reader(value)
                except TypeMismatch:
                    if value != "":
                        extra[name] = value
        if extra:
            record[EXTRA] = extra
        return record, extra
