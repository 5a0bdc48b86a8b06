"""The guarantee: killed at any moment and run again, nothing is delivered twice or forgotten."""

from __future__ import annotations

import json
import random
import re
import signal
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import pytest

from pixxel_sandbox import Behavior, Sandbox
from tests import forkserver
from tests.kill_points import KillAtRequest, note_kill_on_failure
from tests.target_pixxel_store.target_runner import (
    Workplace,
    environment,
    request,
    schema,
    state,
    text_of,
)

if TYPE_CHECKING:
    from pathlib import Path

    from pixxel_sandbox import RequestRecord, Workspace

BATCH = 7
ENOUGH = 8 * BATCH
"""Catalogs that are not delivered yet when a run begins that is to be killed."""
SETTLE = 1.0
LATE = 0.4
LAG = 0.2
ACCEPT_LATE = 0.15
HABITS = {
    "latency_ms": 10,
    "drop_accepted": 0.05,
    "accept_part": 0.05,
    "delivery_seconds": 0.0,
}


class Kill(NamedTuple):
    """When to kill a run.

    Attributes:
        writes: How many have come in.
        seconds: How long ago that is.
        late: Whether the last of them is accepted late, so that the next run does not see it yet.
    """

    writes: int
    seconds: float
    late: bool

    @classmethod
    def random(cls, rng: random.Random) -> Kill:
        """Give one."""
        seconds = rng.choice([0.0, rng.uniform(0, 0.03), LATE / 2])
        return cls(rng.randint(1, 6), seconds, late=rng.random() < 0.5)

    def earlier(self) -> Kill:
        """Give what surely comes before it, for a run that it came too late for."""
        return self._replace(writes=(self.writes + 1) // 2, seconds=0.0)


def writes(asked: RequestRecord) -> bool:
    """Tell whether a request asks for deliveries."""
    return asked.method == "POST" and asked.path.endswith("/deliveries")


class Punctual:
    """Has a sandbox list what it is asked for within `LATE` and `LAG`, however slow the machine is.

    The target counts `SETTLE` from the line in its journal. The request may arrive long after that
    line, then the sandbox is less late; and what a stalled sandbox has not come to is done before
    it answers.

    Attributes:
        kill: Is told of each request, too.
        late: Whether the write that it comes at is accepted late.
    """

    def __init__(self, place: Workplace) -> None:
        self._place = place
        self._noted = 0.0
        self.kill: KillAtRequest | None = None
        self.late = False

    def __call__(self, asked: RequestRecord, workspace: Workspace) -> None:
        sandbox = self._place.sandbox
        if writes(asked):
            self._noted = self._last_intent()
        left = self._noted + LATE + LAG - time.time()
        if left <= 0:
            self._catch_up(sandbox)
        if self.kill:
            self.kill(asked, workspace)
        if writes(asked):
            sandbox.behavior = replace(
                sandbox.behavior,
                accept_late=1.0 if self.late and self.kill and self.kill.reached else ACCEPT_LATE,
                accept_late_seconds=max(left - LAG, 0.0),
                list_lag=max(min(left, LAG), 0.0),
            )

    def _last_intent(self) -> float:
        journal = b""
        with suppress(FileNotFoundError):  # it may be lost by now
            journal = self._place.journal.read_bytes()
        moments = re.findall(rb'"is":"intent","at":([\d.]+),', journal)
        return float(moments[-1]) if moments else time.time()

    def _catch_up(self, sandbox: Sandbox) -> None:
        state = sandbox._state
        with state.scheduler._changed:
            overdue = [job for _, _, job in sorted(state.scheduler._queue)]
            state.scheduler._queue.clear()
        for job in overdue:
            job()
        state.listed_from.clear()


def run(
    place: Workplace, punctual: Punctual, ids: list[str], since: int, kill: Kill | None
) -> tuple[int, int]:
    """Run the target from a STATE on, killed in the middle if need be.

    Args:
        place: Where.
        punctual: What hears the sandbox's requests.
        ids: The catalogs to have delivered.
        since: The STATE: how many of them were done before.
        kill: When to kill it.

    Returns:
        The exit status, and the last STATE that it wrote.
    """
    messages = [schema("delivery_requests")]
    for at, key in enumerate(ids[since:], since + 1):
        messages += [request(key), state(at)]
    path = place.folder / "input.singer"
    path.write_text(text_of(*messages))
    config = place.config(settle_seconds=SETTLE, batch_size=BATCH, max_deliveries=len(ids))
    said, end = forkserver.open_pipe()
    target = forkserver.start_command(
        "target-pixxel-store",
        f"--config={config}",
        stdin=path,
        stdout=end,
        log=place.folder / "log",
        env=environment(),
    )
    if kill:
        at_write = KillAtRequest(kill.writes, kill.seconds, is_counted=writes)
        at_write.set_targets(target)
        punctual.kill, punctual.late = at_write, kill.late
    out = b"".join(forkserver.read_chunks(said, target))
    status = target.wait()
    punctual.kill = None
    upto = [json.loads(line)["upto"] for line in out.splitlines() if line.endswith(b"}")]
    return status, max(upto, default=since)


def wait_for_the_late(sandbox: Sandbox) -> None:
    """Wait until all that was accepted late is there; a sandbox does its jobs in their order."""
    done = threading.Event()
    sandbox._state.scheduler.call_later(LATE, done.set)
    assert done.wait(forkserver.TIMEOUT_SECONDS)


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("kills", "lost"), [(20, "nothing"), (4, "state"), (4, "journal"), (3, "state and journal")]
)
def test_exactly_one_delivery_each(tmp_path: Path, kills: int, lost: str) -> None:
    rng = random.Random(kills)  # noqa: S311 - moments to kill at
    ids: list[str] = []
    upto, killed, kill = 0, 0, Kill.random(rng)
    with Sandbox(items=40, seed=kills, behavior=Behavior(**HABITS)) as sandbox:  # type: ignore[arg-type]  # of several types
        place = Workplace(sandbox, tmp_path)
        sandbox.on_request = punctual = Punctual(place)
        for _ in range(2 * kills):
            there = {row["catalog_id"] for row in place.listed()}
            ids += [
                sandbox.workspace.insert("catalogs", {"task_id": None})
                for _ in range(ENOUGH - len(set(ids) - there))
            ]
            with note_kill_on_failure(kill):
                status, upto = run(place, punctual, ids, upto, kill)
                assert status in {-signal.SIGKILL, 0}, (tmp_path / "log").read_text()[-4000:]
            killed += status < 0
            kill = Kill.random(rng) if status < 0 else kill.earlier()
            if "state" in lost:
                upto = 0
            if "journal" in lost:
                place.journal.unlink()
            if killed == kills:
                break
        sandbox.behavior = Behavior(latency_ms=10, drop_accepted=0.05)
        status, upto = run(place, punctual, ids, upto, None)
        assert (status, upto) == (0, len(ids)), (tmp_path / "log").read_text()[-4000:]
        assert killed == kills
        wait_for_the_late(sandbox)
        got = Counter(row["catalog_id"] for row in place.listed())
    assert {key: got[key] for key in ids if got[key] != 1} == {}
