"""StoppableMessageWriter and PipeWriter: reserve, closed readers, files and buffers."""

from __future__ import annotations

import fcntl
import io
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from singer_sdk.singerlib import RecordMessage, StateMessage

from pixxel_singer.errors import OutputClosedError
from pixxel_singer.message_writer import PipeWriter, StoppableMessageWriter
from pixxel_singer.signals import StopRequested
from tests.pixxel_singer.test_message_writer import drain, pipe_ends

__all__ = ["pipe_ends"]

FULL = Path("/dev/full")
RECORD = RecordMessage(stream="orders", record={"id": "a", "note": "x" * 9_000})


def fill(writer: StoppableMessageWriter) -> None:
    while True:
        writer.write_message(RECORD)


def test_reserve_fits_last_state_as_large_as_earlier_ones(
    monkeypatch: pytest.MonkeyPatch, pipe_ends: tuple[int, int]
) -> None:
    reading, writing = pipe_ends
    stop_at = time.monotonic() + 0.5

    def stop() -> None:
        if time.monotonic() > stop_at:
            raise StopRequested(15)

    state = {"bookmarks": {f"stream-{i}": "x" * 100 for i in range(1_000)}}
    with os.fdopen(writing, "w", closefd=False) as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        monkeypatch.setattr("pixxel_singer.message_writer._LAST_STATE_SECONDS", 0.1)
        writer = StoppableMessageWriter()
        writer.check = stop
        writer.write_message(StateMessage(value=state))
        with pytest.raises(StopRequested):
            fill(writer)
        assert writer.write_last_state(state)
    lines = drain(reading).splitlines()
    assert json.loads(lines[-1])["value"] == state


def test_started_long_line_after_stop_waits_for_reader(
    pipe_ends: tuple[int, int],
) -> None:
    reading, writing = pipe_ends
    stops: list[bytes] = []

    def stop() -> None:  # the reader reads only after a stop request
        stops.append(drain(reading))
        raise StopRequested(15)

    line = bytearray(b"x" * 3_000_000 + b"\n")
    PipeWriter(writing, stop).write(line, reserve=4)
    assert stops
    assert b"".join(stops) + drain(reading) == bytes(line)


def test_partial_line_after_stop_prevents_last_state(
    monkeypatch: pytest.MonkeyPatch, pipe_ends: tuple[int, int]
) -> None:
    reading, writing = pipe_ends
    monkeypatch.setattr("pixxel_singer.message_writer._LAST_STATE_SECONDS", 0.15)
    stopped: list[bool] = []

    def stop() -> None:
        if stopped:
            raise StopRequested(15)
        stopped.append(True)

    with os.fdopen(writing, "w", closefd=False) as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        writer = StoppableMessageWriter()
        writer.check = stop
        with pytest.raises(StopRequested):
            writer.write_message(RecordMessage(stream="orders", record={"id": "x" * 3_000_000}))
        partial_line = drain(reading)
        assert partial_line
        assert b"\n" not in partial_line
        assert not writer.write_last_state({"a": 1})
    assert drain(reading) == b""


def test_last_state_to_closed_reader_is_not_written(
    monkeypatch: pytest.MonkeyPatch, pipe_ends: tuple[int, int]
) -> None:
    reading, writing = pipe_ends
    with os.fdopen(writing, "w", closefd=False) as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        writer = StoppableMessageWriter()
        writer.write_message(RECORD)
        os.close(reading)
        assert not writer.write_last_state({"a": 1})


@pytest.mark.skipif(not FULL.exists(), reason="this system has no full device")
def test_full_disk_raises_output_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    with FULL.open("w") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        with pytest.raises(OutputClosedError):
            StoppableMessageWriter().write_message(RECORD)


def test_writer_to_file_writes_lines(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    with path.open("w") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        writer = StoppableMessageWriter()
        writer.write_message(RECORD)
        assert writer.write_last_state({"a": 1})
    assert [json.loads(line)["type"] for line in path.read_text().splitlines()] == [
        "RECORD",
        "STATE",
    ]


def test_writer_to_memory_buffer_writes_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    buffer = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(buffer))
    StoppableMessageWriter().write_message(RECORD)
    assert json.loads(buffer.getvalue())["type"] == "RECORD"


def test_pipe_that_cannot_grow_is_used_unchanged(
    monkeypatch: pytest.MonkeyPatch, pipe_ends: tuple[int, int]
) -> None:
    """The user's limit of pipe memory may be reached."""
    reading, writing = pipe_ends
    original_fcntl = fcntl.fcntl

    def refuse_to_grow(fd: int, command: int, *args: Any) -> Any:
        if command == fcntl.F_SETPIPE_SZ:
            raise PermissionError
        return original_fcntl(fd, command, *args)

    monkeypatch.setattr(fcntl, "fcntl", refuse_to_grow)
    pipe = PipeWriter(writing, lambda: None)
    line = bytearray(b"x" * 9_999 + b"\n")
    written = 0
    while pipe.write(line, reserve=0, timeout=0.05):
        written += 1
    assert written * len(line) <= original_fcntl(writing, fcntl.F_GETPIPE_SZ)
    assert drain(reading) == bytes(line) * written


def test_signal_during_write_does_not_truncate_line(pipe_ends: tuple[int, int]) -> None:
    """A signal interrupts a long write; the rest must follow."""
    reading, writing = pipe_ends
    received = bytearray()

    def read() -> None:
        time.sleep(0.2)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)
        time.sleep(0.2)
        while chunk := os.read(reading, 1 << 16):
            received.extend(chunk)

    reader = threading.Thread(target=read)
    before = signal.signal(signal.SIGUSR1, lambda *_: None)
    try:
        reader.start()
        line = bytearray(b"x" * 5_000_000 + b"\n")
        PipeWriter(writing, lambda: None).write(line, reserve=4)
        os.close(writing)
        reader.join()
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert bytes(received) == bytes(line)


def test_message_after_stop_is_not_written(
    monkeypatch: pytest.MonkeyPatch, pipe_ends: tuple[int, int]
) -> None:
    reading, writing = pipe_ends

    def stop() -> None:
        raise StopRequested(15)

    with os.fdopen(writing, "w", closefd=False) as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        writer = StoppableMessageWriter()
        writer.check = stop
        with pytest.raises(StopRequested):
            writer.write_message(RECORD)
    assert drain(reading) == b""
