"""tap-pixxel and its reader killed at random bytes: nothing is lost, and little comes twice."""

from __future__ import annotations

import json
import random
import signal
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from pixxel_sandbox import Sandbox
from tests import forked
from tests.kills import noted
from tests.pipeline.moves import move_on, tap_environment
from tests.pipeline.warehouse import Warehouse
from tests.tap_pixxel.syncs import PRIMARY_KEYS, sync
from tests.target_stac.exports import find_differences

if TYPE_CHECKING:
    from pathlib import Path

KILLS = 10
SOME = 900_000  # bytes; all is more than twice of that


def run(
    sandbox: Sandbox, warehouse: Warehouse, folder: Path, kill: tuple[int, bool] | None
) -> tuple[int, int]:
    """Run the tap from the warehouse's STATE on.

    Args:
        sandbox: The API.
        warehouse: What reads.
        folder: For the state.
        kill: After how many bytes the tap is killed, and whether the reader is with it, or else
            reads what is in the pipe.

    Returns:
        The tap's exit status, and how many bytes came.
    """
    args = ["--config=ENV"]
    if warehouse.state:
        (folder / "state.json").write_text(json.dumps(warehouse.state))
        args.append(f"--state={folder / 'state.json'}")
    out, end = forked.pipe()
    env = tap_environment(sandbox)
    tap = forked.start("tap-pixxel", *args, stdout=end, log=folder / "log", env=env)
    data = b""
    with closing(forked.pieces(out, tap)) as pieces:
        for piece in pieces:
            data += piece
            if kill and len(data) >= kill[0]:
                tap.kill()
                if kill[1]:
                    data = data[: kill[0]]
                    break
    status = tap.status()
    warehouse.load(data, ended=status == 0)
    return status, len(data)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", [1, 2])
def test_each_record_is_with_the_reader_and_none_that_its_state_has_passed_comes_again(
    tmp_path: Path, seed: int
) -> None:
    rng = random.Random(seed)  # noqa: S311 - moments to kill at
    warehouse, killed, states = Warehouse(), 0, set()
    with Sandbox(seed=seed, items=40) as sandbox:
        some = SOME
        for _ in range(3 * KILLS):
            kill = (int(some * rng.random()), rng.random() < 0.5)
            with noted(kill):
                status, came = run(sandbox, warehouse, tmp_path, kill)
            assert status in {-signal.SIGKILL, 0}, (tmp_path / "log").read_text()[-2000:]
            killed += status < 0
            some = some if status < 0 else min(some, came)  # most runs bring little
            states.add(json.dumps(warehouse.state))
            move_on(sandbox, rng)
            if killed == KILLS:
                break
        for _ in range(2):  # what changed during the first sync comes with the one behind it
            assert run(sandbox, warehouse, tmp_path, None)[0] == 0
        whole = sync(sandbox)
    assert killed == KILLS
    assert any("backfill" in state for state in states), "no kill came in the first sync"
    assert len(states) > 2, "the kills came at one place"
    rows = {
        (name, record[PRIMARY_KEYS.get(name, "id")]): record
        for name, records in whole.records.items()
        for record in records
    }
    assert find_differences(warehouse.rows(), rows) == []
