"""Parsers of single JSON values, whatever type the value has.

A parser takes a value that is not null and returns the value to emit, or one of `Repaired`,
`Invalid`, `Dropped`. Parsers never raise and never return a mutable object of the input.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from math import isfinite
from typing import Any, ClassVar, TypeAlias

import msgspec

from tap_pixxel.stac.result import CONVERTED, DROPPED, REPAIRED
from tap_pixxel.stac.signed_urls import strip_signatures

Parser: TypeAlias = Callable[[Any], Any]

MAX_DEPTH = 64
"""Levels of lists and objects that are kept; JSON parsers differ in how many they accept."""
MIN_INT64 = -(2**63)
MAX_UINT64 = 2**64 - 1
"""With `MIN_INT64`, the integers that every JSON parser accepts: 64 bits, signed or unsigned."""
MIN_POSITIVE = math.ulp(0.0)
MIN_FLOAT, MAX_FLOAT = float(MIN_INT64), math.nextafter(MAX_UINT64, 0)
"""Floats within these 64 bits: a float is compared with a float in half the time."""
NUMBER_TYPES = frozenset({int, float})
_MAX_NUMBER_CHARACTERS = 64
_NUMBER_TEXT = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_OUT_OF_64_BITS = "a number that is not finite or exceeds 64 bits"


class Repaired(msgspec.Struct, frozen=True):
    """A usable value that differs from the input, and the action and reason to note."""

    value: Any
    action: str
    reason: str


class Invalid(msgspec.Struct, frozen=True, gc=False):
    """The value is not valid in its field; the raw value is worth keeping."""

    reason: str


class Dropped(msgspec.Struct, frozen=True, gc=False):
    """The value is not valid in its field, and the raw value has no information."""

    reason: str
    value: ClassVar[None] = None
    action: ClassVar[str] = DROPPED


MARKERS = frozenset({Repaired, Invalid, Dropped})
"""Types of the results that are not simply a value."""
EMPTY = Dropped("empty")
NOT_A_NUMBER = Invalid("not a number")
OUT_OF_RANGE = Invalid("out of range")


def parse_number(value: object) -> Any:  # noqa: ANN401 - a number, `Repaired` or `NOT_A_NUMBER`
    """Parse a finite number of 64 bits; a number written as text is accepted."""
    kind = type(value)
    if kind is float and isfinite(value):  # type: ignore[arg-type]  # float, by its type
        return value
    if kind is int and MIN_INT64 <= value <= MAX_UINT64:  # type: ignore[operator]  # int, by its type
        return value
    if isinstance(value, str):
        number = parse_number_text(value)
        if number is not None:
            return Repaired(number, CONVERTED, "a number written as text")
    return NOT_A_NUMBER


def parse_number_text(text: str) -> float | int | None:
    """Parse a text that consists of one number; None for any other text."""
    text = text.strip()
    if len(text) > _MAX_NUMBER_CHARACTERS or not _NUMBER_TEXT.fullmatch(text):
        return None
    number = float(text)
    if not isfinite(number):
        return None
    integer = int(text) if text.lstrip("+-").isdigit() else None
    return integer if integer is not None and MIN_INT64 <= integer <= MAX_UINT64 else number


def number_or_none(value: object) -> float | int | None:
    """Return the number in a value, also in a text; None without one."""
    parsed = parse_number(value)
    if type(parsed) is Repaired:
        parsed = parsed.value
    return None if parsed is NOT_A_NUMBER else parsed


class NumberParser:
    """A parser that returns a number from `low` to `high` unchanged, and calls `parse` otherwise.

    `parse` returns such a number unchanged too: the bounds only save the call.
    """

    def __init__(self, low: float, high: float, parse: Parser) -> None:
        self.low = low
        self.high = high
        self.parse = parse

    def __call__(self, value: Any) -> Any:  # noqa: ANN401 - see Parser
        """Parse a value."""
        kind = type(value)
        if (kind is float or kind is int) and self.low <= value <= self.high:
            return value
        return self.parse(value)


class TableParser:
    """A parser that returns what `table` has for a text, and calls `parse` for any other value.

    `parse` returns the same for these texts: the table only saves the call.
    """

    def __init__(self, table: dict[str, Any], parse: Parser) -> None:
        self.table = table
        self.parse = parse

    def __call__(self, value: Any) -> Any:  # noqa: ANN401 - see Parser
        """Parse a value."""
        parsed = self.table.get(value) if type(value) is str else None
        return self.parse(value) if parsed is None else parsed


def make_range_parser(low: float, high: float) -> NumberParser:
    """Make a parser of numbers from `low` to `high`, both included."""
    return NumberParser(
        low, high, lambda value: parse_checked_number(value, lambda number: low <= number <= high)
    )


def parse_checked_number(value: object, is_valid: Callable[[float], bool]) -> Any:  # noqa: ANN401 - see Parser
    """Parse a number that passes a check."""
    parsed = parse_number(value)
    kind = type(parsed)
    if kind is Invalid:
        return parsed
    return parsed if is_valid(parsed.value if kind is Repaired else parsed) else OUT_OF_RANGE


def parse_positive_number(value: object) -> Any:  # noqa: ANN401 - see Parser
    """Parse a number above 0; drop 0, which stands for an unknown number."""
    parsed = parse_checked_number(value, lambda number: number >= 0)
    if (parsed.value if type(parsed) is Repaired else parsed) == 0:
        return Dropped("0 means unknown")
    return parsed


def make_integer_parser(low: int) -> Parser:
    """Make a parser of integers from `low`."""

    def parse(value: Any) -> Any:  # noqa: ANN401 - see Parser
        number = value if type(value) is int else number_or_none(value)
        if number is None or number != int(number):
            return Invalid("not an integer")
        if not low <= number <= MAX_UINT64:
            return OUT_OF_RANGE
        return (
            number
            if number is value
            else Repaired(int(number), CONVERTED, "an integer in another form")
        )

    return parse


def parse_text(value: object) -> Any:  # noqa: ANN401 - see Parser
    """Parse a text that is not blank, and strip whitespace around it."""
    if not isinstance(value, str):
        return Invalid("not text")
    stripped = value.strip()
    # As `_is_plain_text`, without the call: most values of an item are such texts.
    if stripped and stripped == value and value.isascii() and "://" not in value:
        return value
    if not stripped:
        return EMPTY
    parsed = sanitize_json(stripped)
    if type(parsed) is Repaired or stripped == value:
        return parsed
    return Repaired(stripped, CONVERTED, "whitespace around the text")


def parse_text_list(value: object) -> Any:  # noqa: ANN401, PLR0911 - see Parser
    """Parse a list of texts; a single text becomes a list, and other members are dropped."""
    if isinstance(value, str):
        parsed = parse_text(value)
        if type(parsed) is Dropped:
            return parsed
        return Repaired([unwrap_repaired(parsed)], CONVERTED, "not a list")
    if not isinstance(value, list):
        return Invalid("not a list of texts")
    if not value:
        return EMPTY
    members = [parse_text(each) for each in value]
    if {*map(type, members)} == {str}:
        return members
    members = [unwrap_repaired(each) for each in members]
    texts = [each for each in members if type(each) is str]
    if not texts:
        return Invalid("not a list of texts")
    return Repaired(texts, REPAIRED, "members that are not text, or whitespace around the text")


def make_enum_parser(words: frozenset[str]) -> TableParser:
    """Make a parser of a fixed set of lower-case words."""

    def parse(value: Any) -> Any:  # noqa: ANN401 - see Parser
        if not isinstance(value, str):
            return Invalid("not text")
        word = value.strip().lower()
        if not word:
            return EMPTY
        if word == value and word in words:
            return value
        if word in words:
            return Repaired(word, CONVERTED, "not lower case, or whitespace around the text")
        return Invalid("not one of the allowed words")

    return TableParser({word: word for word in words}, parse)


def parse_number_list(value: object, lengths: frozenset[int]) -> list[float] | None:
    """Parse a list of numbers, perhaps written as text; None unless its length is allowed."""
    if not isinstance(value, list) or len(value) not in lengths:
        return None
    if {*map(type, value)} <= NUMBER_TYPES:
        total = sum(value)
        if min(value) >= MIN_FLOAT and max(value) <= MAX_FLOAT and total == total:  # noqa: PLR0124 - not NaN
            return value.copy()
    numbers = [number_or_none(each) for each in value]
    return [each for each in numbers if each is not None] if None not in numbers else None


def mark_if_converted(raw: object, numbers: list[Any]) -> Any:  # noqa: ANN401 - see Parser
    """Return a parsed list of numbers, as `Repaired` when the raw list had other values."""
    if raw == numbers:  # a text equals no number
        return numbers
    return Repaired(numbers, CONVERTED, "numbers written as text")


def unwrap_repaired(parsed: object) -> Any:  # noqa: ANN401 - see Parser
    """Return the value of `Repaired`, and any other result of a parser unchanged."""
    return parsed.value if type(parsed) is Repaired else parsed


def is_plain_value(value: Any) -> bool:  # noqa: ANN401 - any JSON
    """Return whether `sanitize_json` returns a value unchanged, as far as a short test shows."""
    kind = type(value)
    if kind is str:
        return value.isascii() and "://" not in value
    return (kind is float or kind is int) and MIN_INT64 <= value <= MAX_UINT64


def sanitize_json(value: object) -> Any:  # noqa: ANN401 - see Parser
    """Parse any JSON value into one that every JSON encoder accepts; copy lists and objects.

    Inside lists and objects, numbers that are not finite or exceed 64 bits become null, and so do
    levels below `MAX_DEPTH`. A lone surrogate becomes U+FFFD. URLs lose their signature.
    """
    kind = type(value)
    if kind is float or kind is int:
        return value if parse_number(value) is not NOT_A_NUMBER else Dropped(_OUT_OF_64_BITS)
    if kind is bool or (kind is str and _is_plain_text(value)):  # type: ignore[arg-type]  # str
        return value
    reasons: list[str] = []
    copy = _copy_json(value, 0, reasons)
    if not reasons:
        return copy
    if copy is None:
        return Dropped(reasons[0])
    return Repaired(copy, REPAIRED, reasons[0])


def _is_plain_text(value: str) -> bool:
    return value.isascii() and "://" not in value


def _copy_json(value: object, depth: int, reasons: list[str]) -> Any:  # noqa: ANN401, PLR0911 - any JSON
    if isinstance(value, str):
        return _clean_text(value, reasons)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        if parse_number(value) is NOT_A_NUMBER:
            reasons.append(_OUT_OF_64_BITS)
            return None
        return value
    if depth >= MAX_DEPTH or not isinstance(value, list | dict):
        reasons.append("nested too deeply, or not JSON")
        return None
    if isinstance(value, list):
        return [_copy_json(each, depth + 1, reasons) for each in value]
    copy: dict[str, Any] = {}
    for name, each in value.items():
        clean_name = _clean_text(str(name), reasons)
        if clean_name in copy:
            reasons.append("two members with the same name")
            continue
        copy[clean_name] = _copy_json(each, depth + 1, reasons)
    return copy


def _clean_text(value: str, reasons: list[str]) -> str:
    if _is_plain_text(value):
        return value
    text = replace_lone_surrogates(value)
    if text != value:
        reasons.append("a lone surrogate")
    unsigned = strip_signatures(text)
    if unsigned != text:
        reasons.append("a signed URL")
    return unsigned


def replace_lone_surrogates(text: str) -> str:
    """Replace lone surrogates, which UTF-8 cannot encode, by U+FFFD."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def json_equal(one: object, other: object) -> bool:
    """Return whether two parsed values are the same JSON: 1 differs from 1.0 and from true."""
    return one is other or (one == other and repr(one) == repr(other))
