"""Lists below the rows of another: all of them, each record once, whatever some parents answer."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest

from pixxel_api.errors import Forbidden, NotFound
from pixxel_sandbox import Behavior, Sandbox
from pixxel_singer.exit_codes import ExitCode
from tap_pixxel.stream_types.scan_report import ScanReport, SkippedLists
from tap_pixxel.streams.aois import Aois
from tap_pixxel.tap import TapPixxel
from tests.pixxel_api.scripted import ScriptedServer, answer
from tests.tap_pixxel.syncs import MessageCollector, make_config, sync

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pixxel_sandbox import RequestRecord, Workspace

PARENTS = {
    "aoi_assets": "aoi_id",
    "visualizations": "aoi_id",
    "insights": "aoi_id",
    "jobs": "workflow_id",
    "job_tasks": "job_id",
    "block_versions": "name",
}
"""Streams of children, and what names their parent in a record."""
ITEMS = 40

children = pytest.mark.parametrize("name", PARENTS)


@pytest.fixture(scope="module")
def quiet() -> Iterator[Sandbox]:
    """A sandbox that no test changes."""
    with Sandbox(seed=5, items=ITEMS) as server:
        yield server


@pytest.fixture
def areas() -> Iterator[Sandbox]:
    with Sandbox(seed=5, items=ITEMS) as server:
        yield server


def aois_with(sandbox: Sandbox, resource: str = "aoi_assets") -> list[str]:
    """The areas that have rows of a resource, each once."""
    return list(dict.fromkeys(row["aoi_id"] for row in sandbox.workspace.rows(resource)))


@children
def test_child_stream_all_parents_emits_each_child_once(quiet: Sandbox, name: str) -> None:
    synced = sync(quiet, name)
    assert len(synced.records[name]) == quiet.counts()[name] > 3
    keys = [(record.get(PARENTS[name]), record["id"]) for record in synced.records[name]]
    assert len(set(keys)) == len(keys)
    assert all(parent for parent, _ in keys)
    assert len({parent for parent, _ in keys}) > 1


@pytest.mark.parametrize("page_size", [1, 2, 7])
def test_child_list_of_several_pages_is_read_to_its_end(quiet: Sandbox, page_size: int) -> None:
    synced = sync(quiet, "aoi_assets", page_size=page_size)
    assert sorted(synced.ids("aoi_assets")) == sorted(quiet.workspace.ids("aoi_assets"))


def test_child_records_any_concurrency_keep_order_of_parents(
    quiet: Sandbox,
) -> None:
    orders = [sync(quiet, "aoi_assets", concurrency=each).ids("aoi_assets") for each in (1, 4)]
    assert orders[0] == orders[1]


def test_child_lists_several_parents_are_requested_concurrently() -> None:
    """The second and the third, that is: one alone is tried first."""
    rows = b'{"aoi_id": "a"}, {"aoi_id": "b"}, {"aoi_id": "c"}'
    parents = b'{"aois": [%s], "pagination": {"total": 3}}' % rows
    none = b'{"assets": [], "pagination": {"total": 0}}'
    with ScriptedServer(answer(body=parents), answer(body=none), drip=0.002) as server:
        sync(server, "aoi_assets", concurrency=2)
        *_, first, second, third = server.times
    assert third - second < (second - first) / 2


def test_child_stream_requests_each_parent_once(quiet: Sandbox) -> None:
    before = len(quiet.requests)
    sync(quiet, "insights")
    asked = [each.path for each in quiet.requests[before:] if each.path.endswith("/insights")]
    assert len(asked) == len(set(asked)) == quiet.counts()["aois"]


def test_block_versions_blocks_with_equal_name_are_requested_once() -> None:
    blocks = b'{"blocks": [{"id": "1", "spec": %s}, {"id": "2", "spec": %s}]}' % (
        b'{"name": "n", "version": "1"}',
        b'{"name": "n", "version": "2"}',
    )
    with ScriptedServer(answer(body=blocks)) as server:
        assert sync(server, "block_versions").ids("block_versions") == ["1", "2"]
        assert len(server.requests) == 2


def test_parents_without_usable_id_are_counted_and_not_requested(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """In a path, no name or a dot would lead to a list of something else."""
    rows = b'{"aoi_id": ""}, {"aoi_id": "."}, {"aoi_id": ".."}, {"aoi_id": null}, {"aoi_id": "a/%"}'
    assets = b'{"assets": [{"id": "1"}], "pagination": {"total": 1}}'
    parents = b'{"aois": [%s], "pagination": {"total": 5}}' % rows
    with ScriptedServer(answer(body=parents), answer(body=assets)) as server:
        synced = sync(server, "aoi_assets", concurrency=1)
    assert [each["aoi_id"] for each in synced.records["aoi_assets"]] == ["a/%"]
    assert server.requests[1].startswith(b"GET /v0/aois/a%2F%25/assets?")
    assert len(server.requests) == 2
    assert any("4 lists not requested" in each for each in caplog.messages)


def test_job_tasks_name_their_job_and_workflow(quiet: Sandbox) -> None:
    jobs = {row["id"]: row["workflow_id"] for row in quiet.workspace.rows("jobs")}
    records = sync(quiet, "job_tasks").records["job_tasks"]
    assert {(each["job_id"], each["workflow_id"]) for each in records} <= set(jobs.items())


@pytest.mark.parametrize(
    ("status", "told"), [("403", "1 forbidden (403)"), ("404", "1 not found (404)")]
)
def test_unreadable_parent_is_logged_and_counted_and_others_are_read(
    areas: Sandbox, caplog: pytest.LogCaptureFixture, status: str, told: str
) -> None:
    lost, *_ = aois_with(areas)
    if status == "403":
        areas.behavior = Behavior(forbid_id=frozenset({lost}))
    else:
        areas.on_request = lambda asked, workspace: (
            workspace.delete("aois", lost)
            if lost in asked.path and workspace.find("aois", lost)
            else None
        )
    kept = {row["id"] for row in areas.workspace.rows("aoi_assets") if row["aoi_id"] != lost}
    with caplog.at_level(logging.WARNING):
        synced = sync(areas, "aoi_assets")
    assert synced.status is ExitCode.OK
    assert set(synced.ids("aoi_assets")) == kept
    assert any(f"/v0/aois/{lost}/assets returned {status}" in each for each in caplog.messages)
    assert any("skipped 1 lists" in each and told in each for each in caplog.messages)


def test_forbidden_parent_readable_again_is_read_from_its_beginning(areas: Sandbox) -> None:
    """Its rows are older than the bookmark by then."""
    barred = aois_with(areas)[1]
    theirs = {row["id"] for row in areas.workspace.rows("aoi_assets") if row["aoi_id"] == barred}
    areas.behavior = Behavior(forbid_id=frozenset({barred}))
    first = sync(areas, "aoi_assets")
    assert not theirs & set(first.ids("aoi_assets"))
    areas.behavior = Behavior()
    second = sync(areas, "aoi_assets", state=first.state)
    assert theirs <= set(second.ids("aoi_assets"))
    assert len(second.ids("aoi_assets")) < len(areas.workspace.ids("aoi_assets"))
    third = sync(areas, "aoi_assets", state=second.state)
    assert not theirs <= set(third.ids("aoi_assets"))


def test_forbidden_parent_readable_again_is_read_from_start_date(areas: Sandbox) -> None:
    rows = {row["id"]: row["aoi_id"] for row in areas.workspace.rows("aoi_assets")}
    barred = aois_with(areas)[1]
    times = {
        each["id"]: each["updated_at"]
        for each in sync(areas, "aoi_assets").records["aoi_assets"]
        if rows[each["id"]] == barred and each.get("updated_at")
    }
    start = max(times.values())
    areas.behavior = Behavior(forbid_id=frozenset({barred}))
    first = sync(areas, "aoi_assets", start_date=start)
    areas.behavior = Behavior()
    found = set(sync(areas, "aoi_assets", start_date=start, state=first.state).ids("aoi_assets"))
    assert found & times.keys() == {key for key, value in times.items() if value == start}
    assert len(times) > 1


def test_child_bookmark_never_passes_server_time_of_first_response() -> None:
    """What changes while the lists are read is met again."""
    clocks = ("Date: Wed, 01 Jan 2025 00:00:09 GMT",), ("Date: Wed, 01 Jan 2025 01:00:00 GMT",)
    parents = b'{"aois": [{"aoi_id": "a"}], "pagination": {"total": 1}}'
    late = b'{"assets": [{"id": "1", "updated_at": "2025-01-01T02:00:00Z"}]}'
    answers = [answer(body=b, headers=c) for b, c in zip((parents, late), clocks, strict=True)]
    with ScriptedServer(*answers) as server:
        synced = sync(server, "aoi_assets")
    value = synced.bookmark("aoi_assets")["replication_key_value"]
    assert "2025-01-01T00:00:00" <= value < "2025-01-01T00:00:10"


def test_child_list_ended_before_total_keeps_bookmark() -> None:
    parents = b'{"aois": [{"aoi_id": "a"}], "pagination": {"total": 1}}'
    row = b'{"id": "1", "updated_at": "2025-01-01T02:00:00Z"}'
    short = b'{"assets": [%s], "pagination": {"total": 2}}' % row
    with ScriptedServer(answer(body=parents), answer(body=short)) as server:
        synced = sync(server, "aoi_assets", concurrency=1)
    assert synced.ids("aoi_assets") == ["1"]
    assert "replication_key_value" not in synced.bookmark("aoi_assets")


def test_parent_list_ended_before_total_makes_scan_incomplete() -> None:
    short = b'{"aois": [{"aoi_id": "a"}], "pagination": {"total": 2}}'
    report = ScanReport(SkippedLists("aoi_assets", logging.getLogger("scan")))
    with ScriptedServer(answer(body=short)) as server:
        tap = TapPixxel(config=make_config(server), message_writer=MessageCollector())
        assert sum(len(batch.rows) for batch in tap.get_stream(Aois).scan_all(report)) == 1
    assert not report.complete


def test_job_tasks_of_forbidden_workflow_readable_again_are_read_from_beginning(
    areas: Sandbox,
) -> None:
    barred = next(row["workflow_id"] for row in areas.workspace.rows("jobs"))
    areas.behavior = Behavior(forbid_id=frozenset({barred}))
    first = sync(areas, "job_tasks")
    assert barred not in {each["workflow_id"] for each in first.records["job_tasks"]}
    areas.behavior = Behavior()
    whole = [
        each
        for each in sync(areas, "job_tasks").records["job_tasks"]
        if each["workflow_id"] == barred
    ]
    again = sync(areas, "job_tasks", state=first.state).records["job_tasks"]
    assert [each for each in again if each["workflow_id"] == barred] == whole != []


def test_full_table_with_forbidden_parent_is_not_activated(areas: Sandbox) -> None:
    """A loader would delete records that are not gone."""
    areas.behavior = Behavior(forbid_id=frozenset({aois_with(areas, "insights")[0]}))
    assert "ACTIVATE_VERSION" not in {each["type"] for each in sync(areas, "insights").messages}
    areas.behavior = Behavior()
    assert "ACTIVATE_VERSION" in {each["type"] for each in sync(areas, "insights").messages}


@pytest.mark.parametrize("forbidden", ["aois", "insights"])
def test_stream_without_readable_list_is_skipped(areas: Sandbox, forbidden: str) -> None:
    areas.behavior = Behavior(forbid=frozenset({forbidden}))
    synced = sync(areas, "insights", "satellites")
    assert synced.status is ExitCode.INCOMPLETE
    assert synced.ids("satellites")
    assert not synced.ids("insights")


@pytest.mark.parametrize("error", [403, 404])
def test_parent_failing_on_later_page_is_skipped(error: int) -> None:
    parents = b'{"aois": [{"aoi_id": "a"}, {"aoi_id": "b"}], "pagination": {"total": 2}}'
    rows = b'{"assets": [{"id": "%s"}, {"id": "%s"}], "pagination": {"total": %d}}'
    scripts = [parents, rows % (b"1", b"2", 3), None, rows % (b"8", b"9", 2)]
    answers = [answer(body=each) if each else answer(error) for each in [*scripts, parents]]
    with ScriptedServer(*answers) as server:
        synced = sync(server, "aoi_assets", page_size=2, concurrency=1)
    assert set(synced.ids("aoi_assets")) == {"1", "2", "8", "9"}
    assert synced.status is ExitCode.OK
    barred = synced.bookmark("aoi_assets").get("barred")
    assert barred is None  # no record had a time, so there is no bookmark to keep it with


def test_connection_test_requests_at_most_twenty_parents(areas: Sandbox) -> None:
    for key in areas.workspace.ids("insights"):
        areas.workspace.delete("insights", key)
    for _ in range(30):
        areas.workspace.insert_copy("aois", areas.workspace.ids("aois")[0])
    tap = TapPixxel(config=make_config(areas), message_writer=MessageCollector())
    tap.run_sync_dry_run(streams=[tap.streams["insights"]])
    asked = [each for each in areas.requests if each.path.endswith("/insights")]
    assert len(asked) == 20
    sync(areas, "insights")
    asked = [each for each in areas.requests if each.path.endswith("/insights")]
    assert len(asked) == 20 + len(areas.workspace.ids("aois")) > 50


def test_skipped_lists_many_errors_logs_ten_and_counts_all(
    caplog: pytest.LogCaptureFixture,
) -> None:
    skipped = SkippedLists("jobs", logging.getLogger("scan"))
    with caplog.at_level(logging.WARNING):
        for number in range(25):
            kind: Any = NotFound if number % 5 else Forbidden
            skipped.add({"workflow_id": f"w{number}"}, kind("GET", f"/v0/w{number}", 403))
        skipped.log_summary()
    assert len(caplog.messages) == 11
    assert caplog.messages[-1] == ("jobs: skipped 25 lists: 5 forbidden (403), 20 not found (404)")
    assert skipped.names == [f"w{number}" for number in range(25)]


def test_full_table_all_lists_gone_is_not_activated(areas: Sandbox) -> None:
    """A path that has moved answers 404 to all, and a loader would empty the table."""

    def gone(asked: RequestRecord, workspace: Workspace) -> None:
        if asked.path.endswith("/insights"):
            for key in workspace.ids("aois"):
                workspace.delete("aois", key)

    areas.on_request = gone
    synced = sync(areas, "insights", concurrency=1)
    assert "ACTIVATE_VERSION" not in {each["type"] for each in synced.messages}


def test_full_table_no_parents_is_activated_empty(areas: Sandbox) -> None:
    for key in areas.workspace.ids("aois"):
        areas.workspace.delete("aois", key)
    synced = sync(areas, "insights")
    assert not synced.ids("insights")
    assert "ACTIVATE_VERSION" in {each["type"] for each in synced.messages}


def test_full_table_one_list_gone_is_activated(areas: Sandbox) -> None:
    lost = aois_with(areas, "insights")[0]

    def gone(asked: RequestRecord, workspace: Workspace) -> None:
        if asked.path.endswith(f"/{lost}/insights"):
            workspace.delete("aois", lost)

    areas.on_request = gone
    synced = sync(areas, "insights", concurrency=1)
    assert lost not in {each["aoi_id"] for each in synced.records["insights"]}
    assert "ACTIVATE_VERSION" in {each["type"] for each in synced.messages}


@pytest.mark.parametrize(("size", "limit"), [(7, "7"), (1, "2")])
def test_child_pages_have_configured_size_and_overlap(
    quiet: Sandbox, size: int, limit: str
) -> None:
    before = len(quiet.requests)
    sync(quiet, "aoi_assets", page_size=size)
    asked = [each for each in quiet.requests[before:] if each.path.endswith("/assets")]
    assert {each.query["limit"] for each in asked} == {limit}


def test_token_expiring_midway_skips_stream_and_keeps_bookmark(
    areas: Sandbox,
) -> None:
    first = sync(areas, "aoi_assets")

    def expire(asked: RequestRecord, _: Workspace) -> None:
        if asked.path.endswith("/assets") and int(asked.query["offset"]) == 0:
            seen.append(asked.path)
        if len(seen) == 3:
            areas.behavior = Behavior(forbid=frozenset({"aois", "aoi_assets"}))

    seen: list[str] = []
    areas.on_request = expire
    second = sync(areas, "aoi_assets", state=first.state)
    assert second.status is ExitCode.INCOMPLETE
    assert second.bookmark("aoi_assets") == first.bookmark("aoi_assets")
