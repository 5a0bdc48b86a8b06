"""Deliveries are asked for by catalog or order item, all or none of them, and move over time."""

import time
from typing import Any

import pytest
import requests

from pixxel_sandbox import Sandbox

from .client import TIMEOUT, search
from .conftest import Start
from .writes import deliver, ended, listed, make_store, new, request


@pytest.fixture
def sandbox(start: Start) -> Sandbox:
    return start()


def test_a_delivery_of_each_catalog_is_made(sandbox: Sandbox) -> None:
    store = make_store(sandbox)["id"]
    catalogs = sandbox.workspace.ids("catalogs")[:3]
    rows = deliver(sandbox, catalogs, store, path="a/b")
    assert [row["catalog_id"] for row in rows] == catalogs
    assert {row["status"] for row in rows} == {"CREATED"}
    assert {row["task_id"] for row in rows} == {None}
    assert rows[0]["cloud_delivery"] == {"config": store, "path": "a/b"}
    assert len({row["delivery_id"] for row in rows}) == 3
    shown = [row for row in listed(sandbox) if row["cloud_delivery"]["config"] == store]
    assert [row["delivery_id"] for row in shown] == [row["delivery_id"] for row in rows]
    [one] = listed(sandbox, delivery_id=rows[1]["delivery_id"])
    assert one["catalog_id"] == catalogs[1]


def test_nothing_keeps_a_catalog_from_being_delivered_twice(sandbox: Sandbox) -> None:
    store = make_store(sandbox)["id"]
    catalogs = sandbox.workspace.ids("catalogs")[:1]
    first, second = deliver(sandbox, catalogs, store), deliver(sandbox, catalogs, store)
    assert first[0]["delivery_id"] != second[0]["delivery_id"]


def test_an_order_item_stands_for_its_catalogs(sandbox: Sandbox) -> None:
    [store, *_] = sandbox.workspace.ids("stores")
    for item in sandbox.workspace.ids("order_items"):
        catalogs = search(sandbox, "catalogs", order_item_ids=[item], limit=99)["catalogs"]
        answer = request(sandbox, {"order_item_ids": [item], "cloud_delivery": {"config": store}})
        if not catalogs:
            assert answer.status_code == 409
            continue
        rows = answer.json()["deliveries"]
        assert {row["catalog_id"] for row in rows} == {row["id"] for row in catalogs}
        shown = {row["delivery_id"] for row in listed(sandbox, order_item_id=item)}
        assert {row["delivery_id"] for row in rows} <= shown


def entry(**changes: Any) -> dict[str, Any]:
    return {"catalog_ids": ["catalog"], "cloud_info": {"config": "store"}, **changes}


REFUSED = [
    ([], 400),
    ([entry(order_item_ids=["item"])], 400),
    ([entry(catalog_ids=[])], 400),
    ([entry(catalog_ids=[], order_item_ids=[])], 400),
    ([{"cloud_info": {"config": "store"}}], 400),
    ([entry(catalog_ids=["catalog", "catalog"])], 400),
    ([entry(catalog_ids="catalog")], 400),
    ([entry(catalog_ids=[1])], 400),
    ([entry(cloud_info=None)], 400),
    ([entry(cloud_info={})], 400),
    ([entry(cloud_info={"config": "store", "path": 1})], 400),
    (["catalog"], 400),
    ([entry(catalog_ids=["catalog", "nonesuch"])], 404),
    ([entry(catalog_ids=[], order_item_ids=["nonesuch"])], 404),
    ([entry(cloud_info={"config": "nonesuch"})], 404),
]


@pytest.mark.parametrize(("entries", "status"), REFUSED)
def test_one_bad_entry_refuses_all(sandbox: Sandbox, entries: list[Any], status: int) -> None:
    workspace = sandbox.workspace
    ids = {
        "catalog": workspace.ids("catalogs")[0],
        "item": workspace.ids("order_items")[0],
        "store": make_store(sandbox)["id"],
    }
    before = workspace.ids("deliveries")
    good = {"catalog_ids": [ids["catalog"]], "cloud_info": {"config": ids["store"]}}
    answer = request(sandbox, *([good] if entries else []), *_with(ids, entries))
    assert answer.status_code == status, answer.text
    assert answer.json()["error"]["code"] == ("bad_request" if status == 400 else "not_found")
    assert workspace.ids("deliveries") == before


def _with(ids: dict[str, str], value: Any) -> Any:
    """Puts the ids of a sandbox in the place of their names."""
    if isinstance(value, list):
        return [_with(ids, each) for each in value]
    if isinstance(value, dict):
        return {name: _with(ids, each) for name, each in value.items()}
    return ids.get(value, value) if isinstance(value, str) else value


def test_a_delivery_moves_and_its_time_with_it(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox = start(delivery_seconds=0.1)
    workspace, seeded, seen = sandbox.workspace, listed(sandbox), []
    update, before = workspace.update, time.monotonic()

    def noted(resource: str, key: str, **fields: object) -> None:
        update(resource, key, **fields)
        seen.append((time.monotonic() - before, workspace.get(resource, key)))

    monkeypatch.setattr(workspace, "update", noted)
    [row] = deliver(sandbox, workspace.ids("catalogs")[:1], make_store(sandbox)["id"])
    assert ended(sandbox, row["delivery_id"]) == "SUCCESS"
    assert not sandbox._state.pending_deliveries, "advance may move it on from now on"
    assert row["status"] == "CREATED"
    [(began, going), (arrived, gone)] = seen
    assert (going["status"], gone["status"]) == ("IN_PROGRESS", "SUCCESS")
    assert began >= 0.05
    assert arrived >= 0.1
    stamps = [each["updated_at"] for each in (row, going, gone)]
    assert stamps == sorted(set(stamps))
    assert gone["created_at"] == row["created_at"]
    assert listed(sandbox) == [*seeded, gone], "seeded rows stay as they are"


def test_a_delivery_may_take_no_time(start: Start) -> None:
    sandbox = start(delivery_seconds=0)
    [row] = deliver(sandbox, sandbox.workspace.ids("catalogs")[:1], make_store(sandbox)["id"])
    assert row["status"] == "CREATED"
    assert listed(sandbox, delivery_id=row["delivery_id"])[0]["status"] == "SUCCESS"


def test_a_delivery_that_was_removed_moves_no_more(start: Start) -> None:
    sandbox = start(delivery_seconds=0.02)
    workspace = sandbox.workspace
    store, [catalog, *_] = make_store(sandbox)["id"], workspace.ids("catalogs")
    [gone] = deliver(sandbox, [catalog], store)
    workspace.delete("deliveries", gone["delivery_id"])
    [left] = deliver(sandbox, [catalog], store)
    assert ended(sandbox, left["delivery_id"]) == "SUCCESS"


def advance(sandbox: Sandbox) -> Any:
    return requests.post(sandbox.url + "/_sandbox/advance", timeout=TIMEOUT).json()


def test_a_new_catalog_is_delivered_where_its_order_item_says(start: Start) -> None:
    sandbox = start(delivery_seconds=0)
    workspace = sandbox.workspace
    items = {task["id"]: item for item in workspace.rows("order_items")
             for task in item.get("tasks") or ()}  # fmt: skip
    automated = by_hand = 0
    while not (automated and by_hand):
        catalogs, deliveries = workspace.ids("catalogs"), workspace.ids("deliveries")
        changed = advance(sandbox)
        [key] = set(workspace.ids("catalogs")) - set(catalogs)
        catalog = workspace.get("catalogs", key)
        rows = new(sandbox, deliveries)
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


def test_advance_leaves_deliveries_alone_that_move_on_their_own(start: Start) -> None:
    sandbox = start(delivery_seconds=60)
    workspace = sandbox.workspace
    for key in workspace.ids("deliveries"):
        workspace.delete("deliveries", key)
    rows = deliver(sandbox, workspace.ids("catalogs")[:2], make_store(sandbox)["id"])
    advance(sandbox)
    for row in rows:
        assert workspace.get("deliveries", row["delivery_id"]) == row
