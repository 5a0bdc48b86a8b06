"""tap-pixxel and its reader killed at random bytes: nothing is lost, and little comes twice."""

from __future__ import annotations

import json
import os
import random
import signal
from typing import TYPE_CHECKING

import pytest

from pixxel_sandbox import Sandbox
from tests import forked
from tests.pipeline.moves import move_on, tap_environment
from tests.pipeline.warehouse import Warehouse
from tests.tap.syncs import KEYS, sync

if TYPE_CHECKING:
    from pathlib import Path

KILLS = 10
SOME = 900_000  # bytes; all is more than twice of that


def run(sandbox: Sandbox, warehouse: Warehouse, folder: Path, kill: tuple[int, bool] | None) -> int:
    """Run the tap from the warehouse's STATE on.

    Args:
        sandbox: The API.
        warehouse: What reads.
        folder: For the state.
        kill: After how many bytes the tap is killed, and whether the reader is with it, or else
            reads what is in the pipe.

    Returns:
        The tap's exit status.
    """
    args = ["--config=ENV"]
    if warehouse.state:
        (folder / "state.json").write_text(json.dumps(warehouse.state))
        args.append(f"--state={folder / 'state.json'}")
    out, end = forked.pipe()
    env = tap_environment(sandbox)
    tap = forked.start("tap-pixxel", *args, stdout=end, log=folder / "log", env=env)
    data = b""
    with out:
        while piece := os.read(out.fileno(), 1 << 14):
            data += piece
            if kill and len(data) >= kill[0]:
                tap.kill()
                if kill[1]:
                    data = data[: kill[0]]
                    break
    status = forked.status(tap)
    warehouse.load(data, ended=status == 0)
    return status


@pytest.mark.parametrize("seed", [1, 2])
def test_each_record_is_with_the_reader_and_none_that_its_state_has_passed_comes_again(
    tmp_path: Path, seed: int
) -> None:
    rng = random.Random(seed)  # noqa: S311 - moments to kill at
    warehouse, killed, states = Warehouse(), 0, set()
    with Sandbox(seed=seed, items=40) as sandbox:
        while killed < KILLS:
            status = run(
                sandbox, warehouse, tmp_path, (int(SOME * rng.random() ** 2), rng.random() < 0.5)
            )
            assert status in {-signal.SIGKILL, 0}, (tmp_path / "log").read_text()[-2000:]
            killed += status < 0
            states.add(json.dumps(warehouse.state))
            move_on(sandbox, rng)
        for _ in range(2):  # what changed during the first sync comes with the one behind it
            assert run(sandbox, warehouse, tmp_path, None) == 0
        whole = sync(sandbox)
    assert any("backfill" in state for state in states), "no kill came in the first sync"
    assert len(states) > KILLS // 2
    assert warehouse.tables == {
        name: {record[KEYS.get(name, "id")]: record for record in records}
        for name, records in whole.records.items()
    }
