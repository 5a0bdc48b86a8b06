"""Lists that change, cap pages, end early or misbehave during a scan, over real HTTP."""

from __future__ import annotations

import pytest

from pixxel_sandbox import Behavior, Sandbox
from tests.tap_pixxel.syncs import SyncResult, sync

PAGED = ["archive_items", "catalogs", "orders", "order_items", "projects"]


def test_any_page_size_emits_same_records_in_same_order(sandbox: Sandbox) -> None:
    full_sync = sync(sandbox, *PAGED, page_size=1000)
    sandbox.requests.clear()
    parts = sync(sandbox, *PAGED, page_size=2)
    assert {name: parts.ids(name) for name in PAGED} == {n: full_sync.ids(n) for n in PAGED}
    for request in sandbox.requests:
        requested = request.body if isinstance(request.body, dict) else request.query
        has_limit = {"limit", "page_size"} & requested.keys()
        assert has_limit or request.path.endswith("/collections"), request.path


def assert_emitted_once(synced: SyncResult, name: str, wanted: set[str]) -> None:
    assert wanted <= set(synced.ids(name)), name
    assert len(synced.ids(name)) == len(set(synced.ids(name))), name


@pytest.mark.parametrize(
    "behavior",
    [Behavior(max_limit=3), Behavior(reject_sort=True), Behavior(ignore_sort=True)],
    ids=["capped limit", "sort order rejected", "sort order ignored"],
)
def test_server_with_own_limit_or_order_is_read_whole(sandbox: Sandbox, behavior: Behavior) -> None:
    sandbox.behavior = behavior
    synced = sync(sandbox, *PAGED, page_size=7)
    for name in PAGED:
        assert_emitted_once(synced, name, set(sandbox.workspace.ids(name)))


@pytest.mark.parametrize(
    ("names", "behavior"),
    [
        (PAGED[:4], Behavior(delete_while_paging=True)),
        (
            PAGED[:4],
            Behavior(insert_while_paging=True, delete_while_paging=True, update_while_paging=True),
        ),
        (PAGED[2:4], Behavior(update_while_paging=True, updates_reorder=True)),
    ],
    ids=["deleted", "all changes", "updated rows move behind the cursor"],
)
def test_changing_list_emits_remaining_rows_once(
    sandbox: Sandbox, names: list[str], behavior: Behavior
) -> None:
    for name in names:
        sandbox.workspace.changes.clear()
        before = set(sandbox.workspace.ids(name))
        sandbox.behavior = behavior
        synced = sync(sandbox, name, page_size=5)
        assert sandbox.workspace.changes, "nothing has changed during the scan"
        assert_emitted_once(synced, name, before & set(sandbox.workspace.ids(name)))


def test_long_archive_scan_never_requests_deep_offsets(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tap_pixxel.streams.archive.ArchiveItems.window_rows", 10)
    sandbox.behavior = Behavior(max_offset=20)
    synced = sync(sandbox, "archive_items", page_size=4, concurrency=2)
    assert_emitted_once(synced, "archive_items", set(sandbox.workspace.ids("archive_items")))


def test_faulty_server_changes_no_record() -> None:
    with Sandbox(seed=3, items=80) as sandbox:
        calm = sync(sandbox, page_size=10)
        sandbox.behavior = Behavior(latency_ms=20, error_rate=0.05, rate_limit=50)
        rough = sync(sandbox, page_size=10)
        faults = [r for r in sandbox.requests if r.status is None or r.status >= 400]
    assert faults, "the sandbox has injected no fault"
    assert calm.records == rough.records
    assert calm.state == rough.state


def test_rate_setting_prevents_429_responses(sandbox: Sandbox) -> None:
    sandbox.behavior = Behavior(rate_limit=30)
    sync(sandbox, "orders", page_size=2, requests_per_second=20)
    assert not [request for request in sandbox.requests if request.status == 429]
