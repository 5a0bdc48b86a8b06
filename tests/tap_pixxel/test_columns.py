"""Values are converted to the type of their column, or go to `extra` unchanged."""

from __future__ import annotations

from typing import Any

import pytest

from tap_pixxel.columns import (
    BOOLEAN,
    DATE,
    INTEGER,
    JSON_TEXT,
    NUMBER,
    NUMBERS,
    OBJECT,
    OBJECTS,
    TEXT,
    TEXTS,
    TIMESTAMP,
    Column,
    ColumnType,
    TableSchema,
)


def make_record(kind: ColumnType, value: Any) -> dict[str, Any]:
    record, _ = TableSchema(Column("field", kind, "A field.")).make_record({"field": value})
    return record


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (NUMBER, True),
        (BOOLEAN, 1),
        (BOOLEAN, "true"),
        (NUMBER, "a lot"),
        (INTEGER, 2.5),
        (INTEGER, "2.5"),
        (INTEGER, "inf"),
        (INTEGER, "nan"),
        (TEXT, 5),
        (TEXTS, ["a", 5]),
        (NUMBERS, [1, "a"]),
        (OBJECT, []),
        (OBJECTS, [{}, "a"]),
        (OBJECTS, {}),
        (TIMESTAMP, "0001-01-01T00:00:01Z"),
        (TIMESTAMP, "0001-12-31"),
        (TIMESTAMP, "0001-01-01T00:00:00+05:30"),
        (DATE, "0001-01-02T00:00:00Z"),
    ],
)
def test_make_record_value_of_other_type_goes_to_extra(kind: ColumnType, value: Any) -> None:
    assert make_record(kind, value) == {"field": None, "extra": {"field": value}}


@pytest.mark.parametrize(
    ("kind", "value", "read"),
    [
        (NUMBER, "2.5", 2.5),
        (INTEGER, "2", 2),
        (INTEGER, 2.0, 2),
        (NUMBERS, ["1", 2.5], [1.0, 2.5]),
        (NUMBER, "", None),
        (TEXT, "", ""),
        (TIMESTAMP, "0001-01-01T00:00:00Z", None),
        (TIMESTAMP, "0001-01-01T00:00:00.000000Z", None),
        (TIMESTAMP, "0001-01-01 00:00:00+00:00", None),
        (TIMESTAMP, "0002-01-01T00:00:00Z", "0002-01-01T00:00:00.000000Z"),
        (DATE, "0001-01-01T00:00:00Z", None),
        (DATE, "01-01-0001", None),
        (DATE, "0002-01-01", "0002-01-01"),
        (TEXT, "0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
    ],
)
def test_make_record_readable_value_has_column_type(
    kind: ColumnType, value: Any, read: Any
) -> None:
    assert make_record(kind, value) == {"field": read, "extra": None}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (list(b'{"a": 1}'), '{"a": 1}'),
        (list("zwei\nZeilen, größer".encode()), "zwei\nZeilen, größer"),
        ([1, 2, 3], "[1,2,3]"),
        ([300, 65], "[300,65]"),
        ([0xFF, 0xFE], "[255,254]"),
        (["a", 5], '["a",5]'),
        ([], "[]"),
        ({"ä": None}, '{"ä":null}'),
        ("as it is", "as it is"),
        (0, "0"),
        (False, "false"),
    ],
)
def test_json_text_column_any_json_is_text_and_bytes_are_decoded(value: Any, text: str) -> None:
    """The contract documents raw JSON as a list of numbers, its bytes."""
    assert make_record(JSON_TEXT, value) == {"field": text, "extra": None}
