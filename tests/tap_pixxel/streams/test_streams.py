"""Every stream emits what the API has: each record once, valid by its schema, nothing lost."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import pytest

from pixxel_sandbox import Behavior, Sandbox
from pixxel_sandbox.resources import RESOURCES
from pixxel_singer.exit_codes import ExitCode
from tap_pixxel.streams import STREAMS
from tap_pixxel.tap import TapPixxel
from tests.pixxel_api.scripted import ScriptedServer, answer
from tests.tap_pixxel.syncs import (
    MessageCollector,
    SyncResult,
    make_catalog,
    make_config,
    sync,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from syrupy.assertion import SnapshotAssertion

NEEDY = {"satellite_images"}
"""Streams that require settings, which have tests of their own."""
NAMES = [name for stream in STREAMS if (name := stream.__dict__["name"]) not in NEEDY]
FULL_TABLE = {
    "bandsets",
    "block_versions",
    "blocks",
    "collections",
    "indices",
    "insights",
    "jobs",
    "order_report",
    "projects",
    "satellites",
    "stores",
}


@pytest.fixture(scope="module")
def whole() -> Iterator[Sandbox]:
    """Serve a workspace that no test changes."""
    with Sandbox(seed=3, items=150) as server:
        yield server


@pytest.fixture(scope="module")
def full_sync(whole: Sandbox) -> SyncResult:
    return sync(whole, *NAMES)


@pytest.fixture(scope="module")
def schemas(full_sync: SyncResult) -> dict[str, Any]:
    return {each["stream"]: each for each in full_sync.messages if each["type"] == "SCHEMA"}


def test_all_streams_emit_as_many_unique_records_as_the_sandbox_has(
    whole: Sandbox, full_sync: SyncResult, schemas: dict[str, Any]
) -> None:
    counts = whole.counts()
    assert {name: len(full_sync.records[name]) for name in NAMES} == {n: counts[n] for n in NAMES}
    assert full_sync.status is ExitCode.OK
    for name, schema in schemas.items():
        records = full_sync.records[name]
        keys = {tuple(record[name] for name in schema["key_properties"]) for record in records}
        assert len(keys) == len(records)


def test_records_have_every_column_in_order(
    whole: Sandbox, full_sync: SyncResult, schemas: dict[str, Any]
) -> None:
    """A stream map may name any column, and a loader of CSV gets the same ones each time."""
    plain = sync(whole, "archive_items", "catalogs", "collections", stac=False)
    plain_schemas = {each["stream"]: each for each in plain.messages if each["type"] == "SCHEMA"}
    for synced, found in ((full_sync, schemas), (plain, plain_schemas)):
        for name, records in synced.records.items():
            columns = tuple(found[name]["schema"]["properties"])
            assert {tuple(record) for record in records} == {columns}, name


def test_schemas_match_snapshot(schemas: dict[str, Any], snapshot: SnapshotAssertion) -> None:
    """Each column has a line; its description, which may change, is not part of it."""
    described = {}
    for name, message in sorted(schemas.items()):
        columns = {
            column: json.dumps({k: v for k, v in each.items() if k != "description"})
            for column, each in message["schema"]["properties"].items()
        }
        keys = {k: message.get(k) for k in ("key_properties", "bookmark_properties")}
        described[name] = keys | {"columns": columns}
    assert described == snapshot


def test_full_table_is_activated_after_its_last_record(full_sync: SyncResult) -> None:
    for name in FULL_TABLE:
        of_stream = [each for each in full_sync.messages if each.get("stream") == name]
        _, *records, activate = of_stream
        assert activate["type"] == "ACTIVATE_VERSION"
        assert {record["version"] for record in records} == {activate["version"]}
    activated = {e["stream"] for e in full_sync.messages if e["type"] == "ACTIVATE_VERSION"}
    assert activated == FULL_TABLE, "a loader would empty the table of an incremental stream"


def test_timestamps_have_one_form(full_sync: SyncResult) -> None:
    for stream, records in full_sync.records.items():
        for record in records:
            for name in ("created_at", "updated_at", "datetime", "updated", "paid_at"):
                value = record.get(name)
                assert value is None or (len(value) == 27 and value.endswith("Z")), stream


def test_every_api_value_is_in_a_record(sandbox: Sandbox) -> None:
    """Each top-level value is in a column or unchanged in `extra`."""
    synced = sync(sandbox, *NAMES, stac=False)
    workspace = sandbox.workspace
    for name in set(NAMES) - {"order_report", "order_tasks", "job_tasks"}:
        by_key = dict(zip(synced.ids(name), synced.records[name], strict=True))
        for key, record in by_key.items():
            raw = workspace.get(name, key)
            extra = record.get("extra", {})
            for field, value in raw.items():
                if value in (None, "") or field in RESOURCES[name].detail_fields:
                    continue
                if (name, field) == ("orders", "order_items") or field == "spec":
                    continue
                kept = record.get(field)
                assert kept is not None or extra.get(field) == value, (name, field)


def test_unknown_field_goes_to_extra_and_is_logged_once(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    for key in sandbox.workspace.ids("stores"):
        sandbox.workspace.update("stores", key, quota={"tb": 5})
    with caplog.at_level(logging.INFO):
        synced = sync(sandbox, "stores")
    assert [record["extra"]["quota"] for record in synced.records["stores"]] == [{"tb": 5}] * 3
    assert [each.levelname for each in caplog.records if "quota" in each.message] == ["INFO"]


def test_records_without_key_are_skipped_and_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    rows = b'{"bandsets": [{"id": "a"}, {"name": "b"}, {"id": null}, 7, {"id": ""}, {"id": ["b"]}]}'
    with ScriptedServer(answer(body=rows)) as server, caplog.at_level(logging.WARNING):
        synced = sync(server, "bandsets")
    assert synced.ids("bandsets") == ["a"]
    assert any(
        "skipped 5 records that cannot be decoded or have no key" in each
        for each in caplog.messages
    )


def test_list_written_as_null_is_empty() -> None:
    with ScriptedServer(answer(body=b'{"stores": null}')) as server:
        synced = sync(server, "stores")
    assert synced.ids("stores") == []
    assert synced.messages[-1]["type"] != "RECORD"


def test_catalog_replication_method_full_table_is_applied(sandbox: Sandbox) -> None:
    first = sync(sandbox, "archive_items", "orders")
    synced = sync(sandbox, "archive_items", "orders", state=first.state, full_table=True)
    for name in ("archive_items", "orders"):
        assert set(synced.ids(name)) == set(first.ids(name))
        types = [m["type"] for m in synced.messages if m.get("stream") == name]
        assert types[-1] == "ACTIVATE_VERSION"


def test_deselected_columns_are_not_emitted(sandbox: Sandbox) -> None:
    config = make_config(sandbox, stac=False)
    catalog = make_catalog(config, "archive_items")
    for entry in catalog["streams"]:
        for part in entry["metadata"]:
            if part["breadcrumb"] in (["properties", "assets"], ["properties", "id"]):
                part["metadata"]["selected"] = False
    writer = MessageCollector()
    TapPixxel(config=config, catalog=catalog, message_writer=writer).run()
    records = [m["record"] for m in writer.messages if m["type"] == "RECORD"]
    assert records
    assert not any("assets" in record for record in records)
    assert all("id" in record for record in records), "a key cannot be deselected"
    schema: dict[str, Any] = next(m for m in writer.messages if m["type"] == "SCHEMA")
    assert "assets" not in schema["schema"]["properties"]


def test_no_selected_stream_is_logged(sandbox: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    synced = sync(sandbox, "none-of-them")
    assert (synced.status, synced.messages) == (ExitCode.OK, [])
    assert "no stream is selected, so nothing is read; see --catalog" in caplog.messages


def test_area_and_query_filter_both_searches(sandbox: Sandbox) -> None:
    everything = sync(sandbox, "archive_items", "catalogs")
    some = sync(
        sandbox,
        "archive_items",
        "catalogs",
        query={"eo:cloud_cover": {"lt": 20}},
        bbox=[-180, -60, 0, 60],
    )
    for name in ("archive_items", "catalogs"):
        assert 0 < len(some.ids(name)) < len(everything.ids(name))


def test_collections_setting_limits_archive_items(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    name = sync(sandbox, "archive_items").records["archive_items"][0]["collection"]
    with caplog.at_level(logging.WARNING):
        synced = sync(sandbox, "archive_items", collections=[name, "no-such"])
    assert {record["collection"] for record in synced.records["archive_items"]} == {name}
    assert any("no-such" in each and "'collections'" in each for each in caplog.messages)


def test_unknown_collection_is_logged_by_catalogs_alone(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    names = sandbox.workspace.ids("collections")
    log_lines = "catalogs: the archive has no collection 'no-such'; check the setting 'collections'"
    assert sync(sandbox, "catalogs", collections=[*names, "no-such"]).records["catalogs"]
    warned = [each.message for each in caplog.records if each.levelno >= logging.WARNING]
    assert [each for each in warned if "collection" in each] == [log_lines]
    caplog.clear()
    sandbox.behavior = Behavior(forbid=frozenset({"collections"}))
    with caplog.at_level(logging.INFO):
        synced = sync(sandbox, "catalogs", collections=[*names, "no-such"])
    assert (synced.status, len(synced.records["catalogs"]) > 0) == (ExitCode.OK, True)
    assert any(
        "catalogs: setting 'collections' not checked: GET" in each for each in caplog.messages
    )


def test_list_ended_before_total_keeps_bookmark_and_is_not_activated(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The bookmark stays and nothing is activated: records may be missing."""
    orders = b'{"orders": [{"id": "a", "updated_at": "2025-01-01"}], "pagination": {"total": 9}}'
    end = b'{"orders": [], "projects": [], "pagination": {"total": 9}, "count": 9}'
    scripts = answer(body=orders), answer(body=end)
    with ScriptedServer(*scripts) as server, caplog.at_level(logging.WARNING):
        synced = sync(server, "orders")
    assert synced.ids("orders") == ["a"]
    assert "replication_key_value" not in str(synced.state)
    assert any("ended early" in each for each in caplog.messages)
    projects = b'{"projects": [{"id": "a"}], "count": 9}'
    with ScriptedServer(answer(body=projects), answer(body=end)) as server:
        types = {m["type"] for m in sync(server, "projects").messages}
    assert "ACTIVATE_VERSION" not in types


def test_later_full_table_has_later_version(sandbox: Sandbox) -> None:
    versions = [
        next(
            m["version"]
            for m in sync(sandbox, "stores").messages
            if m["type"] == "ACTIVATE_VERSION"
        )
        for _ in range(2)
    ]
    assert versions[0] < versions[1]


def test_order_tasks_join_catalogs_to_orders(sandbox: Sandbox) -> None:
    synced = sync(sandbox, "catalogs", "orders", "order_items", "order_tasks")
    tasks = {record["id"]: record for record in synced.records["order_tasks"]}
    items = set(synced.ids("order_items"))
    orders = set(synced.ids("orders"))
    joined = [tasks[record["task_id"]] for record in synced.records["catalogs"]]
    assert joined
    assert {task["order_item_id"] for task in joined} <= items
    assert {task["order_id"] for task in joined} <= orders
    stated = [task for task in tasks.values() if task.get("stated_order_item_id")]
    assert stated, "the sandbox has a task that states an image's name"


def test_flat_columns_equal_nested_fields(sandbox: Sandbox) -> None:
    synced = sync(sandbox, "catalogs", "deliveries", stac=False)
    for record in synced.records["catalogs"]:
        assert record["item_id"] == record["details"]["id"]
        assert record["collection"] == record["details"]["collection"]
        is_timed = record["details"]["properties"].get("datetime") is not None
        assert (record["datetime"] is not None) is is_timed
    for record in synced.records["deliveries"]:
        assert record["store_id"] == record["cloud_delivery"]["config"]
