"""Values: what readers of single JSON values make of any value."""

from __future__ import annotations

from math import inf, nan
from typing import Any

import pytest

from tap_pixxel.stac.values import (
    DEEPEST,
    EMPTY,
    HIGHEST,
    LOWEST,
    Dropped,
    Unusable,
    anything,
    as_it_was,
    between,
    from_text,
    number,
    numbers,
    one_of,
    plain,
    positive,
    same,
    text,
    texts,
    whole,
)
from tests.stac.singles import assert_reads, mended


def deep(levels: int, inside: Any = 1) -> Any:
    for _ in range(levels):
        inside = [inside]
    return inside


SIGNED = "https://a.invalid/x?sig=1"
BARE = "https://a.invalid/x"
READINGS: list[tuple[Any, Any, Any]] = [
    # reader, value, what comes out
    (number, 1, 1),
    (number, 1.5, 1.5),
    (number, 2**64 - 1, 2**64 - 1),
    (number, -(2**63), -(2**63)),
    (number, 2**64, Unusable),
    (number, -(2**63) - 1, Unusable),
    (number, inf, Unusable),
    (number, nan, Unusable),
    (number, True, Unusable),
    (number, "1", mended(1)),
    (number, "x", Unusable),
    (number, [1], Unusable),
    (from_text, " 1 ", 1),
    (from_text, "-1", -1),
    (from_text, "+1", 1),
    (from_text, "1.", 1.0),
    (from_text, ".5", 0.5),
    (from_text, "1e3", 1000.0),
    (from_text, str(HIGHEST), HIGHEST),
    (from_text, str(HIGHEST + 1), float(HIGHEST)),
    (from_text, str(LOWEST), LOWEST),
    (from_text, str(LOWEST - 1), float(LOWEST)),
    (from_text, "0" * 63 + "1", 1),
    (from_text, "0" * 64 + "1", None),
    (from_text, "1e999", None),
    (from_text, "1_0", None),
    (from_text, "\u0661", None),
    (from_text, "nan", None),
    (plain, "1", 1),
    (plain, 1.5, 1.5),
    (plain, "x", None),
    (plain, None, None),
    (between(1, 2), 1, 1),
    (between(1, 2), 2.0, 2.0),
    (between(1, 2), "1.5", mended(1.5)),
    (between(1, 2), "1", mended(1)),
    (between(1, 2), "2", mended(2)),
    (between(1, 2), "3", Unusable("out of range")),
    (between(1, 2), 0.9, Unusable("out of range")),
    (between(1, 2), 2.1, Unusable("out of range")),
    (between(0, 2), True, Unusable("not a number")),
    (between(1, 2), "x", Unusable("not a number")),
    (positive, 0.1, 0.1),
    (positive, "2", mended(2)),
    (positive, 0, Dropped),
    (positive, "0", Dropped),
    (positive, -0.1, Unusable),
    (positive, "x", Unusable),
    (whole(1), 1, 1),
    (whole(1), 2.0, 2.0),
    (whole(1), "2", mended(2)),
    (whole(1), 1.5, Unusable("not a whole number")),
    (whole(1), True, Unusable("not a whole number")),
    (whole(1), "x", Unusable("not a whole number")),
    (whole(1), 0, Unusable("out of range")),
    (whole(1), HIGHEST, HIGHEST),
    (whole(1), HIGHEST + 1, Unusable("out of range")),
    (text, "a b", "a b"),
    (text, "\u00e9", "\u00e9"),
    (text, "see a://b", "see a://b"),
    (text, " a ", mended("a")),
    (text, " \u00e9 ", mended("\u00e9")),
    (text, "\ud800", mended("\ufffd")),
    (text, SIGNED, mended(BARE)),
    (text, f" {SIGNED} ", mended(BARE)),
    (text, " ", EMPTY),
    (text, "", EMPTY),
    (text, 5, Unusable),
    (texts, ["a", "b"], ["a", "b"]),
    (texts, "a", mended(["a"])),
    (texts, " a ", mended(["a"])),
    (texts, ["a", " b ", 5, "", None], mended(["a", "b"])),
    (texts, " ", EMPTY),
    (texts, [], EMPTY),
    (texts, [5], Unusable),
    (texts, 5, Unusable),
    (one_of(frozenset({"a"})), "a", "a"),
    (one_of(frozenset({"a"})), " A ", mended("a")),
    (one_of(frozenset({"a"})), "b", Unusable),
    (one_of(frozenset({"a"})), " ", EMPTY),
    (one_of(frozenset({"a"})), 5, Unusable),
    (anything, 1, 1),
    (anything, 1.5, 1.5),
    (anything, True, True),
    (anything, None, None),
    (anything, "a", "a"),
    (anything, "\u00e9", "\u00e9"),
    (anything, BARE, BARE),
    (anything, SIGNED, mended(BARE)),
    (anything, f"{SIGNED}\u00e9", mended(f"{BARE}")),
    (anything, "\ud800", mended("\ufffd")),
    (anything, inf, Dropped),
    (anything, HIGHEST + 1, Dropped),
    (anything, {1}, Dropped),
    (anything, [1, True, None, "a", {"b": 1.5}], [1, True, None, "a", {"b": 1.5}]),
    (anything, [inf, HIGHEST + 1, 1], mended([None, None, 1])),
    (anything, {"a": [SIGNED]}, mended({"a": [BARE]})),
    (anything, {"\ud800": 1}, mended({"\ufffd": 1})),
    (anything, {"\ud800": 1} | {"\ufffd": 2}, mended({"\ufffd": 1})),
    (anything, {5: 1}, {"5": 1}),
    (anything, {5: 1, "5": 2}, mended({"5": 1})),
    (anything, [{1}], mended([None])),
    (anything, deep(DEEPEST), deep(DEEPEST)),
    (anything, deep(DEEPEST + 1), mended(deep(DEEPEST, None))),
    (anything, {"a": deep(DEEPEST)}, mended({"a": deep(DEEPEST - 1, None)})),
]  # fmt: skip


@pytest.mark.parametrize(("read", "value", "expected"), READINGS)
def test_a_reading(read: Any, value: Any, expected: Any) -> None:
    assert_reads(read, value, expected)


def test_what_is_read_shares_nothing_that_can_change_with_the_input() -> None:
    raw: Any = [{"a": [1]}]
    read = anything(raw)
    assert read == raw
    assert read is not raw
    assert read[0] is not raw[0]
    assert read[0]["a"] is not raw[0]["a"]
    flat = [1, 2]
    assert numbers(flat, frozenset({2})) is not flat


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([1, 2.5], [1, 2.5]),
        (["1", 2.5], [1, 2.5]),
        ([1, "x"], None),
        ([1, None], None),
        ([1, True], None),
        ([1, inf], None),
        ([HIGHEST, LOWEST], [HIGHEST, LOWEST]),
        ([HIGHEST + 1, 1], None),
        ([1, LOWEST - 1], None),
        ([1], None),
        ([1, 2, 3], None),
        ("12", None),
        ({1: 1, 2: 2}, None),
    ],
)
def test_a_list_of_numbers_has_so_many_and_nothing_else(value: Any, expected: Any) -> None:
    assert numbers(value, frozenset({2})) == expected


def test_a_list_that_held_other_values_is_told_of() -> None:
    assert as_it_was([1, 2], [1, 2]) == [1, 2]
    assert as_it_was(["1", 2], [1, 2]).value == [1, 2]


def test_what_is_equal_is_not_always_the_same() -> None:
    value = [1, {"a": True}]
    assert same(value, [1, {"a": True}])
    assert same(nan, nan)
    assert not same(1, 1.0)
    assert not same(1, True)  # noqa: FBT003 - a value
    assert not same(1, 2)
