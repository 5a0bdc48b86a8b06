"""Lists that change, cap, end early or misbehave while they are read, over real HTTP."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from pixxel_sandbox import Behavior, Sandbox
from tests.tap.syncs import sync

if TYPE_CHECKING:
    from pixxel_sandbox import RequestRecord, Workspace

PAGED = ["archive_items", "catalogs", "orders", "order_items", "projects"]


@pytest.mark.parametrize("name", PAGED)
def test_an_empty_list_is_an_empty_stream(sandbox: Sandbox, name: str) -> None:
    for key in sandbox.workspace.ids(name):
        sandbox.workspace.delete(name, key)
    synced = sync(sandbox, name)
    assert synced.ids(name) == []
    assert synced.status == 0


@pytest.mark.parametrize("name", PAGED)
@pytest.mark.parametrize("more", [0, 1, -1])
def test_a_list_about_as_long_as_a_page(sandbox: Sandbox, name: str, more: int) -> None:
    there = set(sandbox.workspace.ids(name))
    assert set(sync(sandbox, name, page_size=len(there) + more).ids(name)) == there


@pytest.mark.parametrize("name", PAGED)
@pytest.mark.parametrize("page_size", [1, 2, 7])
@pytest.mark.parametrize("concurrency", [1, 4])
def test_any_page_size_gives_the_same_records_in_the_same_order(
    sandbox: Sandbox, name: str, page_size: int, concurrency: int
) -> None:
    whole = sync(sandbox, name, page_size=1000)
    parts = sync(sandbox, name, page_size=page_size, concurrency=concurrency)
    assert parts.ids(name) == whole.ids(name)


@pytest.mark.parametrize("name", PAGED)
@pytest.mark.parametrize("cap", [1, 3, 10])
def test_a_server_may_cap_the_limit(sandbox: Sandbox, name: str, cap: int) -> None:
    there = set(sandbox.workspace.ids(name))
    sandbox.behavior = Behavior(max_limit=cap)
    synced = sync(sandbox, name, page_size=100)
    assert set(synced.ids(name)) == there
    assert len(synced.ids(name)) == len(there)


def test_a_limit_is_always_sent(sandbox: Sandbox) -> None:
    sync(sandbox, *PAGED, page_size=33)
    for request in sandbox.requests:
        if request.path.endswith("/collections"):
            continue
        asked = request.body if isinstance(request.body, dict) else request.query
        assert {"limit", "page_size"} & asked.keys(), request.path


def stirred(sandbox: Sandbox, name: str, behavior: Behavior) -> tuple[set[str], list[str]]:
    """Sync while the list changes; give the keys that stayed throughout and those that came."""
    before = set(sandbox.workspace.ids(name))
    sandbox.behavior = behavior
    synced = sync(sandbox, name, page_size=5)
    assert sandbox.workspace.changes, "nothing has changed meanwhile"
    return before & set(sandbox.workspace.ids(name)), synced.ids(name)


@pytest.mark.parametrize("name", ["archive_items", "catalogs", "orders", "order_items"])
@pytest.mark.parametrize(
    "behavior",
    [
        Behavior(insert_while_paging=True),
        Behavior(delete_while_paging=True),
        Behavior(update_while_paging=True),
        Behavior(insert_while_paging=True, delete_while_paging=True, update_while_paging=True),
    ],
    ids=["insert", "delete", "update", "all"],
)
def test_what_stays_comes_out_once_whatever_changes(
    sandbox: Sandbox, name: str, behavior: Behavior
) -> None:
    stayed, given = stirred(sandbox, name, behavior)
    assert stayed <= set(given)
    assert len(given) == len(set(given))


@pytest.mark.parametrize("name", ["orders", "order_items"])
def test_a_row_that_an_update_moves_behind_the_cursor_is_not_lost(
    sandbox: Sandbox, name: str
) -> None:
    stayed, given = stirred(sandbox, name, Behavior(update_while_paging=True, updates_reorder=True))
    assert stayed <= set(given)
    assert len(given) == len(set(given))


def test_without_the_overlap_a_deletion_would_skip_a_row(sandbox: Sandbox) -> None:
    """The sandbox does shift the list: plain offsets over it lose a row."""
    ids = sandbox.workspace.ids("orders")

    def delete_behind(record: RequestRecord, workspace: Workspace) -> None:
        if record.path == "/v0/orders" and record.query["offset"] != "0" and len(ids) > 11:
            workspace.delete("orders", first.pop())
            sandbox.on_request = None

    first = [sync(sandbox, "orders", page_size=1000).ids("orders")[0]]
    gone = first[0]
    sandbox.on_request = delete_behind
    given = sync(sandbox, "orders", page_size=5).ids("orders")
    assert set(given) | {gone} == set(ids)


@pytest.mark.parametrize("name", ["archive_items", "catalogs"])
@pytest.mark.parametrize("behavior", [Behavior(reject_sort=True), Behavior(ignore_sort=True)])
def test_an_endpoint_that_does_not_sort_is_read_all_the_same(
    sandbox: Sandbox, name: str, behavior: Behavior
) -> None:
    there = set(sandbox.workspace.ids(name))
    sandbox.behavior = behavior
    assert set(sync(sandbox, name, page_size=7).ids(name)) == there


def test_deep_offsets_are_never_asked_for(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tap_pixxel.streams.archive.ArchiveItems.window_rows", 10)
    there = set(sandbox.workspace.ids("archive_items"))
    sandbox.behavior = Behavior(max_offset=20)
    given = sync(sandbox, "archive_items", page_size=4, concurrency=2).ids("archive_items")
    assert set(given) == there
    assert len(given) == len(there)


def test_faults_on_the_way_change_nothing_in_what_comes_out() -> None:
    with Sandbox(seed=3, items=150) as sandbox:
        calm = sync(sandbox, page_size=10)
        sandbox.behavior = Behavior(latency_ms=50, error_rate=0.05, rate_limit=50)
        rough = sync(sandbox, page_size=10)
        faults = [r for r in sandbox.requests if r.status is None or r.status >= 400]
    assert faults, "the sandbox has not failed once"
    assert calm.records == rough.records
    assert calm.state == rough.state


def test_a_stream_that_may_not_be_read_is_told_and_the_others_go_on(
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
    assert any("archive_items, catalogs, collections, stores" in each for each in caplog.messages)


def test_a_forbidden_full_table_is_not_activated_empty(sandbox: Sandbox) -> None:
    """An ACTIVATE_VERSION without the records would empty the warehouse's table."""
    sandbox.behavior = Behavior(forbid=frozenset({"stores"}))
    types = {m["type"] for m in sync(sandbox, "stores").messages if m.get("stream") == "stores"}
    assert types == {"SCHEMA"}


def test_the_rate_of_the_settings_is_kept(sandbox: Sandbox) -> None:
    sandbox.behavior = Behavior(rate_limit=30)
    sync(sandbox, "orders", page_size=2, requests_per_second=20)
    assert not [request for request in sandbox.requests if request.status == 429]
