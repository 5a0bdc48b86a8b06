"""tap-pixxel and its loader, killed at random bytes: no record is lost or wrongly repeated."""

from __future__ import annotations

import json
import random
import signal
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from pixxel_sandbox import Sandbox
from tests import forkserver
from tests.kill_points import note_kill_on_failure
from tests.pipeline.memory_loader import MemoryLoader
from tests.pipeline.workspace_changes import change_workspace, tap_environment
from tests.tap_pixxel.syncs import sync
from tests.target_stac.exports import find_differences

if TYPE_CHECKING:
    from pathlib import Path

KILLS = 6
FIRST_KILL_BYTES = 900_000  # latest kill of a first run, whose output is more than twice as long


def run_tap_into_loader(
    sandbox: Sandbox, loader: MemoryLoader, folder: Path, kill: tuple[int, bool] | None
) -> tuple[int, int]:
    """Run the tap from the loader's STATE.

    Args:
        sandbox: The API.
        loader: The reader of the output.
        folder: Folder for the state file and the log.
        kill: Number of bytes after which the tap is killed, and whether the loader is killed too;
            if not, it reads the rest of the pipe.

    Returns:
        The tap's exit status, and the number of bytes read.
    """
    args = ["--config=ENV"]
    if loader.state:
        (folder / "state.json").write_text(json.dumps(loader.state))
        args.append(f"--state={folder / 'state.json'}")
    reader, writer = forkserver.open_pipe()
    env = tap_environment(sandbox)
    tap = forkserver.start_command("tap-pixxel", *args, stdout=writer, log=folder / "log", env=env)
    data = b""
    with closing(forkserver.read_chunks(reader, tap)) as chunks:
        for chunk in chunks:
            data += chunk
            if kill and len(data) >= kill[0]:
                tap.kill()
                if kill[1]:
                    data = data[: kill[0]]
                    break
    status = tap.wait()
    loader.load(data, has_ended=status == 0)
    return status, len(data)


@pytest.mark.timeout(900)
def test_pipeline_killed_repeatedly_loads_each_record_and_repeats_none_before_state(
    tmp_path: Path,
) -> None:
    rng = random.Random(1)  # noqa: S311 - positions of kills
    loader, killed, states = MemoryLoader(), 0, set()
    with Sandbox(seed=1, items=40) as sandbox:
        max_kill_bytes = FIRST_KILL_BYTES
        for _ in range(3 * KILLS):
            kill = (int(max_kill_bytes * rng.random()), rng.random() < 0.5)
            with note_kill_on_failure(kill):
                status, size = run_tap_into_loader(sandbox, loader, tmp_path, kill)
            assert status in {-signal.SIGKILL, 0}, (tmp_path / "log").read_text()[-2000:]
            killed += status < 0
            if status == 0:  # later runs emit little
                max_kill_bytes = min(max_kill_bytes, size)
            states.add(json.dumps(loader.state))
            change_workspace(sandbox, rng)
            if killed == KILLS:
                break
        for _ in range(2):  # the second emits what changed during the first
            assert run_tap_into_loader(sandbox, loader, tmp_path, None)[0] == 0
        complete = sync(sandbox)
    assert killed == KILLS
    assert any("backfill" in state for state in states), "no kill hit the first sync"
    assert len(states) > 2, "all kills hit the same position"
    expected = MemoryLoader()
    expected.load(
        b"".join(json.dumps(each).encode() + b"\n" for each in complete.messages), has_ended=True
    )
    assert find_differences(loader.rows(), expected.rows()) == []
