"""Child streams: each record of all parents once, whatever some parents respond."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from pixxel_api.errors import BadRequest
from pixxel_sandbox import Behavior, Sandbox
from pixxel_singer.exit_codes import ExitCode
from tap_pixxel.stream_types.child import ChildStream
from tap_pixxel.stream_types.details import DetailedStream
from tap_pixxel.stream_types.refusals import REFUSALS_WITHOUT_404
from tap_pixxel.streams import STREAMS
from tap_pixxel.tap import TapPixxel
from tests.contract.operations import find_operation, is_contract_available
from tests.pixxel_api.scripted import ScriptedServer, answer
from tests.tap_pixxel.syncs import MessageCollector, make_config, sync

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pixxel_sandbox import RequestRecord, Workspace
    from tap_pixxel.stream_types.refusals import RefusalTypes

PARENTS = {
    "aoi_assets": "aoi_id",
    "visualizations": "aoi_id",
    "insights": "aoi_id",
    "jobs": "workflow_id",
    "job_tasks": "job_id",
    "block_versions": "name",
}
"""Child streams, and the column of their records that names the parent."""
ITEMS = 40

children = pytest.mark.parametrize("name", PARENTS)


@pytest.fixture(scope="module")
def shared_sandbox() -> Iterator[Sandbox]:
    """Return a sandbox that no test changes."""
    with Sandbox(seed=5, items=ITEMS) as server:
        yield server


@pytest.fixture
def own_sandbox() -> Iterator[Sandbox]:
    with Sandbox(seed=5, items=ITEMS) as server:
        yield server


def aois_with(sandbox: Sandbox, resource: str = "aoi_assets") -> list[str]:
    """Return the ids of the AOIs that have rows of a resource, each once."""
    return list(dict.fromkeys(row["aoi_id"] for row in sandbox.workspace.rows(resource)))


def test_child_lists_several_parents_are_requested_concurrently() -> None:
    """The second and the third are; the first is requested alone."""
    rows = b'{"aoi_id": "a"}, {"aoi_id": "b"}, {"aoi_id": "c"}'
    parents = b'{"aois": [%s], "pagination": {"total": 3}}' % rows
    none = b'{"assets": [], "pagination": {"total": 0}}'
    with ScriptedServer(answer(body=parents), answer(body=none), drip=0.002) as server:
        sync(server, "aoi_assets", concurrency=2)
        *_, first, second, third = server.times
    assert third - second < (second - first) / 2


def test_parents_without_usable_id_are_counted_and_not_requested(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """In a path, an empty value or a dot would lead to another list."""
    rows = b'{"aoi_id": ""}, {"aoi_id": "."}, {"aoi_id": ".."}, {"aoi_id": null}, {"aoi_id": "a/%"}'
    assets = b'{"assets": [{"id": "1"}], "pagination": {"total": 1}}'
    parents = b'{"aois": [%s], "pagination": {"total": 5}}' % rows
    with ScriptedServer(answer(body=parents), answer(body=assets)) as server:
        synced = sync(server, "aoi_assets", concurrency=1)
    assert [each["aoi_id"] for each in synced.records["aoi_assets"]] == ["a/%"]
    assert server.requests[1].startswith(b"GET /v0/aois/a%2F%25/assets?")
    assert len(server.requests) == 2
    assert any("4 lists not requested" in each for each in caplog.messages)


@pytest.mark.parametrize(
    ("status", "reason"), [("403", "1 forbidden (403)"), ("404", "1 not found (404)")]
)
def test_unreadable_parent_is_logged_and_counted_and_others_are_read(
    own_sandbox: Sandbox, caplog: pytest.LogCaptureFixture, status: str, reason: str
) -> None:
    lost, *_ = aois_with(own_sandbox)
    if status == "403":
        own_sandbox.behavior = Behavior(forbid_id=frozenset({lost}))
    else:
        own_sandbox.on_request = lambda request, workspace: (
            workspace.delete("aois", lost)
            if lost in request.path and workspace.find("aois", lost)
            else None
        )
    kept = {row["id"] for row in own_sandbox.workspace.rows("aoi_assets") if row["aoi_id"] != lost}
    with caplog.at_level(logging.WARNING):
        synced = sync(own_sandbox, "aoi_assets")
    assert synced.status is ExitCode.OK
    assert set(synced.ids("aoi_assets")) == kept
    assert any(f"/v0/aois/{lost}/assets returned {status}" in each for each in caplog.messages)
    assert any("skipped 1 lists" in each and reason in each for each in caplog.messages)


def test_forbidden_parent_readable_again_is_read_from_its_beginning(own_sandbox: Sandbox) -> None:
    """Its rows are older than the bookmark then."""
    barred = aois_with(own_sandbox)[1]
    theirs = {
        row["id"] for row in own_sandbox.workspace.rows("aoi_assets") if row["aoi_id"] == barred
    }
    own_sandbox.behavior = Behavior(forbid_id=frozenset({barred}))
    first = sync(own_sandbox, "aoi_assets")
    assert not theirs & set(first.ids("aoi_assets"))
    own_sandbox.behavior = Behavior()
    second = sync(own_sandbox, "aoi_assets", state=first.state)
    assert theirs <= set(second.ids("aoi_assets"))
    assert len(second.ids("aoi_assets")) < len(own_sandbox.workspace.ids("aoi_assets"))
    third = sync(own_sandbox, "aoi_assets", state=second.state)
    assert not theirs <= set(third.ids("aoi_assets"))


def test_child_list_ended_before_total_keeps_bookmark() -> None:
    parents = b'{"aois": [{"aoi_id": "a"}], "pagination": {"total": 1}}'
    row = b'{"id": "1", "updated_at": "2025-01-01T02:00:00Z"}'
    short = b'{"assets": [%s], "pagination": {"total": 2}}' % row
    with ScriptedServer(answer(body=parents), answer(body=short)) as server:
        synced = sync(server, "aoi_assets", concurrency=1)
    assert synced.ids("aoi_assets") == ["1"]
    assert "replication_key_value" not in synced.bookmark("aoi_assets")


def test_full_table_with_forbidden_parent_is_not_activated(own_sandbox: Sandbox) -> None:
    """A loader would delete records that still exist."""
    own_sandbox.behavior = Behavior(forbid_id=frozenset({aois_with(own_sandbox, "insights")[0]}))
    assert "ACTIVATE_VERSION" not in {
        each["type"] for each in sync(own_sandbox, "insights").messages
    }
    own_sandbox.behavior = Behavior()
    assert "ACTIVATE_VERSION" in {each["type"] for each in sync(own_sandbox, "insights").messages}


WORKFLOWS = b'{"workflows": [{"id": "a"}, {"id": "b"}], "pagination": {"total": 2}}'
REJECTED = answer(400)
DETAILS = REFUSALS_WITHOUT_404


def test_rejected_list_of_one_parent_is_skipped_and_others_are_read(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """By the contract, the jobs of a workflow that is deleted or broken answer 400, never 404."""
    jobs = answer(body=b'{"jobs": [{"id": "1"}]}')
    with ScriptedServer(answer(body=WORKFLOWS), REJECTED, jobs) as server:
        synced = sync(server, "jobs", concurrency=1)
    assert synced.status is ExitCode.OK
    assert [each["workflow_id"] for each in synced.records["jobs"]] == ["b"]
    assert "jobs: skipped 1 lists: 1 rejected (400)" in caplog.messages
    assert "ACTIVATE_VERSION" not in {each["type"] for each in synced.messages}


@pytest.mark.parametrize("status", [400, 404])
def test_lists_that_are_all_refused_fail_stream(status: int) -> None:
    """The request is wrong then, or the path has moved: no loader may empty its table."""
    with ScriptedServer(answer(body=WORKFLOWS), answer(status)) as server:
        synced = sync(server, "jobs", concurrency=1)
    assert synced.status is ExitCode.INCOMPLETE
    assert "ACTIVATE_VERSION" not in {each["type"] for each in synced.messages}


def test_job_that_has_not_started_has_no_tasks() -> None:
    """Its response has no list of them, which is an error in all other responses."""
    workflows = b'{"workflows": [{"id": "a"}], "pagination": {"total": 1}}'
    bodies = workflows, b'{"jobs": [{"id": "1"}]}', b'{"id": "1"}'
    with ScriptedServer(*(answer(body=each) for each in bodies)) as server:
        synced = sync(server, "job_tasks", concurrency=1)
    assert (synced.status, synced.ids("job_tasks")) == (ExitCode.OK, [])


def test_rejected_list_of_a_stream_whose_contract_has_404_fails_it() -> None:
    parents = b'{"aois": [{"aoi_id": "a"}, {"aoi_id": "b"}], "pagination": {"total": 2}}'
    none = answer(body=b'{"assets": [], "pagination": {"total": 0}}')
    with ScriptedServer(answer(body=parents), REJECTED, none) as server:
        assert sync(server, "aoi_assets", concurrency=1).status is ExitCode.INCOMPLETE


@pytest.mark.skipif(not is_contract_available(), reason="needs the contract")
@pytest.mark.parametrize(
    ("path", "refusals"),
    [
        *((each.path, each.refusals) for each in STREAMS if issubclass(each, ChildStream)),
        *((each.detail_path, DETAILS) for each in STREAMS if issubclass(each, DetailedStream)),
    ],
)
def test_refusals_are_those_of_the_contract(path: str, refusals: RefusalTypes) -> None:
    operation = find_operation("GET", path)
    assert operation is not None
    statuses = operation.definition["responses"].keys()
    assert (BadRequest in refusals) is ("400" in statuses and "404" not in statuses)


def test_full_table_no_parents_is_activated_empty(own_sandbox: Sandbox) -> None:
    for key in own_sandbox.workspace.ids("aois"):
        own_sandbox.workspace.delete("aois", key)
    synced = sync(own_sandbox, "insights")
    assert not synced.ids("insights")
    assert "ACTIVATE_VERSION" in {each["type"] for each in synced.messages}


def test_token_expiring_midway_skips_stream_and_keeps_bookmark(
    own_sandbox: Sandbox,
) -> None:
    first = sync(own_sandbox, "aoi_assets")

    def expire(request: RequestRecord, _: Workspace) -> None:
        if request.path.endswith("/assets") and int(request.query["offset"]) == 0:
            seen.append(request.path)
        if len(seen) == 3:
            own_sandbox.behavior = Behavior(forbid=frozenset({"aois", "aoi_assets"}))

    seen: list[str] = []
    own_sandbox.on_request = expire
    second = sync(own_sandbox, "aoi_assets", state=first.state)
    assert second.status is ExitCode.INCOMPLETE
    assert second.bookmark("aoi_assets") == first.bookmark("aoi_assets")


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
    assert barred is None  # no record has a time, so there is no bookmark


def test_connection_test_requests_at_most_twenty_parents(own_sandbox: Sandbox) -> None:
    for key in own_sandbox.workspace.ids("insights"):
        own_sandbox.workspace.delete("insights", key)
    for _ in range(30):
        own_sandbox.workspace.insert_copy("aois", own_sandbox.workspace.ids("aois")[0])
    tap = TapPixxel(config=make_config(own_sandbox), message_writer=MessageCollector())
    tap.run_sync_dry_run(streams=[tap.streams["insights"]])
    requested = [each for each in own_sandbox.requests if each.path.endswith("/insights")]
    assert len(requested) == 20
    sync(own_sandbox, "insights")
    requested = [each for each in own_sandbox.requests if each.path.endswith("/insights")]
    assert len(requested) == 20 + len(own_sandbox.workspace.ids("aois")) > 50


def test_block_versions_blocks_with_equal_name_are_requested_once() -> None:
    blocks = b'{"blocks": [{"id": "1", "spec": %s}, {"id": "2", "spec": %s}]}' % (
        b'{"name": "n", "version": "1"}',
        b'{"name": "n", "version": "2"}',
    )
    with ScriptedServer(answer(body=blocks)) as server:
        assert sync(server, "block_versions").ids("block_versions") == ["1", "2"]
        assert len(server.requests) == 2
