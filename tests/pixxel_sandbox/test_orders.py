"""Orders: prices of dry runs, placed orders and their fulfilment, and an API that misbehaves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pixxel_sandbox import Behavior, Sandbox

from .api_client import get, search_rows
from .download_requests import collect_scheduled_calls
from .order_requests import (
    PATH,
    archive_order_item,
    find_archive_item,
    make_square,
    order,
    tasking_order_item,
)
from .write_requests import list_deliveries

if TYPE_CHECKING:
    from .conftest import StartSandbox


@pytest.fixture
def sandbox(start_sandbox: StartSandbox) -> Sandbox:
    return start_sandbox(order_seconds=0, delivery_seconds=0)


def test_placed_order_costs_what_its_dry_run_did_and_is_listed(sandbox: Sandbox) -> None:
    body = archive_order_item(sandbox)
    priced = order(sandbox, body, dry_run=True)
    placed = order(sandbox, body)
    assert placed["total_amount"] == priced["total_amount"] == sandbox.spent_amount()
    assert (placed["status"], placed["order_items"][0]["status"]) == ("PAID", "ACTIVE")
    assert all(placed[name] for name in ("paid_at", "transaction_id"))
    assert placed["order_items"][0]["tokens_used"] > 0
    [listed] = [row for row in get(sandbox, PATH, limit=99)["orders"] if row["id"] == placed["id"]]
    assert listed == get(sandbox, f"{PATH}/{placed['id']}") == sandbox.placed_orders()[0]
    assert listed["order_items"][0]["name"] == "field 7"
    assert listed["order_items"][0]["images"] == [
        {"item_id": body["item_ids"][0], "geometry": body["geometry"]["features"][0]["geometry"]}
    ]
    [item] = get(sandbox, "/v0/order-items", order_ids=placed["id"])["order_items"]
    assert item.items() >= listed["order_items"][0].items()
    [report] = [
        row for row in sandbox.workspace.rows("order_report") if row["order_item_id"] == item["id"]
    ]
    assert report["id"]


def test_archive_price_follows_area_and_level(sandbox: Sandbox) -> None:
    body = archive_order_item(sandbox)
    for collection, rate in (("firefly-l1b", 1.5), ("firefly-l1c", 2.0), ("td2-l2a", 2.5)):
        sandbox.workspace.update("archive_items", *body["item_ids"], collection=collection)
        [item] = order(sandbox, body, dry_run=True)["order_items"]
        assert item["base_amount"] == item["area"] * rate


def test_archive_order_runs_into_catalogs_and_automatic_deliveries(
    start_sandbox: StartSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox = start_sandbox(delivery_seconds=1)
    calls = collect_scheduled_calls(monkeypatch)
    cloud = {"config": sandbox.workspace.ids("stores")[0], "path": "orders/"}
    item = find_archive_item(sandbox)
    ids = [item.id, sandbox.workspace.insert_copy("archive_items", item.id)]
    placed = order(sandbox, archive_order_item(sandbox, item_ids=ids, cloud_delivery=cloud))
    key = placed["order_items"][0]["id"]

    def progress() -> tuple[str, str, str, int]:
        shown = get(sandbox, f"/v0/order-items/{key}")
        [task] = shown["tasks"]
        deliveries = list_deliveries(sandbox, task_id=task["id"])
        return shown["status"], task["status"], task["delivery_status"], len(deliveries)

    assert progress() == ("ACTIVE", "SUBMITTED", "PENDING", 0)
    calls.pop(0)()
    assert progress() == ("ACTIVE", "IN_PROGRESS", "PENDING", 0)
    calls.pop(0)()
    assert progress() == ("FULFILLED", "FULFILLED", "PENDING", 2)
    catalogs = search_rows(sandbox, "catalogs", order_item_ids=[key], limit=9)["catalogs"]
    assert {catalog["details"]["id"] for catalog in catalogs} == set(ids)
    assert {
        row["cloud_delivery"]["path"] for row in list_deliveries(sandbox, order_item_id=key)
    } == {"orders/"}
    for _ in range(3):  # the first delivery, and half of the second
        calls.pop(0)()
    assert progress() == ("FULFILLED", "FULFILLED", "PENDING", 2)
    calls.pop(0)()
    assert progress() == ("FULFILLED", "FULFILLED", "SUCCESSFUL", 2)
    assert calls == []


def test_failed_delivery_of_order_fails_delivery_of_task(start_sandbox: StartSandbox) -> None:
    sandbox = start_sandbox(order_seconds=0, delivery_seconds=0, fail_deliveries=1)
    cloud = {"config": sandbox.workspace.ids("stores")[0]}
    [item] = order(sandbox, archive_order_item(sandbox, cloud_delivery=cloud))["order_items"]
    shown = get(sandbox, f"/v0/order-items/{item['id']}")
    assert (shown["status"], shown["tasks"][0]["delivery_status"]) == ("FULFILLED", "FAILED")


def test_infeasible_tasking_is_doubtful_or_fails(start_sandbox: StartSandbox) -> None:
    sandbox = start_sandbox(order_seconds=0, infeasible=1)
    seen: set[tuple[str, str, int]] = set()
    for _ in range(20):
        [item] = order(sandbox, tasking_order_item(sandbox))["order_items"]
        shown = get(sandbox, f"/v0/order-items/{item['id']}")
        found = search_rows(sandbox, "catalogs", order_item_ids=[item["id"]])["catalogs"]
        seen.add((item["feasibility_status"], shown["status"], len(found)))
    assert seen == {("WEAK_SUCCESS", "FULFILLED", 1), ("FAILED", "FAILED", 0)}
    [item] = order(sandbox, archive_order_item(sandbox))["order_items"]
    assert item["feasibility_status"] == "NOT_APPLICABLE"


RING = make_square(77, 0)["coordinates"][0]


def test_dry_run_ignored_places_order(sandbox: Sandbox) -> None:
    sandbox.behavior = Behavior(dry_run_ignored=True, order_seconds=0)
    priced = order(sandbox, archive_order_item(sandbox), dry_run=True)
    assert priced["status"] == "PAID"
    assert all(priced[name] for name in ("paid_at", "transaction_id"))
    assert [row["id"] for row in sandbox.placed_orders()] == [priced["id"]]


def test_price_increase_raises_only_price_of_placed_order(sandbox: Sandbox) -> None:
    sandbox.behavior = Behavior(price_increase=12.5, order_seconds=0)
    body = archive_order_item(sandbox)
    priced, placed = order(sandbox, body, dry_run=True), order(sandbox, body)
    assert placed["total_amount"] == priced["total_amount"] * 1.125 == sandbox.spent_amount()


def test_order_uplift_is_listed_for_each_image(sandbox: Sandbox) -> None:
    sandbox.behavior = Behavior(order_uplift=25, order_seconds=0)
    for dry_run in (True, False):
        placed = order(
            sandbox, archive_order_item(sandbox), tasking_order_item(sandbox), dry_run=dry_run
        )
        for item in placed["order_items"]:
            [uplift] = item["uplifts"]
            assert uplift["percentage"] == 25
            assert uplift["amount"] == round(item["base_amount"] / 4)
            assert item["final_amount"] == item["base_amount"] + uplift["amount"]
        archive, tasking = placed["order_items"]
        assert archive["uplifts"][0]["item_id"] == archive["images"][0]["item_id"]
        assert "item_id" not in tasking["uplifts"][0]


def test_rename_orders_replaces_name_in_response_and_lists(sandbox: Sandbox) -> None:
    sandbox.behavior = Behavior(rename_orders=True, order_seconds=0)
    [item] = order(sandbox, archive_order_item(sandbox))["order_items"]
    assert item["name"].startswith("order item ")
    assert get(sandbox, f"/v0/order-items/{item['id']}")["name"] == item["name"]
    sandbox.behavior = Behavior(order_seconds=0)
    [unnamed] = order(sandbox, archive_order_item(sandbox, name=None))["order_items"]
    assert unnamed["name"].startswith("order item ")


def test_accept_part_places_some_order_items(sandbox: Sandbox) -> None:
    sandbox.behavior = Behavior(accept_part=1, order_seconds=0)
    names = ["one", "two", "three"]
    bodies = [archive_order_item(sandbox, name=name) for name in names]
    sizes = set()
    for _ in range(8):
        placed = order(sandbox, *bodies)
        items = placed["order_items"]
        assert {item["name"] for item in items} < set(names)
        assert placed["total_amount"] == sum(item["final_amount"] for item in items)
        assert (
            sandbox.placed_orders()[-1]["order_items"]
            == get(sandbox, f"{PATH}/{placed['id']}")["order_items"]
        )
        sizes.add(len(items))
    assert sizes == {1, 2}


def test_list_lag_hides_order_and_its_items(start_sandbox: StartSandbox) -> None:
    sandbox = start_sandbox(list_lag=3600, order_seconds=0)
    placed = order(sandbox, archive_order_item(sandbox))

    def listed() -> list[bool]:
        orders = get(sandbox, PATH, limit=99)["orders"]
        items = get(sandbox, "/v0/order-items", order_ids=placed["id"])["order_items"]
        return [placed["id"] in {row["id"] for row in orders}, bool(items)]

    assert listed() == [False, False]
    assert get(sandbox, f"{PATH}/{placed['id']}")["id"] == placed["id"]
    assert len(sandbox.placed_orders()) == 1
    moments = sandbox._state.listed_from
    moments.update(dict.fromkeys(moments, 0.0))
    assert listed() == [True, True]
