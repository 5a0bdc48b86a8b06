"""Orders: prices of dry runs, placed orders and their fulfilment, and an API that misbehaves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pixxel_sandbox import Behavior, Sandbox

from .api_client import get, search_rows
from .download_requests import collect_scheduled_calls
from .order_requests import (
    PATH,
    archive_order_item,
    collect_features,
    find_archive_item,
    make_square,
    order,
    request_order,
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
WRONG_ARCHIVE_FIELDS: tuple[tuple[str, Any], ...] = (
    ("geometry", make_square(77, 0)),
    ("geometry", {"type": "FeatureCollection", "features": []}),
    ("geometry", collect_features({"type": "Point", "coordinates": [77, 0]})),
    ("geometry", collect_features({"type": "MultiPolygon", "coordinates": [[RING], [RING[:4]]]})),
    ("geometry", collect_features({"type": "Polygon", "coordinates": [[RING[0]] * 4]})),
    ("geometry", collect_features(make_square(77, 89.99))),
    ("project_id", None),
    ("name", "n" * 101),
    ("usecase", None),
    ("item_ids", []),
    ("item_ids", ["nonesuch"]),
    ("cloud_cover", 20),
    ("recurrence", "ONCE"),
    ("cloud_delivery", {"config": "nonesuch"}),
)
WRONG_TASKING_FIELDS: tuple[tuple[str, Any], ...] = (
    ("recurrence", "NOT_APPLICABLE"),
    ("start_date", "2026-01-01"),
    ("end_date", "2026-01-01T00:00:00Z"),
    ("no_of_occurrences", 2),
    ("cloud_cover", 101),
    ("cloud_cover", True),
    ("off_nadir", 91),
    ("bandset", {"bandset_id": "nonesuch"}),
    ("delivery_speed", "EXPEDITED"),
)


@pytest.mark.parametrize("dry_run", [True, False])
def test_order_with_invalid_field_is_rejected(shared_sandbox: Sandbox, *, dry_run: bool) -> None:
    before = shared_sandbox.counts()
    cases = [
        *((archive_order_item, name, value) for name, value in WRONG_ARCHIVE_FIELDS),
        *((tasking_order_item, name, value) for name, value in WRONG_TASKING_FIELDS),
    ]
    for make, name, value in cases:
        valid, wrong = make(shared_sandbox), make(shared_sandbox, **{name: value})
        response = request_order(shared_sandbox, valid, wrong, dry_run=dry_run)
        assert response.status_code == 400, (name, value)
        assert response.json()["error"]["details"]["field"] == f"order_items.1.{name}", value
    assert shared_sandbox.counts() == before
    response = request_order(shared_sandbox, archive_order_item(shared_sandbox), dry_run="true")
    assert response.json()["error"]["details"] == {"field": "dry_run"}
    twice = [find_archive_item(shared_sandbox).id] * 2
    response = request_order(shared_sandbox, archive_order_item(shared_sandbox, item_ids=twice))
    assert response.json()["error"]["details"] == {"field": "order_items.0.item_ids"}


@pytest.mark.parametrize(
    ("changes", "base", "percentages"),
    [
        ({"cloud_cover": 9}, 4 * 124, [50]),
        ({"cloud_cover": 10}, 4 * 124, []),
        ({"recurrence": "MONTHLY", "no_of_occurrences": 3, "end_date": None}, 3 * 4 * 124, []),
    ],
)
def test_tasking_price_follows_area_captures_and_uplifts(
    shared_sandbox: Sandbox, changes: dict[str, Any], base: float, percentages: list[int]
) -> None:
    body = tasking_order_item(shared_sandbox, **changes)
    [item] = order(shared_sandbox, body, dry_run=True)["order_items"]
    assert (item["area"], item["base_amount"], item["tokens_used"]) == (124, base, 0)
    assert [uplift["percentage"] for uplift in item["uplifts"]] == percentages
    assert item["final_amount"] == base * (1 + sum(percentages) / 100)


def test_several_images_and_features_are_all_priced(sandbox: Sandbox) -> None:
    item = find_archive_item(sandbox)
    copy = sandbox.workspace.insert_copy("archive_items", item.id)
    lon, lat = item.footprint.lon, item.footprint.lat
    both = collect_features(make_square(lon, lat), make_square(lon - 0.1, lat))
    bodies = archive_order_item(sandbox), archive_order_item(sandbox, item_ids=[item.id, copy],
                                                             geometry=both)  # fmt: skip
    single, double = order(sandbox, *bodies, dry_run=True)["order_items"]
    assert double["area"] == pytest.approx(2 * single["area"], abs=1)
    assert double["base_amount"] == 2 * 2.0 * double["area"]


def test_recurring_order_brings_catalog_of_each_capture(start_sandbox: StartSandbox) -> None:
    sandbox = start_sandbox(order_seconds=0)
    body = tasking_order_item(
        sandbox, recurrence="MONTHLY", end_date="2026-03-15T00:00:00Z", cloud_cover=15
    )
    [item] = order(sandbox, body)["order_items"]
    assert [(each["start"][:10], each["end"][:10]) for each in item["occurrences"]] == [
        ("2026-01-01", "2026-01-31"), ("2026-01-31", "2026-03-02"), ("2026-03-02", "2026-03-15"),
    ]  # fmt: skip
    catalogs = search_rows(sandbox, "catalogs", order_item_ids=[item["id"]], limit=9)["catalogs"]
    tasks = get(sandbox, f"/v0/order-items/{item['id']}")["tasks"]
    assert len({catalog["task_id"] for catalog in catalogs}) == len(tasks) == 3
    for catalog in catalogs:
        edges = [float(edge) for edge in catalog["details"]["bbox"]]
        assert edges == pytest.approx([77, 0, 77.1, 0.1])
        assert catalog["details"]["properties"]["eo:cloud_cover"] <= 15


def test_recurring_order_needs_either_end_or_number(shared_sandbox: Sandbox) -> None:
    for changes, name in (
        ({"end_date": None}, "no_of_occurrences"),
        ({"no_of_occurrences": 2}, "no_of_occurrences"),
        ({"end_date": None, "no_of_occurrences": 121}, "no_of_occurrences"),
        ({"end_date": "2199-01-01T00:00:00Z"}, "end_date"),
    ):
        body = tasking_order_item(shared_sandbox, recurrence="MONTHLY", **changes)
        response = request_order(shared_sandbox, body, dry_run=True)
        assert response.json()["error"]["details"]["field"] == f"order_items.0.{name}", changes


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
