"""Bodies of answers: JSON, with all that JSON allows and Python does not hold.

A number that no float holds stays the text that it is. Half of a surrogate pair, which UTF-8 cannot
write, becomes U+FFFD, the character that stands for another. NaN is no JSON, whatever others take.
"""

from __future__ import annotations

import json
import math
import re
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from pixxel_api.errors import ApiError, BrokenBody, Unreadable, WrongShape

HTML = "the answer is a page of HTML; check the setting 'api_url'"
Row = dict[str, msgspec.Raw]
"""A row of a list: its members, each as JSON, as what is not wanted need never become objects.

A row that is no object has no members.
"""

BESIDE = ("pagination", "count")
"""What is read of an answer beside its rows."""
_OBJECT = msgspec.json.Decoder(Row)
_ROWS = msgspec.json.Decoder(list[Row] | None)
_VALUES = msgspec.json.Decoder(list[msgspec.Raw])
_NULL = msgspec.Raw(b"null")
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB]..\\u[dD][c-fC-F]..|(?P<half>u[dD][89a-fA-F]..)|.)", re.DOTALL
)
_TEXT_OR_NAN = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|(?P<nan>NaN|Infinity)', re.DOTALL)


class Body(NamedTuple):
    """A JSON object, whose values are JSON still.

    Attributes:
        fields: Its values; where `rows` were split, those of `BESIDE` alone.
        rows: The rows of the list that was asked for; None where there are none.
        halves: How many halves of surrogate pairs were replaced.
    """

    fields: Row
    rows: list[Row] | None = None
    halves: int = 0


def json_object(
    content: bytearray, method: str, path: str, status: int, rows: str | None = None
) -> Body:
    """Split a JSON object into its values, checking all of it but making no objects of them.

    Args:
        content: The body.
        method: Of the request, for errors, as its `path` and `status`.
        path: See there.
        status: See there.
        rows: Name of a list to split into its rows at the same time.

    Raises:
        WrongShape: It is other JSON.
        BrokenBody: It is no JSON, as when it was cut off.
        Unreadable: It came whole, and would come no better again.
    """
    try:
        body = _split(content, rows)
        if not content.isascii():
            content.decode()
    except msgspec.ValidationError:
        raise WrongShape(method, path, status, reason="the answer is not a JSON object") from None
    except msgspec.DecodeError:
        kind, reason = _fault_of(content)
        raise kind(method, path, status, reason=reason) from None
    except UnicodeDecodeError:
        raise Unreadable(method, path, status, reason="the answer is not UTF-8 text") from None
    except RecursionError:
        raise Unreadable(method, path, status, reason="the answer is nested too deep") from None
    return body


def rows_of(raw: msgspec.Raw) -> list[Row]:
    """Split a list into its rows; null is an empty one.

    Raises:
        msgspec.ValidationError: It is no list.
    """
    try:
        return _ROWS.decode(raw) or []
    except msgspec.ValidationError:
        return [row_of(value) for value in _VALUES.decode(raw)]


def row_of(raw: msgspec.Raw) -> Row:
    """Split a value into its members; what is no object has none."""
    try:
        return _OBJECT.decode(raw)
    except msgspec.ValidationError:
        return {}


def fields_of(row: Row) -> dict[str, Any]:
    """Make objects of a row; none at all of one that is nested too deep."""
    try:
        return {name: msgspec.json.decode(value) for name, value in row.items()}
    except (msgspec.DecodeError, RecursionError):
        fields = {name: objects_of(value) for name, value in row.items()}
    lost = any(fields[name] is None and row[name] != _NULL for name in fields)
    return {} if lost else fields


def objects_of(raw: msgspec.Raw | bytearray) -> Any:  # noqa: ANN401 - any JSON
    """Make objects of JSON; None of what is nested too deep, or is no JSON."""
    try:
        return msgspec.json.decode(raw)
    except msgspec.ValidationError:  # a number out of range
        return _with_any_number(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _with_any_number(raw: msgspec.Raw | bytearray) -> Any:  # noqa: ANN401 - any JSON
    try:
        return json.loads(bytes(raw), parse_float=_float, parse_int=_integer)
    except (UnicodeDecodeError, RecursionError):
        return None


def _split(content: bytearray, rows: str | None) -> Body:
    try:
        found = _with_rows(content, rows) if rows else None
        return found or Body(_OBJECT.decode(content))
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:
        mended, halves = _mended(content)
        if not halves:
            raise
        return Body(_OBJECT.decode(mended), halves=halves)


def _with_rows(content: bytearray, name: str) -> Body | None:
    """Find the rows and what is beside them in one pass; None where it takes a closer look."""
    try:
        found = _page_of(name).decode(content)
    except msgspec.ValidationError:
        return None
    if not found.rows:
        return None
    beside = {each: raw for each in BESIDE if (raw := getattr(found, each)) is not _NULL}
    return Body(beside, found.rows)


@lru_cache(64)
def _page_of(name: str) -> msgspec.json.Decoder[Any]:
    """Make the decoder of an object with a list of rows."""
    beside = [(each, msgspec.Raw, msgspec.field(default=_NULL)) for each in BESIDE]
    rows = ("rows", list[Row] | None, msgspec.field(default=None, name=name))
    return msgspec.json.Decoder(msgspec.defstruct("Page", [rows, *beside]))


def _mended(content: bytearray) -> tuple[bytes, int]:
    """Replace halves of surrogate pairs, and count them."""
    halves = 0

    def mend(escape: re.Match[bytes]) -> bytes:
        nonlocal halves
        if escape["half"] is None:
            return escape[0]
        halves += 1
        return rb"\ufffd"

    return _ESCAPE.sub(mend, content), halves


def _fault_of(content: bytearray) -> tuple[type[ApiError], str | None]:
    """Tell what is wrong with a body that is no JSON."""
    if content.lstrip().startswith(b"<"):
        return BrokenBody, HTML
    if any(found["nan"] for found in _TEXT_OR_NAN.finditer(content)):
        return Unreadable, "the answer holds NaN or Infinity, which are not JSON"
    return BrokenBody, None


def _float(text: str) -> float | str:
    number = float(text)
    return number if math.isfinite(number) else text


def _integer(text: str) -> int | str:
    try:
        return int(text)
    except ValueError:  # longer than Python turns into a number, and back
        return text
