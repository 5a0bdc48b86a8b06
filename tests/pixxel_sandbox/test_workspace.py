"""The workspace: reproducible from its seed, changed by `advance` and by tests."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
import requests

from pixxel_sandbox import MISSING, Workspace
from pixxel_sandbox.mutations import advance, set_future_timestamps
from pixxel_sandbox.resources import RESOURCES
from pixxel_sandbox.seed.timestamp_formats import parse_timestamp

from .api_client import TIMEOUT, find_item_ids, get, search_rows

if TYPE_CHECKING:
    from .conftest import StartSandbox

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


def digest_in_new_process(seed: int) -> str:
    command = [sys.executable, "-c", DIGEST, str(seed)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_same_seed_in_another_process_makes_same_bytes() -> None:
    assert digest_in_new_process(5) == digest_in_new_process(5)


def hash_rows(workspace: Workspace) -> str:
    rows = [[workspace.get(name, key) for key in workspace.ids(name)] for name in RESOURCES]
    return hashlib.sha256(msgspec.json.encode(rows)).hexdigest()


def test_same_seed_makes_same_rows() -> None:
    assert hash_rows(Workspace(3, 30)) == hash_rows(Workspace(3, 30)) != hash_rows(Workspace(4, 30))


def test_advance_with_all_rows_deleted_succeeds() -> None:
    """A test may delete any rows before it advances the workspace."""
    workspace = Workspace(1, 5)
    for name in ("orders", "order_items", "catalogs", "deliveries", "aois", "workflows"):
        for key in workspace.ids(name):
            workspace.delete(name, key)
    counts = advance(workspace, pytest.fail, ())
    assert {name for name, count in counts.items() if count} == {"archive_items"}
    set_future_timestamps(workspace)
    assert not workspace.ids("orders")


def test_advance_with_missing_references_changes_the_rest() -> None:
    workspace = Workspace(1, 5)
    for name in ("orders", "aoi_assets"):
        for key in workspace.ids(name):
            workspace.delete(name, key)
    counts = advance(workspace, lambda _: None, ())
    assert {name for name, count in counts.items() if not count} == {"orders", "aoi_assets"}


def test_workspace_is_generated_fast_and_sized_from_items() -> None:
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


def changed_rows(rows: list[Any], old: dict[str, Any], key: str, stamp: str) -> list[Any]:
    changed = [row for row in rows if old.get(row[key]) != row]
    for row in changed:
        moment = parse_timestamp(row.get("properties", row)[stamp])
        assert moment
        assert abs(datetime.now(UTC) - moment) < timedelta(seconds=30)
    return changed


def test_advance_changes_rows_and_their_update_times(start_sandbox: StartSandbox) -> None:
    sandbox = start_sandbox()
    analyses = ("aois", "aoi_assets", "workflows")
    old = {
        name: {key: sandbox.workspace.get(name, key) for key in sandbox.workspace.ids(name)}
        for name in ("archive_items", "catalogs", "order_items", "deliveries", *analyses)
    }
    response = requests.post(sandbox.url + "/_sandbox/advance", timeout=TIMEOUT).json()
    rows = {
        "archive_items": search_rows(sandbox, "archives", limit=999)["features"],
        "catalogs": search_rows(sandbox, "catalogs", limit=999)["catalogs"],
        "order_items": get(sandbox, "/v0/order-items", limit=999)["order_items"],
        "deliveries": get(sandbox, "/v0/catalogs/deliveries")["deliveries"],
        "aois": get(sandbox, "/v0/aois", limit=999)["aois"],
        "aoi_assets": sandbox.workspace.rows("aoi_assets"),
        "workflows": sandbox.workspace.rows("workflows"),
    }
    for name, listed in rows.items():
        key, stamp = RESOURCES[name].key, RESOURCES[name].updated_field
        assert stamp
        changed = changed_rows(listed, old[name], key, stamp)
        assert len(changed) == response[name] > 0, name
    new = len(rows["archive_items"]) - len(old["archive_items"])
    assert new in {2, 3}
    assert len(rows["catalogs"]) == len(old["catalogs"]) + 1
    assert response["orders"] == 1
    assert [response[name] for name in analyses] == [1, 1, 1]
    assert len(rows["aoi_assets"]) == len(old["aoi_assets"]) + 1
    changed_delivery = next(
        row for row in rows["deliveries"] if row not in old["deliveries"].values()
    )
    assert changed_delivery["status"] == "SUCCESS"


def test_rows_inserted_updated_and_deleted_are_served(start_sandbox: StartSandbox) -> None:
    sandbox = start_sandbox()
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


def test_order_item_update_changes_order(start_sandbox: StartSandbox) -> None:
    sandbox = start_sandbox()
    key = sandbox.workspace.ids("order_items")[0]
    sandbox.workspace.update("order_items", key, name="renamed")
    order = get(sandbox, f"/v0/order-items/{key}")["order_id"]
    assert "renamed" in [
        item["name"] for item in get(sandbox, f"/v0/orders/{order}")["order_items"]
    ]


def test_archive_item_inserted_in_part_is_completed(start_sandbox: StartSandbox) -> None:
    sandbox = start_sandbox()
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
    assert find_item_ids(sandbox, datetime="2027-01-01T00:00:00Z") == ["mine"]


def test_catalog_update_changes_its_details(start_sandbox: StartSandbox) -> None:
    sandbox = start_sandbox()
    key = sandbox.workspace.insert("catalogs", {"task_id": "t", "details": {"id": "image"}})
    sandbox.workspace.update("catalogs", key, area=1, details={"properties": {"gsd": 7}})
    catalog = get(sandbox, f"/v0/catalogs/{key}")
    assert (catalog["details"]["id"], catalog["details"]["properties"]["gsd"]) == ("image", 7)
    assert search_rows(sandbox, "catalogs", query={"gsd": {"eq": 7}})["pagination"]["total"] == 1
