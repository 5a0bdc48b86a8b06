"""Cases without a server: what is waited for before anything is decided, and what cannot be."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from target_pixxel_store import cases
from target_pixxel_store.api import Delivery, Store
from target_pixxel_store.cases import NO_DELIVER_TO, UNKNOWN_STORE, Case, Judge
from target_pixxel_store.journal import Journal
from target_pixxel_store.memory import Identity
from target_pixxel_store.places import LONGEST, Destination
from target_pixxel_store.plan import Kind, Step, Verdict, View
from target_pixxel_store.records import Rejected

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BUCKET = Destination("S3", "imagery", "in")
STORE = Store("store", "mine", "eu", BUCKET, {})
HERE = Identity("one", BUCKET.below("a"))
SETTLE = 5.0


class Looks:
    """Lists what it is told to, by the number of looks that there were."""

    def __init__(self, journal: Journal, *listed: list[Delivery]) -> None:
        self._journal = journal
        self._listed = listed
        self.seen_at = 0.0
        self.looks: list[float | None] = []
        self.asked: list[list[str]] = []
        self.view = View({}, journal.memory)

    def now(self, oldest: float | None = None) -> View:
        self.looks.append(oldest)
        self.seen_at = time.time()
        self.view = View({STORE.id: STORE}, self._journal.memory)
        if self._listed:
            self.view.see(self._listed[min(len(self.looks), len(self._listed)) - 1])
        return self.view

    def ask_for(self, catalogs: Iterator[str]) -> None:
        self.asked.append(list(catalogs))


class Selection:
    """Means what a request says."""

    def of_items(self, pending: list[Any]) -> None:
        """Look nothing up."""

    def catalogs(self, one: Any, _of_items: None) -> list[Any]:
        found: list[Any] = one.request.catalogs
        return found

    def path(self, request: Any, _fields: dict[str, Any]) -> str:
        if request.path is None:
            raise Rejected("no path")
        path: str = request.path
        return path


def pending(
    *catalogs: str | Verdict, path: str | None = "a", store: str = "mine", by_tap: bool = False
) -> Any:
    found = [each if isinstance(each, Verdict) else {"catalog_id": each} for each in catalogs]
    request = SimpleNamespace(store=store, path=path, by_tap=by_tap, catalogs=found)
    return SimpleNamespace(taken="taken", request=request)


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that were waited for, without waiting."""
    waited: list[float] = []
    monkeypatch.setattr(
        cases, "wait_settled", lambda until, _check: waited.append(until - time.time())
    )
    return waited


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path / "journal", 0) as opened:
        opened.memory.unsettled = 0.0
        yield opened


def judged(journal: Journal, looks: Looks, *wanted: Any, **settings: Any) -> list[Case]:
    given = {"redeliver": False, "retry_failed": 0, "dry_run": False, "settle_seconds": SETTLE}
    judge = Judge(
        SimpleNamespace(**(given | settings)),  # type: ignore[arg-type]  # what it reads of them
        selection=Selection(),  # type: ignore[arg-type]  # as above
        looks=looks,  # type: ignore[arg-type]  # as above
        journal=journal,
        check=lambda: None,
    )
    return judge.judged(list(wanted))


def kinds(found: list[Case]) -> list[Kind | Step | None]:
    return [case.verdict.kind if case.verdict else None for case in found]


def test_without_a_doubt_nothing_is_waited_for(journal: Journal, waits: list[float]) -> None:
    looks = Looks(journal)
    assert kinds(judged(journal, looks, pending("one"))) == [Step.DELIVER]
    assert (waits, looks.looks, looks.asked) == ([], [None], [["one"]])


def test_what_is_not_listed_when_it_surely_would_be_was_refused(
    journal: Journal, waits: list[float]
) -> None:
    journal.intend([(HERE, "store", [])])
    looks = Looks(journal)
    assert kinds(judged(journal, looks, pending("one"))) == [Step.DELIVER]
    assert waits == [pytest.approx(SETTLE, abs=1)]
    assert looks.looks == [None, 0]
    assert looks.asked == [["one"], ["one"]]
    assert journal.memory.intents == {}


def test_what_is_listed_after_the_wait_is_there(journal: Journal, waits: list[float]) -> None:
    journal.intend([(HERE, "store", [])])
    landed = Delivery("1", "one", "store", "a", "1.zip", "CREATED", "1", automated=False)

    class Learning(Looks):
        """Tells the journal what came, as looks do."""

        def now(self, oldest: float | None = None) -> View:
            view = super().now(oldest)
            self._journal.made(list(view.answers()))
            return view

    [case] = judged(journal, Learning(journal, [], [landed]), pending("one"))
    assert case.verdict == Verdict(Kind.EXISTS, "", "1", "1.zip")
    assert len(waits) == 1


def test_a_run_that_nobody_remembers_is_waited_for(journal: Journal, waits: list[float]) -> None:
    journal.memory.unsettled = time.time() + 3
    assert kinds(judged(journal, Looks(journal), pending("one"))) == [Step.DELIVER]
    assert waits == [pytest.approx(3, abs=1)]


def test_of_two_waits_the_longer_counts(journal: Journal, waits: list[float]) -> None:
    journal.memory.unsettled = time.time() + 3
    journal.intend([(HERE, "store", [])])
    judged(journal, Looks(journal), pending("one"))
    assert waits == [pytest.approx(SETTLE, abs=1)]


def test_where_nothing_is_to_be_asked_for_no_run_is_waited_for(
    journal: Journal, waits: list[float]
) -> None:
    journal.memory.unsettled = time.time() + 3
    there = Delivery("1", "one", "store", "a", "1.zip", "CREATED", "1", automated=False)
    assert kinds(judged(journal, Looks(journal, [there]), pending("one"))) == [Kind.EXISTS]
    assert waits == []


def test_a_dry_run_waits_for_nothing(journal: Journal, waits: list[float]) -> None:
    journal.intend([(HERE, "store", [])])
    found = judged(journal, Looks(journal), pending("one"), dry_run=True)
    assert (kinds(found), waits) == ([Step.WAIT], [])


def test_a_catalog_that_is_asked_for_twice_is_one_job(journal: Journal) -> None:
    first, second = judged(journal, Looks(journal), pending("one"), pending("one", path="a/"))
    assert kinds([first, second]) == [Step.DELIVER, Step.DELIVER]
    assert first.job is second.job


def test_a_catalog_that_another_record_has_delivered_is_not_delivered_elsewhere(
    journal: Journal,
) -> None:
    found = judged(journal, Looks(journal), pending("one"), pending("one", path="b"))
    assert kinds(found) == [Step.DELIVER, Kind.SKIPPED]


@pytest.mark.parametrize(
    ("settings", "kind"), [({"redeliver": True}, Step.DELIVER), ({}, "failed")]
)
def test_the_settings_rule(journal: Journal, settings: dict[str, Any], kind: str) -> None:
    failed = Delivery("1", "one", "store", "a", "1.zip", "FAILED", "1", automated=False)
    path = "b" if settings else "a"
    other = Delivery("2", "one", "store", "c", "2.zip", "CREATED", "2", automated=False)
    listed = [failed, other] if settings else [failed]
    assert kinds(
        judged(journal, Looks(journal, listed), pending("one", path=path), **settings)
    ) == [kind]
    tried = judged(journal, Looks(journal, [failed]), pending("one"), retry_failed=1)
    assert kinds(tried) == [Step.DELIVER]


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        (pending("one", store="none"), UNKNOWN_STORE),
        (pending("one", store="none", by_tap=True), NO_DELIVER_TO),
        (pending("one", path=None), "no path"),
        (pending("one", path="a" * LONGEST), "its path is too long for a key"),
    ],
)
def test_what_cannot_be_fails_and_lets_others_be(journal: Journal, wanted: Any, why: str) -> None:
    looks = Looks(journal)
    first, second = judged(journal, looks, wanted, pending("two", path="b"))
    assert (first.job, first.verdict) == (None, Verdict(Kind.FAILED, why))
    assert second.verdict == Verdict(Step.DELIVER)
    assert looks.asked == [["two"]]


def test_what_is_decided_already_stays(journal: Journal) -> None:
    skipped = Verdict(Kind.SKIPPED, "older")
    [case] = judged(journal, Looks(journal), pending(skipped))
    assert case == Case("taken", None, skipped)  # type: ignore[arg-type]  # any thing


def test_what_is_not_delivered_claims_nothing(journal: Journal) -> None:
    failed = Delivery("1", "one", "store", "a", "1.zip", "FAILED", "1", automated=False)
    looks = Looks(journal, [failed])
    found = judged(journal, looks, pending("one"), pending("one", path="b"))
    assert kinds(found) == [Kind.FAILED, Step.DELIVER]
