"""The run as a whole: STATE, dry runs, `wait`, later failures, files, exit statuses."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest

from pixxel_sandbox import Behavior
from pixxel_singer.errors import InputError
from pixxel_singer.signals import StopRequested
from target_pixxel_store.deliveries.monitor import DeliveryProblems
from target_pixxel_store.errors import JournalError
from target_pixxel_store.journal.journal import Journal
from tests.target_pixxel_store.target_harness import (
    TARGET,
    add_schemas,
    clean_environment,
    delivery_request,
    download_request,
    read_json_lines,
    record,
    serialize_messages,
    state,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tests.target_pixxel_store.target_harness import TargetHarness


def test_state_after_every_record_keeps_batches_full(harness: TargetHarness) -> None:
    ids = harness.catalog_ids(20)
    messages = [each for at, key in enumerate(ids) for each in (delivery_request(key), state(at))]
    result = harness.run(*messages, batch_size=8)
    assert [len(body["deliveries"]) for body in harness.posted_bodies()] == [8, 8, 4]
    assert {"upto": 7} in result.states
    assert result.states[-1] == {"upto": 19}
    assert len(result.states) <= 5


def test_partial_batch_sent_after_flush_seconds(harness: TargetHarness) -> None:
    ids = harness.catalog_ids(2)
    with subprocess.Popen(
        [TARGET, "--config", str(harness.write_config(flush_seconds=0.5))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=clean_environment(),
    ) as target:
        assert target.stdin is not None
        assert target.stdout is not None
        target.stdin.write(
            serialize_messages(*add_schemas(*map(delivery_request, ids), state(1), state(2)))
        )
        target.stdin.flush()
        deadline = time.monotonic() + 30
        while not harness.posted_bodies() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert len(harness.posted_bodies()) == 1
        target.stdin.close()
        assert target.stdout.read() == '{"upto": 2}\n'
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
    assert "dry run: 8 outcomes, nothing was written" in table
    for word in (*ids, "would deliver", "would create", "exists", "would fail", "no store has the"):
        assert word in table
    assert "skipped 1: delivered elsewhere in the bucket" not in table


def test_dry_run_table_begins_with_actions_and_names(
    harness: TargetHarness, capsys: pytest.CaptureFixture[str]
) -> None:
    existing, new, *others = harness.catalog_ids(5)
    harness.run(delivery_request(existing, path=f"x/{existing}"))
    for key, image in ((existing, "FF01_1_L2A"), (new, "FF01_2_L2A")):
        details = {"id": image, "properties": {"datetime": "2025-02-03T04:05:06Z"}}
        harness.sandbox.workspace.update("catalogs", key, details=details)
    messages = [
        record("catalogs", id=key, created_at="2025-03-07T10:00:00Z", platform=platform)
        for key, platform in zip(
            (existing, new, *others), ["FF01", "FF01", "TD1", "TD1", "TD2"], strict=True
        )
    ]
    messages[-1]["record"]["created_at"] = "2024-03-07T10:00:00Z"
    result = harness.run(
        *messages, state(1), dry_run=True, deliver_to="research", deliver_since="2025-01-01",
        deliver_when={"platform": ["FF01", "TD2"]}, path_template="x/{catalog_id}",
    )  # fmt: skip
    assert result.status == 0
    lines = capsys.readouterr().err.splitlines()
    title, cells = lines[0], [line.strip("│ ").split("│") for line in lines if line[:1] == "│"]
    assert title.startswith("dry run: 5 outcomes, nothing was written")
    header = [cell.strip() for cell in lines[2].strip("┃ ").split("┃")]
    assert header == ["action", "image", "date", "store", "path", "why", "catalog", "stream"]
    first, second = ([cell.strip() for cell in row] for row in cells)
    assert first[:5] == ["would deliver", "FF01_2_L2A", "2025-02-03", "research", f"x/{new}"]
    assert first[6:] == [new, "catalogs"]
    assert second[:5] == ["exists", "FF01_1_L2A", "2025-02-03", "research", f"x/{existing}"]
    assert lines[-2:] == [
        "skipped 2: 'platform' does not match 'deliver_when'",
        "skipped 1: created before 'deliver_since'",
    ]


def test_dry_run_table_of_downloads_and_stores(
    harness: TargetHarness, download_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    harness.run(download_request(harness.catalog_ids(1)[0]), dry_run=True)
    table = capsys.readouterr().err
    assert "would download" in table
    assert str(download_folder)[:20] in table


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


def test_wait_finished_ends_after_deliveries(harness: TargetHarness) -> None:
    harness.sandbox.behavior = Behavior(delivery_seconds=1.5)
    ids = harness.catalog_ids(3)
    result = harness.run(*map(delivery_request, ids), state(1), wait="finished")
    assert result.status == 0
    assert result.states == [{"upto": 1}]
    statuses = [row["status"] for row in harness.list_deliveries() if row["catalog_id"] in ids]
    assert statuses == ["SUCCESS"] * 3


def test_wait_failed_delivery_reported(harness: TargetHarness) -> None:
    harness.sandbox.behavior = Behavior(delivery_seconds=0.2, fail_deliveries=1.0)
    result = harness.run(delivery_request(harness.catalog_ids(1)[0]), state(1), wait="finished")
    assert (result.status, result.kinds, result.states) == (3, ["created"], [{"upto": 1}])
    assert len(result.summary["waited"]["failed"]) == 1
    assert "of this run: FAILED" in result.log


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


def test_late_failure_after_it_was_stuck_reported_again(harness: TargetHarness) -> None:
    delivery = deliver_and_fail(harness, status="IN_PROGRESS")
    assert harness.run(state(1), stuck_after=0).status == 3
    harness.sandbox.workspace.update("deliveries", delivery, status="FAILED")
    result = harness.run(state(1), stuck_after=0)
    assert (result.status, result.summary["late"]["failed"]) == (3, [delivery])


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


def test_journal_locked_second_run_fails(harness: TargetHarness) -> None:
    with Journal(harness.journal_path, 0):
        result = harness.run(delivery_request(harness.catalog_ids(1)[0]))
    assert isinstance(result.error, JournalError)
    assert "another run has locked the journal" in str(result.error)
    assert harness.sandbox.requests == []


def test_journal_partial_last_line_ignored(harness: TargetHarness) -> None:
    key = harness.catalog_ids(1)[0]
    harness.run(delivery_request(key))
    content = harness.journal_path.read_bytes()
    harness.journal_path.write_bytes(content + b'{"is":"intent","of":[{"cat')
    assert harness.run(delivery_request(key)).kinds == ["exists"]
    assert harness.journal_path.read_bytes().startswith(content)
    assert all("is" in line for line in read_json_lines(harness.journal_path))


@pytest.mark.parametrize("line", ["nonsense", "[]", "{}", '{"is": "made"}', '{"is": "other"}'])
def test_journal_damaged_line_rejected(harness: TargetHarness, line: str) -> None:
    harness.journal_path.write_text(line + "\n" + harness.journal_path.read_text())
    result = harness.run(delivery_request(harness.catalog_ids(1)[0]))
    assert isinstance(result.error, JournalError)
    assert "line 1 of the journal" in str(result.error)
    assert harness.sandbox.requests == []


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


def test_summary_after_run_lists_counts_and_workspace(harness: TargetHarness) -> None:
    ids = harness.catalog_ids(2)
    result = harness.run(*map(delivery_request, ids), record("weather", a=1), state(1))
    assert result.summary["outcomes"] == {"delivery_requests": {"created": 2}}
    assert result.summary["ignored"] == {"weather": 1}
    assert result.summary["deliveries"] == 2
    assert result.summary["status"] == 0
    assert {line["run_id"] for line in result.outcomes} == {result.summary["run_id"]}
    assert result.summary["workspaces"] == [harness.sandbox.workspace.rows("projects")[0]["org_id"]]


def test_command_exit_status_as_documented(harness: TargetHarness) -> None:
    key = harness.catalog_ids(1)[0]
    assert harness.run_command(delivery_request(key), state(1)).status == 0
    assert harness.run_command(record("delivery_requests", store="a")).status == 1
    assert harness.run_command("nonsense\n").status == 2
    assert harness.run_command(delivery_request(key), batch_size=0).status == 2
    assert (
        harness.run_command(record("delivery_requests", store="a"), on_error="continue").status == 3
    )
    assert harness.run_command(delivery_request(key), api_token="wrong").status == 1
