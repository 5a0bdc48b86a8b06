"""Unusual responses, stream maps, metrics and the client's settings, in whole syncs."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from pixxel_api.errors import RequestTimeout
from pixxel_sandbox import Behavior, Sandbox
from pixxel_singer.exit_codes import ExitCode
from pixxel_singer.signals import StopRequested
from tests.pixxel_api.scripted import ScriptedServer, answer
from tests.tap_pixxel.stream_types.test_incremental import stop_after
from tests.tap_pixxel.syncs import sync


def test_response_without_its_list_fails_the_stream() -> None:
    """An empty full table would be activated, and empty the warehouse's table."""
    with ScriptedServer(answer(body=b'{"items": []}')) as server:
        synced = sync(server, "stores")
    assert synced.status is ExitCode.INCOMPLETE
    assert {message["type"] for message in synced.messages} == {"SCHEMA", "STATE"}


def test_order_tasks_are_the_objects_in_lists_of_tasks(caplog: pytest.LogCaptureFixture) -> None:
    tasks = [
        *(None, "none", {"id": "t"}),
        [7, {"id": "a"}],
        [{"id": "b", "order_item_id": "4"}, {"id": "c"}, {"id": "d", "order_item_id": "image"}],
    ]
    rows = [{"id": str(number), "tasks": each} for number, each in enumerate(tasks)]
    with ScriptedServer(answer(body=json.dumps({"order_items": rows}).encode())) as server:
        synced = sync(server, "order_tasks")
    assert [
        (each["id"], each["order_item_id"], each["stated_order_item_id"])
        for each in synced.records["order_tasks"]
    ] == [("a", "3", None), ("b", "4", None), ("c", "4", None), ("d", "4", "image")]
    assert any("skipped 1 records" in each for each in caplog.messages)


def test_http_metrics_count_requests_by_stream(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        sync(sandbox, "stores", "bandsets")
    lines = [each for each in caplog.messages if each.startswith("METRIC: ")]
    assert sum('"sync_duration"' in each and '"succeeded"' in each for each in lines) == 2
    points = [json.loads(each.removeprefix("METRIC: ")) for each in lines]
    log_lines = {
        (point["metric"], point["tags"]["stream"], point["tags"]["endpoint"])
        for point in points
        if point["metric"].startswith("http_request")
    }
    assert log_lines == {
        (f"http_request_{what}", stream, f"/v0/{stream}")
        for what in ("count", "duration")
        for stream in ("stores", "bandsets")
    }


@pytest.mark.parametrize("name", ["archive_items", "catalogs"])
def test_search_is_sorted_by_time_then_id(sandbox: Sandbox, name: str) -> None:
    """Rows of the same time need an order too, or offsets would skip some of them."""
    sync(sandbox, name)
    sort = {"archive_items": "sortby", "catalogs": "sort_by"}[name]
    paged = [r.body for r in sandbox.requests if r.method == "POST" and r.body["limit"] > 1]
    assert paged
    last = {"archive_items": {"field": "id", "direction": "asc"}, "catalogs": {"id": "ASC"}}[name]
    assert all(body[sort][-1] == last for body in paged)


@pytest.mark.parametrize(
    ("behavior", "accepted"),
    [
        (Behavior(strict_sort=True), [{"properties->>'datetime'": "ASC"}, {"id": "ASC"}]),
        (
            Behavior(prose_sort=True),
            [
                {"field": "properties->>'datetime'", "direction": "asc"},
                {"field": "id", "direction": "asc"},
            ],
        ),
        (Behavior(reject_sort=True), None),
    ],
)
def test_catalogs_are_sorted_in_the_form_that_the_api_accepts(
    sandbox: Sandbox, behavior: Behavior, accepted: list[dict[str, str]] | None
) -> None:
    """The contract's schema and its prose differ."""
    sandbox.behavior = behavior
    assert len(sync(sandbox, "catalogs").ids("catalogs")) == len(sandbox.workspace.ids("catalogs"))
    searches = [r for r in sandbox.requests if r.path == "/v0/catalogs/search"]
    assert {str(r.body.get("sort_by")) for r in searches if r.status == 200} == {str(accepted)}
    first = searches[0].body["sort_by"]
    assert first == [{"properties->>'datetime'": "ASC"}, {"id": "ASC"}]


@pytest.mark.parametrize("name", ["archive_items", "catalogs"])
def test_endpoint_rejecting_sort_is_logged_once(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    sandbox.behavior = Behavior(reject_sort=True)
    with caplog.at_level(logging.WARNING):
        sync(sandbox, name)
    assert len([each for each in caplog.messages if "rejects the sort order" in each]) == 1


@pytest.mark.parametrize(("agent", "sent"), [(None, b"tap-pixxel/0."), ("pipe/2", b"pipe/2\r")])
def test_user_agent_is_the_setting_or_the_tap(agent: str | None, sent: bytes) -> None:
    with ScriptedServer(answer(body=b'{"stores": []}')) as server:
        sync(server, "stores", user_agent=agent)
    assert b"User-Agent: " + sent in server.requests[0]


def test_request_timeout_setting_is_applied(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pixxel_api.client.FIRST_CONNECT_DEADLINE", 0.1)
    with ScriptedServer(answer(), drip=0.5) as server:
        sync(server, "stores", request_timeout=0.1, expect=RequestTimeout)


@pytest.mark.parametrize(
    "batch_config",
    [
        {
            "encoding": {"format": "jsonl", "compression": "gzip"},
            "storage": {"root": "file:///nonexistent/batches", "prefix": "pixxel-"},
        },
        "jsonl",
    ],
)
def test_batch_config_is_ignored_and_logged_as_such(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture, batch_config: Any
) -> None:
    """The files of a BATCH would hold the columns that are deselected."""
    with caplog.at_level(logging.WARNING):
        synced = sync(sandbox, "stores", "orders", batch_config=batch_config)
    assert {each["type"] for each in synced.messages} == {
        *("SCHEMA", "RECORD", "STATE", "ACTIVATE_VERSION")
    }
    assert len(synced.ids("stores")) == len(sandbox.workspace.ids("stores"))
    assert "ignoring the unknown setting 'batch_config'; see --about" in caplog.messages


def test_collections_setting_with_forbidden_list_is_read(
    sandbox: Sandbox,
) -> None:
    name = sync(sandbox, "archive_items").records["archive_items"][0]["collection"]
    sandbox.behavior = Behavior(forbid=frozenset({"collections"}))
    synced = sync(sandbox, "archive_items", collections=[name])
    assert synced.status == 0
    assert {record["collection"] for record in synced.records["archive_items"]} == {name}


def test_search_rejected_midway_fails_the_collection(sandbox: Sandbox) -> None:
    """Only the filter on the bookmark may be rejected; then everything is read instead."""
    sandbox.behavior = Behavior(max_offset=3)
    synced = sync(sandbox, "archive_items", page_size=4)
    assert "td1-l1c" in synced.failures
    parts = synced.bookmark("archive_items")["partitions"]
    assert {"context": {"collection": "td1-l1c"}} in parts


def test_rejected_filter_error_names_the_settings(sandbox: Sandbox) -> None:
    synced = sync(sandbox, "catalogs", query={"gsd": {"nonsense": 1}})
    assert synced.failures.endswith("invalid; check the settings that filter the search)")


def test_query_rejected_in_any_order_fails_all_collections(sandbox: Sandbox) -> None:
    query = {"gsd": {"nope": 1}}
    synced = sync(sandbox, "archive_items", query=query)
    assert synced.status is ExitCode.INCOMPLETE
    assert "replication_key_value" not in json.dumps(synced.state)
    requested = [r.body for r in sandbox.requests if r.path == "/v0/archives/search"]
    assert [len(body.get("sortby", ())) for body in requested][:3] == [2, 1, 0]


def test_ignored_filter_restarts_killed_backfill(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its earlier records came through a filter that is not trusted."""
    monkeypatch.setattr("tap_pixxel.streams.archive.ArchiveItems.window_rows", 10)
    settings: dict[str, Any] = {"page_size": 4, "start_date": "2020-01-01"}
    full_sync = sync(sandbox, "archive_items", **settings).records["archive_items"]
    killed = sync(sandbox, "archive_items", after=stop_after(60), expect=StopRequested, **settings)
    parts = killed.bookmark("archive_items")["partitions"]
    [begun] = [part["context"]["collection"] for part in parts if "backfill" in part]
    sandbox.behavior = Behavior(empty_query=True)
    resumed = sync(sandbox, "archive_items", state=killed.state, **settings)
    wanted = {record["id"] for record in full_sync if record["collection"] == begun}
    assert wanted <= set(resumed.ids("archive_items"))


@pytest.mark.parametrize("stream", ["blocks", "block_versions"])
def test_block_and_specification_conflicts_are_both_kept(stream: str) -> None:
    spec = b'{"id": "s", "name": "own", "version": "1", "description": "spec", "odd": 1}'
    block = b'{"id": "b", "description": "block", "odd": 2, "spec": ' + spec + b"}"
    with ScriptedServer(answer(body=b'{"blocks": [' + block + b"]}")) as server:
        [record] = sync(server, stream).records[stream]
    assert (record["id"], record["spec_id"], record["name"]) == ("b", "s", "own")
    assert record["description"] == "block"
    assert record["extra"] == {"odd": 2, "spec_odd": 1, "spec_description": "spec"}


def test_block_version_is_named_by_its_specification() -> None:
    lists = [b'[{"id": "b", "spec": {"name": "%s", "version": "1"}}]' % n for n in (b"a", b"A")]
    answers = [answer(body=b'{"blocks": ' + rows + b"}") for rows in lists]
    with ScriptedServer(*answers) as server:
        [record] = sync(server, "block_versions").records["block_versions"]
    assert record["name"] == "A"


def test_later_run_writes_no_backfill_state(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only a first sync writes its progress; a killed later run starts at its bookmark again."""
    first = sync(sandbox, "archive_items")
    monkeypatch.setattr("tap_pixxel.streams.archive.ArchiveItems.window_rows", 10)
    later = sync(sandbox, "archive_items", state=first.state, page_size=4, lookback_seconds=10**8)
    assert len(later.ids("archive_items")) > 50
    states = [message["value"] for message in later.messages if message["type"] == "STATE"]
    assert states
    assert "backfill" not in json.dumps(states)


def test_records_before_start_date_move_the_bookmark(sandbox: Sandbox) -> None:
    """Otherwise each run would be a first sync again, without a bookmark."""
    synced = sync(sandbox, "orders", start_date="2999-01-01")
    assert not [record for record in synced.records["orders"] if record.get("updated_at")]
    assert synced.bookmark("orders")["replication_key_value"] > "2020"


def test_archive_without_collections_emits_no_records(sandbox: Sandbox) -> None:
    for key in sandbox.workspace.ids("collections"):
        sandbox.workspace.delete("collections", key)
    synced = sync(sandbox, "archive_items")
    assert synced.ids("archive_items") == []
    assert synced.status == 0
    sandbox.behavior = Behavior(forbid=frozenset({"archive_items"}))
    assert sync(sandbox, "archive_items").status == 0
