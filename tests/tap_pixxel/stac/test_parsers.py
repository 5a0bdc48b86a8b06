"""Test the parsers of single JSON values."""

from __future__ import annotations

from math import inf, nan
from typing import Any

import pytest

from tap_pixxel.stac.parsers import (
    EMPTY,
    MAX_DEPTH,
    MAX_UINT64,
    MIN_INT64,
    Dropped,
    Invalid,
    json_equal,
    make_enum_parser,
    make_integer_parser,
    make_range_parser,
    number_or_none,
    parse_number,
    parse_number_list,
    parse_number_text,
    parse_positive_number,
    parse_text,
    parse_text_list,
    sanitize_json,
)
from tests.tap_pixxel.stac.minimal_items import assert_parses, repaired


def nest_list(levels: int, inside: Any = 1) -> Any:
    for _ in range(levels):
        inside = [inside]
    return inside


SIGNED = "https://a.invalid/x?sig=1"


BARE = "https://a.invalid/x"


PARSED: list[tuple[Any, Any, Any]] = [
    # parser, value, expected result
    (parse_number, 1, 1),
    (parse_number, 1.5, 1.5),
    (parse_number, 2**64 - 1, 2**64 - 1),
    (parse_number, -(2**63), -(2**63)),
    (parse_number, 2**64, Invalid),
    (parse_number, -(2**63) - 1, Invalid),
    (parse_number, inf, Invalid),
    (parse_number, nan, Invalid),
    (parse_number, True, Invalid),
    (parse_number, "1", repaired(1)),
    (parse_number, "x", Invalid),
    (parse_number, [1], Invalid),
    (parse_number_text, " 1 ", 1),
    (parse_number_text, "-1", -1),
    (parse_number_text, "+1", 1),
    (parse_number_text, "1.", 1.0),
    (parse_number_text, ".5", 0.5),
    (parse_number_text, "1e3", 1000.0),
    (parse_number_text, str(MAX_UINT64), MAX_UINT64),
    (parse_number_text, str(MAX_UINT64 + 1), float(MAX_UINT64)),
    (parse_number_text, str(MIN_INT64), MIN_INT64),
    (parse_number_text, str(MIN_INT64 - 1), float(MIN_INT64)),
    (parse_number_text, "0" * 63 + "1", 1),
    (parse_number_text, "0" * 64 + "1", None),
    (parse_number_text, "1e999", None),
    (parse_number_text, "1_0", None),
    (parse_number_text, "\u0661", None),
    (parse_number_text, "nan", None),
    (number_or_none, "1", 1),
    (number_or_none, 1.5, 1.5),
    (number_or_none, "x", None),
    (number_or_none, None, None),
    (make_range_parser(1, 2), 1, 1),
    (make_range_parser(1, 2), 2.0, 2.0),
    (make_range_parser(1, 2), "1.5", repaired(1.5)),
    (make_range_parser(1, 2), "1", repaired(1)),
    (make_range_parser(1, 2), "2", repaired(2)),
    (make_range_parser(1, 2), "3", Invalid("out of range")),
    (make_range_parser(1, 2), 0.9, Invalid("out of range")),
    (make_range_parser(1, 2), 2.1, Invalid("out of range")),
    (make_range_parser(0, 2), True, Invalid("not a number")),
    (make_range_parser(1, 2), "x", Invalid("not a number")),
    (parse_positive_number, 0.1, 0.1),
    (parse_positive_number, "2", repaired(2)),
    (parse_positive_number, 0, Dropped),
    (parse_positive_number, "0", Dropped),
    (parse_positive_number, -0.1, Invalid),
    (parse_positive_number, "x", Invalid),
    (make_integer_parser(1), 1, 1),
    (make_integer_parser(1), 2.0, 2.0),
    (make_integer_parser(1), "2", repaired(2)),
    (make_integer_parser(1), 1.5, Invalid("not an integer")),
    (make_integer_parser(1), True, Invalid("not an integer")),
    (make_integer_parser(1), "x", Invalid("not an integer")),
    (make_integer_parser(1), 0, Invalid("out of range")),
    (make_integer_parser(1), MAX_UINT64, MAX_UINT64),
    (make_integer_parser(1), MAX_UINT64 + 1, Invalid("out of range")),
    (parse_text, "a b", "a b"),
    (parse_text, "\u00e9", "\u00e9"),
    (parse_text, "see a://b", "see a://b"),
    (parse_text, " a ", repaired("a")),
    (parse_text, " \u00e9 ", repaired("\u00e9")),
    (parse_text, "\ud800", repaired("\ufffd")),
    (parse_text, SIGNED, repaired(BARE)),
    (parse_text, f" {SIGNED} ", repaired(BARE)),
    (parse_text, " ", EMPTY),
    (parse_text, "", EMPTY),
    (parse_text, 5, Invalid),
    (parse_text_list, ["a", "b"], ["a", "b"]),
    (parse_text_list, "a", repaired(["a"])),
    (parse_text_list, " a ", repaired(["a"])),
    (parse_text_list, ["a", " b ", 5, "", None], repaired(["a", "b"])),
    (parse_text_list, " ", EMPTY),
    (parse_text_list, [], EMPTY),
    (parse_text_list, [5], Invalid),
    (parse_text_list, 5, Invalid),
    (make_enum_parser(frozenset({"a"})), "a", "a"),
    (make_enum_parser(frozenset({"a"})), " A ", repaired("a")),
    (make_enum_parser(frozenset({"a"})), "b", Invalid),
    (make_enum_parser(frozenset({"a"})), " ", EMPTY),
    (make_enum_parser(frozenset({"a"})), 5, Invalid),
    (sanitize_json, 1, 1),
    (sanitize_json, 1.5, 1.5),
    (sanitize_json, True, True),
    (sanitize_json, None, None),
    (sanitize_json, "a", "a"),
    (sanitize_json, "\u00e9", "\u00e9"),
    (sanitize_json, BARE, BARE),
    (sanitize_json, SIGNED, repaired(BARE)),
    (sanitize_json, f"{SIGNED}\u00e9", repaired(f"{BARE}")),
    (sanitize_json, "\ud800", repaired("\ufffd")),
    (sanitize_json, inf, Dropped),
    (sanitize_json, MAX_UINT64 + 1, Dropped),
    (sanitize_json, {1}, Dropped),
    (sanitize_json, [1, True, None, "a", {"b": 1.5}], [1, True, None, "a", {"b": 1.5}]),
    (sanitize_json, [inf, MAX_UINT64 + 1, 1], repaired([None, None, 1])),
    (sanitize_json, {"a": [SIGNED]}, repaired({"a": [BARE]})),
    (sanitize_json, {"\ud800": 1}, repaired({"\ufffd": 1})),
    (sanitize_json, {"\ud800": 1} | {"\ufffd": 2}, repaired({"\ufffd": 1})),
    (sanitize_json, {5: 1}, {"5": 1}),
    (sanitize_json, {5: 1, "5": 2}, repaired({"5": 1})),
    (sanitize_json, [{1}], repaired([None])),
    (sanitize_json, nest_list(MAX_DEPTH), nest_list(MAX_DEPTH)),
    (sanitize_json, nest_list(MAX_DEPTH + 1), repaired(nest_list(MAX_DEPTH, None))),
    (sanitize_json, {"a": nest_list(MAX_DEPTH)}, repaired({"a": nest_list(MAX_DEPTH - 1, None)})),
    (sanitize_json, (1,), Dropped),
]  # fmt: skip


@pytest.mark.parametrize(("parse", "value", "expected"), PARSED)
def test_parser_value_returns_expected(parse: Any, value: Any, expected: Any) -> None:
    assert_parses(parse, value, expected)


def test_sanitize_json_returns_copy() -> None:
    raw: Any = [{"a": [1]}]
    read = sanitize_json(raw)
    assert read == raw
    assert read is not raw
    assert read[0] is not raw[0]
    assert read[0]["a"] is not raw[0]["a"]
    flat = [1, 2]
    assert parse_number_list(flat, frozenset({2})) is not flat


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([1, 2.5], [1, 2.5]),
        (["1", 2.5], [1, 2.5]),
        ([1, "x"], None),
        ([1, None], None),
        ([1, True], None),
        ([1, inf], None),
        ([MAX_UINT64, MIN_INT64], [MAX_UINT64, MIN_INT64]),
        ([MAX_UINT64 + 1, 1], None),
        ([1, MIN_INT64 - 1], None),
        ([1], None),
        ([1, 2, 3], None),
        ("12", None),
        ({1: 1, 2: 2}, None),
    ],
)
def test_parse_number_list_value_returns_expected(value: Any, expected: Any) -> None:
    assert parse_number_list(value, frozenset({2})) == expected


def test_json_equal_types_must_match() -> None:
    value = [1, {"a": True}]
    assert json_equal(value, [1, {"a": True}])
    assert json_equal(nan, nan)
    assert not json_equal(1, 1.0)
    assert not json_equal(1, True)  # noqa: FBT003 - a value
    assert not json_equal(1, 2)
