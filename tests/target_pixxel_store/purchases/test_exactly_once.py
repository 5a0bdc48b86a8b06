"""The guarantee: whatever is killed, lost or late, no order is placed twice or over the budget."""

from __future__ import annotations

import random
import signal
from collections import Counter
from typing import TYPE_CHECKING

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
    ORDERS,
    REQUESTS,
    OrderHarness,
    is_placement,
)
from tests.target_pixxel_store.target_harness import (
    TargetHarness,
    clean_environment,
    read_json_lines,
    serialize_messages,
    state,
)

if TYPE_CHECKING:
    from pathlib import Path

    from pixxel_sandbox import RequestRecord, Workspace
    from tests.target_pixxel_store.target_harness import Json

pytestmark = pytest.mark.places_orders

REQUEST_COUNT = 200
KILLS = 20
SETTLE_SECONDS = 0.8
WRITE_SECONDS = 1.0
"""Deadline of a write, which the next run waits for, too."""
PLANNED_UPLIFT = 10
UPLIFTS = (0, PLANNED_UPLIFT, PLANNED_UPLIFT, 20)
"""Percent of the prices: cheaper than planned, as planned, and too expensive to be placed."""
JOURNAL_LOSSES = 0.2  # of the runs
LIMITS = {
    "max_purchases": REQUEST_COUNT,
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


class PriceChanger:
    """A request hook that changes the prices before some dry runs, then calls another hook."""

    def __init__(self, orders: OrderHarness, rng: random.Random, hook: DelayLimiter) -> None:
        self._orders = orders
        self._rng = rng
        self._hook = hook

    def __call__(self, request: RequestRecord, workspace: Workspace) -> None:
        """Change the prices, so that each order costs what its last dry run has said."""
        is_dry_run = request.method == "POST" and request.path == ORDERS
        if is_dry_run and not is_placement(request) and self._rng.random() < PRICE_CHANGES:
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
    messages = [REQUESTS]
    for number, request in enumerate(requests, 1):
        messages += [request, state(number)]
    path = orders.target.folder / "input.singer"
    path.write_text(serialize_messages(*messages))
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
    """Return what the orders of the last plan cost so far."""
    names = {line["item"]["name"] for line in orders.lines if line["decision"] == "planned"}
    placed = orders.sandbox.placed_orders()
    own = (each for each in placed if each["order_items"][0]["name"] in names)
    return sum(float(each["total_amount"]) for each in own)


def last_outcomes(orders: OrderHarness) -> dict[str, str]:
    """Return the last outcome of each request."""
    lines = read_json_lines(orders.target.folder / "outcomes")
    return {line["key"]["request_id"]: line["outcome"] for line in lines}


@pytest.mark.timeout(900)
def test_orders_killed_repeatedly_placed_once_within_budget(tmp_path: Path) -> None:
    rng = random.Random(KILLS)  # noqa: S311 - chooses when to kill
    with Sandbox(items=12, behavior=BEHAVIOR) as sandbox:
        sandbox.workspace.delete("catalogs", sandbox.workspace.ids("catalogs")[-1])
        orders = OrderHarness(TargetHarness(sandbox, tmp_path))
        requests = [orders.request(number, image=0) for number in range(REQUEST_COUNT)]
        orders.plan(*requests, **LIMITS)
        total = orders.total["total_amount"]
        limiter = DelayLimiter(sandbox, is_placement)
        sandbox.on_request = PriceChanger(orders, rng, limiter)
        killed = 0
        while killed < KILLS:
            counted = rng.choice([is_placement, is_placement, is_any_request])
            kill = KillAtRequest(rng.randint(1, 16), rng.choice([0.0, 0.0, 0.01, 0.1]), counted)
            limiter.late = rng.random() < 0.5
            budget = orders.total["total_amount"] * rng.choice([TIGHT_BUDGET, 1])
            with note_kill_on_failure((killed, kill)):
                status = run_and_kill(orders, limiter, requests, kill, max_total_amount=budget)
                assert status in {-signal.SIGKILL, 3}, (tmp_path / "log").read_text()[-4000:]
                assert max(orders.placed.values(), default=0) <= 1
            assert spent_of_plan(orders) <= budget
            assert sandbox.spent_amount() <= total
            killed += status < 0
            if rng.random() < JOURNAL_LOSSES:
                lose_journal(orders, limiter, requests)
        wait_for_late_writes(sandbox)
        sandbox.on_request = None
        sandbox.behavior = Behavior(order_seconds=1000, drop_accepted=0.05)
        spent, of_plan = sandbox.spent_amount(), spent_of_plan(orders)
        assert run_and_kill(orders, limiter, requests, None, max_total_amount=of_plan) == 3
        assert sandbox.spent_amount() == spent
        doubted = [key for key, kind in last_outcomes(orders).items() if kind == "in_doubt"]
        permissions = [orders.permissions[key] for key in doubted]
        more = {"max_total_amount": 2 * total, "max_purchases": 2 * REQUEST_COUNT}
        status = run_and_kill(orders, limiter, requests, None, retry_in_doubt=permissions, **more)
        assert status == 0, (tmp_path / "log").read_text()[-4000:]
        assert (len(orders.placed), set(orders.placed.values())) == (REQUEST_COUNT, {1})
        assert sandbox.spent_amount() <= total
        counts = Counter(last_outcomes(orders).values())
    assert counts.keys() <= {"created", "exists"}
    assert counts.total() == REQUEST_COUNT
