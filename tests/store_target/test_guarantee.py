"""The guarantee: killed at any moment and run again, nothing is delivered twice or forgotten."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from pixxel_sandbox import Habits, Sandbox
from tests import forked
from tests.kills import AtRequest

from .runs import Workplace, environment, request, schema, state, text_of

if TYPE_CHECKING:
    from pathlib import Path

    from pixxel_sandbox import RequestRecord

RECORDS = 500
SETTLE = 1.5
LATE = 0.6
LAG = 0.3
HABITS = {
    "latency_ms": 10,
    "drop_accepted": 0.05,
    "accept_late": 0.15,
    "late_seconds": LATE,
    "accept_part": 0.05,
    "list_lag": LAG,
    "delivery_seconds": 0.0,
}


def writes(asked: RequestRecord) -> bool:
    """Tell whether a request asks for deliveries."""
    return asked.method == "POST" and asked.path.endswith("/deliveries")


def run(place: Workplace, ids: list[str], since: int, rng: random.Random | None) -> tuple[int, int]:
    """Run the target from a STATE on, killed in the middle when there is a `rng`.

    Returns:
        The exit status, and the last STATE that it wrote.
    """
    messages = [schema("delivery_requests")]
    for at, key in enumerate(ids[since:], since + 1):
        messages += [request(key), state(at)]
    path = place.folder / "input.singer"
    path.write_text(text_of(*messages))
    settings = {"settle_seconds": SETTLE, "batch_size": 7, "max_deliveries": RECORDS}
    config = place.config(**settings)
    told, end = forked.pipe()
    target = forked.start(
        "target-pixxel-store",
        f"--config={config}",
        stdin=path,
        stdout=end,
        log=place.folder / "log",
        env=environment(),
    )
    if rng is not None:
        seconds = rng.choice([0.0, rng.uniform(0, 0.03), LATE / 2])
        kill = AtRequest(rng.randint(1, 6), seconds, counts=writes)
        kill.aim(target)
        place.sandbox.on_request = kill
    out = b"".join(forked.pieces(told, target))
    status = target.status()
    place.sandbox.on_request = None
    upto = [json.loads(line)["upto"] for line in out.splitlines() if line.endswith(b"}")]
    return status, max(upto, default=since)


@pytest.mark.timeout(500)
@pytest.mark.parametrize(
    ("kills", "lost"), [(20, "nothing"), (4, "state"), (4, "journal"), (3, "state and journal")]
)
def test_exactly_one_delivery_each(tmp_path: Path, kills: int, lost: str) -> None:
    rng = random.Random(kills)  # noqa: S311 - moments to kill at
    with Sandbox(items=40, seed=kills) as sandbox:
        place = Workplace(sandbox, tmp_path)
        ids = [sandbox.workspace.insert("catalogs", {"task_id": None}) for _ in range(RECORDS)]
        upto, killed = 0, 0
        for _ in range(kills):
            sandbox.habits = Habits(**HABITS)  # type: ignore[arg-type]  # of several types
            status, upto = run(place, ids, upto, rng)
            killed += status < 0
            if "state" in lost:
                upto = 0
            if "journal" in lost:
                place.journal.unlink()
        sandbox.habits = Habits(latency_ms=10, list_lag=LAG, drop_accepted=0.05)
        status, upto = run(place, ids, upto, None)
        assert (status, upto) == (0, RECORDS), (tmp_path / "log").read_text()[-4000:]
        assert killed >= kills / 2
        time.sleep(LATE + LAG)  # what was accepted late is there by now
        got = Counter(row["catalog_id"] for row in place.listed())
    assert {key: got[key] for key in ids} == dict.fromkeys(ids, 1)
