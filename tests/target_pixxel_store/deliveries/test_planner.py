"""Cases without a server: what is waited for before anything is decided, and what cannot be."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from target_pixxel_store.api.models import Delivery, Store
from target_pixxel_store.deliveries import planner
from target_pixxel_store.deliveries.planner import (
    UNKNOWN_DELIVER_TO,
    UNKNOWN_STORE,
    DeliveryPlanner,
    PlannedCatalog,
)
from target_pixxel_store.errors import RecordError
from target_pixxel_store.journal.journal import Journal
from target_pixxel_store.journal.journal_state import DeliveryKey
from target_pixxel_store.locations import MAX_PREFIX_BYTES, BucketPath
from target_pixxel_store.outcomes import Decision, NextStep, OutcomeKind
from target_pixxel_store.remote_state import WorkspaceView

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BUCKET = BucketPath("S3", "imagery", "in")
STORE = Store("store", "mine", "eu", BUCKET, {})
HERE = DeliveryKey("one", BUCKET.join("a"))
SETTLE = 5.0


class FakeRemote:
    """Lists what it is told to, by the number of looks that there were."""

    def __init__(self, journal: Journal, *listed: list[Delivery]) -> None:
        self._journal = journal
        self._listed = listed
        self.refreshed_at = 0.0
        self.refreshes: list[float | None] = []
        self.asked: list[list[str]] = []
        self.view = WorkspaceView({}, journal.state)

    def refresh(self, max_age: float | None = None) -> WorkspaceView:
        self.refreshes.append(max_age)
        self.refreshed_at = time.time()
        self.view = WorkspaceView({STORE.id: STORE}, self._journal.state)
        if self._listed:
            self.view.add_deliveries(self._listed[min(len(self.refreshes), len(self._listed)) - 1])
        return self.view

    def refresh_catalogs(self, catalog_ids: Iterator[str]) -> None:
        self.asked.append(list(catalog_ids))


class FakeSelection:
    """Means what a request says."""

    def catalogs_by_order_item(self, pending: list[Any]) -> None:
        """Look nothing up."""

    def select_catalogs(self, pending: Any, _by_order_item: None) -> list[Any]:
        found: list[Any] = pending.request.catalogs
        return found

    def render_path(self, request: Any, _fields: dict[str, Any]) -> str:
        if request.path is None:
            raise RecordError("no path")
        path: str = request.path
        return path


def pending(
    *catalogs: str | Decision, path: str | None = "a", store: str = "mine", from_tap: bool = False
) -> Any:
    found = [each if isinstance(each, Decision) else {"catalog_id": each} for each in catalogs]
    request = SimpleNamespace(store=store, path=path, from_tap=from_tap, catalogs=found)
    return SimpleNamespace(inflight="inflight", request=request)


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that were waited for, without waiting."""
    waited: list[float] = []
    monkeypatch.setattr(
        planner, "wait_settled", lambda until, _check: waited.append(until - time.time())
    )
    return waited


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path / "journal", 0) as opened:
        opened.state.unknown_run_until = 0.0
        yield opened


def judged(
    journal: Journal, looks: FakeRemote, *wanted: Any, **settings: Any
) -> list[PlannedCatalog]:
    given = {"redeliver": False, "retry_failed": 0, "dry_run": False, "settle_seconds": SETTLE}
    judge = DeliveryPlanner(
        SimpleNamespace(**(given | settings)),  # type: ignore[arg-type]  # what it reads of them
        selection=FakeSelection(),  # type: ignore[arg-type]  # as above
        remote=looks,  # type: ignore[arg-type]  # as above
        journal=journal,
        check=lambda: None,
    )
    return judge.plan_requests(list(wanted))


def kinds(found: list[PlannedCatalog]) -> list[OutcomeKind | NextStep | None]:
    return [case.decision.kind if case.decision else None for case in found]


def test_without_a_doubt_nothing_is_waited_for(journal: Journal, waits: list[float]) -> None:
    looks = FakeRemote(journal)
    assert kinds(judged(journal, looks, pending("one"))) == [NextStep.DELIVER]
    assert (waits, looks.refreshes, looks.asked) == ([], [None], [["one"]])


def test_what_is_not_listed_when_it_surely_would_be_was_refused(
    journal: Journal, waits: list[float]
) -> None:
    journal.record_intents([(HERE, "store", [])])
    looks = FakeRemote(journal)
    assert kinds(judged(journal, looks, pending("one"))) == [NextStep.DELIVER]
    assert waits == [pytest.approx(SETTLE, abs=1)]
    assert looks.refreshes == [None, 0]
    assert looks.asked == [["one"], ["one"]]
    assert journal.state.intents == {}


def test_what_is_listed_after_the_wait_is_there(journal: Journal, waits: list[float]) -> None:
    journal.record_intents([(HERE, "store", [])])
    landed = Delivery("1", "one", "store", "a", "1.zip", "CREATED", "1", automated=False)

    class Learning(FakeRemote):
        """Tells the journal what came, as looks do."""

        def refresh(self, max_age: float | None = None) -> WorkspaceView:
            view = super().refresh(max_age)
            self._journal.record_deliveries(list(view.answered_intents()))
            return view

    [case] = judged(journal, Learning(journal, [], [landed]), pending("one"))
    assert case.decision == Decision(OutcomeKind.EXISTS, "", "1", "1.zip")
    assert len(waits) == 1


def test_a_run_that_nobody_remembers_is_waited_for(journal: Journal, waits: list[float]) -> None:
    journal.state.unknown_run_until = time.time() + 3
    assert kinds(judged(journal, FakeRemote(journal), pending("one"))) == [NextStep.DELIVER]
    assert waits == [pytest.approx(3, abs=1)]


def test_of_two_waits_the_longer_counts(journal: Journal, waits: list[float]) -> None:
    journal.state.unknown_run_until = time.time() + 3
    journal.record_intents([(HERE, "store", [])])
    judged(journal, FakeRemote(journal), pending("one"))
    assert waits == [pytest.approx(SETTLE, abs=1)]


def test_where_nothing_is_to_be_asked_for_no_run_is_waited_for(
    journal: Journal, waits: list[float]
) -> None:
    journal.state.unknown_run_until = time.time() + 3
    there = Delivery("1", "one", "store", "a", "1.zip", "CREATED", "1", automated=False)
    assert kinds(judged(journal, FakeRemote(journal, [there]), pending("one"))) == [
        OutcomeKind.EXISTS
    ]
    assert waits == []


def test_a_dry_run_waits_for_nothing(journal: Journal, waits: list[float]) -> None:
    journal.record_intents([(HERE, "store", [])])
    found = judged(journal, FakeRemote(journal), pending("one"), dry_run=True)
    assert (kinds(found), waits) == ([NextStep.WAIT], [])


def test_a_catalog_that_is_asked_for_twice_is_one_job(journal: Journal) -> None:
    first, second = judged(journal, FakeRemote(journal), pending("one"), pending("one", path="a/"))
    assert kinds([first, second]) == [NextStep.DELIVER, NextStep.DELIVER]
    assert first.job is second.job


def test_a_catalog_that_another_record_has_delivered_is_not_delivered_elsewhere(
    journal: Journal,
) -> None:
    found = judged(journal, FakeRemote(journal), pending("one"), pending("one", path="b"))
    assert kinds(found) == [NextStep.DELIVER, OutcomeKind.SKIPPED]


@pytest.mark.parametrize(
    ("settings", "kind"), [({"redeliver": True}, NextStep.DELIVER), ({}, "failed")]
)
def test_the_settings_rule(journal: Journal, settings: dict[str, Any], kind: str) -> None:
    failed = Delivery("1", "one", "store", "a", "1.zip", "FAILED", "1", automated=False)
    path = "b" if settings else "a"
    other = Delivery("2", "one", "store", "c", "2.zip", "CREATED", "2", automated=False)
    listed = [failed, other] if settings else [failed]
    assert kinds(
        judged(journal, FakeRemote(journal, listed), pending("one", path=path), **settings)
    ) == [kind]
    tried = judged(journal, FakeRemote(journal, [failed]), pending("one"), retry_failed=1)
    assert kinds(tried) == [NextStep.DELIVER]


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        (pending("one", store="none"), UNKNOWN_STORE),
        (pending("one", store="none", from_tap=True), UNKNOWN_DELIVER_TO),
        (pending("one", path=None), "no path"),
        (pending("one", path="a" * MAX_PREFIX_BYTES), "its path is too long for an object key"),
    ],
)
def test_what_cannot_be_fails_and_lets_others_be(journal: Journal, wanted: Any, why: str) -> None:
    looks = FakeRemote(journal)
    first, second = judged(journal, looks, wanted, pending("two", path="b"))
    assert (first.job, first.decision) == (None, Decision(OutcomeKind.FAILED, why))
    assert second.decision == Decision(NextStep.DELIVER)
    assert looks.asked == [["two"]]


def test_what_is_decided_already_stays(journal: Journal) -> None:
    skipped = Decision(OutcomeKind.SKIPPED, "older")
    [case] = judged(journal, FakeRemote(journal), pending(skipped))
    assert case == PlannedCatalog("inflight", None, skipped)  # type: ignore[arg-type]  # any thing


def test_what_is_not_delivered_claims_nothing(journal: Journal) -> None:
    failed = Delivery("1", "one", "store", "a", "1.zip", "FAILED", "1", automated=False)
    looks = FakeRemote(journal, [failed])
    found = judged(journal, looks, pending("one"), pending("one", path="b"))
    assert kinds(found) == [OutcomeKind.FAILED, NextStep.DELIVER]
