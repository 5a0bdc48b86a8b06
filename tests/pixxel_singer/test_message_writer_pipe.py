"""LineWriter: where standard output is no pipe, and what it keeps room for."""

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


def test_a_reader_that_is_gone_is_noticed_at_the_next_line(pipe_ends: tuple[int, int]) -> None:
    """There is room, so nothing is waited for; the write itself tells."""
    reading, writing = pipe_ends
    pipe = PipeWriter(writing, lambda: None)
    os.close(reading)
    with pytest.raises(OutputClosedError):
        pipe.write(bytearray(b"x\n"), reserve=4)


def test_after_a_stop_no_message_is_begun(
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


def test_room_is_kept_for_a_last_state_as_large_as_those_before(
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


def test_after_a_stop_a_line_longer_than_the_pipe_waits_for_its_reader(
    pipe_ends: tuple[int, int],
) -> None:
    reading, writing = pipe_ends
    stops: list[bytes] = []

    def stop() -> None:  # the reader reads only when a stop was met
        stops.append(drain(reading))
        raise StopRequested(15)

    line = bytearray(b"x" * 3_000_000 + b"\n")
    PipeWriter(writing, stop).write(line, reserve=4)
    assert stops
    assert b"".join(stops) + drain(reading) == bytes(line)


def test_a_line_that_nobody_reads_on_is_given_up_and_no_state_is_put_behind_it(
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
        begun = drain(reading)
        assert begun
        assert b"\n" not in begun
        assert not writer.write_last_state({"a": 1})
    assert drain(reading) == b""


def test_a_last_state_for_a_reader_that_is_gone_is_not_written(
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
def test_a_full_disk_is_no_longer_written_to(monkeypatch: pytest.MonkeyPatch) -> None:
    with FULL.open("w") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        with pytest.raises(OutputClosedError):
            StoppableMessageWriter().write_message(RECORD)


def test_lines_go_to_a_file_as_well(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
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


def test_lines_go_to_a_buffer_in_memory_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    buffer = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(buffer))
    StoppableMessageWriter().write_message(RECORD)
    assert json.loads(buffer.getvalue())["type"] == "RECORD"


def test_a_pipe_that_may_not_grow_is_used_as_it_is(
    monkeypatch: pytest.MonkeyPatch, pipe_ends: tuple[int, int]
) -> None:
    """The user's share of pipe memory may be spent."""
    reading, writing = pipe_ends
    control = fcntl.fcntl

    def refuse_to_grow(fd: int, command: int, *args: Any) -> Any:
        if command == fcntl.F_SETPIPE_SZ:
            raise PermissionError
        return control(fd, command, *args)

    monkeypatch.setattr(fcntl, "fcntl", refuse_to_grow)
    pipe = PipeWriter(writing, lambda: None)
    line = bytearray(b"x" * 9_999 + b"\n")
    written = 0
    while pipe.write(line, reserve=0, timeout=0.05):
        written += 1
    assert written * len(line) <= control(writing, fcntl.F_GETPIPE_SZ)
    assert drain(reading) == bytes(line) * written


def test_a_signal_does_not_cut_a_line_that_is_being_written(pipe_ends: tuple[int, int]) -> None:
    """A signal ends a long write early; the rest must follow."""
    reading, writing = pipe_ends
    received = bytearray()

    def read() -> None:
        time.sleep(0.2)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)
        time.sleep(0.2)
        while piece := os.read(reading, 1 << 16):
            received.extend(piece)

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
