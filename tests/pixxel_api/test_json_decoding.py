"""Decoding of lists to rows, and of rows to Python objects."""

from __future__ import annotations

import msgspec
import pytest

from pixxel_api.json_decoding import decode_row, decode_rows, row_to_python

_DEEP = b"[" * 100_000 + b"]" * 100_000  # Python 3.14 decodes 20,000 levels


def test_decode_rows_keeps_values_as_json() -> None:
    (row,) = decode_rows(msgspec.Raw(b'[{"id": "a", "properties": {"n": 1}}]'))
    assert bytes(row["properties"]) == b'{"n": 1}'
    assert row_to_python(row) == {"id": "a", "properties": {"n": 1}}


def test_decode_rows_non_object_becomes_empty_row() -> None:
    rows = decode_rows(msgspec.Raw(b'[{"id": 1}, 7, null, "x", [], {"id": 2}]'))
    assert [row_to_python(row) for row in rows] == [{"id": 1}, {}, {}, {}, {}, {"id": 2}]


def test_decode_rows_null_returns_empty_list() -> None:
    assert decode_rows(msgspec.Raw(b"null")) == []


@pytest.mark.parametrize("text", [b"{}", b"7", b'"rows"'])
def test_decode_rows_non_list_raises(text: bytes) -> None:
    with pytest.raises(msgspec.ValidationError):
        decode_rows(msgspec.Raw(text))


def test_row_with_number_out_of_range_keeps_its_text() -> None:
    assert row_to_python(decode_row(msgspec.Raw(b'{"a": 1e999, "b": null, "c": [2]}'))) == {
        "a": "1e999",
        "b": None,
        "c": [2],
    }


def test_row_nested_too_deeply_is_empty() -> None:
    assert row_to_python({"id": msgspec.Raw(b'"a"'), "deep": msgspec.Raw(_DEEP)}) == {}
