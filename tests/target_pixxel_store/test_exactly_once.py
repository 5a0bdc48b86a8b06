"""The guarantee: a rerun after a kill at any moment delivers nothing twice and forgets nothing."""

from __future__ import annotations

import json
import random
import signal
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import pytest

from pixxel_sandbox import Behavior, Sandbox
from tests import forkserver
from tests.kill_points import KillAtRequest, note_kill_on_failure
from tests.target_pixxel_store.delay_limiter import (
    MAX_LATE_SECONDS,
    MAX_LIST_LAG,
    DelayLimiter,
    wait_for_late_writes,
)
from tests.target_pixxel_store.target_harness import (
    TargetHarness,
    clean_environment,
    delivery_request,
    schema,
    serialize_messages,
    state,
)
from tests.wrong_clock import FAST, SLOW, WrongClock, make_stepping_clock

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pixxel_sandbox import RequestRecord
    from tests.target_pixxel_store.target_harness import Json

BATCH = 7
UNDELIVERED_COUNT = 8 * BATCH
"""Number of undelivered catalogs at the start of a run that will be killed."""
SETTLE_SECONDS = 0.8
WRITE_SECONDS = 1.0
"""Deadline of a write, which the next run waits for, too."""
BEHAVIOR = {
    "latency_ms": 10,
    "drop_accepted": 0.05,
    "accept_part": 0.05,
    "accept_late_seconds": MAX_LATE_SECONDS,
    "list_lag": MAX_LIST_LAG,
    "delivery_seconds": 0.0,
}


class KillTime(NamedTuple):
    """The moment at which a run is killed.

    Attributes:
        writes: Number of writes that the sandbox has received.
        seconds: Seconds since the last of them.
        late: Whether the sandbox accepts the last of them late, so that the next run does not find
            what it created in the list at first.
    """

    writes: int
    seconds: float
    late: bool

    @classmethod
    def random(cls, rng: random.Random) -> KillTime:
        """Return a random moment."""
        seconds = rng.choice([0.0, rng.uniform(0, 0.03), MAX_LATE_SECONDS / 2])
        return cls(rng.randint(1, 6), seconds, late=rng.random() < 0.5)

    def make_earlier(self) -> KillTime:
        """Return an earlier moment, for use after a run that ended before this one."""
        return self._replace(writes=(self.writes + 1) // 2, seconds=0.0)


def is_delivery_post(request: RequestRecord) -> bool:
    """Return whether a request creates deliveries."""
    return request.method == "POST" and request.path.endswith("/deliveries")


def run_target(
    harness: TargetHarness,
    delay_limiter: DelayLimiter,
    requests: list[Json],
    start: int,
    kill: KillTime | None,
    *,
    clock: WrongClock | None,
    is_write: Callable[[RequestRecord], bool] = is_delivery_post,
) -> tuple[int, int]:
    """Run the target from a STATE and kill it at the given time.

    Args:
        harness: Provides the config, the log and the sandbox.
        delay_limiter: Receives the sandbox's requests.
        requests: RECORD messages of one stream.
        start: The STATE: the number of requests that earlier runs have finished.
        kill: When to kill the run; None runs it to its end.
        clock: The run's wall clock; None for the right one.
        is_write: Returns whether a request to the sandbox is one that `kill` counts.

    Returns:
        The exit status, and the last STATE that the run wrote.
    """
    messages = [schema(requests[0]["stream"], [])]
    for at, request in enumerate(requests[start:], start + 1):
        messages += [request, state(at)]
    path = harness.folder / "input.singer"
    path.write_text(serialize_messages(*messages))
    config = harness.write_config(
        settle_seconds=SETTLE_SECONDS,
        request_timeout=WRITE_SECONDS,
        batch_size=BATCH,
        max_deliveries=len(requests),
    )
    output, end = forkserver.open_pipe()
    target = forkserver.start_command(
        "target-pixxel-store",
        f"--config={config}",
        stdin=path,
        stdout=end,
        log=harness.folder / "log",
        env=clean_environment(),
        clock=clock,
    )
    if kill:
        kill_point = KillAtRequest(kill.writes, kill.seconds, is_counted=is_write)
        kill_point.set_targets(target)
        delay_limiter.kill, delay_limiter.late = kill_point, kill.late
    written = b"".join(forkserver.read_chunks(output, target))
    status = target.wait()
    delay_limiter.kill = None
    upto = [json.loads(line)["upto"] for line in written.splitlines() if line.endswith(b"}")]
    return status, max(upto, default=start)


@pytest.mark.timeout(900)
@pytest.mark.parametrize(("kills", "lost"), [(9, "nothing"), (3, "state and journal")])
def test_delivery_run_killed_repeatedly_delivers_each_once(
    tmp_path: Path, kills: int, lost: str
) -> None:
    rng = random.Random(kills)  # noqa: S311 - chooses when to kill
    ids: list[str] = []
    upto, killed, kill = 0, 0, KillTime.random(rng)
    with Sandbox(items=40, seed=kills, behavior=Behavior(**BEHAVIOR)) as sandbox:  # type: ignore[arg-type]  # of several types
        harness = TargetHarness(sandbox, tmp_path)
        sandbox.on_request = delay_limiter = DelayLimiter(sandbox, is_delivery_post)
        for _ in range(2 * kills):
            delivered = {row["catalog_id"] for row in harness.list_deliveries()}
            ids += [
                sandbox.workspace.insert("catalogs", {"task_id": None})
                for _ in range(UNDELIVERED_COUNT - len(set(ids) - delivered))
            ]
            clock = rng.choice([None, SLOW, FAST, make_stepping_clock(len(ids))])
            with note_kill_on_failure((kill, clock)):
                requests = [*map(delivery_request, ids)]
                status, upto = run_target(harness, delay_limiter, requests, upto, kill, clock=clock)
                assert status in {-signal.SIGKILL, 0}, (tmp_path / "log").read_text()[-4000:]
            killed += status < 0
            kill = KillTime.random(rng) if status < 0 else kill.make_earlier()
            if "state" in lost:
                upto = 0
            if "journal" in lost:
                harness.journal_path.unlink()
            if killed == kills:
                break
        sandbox.behavior = Behavior(latency_ms=10, drop_accepted=0.05)
        status, upto = run_target(
            harness,
            delay_limiter,
            [*map(delivery_request, ids)],
            upto,
            None,
            clock=make_stepping_clock(0),
        )
        assert (status, upto) == (0, len(ids)), (tmp_path / "log").read_text()[-4000:]
        assert killed == kills
        wait_for_late_writes(sandbox)
        counts = Counter(row["catalog_id"] for row in harness.list_deliveries())
    assert {key: counts[key] for key in ids if counts[key] != 1} == {}
