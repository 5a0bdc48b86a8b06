"""The guarantee: whatever is killed, lost or late, nothing is placed twice or over the budget."""

from __future__ import annotations

import random
import signal
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import pytest

from pixxel_sandbox import Behavior, Sandbox
from pixxel_singer.exit_codes import ExitCode
from tests import forkserver
from tests.kill_points import KillAtRequest, is_any_request, note_kill_on_failure
from tests.target_pixxel_store.delay_limiter import (
    MAX_LATE_SECONDS,
    MAX_LIST_LAG,
    DelayLimiter,
    wait_for_late_writes,
)
from tests.target_pixxel_store.purchases.order_harness import (
    InsightHarness,
    JobHarness,
    OrderHarness,
)
from tests.target_pixxel_store.target_harness import (
    TargetHarness,
    clean_environment,
    read_json_lines,
    serialize_messages,
)

if TYPE_CHECKING:
    from pathlib import Path

    from pixxel_sandbox import RequestRecord, Workspace
    from tests.target_pixxel_store.target_harness import Json

pytestmark = pytest.mark.places_orders

SETTLE_SECONDS = 0.8
WRITE_SECONDS = 1.0
"""Deadline of a write, which the next run waits for, too."""
PLANNED_UPLIFT = 10
UPLIFTS = (0, PLANNED_UPLIFT, PLANNED_UPLIFT, 20)
"""Percent of the prices: cheaper than planned, as planned, and too expensive to be placed."""
LIMITS = {
    "max_purchases": 200,
    "max_uplift_percent": 100,
    "settle_seconds": SETTLE_SECONDS,
    "request_timeout": WRITE_SECONDS,
}
PRICE_CHANGES = 0.1  # of the dry runs
TIGHT_BUDGET = 0.8  # of the price of the plan
BEHAVIOR = Behavior(
    order_seconds=1000,
    order_uplift=PLANNED_UPLIFT,
    drop_accepted=0.05,
    fail_accepted=0.05,
    accept_late_seconds=MAX_LATE_SECONDS,
    list_lag=MAX_LIST_LAG,
)


class Scale(NamedTuple):
    """How much a test does.

    Attributes:
        longest_run: The largest number of counted requests before a kill.
        journal_losses: The fraction of runs after which the journal is lost.
    """

    requests: int
    kills: int
    longest_run: int
    journal_losses: float


class PriceChanger:
    """A request hook that changes the prices before some dry runs, then calls another hook."""

    def __init__(self, orders: OrderHarness, rng: random.Random, hook: DelayLimiter) -> None:
        self._orders = orders
        self._rng = rng
        self._hook = hook

    def __call__(self, request: RequestRecord, workspace: Workspace) -> None:
        """Change the prices, so that each purchase costs what its last price was."""
        if self._orders.is_pricing(request) and self._rng.random() < PRICE_CHANGES:
            self._orders.behave(order_uplift=self._rng.choice(UPLIFTS))
        self._hook(request, workspace)


def run_and_kill(
    orders: OrderHarness,
    limiter: DelayLimiter,
    requests: list[Json],
    kill: KillAtRequest | None,
    **settings: object,
) -> int:
    """Run the target as a command, and kill it at a request; return its exit status."""
    path = orders.target.folder / "input.singer"
    path.write_text(serialize_messages(*orders.make_input(*requests)))
    config = orders.target.write_config(**(orders.approval | LIMITS | settings))
    target = forkserver.start_command(
        "target-pixxel-store",
        f"--config={config}",
        stdin=path,
        log=orders.target.folder / "log",
        env=clean_environment(),
    )
    if kill:
        kill.set_targets(target)
    limiter.kill = kill
    status = target.wait()
    limiter.kill = None
    return status


def lose_journal(orders: OrderHarness, limiter: DelayLimiter, requests: list[Json]) -> None:
    """Delete the journal, see that its plan is refused, and make a new one."""
    orders.target.journal_path.unlink()
    sent = len(orders.sandbox.requests)
    assert run_and_kill(orders, limiter, requests, None) == ExitCode.BAD_INPUT
    assert len(orders.sandbox.requests) == sent
    change_prices, orders.sandbox.on_request = orders.sandbox.on_request, limiter
    orders.behave(order_uplift=PLANNED_UPLIFT)
    assert orders.plan(*requests, **LIMITS).status == 0
    orders.sandbox.on_request = change_prices


def spent_of_plan(orders: OrderHarness) -> float:
    """Return what the purchases of the last plan cost so far."""
    items = [line["item"] for line in orders.lines if line["decision"] == "planned"]
    names = {each.get("name") or each["workflow_id"] for each in items}
    return sum(amount for name, amount in orders.amounts if name in names)


def last_outcomes(orders: OrderHarness) -> dict[str, str]:
    """Return the last outcome of each request."""
    lines = read_json_lines(orders.target.folder / "outcomes")
    return {line["key"]["request_id"]: line["outcome"] for line in lines}


def kill_repeatedly(
    orders: OrderHarness, requests: list[Json], rng: random.Random, scale: Scale
) -> DelayLimiter:
    """Kill runs that place a plan, and check after each that nothing is placed twice."""
    sandbox, is_placement = orders.sandbox, orders.is_placement
    total = orders.total["total_amount"]
    limiter = DelayLimiter(sandbox, is_placement)
    sandbox.on_request = PriceChanger(orders, rng, limiter)
    killed = 0
    while killed < scale.kills:
        counted = rng.choice([is_placement, is_placement, is_any_request])
        delay = rng.choice([0.0, 0.0, 0.01, 0.1])
        kill = KillAtRequest(rng.randint(1, scale.longest_run), delay, counted)
        limiter.late = rng.random() < 0.5
        budget = orders.total["total_amount"] * rng.choice([TIGHT_BUDGET, 1])
        with note_kill_on_failure((killed, kill)):
            status = run_and_kill(orders, limiter, requests, kill, max_total_amount=budget)
            log = (orders.target.folder / "log").read_text()
            assert status in {-signal.SIGKILL, 3}, log[-4000:]
            assert max(orders.placed.values(), default=0) <= 1
            assert spent_of_plan(orders) <= budget
            assert orders.spent <= total
        killed += status < 0
        if rng.random() < scale.journal_losses:
            lose_journal(orders, limiter, requests)
    wait_for_late_writes(sandbox)
    sandbox.on_request = None
    return limiter


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("harness_class", "scale"),
    [
        (OrderHarness, Scale(requests=200, kills=20, longest_run=16, journal_losses=0.2)),
        (InsightHarness, Scale(requests=30, kills=5, longest_run=5, journal_losses=0.3)),
    ],
)
def test_purchases_killed_repeatedly_placed_once_within_budget(
    tmp_path: Path, harness_class: type[OrderHarness], scale: Scale
) -> None:
    rng = random.Random(scale.kills)  # noqa: S311 - chooses when to kill
    with Sandbox(items=12, behavior=BEHAVIOR) as sandbox:
        sandbox.workspace.delete("catalogs", sandbox.workspace.ids("catalogs")[-1])
        orders = harness_class(TargetHarness(sandbox, tmp_path))
        requests = [orders.request(number, image=0) for number in range(scale.requests)]
        orders.plan(*requests, **LIMITS)
        total = orders.total["total_amount"]
        limiter = kill_repeatedly(orders, requests, rng, scale)
        sandbox.behavior = Behavior(order_seconds=1000, drop_accepted=0.05)
        spent, of_plan = orders.spent, spent_of_plan(orders)
        assert run_and_kill(orders, limiter, requests, None, max_total_amount=of_plan) == 3
        assert orders.spent == spent
        doubted = [key for key, kind in last_outcomes(orders).items() if kind == "in_doubt"]
        permissions = [orders.permissions[key] for key in doubted]
        more = {"max_total_amount": 2 * total, "max_purchases": 2 * scale.requests}
        status = run_and_kill(orders, limiter, requests, None, retry_in_doubt=permissions, **more)
        assert status == 0, (tmp_path / "log").read_text()[-4000:]
        assert (len(orders.placed), set(orders.placed.values())) == (scale.requests, {1})
        assert orders.spent <= total
        counts = Counter(last_outcomes(orders).values())
    assert counts.keys() <= {"created", "exists"}
    assert counts.total() == scale.requests


@pytest.mark.timeout(900)
def test_jobs_killed_repeatedly_are_run_again_only_with_permission(tmp_path: Path) -> None:
    """Only a person knows which jobs were lost; here, the sandbox does."""
    scale = Scale(requests=24, kills=5, longest_run=4, journal_losses=0.0)
    rng = random.Random(scale.kills)  # noqa: S311 - chooses when to kill
    with Sandbox(items=12, behavior=BEHAVIOR) as sandbox:
        jobs = JobHarness(TargetHarness(sandbox, tmp_path))
        requests = [jobs.request(number) for number in range(scale.requests)]
        jobs.plan(*requests, **LIMITS)
        limiter = kill_repeatedly(jobs, requests, rng, scale)
        unsent = f"field-{scale.requests - 1}"  # a kill between the journal and the request
        jobs.target.append_to_journal(
            {"is": "purchase_intent", "kind": "job", "request": unsent, "content": "", "place": ""}
            | {"amount": 1, "send": "0a"}
        )
        sandbox.behavior = BEHAVIOR
        total = jobs.total["total_amount"]
        more = {"max_total_amount": 2 * total, "max_purchases": 2 * scale.requests}
        for _ in range(2):  # until each job has been sent
            assert run_and_kill(jobs, limiter, requests, None, **more) == 3
            wait_for_late_writes(sandbox)
        assert set(jobs.placed.values()) == {1}
        doubted = [key for key, kind in last_outcomes(jobs).items() if kind == "in_doubt"]
        workflow_of = {each["record"]["request_id"]: each["record"] for each in requests}
        placed = {key for key in doubted if workflow_of[key]["workflow_id"] in jobs.placed}
        assert placed, "some were placed without a response"
        assert set(doubted) == placed | {unsent}
        missing = [jobs.permissions[unsent]]
        sandbox.behavior = Behavior()
        assert run_and_kill(jobs, limiter, requests, None, retry_in_doubt=missing, **more) == 3
        assert (len(jobs.placed), set(jobs.placed.values())) == (scale.requests, {1})
        assert jobs.spent <= total
        outcomes = last_outcomes(jobs)
    assert {key for key, kind in outcomes.items() if kind == "in_doubt"} == placed
