"""The planner without a server: the waits before a decision, and impossible requests."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from target_pixxel_store.api.models import Delivery, Store
from target_pixxel_store.deliveries.planner import (
    DeliveryPlanner,
)
from target_pixxel_store.errors import RecordError
from target_pixxel_store.journal.journal import Journal
from target_pixxel_store.locations import MAX_PREFIX_BYTES, BucketPath
from target_pixxel_store.outcomes import Decision, NextStep, OutcomeKind
from target_pixxel_store.remote_state import WorkspaceView

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from target_pixxel_store.locations import DeliveryKey

BUCKET = BucketPath("S3", "imagery", "in")
STORE = Store("store", "mine", "eu", BUCKET, {})
Planned = tuple[Any, Decision]


class FakeRemoteState:
    """A remote state that returns one list of deliveries per refresh, then repeats the last."""

    def __init__(self, journal: Journal, *listed: list[Delivery]) -> None:
        self._journal = journal
        self._listed = listed
        self.is_settled = True
        self.refreshes: list[float | None] = []
        self.refreshed_ids: list[list[str]] = []
        self.ordered: set[str] = set()
        self.view = WorkspaceView({}, journal.state)

    def refresh(self, max_age: float | None = None) -> WorkspaceView:
        self.refreshes.append(max_age)
        self.is_settled = self.is_settled or max_age == 0
        self.view = WorkspaceView({STORE.id: STORE}, self._journal.state)
        if self._listed:
            self.view.add_deliveries(self._listed[min(len(self.refreshes), len(self._listed)) - 1])
        return self.view

    def refresh_catalogs(self, catalog_ids: Iterator[str]) -> None:
        self.refreshed_ids.append(list(catalog_ids))

    def find_ordered(self, keys: Iterator[DeliveryKey]) -> set[DeliveryKey]:
        return {key for key in keys if key.catalog_id in self.ordered}


class FakeSelection:
    """A selection that takes catalogs and path from the request itself."""

    def read_order_items(self, pending_request: list[Any]) -> None:
        """Send no request."""

    def select_catalogs(self, pending_request: Any, _by_order_item: None) -> list[Any]:
        catalogs: list[Any] = pending_request.request.catalogs
        return catalogs

    def render_path(self, request: Any, _fields: dict[str, Any]) -> str:
        if request.path is None:
            raise RecordError("no path")
        path: str = request.path
        return path


def pending_request(
    *catalogs: str | Decision, path: str | None = "a", store: str = "mine", from_tap: bool = False
) -> Any:
    selected = [each if isinstance(each, Decision) else {"catalog_id": each} for each in catalogs]
    request = SimpleNamespace(
        store=store, path=path, from_tap=from_tap, catalogs=selected, replace_delivery=None
    )
    return SimpleNamespace(inflight="inflight", request=request)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path / "journal", 0) as opened:
        yield opened


def plan(
    journal: Journal, remote: FakeRemoteState, *requests: Any, **settings: Any
) -> list[Planned]:
    defaults = {"redeliver": False, "retry_failed": 0}
    delivery_planner = DeliveryPlanner(
        SimpleNamespace(**(defaults | settings)),  # type: ignore[arg-type]  # the settings it reads
        selection=FakeSelection(),  # type: ignore[arg-type]  # as above
        remote=remote,  # type: ignore[arg-type]  # as above
        journal=journal,
        check=lambda: None,
    )
    return delivery_planner.plan_requests(list(requests))


def decision_kinds(planned_catalogs: list[Planned]) -> list[OutcomeKind | NextStep]:
    return [decision.kind for _, decision in planned_catalogs]


def test_planner_settled_list_decides_at_once(journal: Journal) -> None:
    remote = FakeRemoteState(journal)
    assert decision_kinds(plan(journal, remote, pending_request("one"))) == [NextStep.DELIVER]
    assert (remote.refreshes, remote.refreshed_ids) == ([None], [["one"]])
    assert not journal.state.is_settled


def test_planner_unlisted_before_the_wait_decided_by_the_next_list(journal: Journal) -> None:
    delivery = Delivery("1", "one", "store", "a", "1.zip", "CREATED", "1", automated=False)
    remote = FakeRemoteState(journal, [], [delivery])
    remote.is_settled = False
    planned = plan(journal, remote, pending_request("one"), pending_request("two", path="b"))
    assert decision_kinds(planned) == [OutcomeKind.EXISTS, NextStep.DELIVER]
    assert remote.refreshes == [None, 0]
    assert remote.refreshed_ids == [["one", "two"]] * 2
    assert journal.state.is_settled


def test_planner_listed_before_the_wait_does_not_wait(journal: Journal) -> None:
    existing = Delivery("1", "one", "store", "a", "1.zip", "CREATED", "1", automated=False)
    remote = FakeRemoteState(journal, [existing])
    remote.is_settled = False
    assert decision_kinds(plan(journal, remote, pending_request("one"))) == [OutcomeKind.EXISTS]
    assert remote.refreshes == [None]


def test_planner_duplicate_request_shares_job(journal: Journal) -> None:
    (_, first), (_, second) = plan(
        journal, FakeRemoteState(journal), pending_request("one"), pending_request("one", path="a/")
    )
    assert [first.kind, second.kind] == [NextStep.DELIVER, NextStep.DELIVER]
    assert first.job is second.job


def test_planner_catalog_planned_elsewhere_deferred(
    journal: Journal,
) -> None:
    planned_catalogs = plan(
        journal, FakeRemoteState(journal), pending_request("one"), pending_request("one", path="b")
    )
    assert decision_kinds(planned_catalogs) == [NextStep.DELIVER, NextStep.DEFER]


@pytest.mark.parametrize(
    ("settings", "kind"), [({"redeliver": True}, NextStep.DELIVER), ({}, "failed")]
)
def test_planner_settings_control_redelivery_and_retries(
    journal: Journal, settings: dict[str, Any], kind: str
) -> None:
    failed = Delivery("1", "one", "store", "a", "1.zip", "FAILED", "1", automated=False)
    path = "b" if settings else "a"
    other = Delivery("2", "one", "store", "c", "2.zip", "CREATED", "2", automated=False)
    listed = [failed, other] if settings else [failed]
    assert decision_kinds(
        plan(
            journal, FakeRemoteState(journal, listed), pending_request("one", path=path), **settings
        )
    ) == [kind]
    retried = plan(
        journal, FakeRemoteState(journal, [failed]), pending_request("one"), retry_failed=1
    )
    assert decision_kinds(retried) == [NextStep.DELIVER]


@pytest.mark.parametrize(
    ("requests", "reason"),
    [
        (
            pending_request("one", store="none"),
            "no store has the name or id 'none'; the stores are: mine",
        ),
        (
            pending_request("one", store="none", from_tap=True),
            "no store has the name or id 'none', which 'deliver_to' names; the stores are: mine",
        ),
        (pending_request("one", path=None), "no path"),
        (
            pending_request("one", path="a" * MAX_PREFIX_BYTES),
            "its path is too long for an object key",
        ),
    ],
)
def test_planner_impossible_request_fails_alone(
    journal: Journal, requests: Any, reason: str
) -> None:
    remote = FakeRemoteState(journal)
    (_, first), (_, second) = plan(journal, remote, requests, pending_request("two", path="b"))
    assert first == Decision(OutcomeKind.FAILED, reason)
    assert second.kind is NextStep.DELIVER
    assert remote.refreshed_ids == [["two"]]


def test_planner_earlier_decision_kept(journal: Journal) -> None:
    skipped = Decision(OutcomeKind.SKIPPED, "older")
    [planned] = plan(journal, FakeRemoteState(journal), pending_request(skipped))
    assert planned == ("inflight", skipped)


def test_planner_failed_catalog_reserves_nothing(journal: Journal) -> None:
    failed = Delivery("1", "one", "store", "a", "1.zip", "FAILED", "1", automated=False)
    remote = FakeRemoteState(journal, [failed])
    planned_catalogs = plan(
        journal, remote, pending_request("one"), pending_request("one", path="b")
    )
    assert decision_kinds(planned_catalogs) == [OutcomeKind.FAILED, NextStep.DELIVER]


def test_planner_catalog_delivered_by_its_order_exists(journal: Journal) -> None:
    remote = FakeRemoteState(journal)
    remote.ordered = {"one"}
    planned = plan(journal, remote, pending_request("one"), pending_request("two", path="b"))
    assert decision_kinds(planned) == [OutcomeKind.EXISTS, NextStep.DELIVER]
