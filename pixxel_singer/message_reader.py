"""Reader of Singer messages from standard input: stoppable, with line numbers in its errors."""

from __future__ import annotations

import codecs
import logging
import math
import os
import re
import select
import sys
from collections import Counter
from typing import IO, TYPE_CHECKING, Any, NamedTuple

import msgspec
from singer_sdk.singerlib.encoding.base import GenericSingerReader

from pixxel_singer.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

logger = logging.getLogger(__name__)

INCOMPLETE = "incomplete"
"""Member of a STATE's value: the streams that the tap could not read completely in this run."""
UNREAD = "unread"
"""Member of a STATE's value: the streams that the tap has still to read in this run."""
_CHUNK_BYTES = 1 << 18  # more than the default capacity of a pipe
MAX_LINE_BYTES = 1 << 26
"""Maximum length of a line, which is held in memory as a whole: 64 MiB."""
_POLL_SECONDS = 0.25  # between two calls of `check` while the input is idle

MAX_DEPTH = 500
"""Of lists and objects in each other; Python itself reads at most some 900 everywhere."""
_NO_OBJECT = "is not a JSON object; check that the tap did not crash and does not log to stdout"
TOO_DEEP = f"is nested more than {MAX_DEPTH} levels deep"
_MAX_QUOTED_DIGITS = 40
_USUAL_DEPTH = 32
"""Of what is deeper it is determined slowly how deep it is."""
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_OPENING_BRACKETS = (b"[", b"{")
_decode = msgspec.json.Decoder().decode
_BYTE_ORDER_MARKS = (  # the longest first
    *(("UTF-32", mark) for mark in (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)),
    *(("UTF-16", mark) for mark in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)),
    ("UTF-8", codecs.BOM_UTF8),
)
"""Encodings by their byte order marks, with which some shells begin what they write."""
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB]..\\u[dD][c-fC-F]..|(?P<lone>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)
_TOKEN = re.compile(
    rb'"(?:[^"\\]++|\\.)*+"?'
    rb"|(?P<nan>\bNaN\b|-?\bInfinity\b)|(?P<number>-?[0-9][0-9.eE+-]*)|(?P<bracket>[][{}])",
    re.DOTALL,
)


class LineTooLongError(Exception):
    """A line exceeds `MAX_LINE_BYTES`."""


class InvalidJsonError(ValueError):
    """A text is not JSON that can be read; the message is its predicate, without values."""


class DecodedJson(NamedTuple):
    """A JSON value.

    Attributes:
        value: The value.
        lone_surrogates: Number of halves of surrogate pairs that became U+FFFD, as in the tap.
        is_pruned: Whether null stands in it for what was nested more than `MAX_DEPTH` levels deep.
    """

    value: Any
    lone_surrogates: int = 0
    is_pruned: bool = False


def decode_json(content: bytes) -> DecodedJson:
    """Decode JSON.

    Raises:
        InvalidJsonError: It is not JSON, or has a number that Python cannot represent.
    """
    try:
        if not _may_be_too_deep(content):
            return DecodedJson(_decode(content))
    except (msgspec.DecodeError, UnicodeDecodeError):
        pass
    pruned = _prune(content)
    lone_surrogates = sum(escape["lone"] is not None for escape in _ESCAPE.finditer(pruned))
    repaired = _ESCAPE.sub(_replace_lone_surrogate, pruned) if lone_surrogates else pruned
    try:
        value = _decode(repaired)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise InvalidJsonError(_find_problem(content)) from None
    return DecodedJson(value, lone_surrogates, is_pruned=pruned != content)


def _may_be_too_deep(content: bytes) -> bool:
    """Return False if a text is certainly not nested more than `MAX_DEPTH` levels deep."""
    brackets = content.translate(None, _NOT_BRACKETS)
    for level in range(_USUAL_DEPTH):  # each pass removes the innermost level
        if len(brackets) <= 2 * (MAX_DEPTH - level):
            return False
        brackets = brackets.replace(b"[]", b"").replace(b"{}", b"")
    return True


def _prune(content: bytes) -> bytes:
    """Return JSON with null in place of what is nested more than `MAX_DEPTH` levels deep."""
    parts = []
    start = depth = 0
    for token in _TOKEN.finditer(content):
        if token["bracket"] in _OPENING_BRACKETS:
            depth += 1
            if depth == MAX_DEPTH + 1:
                parts += [content[start : token.start()], b"null"]
        elif token["bracket"]:
            if depth == MAX_DEPTH + 1:
                start = token.end()
            depth -= 1
    if depth <= MAX_DEPTH:
        parts.append(content[start:])
    return b"".join(parts)


def _replace_lone_surrogate(escape: re.Match[bytes]) -> bytes:
    return escape[0] if escape["lone"] is None else rb"\ufffd"


def _find_problem(content: bytes) -> str:
    """Return why a text is not JSON; empty if no other reason is known than that it is none."""
    for encoding, mark in _BYTE_ORDER_MARKS:
        if content.startswith(mark):
            return (
                f"begins with the byte order mark of {encoding}; pass the messages on as UTF-8 "
                "without it, as a pipe between two programs does"
            )
    is_object = content.lstrip().startswith(b"{")  # and no line of a log
    for token in _TOKEN.finditer(content) if is_object else ():
        if token["nan"]:
            return (
                f"has the value {token['nan'].decode()}, which is not JSON; check that the tap "
                "writes null instead"
            )
        if token["number"] and not _is_in_range(token["number"].decode()):
            number = _shorten_number(token["number"].decode())
            return f"has the number {number}, which is out of range; correct it at its source"
    try:
        content.decode()
    except UnicodeDecodeError:
        return "is not UTF-8; check the encoding of the tap's output"
    return ""


def _is_in_range(number: str) -> bool:
    """Return whether Python reads a number as it is written; True for what is no number."""
    is_integer = number.removeprefix("-").isdigit()
    try:
        return int(number) is not None if is_integer else math.isfinite(float(number))
    except ValueError:
        return not is_integer


def _shorten_number(number: str) -> str:
    if len(number) <= _MAX_QUOTED_DIGITS:
        return number
    return f"{number[:_MAX_QUOTED_DIGITS]}… of {len(number):,} characters"


def read_lines(file: IO[Any], check: Callable[[], None]) -> Iterator[bytes]:
    """Yield the lines of a file or pipe, calling `check` while it waits for input.

    Args:
        file: A file with a descriptor, or one in memory, of bytes or text.
        check: Raises to stop.

    Raises:
        LineTooLongError: The line after the last one exceeds `MAX_LINE_BYTES`.
    """
    try:
        fd = file.fileno()
    except OSError:
        while line := file.readline(MAX_LINE_BYTES + 1):
            check()
            if len(line) > MAX_LINE_BYTES:
                raise LineTooLongError from None
            yield line.encode() if isinstance(line, str) else line
        return
    partial: list[bytes] = []
    length = 0
    while chunk := _read_chunk(fd, check):
        first, *others = chunk.split(b"\n")
        partial.append(first)
        length += len(first)
        if length > MAX_LINE_BYTES:
            raise LineTooLongError
        if others:
            yield b"".join(partial)
            yield from others[:-1]
            partial = [others[-1]]
            length = len(others[-1])
    if any(partial):
        yield b"".join(partial)


def _read_chunk(fd: int, check: Callable[[], None]) -> bytes:
    check()
    while not select.select([fd], [], [], _POLL_SECONDS)[0]:
        check()
    try:
        return os.read(fd, _CHUNK_BYTES)
    except OSError as error:
        raise InputError(
            f"cannot read standard input ({error.strerror}); pipe the messages of a tap into it"
        ) from None


class MessageReader(GenericSingerReader[bytes]):
    """Reader of Singer messages.

    Attributes:
        check: Called between messages and while waiting for input; raises to stop.
        line_number: The number of the current line, from 1.
        ends_with_state: Whether no RECORD has followed the last STATE, as after a complete sync.
        is_pruned: Whether the current RECORD lacks what is nested too deeply in it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.check: Callable[[], None] = lambda: None
        self.line_number = 0
        self.ends_with_state = False
        self._incomplete: set[str] = set()
        self._unread: set[str] = set()
        self.is_pruned = False
        self._has_warned = False

    @property
    def default_input(self) -> IO[bytes]:
        """Return standard input."""
        return sys.stdin.buffer

    def process_lines(
        self,
        file_input: IO[Any] | None,
        callbacks: dict[str, Callable[[dict[str, Any]], None]],
    ) -> Counter[str]:
        """Pass each message to the callback of its type, and return their number by type.

        Raises:
            InputError: A line is not a Singer message, or precedes its stream's SCHEMA.
        """
        try:
            return self._process_lines(file_input or self.default_input, callbacks)
        except LineTooLongError:
            self.line_number += 1
            raise self.input_error(
                f"has more than {MAX_LINE_BYTES >> 20} MiB; check that the tap ends each message "
                "with a line break"
            ) from None

    def _process_lines(
        self, source: IO[Any], callbacks: dict[str, Callable[[dict[str, Any]], None]]
    ) -> Counter[str]:
        counts: Counter[str] = Counter()
        for line in read_lines(getattr(source, "buffer", source), self.check):
            self.line_number += 1
            if self.line_number == 1:
                line = line.removeprefix(codecs.BOM_UTF8)  # noqa: PLW2901 - of a Windows shell
            if not line or line.isspace():
                continue
            message = self.deserialize_json(line)
            message_type = message.get("type")
            callback = callbacks.get(message_type) if isinstance(message_type, str) else None
            if callback is None:
                raise self.input_error(
                    "is not a Singer message; check that the tap does not log to stdout"
                )
            if self.is_pruned and message_type != "RECORD":
                raise self.input_error(TOO_DEEP)
            self.ends_with_state = message_type == "STATE" or (
                self.ends_with_state and message_type != "RECORD"
            )
            if message_type == "STATE":
                state = message.get("value")
                self._incomplete |= _read_names(state, INCOMPLETE)
                self._unread = _read_names(state, UNREAD)
            callback(message)
            counts[str(message_type)] += 1
        return counts

    @property
    def incomplete_streams(self) -> set[str]:
        """What any STATE names as `INCOMPLETE`, and the last one as `UNREAD`."""
        return self._incomplete | self._unread

    def deserialize_json(self, line: bytes) -> dict[str, Any]:
        """Parse a line.

        Raises:
            InputError: The line is not a JSON object.
        """
        try:
            decoded = decode_json(line)
        except InvalidJsonError as error:
            raise self.input_error(str(error) or _NO_OBJECT) from None
        if not isinstance(decoded.value, dict):
            raise self.input_error(_NO_OBJECT)
        self.is_pruned = decoded.is_pruned
        if decoded.lone_surrogates and not self._has_warned:
            self._has_warned = True
            logger.warning(
                "line %d of the input: replaced %d lone surrogates in texts with U+FFFD; later "
                "ones are not logged",
                *(self.line_number, decoded.lone_surrogates),
            )
        return decoded.value

    def assert_line_requires(  # type: ignore[override]  # static in the SDK, without the line number
        self, line_dict: object, requires: set[str]
    ) -> None:
        """Raise unless a message, or the schema in it, is an object with the required members.

        Raises:
            InputError: It is not an object, or lacks a member.
        """
        missing = requires - line_dict.keys() if isinstance(line_dict, dict) else requires
        if missing:
            raise self.input_error(f"has no {' and no '.join(sorted(missing))}")

    def input_error(self, problem: str) -> InputError:
        """Return the error for a problem of the current line."""
        return InputError(f"line {self.line_number} of the input {problem}")


def _read_names(state: object, member: str) -> set[str]:
    names = state.get(member) if isinstance(state, dict) else None
    listed = names if isinstance(names, list) else [names] if names else []
    return {str(each) for each in listed}
