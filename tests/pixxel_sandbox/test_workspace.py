"""The workspace: reproducible from its seed, changed by `advance` and by tests."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
import requests

from pixxel_sandbox import MISSING, Workspace
from pixxel_sandbox.resources import RESOURCES
from pixxel_sandbox.seed.timestamp_formats import parse_timestamp

from .api_client import TIMEOUT, get, search_rows

if TYPE_CHECKING:
    from .conftest import StartSandbox


def hash_rows(workspace: Workspace) -> str:
    rows = [[workspace.get(name, key) for key in workspace.ids(name)] for name in RESOURCES]
    return hashlib.sha256(msgspec.json.encode(rows)).hexdigest()


def test_same_seed_makes_same_rows() -> None:
    assert hash_rows(Workspace(3, 30)) == hash_rows(Workspace(3, 30)) != hash_rows(Workspace(4, 30))


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
