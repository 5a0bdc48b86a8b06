"""Deliveries: valid and invalid requests, progress, and automatic deliveries."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
import requests

from .api_client import TIMEOUT, search_rows
from .write_requests import (
    deliver,
    list_deliveries,
    make_store,
    new_deliveries,
    request_deliveries,
    wait_for_end,
)

if TYPE_CHECKING:
    from pixxel_sandbox import Sandbox

    from .conftest import StartSandbox


@pytest.fixture
def sandbox(start_sandbox: StartSandbox) -> Sandbox:
    return start_sandbox()


def test_delivery_of_order_item_delivers_its_catalogs(sandbox: Sandbox) -> None:
    [store, *_] = sandbox.workspace.ids("stores")
    for item in sandbox.workspace.ids("order_items"):
        catalogs = search_rows(sandbox, "catalogs", order_item_ids=[item], limit=99)["catalogs"]
        response = request_deliveries(
            sandbox, {"order_item_ids": [item], "cloud_delivery": {"config": store}}
        )
        if not catalogs:
            assert response.status_code == 409
            continue
        rows = response.json()["deliveries"]
        assert {row["catalog_id"] for row in rows} == {row["id"] for row in catalogs}
        shown = {row["delivery_id"] for row in list_deliveries(sandbox, order_item_id=item)}
        assert {row["delivery_id"] for row in rows} <= shown


def make_entry(**changes: Any) -> dict[str, Any]:
    return {"catalog_ids": ["catalog"], "cloud_info": {"config": "store"}, **changes}


REFUSED = [
    ([], 400),
    ([make_entry(order_item_ids=["item"])], 400),
    ([make_entry(catalog_ids=[])], 400),
    ([make_entry(catalog_ids=[], order_item_ids=[])], 400),
    ([{"cloud_info": {"config": "store"}}], 400),
    ([make_entry(catalog_ids=["catalog", "catalog"])], 400),
    ([make_entry(catalog_ids="catalog")], 400),
    ([make_entry(catalog_ids=[1])], 400),
    ([make_entry(cloud_info=None)], 400),
    ([make_entry(cloud_info={})], 400),
    ([make_entry(cloud_info={"config": "store", "path": 1})], 400),
    (["catalog"], 400),
    ([make_entry(catalog_ids=["catalog", "nonesuch"])], 404),
    ([make_entry(catalog_ids=[], order_item_ids=["nonesuch"])], 404),
    ([make_entry(cloud_info={"config": "nonesuch"})], 404),
]


def _insert_ids(ids: dict[str, str], value: Any) -> Any:
    """Replace the names of ids by the ids of a sandbox."""
    if isinstance(value, list):
        return [_insert_ids(ids, each) for each in value]
    if isinstance(value, dict):
        return {name: _insert_ids(ids, each) for name, each in value.items()}
    return ids.get(value, value) if isinstance(value, str) else value


def test_delivery_progress_changes_status_and_update_time(
    start_sandbox: StartSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox = start_sandbox(delivery_seconds=0.1)
    workspace, seeded, seen = sandbox.workspace, list_deliveries(sandbox), []
    update, before = workspace.update, time.monotonic()

    def noted(resource: str, key: str, **fields: object) -> None:
        update(resource, key, **fields)
        seen.append((time.monotonic() - before, workspace.get(resource, key)))

    monkeypatch.setattr(workspace, "update", noted)
    [row] = deliver(sandbox, workspace.ids("catalogs")[:1], make_store(sandbox)["id"])
    assert wait_for_end(sandbox, row["delivery_id"]) == "SUCCESS"
    assert not sandbox._state.pending_deliveries, "advance may change it from now on"
    assert row["status"] == "CREATED"
    [(began, going), (arrived, gone)] = seen
    assert (going["status"], gone["status"]) == ("IN_PROGRESS", "SUCCESS")
    assert began >= 0.05
    assert arrived >= 0.1
    stamps = [each["updated_at"] for each in (row, going, gone)]
    assert stamps == sorted(set(stamps))
    assert gone["created_at"] == row["created_at"]
    assert list_deliveries(sandbox) == [*seeded, gone], "seeded rows stay as they are"


def advance(sandbox: Sandbox) -> Any:
    return requests.post(sandbox.url + "/_sandbox/advance", timeout=TIMEOUT).json()


def test_advance_delivers_new_catalog_of_automatic_order_item(start_sandbox: StartSandbox) -> None:
    sandbox = start_sandbox(delivery_seconds=0)
    workspace = sandbox.workspace
    items = {task["id"]: item for item in workspace.rows("order_items")
             for task in item.get("tasks") or ()}  # fmt: skip
    automated = by_hand = 0
    while not (automated and by_hand):
        catalogs, deliveries = workspace.ids("catalogs"), workspace.ids("deliveries")
        changed = advance(sandbox)
        [key] = set(workspace.ids("catalogs")) - set(catalogs)
        catalog = workspace.get("catalogs", key)
        rows = new_deliveries(sandbox, deliveries)
        if cloud := items[catalog["task_id"]].get("cloud_delivery"):
            [row] = rows
            assert (row["task_id"], row["cloud_delivery"]) == (catalog["task_id"], cloud)
            assert (row["catalog_id"], row["status"]) == (key, "SUCCESS")
            assert catalog["delivery_status"] == "SUCCESS"
            assert changed["deliveries"] == 2
            automated += 1
        else:
            assert rows == []
            by_hand += 1


def test_advance_does_not_change_pending_deliveries(start_sandbox: StartSandbox) -> None:
    sandbox = start_sandbox(delivery_seconds=60)
    workspace = sandbox.workspace
    for key in workspace.ids("deliveries"):
        workspace.delete("deliveries", key)
    rows = deliver(sandbox, workspace.ids("catalogs")[:2], make_store(sandbox)["id"])
    advance(sandbox)
    for row in rows:
        assert workspace.get("deliveries", row["delivery_id"]) == row


@pytest.mark.parametrize(("entries", "status"), REFUSED)
def test_deliveries_with_one_invalid_entry_are_rejected(
    sandbox: Sandbox, entries: list[Any], status: int
) -> None:
    workspace = sandbox.workspace
    ids = {
        "catalog": workspace.ids("catalogs")[0],
        "item": workspace.ids("order_items")[0],
        "store": make_store(sandbox)["id"],
    }
    before = workspace.ids("deliveries")
    good = {"catalog_ids": [ids["catalog"]], "cloud_info": {"config": ids["store"]}}
    response = request_deliveries(sandbox, *([good] if entries else []), *_insert_ids(ids, entries))
    assert response.status_code == status, response.text
    assert response.json()["error"]["code"] == ("bad_request" if status == 400 else "not_found")
    assert workspace.ids("deliveries") == before


def test_delivery_that_was_deleted_is_not_updated(start_sandbox: StartSandbox) -> None:
    sandbox = start_sandbox(delivery_seconds=0.02)
    workspace = sandbox.workspace
    store, [catalog, *_] = make_store(sandbox)["id"], workspace.ids("catalogs")
    [gone] = deliver(sandbox, [catalog], store)
    workspace.delete("deliveries", gone["delivery_id"])
    [left] = deliver(sandbox, [catalog], store)
    assert wait_for_end(sandbox, left["delivery_id"]) == "SUCCESS"
