"""Tests of killed and stopped processes: all links resolve, and no STATE is emitted."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest

from target_stac.state.manifest import MANIFEST_FILE
from tests.target_stac.exports import (
    FORMATS,
    TARGET,
    Json,
    assert_links_resolve,
    encode_messages,
    export,
    make_collection,
    make_derived_item,
    make_environment,
    make_item,
    make_sync,
    set_properties,
    snapshot,
)

if TYPE_CHECKING:
    from pathlib import Path

PARTS = 5
"""Parts that every run changes: two collections, GeoParquet, the preview, the ndjson items."""


def make_objects(count: int, *, later: bool = False) -> list[Json]:
    """Make items of some months, half of them derived; `later` moves all by one month."""
    objects: list[Json] = [make_collection("l2a")]
    for n in range(count):
        day = f"2025-{(n + later) % 12 + 1:02}-{n % 28 + 1:02}"
        objects.append(make_item(f"{n:04}", day, collection="archive"))
        child_day = f"2024-{(n + later) % 12 + 1:02}-01"
        child = make_derived_item(f"of-{n:04}", f"{n:04}", day=child_day)
        objects.append(set_properties(child, title=f"{later}"))
    return objects


def start_target(output: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [TARGET, "--config=ENV"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=make_environment({"output": str(output), "formats": FORMATS}),
    )


def write_input(process: subprocess.Popen[bytes], lines: bytes) -> None:
    assert process.stdin
    process.stdin.write(lines)
    process.stdin.close()


def wait_for_file(file: Path, process: subprocess.Popen[bytes]) -> None:
    """Wait until a file exists or the process has ended."""
    while not file.exists() and process.poll() is None:
        time.sleep(0.001)


def read_output(process: subprocess.Popen[bytes]) -> tuple[bytes, str]:
    assert process.stdout
    assert process.stderr
    with process.stdout as out, process.stderr as err:
        return out.read(), err.read().decode()


@pytest.mark.parametrize(
    ("signum", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)], ids=["TERM", "INT"]
)
def test_signal_while_reading_leaves_export_unchanged(
    tmp_path: Path, signum: signal.Signals, status: int
) -> None:
    export(tmp_path, make_item("a"), formats=FORMATS)
    before = snapshot(tmp_path)
    process = start_target(tmp_path)
    assert process.stdin
    process.stdin.write(encode_messages(make_sync(make_item("b"))))
    process.stdin.flush()  # the input does not end
    assert process.stderr
    process.stderr.readline()  # the process runs
    time.sleep(0.3)
    process.send_signal(signum)
    assert process.wait(10) == status
    process.stdin.close()
    output, log = read_output(process)
    assert output == b""
    assert f"stopped by {signum.name}" in json.loads(log.splitlines()[-1])["message"]
    assert snapshot(tmp_path) == before


def test_sigterm_while_writing_exits_with_143_without_state(tmp_path: Path) -> None:
    process = start_target(tmp_path / "out")
    write_input(process, encode_messages(make_sync(*make_objects(600))))
    wait_for_file(tmp_path / "out" / MANIFEST_FILE, process)
    process.terminate()
    output, log = read_output(process)
    assert process.wait(10) == 143
    assert output == b""
    assert "Traceback" not in log
    assert_links_resolve(tmp_path / "out", whole=False)
    assert list(tmp_path.rglob("*.part")) == []


def test_stopped_run_removes_scratch_files(tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    variables: dict[str, Any] = {"output": str(tmp_path / "out"), "formats": FORMATS}
    process = subprocess.Popen(
        [TARGET, "--config=ENV"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=make_environment(variables) | {"TMPDIR": str(scratch)},
    )
    assert process.stdin
    process.stdin.write(encode_messages(make_sync(make_item("a"))))
    process.stdin.flush()
    while not list(scratch.rglob("index.sqlite")) and process.poll() is None:
        time.sleep(0.01)
    process.terminate()
    assert process.wait(10) == 143
    process.stdin.close()
    read_output(process)
    assert list(scratch.iterdir()) == []
