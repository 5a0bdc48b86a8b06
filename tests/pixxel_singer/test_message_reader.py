"""MessageReader: lines of pipes and files, errors with line numbers, and stop requests."""

from __future__ import annotations

import contextlib
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


class StopNow(Exception):
    """Raised by `check` to request a stop."""


def no_check() -> None:
    """Request no stop."""


@pytest.fixture
def pipe() -> Iterator[tuple[IO[bytes], int]]:
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb") as file:
        yield file, writer


def read_messages(text: bytes) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = []
    MessageReader().process_lines(
        io.BytesIO(text), {"RECORD": messages.append, "STATE": messages.append}
    )
    return messages


@pytest.mark.parametrize("length", [1, 100, 300_000, 2_000_000])
def test_read_lines_from_pipe_yields_whole_lines(pipe: tuple[IO[bytes], int], length: int) -> None:
    lines = [b"a" * length, b"", b"b" * (length + 1), b"last, without a newline"]

    def write() -> None:
        with os.fdopen(pipe[1], "wb") as file:
            file.write(b"\n".join(lines))

    thread = threading.Thread(target=write)
    thread.start()
    assert list(read_lines(pipe[0], no_check)) == lines
    thread.join()


def test_read_lines_from_file_yields_lines(tmp_path: Path) -> None:
    path = tmp_path / "in"
    path.write_bytes(b"one\ntwo\n")
    with path.open("rb") as file:
        assert list(read_lines(file, no_check)) == [b"one", b"two"]


def test_stop_during_partial_line_ends_read(pipe: tuple[IO[bytes], int]) -> None:
    calls = 0

    def check() -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise StopNow

    os.write(pipe[1], b"one\nhalf")
    lines: list[bytes] = []
    with pytest.raises(StopNow):
        lines += read_lines(pipe[0], check)
    os.close(pipe[1])


def test_blank_lines_are_skipped_and_counted() -> None:
    assert read_messages(b'\n  \n{"type":"RECORD","a":1}\r\n\n{"type":"STATE"}') == [
        {"type": "RECORD", "a": 1},
        {"type": "STATE"},
    ]
    with pytest.raises(InputError, match="line 3 of the input"):
        read_messages(b"\n\nno JSON")


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
def test_invalid_line_error_has_line_number_without_text(line: bytes) -> None:
    with pytest.raises(InputError, match="line 2 of the input") as caught:
        read_messages(b'{"type":"RECORD"}\n' + line + b"\n")
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("end", [b"\n", b""], ids=["with its end", "without an end"])
def test_too_long_line_is_refused_with_its_number(
    pipe: tuple[IO[bytes], int], monkeypatch: pytest.MonkeyPatch, end: bytes
) -> None:
    monkeypatch.setattr("pixxel_singer.message_reader.MAX_LINE_BYTES", 1 << 20)
    text = b'{"type":"RECORD"}\n"' + b"x" * (2 << 20) + end

    def write() -> None:
        with os.fdopen(pipe[1], "wb") as file, contextlib.suppress(BrokenPipeError):
            file.write(text)

    thread = threading.Thread(target=write)
    thread.start()
    with pytest.raises(InputError, match="line 2 of the input has more than 1 MiB"):
        MessageReader().process_lines(pipe[0], {"RECORD": lambda _: None})
    pipe[0].close()
    thread.join()
    with pytest.raises(InputError, match="line 2 of the input has more than 1 MiB"):
        read_messages(text)
