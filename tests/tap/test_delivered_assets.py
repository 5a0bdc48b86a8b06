"""Delivered assets: items link to the objects in the buckets, and come again when one arrives."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pystac
import pytest

from pixxel_api.errors import UnexpectedResponse
from pixxel_sandbox import MISSING, Behavior, Sandbox
from pixxel_singer.exit_codes import ExitCode
from tap_pixxel.settings import find_setting_problems as setting_problems
from tap_pixxel.tap import TapPixxel
from tests.pixxel_api.scripted import ScriptedServer, answer
from tests.tap.syncs import Collector, Synced, catalog_of, config_for, sync
from tests.tap_pixxel.stac.semantic_checks import find_problems
from tests.tap_pixxel.stac.validation import needs_schemas, pystac_offline, schema_errors

if TYPE_CHECKING:
    from pixxel_sandbox import RequestRecord, Workspace

__all__ = ["pystac_offline"]

AZURE = "https://account.blob.core.windows.net/images"
READS = ["/v0/catalogs/deliveries", "/v0/stores"]


@pytest.fixture
def workspace(sandbox: Sandbox) -> Workspace:
    """The sandbox's workspace, without deliveries."""
    for key in sandbox.workspace.ids("deliveries"):
        sandbox.workspace.delete("deliveries", key)
    return sandbox.workspace


def store(workspace: Workspace, name: str) -> str:
    rows = (workspace.get("stores", key) for key in workspace.ids("stores"))
    return next(str(row["id"]) for row in rows if row["name"] == name)


def a_catalog(workspace: Workspace, place: int = 0) -> str:
    """A catalog that was updated long ago."""
    key = workspace.ids("catalogs")[place]
    workspace.update("catalogs", key, updated_at="2024-01-01T00:00:00Z")
    return key


def deliver(workspace: Workspace, catalog: str, name: str = "analysis", **fields: Any) -> str:
    cloud = {"config": store(workspace, name), "path": fields.pop("path", "incoming/")}
    stated = {"status": "SUCCESS", "target_path": f"{catalog}/image.zip"}
    stamp = datetime.now(UTC).isoformat()
    row = {"catalog_id": catalog, "cloud_delivery": cloud, "created_at": stamp}
    return workspace.insert("deliveries", {**row, "updated_at": stamp, **stated, **fields})


def synced_with(sandbox: Sandbox, **options: Any) -> Synced:
    return sync(sandbox, "catalogs", **{"delivered_assets": True, **options})


def record_of(synced: Synced, catalog: str) -> dict[str, Any]:
    return next(r for r in synced.records["catalogs"] if r["id"] == catalog)


def delivered(synced: Synced, catalog: str) -> dict[str, dict[str, Any]]:
    assets = record_of(synced, catalog)["stac_item"]["assets"]
    return {key: asset for key, asset in assets.items() if key.startswith("delivery-")}


def reads(sandbox: Sandbox) -> list[str]:
    return [r.path for r in sandbox.requests if r.path in READS]


def told(caplog: pytest.LogCaptureFixture, *words: str) -> list[str]:
    return [each for each in caplog.messages if all(word in each for word in words)]


@pytest.mark.parametrize(
    ("name", "urls", "base"),
    [
        ("analysis", {}, "s3://analysis/pixxel"),
        ("research", {}, "gs://research"),
        ("analysis", {"analysis": "https://cdn.invalid/x/"}, "https://cdn.invalid/x/pixxel"),
        ("archive", {"archive": AZURE}, f"{AZURE}/raw"),
    ],
)
def test_an_item_links_to_the_object_in_each_cloud(
    sandbox: Sandbox, workspace: Workspace, name: str, urls: dict[str, str], base: str
) -> None:
    catalog = a_catalog(workspace)
    key = deliver(workspace, catalog, name, target_path="a b/image.zip")
    synced = synced_with(sandbox, store_urls=urls)
    assert synced.status is ExitCode.OK
    [(asset_key, asset)] = delivered(synced, catalog).items()
    assert asset_key == f"delivery-{name}"
    assert asset["href"] == f"{base}/incoming/a%20b/image.zip"
    assert asset["type"] == "application/zip"
    assert asset["pixxel:delivery_id"] == key
    assert asset["pixxel:store_id"] == store(workspace, name)
    others = [r for r in synced.records["catalogs"] if r["id"] != catalog]
    assert not any(delivered(synced, each["id"]) for each in others)


def test_what_makes_no_asset_is_counted_and_told_once(
    sandbox: Sandbox, workspace: Workspace, caplog: pytest.LogCaptureFixture
) -> None:
    catalog = a_catalog(workspace)
    deliver(workspace, catalog, "archive")
    deliver(workspace, catalog, "archive", path="again/")
    deliver(workspace, catalog, target_path=None)
    deliver(workspace, catalog, cloud_delivery={"config": "no-such-store"})
    with caplog.at_level(logging.WARNING):
        synced = synced_with(sandbox)
    assert synced.status is ExitCode.OK
    assert delivered(synced, catalog) == {}
    [line] = told(caplog, "without an asset")
    assert line == (
        "catalogs: successful deliveries without an asset: 1 to a store that no longer exists, "
        "2 to a store without a known URL (see the setting 'store_urls'), 1 without a catalog, an "
        "id or a path"
    )


@pytest.mark.parametrize("status", ["CREATED", "IN_PROGRESS", "FAILED", "UNSPECIFIED", "?", None])
def test_a_delivery_that_has_not_arrived_gives_nothing(
    sandbox: Sandbox, workspace: Workspace, status: str | None
) -> None:
    catalog = a_catalog(workspace)
    deliver(workspace, catalog, status=status)
    synced = synced_with(sandbox)
    assert delivered(synced, catalog) == {}
    assert record_of(synced, catalog)["updated_at"] == "2024-01-01T00:00:00.000000Z"


@pytest.mark.parametrize("status", ["SUCCESS", "successful", "COMPLETED", " Success "])
def test_all_words_for_success_are_understood(
    sandbox: Sandbox, workspace: Workspace, status: str
) -> None:
    catalog = a_catalog(workspace)
    deliver(workspace, catalog, status=status)
    assert list(delivered(synced_with(sandbox), catalog)) == ["delivery-analysis"]


def test_stores_and_paths_have_assets_of_their_own(sandbox: Sandbox, workspace: Workspace) -> None:
    catalog = a_catalog(workspace)
    deliver(workspace, catalog)
    deliver(workspace, catalog, "research")
    before = delivered(synced_with(sandbox), catalog)
    assert list(before) == ["delivery-analysis", "delivery-research"]
    deliver(workspace, catalog, path="other")
    newest = deliver(workspace, catalog)
    after = delivered(synced_with(sandbox), catalog)
    assert len(after) == 3
    assert {key: asset["href"] for key, asset in before.items()}.items() <= {
        key: asset["href"] for key, asset in after.items()
    }.items()
    assert after["delivery-analysis"]["pixxel:delivery_id"] == newest


def test_a_delivery_that_arrives_later_brings_its_catalog_again(
    sandbox: Sandbox, workspace: Workspace
) -> None:
    catalog = a_catalog(workspace)
    key = deliver(workspace, catalog, status="IN_PROGRESS")
    first = synced_with(sandbox)
    assert record_of(first, catalog)["updated_at"] == "2024-01-01T00:00:00.000000Z"
    quiet = synced_with(sandbox, state=first.state)
    assert catalog not in quiet.ids("catalogs")
    moment = datetime.now(UTC) - timedelta(seconds=5)
    workspace.update("deliveries", key, status="SUCCESS", updated_at=moment.isoformat())
    second = synced_with(sandbox, state=quiet.state)
    assert set(second.ids("catalogs")) == {*quiet.ids("catalogs"), catalog}
    record = record_of(second, catalog)
    assert list(delivered(second, catalog)) == ["delivery-analysis"]
    stamp = moment.isoformat().replace("+00:00", "Z")
    assert record["updated_at"] == stamp
    assert record["catalog_updated_at"] == "2024-01-01T00:00:00.000000Z"
    assert record["stac_item"]["assets"]["delivery-analysis"]["updated"] == stamp
    assert second.bookmark("catalogs")["replication_key_value"] == stamp
    third = synced_with(sandbox, state=second.state)
    assert catalog in third.ids("catalogs"), "the boundary is inclusive"
    assert third.state == second.state


def test_a_delivery_older_than_its_catalog_moves_no_time(
    sandbox: Sandbox, workspace: Workspace
) -> None:
    catalog = a_catalog(workspace)
    deliver(workspace, catalog, updated_at="2023-01-01T00:00:00Z")
    record = record_of(synced_with(sandbox), catalog)
    assert record["updated_at"] == record["catalog_updated_at"] == "2024-01-01T00:00:00.000000Z"


def test_a_delivery_dated_2999_does_not_carry_the_bookmark_into_the_future(
    sandbox: Sandbox, workspace: Workspace
) -> None:
    deliver(workspace, a_catalog(workspace), updated_at="2999-01-01T00:00:00Z")
    assert synced_with(sandbox).bookmark("catalogs")["replication_key_value"] < "2900"


@pytest.mark.parametrize("which", ["catalogs", "deliveries"])
def test_where_a_time_is_not_told_the_record_comes_with_each_run(
    sandbox: Sandbox, workspace: Workspace, which: str
) -> None:
    """Nothing else would bring it again when that changes."""
    catalog = a_catalog(workspace)
    key = deliver(workspace, catalog)
    workspace.update(which, catalog if which == "catalogs" else key, updated_at=MISSING)
    state = synced_with(sandbox).state
    second = synced_with(sandbox, state=state)
    record = record_of(second, catalog)
    assert record["updated_at"] is None
    assert (record["catalog_updated_at"] is None) == (which == "catalogs")
    assert list(delivered(second, catalog)) == ["delivery-analysis"]


def test_the_bookmark_keeps_to_when_the_deliveries_were_read() -> None:
    """What arrives between that and the sweep is met by the next sync."""

    def at(second: int, body: bytes) -> bytes:
        return answer(body=body, headers=(f"Date: Thu, 01 May 2025 12:00:{second:02} GMT",))

    catalogs = b'{"catalogs": [{"id": "a", "updated_at": "2025-05-01T12:00:30Z"}]}'
    scripts = at(0, b'{"deliveries": []}'), at(10, b'{"stores": []}'), at(20, catalogs)
    with ScriptedServer(*scripts) as server:
        synced = sync(server, "catalogs", delivered_assets=True)
    assert b"/v0/catalogs/deliveries" in server.requests[0]
    mark = synced.bookmark("catalogs")["replication_key_value"]
    assert "2025-05-01T11:59" < mark < "2025-05-01T12:00:00.000001"


def test_a_store_made_while_deliveries_are_read_is_known(
    sandbox: Sandbox, workspace: Workspace
) -> None:
    """Were the stores read first, its delivery would lack its asset, and never come again."""
    catalog = a_catalog(workspace)

    def make(record: RequestRecord, there: Workspace) -> None:
        if record.path == READS[0]:
            sandbox.on_request = None
            new = there.insert_copy("stores", store(there, "analysis"))
            there.update("stores", new, name="new")
            deliver(there, catalog, "new")

    sandbox.on_request = make
    assert list(delivered(synced_with(sandbox), catalog)) == ["delivery-new"]


def test_deliveries_and_stores_are_read_once_and_only_on_request(sandbox: Sandbox) -> None:
    synced_with(sandbox, page_size=5)
    assert reads(sandbox) == READS
    sandbox.requests.clear()
    sync(sandbox, "catalogs")
    assert reads(sandbox) == []


def test_without_stac_the_setting_has_no_effect_and_that_is_told(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        synced = synced_with(sandbox, stac=False)
    assert reads(sandbox) == []
    plain = sync(sandbox, "catalogs", stac=False)
    assert synced.records == plain.records
    assert synced.state == plain.state
    assert len(told(caplog, "'delivered_assets' has no effect")) == 1


def test_without_the_column_nothing_is_read_for_it(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    config = config_for(sandbox, delivered_assets=True)
    catalog = catalog_of(config, "catalogs")
    for entry in catalog["streams"]:
        for part in entry["metadata"]:
            if part["breadcrumb"] == ["properties", "stac_item"]:
                part["metadata"]["selected"] = False
    writer = Collector()
    with caplog.at_level(logging.WARNING):
        TapPixxel(config=config, catalog=catalog, message_writer=writer).run()
    assert reads(sandbox) == []
    assert len(told(caplog, "'delivered_assets' has no effect")) == 1
    records = Synced(None, writer.messages).records["catalogs"]
    assert records
    assert all(r.get("updated_at") == r.get("catalog_updated_at") for r in records)


@pytest.mark.parametrize("resource", ["deliveries", "stores"])
def test_where_they_may_not_be_read_catalogs_flow_and_come_again_later(
    sandbox: Sandbox, workspace: Workspace, caplog: pytest.LogCaptureFixture, resource: str
) -> None:
    catalog = a_catalog(workspace)
    first = synced_with(sandbox)
    deliver(workspace, catalog)
    changed = workspace.ids("catalogs")[5]
    workspace.update("catalogs", changed)
    deliver(workspace, changed)
    sandbox.behavior = Behavior(forbid=frozenset({resource}))
    with caplog.at_level(logging.WARNING):
        without = synced_with(sandbox, state=first.state)
    assert without.status is ExitCode.INCOMPLETE
    assert changed in without.ids("catalogs")
    assert delivered(without, changed) == {}
    assert without.state == first.state
    assert len(told(caplog, "catalogs: no delivered assets", "403")) == 1
    assert len(told(caplog, "skipped streams that the token may not read", resource)) == 1
    sandbox.behavior = Behavior()
    again = synced_with(sandbox, state=without.state)
    assert again.status is ExitCode.OK
    assert all(delivered(again, each) for each in (catalog, changed))


def test_an_answer_without_its_list_is_an_error_and_takes_no_assets_away() -> None:
    with ScriptedServer(answer(body=b'{"stores": [], "catalogs": [{"id": "a"}]}')) as server:
        synced = sync(server, "catalogs", delivered_assets=True, expect=UnexpectedResponse)
    assert synced.ids("catalogs") == []


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"delivered_assets": False}, {}),
        ({}, {"delivered_assets": False}),
        ({}, {"store_urls": {"archive": AZURE}}),
    ],
    ids=["switched on", "switched off", "other URLs"],
)
def test_other_links_start_the_catalogs_again_loudly(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture, before: Any, after: Any
) -> None:
    """Else the catalogs that came before would never get theirs."""
    first = synced_with(sandbox, **before)
    with caplog.at_level(logging.WARNING):
        second = synced_with(sandbox, state=first.state, **after)
    assert set(second.ids("catalogs")) == set(first.ids("catalogs"))
    assert len(told(caplog, "catalogs", "full resync")) == 1
    third = synced_with(sandbox, state=second.state, **after)
    assert len(third.ids("catalogs")) < len(second.ids("catalogs"))
    assert len(told(caplog, "full resync")) == 1


def test_a_url_for_a_store_that_is_not_there_is_told(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        synced_with(sandbox, store_urls={"archive": AZURE, "no-such": AZURE})
    assert told(caplog, "store_urls") == [
        "catalogs: the workspace has no store 'no-such'; check the setting 'store_urls'"
    ]


@needs_schemas
@pytest.mark.usefixtures("pystac_offline")
def test_all_that_leaves_the_tap_is_valid_stac(sandbox: Sandbox) -> None:
    there = sandbox.workspace
    for place, key in enumerate(there.ids("catalogs")):
        deliver(there, key, ("analysis", "research", "archive")[place % 3], path=f"{place} %/")
    synced = synced_with(sandbox, store_urls={"archive": AZURE})
    for place, record in enumerate(synced.records["catalogs"]):
        item = record["stac_item"]
        assert schema_errors(item) == []
        assert find_problems(item) == []
        mine = delivered(synced, record["id"])
        assert mine
        if place < 4:  # pystac takes long
            read = pystac.Item.from_dict(item)
            assert len(read.validate()) == 1 + len(item["stac_extensions"])
            assert {read.assets[key].href for key in mine} == {a["href"] for a in mine.values()}


def test_a_full_table_has_the_assets_too(sandbox: Sandbox, workspace: Workspace) -> None:
    catalog = a_catalog(workspace)
    deliver(workspace, catalog)
    assert delivered(synced_with(sandbox, full_table=True), catalog)


def test_only_the_setting_changes_the_schema(sandbox: Sandbox) -> None:
    def properties(**settings: Any) -> dict[str, Any]:
        streams = catalog_of(config_for(sandbox, **settings))["streams"]
        [found] = [s["schema"]["properties"] for s in streams if s["tap_stream_id"] == "catalogs"]
        columns: dict[str, Any] = found
        return columns

    plain, more = properties(), properties(delivered_assets=True)
    assert more.keys() - plain.keys() == {"catalog_updated_at"}
    assert {name for name in plain if plain[name] != more[name]} == {"updated_at"}
    assert properties(delivered_assets=True, stac=False) == properties(stac=False)


@pytest.mark.parametrize(
    "url",
    [
        "account.blob.core.windows.net/images",
        "https://",
        "https://host/c?sv=1&sig=s3cret",
        "https://user:s3cret@host/c",
        "https://host/c#s3cret",
        "https://host:99999/c",
        "https://host/a b",
    ],
)
def test_a_store_url_that_is_no_plain_base_is_refused_unquoted(url: str) -> None:
    """A signature in it would be in every item."""
    config = {"api_token": "t", "api_url": "https://host", "store_urls": {"archive": url}}
    [line] = setting_problems(config)
    assert line.startswith("Setting 'store_urls' must map store names to plain base URLs")
    assert "s3cret" not in line
