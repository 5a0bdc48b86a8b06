"""Bookmarks: the second run emits what changed and misses nothing, whatever the API does."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from pixxel_sandbox import MISSING, Behavior, Sandbox
from pixxel_singer.signals import StopRequested
from tap_pixxel.bookmarks import make_fingerprint
from tap_pixxel.stream_types.base import PixxelStream
from tap_pixxel.tap import TapPixxel
from tests.pixxel_api.scripted import ScriptedServer, answer
from tests.tap_pixxel.syncs import SyncResult, sync

if TYPE_CHECKING:
    from collections.abc import Callable


SQUARE = '{"type": "Polygon", "coordinates": [[[0,0],[60,0],[60,60],[0,60],[0,0]]]}'
ONE_OF_EACH_TYPE = ["archive_items", "orders", "aoi_assets"]
KEY = {"archive_items": "updated"}
PART_TIMES: dict[str, dict[str, Any]] = {
    "order_items": {"last_feasibility_check": MISSING, "tasks": MISSING},
    "catalogs": {"details": {"properties": {"updated": MISSING}}},
}
"""Fields with the update times of a row's parts."""


@pytest.fixture
def sandbox(sandbox: Sandbox) -> Sandbox:
    """Leave the rows only their own update times."""
    for name, parts in PART_TIMES.items():
        for key in sandbox.workspace.ids(name):
            own = sandbox.workspace.get(name, key).get("updated_at", MISSING)
            sandbox.workspace.update(name, key, **parts, updated_at=own)
    return sandbox


def update_times(synced: SyncResult, name: str) -> dict[str, str | None]:
    key = KEY.get(name, "updated_at")
    return dict(zip(synced.ids(name), (r.get(key) for r in synced.records[name]), strict=True))


def bookmark_values(synced: SyncResult, name: str) -> list[str]:
    """Return the bookmark, or those of all partitions."""
    part = synced.bookmark(name)
    parts = part.get("partitions", [part])
    return [each["replication_key_value"] for each in parts if "replication_key_value" in each]


def ids_without_time(synced: SyncResult, name: str) -> set[str]:
    return {key for key, stamp in update_times(synced, name).items() if stamp is None}


@pytest.mark.parametrize("name", ONE_OF_EACH_TYPE)
def test_second_run_emits_changes_boundary_and_records_without_time(
    sandbox: Sandbox, name: str
) -> None:
    first = sync(sandbox, name)
    second = sync(sandbox, name, state=first.state)
    marks = set(bookmark_values(first, name))
    at_boundary = {key for key, stamp in update_times(first, name).items() if stamp in marks}
    assert at_boundary <= set(second.ids(name)) <= at_boundary | ids_without_time(first, name)
    assert len(second.ids(name)) < len(first.ids(name))
    assert second.state == first.state
    changed = sandbox.workspace.ids(name)[3]
    sandbox.workspace.update(name, changed)
    new = sandbox.workspace.insert_copy(name, sandbox.workspace.ids(name)[5])
    third = sync(sandbox, name, state=first.state)
    assert {changed, new} <= set(third.ids(name)) <= {*second.ids(name), changed, new}


@pytest.mark.parametrize(
    ("name", "value"), [("archive_items", None), ("orders", MISSING), ("aoi_assets", "soon")]
)
def test_record_without_update_time_is_emitted_and_keeps_bookmark(
    sandbox: Sandbox, name: str, value: Any
) -> None:
    before = sync(sandbox, name)
    key = next(
        each
        for each, stamp in update_times(before, name).items()
        if stamp not in bookmark_values(before, name)
    )
    sandbox.workspace.update(name, key, **{KEY.get(name, "updated_at"): value})
    after = sync(sandbox, name)
    assert key in after.ids(name)
    assert bookmark_values(after, name) == bookmark_values(before, name)


def test_lookback_emits_late_records(sandbox: Sandbox) -> None:
    name = "archive_items"
    first = sync(sandbox, name)
    mark = datetime.fromisoformat(max(bookmark_values(first, name)))
    stamped = update_times(first, name)
    source = next(
        key for key, stamp in stamped.items() if stamp == max(bookmark_values(first, name))
    )
    late = sandbox.workspace.insert_copy(name, source)
    moment = (mark - timedelta(seconds=30)).isoformat()
    sandbox.workspace.update(name, late, **{KEY.get(name, "updated_at"): moment})
    assert late not in sync(sandbox, name, state=first.state).ids(name)
    found = sync(sandbox, name, state=first.state, lookback_seconds=60)
    assert late in found.ids(name)
    assert bookmark_values(found, name) == bookmark_values(first, name)


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("orders", {"order_items": [{"id": "i", "updated_at": "LATER"}]}),
        ("orders", {"order_items": [{"id": "i", "tasks": [{"id": "t", "updated_at": "LATER"}]}]}),
        ("order_items", {"last_feasibility_check": "LATER"}),
        ("order_items", {"tasks": [{"id": "t"}, 7, {"id": "u", "updated_at": "LATER"}]}),
        ("catalogs", {"details": {"properties": {"updated": "LATER"}}}),
    ],
)
def test_row_whose_part_changed_is_emitted(
    sandbox: Sandbox, name: str, part: dict[str, Any]
) -> None:
    """The contract gives these parts update times of their own."""
    first = sync(sandbox, name)
    mark, own = max(bookmark_values(first, name)), update_times(first, name)
    key = next(each for each, stamp in own.items() if stamp and stamp < mark)
    later = (datetime.fromisoformat(mark) + timedelta(seconds=1)).isoformat()
    part = json.loads(json.dumps(part).replace("LATER", later))
    sandbox.workspace.update(name, key, **part, updated_at=own[key])
    second = sync(sandbox, name, state=first.state)
    assert key in second.ids(name)
    assert update_times(second, name)[key] == own[key], "the column has the row's own time"
    assert max(bookmark_values(second, name)) > mark


def test_record_dated_in_future_does_not_move_bookmark_into_future() -> None:
    with Sandbox(seed=7, items=80, behavior=Behavior(future_timestamps=True)) as sandbox:
        start = datetime.now(UTC).isoformat()
        first = sync(sandbox, *ONE_OF_EACH_TYPE)
        for name in ONE_OF_EACH_TYPE:
            assert any((stamp or "") > "2999" for stamp in update_times(first, name).values()), name
            assert all(mark < "2027" for mark in bookmark_values(first, name)), name
            changed = sandbox.workspace.ids(name)[1]
            sandbox.workspace.update(name, changed)
            second = sync(sandbox, name, state=first.state)
            assert changed in second.ids(name), (name, start)


def test_ignored_filter_reads_everything_and_emits_each_record_once(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    first = sync(sandbox, "archive_items")
    changed = sandbox.workspace.ids("archive_items")[9]
    sandbox.workspace.update("archive_items", changed)
    expected = sync(sandbox, "archive_items", state=first.state)
    sandbox.behavior = Behavior(ignore_query=True)
    with caplog.at_level(logging.WARNING):
        second = sync(sandbox, "archive_items", state=first.state)
    assert changed in second.ids("archive_items")
    assert set(expected.ids("archive_items")) <= set(second.ids("archive_items"))
    assert len(second.ids("archive_items")) == len(set(second.ids("archive_items")))
    extra = set(second.ids("archive_items")) - set(expected.ids("archive_items"))
    assert extra <= ids_without_time(first, "archive_items")
    assert len([each for each in caplog.messages if "ignores the filter" in each]) == 1


def test_applied_filter_is_sent_with_bookmark(sandbox: Sandbox) -> None:
    first = sync(sandbox, "archive_items")
    sandbox.requests.clear()
    sync(sandbox, "archive_items", state=first.state)
    searches = [r.body for r in sandbox.requests if r.path == "/v0/archives/search"]
    marks = bookmark_values(first, "archive_items")
    bounds = {body["query"]["updated"]["gt"] for body in searches if "query" in body}
    assert len(bounds) == len(marks)
    assert all(
        any(
            datetime.fromisoformat(mark) - datetime.fromisoformat(bound)
            == timedelta(microseconds=1)
            for mark in marks
        )
        for bound in bounds
    )


def test_user_query_on_replication_key_is_kept(sandbox: Sandbox) -> None:
    query = {"updated": {"gt": "2024-06-01T00:00:00Z"}}
    first = sync(sandbox, "archive_items", query=query)
    sandbox.requests.clear()
    sync(sandbox, "archive_items", query=query, state=first.state)
    searches = [r.body for r in sandbox.requests if r.path == "/v0/archives/search"]
    assert all(body["query"] == query for body in searches)


def test_changed_filters_restart_with_warning(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    name = "archive_items"
    wide: dict[str, Any] = {"query": {"eo:cloud_cover": {"lt": 60}}}
    first = sync(sandbox, name, query={"eo:cloud_cover": {"lt": 10}})
    with caplog.at_level(logging.WARNING):
        second = sync(sandbox, name, state=first.state, **wide)
    assert set(second.ids(name)) == set(sync(sandbox, name, **wide).ids(name))
    assert len(second.ids(name)) > len(first.ids(name))
    assert any("full resync" in each for each in caplog.messages)


@pytest.mark.parametrize(
    ("name", "filters"),
    [
        ("archive_items", {"query": {"gsd": {"lt": 10}}}),
        ("archive_items", {"bbox": [0, -60, 180, 60]}),
        ("archive_items", {"datetime": "2024/.."}),
        ("archive_items", {"datetime": "../2024"}),
        ("archive_items", {"intersects": SQUARE}),
        ("satellite_images", {"bbox": [0, -60, 180, 60]}),
        ("satellite_images", {"datetime": "2024/.."}),
        ("satellite_images", {"intersects": SQUARE}),
        ("catalogs", {"collections": ["a"]}),
        ("catalogs", {"delivered_assets": False}),
        ("catalogs", {"store_urls": {"archive": "https://a.invalid"}}),
    ],
)
def test_fingerprint_depends_on_each_filter(name: str, filters: dict[str, Any]) -> None:
    inputs = []
    for settings in ({}, filters):
        config = {"api_token": "t", "delivered_assets": True} | settings
        stream = TapPixxel(config=config).streams[name]
        assert isinstance(stream, PixxelStream)
        inputs.append(make_fingerprint(stream.fingerprint_inputs()))
    assert inputs[0] != inputs[1]


def test_added_collection_does_not_restart_the_others() -> None:
    """Each collection of the archive has a bookmark of its own."""
    stream = TapPixxel(config={"api_token": "t", "collections": ["a"]}).streams["archive_items"]
    assert isinstance(stream, PixxelStream)
    assert make_fingerprint(stream.fingerprint_inputs()) == ""


@pytest.mark.parametrize(
    ("name", "behavior"),
    [
        ("archive_items", Behavior()),
        ("archive_items", Behavior(ignore_query=True)),
        ("orders", Behavior()),
    ],
)
def test_start_date_bounds_update_time(sandbox: Sandbox, name: str, behavior: Behavior) -> None:
    stamped = update_times(sync(sandbox, name), name)
    start = sorted(stamp for stamp in stamped.values() if stamp)[len(stamped) // 2]
    sandbox.behavior = behavior
    synced = sync(sandbox, name, start_date=start)
    wanted = {key for key, stamp in stamped.items() if stamp and stamp >= start}
    assert wanted <= set(synced.ids(name)) <= wanted | ids_without_time(sync(sandbox, name), name)


def stop_after(at: int) -> Callable[[dict[str, Any]], None]:
    """Return a callback that requests a stop after a number of records."""
    records = 0

    def count(message: dict[str, Any]) -> None:
        nonlocal records
        records += message["type"] == "RECORD"
        if records >= at:
            raise StopRequested(15)

    return count


@pytest.mark.parametrize("start_date", [None, "2020-01-01"])
def test_killed_backfill_resumes_from_its_windows_without_loss(
    monkeypatch: pytest.MonkeyPatch, start_date: str | None
) -> None:
    monkeypatch.setattr("tap_pixxel.streams.archive.ArchiveItems.window_rows", 10)
    settings: dict[str, Any] = {"page_size": 4, "start_date": start_date}
    with Sandbox(seed=7, items=120) as sandbox:
        existing = set(sandbox.workspace.ids("archive_items"))
        first = sync(
            sandbox, "archive_items", after=stop_after(70), expect=StopRequested, **settings
        )
        before_state = [m["record"]["id"] for m in records_before_last_state(first.messages)]
        changed = before_state[0]
        sandbox.workspace.update("archive_items", changed)
        second = sync(sandbox, "archive_items", state=first.state, **settings)
        third = sync(sandbox, "archive_items", state=second.state, **settings)
    emitted = set(before_state) | set(second.ids("archive_items"))
    if start_date is None:
        assert emitted == existing
    assert len(second.ids("archive_items")) < len(existing), "nothing was resumed"
    assert changed in set(second.ids("archive_items")) | set(third.ids("archive_items"))
    assert "backfill" not in str(second.state)


def records_before_last_state(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    last = max((i for i, m in enumerate(messages) if m["type"] == "STATE"), default=0)
    return [m for m in messages[:last] if m["type"] == "RECORD"]


ZERO = "0001-01-01T00:00:00Z"  # Go's time that is not set


def make_workflows(**updated: str) -> bytes:
    """Return a list of workflows, by their ids with their times of update."""
    rows = [{"id": key, "updated_at": time} for key, time in updated.items()]
    listed = {"workflows": rows, "pagination": {"total": len(rows)}}
    return answer(body=json.dumps(listed).encode())


def test_time_that_is_not_set_is_null_and_never_a_bookmark() -> None:
    with ScriptedServer(make_workflows(a=ZERO, b="0001-01-01 00:00:00+00:00")) as server:
        synced = sync(server, "workflows")
    assert [each["updated_at"] for each in synced.records["workflows"]] == [None, None]
    assert "replication_key_value" not in synced.bookmark("workflows")


def test_row_without_time_in_filtered_response_does_not_show_that_filter_is_ignored() -> None:
    rows = make_workflows(a="2025-01-01T00:00:00Z", b=ZERO)
    with ScriptedServer(rows) as server:
        first = sync(server, "workflows")
    with ScriptedServer(rows, rows, answer(404)) as server:
        second = sync(server, "workflows", state=first.state)
    assert len(server.requests) == 2
    assert second.ids("workflows") == ["a", "b"]
    assert second.bookmark("workflows") == first.bookmark("workflows")
