"""Values: readers of single JSON values, of whatever type the value turns out to be.

A reader takes a value that is not null and returns the value to emit, or one of `Mended`,
`Unusable`, `Dropped`. Readers never raise and never return a mutable object of the input.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from math import isfinite
from typing import Any, Final, NamedTuple, TypeAlias

from tap_pixxel.stac.result import CONVERTED, REPAIRED
from tap_pixxel.stac.signed_urls import strip_signature

Parser: TypeAlias = Callable[[Any], Any]

MAX_DEPTH: Final = 64
"""Levels of lists and objects that are kept; JSON readers differ in how many they bear."""
MIN_INT64: Final = -(2**63)
MAX_UINT64: Final = 2**64 - 1
"""The whole numbers that every JSON reader can hold, signed or unsigned in 64 bits."""
_NUMBER_TEXT: Final = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_NOT_A_NUMBER: Final = "not a number"
_OUT_OF_64_BITS: Final = "a number that is not finite or not of 64 bits"
NUMBER_TYPES: Final = frozenset({int, float})


class Repaired(NamedTuple):
    """A value that had to be changed, and what to note of it."""

    value: Any
    action: str
    reason: str


class Invalid(NamedTuple):
    """The field cannot hold this value; its raw form is worth keeping."""

    reason: str


class Dropped(NamedTuple):
    """The field cannot hold this value, and its raw form says nothing."""

    reason: str


EMPTY: Final = Dropped("empty")
NOT_A_NUMBER: Final = Invalid(_NOT_A_NUMBER)
OUT_OF_RANGE: Final = Invalid("out of range")


def parse_number(value: object) -> Any:  # noqa: ANN401 - a number, or how the reading failed
    """Read a finite number that 64 bits hold; a number written as text counts."""
    kind = type(value)
    if kind is float and isfinite(value):  # type: ignore[arg-type]  # float, by its type
        return value
    if kind is int and MIN_INT64 <= value <= MAX_UINT64:  # type: ignore[operator]  # int, by its type
        return value
    if isinstance(value, str):
        read = parse_number_text(value)
        return (
            NOT_A_NUMBER if read is None else Repaired(read, CONVERTED, "a number written as text")
        )
    return NOT_A_NUMBER


def parse_number_text(text: str) -> float | int | None:
    """Read the number that a text consists of; None when it is something else."""
    text = text.strip()
    if len(text) > MAX_DEPTH or not _NUMBER_TEXT.fullmatch(text):
        return None
    read = float(text)
    if not isfinite(read):
        return None
    whole = int(text) if text.lstrip("+-").isdigit() else None
    return whole if whole is not None and MIN_INT64 <= whole <= MAX_UINT64 else read


def number_or_none(value: object) -> float | int | None:
    """Read a number, also out of a text, without a word about its form."""
    read = parse_number(value)
    if type(read) is Repaired:
        read = read.value
    return None if read is NOT_A_NUMBER else read


def make_range_parser(low: float, high: float) -> Parser:
    """Make a reader of numbers from `low` to `high`, both included."""

    def read(value: Any) -> Any:  # noqa: ANN401 - see Reader
        kind = type(value)
        if (kind is float or kind is int) and low <= value <= high:
            return value
        return parse_checked_number(value, lambda found: low <= found <= high)

    return read


def parse_checked_number(value: object, passes: Callable[[float], bool]) -> Any:  # noqa: ANN401 - see Reader
    """Read a number that passes a check."""
    read = parse_number(value)
    kind = type(read)
    if kind is Invalid:
        return read
    return read if passes(read.value if kind is Repaired else read) else OUT_OF_RANGE


def parse_positive_number(value: object) -> Any:  # noqa: ANN401 - see Reader
    """Read a number above 0; 0 stands for an unknown one."""
    read = parse_checked_number(value, lambda found: found >= 0)
    if (read.value if type(read) is Repaired else read) == 0:
        return Dropped("0 is no value")
    return read


def make_integer_parser(low: int) -> Parser:
    """Make a reader of whole numbers, at least `low`."""

    def read(value: Any) -> Any:  # noqa: ANN401 - see Reader
        found = value if type(value) is int else number_or_none(value)
        if found is None or found != int(found):
            return Invalid("not a whole number")
        if not low <= found <= MAX_UINT64:
            return OUT_OF_RANGE
        return found if found is value else Repaired(int(found), CONVERTED, "a whole number")

    return read


def parse_text(value: object) -> Any:  # noqa: ANN401 - see Reader
    """Read a text that is not blank, without blanks around it."""
    if not isinstance(value, str):
        return Invalid("not a text")
    read = value.strip()
    # As `_is_plain`, without the call: most values that an item has are such texts.
    if read and read == value and value.isascii() and "://" not in value:
        return value
    if not read:
        return EMPTY
    kept = sanitize_json(read)
    if type(kept) is Repaired or read == value:
        return kept
    return Repaired(read, CONVERTED, "blanks around the text")


def parse_text_list(value: object) -> Any:  # noqa: ANN401, PLR0911 - see Reader
    """Read a list of texts; one text alone is a list of one, what is no text goes."""
    if isinstance(value, str):
        read = parse_text(value)
        if type(read) is Dropped:
            return read
        return Repaired([read.value if type(read) is Repaired else read], CONVERTED, "no list")
    if not isinstance(value, list):
        return Invalid("not a list of texts")
    if not value:
        return EMPTY
    found = [parse_text(each) for each in value]
    if all(type(each) is str for each in found):
        return found
    kept = [each.value if type(each) is Repaired else each for each in found]
    kept = [each for each in kept if type(each) is str]
    if not kept:
        return Invalid("not a list of texts")
    return Repaired(kept, REPAIRED, "members that are no text, or have blanks around it")


def make_enum_parser(words: frozenset[str]) -> Parser:
    """Make a reader of words out of a list, in lower case."""

    def read(value: Any) -> Any:  # noqa: ANN401 - see Reader
        if not isinstance(value, str):
            return Invalid("not a text")
        if value in words:
            return value
        word = value.strip().lower()
        if not word:
            return EMPTY
        if word in words:
            return Repaired(word, CONVERTED, "not in lower case, or blanks around it")
        return Invalid("not one of the words that are allowed")

    return read


def parse_number_list(value: object, counts: frozenset[int]) -> list[float] | None:
    """Read a list of numbers or of texts with numbers; None unless it has one of the `counts`."""
    if not isinstance(value, list) or len(value) not in counts:
        return None
    if {*map(type, value)} <= NUMBER_TYPES and all(
        [MIN_INT64 <= each <= MAX_UINT64 for each in value]  # noqa: C419 - faster
    ):
        return value.copy()
    read = [number_or_none(each) for each in value]
    return [each for each in read if each is not None] if None not in read else None


def mark_if_converted(raw: object, read: list[Any]) -> Any:  # noqa: ANN401 - see Reader
    """Give a list of numbers that was read, noted when the raw one held other values."""
    if raw == read:  # a text equals no number
        return read
    return Repaired(read, CONVERTED, "numbers written as text")


def sanitize_json(value: object) -> Any:  # noqa: ANN401 - see Reader
    """Read any JSON value as something every JSON writer can write; lists and objects are copied.

    Numbers that are not finite or not of 64 bits become null inside lists and objects, and so do
    levels below the 64th. Half a surrogate pair becomes U+FFFD. The signature of a link goes.
    """
    kind = type(value)
    if kind is float or kind is int:
        return value if parse_number(value) is not NOT_A_NUMBER else Dropped(_OUT_OF_64_BITS)
    if kind is bool or (kind is str and _is_plain_text(value)):  # type: ignore[arg-type]  # str
        return value
    faults: list[str] = []
    copy = _copy_json(value, 0, faults)
    if not faults:
        return copy
    if copy is None:
        return Dropped(faults[0])
    return Repaired(copy, REPAIRED, faults[0])


def _is_plain_text(value: str) -> bool:
    return value.isascii() and "://" not in value


def _copy_json(value: object, depth: int, faults: list[str]) -> Any:  # noqa: ANN401, PLR0911 - any JSON
    if isinstance(value, str):
        return _clean_text(value, faults)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        if parse_number(value) is NOT_A_NUMBER:
            faults.append(_OUT_OF_64_BITS)
            return None
        return value
    if depth >= MAX_DEPTH or not isinstance(value, list | dict):
        faults.append("nested too deep, or not JSON")
        return None
    if isinstance(value, list):
        return [_copy_json(each, depth + 1, faults) for each in value]
    copy: dict[str, Any] = {}
    for name, each in value.items():
        clear = _clean_text(str(name), faults)
        if clear in copy:
            faults.append("two members of one name")
            continue
        copy[clear] = _copy_json(each, depth + 1, faults)
    return copy


def _clean_text(value: str, faults: list[str]) -> str:
    if _is_plain_text(value):
        return value
    clear = value
    if not value.isascii():
        clear = value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        if clear != value:
            faults.append("half a surrogate pair")
    bare = strip_signature(clear)
    if bare != clear:
        faults.append("a link with its signature")
    return bare


def json_equal(one: object, other: object) -> bool:
    """Tell whether two values that were read are the same JSON: 1 is neither 1.0 nor true."""
    return one is other or (one == other and repr(one) == repr(other))
