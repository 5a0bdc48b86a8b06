"""Parents are read once in a run, and what their scan found out counts for each child stream."""

from __future__ import annotations

import json
import logging
import tempfile
from typing import TYPE_CHECKING

import pytest

from pixxel_api.errors import Forbidden
from pixxel_sandbox import Behavior, Sandbox
from tap_pixxel.stream_types import shared_scan
from tap_pixxel.stream_types.scan_report import ScanReport, SkippedLists
from tap_pixxel.stream_types.shared_scan import PathParams, SharedScan
from tests.pixxel_api.scripted import ScriptedServer, answer
from tests.tap_pixxel.syncs import sync

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pixxel_sandbox import RequestRecord, Workspace

CHILDREN_OF_AOIS = ("aoi_assets", "insights", "visualizations")
CHILDREN_OF_WORKFLOWS = ("jobs", "job_tasks")
PARENTS = {"/v0/aois": CHILDREN_OF_AOIS, "/v0/workflows": CHILDREN_OF_WORKFLOWS}
"""Paths of parents' lists, and the child streams that need them."""


def count_requests(sandbox: Sandbox, path: str) -> int:
    return sum(each.path == path for each in sandbox.requests)


def make_report(stream: str = "children") -> ScanReport:
    return ScanReport(SkippedLists(stream, logging.getLogger("scan")))


def list_incomplete(state: dict[str, object]) -> object:
    return state.get("incomplete", [])


@pytest.mark.parametrize("path", PARENTS)
def test_parents_are_read_once_for_all_child_streams(sandbox: Sandbox, path: str) -> None:
    first, *_ = children = PARENTS[path]
    sync(sandbox, first, page_size=2)
    pages = count_requests(sandbox, path)
    assert pages > 1
    synced = sync(sandbox, *children, page_size=2)
    assert count_requests(sandbox, path) == 2 * pages
    assert {name: len(synced.ids(name)) for name in children} == {
        name: sandbox.counts()[name] for name in children
    }


def test_later_child_stream_bookmark_never_passes_time_of_parents_list() -> None:
    """It reads no list of a parent that is newer, whose records may have changed since."""
    clock = "Date: Wed, 01 Jan 2025 00:00:09 GMT"
    later = "Date: Wed, 01 Jan 2025 01:00:00 GMT"
    parents = b'{"aois": [{"aoi_id": "a"}], "pagination": {"total": 1}}'
    row = b'[{"id": "1", "updated_at": "2025-01-01T00:30:00Z"}]'
    children = b'{"assets": %s, "visualization": %s}' % (row, row)
    scripts = [
        answer(body=parents, headers=(clock,)),
        answer(body=children, headers=(later,)),
    ]
    with ScriptedServer(*scripts) as server:
        synced = sync(server, "aoi_assets", "visualizations")
        assert sum(each.startswith(b"GET /v0/aois?") for each in server.requests) == 1
    for name in ("aoi_assets", "visualizations"):
        assert synced.ids(name) == ["1"]
        value = synced.bookmark(name)["replication_key_value"]
        assert "2025-01-01T00:00:00" <= value < "2025-01-01T00:00:10"


def test_incomplete_parents_list_is_reported_for_each_child_stream() -> None:
    """Only the list of workflows has a total, and fewer rows."""
    lists = b'"workflows": [{"id": "w"}], "jobs": [{"id": "j"}], "tasks": [%s]'
    task = b'{"id": "t", "updated_at": "2025-01-01T00:30:00Z"}'
    body = b'{%s, "pagination": {"total": 2}}' % (lists % task)
    with ScriptedServer(answer(body=body)) as server:
        sync(server, "jobs")
        scan = [each for each in server.requests if b" /v0/workflows?" in each]
        server.requests.clear()
        synced = sync(server, *CHILDREN_OF_WORKFLOWS)
        assert sum(b" /v0/workflows?" in each for each in server.requests) == len(scan)
    assert (synced.ids("jobs"), synced.ids("job_tasks")) == (["j"], ["t"])
    assert list_incomplete(synced.state) == sorted(CHILDREN_OF_WORKFLOWS)
    assert "replication_key_value" not in json.dumps(synced.state)
    assert "ACTIVATE_VERSION" not in {each["type"] for each in synced.messages}


def test_parents_list_that_failed_midway_is_read_again(sandbox: Sandbox) -> None:
    """The ids that were read until then are not all."""

    def fail_once(request: RequestRecord, _: Workspace) -> None:
        if request.path == "/v0/aois":
            is_second = request.query["offset"] != "0" and not failed
            failed.extend([request.path] * is_second)
            forbidden = frozenset({"aois"} if is_second else ())
            sandbox.behavior = Behavior(forbid=forbidden)

    failed: list[str] = []
    sandbox.on_request = fail_once
    synced = sync(sandbox, *CHILDREN_OF_AOIS, page_size=2, concurrency=1)
    failed_name, *others = sorted(CHILDREN_OF_AOIS)
    assert failed
    assert list_incomplete(synced.state) == [failed_name]
    assert [len(synced.ids(name)) for name in others] == [sandbox.counts()[name] for name in others]


class CountedScan:
    """A scan that counts how often it is made."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, report: ScanReport) -> Iterator[PathParams]:
        """Yield three jobs of a list that ended early, and skip a forbidden list."""
        self.count += 1
        report.skipped.add({"workflow_id": "w"}, Forbidden("GET", "/v0/workflows/w/jobs", 403))
        report.skipped.without_id = 2
        for key in ("a", "ü\n", '"'):
            yield {"workflow_id": "v", "job_id": key}
        report.complete = False


def test_shared_scan_second_reader_gets_what_the_first_got() -> None:
    scan = CountedScan()
    shared = SharedScan(scan)
    first, second = make_report(), make_report()
    assert list(shared.read(first)) == list(shared.read(second))
    assert scan.count == 1
    for report in (first, second):
        assert (report.complete, report.skipped.names) == (False, ["w"])
        assert report.skipped.without_id == 2
        assert isinstance(report.skipped.refusal, Forbidden)
        assert report.skipped.may_exist


@pytest.mark.parametrize("limit", [1 << 20, 1])
def test_shared_scan_readers_at_the_same_time_get_all(
    monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    """A stream may scan its lists again, to check a request, while it is reading them."""
    monkeypatch.setattr(shared_scan, "MAX_BYTES_IN_MEMORY", limit)
    ids = [{"aoi_id": f"aoi-{number}"} for number in range(9)]
    shared = SharedScan(lambda _: iter(ids))
    assert list(shared.read(make_report())) == ids
    outer = shared.read(make_report())
    assert [next(outer), next(outer)] == ids[:2]
    assert list(shared.read(make_report())) == ids
    assert list(outer) == ids[2:]


def test_shared_scan_without_place_for_a_file_is_made_by_each_reader(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(shared_scan, "MAX_BYTES_IN_MEMORY", 1)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    scan = CountedScan()
    shared = SharedScan(scan)
    assert list(shared.read(make_report())) == list(shared.read(make_report()))
    assert scan.count == 2
    assert sum("no temporary file" in each for each in caplog.messages) == 2


def test_shared_scan_not_read_to_its_end_is_made_again() -> None:
    scan = CountedScan()
    shared = SharedScan(scan)
    assert next(shared.read(make_report())) == {"workflow_id": "v", "job_id": "a"}
    assert len(list(shared.read(make_report()))) == 3
    assert scan.count == 2
