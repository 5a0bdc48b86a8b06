"""Reader of Singer messages from standard input: stoppable, with line numbers in its errors."""

from __future__ import annotations

import codecs
import os
import select
import sys
from collections import Counter
from typing import IO, TYPE_CHECKING, Any

import msgspec
from singer_sdk.singerlib.encoding.base import GenericSingerReader

from pixxel_singer.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

INCOMPLETE = "incomplete"
"""Member of a STATE's value: the streams that the tap could not read completely in this run."""
UNREAD = "unread"
"""Member of a STATE's value: the streams that the tap has still to read in this run."""
_CHUNK_BYTES = 1 << 18  # more than the default capacity of a pipe
MAX_LINE_BYTES = 1 << 26
"""Maximum length of a line, which is held in memory as a whole: 64 MiB."""
_POLL_SECONDS = 0.25  # between two calls of `check` while the input is idle


class LineTooLongError(Exception):
    """A line exceeds `MAX_LINE_BYTES`."""


def read_lines(file: IO[bytes], check: Callable[[], None]) -> Iterator[bytes]:
    """Yield the lines of a file or pipe, calling `check` while it waits for input.

    Args:
        file: A file with a descriptor, or one in memory.
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
            yield line
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
    """

    def __init__(self) -> None:
        super().__init__()
        self.check: Callable[[], None] = lambda: None
        self.line_number = 0
        self.ends_with_state = False
        self._incomplete: set[str] = set()
        self._unread: set[str] = set()
        self._decode = msgspec.json.Decoder(dict[str, Any]).decode

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
            if not line or line.isspace():
                continue
            message = self.deserialize_json(line)
            message_type = message.get("type")
            callback = callbacks.get(message_type) if isinstance(message_type, str) else None
            if callback is None:
                raise self.input_error(
                    "is not a Singer message; check that the tap does not log to stdout"
                )
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
            return self._decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            if self.line_number == 1 and line[:3] == codecs.BOM_UTF8:  # by a Windows shell
                return self.deserialize_json(line.lstrip(codecs.BOM_UTF8))
            raise self.input_error(
                "is not a JSON object; check that the tap did not crash and does not log to stdout"
            ) from None

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
