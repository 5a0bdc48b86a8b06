"""run_tap reads a range of the archive in this process, several times and in any thread."""

from __future__ import annotations

import json
import signal
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from pixxel_api.errors import Unauthorized
from pixxel_backfill.tap_run import StreamFailed, TapResult, run_tap
from pixxel_sandbox import Behavior, Sandbox
from pixxel_singer.errors import InputError
from pixxel_singer.signals import StopRequested
from tests.pixxel_api.scripted import ScriptedServer, answer
from tests.tap_pixxel.syncs import make_config, sync

if TYPE_CHECKING:
    from collections.abc import Iterator

COLLECTION = "firefly-l1c"
RANGES = ["../2024-01-01", "2024-01-01/2024-09-01", "2024-09-01/2025-03-01", "2025-03-01/.."]
NO_TIMES = {"datetime": None, "startdatetime": None, "enddatetime": None}


@pytest.fixture(scope="module")
def archive() -> Iterator[Sandbox]:
    with Sandbox(seed=7, items=150) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(archive: Sandbox) -> Iterator[Sandbox]:
    yield archive
    archive.behavior = Behavior()


def read(sandbox: Sandbox, *, state: Any = None, **settings: Any) -> tuple[TapResult, list[Any]]:
    """Return the result of a run, and its messages."""
    lines: list[bytes] = []
    config = make_config(sandbox, collections=[COLLECTION], stac=False, page_size=20, **settings)
    result = run_tap(config, write_line=lines.append, state=state)
    assert all(line.endswith(b"\n") for line in lines)
    return result, [json.loads(line) for line in lines]


def ignore_line(line: bytes) -> None:
    """Receive a line."""


def find_records(messages: list[Any]) -> list[Any]:
    return [each["record"] for each in messages if each["type"] == "RECORD"]


def test_threads_read_ranges_at_once_as_one_sync_reads_them(sandbox: Sandbox) -> None:
    with ThreadPoolExecutor(4) as pool:
        parts = list(pool.map(lambda each: read(sandbox, owned_range=each), RANGES * 2))
    expected = sync(sandbox, "archive_items", collections=[COLLECTION], stac=False)
    records = [record for _, messages in parts for record in find_records(messages)]
    assert Counter(map(json.dumps, records)) == Counter(
        map(json.dumps, expected.records["archive_items"] * 2)
    )
    for result, messages in parts:
        assert {each["type"] for each in messages} == {"SCHEMA", "RECORD", "STATE"}
        assert result.rows == len(find_records(messages)) > 3
        assert result.state == messages[-1]["value"]
        updated = {each["id"]: each["updated"] for each in find_records(messages)}
        assert result.largest == max(filter(None, updated.values()))
        assert updated[result.boundary or ""] == result.largest


def test_start_is_by_the_clock_of_the_server() -> None:
    date = ("Date: Thu, 01 May 2025 12:00:00 GMT",)
    body = b'{"collections": [{"id": "c"}], "features": []}'
    with ScriptedServer(answer(body=body, headers=date)) as server:
        result = run_tap(make_config(server, concurrency=1), write_line=ignore_line)
    assert (result.started_at or "")[:19] in {"2025-05-01T11:59:59", "2025-05-01T12:00:00"}
    assert (result.rows, result.largest, result.boundary) == (0, None, None)


def test_continued_run_knows_largest_value_of_state(sandbox: Sandbox) -> None:
    first, messages = read(sandbox, owned_range=RANGES[1])
    assert first.boundary
    sandbox.workspace.update(
        "archive_items", first.boundary, datetime="2021-01-01T00:00:00Z", updated=first.largest
    )
    second, _ = read(sandbox, owned_range=RANGES[1], state=first.state)
    assert (second.largest, second.boundary) == (first.largest, first.boundary)
    assert second.rows < first.rows
    state = json.dumps(first.state)
    sandbox.workspace.update("archive_items", find_records(messages)[0]["id"])
    third, _ = read(sandbox, owned_range=RANGES[1], state=first.state)
    assert third.state != first.state
    assert json.dumps(first.state) == state, "the state that was passed has changed"


def test_items_without_time_are_named(sandbox: Sandbox) -> None:
    key = find_records(read(sandbox, owned_range=RANGES[1])[1])[0]["id"]
    sandbox.workspace.update("archive_items", key, **NO_TIMES)
    assert read(sandbox, owned_range="../..")[0].undated == [key]
    result, messages = read(sandbox, owned_range="undated")
    assert result.undated == [each["id"] for each in find_records(messages)] == [key]


@pytest.mark.parametrize("at", [1, 5])
def test_stop_of_the_caller_ends_the_run(sandbox: Sandbox, at: int) -> None:
    lines: list[bytes] = []

    def check() -> None:
        if len(lines) >= at:
            raise StopRequested(signal.SIGTERM)

    with pytest.raises(StopRequested):
        run_tap(make_config(sandbox), write_line=lines.append, check=check)
    assert len(lines) == at
    read(sandbox, owned_range=RANGES[1])


def test_failed_stream_raises_reason(sandbox: Sandbox) -> None:
    sandbox.behavior = Behavior(forbid=frozenset({"archive_items"}))
    with pytest.raises(StreamFailed, match=r"^archive_items \(.*the token lacks permission"):
        read(sandbox, owned_range=RANGES[1])


def test_incomplete_scan_is_not_a_result(sandbox: Sandbox) -> None:
    sandbox.behavior = Behavior(ignore_sort=True, insert_while_paging=True)
    with pytest.raises(StreamFailed, match="ended early or kept changing"):
        read(sandbox, owned_range=RANGES[1])


def test_unknown_token_ends_all_runs(sandbox: Sandbox) -> None:
    config = make_config(sandbox) | {"api_token": "unknown"}
    with pytest.raises(Unauthorized) as raised:
        run_tap(config, write_line=ignore_line)
    assert raised.value.affects_all_requests


@pytest.mark.parametrize(
    "change", [{"owned_range": "s3cret"}, {"page_size": 0}, {"owned_range": 7}]
)
def test_invalid_settings_are_lines(sandbox: Sandbox, change: dict[str, Any]) -> None:
    with pytest.raises(InputError) as raised:
        run_tap(make_config(sandbox, **change), write_line=ignore_line)
    assert raised.value.lines[0].startswith(f"Setting '{next(iter(change))}' ")


def test_report_counts_rows_and_requests(sandbox: Sandbox) -> None:
    reports: list[tuple[int, int]] = []
    result = run_tap(
        make_config(sandbox, owned_range=RANGES[1], stac=False),
        write_line=ignore_line,
        report=lambda rows, requests: reports.append((rows, requests)),
    )
    assert reports == sorted(reports)
    assert reports[-1] == (result.rows, result.requests)
