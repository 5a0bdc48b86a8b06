"""What surrounds the records: STATE, dry runs, waiting, late failures, files, exit statuses."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest

from pixxel_sandbox import Behavior
from pixxel_singer.errors import InputError
from target_pixxel_store.errors import JournalError
from target_pixxel_store.journal.journal import Journal
from tests.target_pixxel_store.target_runner import (
    TARGET,
    environment,
    lines_of,
    record,
    request,
    state,
    text_of,
    with_schemas,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tests.target_pixxel_store.target_runner import Workplace


def test_a_state_after_every_record_still_batches(place: Workplace) -> None:
    ids = place.catalogs(20)
    messages = [each for at, key in enumerate(ids) for each in (request(key), state(at))]
    ran = place.run(*messages, batch_size=8)
    assert [len(body["deliveries"]) for body in place.posts()] == [8, 8, 4]
    assert {"upto": 7} in ran.states
    assert ran.states[-1] == {"upto": 19}
    assert len(ran.states) <= 5


def test_a_batch_that_is_not_full_goes_out_in_time(place: Workplace) -> None:
    ids = place.catalogs(2)
    with subprocess.Popen(
        [TARGET, "--config", str(place.config(flush_seconds=0.5))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment(),
    ) as target:
        assert target.stdin is not None
        assert target.stdout is not None
        target.stdin.write(text_of(*with_schemas(*map(request, ids), state(1), state(2))))
        target.stdin.flush()
        end = time.monotonic() + 30
        while not place.posts() and time.monotonic() < end:
            time.sleep(0.05)
        assert len(place.posts()) == 1
        target.stdin.close()
        assert target.stdout.read() == '{"upto": 2}\n'
        assert target.wait(30) == 0


def test_a_dry_run_decides_and_writes_nothing(
    place: Workplace, capsys: pytest.CaptureFixture[str]
) -> None:
    ids = place.catalogs(4)
    place.run(request(ids[0]))
    before = {path.name: path.read_bytes() for path in place.folder.iterdir()}
    place.sandbox.requests.clear()
    ran = place.run(
        *map(request, ids),
        request("x", "nowhere"),
        record("stores", name="new", type="S3", bucket="b", region="r", credentials="main"),
        request(ids[1], "new"),
        record("delivery_requests", store="research"),
        state(1),
        dry_run=True,
        credentials={"main": {"access_key_id": "an-id", "secret_access_key": "a-secret"}},
    )
    assert ran.states == []
    assert ran.status == 3
    asked = {each.path for each in place.sandbox.requests if each.method != "GET"}
    assert asked == {"/v0/catalogs/search"}
    assert {path.name: path.read_bytes() for path in place.folder.iterdir()} == before
    table = capsys.readouterr().err
    assert "dry run: 8 outcomes, nothing was written" in table
    for word in (*ids, "created", "exists", "failed", "no store has this name", "new"):
        assert word in table


def test_waiting_ends_when_the_deliveries_do(place: Workplace) -> None:
    place.sandbox.behavior = Behavior(delivery_seconds=1.5)
    ids = place.catalogs(3)
    ran = place.run(*map(request, ids), state(1), wait="finished")
    assert ran.status == 0
    assert ran.states == [{"upto": 1}]
    done = [row["status"] for row in place.listed() if row["catalog_id"] in ids]
    assert done == ["SUCCESS"] * 3


def test_waiting_tells_what_has_failed(place: Workplace) -> None:
    place.sandbox.behavior = Behavior(delivery_seconds=0.2, fail_deliveries=1.0)
    ran = place.run(request(place.catalogs(1)[0]), state(1), wait="finished")
    assert (ran.status, ran.kinds, ran.states) == (3, ["created"], [{"upto": 1}])
    assert len(ran.summary["waited"]["failed"]) == 1
    assert "of this run: FAILED" in ran.log


def test_waiting_has_an_end(place: Workplace) -> None:
    place.sandbox.behavior = Behavior(delivery_seconds=60)
    ran = place.run(request(place.catalogs(1)[0]), wait="finished", wait_timeout=0.5)
    assert ran.status == 3
    assert len(ran.summary["waited"]["unfinished"]) == 1


def test_a_late_failure_is_told_once(place: Workplace) -> None:
    place.sandbox.behavior = Behavior(delivery_seconds=0.1, fail_deliveries=1.0)
    place.run(request(place.catalogs(1)[0]))
    time.sleep(0.5)
    ran = place.run(state(1))
    assert len(ran.summary["late"]["failed"]) == 1
    assert "of an earlier run: FAILED" in ran.log
    assert ran.status == 0
    assert place.run(state(1)).summary["late"]["failed"] == []


def test_a_delivery_that_does_not_end_is_told(place: Workplace) -> None:
    place.sandbox.behavior = Behavior(delivery_seconds=600)
    place.run(request(place.catalogs(1)[0]))
    assert place.run(state(1)).summary["late"]["unfinished"] == []
    for _ in range(2):
        assert len(place.run(state(1), stuck_after=0).summary["late"]["unfinished"]) == 1


def test_one_run_at_a_time_holds_the_journal(place: Workplace) -> None:
    with Journal(place.journal, 0):
        ran = place.run(request(place.catalogs(1)[0]))
    assert isinstance(ran.error, JournalError)
    assert "another run has locked the journal" in str(ran.error)
    assert place.sandbox.requests == []


def test_a_journal_cut_short_by_a_kill_is_read(place: Workplace) -> None:
    key = place.catalogs(1)[0]
    place.run(request(key))
    whole = place.journal.read_bytes()
    place.journal.write_bytes(whole + b'{"is": "intent", "of": [{"cat')
    assert place.run(request(key)).kinds == ["exists"]
    assert place.journal.read_bytes().startswith(whole)
    assert all("is" in line for line in lines_of(place.journal))


@pytest.mark.parametrize("line", ["nonsense", "[]", "{}", '{"is": "made"}', '{"is": "other"}'])
def test_a_damaged_journal_is_refused(place: Workplace, line: str) -> None:
    place.journal.write_text(line + "\n" + place.journal.read_text())
    ran = place.run(request(place.catalogs(1)[0]))
    assert isinstance(ran.error, JournalError)
    assert "line 1 of the journal" in str(ran.error)
    assert place.sandbox.requests == []


def test_a_journal_of_another_workspace_is_refused(place: Workplace) -> None:
    line = {"is": "run", "id": "a", "workspaces": ["another"]}
    place.journal.write_text(json.dumps(line) + "\n")
    ran = place.run(request(place.catalogs(1)[0]))
    assert "journal belongs to a different workspace" in str(ran.error)
    assert place.posts() == []


@pytest.mark.parametrize("name", ["journal_path", "outcomes_path", "rejected_path", "summary_path"])
def test_a_file_that_cannot_be_written_is_told_first(place: Workplace, name: str) -> None:
    settings: dict[str, Any] = {name: str(place.folder / "none" / "file")}
    ran = place.run(request(place.catalogs(1)[0]), on_error="continue", **settings)
    assert isinstance(ran.error, InputError | JournalError)
    assert name in str(ran.error)
    assert place.sandbox.requests == []


def test_the_files_are_private(place: Workplace) -> None:
    place.journal.unlink()
    old = os.umask(0)
    try:
        place.run(
            request(place.catalogs(1)[0]), request("x", "nowhere"), on_error="continue",
            settle_seconds=0,
        )  # fmt: skip
    finally:
        os.umask(old)
    for path in place.folder.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path.name


def test_the_summary_says_what_happened(place: Workplace) -> None:
    ids = place.catalogs(2)
    ran = place.run(*map(request, ids), record("weather", a=1), state(1))
    assert ran.summary["outcomes"] == {"delivery_requests": {"created": 2}}
    assert ran.summary["ignored"] == {"weather": 1}
    assert ran.summary["deliveries"] == 2
    assert ran.summary["status"] == 0
    assert {line["run_id"] for line in ran.outcomes} == {ran.summary["run_id"]}
    assert ran.summary["workspaces"] == [place.sandbox.workspace.rows("projects")[0]["org_id"]]


def config_of(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(path.read_text())
    return loaded


def test_the_command_exits_as_documented(place: Workplace) -> None:
    key = place.catalogs(1)[0]
    assert place.command(request(key), state(1)).status == 0
    assert place.command(record("delivery_requests", store="a")).status == 1
    assert place.command("nonsense\n").status == 2
    assert place.command(request(key), batch_size=0).status == 2
    assert place.command(record("delivery_requests", store="a"), on_error="continue").status == 3
    assert place.command(request(key), api_token="wrong").status == 1
