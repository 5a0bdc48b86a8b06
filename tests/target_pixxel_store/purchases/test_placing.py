"""Placing: only what was approved, at its price or less, once, and within the limits."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from singer_sdk.exceptions import ConfigValidationError

from pixxel_singer.errors import InputError
from target_pixxel_store.errors import UnexpectedDeliveryError
from tests.target_pixxel_store.intercepting_proxy import ProxiedResponse
from tests.target_pixxel_store.purchases.order_harness import ORDERS, is_placement
from tests.target_pixxel_store.target_harness import record, schema

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pixxel_sandbox import RequestRecord
    from tests.target_pixxel_store.intercepting_proxy import InterceptingProxy, ProxiedRequest
    from tests.target_pixxel_store.purchases.order_harness import OrderHarness
    from tests.target_pixxel_store.target_harness import Json, RunResult

pytestmark = pytest.mark.places_orders


def test_place_approved_plan_places_each_once(orders: OrderHarness) -> None:
    requests = [orders.request(number) for number in range(3)]
    orders.plan(*requests)
    orders.sandbox.requests.clear()
    result = orders.place(*requests)
    assert (result.status, result.kinds, result.states) == (0, ["created"] * 3, [{"upto": 3}])
    sent = [each.body for each in orders.sandbox.requests if each.path == ORDERS and each.body]
    assert [each["dry_run"] for each in sent] == [True, False] * 3, "priced again before each"
    assert set(orders.placed.values()) == {1}
    assert len(orders.placed) == 3
    assert orders.sandbox.spent_amount() == orders.total["total_amount"]
    for line, order in zip(result.outcomes, orders.sandbox.placed_orders(), strict=True):
        [item] = order["order_items"]
        assert (line["order_id"], line["order_item_id"]) == (order["id"], item["id"])
        amount = order["total_amount"]
        assert line["amount"] == amount
        assert f": placed the order {order['id']} for {amount}\n" in result.log
    assert result.summary["purchases"] == 3
    spent = orders.sandbox.spent_amount()
    assert result.summary["purchase_amount"] == spent
    limits = f"(max_total_amount {spent}, of the plan so far {spent})"
    assert f"placed 3 purchases for {spent} {limits}\n" in result.log
    rerun = orders.place(*requests)
    assert (rerun.kinds, rerun.states) == (["exists"] * 3, [{"upto": 3}])
    replanned = orders.run(*requests, plan_path=str(orders.plan_path) + "2")
    ids = [(line["order_id"], line["order_item_id"], line["amount"]) for line in result.outcomes]
    for run in (rerun, replanned):
        assert run.kinds == ["exists"] * 3
        found = [(each["order_id"], each["order_item_id"], each["amount"]) for each in run.outcomes]
        assert found == ids
    assert sum(orders.placed.values()) == 3


def test_place_without_the_journal_of_its_plan_sends_nothing(orders: OrderHarness) -> None:
    """The journal knows which orders are in doubt; the list may lack them."""
    requests = [orders.request(0), orders.request(1)]
    orders.plan(*requests)
    doubt(orders, *requests, max_purchases=1)
    sent = len(orders.sandbox.requests)
    kept = orders.target.journal_path.read_bytes()
    orders.target.lose_journal()
    result = orders.place(*requests)
    assert isinstance(result.error, InputError)
    assert "if it was lost, look in Pixxel at what exists and make a new plan" in str(result.error)
    assert len(orders.sandbox.requests) == sent
    orders.target.journal_path.write_bytes(kept)
    assert orders.place(*requests).kinds == ["in_doubt", "created"]
    orders.target.lose_journal()
    assert orders.plan(*requests).kinds == ["planned", "exists"]
    assert orders.place(*requests).kinds == ["created", "exists"]


def change_price(path: Path) -> None:
    """Raise a price in a plan."""
    first, *rest = path.read_text().splitlines()
    line = json.loads(first) | {"final_amount": 1e9}
    path.write_text("\n".join([json.dumps(line), *rest]) + "\n")


def drop_last_line(path: Path) -> None:
    """Remove the line with the digest."""
    path.write_text("\n".join(path.read_text().splitlines()[:-1]) + "\n")


@pytest.mark.parametrize(
    ("change", "settings", "reason"),
    [
        (None, {"approve_plan": "0" * 64}, "is not the digest of the plan in 'plan_path'"),
        (change_price, {}, "was changed after the plan was made"),
        (drop_last_line, {}, "is not a complete plan"),
        (lambda path: path.unlink(), {}, "cannot read the file: No such file or directory"),
        (lambda path: path.write_text(""), {}, "is not a complete plan"),
        (lambda path: path.write_bytes(path.read_bytes() * 2), {}, "was changed after"),
    ],
)
def test_place_other_plan_than_approved_places_nothing(
    orders: OrderHarness, change: Callable[[Path], Any] | None, settings: Json, reason: str
) -> None:
    orders.plan(orders.request(0))
    approval = orders.approval | settings
    if change:
        change(orders.plan_path)
    orders.sandbox.requests.clear()
    result = orders.run(orders.request(0), **approval)
    assert isinstance(result.error, InputError)
    assert reason in str(result.error)
    assert "nothing was placed" in str(result.error) or "cannot read" in str(result.error)
    assert (orders.sandbox.requests, result.states) == ([], [])


def test_place_requires_total_amount(orders: OrderHarness) -> None:
    orders.plan(orders.request(0))
    result = orders.place(orders.request(0), max_total_amount=None)
    assert isinstance(result.error, ConfigValidationError)
    assert "Setting 'max_total_amount' is missing" in str(result.error.errors)
    bad = orders.place(orders.request(0), approve_plan="yes")
    assert isinstance(bad.error, ConfigValidationError)


def test_place_request_not_in_plan_fails_alone(orders: OrderHarness) -> None:
    orders.plan(orders.request(0), orders.request(1), orders.request(3, project_id="none"))
    changed = orders.request(1, usecase="mining")
    left_out = orders.request(3)
    result = orders.place(orders.request(0), changed, orders.request(2), left_out)
    assert sorted(result.kinds) == ["created", "failed", "failed", "failed"]
    assert "the approved plan does not place it (failed: 'project_id' names" in str(result.reasons)
    assert "it differs from the approved plan; make a new plan" in result.reasons
    assert "the approved plan does not place it; leave it out, or make a new plan" in result.reasons
    assert [name.split()[0] for name in orders.placed] == ["field-0"]
    assert len(orders.placements) == 1


def test_place_order_dearer_than_its_dry_run_ends_run_and_counts(orders: OrderHarness) -> None:
    requests = [orders.request(0), orders.request(1)]
    orders.plan(*requests)
    orders.behave(price_increase=10)
    result = orders.place(*requests, max_total_amount=1e6)
    assert isinstance(result.error, UnexpectedDeliveryError)
    assert "more than the" in str(result.error)
    assert result.kinds == ["created", "pending"]
    assert result.summary["purchase_amount"] == orders.sandbox.spent_amount() > 0
    assert result.outcomes[0]["amount"] == orders.sandbox.spent_amount()
    assert sum(orders.placed.values()) == 1
    orders.behave(price_increase=0)
    spent, total = orders.sandbox.spent_amount(), orders.total["total_amount"]
    [order] = orders.sandbox.placed_orders()
    orders.sandbox.requests.clear()
    for _ in range(2):
        rerun = orders.place(*requests, max_total_amount=1e6, retry_in_doubt=["field-0"])
        assert f"add '{order['id']}' to 'acknowledge'" in str(rerun.error)
    assert orders.target.posted_bodies(ORDERS) == [], "no later run sends anything"
    rest = orders.place(*requests, max_total_amount=total, acknowledge=[order["id"]])
    assert rest.kinds == ["exists", "pending"], "what it was dearer counts"
    assert orders.sandbox.spent_amount() == spent
    assert orders.place(*requests, max_total_amount=1e6).kinds == ["exists", "created"]


def test_place_dry_run_not_honoured_and_lost_is_not_repeated(
    orders: OrderHarness, proxy: InterceptingProxy
) -> None:
    """The plan has shown that the API honours dry runs; then it changes."""
    orders.plan(orders.request(0), orders.request(1))
    sent = proxy.count_requests("POST", ORDERS)
    orders.behave(dry_run_ignored=True, drop_accepted=1.0)
    result = orders.place(orders.request(0), orders.request(1))
    assert "THE API DOES NOT HONOUR dry_run" in str(result.error)
    assert proxy.count_requests("POST", ORDERS) - sent == sum(orders.placed.values()) == 1
    orders.behave(dry_run_ignored=False, drop_accepted=0.0)
    rerun = orders.place(orders.request(0), orders.request(1))
    [order] = orders.sandbox.placed_orders()
    assert f"add '{order['id']}' to 'acknowledge'" in str(rerun.error)
    again = orders.place(orders.request(0), orders.request(1), acknowledge=[order["id"]])
    assert again.kinds == ["exists", "created"]


def test_place_name_changed_when_placing_stops(orders: OrderHarness) -> None:
    requests = [orders.request(0), orders.request(1)]
    orders.plan(*requests)
    orders.behave_when_placing(rename_orders=True)
    result = orders.place(*requests)
    assert isinstance(result.error, UnexpectedDeliveryError)
    assert "the API changes the name of the order item" in str(result.error)
    assert (result.kinds, sum(orders.placed.values())) == (["created", "pending"], 1)
    orders.sandbox.on_request = None
    orders.behave(rename_orders=False)
    assert orders.place(*requests).kinds == ["exists", "created"], "the journal knows the order"


def doubt(orders: OrderHarness, *requests: Json, late: float = 1000, **settings: Any) -> RunResult:
    """Place a plan whose first order is neither answered nor listed."""

    def lose_first(request: RequestRecord, _workspace: object) -> None:
        is_first = is_placement(request) and len(orders.placements) == 1
        orders.behave(accept_late=1.0 if is_first else 0.0, accept_late_seconds=late)

    orders.sandbox.on_request = lose_first
    return orders.place(*requests, **settings)


def permission(orders: OrderHarness) -> str:
    """Return what permits to send the order of the first request once more."""
    return orders.permissions["field-0"]


def test_place_order_in_doubt_recorded_if_list_cannot_be_read(
    orders: OrderHarness, proxy: InterceptingProxy
) -> None:
    requests = [orders.request(0), orders.request(1)]
    orders.plan(*requests)
    lost: list[ProxiedRequest] = []

    def lose(
        request: ProxiedRequest, forward: Callable[[], ProxiedResponse]
    ) -> ProxiedResponse | None:
        if request.matches("POST", ORDERS) and not request.body["dry_run"]:
            lost.append(request)
            return None
        return ProxiedResponse(404) if lost and request.path == ORDERS else forward()

    proxy.intercept = lose
    result = orders.place(*requests)
    assert "GET /v0/orders returned 404" in str(result.error)
    assert (result.kinds, result.states, len(lost)) == (["in_doubt", "pending"], [], 1)


def test_place_order_in_doubt_retried_if_named(orders: OrderHarness) -> None:
    requests = [orders.request(0), orders.request(1)]
    orders.plan(*requests)
    lost = doubt(orders, *requests)
    assert (lost.status, lost.kinds, lost.states) == (3, ["in_doubt", "created"], [])
    orders.sandbox.on_request = None
    orders.target.shorten_wait()
    other = orders.plan(orders.request(0, usecase="mining"), plan_path=str(orders.plan_path) + "2")
    assert "was ordered with other content" in other.reasons[0]
    [line] = [each for each in other.log.splitlines() if "is in doubt" in each]
    assert f"request field-0: its order for {orders.lines[0]['final_amount']} is in doubt" in line
    assert orders.placements[0]["name"].split()[-1] in line, "its marker"
    named = {"retry_in_doubt": [permission(orders)]}
    poor = orders.place(*requests, **named)
    assert poor.kinds == ["pending", "exists"], "the lost send counts"
    assert "see 'max_total_amount'" in poor.reasons[0]
    few = orders.place(*requests, **named, max_total_amount=1e6, max_purchases=2)
    assert few.kinds == ["pending", "exists"]
    result = orders.place(*requests, **named, max_total_amount=1e6)
    assert (result.status, result.kinds, result.states) == (0, ["created", "exists"], [{"upto": 2}])
    assert set(orders.placed.values()) == {1}


def test_place_permission_used_up_by_one_send(orders: OrderHarness) -> None:
    """A setting that stays set must not send an order in each run."""
    requests = [orders.request(0), orders.request(1)]
    orders.plan(*requests)
    orders.target.shorten_wait()
    orders.behave(accept_late=1.0, accept_late_seconds=1000)
    orders.place(orders.request(0))
    first = permission(orders)
    settings = {"retry_in_doubt": [first, "field-0"], "max_total_amount": 1e6}
    for _ in range(2):
        result = orders.place(orders.request(0), **settings)
        assert result.kinds == ["in_doubt"]
        assert "'retry_in_doubt' names " in result.log
        assert len(orders.placements) == 2
    second = permission(orders)
    assert second != first
    orders.behave(accept_late=0.0)
    amounts = [line["final_amount"] for line in orders.lines]
    limit = 2 * amounts[0] + amounts[1]
    rest = orders.place(*requests, max_total_amount=limit - 0.01)
    assert rest.kinds == ["in_doubt", "pending"], "each lost send counts"
    assert orders.place(*requests, max_total_amount=limit).kinds == ["in_doubt", "created"]


def test_place_two_orders_of_a_request_are_an_error(orders: OrderHarness) -> None:
    orders.plan(orders.request(0))
    doubt(orders, orders.request(0), late=1000)
    orders.sandbox.on_request = None
    orders.behave(accept_late=0.0)
    orders.target.shorten_wait()
    orders.place(orders.request(0), retry_in_doubt=[permission(orders)], max_total_amount=1e6)
    workspace = orders.sandbox.workspace
    [first] = orders.sandbox.placed_orders()
    for resource, own in (("orders", {"id": "late"}), ("order_items", {"order_id": "late"})):
        row = next(row for row in workspace.rows(resource) if first["id"] in row.values())
        workspace.insert(resource, {k: v for k, v in row.items() if k != "id"} | own)
    result = orders.place(orders.request(0))
    assert (result.status, result.kinds) == (3, ["exists"])
    [line] = [each for each in result.log.splitlines() if "has 2 orders" in each]
    assert first["id"] in line
    assert ", late" in line or "late, " in line
    assert f"they cost {2 * first['total_amount']} in all" in line


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"max_purchases": 1}, "see 'max_purchases'"),
        ({"max_total_amount": 200}, "'max_total_amount'"),
    ],
)
def test_place_limits_apply_to_all_runs_of_a_plan(
    orders: OrderHarness, settings: Json, reason: str
) -> None:
    requests = [orders.request(number) for number in range(3)]
    orders.plan(*requests)
    amounts = [line["final_amount"] for line in orders.lines]
    settings = {name: min(value, amounts[0]) if "amount" in name else value
                for name, value in settings.items()}  # fmt: skip
    first = orders.place(*requests, **settings)
    assert (first.status, first.states) == (3, [{"upto": 1}])
    assert first.kinds == ["created", "pending", "pending"]
    assert reason in first.reasons[1]
    rerun = orders.place(*requests, **settings)
    assert rerun.kinds == ["exists", "pending", "pending"]
    assert sum(orders.placed.values()) == 1


def test_place_refused_order_can_be_corrected(
    orders: OrderHarness, proxy: InterceptingProxy
) -> None:
    """The journal keeps no content of an order that was never placed."""
    orders.plan(orders.request(0))

    def refuse(request: ProxiedRequest, forward: Callable[[], ProxiedResponse]) -> ProxiedResponse:
        is_order = request.matches("POST", ORDERS) and not request.body["dry_run"]
        return ProxiedResponse(400, {"error": {}}) if is_order else forward()

    proxy.intercept = refuse
    assert orders.place(orders.request(0)).kinds == ["failed"]
    assert proxy.count_requests("POST", ORDERS) == 3
    other = orders.request(0, usecase="mining")
    assert orders.plan(other).kinds == ["planned"]


def test_place_delivers_to_store_and_deliveries_wait_for_it(orders: OrderHarness) -> None:
    """The delivery that an order brings is pending; no second one is requested."""
    orders.behave(order_seconds=0.0, delivery_seconds=1000)
    request = orders.request(0, store="research", path="wells")
    orders.plan(request)
    [line] = orders.place(request).outcomes
    store = orders.target.find_store("research")
    [order] = orders.sandbox.placed_orders()
    assert order["order_items"][0]["cloud_delivery"] == {"config": store["id"], "path": "wells/"}
    workspace = orders.sandbox.workspace
    [catalog] = workspace.catalogs_of_order_item(line["order_item_id"])
    [automated] = [row for row in orders.target.list_deliveries() if row["catalog_id"] == catalog]
    workspace.delete("deliveries", automated["delivery_id"])  # not created yet
    message = record("delivery_requests", catalog_id=catalog, store="research", path="wells")
    result = orders.target.run(schema("delivery_requests"), message)
    assert (result.kinds, result.reasons) == (["exists"], ["pending: its order delivers it there"])
    assert orders.target.posted_bodies() == []
    message["record"]["path"] = "other"
    assert orders.target.run(schema("delivery_requests"), message).kinds == ["created"]


def test_place_orders_listed_without_order_items_end_run(
    orders: OrderHarness, proxy: InterceptingProxy
) -> None:
    """Then no order could be recognised."""
    orders.plan(orders.request(0))
    proxy.modify_responses("GET", ORDERS, lambda body: body["orders"][0].pop("order_items"))
    result = orders.place(orders.request(0))
    assert "it lists orders without their order items" in str(result.error)
    assert orders.placements == []


@pytest.mark.parametrize("fault", ["drop_accepted", "fail_accepted"])
def test_place_lost_response_found_in_list(orders: OrderHarness, fault: str) -> None:
    orders.plan(orders.request(0))
    orders.behave(**{fault: 1.0, "list_lag": 0.1})
    result = orders.place(orders.request(0))
    assert (result.status, result.kinds) == (0, ["created"])
    assert sum(orders.placed.values()) == len(orders.placements) == 1


def test_place_price_raised_before_placing_stops(orders: OrderHarness) -> None:
    requests = [orders.request(number) for number in range(3)]
    orders.plan(*requests)

    def raise_price(request: RequestRecord, _workspace: object) -> None:
        if request.path == ORDERS and orders.placements and not is_placement(request):
            orders.behave(order_uplift=5)

    orders.sandbox.on_request = raise_price
    result = orders.place(*requests, max_uplift_percent=50, max_total_amount=1e6)
    assert (result.status, result.kinds) == (3, ["created", "pending", "pending"])
    assert "more than the approved" in result.reasons[1]
    assert result.reasons[2] == "the run has stopped before it"
    assert result.states == [{"upto": 1}]
    assert sum(orders.placed.values()) == 1


def test_place_order_dearer_found_by_later_run_must_be_acknowledged(orders: OrderHarness) -> None:
    """Its response was lost."""
    requests = [orders.request(0), orders.request(1)]
    orders.plan(*requests)
    orders.behave(price_increase=10)
    assert doubt(orders, *requests, late=0.5, max_purchases=1).kinds == ["in_doubt", "pending"]
    orders.target.shorten_wait()
    result = orders.place(*requests, max_total_amount=1e6)
    assert "more than the" in str(result.error)
    assert len(orders.placements) == 1


def test_place_same_images_ordered_by_others_exists(orders: OrderHarness) -> None:
    orders.plan(orders.request(0), orders.request(1))
    orders.place(orders.request(0))
    workspace = orders.sandbox.workspace
    [item] = orders.sandbox.placed_orders()[0]["order_items"]
    workspace.update("order_items", item["id"], name="by hand")
    orders.target.reset_journal()
    renamed = orders.request(0, request_id="other", name="same images")
    same = orders.plan(renamed)
    assert same.kinds == ["exists"]
    [order] = orders.sandbox.placed_orders()
    assert (same.outcomes[0]["order_id"], same.outcomes[0]["order_item_id"]) == (
        order["id"],
        item["id"],
    )
    assert same.reasons[0].startswith(f"the order {order['id']} has the same project, images")
    images = [each | {"geometry": None} for each in item["images"]]
    workspace.update("order_items", item["id"], images=images)
    assert orders.plan(renamed).kinds == ["exists"], "its area may be the same"
    workspace.update("order_items", item["id"], status="CANCELLED")
    assert orders.plan(renamed).kinds == ["planned"]
