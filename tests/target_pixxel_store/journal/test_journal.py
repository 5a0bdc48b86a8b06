"""The journal: the state that its lines restore, its file, and the waits after a lost one."""

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

LOCATION = BucketPath("S3", "imagery", "a")
DELIVERY = DeliveryKey("one", LOCATION)
AOI = AoiKey("project", "field")
DOWNLOAD = DownloadKey("one", "/images")
ENTRY = {"catalog": "one", "place": list(LOCATION), "store": "store"}
INTENTS = [(DELIVERY, "store", ["old"])]


@pytest.fixture
def journal_path(tmp_path: Path) -> Path:
    return tmp_path / "journal"


def read_journal(path: Path) -> JournalState:
    with Journal(path, 0) as journal:
        return journal.state


def test_journal_intent_kept_until_outcome(journal_path: Path) -> None:
    started = time.time()
    with Journal(journal_path, 0) as journal:
        journal.record_intents(INTENTS)
    [(key, intent)] = read_journal(journal_path).intents.items()
    assert (key, intent.store_id, intent.earlier_ids) == (DELIVERY, "store", frozenset({"old"}))
    assert started <= intent.requested_at <= time.time()
    with Journal(journal_path, 0) as journal:
        journal.record_refusals([DELIVERY])
    assert read_journal(journal_path).intents == {}


def test_journal_state_delivery_dated_by_intent() -> None:
    """A delivery that the list confirms later keeps the time of its intent."""
    state = JournalState()
    state.apply({"is": "intent", "at": 3, "of": [ENTRY]})
    state.apply({"is": "made", "at": 8, "of": [ENTRY | {"id": "1"}]})
    state.apply({"is": "made", "at": 9, "of": [ENTRY | {"id": "2"}]})
    assert state.intents == {}
    assert state.deliveries == {
        "1": KnownDelivery(DELIVERY, "store", 3.0),
        "2": KnownDelivery(DELIVERY, "store", 9.0),
    }
    assert (state.latest_ids, state.attempt_ids) == ({DELIVERY: "2"}, {DELIVERY: {"1", "2"}})


def test_journal_state_old_intent_line_uses_defaults() -> None:
    state = JournalState()
    state.apply({"is": "intent", "at": 3, "of": [{"catalog": "one", "place": list(LOCATION)}]})
    assert state.intents == {DELIVERY: Intent(3.0, "", frozenset())}


def test_journal_reopened_restores_state(journal_path: Path) -> None:
    with Journal(journal_path, 0) as journal:
        journal.record_run("run", {"b", "a"})
        journal.record_deliveries([(DELIVERY, "store", "1")])
        journal.record_store("gone", LOCATION)
        journal.record_final("1")
        journal.record_aoi_intent(AOI)
        journal.record_download_intent(DOWNLOAD)
        recorded = journal.state
        assert list(recorded.aoi_intents) == [AOI]
        assert recorded.download_ids == {DOWNLOAD: None}
        assert read_locked_journal(journal_path) == recorded
        journal.record_aoi(AOI, "area")
        journal.record_aoi_intent(AoiKey("project", "bad"))
        journal.record_aoi_refusal(AoiKey("project", "bad"))
        journal.record_download(DOWNLOAD, "download")
        assert recorded.download_ids == {DOWNLOAD: "download"}
        journal.record_file(DOWNLOAD, DownloadedFile("a.zip", 5, "download"))
    state = read_journal(journal_path)
    assert state == recorded
    assert (list(state.deliveries), state.latest_ids) == (["1"], {DELIVERY: "1"})
    assert state.workspace_ids == {"a", "b"}
    assert state.store_locations == {"gone": LOCATION}
    assert state.final_ids == {"1"}
    assert (state.aoi_intents, state.aoi_ids) == ({}, {AOI: "area"})
    assert (state.download_ids, state.files) == (
        {},
        {DOWNLOAD: DownloadedFile("a.zip", 5, "download")},
    )
    assert state.file_owners == {("/images", "a.zip"): "one"}


def read_locked_journal(path: Path) -> JournalState:
    """Read the journal while a run holds its lock, as a dry run does."""
    with Journal(path, 0, read_only=True) as journal:
        return journal.state


@pytest.mark.parametrize(
    ("record_entry", "synced"),
    [
        (lambda journal: journal.record_run("run", set()), True),
        (lambda journal: journal.record_intents(INTENTS), True),
        (lambda journal: journal.record_store("gone", LOCATION), True),
        (lambda journal: journal.record_aoi_intent(AOI), True),
        (lambda journal: journal.record_download_intent(DOWNLOAD), True),
        (
            lambda journal: journal.record_file(DOWNLOAD, DownloadedFile("a.zip", 5, "download")),
            True,
        ),
        (lambda journal: journal.record_deliveries([(DELIVERY, "store", "1")]), False),
        (lambda journal: journal.record_refusals([DELIVERY]), False),
        (lambda journal: journal.record_final("1"), False),
        (lambda journal: journal.record_aoi(AOI, "area"), False),
        (lambda journal: journal.record_aoi_refusal(AOI), False),
        (lambda journal: journal.record_download(DOWNLOAD, "download"), False),
    ],
)
def test_journal_required_lines_synced(
    journal_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    record_entry: Callable[[Journal], None],
    synced: bool,  # noqa: FBT001
) -> None:
    """Intents are synced before the request; facts that the lists repeat are not synced."""
    sync_calls: list[tuple[bool, bytes]] = []

    def fsync(fd: int) -> None:
        folder = stat.S_ISDIR(os.fstat(fd).st_mode)
        sync_calls.append((folder, b"" if folder else journal_path.read_bytes()))

    monkeypatch.setattr(os, "fsync", fsync)
    with Journal(journal_path, 0) as journal:
        assert sync_calls == [(True, b"")]  # the folder entry
        record_entry(journal)
    written = journal_path.read_bytes()
    assert written.endswith(b"}\n")
    assert sync_calls[1:] == ([(False, written)] if synced else [])


def test_journal_file_mode_is_private(journal_path: Path) -> None:
    old = os.umask(0)
    try:
        read_journal(journal_path)
    finally:
        os.umask(old)
    assert stat.S_IMODE(journal_path.stat().st_mode) == 0o600


def test_journal_existing_file_folder_not_synced(
    journal_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Journal(journal_path, 0) as journal:
        journal.record_final("1")
    sync_calls: list[int] = []
    monkeypatch.setattr(os, "fsync", sync_calls.append)
    read_journal(journal_path)
    assert sync_calls == []


def test_journal_unopenable_error_names_setting(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match=r"cannot open the journal .* 'journal_path'"):
        Journal(tmp_path / "none" / "journal", 0).__enter__()


def test_journal_disk_full_raises_journal_error(
    journal_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def raise_no_space(_fd: int, _line: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with Journal(journal_path, 0) as journal:
        monkeypatch.setattr(os, "write", raise_no_space)
        with pytest.raises(JournalError, match=r"cannot write the journal .* No space left"):
            journal.record_intents(INTENTS)


def test_journal_short_writes_complete_line(
    journal_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write
    with Journal(journal_path, 0) as journal:
        monkeypatch.setattr(os, "write", lambda fd, line: write(fd, line[:7]))
        journal.record_final("1")
    assert json.loads(journal_path.read_bytes()) == {"is": "final", "id": "1"}


def test_journal_empty_lists_write_nothing(journal_path: Path) -> None:
    with Journal(journal_path, 0) as journal:
        journal.record_deliveries([])
        journal.record_refusals([])
    assert journal_path.read_bytes() == b""


def test_journal_read_only_updates_state_without_writing(journal_path: Path) -> None:
    with Journal(journal_path, 9, read_only=True) as dry_journal:
        dry_journal.record_intents(INTENTS)
        assert (list(dry_journal.state.intents), dry_journal.state.unknown_run_until) == (
            [DELIVERY],
            0.0,
        )
    assert not journal_path.exists()
    with Journal(journal_path, 0) as journal:
        journal.record_final("1")
    written = journal_path.read_bytes()
    with journal_path.open("ab") as file:
        file.write(b'{"is":"fin')
    with Journal(journal_path, 0, read_only=True) as dry_journal:
        dry_journal.record_final("2")
        assert dry_journal.state.final_ids == {"1", "2"}
    assert journal_path.read_bytes() == written + b'{"is":"fin'


def test_journal_partial_last_line_removed(journal_path: Path) -> None:
    with Journal(journal_path, 0) as journal:
        journal.record_final("1")
    written = journal_path.read_bytes()
    with journal_path.open("ab") as file:
        file.write(b'{"is":"fin')
    with Journal(journal_path, 0) as journal:
        assert journal.state.final_ids == {"1"}
        assert journal_path.read_bytes() == written


def test_journal_new_file_sets_unknown_run_until(journal_path: Path) -> None:
    started = time.time()
    with Journal(journal_path, 9) as journal:
        assert started + 9 <= journal.state.unknown_run_until <= time.time() + 9
        journal.record_run("run", set())
    assert read_journal(journal_path).unknown_run_until == journal.state.unknown_run_until
    with Journal(journal_path, 9) as journal:
        assert journal.state.unknown_run_until < time.time() + 9


def test_journal_state_unknown_run_until_is_maximum() -> None:
    state = JournalState()
    state.apply({"is": "run", "workspaces": []})
    assert state.unknown_run_until == 0
    for unsettled in (7, 5):
        state.apply({"is": "run", "workspaces": [], "unsettled": unsettled})
    state.apply({"is": "run", "workspaces": []})
    assert state.unknown_run_until == 7


@pytest.mark.parametrize(
    ("refreshed_at", "now", "until"),
    [(10, 0, 0), (9, 0, 5), (9, 4, 9), (9, 8, 10), (11, 0, 0)],
)
def test_uncertain_until_early_refresh_repeated(
    refreshed_at: float, now: float, until: float
) -> None:
    """The result is at most five seconds from now, even if the clock was set back."""
    assert JournalState(unknown_run_until=10).uncertain_until(refreshed_at, now, 5) == until


def test_end_uncertainty_lowers_unknown_run_until() -> None:
    state = JournalState(unknown_run_until=10)
    state.end_uncertainty(12)
    assert state.unknown_run_until == 10
    state.end_uncertainty(8)
    assert state.unknown_run_until == 8


@pytest.mark.parametrize(("requested_at", "until"), [(3, 8), (12, 15)])
def test_settled_at_clock_set_back_waits_no_longer(requested_at: float, until: float) -> None:
    assert settled_at(requested_at, now=10, settle_seconds=5) == until


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
def test_journal_state_invalid_line_raises(line: dict[str, Any]) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        JournalState().apply(line)


def test_journal_locked_raises_immediately(journal_path: Path) -> None:
    with Journal(journal_path, 0), pytest.raises(JournalError, match="another run has locked"):
        Journal(journal_path, 0).__enter__()
    read_journal(journal_path)


def test_journal_damaged_line_named_and_lock_released(journal_path: Path) -> None:
    journal_path.write_bytes(b'{"is":"final","id":"1"}\n{"is":"final"}\n')
    for _ in range(2):
        with pytest.raises(JournalError, match="line 2 of the journal"):
            Journal(journal_path, 0).__enter__()
