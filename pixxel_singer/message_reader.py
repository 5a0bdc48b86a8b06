"""Singer messages off standard input: line by line, stoppable, each mistake told with its line."""

from __future__ import annotations

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

_CHUNK_BYTES = 1 << 18  # bytes; a pipe holds less
_POLL_SECONDS = 0.25  # seconds between two looks for a signal, while nothing comes


def _check_nothing() -> None:
    """Check nothing."""


def read_lines(file: IO[bytes], check: Callable[[], None]) -> Iterator[bytes]:
    """Give the lines of a file or pipe, looking for a signal while there is nothing to read.

    Args:
        file: With a descriptor, unless it is all in memory.
        check: Raises when the reading is to stop.
    """
    try:
        fd = file.fileno()
    except OSError:
        for line in file:
            check()
            yield line
        return
    rest: list[bytes] = []
    while chunk := _read_chunk(fd, check):
        first, *others = chunk.split(b"\n")
        rest.append(first)
        if others:
            yield b"".join(rest)
            yield from others[:-1]
            rest = [others[-1]]
    if any(rest):
        yield b"".join(rest)


def _read_chunk(fd: int, check: Callable[[], None]) -> bytes:
    check()
    while not select.select([fd], [], [], _POLL_SECONDS)[0]:
        check()
    return os.read(fd, _CHUNK_BYTES)


class MessageReader(GenericSingerReader[bytes]):
    """Reads Singer messages; set `check` to what raises when a stop was asked for.

    Attributes:
        number: Of the line in hand, from 1.
        ended: Whether no record has come since the last STATE, as at the end of a whole sync.
    """

    def __init__(self) -> None:
        super().__init__()
        self.check: Callable[[], None] = _check_nothing
        self.line_number = 0
        self.ends_with_state = False
        self._decode = msgspec.json.Decoder(dict[str, Any]).decode

    @property
    def default_input(self) -> IO[bytes]:
        """Standard input."""
        return sys.stdin.buffer

    def process_lines(
        self,
        file_input: IO[Any] | None,
        callbacks: dict[str, Callable[[dict[str, Any]], None]],
    ) -> Counter[str]:
        """Hand each message to the callback of its type; count them by type.

        Raises:
            InputError: A line is no Singer message, or came before its stream's SCHEMA.
        """
        source = file_input or self.default_input
        stats: Counter[str] = Counter()
        for line in read_lines(getattr(source, "buffer", source), self.check):
            self.line_number += 1
            if not line or line.isspace():
                continue
            message = self.deserialize_json(line)
            kind = message.get("type")
            callback = callbacks.get(kind) if isinstance(kind, str) else None
            if callback is None:
                raise self.input_error(
                    "is no Singer message; is the tap's log on its standard output?"
                )
            self.ends_with_state = kind == "STATE" or (self.ends_with_state and kind != "RECORD")
            callback(message)
            stats[str(kind)] += 1
        return stats

    def deserialize_json(self, line: bytes) -> dict[str, Any]:
        """Read a line.

        Raises:
            InputError: It is not a JSON object.
        """
        try:
            return self._decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise self.input_error(
                "is not a JSON object; was the tap cut off, or is its log on its standard output?"
            ) from None

    def assert_line_requires(  # type: ignore[override]  # static there: it knows no line number
        self, line_dict: object, requires: set[str]
    ) -> None:
        """Check that a message, or the schema in it, is an object with some members.

        Raises:
            InputError: It is not.
        """
        missing = requires - line_dict.keys() if isinstance(line_dict, dict) else requires
        if missing:
            raise self.input_error(f"has no {' and no '.join(sorted(missing))} where one belongs")

    def input_error(self, what: str) -> InputError:
        """Word what is wrong with the line in hand."""
        return InputError(f"line {self.line_number} of the input {what}")
