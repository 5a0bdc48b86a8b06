"""Every stream emits what the API has: each record once, valid by its schema, nothing lost."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest

from pixxel_sandbox import Behavior, Sandbox
from pixxel_sandbox.resources import RESOURCES
from pixxel_singer.exit_codes import ExitCode
from tap_pixxel.streams import STREAMS
from tap_pixxel.tap import TapPixxel
from tests.pixxel_api.scripted import ScriptedServer, answer
from tests.tap_pixxel.syncs import MessageCollector, make_catalog, make_config, sync

if TYPE_CHECKING:
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


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_all_streams_emit_as_many_unique_records_as_the_sandbox_has(seed: int) -> None:
    with Sandbox(seed=seed, items=150) as sandbox:
        synced = sync(sandbox, *NAMES)
        counts = sandbox.counts()
        assert {name: len(synced.records[name]) for name in NAMES} == {n: counts[n] for n in NAMES}
    assert synced.status is ExitCode.OK
    for schema in (each for each in synced.messages if each["type"] == "SCHEMA"):
        records = synced.records[schema["stream"]]
        keys = {tuple(record[name] for name in schema["key_properties"]) for record in records}
        assert len(keys) == len(records)


@pytest.mark.parametrize("stac", [True, False])
def test_records_have_every_column_in_order(sandbox: Sandbox, stac: bool) -> None:  # noqa: FBT001
    """A stream map may name any column, and a loader of CSV gets the same ones each time."""
    synced = sync(sandbox, *NAMES, stac=stac)
    columns = {
        each["stream"]: list(each["schema"]["properties"])
        for each in synced.messages
        if each["type"] == "SCHEMA"
    }
    for name, records in synced.records.items():
        assert {tuple(record) for record in records} == {tuple(columns[name])}, name


def test_catalog_schemas_match_snapshot(sandbox: Sandbox, snapshot: SnapshotAssertion) -> None:
    synced = sync(sandbox, *NAMES)
    schemas = [message for message in synced.messages if message["type"] == "SCHEMA"]
    assert sorted(schemas, key=lambda each: str(each["stream"])) == snapshot


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


def test_value_not_of_column_type_goes_to_extra(sandbox: Sandbox) -> None:
    [key, *_] = sandbox.workspace.ids("orders")
    sandbox.workspace.update("orders", key, total_amount="a lot", created_at="soon", paid_at="")
    record = next(r for r in sync(sandbox, "orders").records["orders"] if r["id"] == key)
    assert (record["total_amount"], record["created_at"], record["paid_at"]) == (None, None, None)
    assert {"total_amount": "a lot", "created_at": "soon"}.items() <= record["extra"].items()
    assert "paid_at" not in record["extra"]


def test_timestamps_have_one_form(sandbox: Sandbox) -> None:
    for stream, records in sync(sandbox, *NAMES).records.items():
        for record in records:
            for name in ("created_at", "updated_at", "datetime", "updated", "paid_at"):
                value = record.get(name)
                assert value is None or (len(value) == 27 and value.endswith("Z")), stream


def test_irregular_values_are_normalized(sandbox: Sandbox) -> None:
    synced = sync(sandbox, "archive_items", "order_tasks", stac=False)
    boxes = [record["bbox"] for record in synced.records["archive_items"] if record.get("bbox")]
    assert boxes
    assert all(isinstance(number, float | int) for box in boxes for number in box)
    days = [
        record["start_date"] for record in synced.records["order_tasks"] if record.get("start_date")
    ]
    assert days
    assert all(day[:2] == "20" and day[4] == "-" for day in days)


def test_catalog_without_details_is_emitted(sandbox: Sandbox) -> None:
    [key, *_] = sandbox.workspace.ids("catalogs")
    sandbox.workspace.update("catalogs", key, details=None)
    assert key in sync(sandbox, "catalogs").ids("catalogs")


def test_records_without_key_are_skipped_and_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    rows = b'{"bandsets": [{"id": "a"}, {"name": "b"}, {"id": null}, 7, {"id": ""}, {"id": "c"}]}'
    with ScriptedServer(answer(body=rows)) as server, caplog.at_level(logging.WARNING):
        synced = sync(server, "bandsets")
    assert synced.ids("bandsets") == ["a", "c"]
    assert any(
        "skipped 4 records that cannot be decoded or have no key" in each
        for each in caplog.messages
    )


def test_list_written_as_null_is_empty() -> None:
    with ScriptedServer(answer(body=b'{"stores": null}')) as server:
        synced = sync(server, "stores")
    assert synced.ids("stores") == []
    assert synced.messages[-1]["type"] != "RECORD"


@pytest.mark.parametrize("name", sorted(FULL_TABLE))
def test_full_table_is_activated_after_its_last_record(sandbox: Sandbox, name: str) -> None:
    messages = [m for m in sync(sandbox, name).messages if m["type"] != "STATE"]
    *records, activate = messages[1:]
    assert activate["type"] == "ACTIVATE_VERSION"
    assert {record["version"] for record in records} == {activate["version"]}


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
