"""A list is split into rows of members, and a row becomes objects as a whole or not at all."""

from __future__ import annotations

import msgspec
import pytest

from pixxel_api.json_decoding import decode_row, decode_rows, row_to_python

_DEEP = b"[" * 1_000 + b"]" * 1_000


def test_rows_stay_json_until_they_are_read() -> None:
    (row,) = decode_rows(msgspec.Raw(b'[{"id": "a", "properties": {"n": 1}}]'))
    assert bytes(row["properties"]) == b'{"n": 1}'
    assert row_to_python(row) == {"id": "a", "properties": {"n": 1}}


def test_what_is_no_object_is_a_row_without_members() -> None:
    rows = decode_rows(msgspec.Raw(b'[{"id": 1}, 7, null, "x", [], {"id": 2}]'))
    assert [row_to_python(row) for row in rows] == [{"id": 1}, {}, {}, {}, {}, {"id": 2}]


def test_null_is_an_empty_list() -> None:
    assert decode_rows(msgspec.Raw(b"null")) == []


@pytest.mark.parametrize("text", [b"{}", b"7", b'"rows"'])
def test_what_is_no_list_has_no_rows(text: bytes) -> None:
    with pytest.raises(msgspec.ValidationError):
        decode_rows(msgspec.Raw(text))


def test_a_number_that_no_float_holds_stays_text_and_the_rest_is_read() -> None:
    assert row_to_python(decode_row(msgspec.Raw(b'{"a": 1e999, "b": null, "c": [2]}'))) == {
        "a": "1e999",
        "b": None,
        "c": [2],
    }


def test_a_row_that_is_nested_too_deep_is_read_as_nothing_rather_than_in_part() -> None:
    assert row_to_python({"id": msgspec.Raw(b'"a"'), "deep": msgspec.Raw(_DEEP)}) == {}
