"""The workspace moves on when told to, and is the same for the same seed."""

import hashlib
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
import requests

from pixxel_sandbox import MISSING, Workspace
from pixxel_sandbox.mutations import advance, set_future_timestamps
from pixxel_sandbox.resources import RESOURCES
from pixxel_sandbox.seed.timestamp_formats import parse_timestamp

from .client import TIMEOUT, found, get, search
from .conftest import Start

DIGEST = """
import hashlib, sys
from pixxel_sandbox import Sandbox
import requests
with Sandbox(seed=int(sys.argv[1]), items=50) as box:
    headers = {"Authorization": "Bearer " + box.token}
    digest = hashlib.sha256()
    for path in ("orders", "order-items", "stores", "projects", "bandsets", "catalogs/deliveries",
                 "satellites", "indices", "aois", "workflows", "blocks"):
        digest.update(requests.get(f"{box.url}/v0/{path}?limit=999", headers=headers).content)
    for path in ("archives", "catalogs"):
        url = f"{box.url}/v0/{path}/search"
        body = requests.post(url, headers=headers, json={"limit": 999}).text
        digest.update(body.replace(box.url, "").encode())
print(digest.hexdigest())
"""


def digest(seed: int) -> str:
    command = [sys.executable, "-c", DIGEST, str(seed)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_the_same_seed_makes_the_same_bytes_in_another_process() -> None:
    assert digest(5) == digest(5)


def whole(workspace: Workspace) -> str:
    rows = [[workspace.get(name, key) for key in workspace.ids(name)] for name in RESOURCES]
    return hashlib.sha256(msgspec.json.encode(rows)).hexdigest()


def test_the_same_changes_make_the_same_rows() -> None:
    assert whole(Workspace(3, 30)) == whole(Workspace(3, 30)) != whole(Workspace(4, 30))


def test_a_workspace_of_which_all_was_deleted_moves_on() -> None:
    """Tests delete what they like, and then let it move on."""
    workspace = Workspace(1, 5)
    for name in ("orders", "order_items", "catalogs", "deliveries", "aois", "workflows"):
        for key in workspace.ids(name):
            workspace.delete(name, key)
    counts = advance(workspace, pytest.fail, ())
    assert {name for name, count in counts.items() if count} == {"archive_items"}
    set_future_timestamps(workspace)
    assert not workspace.ids("orders")


def test_what_refers_to_what_was_deleted_moves_on_alone() -> None:
    workspace = Workspace(1, 5)
    for name in ("orders", "aoi_assets"):
        for key in workspace.ids(name):
            workspace.delete(name, key)
    counts = advance(workspace, lambda _: None, ())
    assert {name for name, count in counts.items() if not count} == {"orders", "aoi_assets"}


def test_a_workspace_is_made_fast_and_sized_from_its_items() -> None:
    before = time.perf_counter()
    counts = Workspace(1, 200).counts()
    assert time.perf_counter() - before < 0.3
    assert counts["archive_items"] == 200
    assert counts["orders"] == 20
    assert 20 <= counts["order_items"] <= 60
    assert counts["catalogs"] / 4 < counts["deliveries"] < counts["catalogs"]
    small = {name: Workspace(1, 200).counts()[name] for name in ("stores", "bandsets", "projects")}
    assert small == {"stores": 3, "bandsets": 5, "projects": 4}
    assert Workspace(1, 1).counts()["orders"] == 6


def changed_since(rows: list[Any], old: dict[str, Any], key: str, stamp: str) -> list[Any]:
    changed = [row for row in rows if old.get(row[key]) != row]
    for row in changed:
        moment = parse_timestamp(row.get("properties", row)[stamp])
        assert moment
        assert abs(datetime.now(UTC) - moment) < timedelta(seconds=30)
    return changed


def test_advance_changes_rows_and_dates_them_now(start: Start) -> None:
    sandbox = start()
    analyses = ("aois", "aoi_assets", "workflows")
    old = {
        name: {key: sandbox.workspace.get(name, key) for key in sandbox.workspace.ids(name)}
        for name in ("archive_items", "catalogs", "order_items", "deliveries", *analyses)
    }
    answer = requests.post(sandbox.url + "/_sandbox/advance", timeout=TIMEOUT).json()
    rows = {
        "archive_items": search(sandbox, "archives", limit=999)["features"],
        "catalogs": search(sandbox, "catalogs", limit=999)["catalogs"],
        "order_items": get(sandbox, "/v0/order-items", limit=999)["order_items"],
        "deliveries": get(sandbox, "/v0/catalogs/deliveries")["deliveries"],
        "aois": get(sandbox, "/v0/aois", limit=999)["aois"],
        "aoi_assets": sandbox.workspace.rows("aoi_assets"),
        "workflows": sandbox.workspace.rows("workflows"),
    }
    for name, listed in rows.items():
        key, stamp = RESOURCES[name].key, RESOURCES[name].updated_field
        assert stamp
        changed = changed_since(listed, old[name], key, stamp)
        assert len(changed) == answer[name] > 0, name
    new = len(rows["archive_items"]) - len(old["archive_items"])
    assert new in {2, 3}
    assert len(rows["catalogs"]) == len(old["catalogs"]) + 1
    assert answer["orders"] == 1
    assert [answer[name] for name in analyses] == [1, 1, 1]
    assert len(rows["aoi_assets"]) == len(old["aoi_assets"]) + 1
    changed_delivery = next(
        row for row in rows["deliveries"] if row not in old["deliveries"].values()
    )
    assert changed_delivery["status"] == "SUCCESS"


def test_rows_can_be_inserted_updated_and_deleted(start: Start) -> None:
    sandbox = start()
    workspace = sandbox.workspace
    key = workspace.insert("orders", {"id": "new", "created_at": "2030-01-01T00:00:00Z"})
    assert get(sandbox, "/v0/orders", limit=1)["orders"][0]["id"] == key == "new"
    workspace.update("orders", key, status="PAID", updated_at=MISSING)
    assert get(sandbox, "/v0/orders/new") == {
        "id": "new", "created_at": "2030-01-01T00:00:00Z", "status": "PAID", "order_items": [],
    }  # fmt: skip
    workspace.delete("orders", key)
    assert key not in workspace.ids("orders")
    assert [change.kind for change in workspace.changes] == ["insert", "update", "delete"]
    with pytest.raises(KeyError):
        workspace.update("orders", key)


def test_an_update_reaches_the_order_that_holds_the_item(start: Start) -> None:
    sandbox = start()
    key = sandbox.workspace.ids("order_items")[0]
    sandbox.workspace.update("order_items", key, name="renamed")
    order = get(sandbox, f"/v0/order-items/{key}")["order_id"]
    assert "renamed" in [
        item["name"] for item in get(sandbox, f"/v0/orders/{order}")["order_items"]
    ]


def test_an_archive_item_is_given_in_part_and_made_up_for_the_rest(start: Start) -> None:
    sandbox = start()
    row = {
        "id": "mine",
        "collection": "td2-l2a",
        "flag": 1,
        "properties": {"datetime": "2027-01-01T00:00:00Z"},
    }
    sandbox.workspace.insert("archive_items", row)
    item = get(sandbox, "/v0/archives/collections/td2-l2a/items/mine")
    assert item["flag"] == 1
    assert len(item["assets"]) > 60
    assert found(sandbox, datetime="2027-01-01T00:00:00Z") == ["mine"]


def test_a_catalog_keeps_details_of_its_own(start: Start) -> None:
    sandbox = start()
    key = sandbox.workspace.insert("catalogs", {"task_id": "t", "details": {"id": "image"}})
    sandbox.workspace.update("catalogs", key, area=1, details={"properties": {"gsd": 7}})
    catalog = get(sandbox, f"/v0/catalogs/{key}")
    assert (catalog["details"]["id"], catalog["details"]["properties"]["gsd"]) == ("image", 7)
    assert search(sandbox, "catalogs", query={"gsd": {"eq": 7}})["pagination"]["total"] == 1
