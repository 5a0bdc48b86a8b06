"""Delivered assets: items link to the objects in the buckets, and each delivery emits its item."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from pixxel_sandbox import Behavior, Sandbox
from pixxel_singer.exit_codes import ExitCode
from tap_pixxel.tap import TapPixxel
from tests.pixxel_api.scripted import ScriptedServer, answer
from tests.tap_pixxel.syncs import MessageCollector, SyncResult, make_catalog, make_config, sync

if TYPE_CHECKING:
    from pixxel_sandbox import Workspace

AZURE = "https://account.blob.core.windows.net/images"
READS = ["/v0/catalogs/deliveries", "/v0/stores"]


@pytest.fixture
def workspace(sandbox: Sandbox) -> Workspace:
    """Return the sandbox's workspace, without deliveries."""
    for key in sandbox.workspace.ids("deliveries"):
        sandbox.workspace.delete("deliveries", key)
    return sandbox.workspace


def find_store(workspace: Workspace, name: str) -> str:
    rows = (workspace.get("stores", key) for key in workspace.ids("stores"))
    return next(str(row["id"]) for row in rows if row["name"] == name)


def make_old_catalog(workspace: Workspace, place: int = 0) -> str:
    """Return the id of a catalog, updated long ago."""
    key = workspace.ids("catalogs")[place]
    workspace.update("catalogs", key, updated_at="2024-01-01T00:00:00Z")
    return key


def add_delivery(workspace: Workspace, catalog: str, name: str = "analysis", **fields: Any) -> str:
    cloud = {"config": find_store(workspace, name), "path": fields.pop("path", "incoming/")}
    stated = {"status": "SUCCESS", "target_path": f"{catalog}/image.zip"}
    stamp = datetime.now(UTC).isoformat()
    row = {"catalog_id": catalog, "cloud_delivery": cloud, "created_at": stamp}
    return workspace.insert("deliveries", {**row, "updated_at": stamp, **stated, **fields})


def sync_catalogs(sandbox: Sandbox, **options: Any) -> SyncResult:
    return sync(sandbox, "catalogs", **{"delivered_assets": True, **options})


def find_record(synced: SyncResult, catalog: str) -> dict[str, Any]:
    return next(r for r in synced.records["catalogs"] if r["id"] == catalog)


def find_delivery_assets(synced: SyncResult, catalog: str) -> dict[str, dict[str, Any]]:
    assets = find_record(synced, catalog)["stac_item"]["assets"]
    return {key: asset for key, asset in assets.items() if key.startswith("delivery-")}


def requested_lists(sandbox: Sandbox) -> list[str]:
    return [r.path for r in sandbox.requests if r.path in READS]


def find_messages(caplog: pytest.LogCaptureFixture, *words: str) -> list[str]:
    return [each for each in caplog.messages if all(word in each for word in words)]


def test_item_links_to_delivered_object(sandbox: Sandbox, workspace: Workspace) -> None:
    name = "archive"
    catalog = make_old_catalog(workspace)
    key = add_delivery(workspace, catalog, name, target_path="a b/image.zip")
    synced = sync_catalogs(sandbox, store_urls={name: AZURE})
    assert synced.status is ExitCode.OK
    [(asset_key, asset)] = find_delivery_assets(synced, catalog).items()
    assert asset_key == f"delivery-{name}"
    assert asset["href"] == f"{AZURE}/raw/incoming/a%20b/image.zip"
    assert asset["type"] == "application/zip"
    assert asset["pixxel:delivery_id"] == key
    assert asset["pixxel:store_id"] == find_store(workspace, name)
    others = [r for r in synced.records["catalogs"] if r["id"] != catalog]
    assert not any(find_delivery_assets(synced, each["id"]) for each in others)
    full_table = sync_catalogs(sandbox, store_urls={name: AZURE}, full_table=True)
    assert find_delivery_assets(full_table, catalog) == {asset_key: asset}


def test_unusable_deliveries_are_counted_and_logged_once(
    sandbox: Sandbox, workspace: Workspace, caplog: pytest.LogCaptureFixture
) -> None:
    catalog = make_old_catalog(workspace)
    add_delivery(workspace, catalog, "archive")
    add_delivery(workspace, catalog, "archive", path="again/")
    add_delivery(workspace, catalog, target_path=None)
    add_delivery(workspace, catalog, cloud_delivery={"config": "no-such-store"})
    with caplog.at_level(logging.WARNING):
        synced = sync_catalogs(sandbox)
    assert synced.status is ExitCode.OK
    assert find_delivery_assets(synced, catalog) == {}
    [line] = find_messages(caplog, "without an asset")
    assert line == (
        "catalogs: successful deliveries without an asset: 1 to a store that no longer exists, "
        "2 to a store without a known URL (see the setting 'store_urls'), 1 without a catalog, an "
        "id or a path"
    )


def test_delivery_finished_later_emits_its_catalog_again(
    sandbox: Sandbox, workspace: Workspace
) -> None:
    catalog = make_old_catalog(workspace)
    key = add_delivery(workspace, catalog, status="IN_PROGRESS")
    first = sync_catalogs(sandbox)
    assert find_record(first, catalog)["updated_at"] == "2024-01-01T00:00:00.000000Z"
    quiet = sync_catalogs(sandbox, state=first.state)
    assert catalog not in quiet.ids("catalogs")
    moment = datetime.now(UTC) - timedelta(seconds=5)
    workspace.update("deliveries", key, status="SUCCESS", updated_at=moment.isoformat())
    second = sync_catalogs(sandbox, state=quiet.state)
    assert set(second.ids("catalogs")) == {*quiet.ids("catalogs"), catalog}
    record = find_record(second, catalog)
    assert list(find_delivery_assets(second, catalog)) == ["delivery-analysis"]
    stamp = moment.isoformat().replace("+00:00", "Z")
    assert record["updated_at"] == stamp
    assert record["catalog_updated_at"] == "2024-01-01T00:00:00.000000Z"
    assert record["stac_item"]["assets"]["delivery-analysis"]["updated"] == stamp
    assert second.bookmark("catalogs")["replication_key_value"] == stamp
    third = sync_catalogs(sandbox, state=second.state)
    assert catalog in third.ids("catalogs"), "the boundary is inclusive"
    assert third.state == second.state


def test_bookmark_never_passes_request_time_of_deliveries() -> None:
    """The next sync emits what is delivered between that and the scan."""

    def at(second: int, body: bytes) -> bytes:
        return answer(body=body, headers=(f"Date: Thu, 01 May 2025 12:00:{second:02} GMT",))

    catalogs = b'{"catalogs": [{"id": "a", "updated_at": "2025-05-01T12:00:30Z"}]}'
    scripts = at(0, b'{"deliveries": []}'), at(10, b'{"stores": []}'), at(20, catalogs)
    with ScriptedServer(*scripts) as server:
        synced = sync(server, "catalogs", delivered_assets=True)
    assert b"/v0/catalogs/deliveries" in server.requests[0]
    mark = synced.bookmark("catalogs")["replication_key_value"]
    assert "2025-05-01T11:59" < mark < "2025-05-01T12:00:00.000001"


def test_deliveries_and_stores_are_read_once_and_only_if_enabled(sandbox: Sandbox) -> None:
    sync_catalogs(sandbox, page_size=5)
    assert requested_lists(sandbox) == READS
    sandbox.requests.clear()
    sync(sandbox, "catalogs")
    assert requested_lists(sandbox) == []


def test_delivered_assets_without_stac_column_reads_no_deliveries(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    config = make_config(sandbox, delivered_assets=True)
    catalog = make_catalog(config, "catalogs")
    for entry in catalog["streams"]:
        for part in entry["metadata"]:
            if part["breadcrumb"] == ["properties", "stac_item"]:
                part["metadata"]["selected"] = False
    writer = MessageCollector()
    with caplog.at_level(logging.WARNING):
        TapPixxel(config=config, catalog=catalog, message_writer=writer).run()
    assert requested_lists(sandbox) == []
    assert len(find_messages(caplog, "'delivered_assets' has no effect")) == 1
    records = SyncResult(None, writer.messages).records["catalogs"]
    assert records
    assert all(r.get("updated_at") == r.get("catalog_updated_at") for r in records)


@pytest.mark.parametrize("resource", ["deliveries", "stores"])
def test_forbidden_deliveries_emit_catalogs_and_keep_bookmark(
    sandbox: Sandbox, workspace: Workspace, caplog: pytest.LogCaptureFixture, resource: str
) -> None:
    catalog = make_old_catalog(workspace)
    first = sync_catalogs(sandbox)
    add_delivery(workspace, catalog)
    changed = workspace.ids("catalogs")[5]
    workspace.update("catalogs", changed)
    add_delivery(workspace, changed)
    sandbox.behavior = Behavior(forbid=frozenset({resource}))
    with caplog.at_level(logging.WARNING):
        without = sync_catalogs(sandbox, state=first.state)
    assert without.status is ExitCode.INCOMPLETE
    assert changed in without.ids("catalogs")
    assert find_delivery_assets(without, changed) == {}
    assert without.bookmark("catalogs") == first.bookmark("catalogs")
    assert without.state["incomplete"] == ["catalogs"]
    assert len(find_messages(caplog, "catalogs: no delivered assets", "403")) == 1
    assert f"/{resource} returned 403" in without.failures
    sandbox.behavior = Behavior()
    again = sync_catalogs(sandbox, state=without.state)
    assert again.status is ExitCode.OK
    assert all(find_delivery_assets(again, each) for each in (catalog, changed))


def test_response_without_list_of_deliveries_emits_catalogs_and_keeps_bookmark() -> None:
    with ScriptedServer(answer(body=b'{"stores": [], "catalogs": [{"id": "a"}]}')) as server:
        synced = sync(server, "catalogs", delivered_assets=True)
    assert synced.ids("catalogs") == ["a"]
    assert synced.status is ExitCode.INCOMPLETE
    assert "filters" not in synced.bookmark("catalogs")


def test_changed_delivery_settings_restart_catalogs_with_warning(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    """Otherwise the catalogs emitted earlier would never get them."""
    first = sync_catalogs(sandbox, delivered_assets=False)
    with caplog.at_level(logging.WARNING):
        second = sync_catalogs(sandbox, state=first.state)
    assert set(second.ids("catalogs")) == set(first.ids("catalogs"))
    assert len(find_messages(caplog, "catalogs", "full resync")) == 1
    third = sync_catalogs(sandbox, state=second.state)
    assert len(third.ids("catalogs")) < len(second.ids("catalogs"))
    assert len(find_messages(caplog, "full resync")) == 1


def test_store_url_of_unknown_store_is_logged(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        sync_catalogs(sandbox, store_urls={"archive": AZURE, "no-such": AZURE})
    assert find_messages(caplog, "store_urls") == [
        "catalogs: the workspace has no store 'no-such'; check the setting 'store_urls'"
    ]


def test_catalog_schema_changes_only_with_delivered_assets(sandbox: Sandbox) -> None:
    def properties(**settings: Any) -> dict[str, Any]:
        streams = make_catalog(make_config(sandbox, **settings))["streams"]
        [found] = [s["schema"]["properties"] for s in streams if s["tap_stream_id"] == "catalogs"]
        columns: dict[str, Any] = found
        return columns

    plain, more = properties(), properties(delivered_assets=True)
    assert more.keys() - plain.keys() == {"catalog_updated_at"}
    assert {name for name in plain if plain[name] != more[name]} == {"updated_at"}
    assert properties(delivered_assets=True, stac=False) == properties(stac=False)
