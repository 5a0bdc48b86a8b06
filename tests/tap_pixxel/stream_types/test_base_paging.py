"""Lists that change, cap pages, end early or misbehave during a scan, over real HTTP."""

from __future__ import annotations

import logging

import pytest

from pixxel_sandbox import Behavior, Sandbox
from tests.tap_pixxel.syncs import sync

PAGED = ["archive_items", "catalogs", "orders", "order_items", "projects"]


@pytest.mark.parametrize("name", PAGED)
def test_empty_list_emits_no_records(sandbox: Sandbox, name: str) -> None:
    for key in sandbox.workspace.ids(name):
        sandbox.workspace.delete(name, key)
    synced = sync(sandbox, name)
    assert synced.ids(name) == []
    assert synced.status == 0


@pytest.mark.parametrize("name", PAGED)
@pytest.mark.parametrize(("page_size", "concurrency"), [(2, 4), (7, 1)])
def test_any_page_size_emits_same_records_in_same_order(
    sandbox: Sandbox, name: str, page_size: int, concurrency: int
) -> None:
    full_sync = sync(sandbox, name, page_size=1000)
    parts = sync(sandbox, name, page_size=page_size, concurrency=concurrency)
    assert parts.ids(name) == full_sync.ids(name)


@pytest.mark.parametrize("name", PAGED)
def test_server_capping_the_limit_is_read_whole(sandbox: Sandbox, name: str) -> None:
    existing = set(sandbox.workspace.ids(name))
    sandbox.behavior = Behavior(max_limit=3)
    synced = sync(sandbox, name, page_size=100)
    assert set(synced.ids(name)) == existing
    assert len(synced.ids(name)) == len(existing)


def test_every_list_request_sends_a_limit(sandbox: Sandbox) -> None:
    sync(sandbox, *PAGED, page_size=33)
    for request in sandbox.requests:
        if request.path.endswith("/collections"):
            continue
        requested = request.body if isinstance(request.body, dict) else request.query
        assert {"limit", "page_size"} & requested.keys(), request.path


def sync_changing_list(
    sandbox: Sandbox, name: str, behavior: Behavior
) -> tuple[set[str], list[str]]:
    """Sync while the list changes; return the keys that stayed throughout, and the emitted ones."""
    before = set(sandbox.workspace.ids(name))
    sandbox.behavior = behavior
    synced = sync(sandbox, name, page_size=5)
    assert sandbox.workspace.changes, "nothing has changed during the scan"
    return before & set(sandbox.workspace.ids(name)), synced.ids(name)


@pytest.mark.parametrize("name", ["archive_items", "catalogs", "orders", "order_items"])
@pytest.mark.parametrize(
    "behavior",
    [
        Behavior(delete_while_paging=True),
        Behavior(insert_while_paging=True, delete_while_paging=True, update_while_paging=True),
    ],
    ids=["delete", "all"],
)
def test_changing_list_emits_remaining_rows_once(
    sandbox: Sandbox, name: str, behavior: Behavior
) -> None:
    stayed, emitted = sync_changing_list(sandbox, name, behavior)
    assert stayed <= set(emitted)
    assert len(emitted) == len(set(emitted))


@pytest.mark.parametrize("name", ["orders", "order_items"])
def test_updates_moving_rows_behind_cursor_lose_no_row(sandbox: Sandbox, name: str) -> None:
    stayed, emitted = sync_changing_list(
        sandbox, name, Behavior(update_while_paging=True, updates_reorder=True)
    )
    assert stayed <= set(emitted)
    assert len(emitted) == len(set(emitted))


@pytest.mark.parametrize("name", ["archive_items", "catalogs"])
@pytest.mark.parametrize("behavior", [Behavior(reject_sort=True), Behavior(ignore_sort=True)])
def test_unsorted_endpoint_is_read_whole(sandbox: Sandbox, name: str, behavior: Behavior) -> None:
    existing = set(sandbox.workspace.ids(name))
    sandbox.behavior = behavior
    assert set(sync(sandbox, name, page_size=7).ids(name)) == existing


def test_long_archive_scan_never_requests_deep_offsets(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tap_pixxel.streams.archive.ArchiveItems.window_rows", 10)
    existing = set(sandbox.workspace.ids("archive_items"))
    sandbox.behavior = Behavior(max_offset=20)
    emitted = sync(sandbox, "archive_items", page_size=4, concurrency=2).ids("archive_items")
    assert set(emitted) == existing
    assert len(emitted) == len(existing)


def test_faulty_server_changes_no_record() -> None:
    with Sandbox(seed=3, items=150) as sandbox:
        calm = sync(sandbox, page_size=10)
        sandbox.behavior = Behavior(latency_ms=50, error_rate=0.05, rate_limit=50)
        rough = sync(sandbox, page_size=10)
        faults = [r for r in sandbox.requests if r.status is None or r.status >= 400]
    assert faults, "the sandbox has injected no fault"
    assert calm.records == rough.records
    assert calm.state == rough.state


def test_forbidden_streams_are_logged_and_others_are_read(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    sandbox.behavior = Behavior(forbid=frozenset({"catalogs", "stores", "collections"}))
    with caplog.at_level(logging.ERROR):
        synced = sync(sandbox)
    assert synced.status == 3
    assert {"orders", "order_items", "deliveries", "bandsets", "projects"} <= set(synced.records)
    assert not {"catalogs", "stores", "collections"} & set(synced.records)
    for name in ("catalogs", "stores"):
        assert any(each.startswith(f"{name}: stream skipped: ") for each in caplog.messages)
    failed = ("archive_items", "catalogs", "collections", "stores")
    assert all(f"{name} (" in caplog.messages[-1] for name in failed)


def test_rate_setting_prevents_429_responses(sandbox: Sandbox) -> None:
    sandbox.behavior = Behavior(rate_limit=30)
    sync(sandbox, "orders", page_size=2, requests_per_second=20)
    assert not [request for request in sandbox.requests if request.status == 429]
