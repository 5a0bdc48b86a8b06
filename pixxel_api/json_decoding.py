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

from pixxel_api.errors import ApiError, InvalidBody, UndecodableBody, UnexpectedResponse

HTML_REASON = "the answer is a page of HTML; check the setting 'api_url'"
RawRow = dict[str, msgspec.Raw]
"""A row of a list: its members, each as JSON, as what is not wanted need never become objects.

A row that is no object has no members.
"""

ENVELOPE_FIELDS = ("pagination", "count")
"""What is read of an answer beside its rows."""
_OBJECT = msgspec.json.Decoder(RawRow)
_ROWS = msgspec.json.Decoder(list[RawRow] | None)
_VALUES = msgspec.json.Decoder(list[msgspec.Raw])
_NULL = msgspec.Raw(b"null")
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB]..\\u[dD][c-fC-F]..|(?P<half>u[dD][89a-fA-F]..)|.)", re.DOTALL
)
_TEXT_OR_NAN = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|(?P<nan>NaN|Infinity)', re.DOTALL)


class DecodedBody(NamedTuple):
    """A JSON object, whose values are JSON still.

    Attributes:
        fields: Its values; where `rows` were split, those of `BESIDE` alone.
        rows: The rows of the list that was asked for; None where there are none.
        halves: How many halves of surrogate pairs were replaced.
    """

    fields: RawRow
    rows: list[RawRow] | None = None
    lone_surrogates: int = 0


class FieldPath:
    """Reads the text or whole number at a place in a row.

    Args:
        member: The row's member that it is, or is in.
        names: The names that lead on from there.
    """

    def __init__(self, member: str, *names: str) -> None:
        kind: Any = str | int | None
        for name in reversed(names):
            inner = msgspec.field(default=None, name=name)
            kind = msgspec.defstruct("Place", [("inner", kind, inner)]) | None
        self._member = member
        self._decode = msgspec.json.Decoder(kind).decode
        self._depth = len(names)

    def __call__(self, row: RawRow) -> str | int | None:
        """Give the value, None where there is none, it is of another type, or out of reach."""
        raw = row.get(self._member)
        if raw is None:
            return None
        try:
            value = self._decode(raw)
        except (msgspec.ValidationError, RecursionError):
            return None
        for _ in range(self._depth):
            if value is None:
                return None
            value = value.inner
        found: str | int | None = value
        return found


def decode_object(
    content: bytearray, method: str, path: str, status: int, rows: str | None = None
) -> DecodedBody:
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
        body = _decode_body(content, rows)
        if not content.isascii():
            content.decode()
    except msgspec.ValidationError:
        raise UnexpectedResponse(
            method, path, status, reason="the answer is not a JSON object"
        ) from None
    except msgspec.DecodeError:
        kind, reason = _classify_invalid_json(content)
        raise kind(method, path, status, reason=reason) from None
    except UnicodeDecodeError:
        raise UndecodableBody(method, path, status, reason="the answer is not UTF-8 text") from None
    except RecursionError:
        raise UndecodableBody(
            method, path, status, reason="the answer is nested too deep"
        ) from None
    return body


def decode_rows(raw: msgspec.Raw) -> list[RawRow]:
    """Split a list into its rows; null is an empty one.

    Raises:
        msgspec.ValidationError: It is no list.
    """
    try:
        return _ROWS.decode(raw) or []
    except msgspec.ValidationError:
        return [decode_row(value) for value in _VALUES.decode(raw)]


def decode_row(raw: msgspec.Raw) -> RawRow:
    """Split a value into its members; what is no object has none."""
    try:
        return _OBJECT.decode(raw)
    except msgspec.ValidationError:
        return {}


def row_to_python(row: RawRow) -> dict[str, Any]:
    """Make objects of a row; none at all of one that is nested too deep."""
    try:
        return {name: msgspec.json.decode(value) for name, value in row.items()}
    except (msgspec.DecodeError, RecursionError):
        fields = {name: to_python(value) for name, value in row.items()}
    lost = any(fields[name] is None and row[name] != _NULL for name in fields)
    return {} if lost else fields


def to_python(raw: msgspec.Raw | bytearray) -> Any:  # noqa: ANN401 - any JSON
    """Make objects of JSON; None of what is nested too deep, or is no JSON."""
    try:
        return msgspec.json.decode(raw)
    except msgspec.ValidationError:  # a number out of range
        return _decode_large_numbers(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _decode_large_numbers(raw: msgspec.Raw | bytearray) -> Any:  # noqa: ANN401 - any JSON
    try:
        return json.loads(bytes(raw), parse_float=_parse_float, parse_int=_parse_int)
    except (UnicodeDecodeError, RecursionError):
        return None


def _decode_body(content: bytearray, rows: str | None) -> DecodedBody:
    try:
        found = _decode_page(content, rows) if rows else None
        return found or DecodedBody(_OBJECT.decode(content))
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:
        mended, halves = _replace_lone_surrogates(content)
        if not halves:
            raise
        return DecodedBody(_OBJECT.decode(mended), lone_surrogates=halves)


def _decode_page(content: bytearray, name: str) -> DecodedBody | None:
    """Find the rows and what is beside them in one pass; None where it takes a closer look."""
    try:
        found = _page_decoder(name).decode(content)
    except msgspec.ValidationError:
        return None
    if not found.rows:
        return None
    beside = {each: raw for each in ENVELOPE_FIELDS if (raw := getattr(found, each)) is not _NULL}
    return DecodedBody(beside, found.rows)


@lru_cache(64)
def _page_decoder(name: str) -> msgspec.json.Decoder[Any]:
    """Make the decoder of an object with a list of rows."""
    beside = [(each, msgspec.Raw, msgspec.field(default=_NULL)) for each in ENVELOPE_FIELDS]
    rows = ("rows", list[RawRow] | None, msgspec.field(default=None, name=name))
    return msgspec.json.Decoder(msgspec.defstruct("Page", [rows, *beside]))


def _replace_lone_surrogates(content: bytearray) -> tuple[bytes, int]:
    """Replace halves of surrogate pairs, and count them."""
    halves = 0

    def mend(escape: re.Match[bytes]) -> bytes:
        nonlocal halves
        if escape["half"] is None:
            return escape[0]
        halves += 1
        return rb"\ufffd"

    return _ESCAPE.sub(mend, content), halves


def _classify_invalid_json(content: bytearray) -> tuple[type[ApiError], str | None]:
    """Tell what is wrong with a body that is no JSON."""
    if content.lstrip().startswith(b"<"):
        return InvalidBody, HTML_REASON
    if any(found["nan"] for found in _TEXT_OR_NAN.finditer(content)):
        return UndecodableBody, "the answer holds NaN or Infinity, which are not JSON"
    return InvalidBody, None


def _parse_float(text: str) -> float | str:
    number = float(text)
    return number if math.isfinite(number) else text


def _parse_int(text: str) -> int | str:
    try:
        return int(text)
    except ValueError:  # longer than Python turns into a number, and back
        return text
