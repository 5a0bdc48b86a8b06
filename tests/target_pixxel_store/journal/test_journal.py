"""The memory without a file: what each line of a journal teaches, and what is waited for."""

from __future__ import annotations

import errno
import json
import os
import stat
import time
from typing import TYPE_CHECKING, Any

import pytest

from target_pixxel_store.errors import JournalError
from target_pixxel_store.journal.journal import Journal
from target_pixxel_store.journal.journal_state import (
    AoiKey,
    DeliveryKey,
    DownloadedFile,
    DownloadKey,
    Intent,
    JournalState,
    KnownDelivery,
    settled_at,
)
from target_pixxel_store.locations import BucketPath

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PLACE = BucketPath("S3", "imagery", "a")
ONE = DeliveryKey("one", PLACE)
AREA = AoiKey("project", "field")
SPOT = DownloadKey("one", "/images")
ENTRY = {"catalog": "one", "place": list(PLACE), "store": "store"}
WANTED = [(ONE, "store", ["old"])]


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "journal"


def reread(path: Path) -> JournalState:
    with Journal(path, 0) as journal:
        return journal.state


def test_an_intent_stays_until_its_outcome_is_known(journal: Path) -> None:
    began = time.time()
    with Journal(journal, 0) as kept:
        kept.record_intents(WANTED)
    [(identity, intent)] = reread(journal).intents.items()
    assert (identity, intent.store_id, intent.earlier_ids) == (ONE, "store", frozenset({"old"}))
    assert began <= intent.requested_at <= time.time()
    with Journal(journal, 0) as kept:
        kept.record_refusals([ONE])
    assert reread(journal).intents == {}


def test_a_delivery_is_as_old_as_what_asked_for_it() -> None:
    """An answer that was found later in the list does not make it younger."""
    memory = JournalState()
    memory.apply({"is": "intent", "at": 3, "of": [ENTRY]})
    memory.apply({"is": "made", "at": 8, "of": [ENTRY | {"id": "1"}]})
    memory.apply({"is": "made", "at": 9, "of": [ENTRY | {"id": "2"}]})
    assert memory.intents == {}
    assert memory.deliveries == {
        "1": KnownDelivery(ONE, "store", 3.0),
        "2": KnownDelivery(ONE, "store", 9.0),
    }
    assert (memory.latest_ids, memory.attempt_ids) == ({ONE: "2"}, {ONE: {"1", "2"}})


def test_an_intent_of_an_older_journal_has_neither_store_nor_predecessors() -> None:
    memory = JournalState()
    memory.apply({"is": "intent", "at": 3, "of": [{"catalog": "one", "place": list(PLACE)}]})
    assert memory.intents == {ONE: Intent(3.0, "", frozenset())}


def test_all_that_is_written_is_read_again(journal: Path) -> None:
    with Journal(journal, 0) as kept:
        kept.record_run("run", {"b", "a"})
        kept.record_deliveries([(ONE, "store", "1")])
        kept.record_store("gone", PLACE)
        kept.record_final("1")
        kept.record_aoi_intent(AREA)
        kept.record_download_intent(SPOT)
        told = kept.state
        assert list(told.aoi_intents) == [AREA]
        assert told.download_ids == {SPOT: None}
        assert reread_while_held(journal) == told
        kept.record_aoi(AREA, "area")
        kept.record_aoi_intent(AoiKey("project", "bad"))
        kept.record_aoi_refusal(AoiKey("project", "bad"))
        kept.record_download(SPOT, "download")
        assert told.download_ids == {SPOT: "download"}
        kept.record_file(SPOT, DownloadedFile("a.zip", 5, "download"))
    memory = reread(journal)
    assert memory == told
    assert (list(memory.deliveries), memory.latest_ids) == (["1"], {ONE: "1"})
    assert memory.workspace_ids == {"a", "b"}
    assert memory.store_locations == {"gone": PLACE}
    assert memory.final_ids == {"1"}
    assert (memory.aoi_intents, memory.aoi_ids) == ({}, {AREA: "area"})
    assert (memory.download_ids, memory.files) == (
        {},
        {SPOT: DownloadedFile("a.zip", 5, "download")},
    )
    assert memory.file_owners == {("/images", "a.zip"): "one"}


def reread_while_held(path: Path) -> JournalState:
    """A dry run reads what a run writes, without its lock."""
    with Journal(path, 0, read_only=True) as journal:
        return journal.state


@pytest.mark.parametrize(
    ("note", "synced"),
    [
        (lambda kept: kept.record_run("run", set()), True),
        (lambda kept: kept.record_intents(WANTED), True),
        (lambda kept: kept.record_store("gone", PLACE), True),
        (lambda kept: kept.record_aoi_intent(AREA), True),
        (lambda kept: kept.record_download_intent(SPOT), True),
        (lambda kept: kept.record_file(SPOT, DownloadedFile("a.zip", 5, "download")), True),
        (lambda kept: kept.record_deliveries([(ONE, "store", "1")]), False),
        (lambda kept: kept.record_refusals([ONE]), False),
        (lambda kept: kept.record_final("1"), False),
        (lambda kept: kept.record_aoi(AREA, "area"), False),
        (lambda kept: kept.record_aoi_refusal(AREA), False),
        (lambda kept: kept.record_download(SPOT, "download"), False),
    ],
)
def test_what_may_not_be_forgotten_is_on_disk(
    journal: Path,
    monkeypatch: pytest.MonkeyPatch,
    note: Callable[[Journal], None],
    synced: bool,  # noqa: FBT001
) -> None:
    """Requests are there before they are sent; what lists tell again does not wait for the disk."""
    put: list[tuple[bool, bytes]] = []

    def fsync(fd: int) -> None:
        folder = stat.S_ISDIR(os.fstat(fd).st_mode)
        put.append((folder, b"" if folder else journal.read_bytes()))

    monkeypatch.setattr(os, "fsync", fsync)
    with Journal(journal, 0) as kept:
        assert put == [(True, b"")]  # its name
        note(kept)
    written = journal.read_bytes()
    assert written.endswith(b"}\n")
    assert put[1:] == ([(False, written)] if synced else [])


def test_the_journal_is_private(journal: Path) -> None:
    old = os.umask(0)
    try:
        reread(journal)
    finally:
        os.umask(old)
    assert stat.S_IMODE(journal.stat().st_mode) == 0o600


def test_a_journal_that_is_there_needs_no_new_name(
    journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Journal(journal, 0) as kept:
        kept.record_final("1")
    put: list[int] = []
    monkeypatch.setattr(os, "fsync", put.append)
    reread(journal)
    assert put == []


def test_a_journal_that_cannot_be_opened_names_the_setting(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match=r"cannot open the journal .* 'journal_path'"):
        Journal(tmp_path / "none" / "journal", 0).__enter__()


def test_a_journal_that_cannot_be_written_ends_the_run(
    journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_fd: int, _line: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with Journal(journal, 0) as kept:
        monkeypatch.setattr(os, "write", full)
        with pytest.raises(JournalError, match=r"cannot write the journal .* No space left"):
            kept.record_intents(WANTED)


def test_a_line_is_written_whole_however_little_the_disk_takes_at_once(
    journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write
    with Journal(journal, 0) as kept:
        monkeypatch.setattr(os, "write", lambda fd, line: write(fd, line[:7]))
        kept.record_final("1")
    assert json.loads(journal.read_bytes()) == {"is": "final", "id": "1"}


def test_nothing_is_written_for_nothing(journal: Path) -> None:
    with Journal(journal, 0) as kept:
        kept.record_deliveries([])
        kept.record_refusals([])
    assert journal.read_bytes() == b""


def test_a_dry_run_learns_and_writes_nothing(journal: Path) -> None:
    with Journal(journal, 9, read_only=True) as dry:
        dry.record_intents(WANTED)
        assert (list(dry.state.intents), dry.state.unknown_run_until) == ([ONE], 0.0)
    assert not journal.exists()
    with Journal(journal, 0) as kept:
        kept.record_final("1")
    written = journal.read_bytes()
    with journal.open("ab") as file:
        file.write(b'{"is":"fin')
    with Journal(journal, 0, read_only=True) as dry:
        dry.record_final("2")
        assert dry.state.final_ids == {"1", "2"}
    assert journal.read_bytes() == written + b'{"is":"fin'


def test_the_half_line_of_a_kill_is_cut_off(journal: Path) -> None:
    with Journal(journal, 0) as kept:
        kept.record_final("1")
    written = journal.read_bytes()
    with journal.open("ab") as file:
        file.write(b'{"is":"fin')
    with Journal(journal, 0) as kept:
        assert kept.state.final_ids == {"1"}
        assert journal.read_bytes() == written


def test_a_new_journal_does_not_know_what_was_asked_for_before(journal: Path) -> None:
    began = time.time()
    with Journal(journal, 9) as kept:
        assert began + 9 <= kept.state.unknown_run_until <= time.time() + 9
        kept.record_run("run", set())
    assert reread(journal).unknown_run_until == kept.state.unknown_run_until
    with Journal(journal, 9) as kept:
        assert kept.state.unknown_run_until < time.time() + 9


def test_the_longest_doubt_of_all_runs_counts() -> None:
    memory = JournalState()
    memory.apply({"is": "run", "workspaces": []})
    assert memory.unknown_run_until == 0
    for unsettled in (7, 5):
        memory.apply({"is": "run", "workspaces": [], "unsettled": unsettled})
    memory.apply({"is": "run", "workspaces": []})
    assert memory.unknown_run_until == 7


@pytest.mark.parametrize(
    ("looked", "now", "until"),
    [(10, 0, 0), (9, 0, 5), (9, 4, 9), (9, 8, 10), (11, 0, 0)],
)
def test_a_look_before_all_is_settled_is_repeated(looked: float, now: float, until: float) -> None:
    """Five seconds from now at most, however far a clock was set back."""
    assert JournalState(unknown_run_until=10).uncertain_until(looked, now, 5) == until


def test_waiting_ends_the_doubt() -> None:
    memory = JournalState(unknown_run_until=10)
    memory.end_uncertainty(12)
    assert memory.unknown_run_until == 10
    memory.end_uncertainty(8)
    assert memory.unknown_run_until == 8


@pytest.mark.parametrize(("asked", "until"), [(3, 8), (12, 15)])
def test_a_clock_that_was_set_back_makes_nobody_wait_longer(asked: float, until: float) -> None:
    assert settled_at(asked, now=10, settle_seconds=5) == until


@pytest.mark.parametrize(
    "line",
    [
        {"is": "unknown", "catalog": "one", "folder": "f"},
        {"is": "unknown"},
        {"is": "file", "catalog": "one", "folder": "f", "name": "a", "size": "large"},
        {"is": "intent", "at": 1, "of": [{"catalog": "one", "place": ["S3"]}]},
        {},
    ],
)
def test_what_no_journal_holds_is_no_line(line: dict[str, Any]) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        JournalState().apply(line)


def test_a_second_run_does_not_wait_for_the_lock(journal: Path) -> None:
    with Journal(journal, 0), pytest.raises(JournalError, match="another run has locked"):
        Journal(journal, 0).__enter__()
    reread(journal)


def test_a_damaged_line_is_told_by_its_number_and_lets_go_of_the_lock(journal: Path) -> None:
    journal.write_bytes(b'{"is":"final","id":"1"}\n{"is":"final"}\n')
    for _ in range(2):
        with pytest.raises(JournalError, match="line 2 of the journal"):
            Journal(journal, 0).__enter__()
