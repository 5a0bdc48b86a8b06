"""The guarantee for each kind of object: whatever is killed, lost or late, each is created once."""

from __future__ import annotations

import random
import signal
from collections import Counter
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from pixxel_sandbox import Behavior, Sandbox
from pixxel_sandbox.endpoints import aois, indices
from tests.kill_points import note_kill_on_failure
from tests.target_pixxel_store.delay_limiter import (
    MAX_LATE_SECONDS,
    MAX_LIST_LAG,
    DelayLimiter,
    wait_for_late_writes,
)
from tests.target_pixxel_store.objects.object_requests import (
    aoi_request,
    index_request,
    visualization_request,
)
from tests.target_pixxel_store.target_harness import TargetHarness
from tests.target_pixxel_store.test_exactly_once import KillTime, run_target
from tests.wrong_clock import FAST, SLOW, make_stepping_clock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pixxel_sandbox import RequestRecord
    from tests.target_pixxel_store.target_harness import Json

KILLS = 3
OBJECT_COUNT = 20  # more than the runs that are killed create
BEHAVIOR = Behavior(
    drop_accepted=0.1,
    fail_accepted=0.1,
    accept_late_seconds=MAX_LATE_SECONDS,
    list_lag=MAX_LIST_LAG,
)


class Kind(NamedTuple):
    """A kind of object.

    Attributes:
        identity: The fields of a row that identify it.
        path_end: How the path ends at which it is created.
        make_requests: Yields requests for objects that do not exist.
    """

    identity: tuple[str, ...]
    path_end: str
    make_requests: Callable[[Sandbox], Iterator[Json]]


def make_aoi_requests(sandbox: Sandbox) -> Iterator[Json]:
    ids = {
        "project_id": sandbox.workspace.ids("projects")[0],
        "satellite_id": sandbox.workspace.ids("satellites")[0],
    }
    yield from (aoi_request(f"field {at}", **ids) for at in range(OBJECT_COUNT))


def make_index_requests(sandbox: Sandbox) -> Iterator[Json]:
    satellites = sandbox.workspace.ids("satellites")
    for at in range(OBJECT_COUNT):
        satellite = satellites[at % len(satellites)]
        yield index_request(f"index {at // 3}", satellite, expression=f"B0{at % 3 + 1}/B04")


def make_visualization_requests(sandbox: Sandbox) -> Iterator[Json]:
    existing = {
        (row["aoi_id"], row["index_id"]) for row in sandbox.workspace.rows("visualizations")
    }
    pairs = product(sandbox.workspace.ids("indices"), sandbox.workspace.ids("aois"))
    new = [(aoi, index) for index, aoi in pairs if (aoi, index) not in existing]
    yield from (visualization_request(*pair) for pair in new[:OBJECT_COUNT])


KINDS = {
    "aois": Kind(("project_id", "name"), "/aois", make_aoi_requests),
    "indices": Kind(("satellite_id", "name", "expression"), "/indices", make_index_requests),
    "visualizations": Kind(("aoi_id", "index_id"), "/visualizations", make_visualization_requests),
}


def run_and_kill_repeatedly(harness: TargetHarness, kind: Kind, requests: list[Json]) -> None:
    """Kill runs, lose STATE or journal, then complete the requests."""
    rng = random.Random(KILLS)  # noqa: S311 - chooses when to kill

    def is_write(request: RequestRecord) -> bool:
        return request.method == "POST" and request.path.endswith(kind.path_end)

    sandbox = harness.sandbox
    sandbox.on_request = delay_limiter = DelayLimiter(sandbox, is_write)
    upto = 0
    for number in range(KILLS + 1):
        kill = KillTime.random(rng) if number < KILLS else None
        clock = rng.choice([None, SLOW, FAST, make_stepping_clock(number)])
        with note_kill_on_failure((kill, clock)):
            status, upto = run_target(
                harness, delay_limiter, requests, upto, kill, clock=clock, is_write=is_write
            )
            expected = -signal.SIGKILL if kill else 0
            assert status == expected, (harness.folder / "log").read_text()[-4000:]
        if rng.random() < 0.5 and kill:
            upto = 0
        if rng.random() < 0.3 and kill:
            harness.journal_path.unlink()
    assert upto == len(requests)
    wait_for_late_writes(sandbox)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", ["aois", "visualizations"])
def test_objects_killed_repeatedly_created_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """The sandbox does not refuse what exists, so that a second request creates a second object."""

    def find_nothing(*_: Any) -> None:
        """Find no object with the same identity."""

    monkeypatch.setattr(aois, "_is_name_taken", find_nothing)
    monkeypatch.setattr(indices, "_find_same", find_nothing)
    kind = KINDS[name]
    with Sandbox(items=40, behavior=BEHAVIOR) as sandbox:
        requests = list(kind.make_requests(sandbox))
        run_and_kill_repeatedly(TargetHarness(sandbox, tmp_path), kind, requests)
        rows = sandbox.workspace.rows(name)
    counts = Counter(tuple(row[field] for field in kind.identity) for row in rows)
    wanted = [tuple(each["record"][field] for field in kind.identity) for each in requests]
    assert len(set(wanted)) == OBJECT_COUNT
    assert {key: counts[key] for key in wanted if counts[key] != 1} == {}
