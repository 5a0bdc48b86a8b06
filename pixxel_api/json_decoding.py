"""Decoding of JSON bodies, including values that Python types cannot represent.

A number outside the range of float stays text. A lone surrogate, which UTF-8 cannot encode, becomes
U+FFFD, the replacement character. NaN and Infinity are rejected, as JSON (RFC 8259) requires.
"""

from __future__ import annotations

import codecs
import json
import math
import re
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from pixxel_api.errors import ApiError, InvalidBody, UndecodableBody, UnexpectedResponse

HTML_REASON = "the response is an HTML page; check the setting 'api_url'"
RawRow = dict[str, msgspec.Raw]
"""A row of a list: its members, each as JSON that is decoded only if needed.

A row that is not an object has no members.
"""

ENVELOPE_FIELDS = ("pagination", "count")
"""The members of a list response that are decoded besides its rows."""
_OBJECT = msgspec.json.Decoder(RawRow)
_ROWS = msgspec.json.Decoder(list[RawRow] | None)
_VALUES = msgspec.json.Decoder(list[msgspec.Raw] | None)
_OTHER_FORMATS = (
    (b"<", InvalidBody, HTML_REASON),
    (b"\x1f\x8b", UndecodableBody, "the response is compressed but has no Content-Encoding"),
    (codecs.BOM_UTF16_LE, UndecodableBody, "the response is UTF-16, not UTF-8"),
    (codecs.BOM_UTF16_BE, UndecodableBody, "the response is UTF-16, not UTF-8"),
)
"""How a body begins that is not JSON, and what it is."""
_NULL = msgspec.Raw(b"null")
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB]..\\u[dD][c-fC-F]..|(?P<lone>u[dD][89a-fA-F]..)|.)", re.DOTALL
)
_TEXT_OR_NAN = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|(?P<nan>NaN|Infinity)', re.DOTALL)


class DecodedBody(NamedTuple):
    """A JSON object whose values are still JSON.

    Attributes:
        fields: The values; if `rows` were decoded, only those of `ENVELOPE_FIELDS`.
        rows: The rows of the requested list; None if it is missing or empty.
        lone_surrogates: The number of lone surrogates that were replaced.
    """

    fields: RawRow
    rows: list[RawRow] | None = None
    lone_surrogates: int = 0


class FieldPath:
    """Path to a string or integer in a row, which it decodes without the rest of the row.

    Args:
        member: The member of the row.
        names: The names of the nested members below it.

    Example:
        `FieldPath("properties", "datetime")(row)`
    """

    def __init__(self, member: str, *names: str) -> None:
        value_type: Any = str | int | None
        for name in reversed(names):
            inner = msgspec.field(default=None, name=name)
            value_type = msgspec.defstruct("Nested", [("inner", value_type, inner)]) | None
        self._member = member
        self._decode = msgspec.json.Decoder(value_type).decode
        self._depth = len(names)

    def __call__(self, row: RawRow) -> str | int | None:
        """Return the value; None if it is missing or has another type, or a member above it has."""
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
        result: str | int | None = value
        return result


def decode_object(
    content: bytearray, method: str, path: str, status: int, rows_key: str | None = None
) -> DecodedBody:
    """Decode an object's members, and validate but not decode their values.

    Args:
        content: The body.
        method: The HTTP method of the request, for errors.
        path: The path of the request, for errors.
        status: The HTTP status, for errors.
        rows_key: Name of a list to decode to rows.

    Raises:
        UnexpectedResponse: The body is empty, or JSON but not an object.
        InvalidBody: The body is not JSON, such as a truncated one.
        UndecodableBody: The body is complete, and a retry would return the same.
    """
    if not content or content.isspace():
        raise UnexpectedResponse(method, path, status, reason="the response is empty")
    try:
        body = _decode_body(content, rows_key)
        if not content.isascii():
            content.decode()
    except msgspec.ValidationError:
        raise UnexpectedResponse(
            method, path, status, reason="the response is not a JSON object"
        ) from None
    except msgspec.DecodeError:
        error_class, reason = _classify_invalid_json(content)
        raise error_class(method, path, status, reason=reason) from None
    except UnicodeDecodeError:
        raise UndecodableBody(
            method, path, status, reason="the response is not UTF-8 text"
        ) from None
    except RecursionError:
        raise UndecodableBody(
            method, path, status, reason="the response is nested too deeply"
        ) from None
    return body


def decode_rows(raw: msgspec.Raw) -> list[RawRow]:
    """Decode a list's rows; null is an empty list.

    Raises:
        msgspec.ValidationError: The value is not a list.
    """
    try:
        return _ROWS.decode(raw) or []
    except msgspec.ValidationError:
        return [decode_row(value) for value in split_rows(raw)]


def split_rows(raw: msgspec.Raw) -> list[msgspec.Raw]:
    """Split a list into its values, each as JSON; null is an empty list.

    Raises:
        msgspec.ValidationError: The value is not a list.
    """
    return _VALUES.decode(raw) or []


def decode_row(raw: msgspec.Raw) -> RawRow:
    """Decode an object's members; {} for a non-object."""
    try:
        return _OBJECT.decode(raw)
    except msgspec.ValidationError:
        return {}


def row_to_python(row: RawRow) -> dict[str, Any]:
    """Return a row as Python objects; {} if a value is nested too deeply."""
    try:
        return {name: msgspec.json.decode(value) for name, value in row.items()}
    except (msgspec.DecodeError, RecursionError):
        fields = {name: to_python(value) for name, value in row.items()}
    is_incomplete = any(fields[name] is None and row[name] != _NULL for name in fields)
    return {} if is_incomplete else fields


def to_python(raw: msgspec.Raw | bytearray) -> Any:  # noqa: ANN401 - any JSON
    """Return JSON as Python objects; None if it is invalid or nested too deeply."""
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


def _decode_body(content: bytearray, rows_key: str | None) -> DecodedBody:
    try:
        page = _decode_page(content, rows_key) if rows_key else None
        return page or DecodedBody(_OBJECT.decode(content))
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:
        repaired, lone_surrogates = _replace_lone_surrogates(content)
        if not lone_surrogates:
            raise
        return DecodedBody(_OBJECT.decode(repaired), lone_surrogates=lone_surrogates)


def _decode_page(content: bytearray, rows_key: str) -> DecodedBody | None:
    """Decode rows and pagination in one pass; None if the shape is unexpected."""
    try:
        page = _page_decoder(rows_key).decode(content)
    except msgspec.ValidationError:
        return None
    if not page.rows:
        return None
    envelope = {name: raw for name in ENVELOPE_FIELDS if (raw := getattr(page, name)) is not _NULL}
    return DecodedBody(envelope, page.rows)


@lru_cache(64)
def _page_decoder(rows_key: str) -> msgspec.json.Decoder[Any]:
    """Return the decoder of an object with a list of rows."""
    envelope = [(name, msgspec.Raw, msgspec.field(default=_NULL)) for name in ENVELOPE_FIELDS]
    rows = ("rows", list[RawRow] | None, msgspec.field(default=None, name=rows_key))
    return msgspec.json.Decoder(msgspec.defstruct("Page", [rows, *envelope]))


def _replace_lone_surrogates(content: bytearray) -> tuple[bytes, int]:
    """Return the JSON with lone surrogates replaced, and their number."""
    count = 0

    def replace(escape: re.Match[bytes]) -> bytes:
        nonlocal count
        if escape["lone"] is None:
            return escape[0]
        count += 1
        return rb"\ufffd"

    return _ESCAPE.sub(replace, content), count


def _classify_invalid_json(content: bytearray) -> tuple[type[ApiError], str | None]:
    """Return the error class and the reason for a body that is not JSON."""
    for prefix, error_class, reason in _OTHER_FORMATS:
        if content.lstrip().startswith(prefix):
            return error_class, reason
    if any(match["nan"] for match in _TEXT_OR_NAN.finditer(content)):
        return UndecodableBody, "the response contains NaN or Infinity, which are not JSON"
    line, _, rest = content.lstrip().partition(b"\n")
    if rest.lstrip().startswith(b"{") and isinstance(to_python(line), dict):
        return UndecodableBody, "the response is newline-delimited JSON, not one JSON object"
    return InvalidBody, None


def _parse_float(text: str) -> float | str:
    number = float(text)
    return number if math.isfinite(number) else text


def _parse_int(text: str) -> int | str:
    try:
        return int(text)
    except ValueError:  # more digits than Python converts
        return text
