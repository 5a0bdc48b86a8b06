"""Messages come off a pipe or a file, a mistake names its line, and a stop does not wait."""

from __future__ import annotations

import io
import os
import threading
from typing import IO, TYPE_CHECKING, Any

import pytest

from pixxel_singer.errors import InputError
from pixxel_singer.message_reader import MessageReader, read_lines

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Enough(Exception):
    """Raised in place of a signal."""


def nothing() -> None:
    """Never stop."""


@pytest.fixture
def pipe() -> Iterator[tuple[IO[bytes], int]]:
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb") as file:
        yield file, writer


def read(text: bytes) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    MessageReader().process_lines(io.BytesIO(text), {"RECORD": found.append, "STATE": found.append})
    return found


@pytest.mark.parametrize("length", [1, 100, 300_000, 2_000_000])
def test_lines_of_any_length_come_whole_off_a_pipe(
    pipe: tuple[IO[bytes], int], length: int
) -> None:
    lines = [b"a" * length, b"", b"b" * (length + 1), b"last, without an end"]

    def write() -> None:
        with os.fdopen(pipe[1], "wb") as file:
            file.write(b"\n".join(lines))

    thread = threading.Thread(target=write)
    thread.start()
    assert list(read_lines(pipe[0], nothing)) == lines
    thread.join()


def test_lines_come_off_a_file(tmp_path: Path) -> None:
    path = tmp_path / "in"
    path.write_bytes(b"one\ntwo\n")
    with path.open("rb") as file:
        assert list(read_lines(file, nothing)) == [b"one", b"two"]


def test_a_stop_does_not_wait_for_the_next_line(pipe: tuple[IO[bytes], int]) -> None:
    calls = 0

    def check() -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise Enough

    os.write(pipe[1], b"one\nhalf")
    found: list[bytes] = []
    with pytest.raises(Enough):
        found += read_lines(pipe[0], check)
    os.close(pipe[1])


def test_blank_lines_are_passed_over_and_counted() -> None:
    assert read(b'\n  \n{"type":"RECORD","a":1}\r\n\n{"type":"STATE"}') == [
        {"type": "RECORD", "a": 1},
        {"type": "STATE"},
    ]
    with pytest.raises(InputError, match="line 3 of the input"):
        read(b"\n\nno JSON")


@pytest.mark.parametrize(
    "line",
    [
        b"s3cret",
        b'{"type":"RECORD","s3cret":1',
        b'["s3cret"]',
        b'{"type":"s3cret"}',
        b'{"type":["s3cret"]}',
        b'{"s3cret":1}',
        b'{"type":"RECORD","s3cret":"\xff"}',
        b'{"a":' * 100_000,
        b'{"type":"RECORD","s3cret":1e400}',
        b'{"type":"RECORD","s3cret":NaN}',
        rb'{"type":"RECORD","s3cret":"\ud800"}',
    ],
)
def test_a_line_that_is_no_message_is_named_by_its_number_and_never_quoted(line: bytes) -> None:
    with pytest.raises(InputError, match="line 2 of the input") as caught:
        read(b'{"type":"RECORD"}\n' + line + b"\n")
    assert "s3cret" not in str(caught.value)
