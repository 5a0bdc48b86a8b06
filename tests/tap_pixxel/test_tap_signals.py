"""SIGTERM and SIGINT mid-sync: whole lines, a final STATE to resume from, status 128 + n."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest

from pixxel_sandbox import Behavior, Sandbox
from tests.tap_pixxel.commands import TAP_COMMAND, make_environment
from tests.tap_pixxel.syncs import sync

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def large_sandbox() -> Iterator[Sandbox]:
    with Sandbox(seed=5, items=500) as sandbox:
        yield sandbox


def start_tap(sandbox: Sandbox, *args: str, **variables: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [TAP_COMMAND, "--config=ENV", *args],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=make_environment(
            TAP_PIXXEL_API_URL=sandbox.url, TAP_PIXXEL_API_TOKEN=sandbox.token, **variables
        ),
    )


def parse_messages(data: bytes) -> list[dict[str, Any]]:
    assert data.endswith(b"\n")
    return [json.loads(line) for line in data.splitlines()]


def read_some(process: subprocess.Popen[bytes], size: int) -> bytes:
    assert process.stdout
    data = b""
    while len(data) < size:
        data += os.read(process.stdout.fileno(), 1 << 16)
    return data


def read_rest(process: subprocess.Popen[bytes]) -> tuple[bytes, str]:
    assert process.stdout
    assert process.stderr
    data = b""
    while piece := os.read(process.stdout.fileno(), 1 << 20):
        data += piece
    log = process.stderr.read().decode()
    process.stdout.close()
    process.stderr.close()
    return data, log


@pytest.mark.parametrize(
    ("signum", "status", "reading"),
    [(signal.SIGTERM, 143, True), (signal.SIGINT, 130, False)],
    ids=["TERM, reading", "INT, reader stopped"],
)
def test_signal_during_sync_ends_with_whole_lines_and_final_state(
    large_sandbox: Sandbox, signum: signal.Signals, status: int, *, reading: bool
) -> None:
    process = start_tap(large_sandbox)
    data = read_some(process, 500_000)
    if not reading:
        time.sleep(0.5)  # the pipe fills, and the tap waits for its reader
    process.send_signal(signum)
    if not reading:
        assert process.wait(10) == status, "it must exit although nobody reads its output"
    tail, log = read_rest(process)
    assert process.wait(10) == status
    emitted = parse_messages(data + tail)
    assert emitted[-1]["type"] == "STATE"
    assert "Traceback" not in log
    assert f"stopped by {signum.name}" in log.splitlines()[-1]
    before = {m["record"]["id"] for m in emitted if m["type"] == "RECORD"}
    assert 0 < len(before) < 500
    resumed = sync(large_sandbox, "archive_items", state=emitted[-1]["value"])
    assert before | set(resumed.ids("archive_items")) == set(
        large_sandbox.workspace.ids("archive_items")
    )


@pytest.mark.parametrize(
    "behavior",
    [Behavior(latency_ms=20_000), Behavior(error_rate=1.0)],
    ids=["slow server", "between retries"],
)
def test_signal_ends_wait(behavior: Behavior) -> None:
    with Sandbox(seed=5, items=50, behavior=behavior) as sandbox:
        process = start_tap(sandbox)
        while not sandbox.requests:
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 143
        data, log = read_rest(process)
    assert "Traceback" not in log
    assert data == b"" or parse_messages(data)
