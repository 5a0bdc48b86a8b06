"""The process killed at any moment, or asked to stop: nothing dangles, and no STATE is told."""

from __future__ import annotations

import json
import random
import shutil
import signal
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.stac_target.exports import (
    TARGET,
    TREE,
    Json,
    as_lines,
    collection,
    derived,
    environment,
    export,
    item,
    links_resolve,
    snapshot,
    sync,
    with_properties,
)

if TYPE_CHECKING:
    from pathlib import Path

FORMATS = [*TREE, "geoparquet"]
KILLS = 3


def objects(count: int, *, later: bool = False) -> list[Json]:
    """Items of some months, half of them derived from the others; later they have moved a month."""
    made: list[Json] = [collection("l2a")]
    for n in range(count):
        day = f"2025-{(n + later) % 12 + 1:02}-{n % 28 + 1:02}"
        made.append(item(f"{n:04}", day, collection="archive"))
        child = derived(f"of-{n:04}", f"{n:04}", day=f"2024-{n % 12 + 1:02}-01")
        made.append(with_properties(child, title=f"{later}"))
    return made


def start(output: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [TARGET, "--config=ENV"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment({"output": str(output), "formats": FORMATS}),
    )


def feed(process: subprocess.Popen[bytes], lines: bytes) -> None:
    assert process.stdin
    process.stdin.write(lines)
    process.stdin.close()


def wait_for(file: Path, process: subprocess.Popen[bytes]) -> None:
    """Wait until a run has begun to write."""
    while not file.exists() and process.poll() is None:
        time.sleep(0.001)


def rest_of(process: subprocess.Popen[bytes]) -> tuple[bytes, str]:
    assert process.stdout
    assert process.stderr
    with process.stdout as out, process.stderr as err:
        return out.read(), err.read().decode()


@pytest.mark.parametrize("run", ["first", "update"])
def test_a_kill_leaves_links_that_resolve_and_the_next_run_does_all(
    tmp_path: Path, run: str
) -> None:
    before, out = tmp_path / "before", tmp_path / "out"
    before.mkdir()
    if run == "update":
        export(before, *objects(150), formats=FORMATS)
    brought = objects(160, later=True)
    lines = as_lines(sync(*brought))
    whole = shutil.copytree(before, tmp_path / "whole")
    begun = time.monotonic()
    export(whole, *brought, formats=FORMATS)
    typical = time.monotonic() - begun
    expected = snapshot(whole)
    moments = random.Random(7)  # noqa: S311 - moments, not secrets
    halfway = 0
    for _ in range(KILLS):
        shutil.rmtree(out, ignore_errors=True)
        shutil.copytree(before, out)
        process = start(out)
        feed(process, lines)
        wait_for(out / ".unfinished", process)
        time.sleep(moments.uniform(0, 0.9 * typical))
        process.kill()
        told, _ = rest_of(process)
        if process.wait(10) == -signal.SIGKILL and (out / ".unfinished").exists():
            halfway += 1
            assert told == b""
        links_resolve(out, whole=False)
        export(out, *brought, formats=FORMATS)
        assert snapshot(out) == expected
    assert halfway, "no kill came while the export was being written"


@pytest.mark.parametrize(
    ("signum", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)], ids=["TERM", "INT"]
)
def test_a_signal_while_reading_leaves_the_export_as_it_was(
    tmp_path: Path, signum: signal.Signals, status: int
) -> None:
    export(tmp_path, item("a"), formats=FORMATS)
    before = snapshot(tmp_path)
    process = start(tmp_path)
    assert process.stdin
    process.stdin.write(as_lines(sync(item("b"))))
    process.stdin.flush()  # and never ends
    assert process.stderr
    process.stderr.readline()  # it is up
    time.sleep(0.3)
    process.send_signal(signum)
    assert process.wait(10) == status
    process.stdin.close()
    told, log = rest_of(process)
    assert told == b""
    assert f"stopped by {signum.name}" in json.loads(log.splitlines()[-1])["message"]
    assert snapshot(tmp_path) == before


def test_a_signal_while_writing_ends_with_143_without_state(tmp_path: Path) -> None:
    process = start(tmp_path / "out")
    feed(process, as_lines(sync(*objects(600))))
    wait_for(tmp_path / "out/.unfinished", process)
    process.terminate()
    told, log = rest_of(process)
    assert process.wait(10) == 143
    assert told == b""
    assert "Traceback" not in log
    links_resolve(tmp_path / "out", whole=False)
    assert list(tmp_path.rglob("*.part")) == []


def test_scratch_files_do_not_outlive_a_stopped_run(tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    variables: dict[str, Any] = {"output": str(tmp_path / "out"), "formats": FORMATS}
    process = subprocess.Popen(
        [TARGET, "--config=ENV"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(variables) | {"TMPDIR": str(scratch)},
    )
    assert process.stdin
    process.stdin.write(as_lines(sync(item("a"))))
    process.stdin.flush()
    while not list(scratch.rglob("index.sqlite")) and process.poll() is None:
        time.sleep(0.01)
    process.terminate()
    assert process.wait(10) == 143
    process.stdin.close()
    rest_of(process)
    assert list(scratch.iterdir()) == []
