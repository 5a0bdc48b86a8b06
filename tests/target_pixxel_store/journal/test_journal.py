"""The journal: the state that its lines restore, its file, and the waits after a lost one."""

from __future__ import annotations

import errno
import json
import math
import os
import shutil
import stat
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from target_pixxel_store.download_sources import catalog_source
from target_pixxel_store.errors import JournalError
from target_pixxel_store.journal.journal import Journal
from target_pixxel_store.journal.journal_state import (
    DownloadedFile,
    DownloadKey,
    Intent,
    JournalState,
    KnownDelivery,
    KnownPurchase,
    ObjectKey,
    PurchaseKey,
    PurchaseProblem,
)
from target_pixxel_store.locations import BucketPath, DeliveryKey

if TYPE_CHECKING:
    from collections.abc import Callable

LOCATION = BucketPath("S3", "imagery", "a")
DELIVERY = DeliveryKey("one", LOCATION)
AOI = ObjectKey("aoi", ("project", "field"))
FIELD = PurchaseKey("order", "field")
DOWNLOAD = DownloadKey(catalog_source("one"), "/images")
ENTRY = {"catalog": "one", "place": list(LOCATION), "store": "store"}
EARLIER_JOURNAL = Path(__file__).with_name("journal_without_settled_line.ndjson")
INTENTS = [(DELIVERY, Intent("store", frozenset({"old"}), "older"))]


@pytest.fixture
def journal_path(tmp_path: Path) -> Path:
    return tmp_path / "journal"


def read_journal(path: Path) -> JournalState:
    with Journal(path, 0) as journal:
        return journal.state


def test_journal_intent_kept_until_outcome(journal_path: Path) -> None:
    with Journal(journal_path, 0) as journal:
        journal.record_intents(INTENTS)
    [(key, intent)] = read_journal(journal_path).intents.items()
    assert [(key, intent)] == INTENTS
    with Journal(journal_path, 0) as journal:
        journal.record_refusals([DELIVERY])
    assert read_journal(journal_path).intents == {}


def test_journal_state_delivery_closes_intent() -> None:
    state = JournalState()
    state.apply({"is": "intent", "at": 3, "of": [ENTRY]})
    state.apply({"is": "made", "at": 8, "of": [ENTRY | {"id": "1"}]})
    state.apply({"is": "made", "at": 9, "of": [ENTRY | {"id": "2"}]})
    assert state.intents == {}
    assert state.deliveries == {
        "1": KnownDelivery(DELIVERY, "store", 8.0),
        "2": KnownDelivery(DELIVERY, "store", 9.0),
    }


def test_journal_of_purchases_keeps_what_is_in_doubt(journal_path: Path) -> None:
    with Journal(journal_path, 0) as journal:
        for name in ("placed", "refused", "doubted"):
            journal.record_purchase_intent(PurchaseKey("order", name), "digest", 12.5, "")
        placed = KnownPurchase("digest", 13.0, "order")
        journal.record_purchase(PurchaseKey("order", "placed"), placed, 12.5)
        journal.record_purchase_refusal(PurchaseKey("order", "refused"))
        priced = KnownPurchase("digest", 14.0, "dry")
        journal.record_purchase(PurchaseKey("order", "priced"), priced)
    state = read_journal(journal_path)
    assert [(key, each.amounts) for key, each in state.purchase_intents.items()] == [
        (("order", "doubted"), (12.5,))
    ]
    assert state.purchases == {
        ("order", "placed"): {"order": placed},
        ("order", "priced"): {"dry": priced},
    }
    assert state.purchase_problems == {
        "order": PurchaseProblem(PurchaseKey("order", "placed"), 13.0, 12.5),
        "dry": PurchaseProblem(PurchaseKey("order", "priced"), 14.0, None),
    }
    assert state.paid_quotes == {"order"}
    with Journal(journal_path, 0) as journal:
        journal.record_quote_result(PurchaseKey("order", "priced"), is_honoured=True)
        journal.record_purchase_acknowledged("order")
    state = read_journal(journal_path)
    assert (state.paid_quotes, list(state.purchase_problems)) == (set(), ["dry"])


def test_journal_open_purchase_intent_waits_from_lock(journal_path: Path) -> None:
    with Journal(journal_path, 0) as journal:
        journal.wait_settled(lambda: None)
        journal.record_purchase_intent(FIELD, "digest", 1, "")
    with Journal(journal_path, 60) as journal:
        assert journal.purchases_settled_at > time.monotonic()
        assert journal.deliveries_settled_at == journal.objects_settled_at == -math.inf
        journal.record_purchase(FIELD, KnownPurchase("digest", 1, "order"), 1)
    with Journal(journal_path, 60) as journal:
        assert journal.purchases_settled_at == -math.inf


def test_journal_reopened_restores_state(journal_path: Path) -> None:
    with Journal(journal_path, 0) as journal:
        journal.record_run("run", {"b", "a"})
        journal.record_deliveries([(DELIVERY, "store", "1")])
        journal.record_store("gone", LOCATION)
        journal.record_final("1")
        journal.record_object_intent(AOI)
        journal.record_download_intent(DOWNLOAD)
        recorded = journal.state
        assert recorded.object_intents == {AOI}
        assert recorded.download_ids == {DOWNLOAD: None}
        assert read_locked_journal(journal_path) == recorded
        journal.record_object(AOI, "area")
        journal.record_object_intent(ObjectKey("aoi", ("project", "bad")))
        journal.record_object_refusal(ObjectKey("aoi", ("project", "bad")))
        journal.record_download(DOWNLOAD, "download")
        assert recorded.download_ids == {DOWNLOAD: "download"}
        journal.record_file(DOWNLOAD, DownloadedFile("a.zip", 5, "download"))
    state = read_journal(journal_path)
    assert state == recorded
    assert list(state.deliveries) == ["1"]
    assert state.workspace_ids == {"a", "b"}
    assert state.store_locations == {"gone": LOCATION}
    assert state.final_ids == {"1"}
    assert (state.object_intents, state.object_ids) == (set(), {AOI: "area"})
    assert (state.download_ids, state.files) == (
        {},
        {DOWNLOAD: DownloadedFile("a.zip", 5, "download")},
    )
    assert state.file_owners == {("/images", "a.zip"): DOWNLOAD.source}


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
        (lambda journal: journal.record_object_intent(AOI), True),
        (lambda journal: journal.record_purchase_intent(FIELD, "digest", 1, ""), True),
        (
            lambda journal: journal.record_purchase(FIELD, KnownPurchase("digest", 1, "order"), 1),
            True,
        ),
        (lambda journal: journal.record_download_intent(DOWNLOAD), True),
        (
            lambda journal: journal.record_file(DOWNLOAD, DownloadedFile("a.zip", 5, "download")),
            True,
        ),
        (lambda journal: journal.record_deliveries([(DELIVERY, "store", "1")]), False),
        (lambda journal: journal.record_refusals([DELIVERY]), False),
        (lambda journal: journal.record_final("1"), False),
        (lambda journal: journal.record_object(AOI, "area"), False),
        (lambda journal: journal.record_object_refusal(AOI), False),
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


def test_journal_read_only_updates_state_without_writing(journal_path: Path) -> None:
    with Journal(journal_path, 9, read_only=True) as dry_journal:
        dry_journal.record_intents(INTENTS)
        assert list(dry_journal.state.intents) == [DELIVERY]
        assert dry_journal.deliveries_settled_at == -math.inf
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


@pytest.mark.parametrize("content", ['{"api_token": "x"}', "text", '{"is":"run"}\n{"a', "\0"])
def test_other_file_is_refused_and_stays(journal_path: Path, content: str) -> None:
    journal_path.write_text(content)
    with pytest.raises(JournalError, match=r"line \d of the journal '.*' is invalid"):
        Journal(journal_path, 0).__enter__()
    assert journal_path.read_text() == content


def test_journal_partial_last_line_removed(journal_path: Path) -> None:
    with Journal(journal_path, 0) as journal:
        journal.record_final("1")
    written = journal_path.read_bytes()
    with journal_path.open("ab") as file:
        file.write(b'{"is":"fin')
    with Journal(journal_path, 0) as journal:
        assert journal.state.final_ids == {"1"}
        assert journal_path.read_bytes() == written


def settle_times(path: Path) -> tuple[float, float]:
    """Return how long deliveries and areas of interest wait, rounded to seconds."""
    with Journal(path, 9) as journal:
        now = time.monotonic()
        ends = journal.deliveries_settled_at, journal.objects_settled_at
    return tuple(max(round(end - now), 0) if end > 0 else 0 for end in ends)  # type: ignore[return-value]  # two


def test_journal_without_settled_line_waits_from_lock(journal_path: Path) -> None:
    """A run that was killed during the first wait leaves no line, so that the next one waits."""
    for _ in range(2):
        assert settle_times(journal_path) == (9, 9)
    with Journal(journal_path, 0) as journal:
        journal.wait_settled(lambda: None)
        journal.wait_settled(lambda: None)
    [line] = map(json.loads, journal_path.read_bytes().splitlines())
    assert line["is"] == "settled"
    assert settle_times(journal_path) == (0, 0)


def test_journal_open_intent_waits_until_closed(journal_path: Path) -> None:
    journal_path.write_bytes(b'{"is":"settled"}\n')
    with Journal(journal_path, 0) as journal:
        journal.record_intents(INTENTS)
    assert settle_times(journal_path) == (9, 0)
    with Journal(journal_path, 0) as journal:
        journal.record_refusals([DELIVERY])
        journal.record_object_intent(AOI)
    assert settle_times(journal_path) == (0, 9)
    with Journal(journal_path, 0) as journal:
        journal.record_object_refusal(AOI)
    assert settle_times(journal_path) == (0, 0)


@pytest.mark.parametrize("clock", [-3600, 3600])
def test_journal_clock_of_earlier_run_ignored(
    journal_path: Path, monkeypatch: pytest.MonkeyPatch, clock: float
) -> None:
    with monkeypatch.context() as wrong, Journal(journal_path, 0) as journal:
        now = time.time()
        wrong.setattr(time, "time", lambda: now + clock)
        journal.wait_settled(lambda: None)
        journal.record_intents(INTENTS)
    assert settle_times(journal_path) == (9, 0)


def test_journal_of_earlier_version_waits_once(journal_path: Path) -> None:
    """Journals of before the line `settled`, with the times that decided then."""
    shutil.copy(EARLIER_JOURNAL, journal_path)
    with Journal(journal_path, 0) as journal:
        state = journal.state
        assert (len(state.deliveries), len(state.intents)) == (3, 1)
        assert (state.object_intents, len(state.object_ids)) == (
            {ObjectKey("aoi", ("p1", "D3"))},
            1,
        )
    assert settle_times(journal_path) == (9, 9)
    with Journal(journal_path, 0) as journal:
        journal.wait_settled(lambda: None)
        journal.record_refusals(list(journal.state.intents))
        journal.record_object_refusal(ObjectKey("aoi", ("p1", "D3")))
    assert settle_times(journal_path) == (0, 0)


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


def test_journal_of_purchases_keeps_each_send(journal_path: Path) -> None:
    """Only one send is known to have come to nothing, or to be an order."""
    with Journal(journal_path, 0) as journal:
        sends = set()
        for amount in (10.0, 12.0, 11.0):
            journal.record_purchase_intent(FIELD, "digest", amount, "")
            sends.add(journal.state.purchase_intents[FIELD].send)
        assert len(sends) == 3
        journal.record_purchase_refusal(FIELD)
        assert journal.state.purchase_intents[FIELD].amounts == (10.0, 12.0)
        for _ in range(2):
            journal.record_purchase(FIELD, KnownPurchase("digest", 10.0, "order"), 12.0)
    assert read_journal(journal_path).purchase_intents[FIELD].amounts == (12.0,)


def test_journal_state_old_intent_line_uses_defaults() -> None:
    state = JournalState()
    state.apply({"is": "intent", "at": 3, "of": [{"catalog": "one", "place": list(LOCATION)}]})
    assert state.intents == {DELIVERY: Intent("", frozenset())}
