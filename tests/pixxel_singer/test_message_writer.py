"""PipeWriter writes whole lines for any reader, and a stop request ends the wait."""

from __future__ import annotations

import io
import itertools
import os
import pty
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest
from singer_sdk.singerlib import StateMessage

from pixxel_singer.errors import OutputClosedError
from pixxel_singer.message_writer import PipeWriter, StoppableMessageWriter
from pixxel_singer.signals import StopRequested

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def pipe_ends() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    yield reading, writing
    for fd in (reading, writing):
        try:
            os.close(fd)
        except OSError:
            continue


def drain(fd: int) -> bytes:
    os.set_blocking(fd, False)
    data = b""
    try:
        while chunk := os.read(fd, 1 << 20):
            data += chunk
    except BlockingIOError:
        pass
    os.set_blocking(fd, True)
    return data


def fill(pipe: PipeWriter, line: bytearray, until: type[BaseException]) -> int:
    """Write a line repeatedly until an exception, and return the number of whole lines."""
    for written in itertools.count():
        try:
            pipe.write(line, reserve=4)
        except until:
            return written
    raise AssertionError


@pytest.mark.parametrize("length", [50, 2100, 4096, 22_000, 200_000])
def test_stop_with_full_pipe_leaves_whole_lines_and_reserve(
    pipe_ends: tuple[int, int], length: int
) -> None:
    """Lines of 2,100 bytes occupy a page each, so counting bytes alone would block."""
    reading, writing = pipe_ends
    stop_at = time.monotonic() + 0.3

    def check() -> None:
        if time.monotonic() > stop_at:
            raise StopRequested(15)

    pipe = PipeWriter(writing, check)
    line = bytearray(b"x" * (length - 1) + b"\n")
    written = fill(pipe, line, until=StopRequested)
    assert pipe.write(bytearray(b"s" * 9_999 + b"\n"), reserve=0, timeout=0.1)
    assert drain(reading) == bytes(line) * written + b"s" * 9_999 + b"\n"
    assert written >= 3


def test_slow_reader_receives_every_line(pipe_ends: tuple[int, int]) -> None:
    reading, writing = pipe_ends
    lines = [bytearray(b"%d" % i * (1 + i * 37 % 9_000) + b"\n") for i in range(600)]
    received: list[bytes] = []

    def read() -> None:
        while chunk := os.read(reading, 7_001):
            received.append(chunk)
            time.sleep(0.0005)

    reader = threading.Thread(target=read)
    reader.start()
    pipe = PipeWriter(writing, lambda: None)
    for line in lines:
        assert pipe.write(line, reserve=4)
    os.close(writing)
    reader.join()
    assert b"".join(received) == b"".join(lines)


def test_line_longer_than_pipe_is_written(pipe_ends: tuple[int, int]) -> None:
    reading, writing = pipe_ends
    received: list[bytes] = []

    def read() -> None:
        while chunk := os.read(reading, 1 << 16):
            received.append(chunk)

    reader = threading.Thread(target=read)
    reader.start()
    line = bytearray(b"x" * 5_000_000 + b"\n")
    PipeWriter(writing, lambda: None).write(line, reserve=4)
    os.close(writing)
    reader.join()
    assert b"".join(received) == line


def test_closed_reader_during_wait_raises(pipe_ends: tuple[int, int]) -> None:
    reading, writing = pipe_ends
    pipe = PipeWriter(writing, lambda: None)
    threading.Timer(0.2, os.close, [reading]).start()
    fill(pipe, bytearray(b"x" * 9_999 + b"\n"), until=OutputClosedError)


def test_timeout_writes_no_partial_line(pipe_ends: tuple[int, int]) -> None:
    reading, writing = pipe_ends
    pipe = PipeWriter(writing, lambda: None)
    while pipe.write(bytearray(b"x" * 60_000 + b"\n"), reserve=0, timeout=0.05):
        pass
    data = drain(reading)
    assert data.endswith(b"\n")
    assert len(data) % 60_001 == 0


def test_message_on_a_terminal_goes_through_stdout(monkeypatch: pytest.MonkeyPatch) -> None:
    """Progress bars replace `sys.stdout`, so that nothing is written between them."""
    terminal, end = pty.openpty()
    screen = io.StringIO()
    monkeypatch.setattr(screen, "fileno", lambda: end, raising=False)
    monkeypatch.setattr(sys, "stdout", screen)
    StoppableMessageWriter().write_message(StateMessage({"upto": 1}))
    assert screen.getvalue() == '{"type":"STATE","value":{"upto":1}}\n'
    os.close(terminal)
    os.close(end)
