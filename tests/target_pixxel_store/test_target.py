"""The run as a whole: STATE, dry runs, `wait`, later failures, files, exit statuses."""

from __future__ import annotations

import json
import os
import signal
import stat
from typing import TYPE_CHECKING, Any

import pytest

from pixxel_sandbox import Behavior
from pixxel_singer.errors import InputError
from pixxel_singer.signals import StopRequested
from target_pixxel_store.deliveries.monitor import DeliveryProblems
from target_pixxel_store.errors import JournalError
from tests.target_pixxel_store.target_harness import (
    delivery_request,
    read_json_lines,
    record,
    state,
    wait_until,
)

if TYPE_CHECKING:
    from tests.target_pixxel_store.target_harness import TargetHarness


def test_partial_batch_sent_after_flush_seconds(harness: TargetHarness) -> None:
    ids = harness.catalog_ids(2)
    messages = [*map(delivery_request, ids), state(1), state(2)]
    with harness.start(*messages, flush_seconds=0.5) as (target, output):
        wait_until(harness.posted_bodies)
        assert len(harness.posted_bodies()) == 1
        assert target.stdin is not None
        target.stdin.close()
        assert output.read() == '{"upto": 2}\n'
        assert target.wait(30) == 0


def test_dry_run_prints_decisions_and_writes_nothing(
    harness: TargetHarness, capsys: pytest.CaptureFixture[str]
) -> None:
    ids = harness.catalog_ids(4)
    harness.run(delivery_request(ids[0]))
    before = {path.name: path.read_bytes() for path in harness.folder.iterdir()}
    harness.sandbox.requests.clear()
    result = harness.run(
        *map(delivery_request, ids),
        delivery_request("x", "nowhere"),
        record("stores", name="new", type="S3", bucket="b", region="r", credentials="main"),
        delivery_request(ids[1], "new"),
        delivery_request(ids[1], path="b"),
        record("delivery_requests", store="research"),
        state(1),
        dry_run=True,
        credentials={"main": {"access_key_id": "an-id", "secret_access_key": "a-secret"}},
    )
    assert result.states == []
    assert result.status == 3
    written_paths = {each.path for each in harness.sandbox.requests if each.method != "GET"}
    assert written_paths == {"/v0/catalogs/search"}
    assert {path.name: path.read_bytes() for path in harness.folder.iterdir()} == before
    table = capsys.readouterr().err
    assert "dry run: 9 outcomes, nothing was written" in table
    for word in (*ids, "would deliver", "would create", "exists", "would fail", "no store has the"):
        assert word in table
    assert "skipped 1: already delivered elsewhere in the bucket" in table


def test_run_end_logged_as_one_json_object(harness: TargetHarness) -> None:
    first, second = harness.catalog_ids(2)
    result = harness.run_command(
        record("catalogs", id=first, platform="A"), record("catalogs", id=second, platform="B"),
        state(1), deliver_when={"platform": "A"}, deliver_to="research", deliver_since="all",
    )  # fmt: skip
    [line] = [json.loads(each) for each in result.log.splitlines() if "run ended" in each]
    assert line["message"] == "the run ended with status 0"
    assert line["extra"]["summary"] == result.summary
    assert result.summary["outcomes"] == {"catalogs": {"created": 1, "skipped": 1}}
    assert result.summary["skipped"] == {"'platform' does not match 'deliver_when'": 1}
    assert "{'" not in result.log, "no Python repr"
    workspaces = [harness.sandbox.workspace.rows("projects")[0]["org_id"]]
    assert (result.summary["deliveries"], result.summary["workspaces"]) == (1, workspaces)
    lines = read_json_lines(harness.journal_path)
    assert [each["workspaces"] for each in lines if each["is"] == "run"][-1] == workspaces


def test_wait_finished_ends_after_deliveries(harness: TargetHarness) -> None:
    harness.sandbox.behavior = Behavior(delivery_seconds=1.5)
    ids = harness.catalog_ids(3)
    result = harness.run(*map(delivery_request, ids), state(1), wait="finished")
    assert result.status == 0
    assert result.states == [{"upto": 1}]
    statuses = [row["status"] for row in harness.list_deliveries() if row["catalog_id"] in ids]
    assert statuses == ["SUCCESS"] * 3


def test_wait_timeout_ends_run(harness: TargetHarness) -> None:
    harness.sandbox.behavior = Behavior(delivery_seconds=60)
    result = harness.run(
        delivery_request(harness.catalog_ids(1)[0]), wait="finished", wait_timeout=0.5
    )
    assert result.status == 3
    assert len(result.summary["waited"]["unfinished"]) == 1


def deliver_and_fail(harness: TargetHarness, *, status: str = "FAILED") -> str:
    """Deliver a catalog, whose delivery gets a status later; return the delivery's id."""
    harness.sandbox.behavior = Behavior(delivery_seconds=600)
    assert harness.run(delivery_request(harness.catalog_ids(1)[0])).status == 0
    delivery = str(harness.list_deliveries()[-1]["delivery_id"])
    harness.sandbox.workspace.update("deliveries", delivery, status=status)
    return delivery


@pytest.mark.parametrize(("late_failures", "status"), [("fail", 3), ("report", 0)])
@pytest.mark.parametrize("problem", ["failed", "unfinished"])
def test_late_failure_reported_once_with_status(
    harness: TargetHarness, problem: str, late_failures: str, status: int
) -> None:
    word = "FAILED" if problem == "failed" else "IN_PROGRESS"
    settings = {"stuck_after": 0, "late_failures": late_failures}
    delivery = deliver_and_fail(harness, status=word)
    dry_run = harness.run(state(1), dry_run=True, **settings)
    assert (dry_run.status, delivery in dry_run.log) == (0, True)
    result = harness.run(state(1), **settings)
    assert (result.status, result.states) == (status, [{"upto": 1}])
    assert result.summary["late"][problem] == [delivery]
    again = harness.run(state(1), **settings)
    assert (again.status, again.summary["late"][problem]) == (0, [])


def test_late_failure_of_run_that_failed_reported_by_the_next(harness: TargetHarness) -> None:
    """Only a run that ends with the status 3 has reported it, not one that is killed or fails."""
    delivery = deliver_and_fail(harness)
    result = harness.run(delivery_request("no-such-catalog"))
    assert (result.status, result.summary["late"]["failed"]) == (1, [delivery])
    result = harness.run(state(1))
    assert (result.status, result.summary["late"]["failed"]) == (3, [delivery])


def test_late_failure_of_wait_that_is_interrupted_reported_by_the_next(
    harness: TargetHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness.sandbox.behavior = Behavior(delivery_seconds=0, fail_deliveries=1.0)

    def interrupt(_problems: DeliveryProblems, _logger: object, origin: str) -> None:
        if origin == "of this run":
            raise StopRequested(signal.SIGTERM)

    with monkeypatch.context() as patched:
        patched.setattr(DeliveryProblems, "log", interrupt)
        with pytest.raises(StopRequested):
            harness.run(delivery_request(harness.catalog_ids(1)[0]), wait="finished")
    result = harness.run(state(1))
    assert (result.status, len(result.summary["late"]["failed"])) == (3, 1)


def test_journal_of_other_workspace_rejected(harness: TargetHarness) -> None:
    line = {"is": "run", "id": "a", "workspaces": ["another"]}
    harness.journal_path.write_text(json.dumps(line) + "\n")
    result = harness.run(delivery_request(harness.catalog_ids(1)[0]))
    assert "journal belongs to a different workspace" in str(result.error)
    assert harness.posted_bodies() == []


@pytest.mark.parametrize("name", ["journal_path", "outcomes_path", "rejected_path", "summary_path"])
def test_unwritable_file_reported_before_requests(harness: TargetHarness, name: str) -> None:
    settings: dict[str, Any] = {name: str(harness.folder / "none" / "file")}
    result = harness.run(
        delivery_request(harness.catalog_ids(1)[0]), on_error="continue", **settings
    )
    assert isinstance(result.error, InputError | JournalError)
    assert name in str(result.error)
    assert harness.sandbox.requests == []


def test_output_files_mode_is_private(harness: TargetHarness) -> None:
    harness.lose_journal()
    old = os.umask(0)
    try:
        harness.run(
            delivery_request(harness.catalog_ids(1)[0]),
            delivery_request("x", "nowhere"),
            on_error="continue",
            settle_seconds=0,
        )
    finally:
        os.umask(old)
    for path in harness.folder.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path.name


def test_command_exit_status_as_documented(harness: TargetHarness) -> None:
    bad = record("delivery_requests", store="a")
    assert harness.run_command(bad).status == 1
    assert harness.run_command("nonsense\n").status == 2
    assert harness.run_command(bad, on_error="continue").status == 3
    assert harness.run_command(bad, api_token="wrong").status == 1


def test_late_failure_after_it_was_stuck_reported_again(harness: TargetHarness) -> None:
    delivery = deliver_and_fail(harness, status="IN_PROGRESS")
    assert harness.run(state(1), stuck_after=0).status == 3
    harness.sandbox.workspace.update("deliveries", delivery, status="FAILED")
    result = harness.run(state(1), stuck_after=0)
    assert (result.status, result.summary["late"]["failed"]) == (3, [delivery])
