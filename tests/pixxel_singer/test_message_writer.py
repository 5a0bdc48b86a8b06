"""Lines are whole whatever the reader does, and a stop ends the waiting for it."""

from __future__ import annotations

import itertools
import os
import threading
import time
from typing import TYPE_CHECKING

import pytest

from pixxel_singer.errors import OutputClosedError
from pixxel_singer.message_writer import PipeWriter
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
        while piece := os.read(fd, 1 << 20):
            data += piece
    except BlockingIOError:
        pass
    os.set_blocking(fd, True)
    return data


def fill(pipe: PipeWriter, line: bytearray, until: type[BaseException]) -> int:
    """Write a line again and again until an exception; count the whole ones."""
    for written in itertools.count():
        try:
            pipe.write(line, reserve=4)
        except until:
            return written
    raise AssertionError


@pytest.mark.parametrize("length", [50, 2100, 4096, 22_000, 200_000])
def test_a_stop_with_an_unread_pipe_leaves_whole_lines_and_room_for_a_state(
    pipe_ends: tuple[int, int], length: int
) -> None:
    """Lines of 2,100 bytes take a page each, so counting bytes alone would block."""
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


def test_a_slow_reader_gets_every_line(pipe_ends: tuple[int, int]) -> None:
    reading, writing = pipe_ends
    lines = [bytearray(b"%d" % i * (1 + i * 37 % 9_000) + b"\n") for i in range(600)]
    received: list[bytes] = []

    def read() -> None:
        while piece := os.read(reading, 7_001):
            received.append(piece)
            time.sleep(0.0005)

    reader = threading.Thread(target=read)
    reader.start()
    pipe = PipeWriter(writing, lambda: None)
    for line in lines:
        assert pipe.write(line, reserve=4)
    os.close(writing)
    reader.join()
    assert b"".join(received) == b"".join(lines)


def test_a_line_longer_than_the_pipe_still_goes_through(pipe_ends: tuple[int, int]) -> None:
    reading, writing = pipe_ends
    received: list[bytes] = []

    def read() -> None:
        while piece := os.read(reading, 1 << 16):
            received.append(piece)

    reader = threading.Thread(target=read)
    reader.start()
    line = bytearray(b"x" * 5_000_000 + b"\n")
    PipeWriter(writing, lambda: None).write(line, reserve=4)
    os.close(writing)
    reader.join()
    assert b"".join(received) == line


def test_a_reader_that_is_gone_is_noticed_while_waiting(pipe_ends: tuple[int, int]) -> None:
    reading, writing = pipe_ends
    pipe = PipeWriter(writing, lambda: None)
    threading.Timer(0.2, os.close, [reading]).start()
    fill(pipe, bytearray(b"x" * 9_999 + b"\n"), until=OutputClosedError)


def test_without_room_in_time_nothing_of_the_line_is_written(pipe_ends: tuple[int, int]) -> None:
    reading, writing = pipe_ends
    pipe = PipeWriter(writing, lambda: None)
    while pipe.write(bytearray(b"x" * 60_000 + b"\n"), reserve=0, timeout=0.05):
        pass
    data = drain(reading)
    assert data.endswith(b"\n")
    assert len(data) % 60_001 == 0
