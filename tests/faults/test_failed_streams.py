"""A stream that fails is skipped and named, and the others are read completely."""

from __future__ import annotations

import json
import logging
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from pixxel_api.errors import Redirected
from pixxel_sandbox import Sandbox
from pixxel_singer.exit_codes import ExitCode
from pixxel_singer.message_reader import INCOMPLETE, UNREAD
from pixxel_singer.signals import StopRequested
from tap_pixxel.stream_types.child import ChildStream
from tap_pixxel.streams import STREAMS
from tests.faults.fault_proxy import FaultProxy, Replacement, match_path
from tests.faults.forked_tap import sync_stream
from tests.tap_pixxel.commands import parse_errors, run_tap
from tests.tap_pixxel.stream_types.test_incremental import stop_after
from tests.tap_pixxel.syncs import SyncResult, make_catalog, sync

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tap_pixxel.stream_types.base import PixxelStream

BY_NAME: dict[str, type[PixxelStream]] = {each.__dict__["name"]: each for each in STREAMS}
SETTINGS: dict[str, Any] = {"datetime": "2020/..", "bbox": [-180, -90, 180, 90], "page_size": 2}
SENTINELS = {"bandsets", "orders", "stores"}
"""Streams that are read beside the failed one: full tables, and one with a bookmark."""
ALSO_READ_BY = {
    "collections": {"archive_items"},
    "order_items": {"order_tasks"},
    "order_tasks": {"order_items"},
    "satellites": {"satellite_images"},
}
"""Streams that read the list of a stream, besides its children."""
PARTITIONED = {"archive_items": "collection", "satellite_images": "satellite_id"}
"""Column that names the partition of a stream, which alone fails."""


def make_endless_page(stream: type[PixxelStream]) -> bytes:
    """Return a page that is the same at each offset, and for each token."""
    rows = [{stream.row_key_field: "a"}, {stream.row_key_field: "b"}]
    body: dict[str, Any] = {stream.records_key: rows}
    if stream.__dict__["name"] == "satellite_images":
        body = {stream.records_key: {"k": rows}, "next_token": "t"}
    return json.dumps(body).encode()


def make_shape(stream: type[PixxelStream]) -> bytes:
    """Return JSON whose list is none; for the order report, which is CSV, any JSON."""
    return json.dumps({getattr(stream, "records_key", "x"): "text"}).encode()


FAULTS: dict[str, Callable[[type[PixxelStream]], tuple[int, bytes]]] = {
    "400": lambda _: (400, b'{"error": {"code": "bad_request"}}'),
    "403": lambda _: (403, b'{"error": {"code": "permission_denied"}}'),
    "404": lambda _: (404, b'{"error": {"code": "not_found"}}'),
    "unexpected shape": lambda stream: (200, make_shape(stream)),
    "endless list": lambda stream: (200, make_endless_page(stream)),
}
PAGED_IN_DIFFERENT_WAYS = ("orders", "projects", "archive_items", "satellite_images")
CASES = [
    *((name, "unexpected shape") for name in BY_NAME),
    *(("orders", fault) for fault in ("400", "403", "404")),
    *((name, "endless list") for name in PAGED_IN_DIFFERENT_WAYS),
]
"""Each stream fails once, each status on one stream, and an endless list for each way of paging."""


def list_descendants(name: str) -> set[str]:
    return {
        each
        for each, stream in BY_NAME.items()
        for parent in iter_ancestors(stream)
        if parent is BY_NAME[name]
    }


def iter_ancestors(stream: type[PixxelStream]) -> Iterator[type[PixxelStream]]:
    while issubclass(stream, ChildStream):
        stream = stream.parent
        yield stream


def select_streams(name: str) -> set[str]:
    """Return a stream, those above, below and beside it, and the sentinels."""
    above = {each.__dict__["name"] for each in iter_ancestors(BY_NAME[name])}
    return {name, *list_descendants(name), *above, *ALSO_READ_BY.get(name, ()), *SENTINELS}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(seed=7, items=30) as server:
        yield server


@pytest.fixture(scope="module")
def proxy(sandbox: Sandbox) -> Iterator[FaultProxy]:
    with FaultProxy(sandbox.url) as server:
        yield server


@pytest.fixture(scope="module")
def complete_syncs(proxy: FaultProxy) -> tuple[SyncResult, SyncResult]:
    """Return a first and a second sync of all streams without a fault."""
    proxy.replacement = None
    first = sync(proxy, *BY_NAME, **SETTINGS)
    return first, sync(proxy, *BY_NAME, state=first.state, **SETTINGS)


def read_types(synced: SyncResult, stream: str) -> list[str]:
    return [m["type"] for m in synced.messages if m.get("stream") == stream]


def find_states(synced: SyncResult) -> list[dict[str, Any]]:
    return [message["value"] for message in synced.messages if message["type"] == "STATE"]


def read_bookmarks(synced: SyncResult, stream: str) -> dict[tuple[str, ...], str | None]:
    """Return the bookmarks of a stream's partitions."""
    return {
        tuple(part["context"].values()): part.get("replication_key_value")
        for part in synced.bookmark(stream)["partitions"]
    }


def find_partition(first_sync: SyncResult, name: str) -> str:
    """Return the partition that is to fail: one of several."""
    parts = [each["context"] for each in first_sync.bookmark(name)["partitions"]]
    found = sorted({part[PARTITIONED[name]] for part in parts})
    assert len(found) > 1
    return str(found[0])


@pytest.mark.parametrize(("name", "fault"), CASES)
def test_failed_stream_is_named_and_others_are_read(
    proxy: FaultProxy,
    complete_syncs: tuple[SyncResult, SyncResult],
    caplog: pytest.LogCaptureFixture,
    name: str,
    fault: str,
) -> None:
    stream, (first_sync, complete_sync) = BY_NAME[name], complete_syncs
    partition = find_partition(first_sync, name) if name in PARTITIONED else ""
    status, body = FAULTS[fault](stream)
    proxy.replacement = Replacement(match_path(stream), status, body, partition.encode())
    with caplog.at_level(logging.ERROR):
        synced = sync(proxy, *select_streams(name), state=first_sync.state, **SETTINGS)
    assert proxy.replaced
    failed = {name, *list_descendants(name), *ALSO_READ_BY.get(name, ())}

    assert synced.status is ExitCode.INCOMPLETE
    last_line = caplog.messages[-1]
    assert last_line.startswith("failed streams, ")
    reason = "endless list" if fault == "endless list" else f"returned {status}"
    assert all(f"{each} (" in last_line for each in failed)
    assert reason in last_line or name == "order_report"
    assert partition in last_line

    assert synced.state[INCOMPLETE] == sorted(failed)
    for each in failed:
        assert "ACTIVATE_VERSION" not in read_types(synced, each)
    for each in failed - PARTITIONED.keys():
        assert synced.state["bookmarks"].get(each) == first_sync.state["bookmarks"].get(each)
    for each in select_streams(name) - failed:
        assert synced.records[each] == complete_sync.records[each]
        assert synced.bookmark(each) == complete_sync.bookmark(each)
        is_full_table = "ACTIVATE_VERSION" in read_types(complete_sync, each)
        assert ("ACTIVATE_VERSION" in read_types(synced, each)) is is_full_table
    states = [INCOMPLETE in each for each in find_states(synced)]
    assert states == sorted(states)


@pytest.fixture(scope="module", params=PARTITIONED)
def partitioned_name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module", params=[False, True], ids=["incremental", "full table"])
def full_table(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture(scope="module")
def whole_sync(proxy: FaultProxy, partitioned_name: str, *, full_table: bool) -> SyncResult:
    """Return a sync of a partitioned stream without a fault."""
    proxy.replacement = None
    return sync(proxy, partitioned_name, full_table=full_table, **SETTINGS)


@pytest.mark.parametrize("fault", ["400", "unexpected shape", "endless list"])
def test_failed_partition_is_skipped_and_others_are_read(
    proxy: FaultProxy,
    whole_sync: SyncResult,
    partitioned_name: str,
    fault: str,
    *,
    full_table: bool,
) -> None:
    name, whole = partitioned_name, whole_sync
    column = PARTITIONED[name]
    failed = str(whole.records[name][0][column])
    status, body = FAULTS[fault](BY_NAME[name])
    proxy.replacement = Replacement(match_path(BY_NAME[name]), status, body, failed.encode())
    synced = sync(proxy, name, full_table=full_table, **SETTINGS)
    assert synced.status is ExitCode.INCOMPLETE
    expected = [each for each in whole.records[name] if each[column] != failed]
    assert [each for each in synced.records[name] if each.get(column) != failed] == expected != []
    assert "ACTIVATE_VERSION" not in read_types(synced, name)
    if not full_table:
        before, after = (read_bookmarks(each, name) for each in (whole, synced))
        for part, value in before.items():
            assert after[part] == (None if failed in part else value)


def test_children_of_failed_parent_are_not_requested(sandbox: Sandbox) -> None:
    with FaultProxy(sandbox.url, Replacement("/v0/workflows", 404)) as proxy:
        synced = sync(proxy, "workflows", "jobs", "job_tasks")
    assert proxy.replaced == ["/v0/workflows"]
    assert synced.failures.startswith(
        "job_tasks (its parent stream jobs could not be read); "
        "jobs (its parent stream workflows could not be read); workflows (GET"
    )


def test_redirect_of_one_list_fails_only_its_stream(proxy: FaultProxy) -> None:
    proxy.replacement = Replacement("/v0/orders", 302)
    synced = sync(proxy, "orders", "stores")
    assert synced.state[INCOMPLETE] == ["orders"]
    assert synced.records["stores"]


def test_redirect_of_ping_too_ends_the_run(proxy: FaultProxy) -> None:
    """The request for /ping shows whether the URL itself has moved."""
    proxy.replacement = Replacement("/v0/orders|/ping", 302)
    synced = sync(proxy, "orders", "stores", expect=Redirected)
    assert "stores" not in synced.records


def test_child_of_deselected_parent_fails_itself(proxy: FaultProxy) -> None:
    proxy.replacement = Replacement("/v0/workflows", 404)
    synced = sync(proxy, "jobs", "bandsets")
    assert synced.state[INCOMPLETE] == ["jobs"]
    assert "jobs (GET /v0/workflows returned 404" in synced.failures
    assert synced.records["bandsets"]


def test_failed_collection_keeps_progress_of_its_backfill(
    proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tap_pixxel.streams.archive.ArchiveItems.window_rows", 4)
    proxy.replacement = None
    killed = sync(proxy, "archive_items", after=stop_after(12), expect=StopRequested, **SETTINGS)
    [part] = [p for p in killed.bookmark("archive_items")["partitions"] if "backfill" in p]
    failed = part["context"]["collection"].encode()
    proxy.replacement = Replacement("/v0/archives/search", 400, in_request=failed)
    synced = sync(proxy, "archive_items", state=killed.state, **SETTINGS)
    assert synced.status is ExitCode.INCOMPLETE
    assert part in synced.bookmark("archive_items")["partitions"]


def test_list_that_ended_early_is_incomplete_in_state(proxy: FaultProxy) -> None:
    """Records may be missing, so a target must not remove those that it does not receive."""
    proxy.replacement = Replacement(
        "/v0/orders", body=b'{"orders": [{"id": "a"}], "pagination": {"total": 9}}'
    )
    synced = sync(proxy, "orders", "stores")
    assert synced.status is ExitCode.OK
    assert synced.state[INCOMPLETE] == ["orders"]


def test_every_state_names_the_streams_that_are_not_read_yet(proxy: FaultProxy) -> None:
    """A run that dies between two streams must not look complete."""
    proxy.replacement = None
    synced = sync(proxy, "orders", "stores")
    read: set[str] = set()
    for message, following in pairwise(synced.messages):
        if message["type"] == "STATE":
            unread = set(message["value"].get(UNREAD, ()))
            assert unread <= {"orders", "stores"} - read
            assert unread or following["type"] == "STATE"
            read = {"orders", "stores"} - unread
    assert not any(INCOMPLETE in each for each in find_states(synced))
    assert UNREAD not in synced.state


def test_incomplete_of_given_state_is_dropped(proxy: FaultProxy) -> None:
    proxy.replacement = None
    state = {**sync(proxy, "orders").state, INCOMPLETE: ["orders"]}
    synced = sync(proxy, "orders", "stores", state=state)
    assert not any(INCOMPLETE in each for each in find_states(synced))
    assert sync(proxy, "orders", state={INCOMPLETE: ["orders"]}).status is ExitCode.OK


@pytest.mark.parametrize(
    ("path", "status", "exit_status"),
    [
        ("/v0/orders", 500, ExitCode.INCOMPLETE),
        ("/v0/orders|/ping", 503, ExitCode.FAILED),
    ],
)
def test_server_error_ends_run_unless_api_responds_to_ping(
    sandbox: Sandbox, path: str, status: int, exit_status: ExitCode
) -> None:
    """An outage would otherwise be waited for again in each stream."""
    with FaultProxy(sandbox.url, Replacement(path, status)) as proxy:
        completed = sync_stream(proxy.url, "orders", {"api_token": sandbox.token})
    assert completed.result.returncode == exit_status
    assert f"GET /v0/orders returned {status}" in completed.errors[-1]
    assert completed.messages[-1]["value"][INCOMPLETE] == ["orders"]


def test_invalid_token_ends_run_and_names_unread_streams(sandbox: Sandbox, tmp_path: Path) -> None:
    """A target that removes what it does not receive must not take the input for complete."""
    catalog = tmp_path / "catalog.json"
    catalog.write_text(json.dumps(make_catalog({}, "bandsets", "orders", "stores")))
    with FaultProxy(sandbox.url, Replacement("/v0/orders", 401)) as proxy:
        result = run_tap(
            "--config=ENV",
            f"--catalog={catalog}",
            TAP_PIXXEL_API_URL=proxy.url,
            TAP_PIXXEL_API_TOKEN=sandbox.token,
        )
    assert result.returncode == ExitCode.FAILED
    [line] = parse_errors(result)
    assert "invalid token" in line
    messages = [json.loads(each) for each in result.stdout.splitlines()]
    assert messages[-1]["type"] == "STATE"
    assert messages[-1]["value"][INCOMPLETE] == ["orders", "stores"]


def test_error_in_stream_map_ends_run_and_names_unread_streams(sandbox: Sandbox) -> None:
    """Whatever ends the run, the last STATE must not look like that of a complete sync."""
    maps = {"stores": {"name": "int(name)"}}
    result = run_tap(
        "--config=ENV",
        TAP_PIXXEL_API_URL=sandbox.url,
        TAP_PIXXEL_API_TOKEN=sandbox.token,
        TAP_PIXXEL_STREAM_MAPS=json.dumps(maps),
    )
    assert result.returncode
    *_, last = (json.loads(each) for each in result.stdout.splitlines())
    assert (last["type"], last["value"][INCOMPLETE]) == ("STATE", ["stores"])
