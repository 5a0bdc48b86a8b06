"""The rules that decide on a catalog, and the queries of a workspace view, without a server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from target_pixxel_store.api.models import Delivery, DeliveryJob, Store
from target_pixxel_store.deliveries.plan import (
    RULES,
    Rule,
    Situation,
    decide,
)
from target_pixxel_store.journal.journal_state import JournalState
from target_pixxel_store.locations import BucketPath, DeliveryKey
from target_pixxel_store.outcomes import Decision, NextStep, OutcomeKind
from target_pixxel_store.remote_state import WorkspaceView

if TYPE_CHECKING:
    from collections.abc import Iterable

BUCKET = BucketPath("S3", "imagery", "in")
STORE = Store("store", "mine", "eu", BUCKET, {})
OTHER_STORE = Store("other", "theirs", "eu", BucketPath("S3", "another", ""), {})
PATH_A = BUCKET.join("a")
PATH_B = BUCKET.join("b")


def make_delivery(
    key: str,
    status: str = "CREATED",
    *,
    catalog: str = "one",
    path: str = "a/",
    store: str = "store",
) -> Delivery:
    return Delivery(key, catalog, store, path, f"{key}.zip", status, key, automated=False)


def make_job(catalog: str = "one", path: str = "a", replaces: str | None = None) -> DeliveryJob:
    return DeliveryJob(catalog, STORE, path, BUCKET.join(path), replaces)


def make_journal_state(*lines: dict[str, Any]) -> JournalState:
    journal_state = JournalState()
    for line in lines:
        journal_state.apply(line)
    return journal_state


def intent_entry(
    catalog: str = "one", location: BucketPath = PATH_A, **more: Any
) -> dict[str, Any]:
    return {"catalog": catalog, "place": list(location), "store": "store"} | more


def made_line(key: str, at: float = 5, **of: Any) -> dict[str, Any]:
    return {"is": "made", "at": at, "of": [intent_entry(**of, id=key)]}


def intent_line(**of: Any) -> dict[str, Any]:
    return {"is": "intent", "at": 5, "of": [intent_entry(**of)]}


def make_view(listed: Iterable[Delivery] = (), *lines: dict[str, Any]) -> WorkspaceView:
    view = WorkspaceView(
        {store.id: store for store in (STORE, OTHER_STORE)}, make_journal_state(*lines)
    )
    view.add_deliveries(listed)
    return view


PLANNED = make_view()
PLANNED.add_planned(make_job())


def decide_on(
    view: WorkspaceView,
    *,
    planned: WorkspaceView | None = None,
    job: DeliveryJob | None = None,
    settled: bool = True,
    **rules: Any,
) -> Decision:
    """Return the decision, without the job that it repeats."""
    job = job or make_job()
    decision = decide(Situation(job, view, planned or make_view(), is_settled=settled, **rules))
    assert decision.job is job
    return decision._replace(job=None)


@pytest.mark.parametrize("done", ["SUCCESS", "SUCCESSFUL", "COMPLETED"])
@pytest.mark.parametrize("later", ["FAILED", "CREATED", "A_NEW_WORD", ""])
def test_decide_done_delivery_exists_whatever_came_later(done: str, later: str) -> None:
    view = make_view([make_delivery("2", later), make_delivery("1", done)], made_line("3"))
    assert decide_on(view, settled=False) == Decision(OutcomeKind.EXISTS, "", "1", "1.zip")


@pytest.mark.parametrize("status", ["CREATED", "IN_PROGRESS", "UNSPECIFIED", "A_NEW_WORD", ""])
def test_decide_pending_delivery_exists_and_names_status(status: str) -> None:
    listed = [make_delivery("3", "FAILED"), make_delivery("2", status), make_delivery("1", status)]
    assert decide_on(make_view(listed), settled=False, retry_failed=9) == Decision(
        OutcomeKind.EXISTS, f"pending: {status}", "2", "2.zip"
    )


@pytest.mark.parametrize(
    "listed", [[make_delivery("1", "IN_PROGRESS")], [make_delivery("1", "SUCCESS")], []]
)
def test_decide_replaced_delivery_counts_as_failed_once(listed: list[Delivery]) -> None:
    """It is replaced whether it is pending, without its object, or lost; then never again."""
    job = make_job(replaces="1")
    before = make_view(listed, made_line("1"))
    assert decide_on(before).kind is OutcomeKind.EXISTS
    assert decide_on(before, job=job).kind is NextStep.DELIVER
    lines = made_line("1"), intent_line(before=["1"], replaces="1"), made_line("2")
    for status, kind in (("CREATED", OutcomeKind.EXISTS), ("FAILED", OutcomeKind.FAILED)):
        after = make_view([*listed, make_delivery("2", status)], *lines)
        for again in (job, make_job()):
            assert (decide_on(after, job=again).kind) is kind
    assert decide_on(after, job=job, retry_failed=1).kind is NextStep.DELIVER


def test_decide_replaced_delivery_elsewhere_no_longer_blocks() -> None:
    view = make_view([make_delivery("1", path="b")])
    assert decide_on(view, job=make_job(replaces="1")).kind is NextStep.DELIVER


def test_decide_replaced_delivery_of_refused_request_still_exists() -> None:
    view = make_view([make_delivery("1")], made_line("1"), intent_line(before=["1"], replaces="1"),
                     {"is": "refused", "at": 5, "of": [intent_entry()]})  # fmt: skip
    assert decide_on(view).kind is OutcomeKind.EXISTS


@pytest.mark.parametrize("status", ["FAILED", "CREATED"])
def test_decide_unknown_replaced_delivery_fails_after_wait(status: str) -> None:
    view = make_view([make_delivery("1", status)])
    job = make_job(replaces="2")
    assert decide_on(view, job=job, settled=False).kind is NextStep.WAIT
    decision = decide_on(view, job=job, retry_failed=9)
    assert decision.kind is OutcomeKind.FAILED
    assert "names no delivery of the catalog" in decision.reason


def test_decide_newer_delivery_in_journal_exists() -> None:
    """The list lags: it has the failed first attempt, but not the second one."""
    view = make_view([make_delivery("1", "FAILED")], made_line("1"), made_line("2"))
    decision = decide_on(view, retry_failed=9)
    assert (decision.kind, decision.delivery_id) == (OutcomeKind.EXISTS, "2")
    assert "in the journal" in decision.reason


@pytest.mark.parametrize(
    ("listed", "kind"),
    [
        ([], NextStep.WAIT),
        ([make_delivery("1", "FAILED")], NextStep.WAIT),
        ([make_delivery("1", path="b")], NextStep.WAIT),
        ([make_delivery("1", catalog="two")], NextStep.WAIT),
        ([make_delivery("1")], OutcomeKind.EXISTS),
    ],
)
def test_decide_only_what_is_listed_before_the_wait(listed: list[Delivery], kind: str) -> None:
    """What is not listed may be so yet, as a request of an earlier run."""
    assert decide_on(make_view(listed), settled=False).kind is kind


@pytest.mark.parametrize(("retry_failed", "kind"), [(0, "failed"), (1, "failed"), (2, "deliver")])
def test_decide_failed_attempts_in_list_and_journal_counted_once(
    retry_failed: int, kind: str
) -> None:
    """A delivery may be missing in the list or in the journal; each counts once."""
    view = make_view([make_delivery("2", "FAILED"), make_delivery("3", "FAILED")], made_line("3"))
    decision = decide_on(view, retry_failed=retry_failed)
    assert decision.kind == kind
    assert (f"after 2 of {retry_failed + 1} attempts" in decision.reason) is (kind == "failed")
    assert decision.delivery_id == ("3" if kind == "failed" else None)


@pytest.mark.parametrize("forgotten", ["1", "2"])
def test_decide_attempt_only_in_journal_counted(forgotten: str) -> None:
    listed = [make_delivery(key, "FAILED") for key in ("1", "2", "3") if key != forgotten]
    view = make_view(listed, made_line("1"), made_line("2"), made_line("3"))
    assert decide_on(view, retry_failed=3).kind is NextStep.DELIVER
    assert "after 3 of 3 attempts" in decide_on(view, retry_failed=2).reason


@pytest.mark.parametrize(
    ("redeliver", "kind"), [(False, OutcomeKind.SKIPPED), (True, NextStep.DELIVER)]
)
def test_decide_delivered_elsewhere_in_bucket_skipped_unless_redelivered(
    redeliver: bool,  # noqa: FBT001
    kind: OutcomeKind | NextStep,
) -> None:
    decision = decide_on(make_view([make_delivery("1", path="b")]), redeliver=redeliver)
    assert decision.kind is kind
    if not redeliver:
        assert (decision.delivery_id, decision.target_path) == ("1", "1.zip")
        assert "elsewhere in the bucket" in decision.reason


@pytest.mark.parametrize(
    "existing",
    [
        make_delivery("1", "FAILED", path="b"),
        make_delivery("1", catalog="two", path="b"),
        make_delivery("1", store="other", path="b"),
    ],
)
def test_decide_unrelated_delivery_does_not_block(
    existing: Delivery,
) -> None:
    assert decide_on(make_view([existing])).kind is NextStep.DELIVER


def test_decide_failed_here_and_delivered_elsewhere_skipped() -> None:
    """A delivery elsewhere is searched among all deliveries of the catalog."""
    view = make_view([make_delivery("1", "FAILED", path="c"), make_delivery("2", path="b")])
    assert (decide_on(view).kind, decide_on(view).delivery_id) == (OutcomeKind.SKIPPED, "2")


def test_decide_delivery_to_deleted_store_skipped() -> None:
    decision = decide_on(make_view([make_delivery("1", store="gone")]))
    assert (decision.kind, decision.delivery_id) == (OutcomeKind.SKIPPED, "1")
    assert "to a deleted or unknown store" in decision.reason


def test_decide_deleted_store_in_journal_exists() -> None:
    location = {"is": "store", "id": "gone", "place": list(BUCKET)}
    view = make_view([make_delivery("1", store="gone")], location)
    assert decide_on(view) == Decision(OutcomeKind.EXISTS, "pending: CREATED", "1", "1.zip")


def test_decide_journal_location_overrides_list() -> None:
    """The prefix of a store may have changed since the delivery."""
    view = make_view([make_delivery("1", path="b")], made_line("1"))
    assert decide_on(view) == Decision(OutcomeKind.EXISTS, "pending: CREATED", "1", "1.zip")


@pytest.mark.parametrize(
    ("location", "kind"), [(PATH_B, OutcomeKind.SKIPPED), (OTHER_STORE.location, NextStep.DELIVER)]
)
def test_decide_unlisted_delivery_counted_from_journal(
    location: BucketPath, kind: OutcomeKind | NextStep
) -> None:
    decision = decide_on(make_view((), made_line("1", location=location)))
    assert decision.kind is kind
    if kind is OutcomeKind.SKIPPED:
        assert (decision.delivery_id, decision.target_path) == ("1", "")
        assert "elsewhere in the bucket" in decision.reason


def test_decide_journaled_elsewhere_listed_as_failed_delivers() -> None:
    assert decide_on(
        make_view([make_delivery("1", "FAILED", path="b")], made_line("1", location=PATH_B))
    ) == Decision(NextStep.DELIVER)


@pytest.mark.parametrize(
    "view",
    [
        make_view([make_delivery("1", catalog="two")]),
        make_view([make_delivery("1", "FAILED", catalog="two")]),
        make_view((), made_line("1", catalog="two")),
    ],
    ids=["listed", "failed", "journal"],
)
def test_decide_other_catalog_at_path_fails(view: WorkspaceView) -> None:
    """The object may exist even if the delivery of the other catalog failed."""
    decision = decide_on(view)
    assert decision.kind is OutcomeKind.FAILED
    assert "another catalog is delivered to the same path" in decision.reason


@pytest.mark.parametrize("view", [make_view([make_delivery("1")]), make_view((), made_line("1"))])
def test_workspace_view_own_delivery_not_elsewhere_nor_other(view: WorkspaceView) -> None:
    key = DeliveryKey("one", PATH_A)
    assert list(view.deliveries_elsewhere(key)) == []
    assert not view.has_other_catalog_at(key)


def test_decide_path_reserved_by_other_catalog_fails() -> None:
    planned = make_view()
    planned.add_planned(make_job("two"))
    assert decide_on(make_view(), planned=planned).kind is OutcomeKind.FAILED
    assert decide_on(make_view(), planned=planned, job=make_job("two")).kind is NextStep.DELIVER
    assert (
        decide_on(make_view(), planned=planned, job=make_job("one", "b")).kind is NextStep.DELIVER
    )


def test_decide_bucket_reserved_by_same_catalog_deferred() -> None:
    planned = make_view()
    planned.add_planned(make_job())
    again = decide_on(make_view(), planned=planned, job=make_job(path="b"))
    assert again.kind is NextStep.DEFER
    assert decide_on(make_view(), planned=planned).kind is NextStep.DELIVER
    other_job = DeliveryJob("one", OTHER_STORE, "b", OTHER_STORE.location.join("b"))
    assert decide_on(make_view(), planned=planned, job=other_job).kind is NextStep.DELIVER
    redelivered = decide_on(make_view(), planned=planned, job=make_job(path="b"), redeliver=True)
    assert redelivered.kind is NextStep.DELIVER


def test_answered_intents_earlier_deliveries_ignored() -> None:
    listed = [make_delivery("old", "FAILED"), make_delivery("new"), make_delivery("b", path="b")]
    intents = make_journal_state(intent_line(before=["old"])).intents
    answers = make_view(listed).find_answers(intents)
    assert list(answers) == [(DeliveryKey("one", PATH_A), "store", "new")]


@pytest.mark.parametrize(
    ("listed", "lines", "count"),
    [
        ([make_delivery("1"), make_delivery("2", "IN_PROGRESS", catalog="two")], (), 2),
        ([make_delivery("1", "SUCCESS"), make_delivery("2", "FAILED")], (), 0),
        ([make_delivery("1", store="other")], (), 0),
        ([], (made_line("1"),), 1),
        ([], (made_line("1", store="other"),), 0),
        ([make_delivery("1", "SUCCESS")], (made_line("1"),), 0),
        ([], (made_line("1"), {"is": "final", "id": "1"}), 0),
        ([], (intent_line(),), 1),
        ([], (intent_line(store="other"),), 0),
        ([make_delivery("1")], (made_line("2", location=PATH_B), intent_line(catalog="two")), 3),
    ],
)
def test_count_unfinished_counts_open_deliveries_of_store(
    listed: list[Delivery], lines: tuple[dict[str, Any], ...], count: int
) -> None:
    """A store with unfinished deliveries is not deleted."""
    state = make_journal_state(*lines)
    assert make_view(listed, *lines).count_unfinished("store", state) == count


SITUATIONS: list[tuple[WorkspaceView, dict[str, Any]]] = [
    (make_view([make_delivery("1", "COMPLETED")]), {}),
    (make_view(), {"job": make_job(replaces="1"), "settled": False}),
    (make_view(), {"job": make_job(replaces="1")}),
    (make_view([make_delivery("1")]), {}),
    (make_view((), made_line("1")), {}),
    (make_view([make_delivery("1", "FAILED")]), {"settled": False}),
    (make_view([make_delivery("1", "FAILED")]), {}),
    (make_view([make_delivery("1", "FAILED")]), {"retry_failed": 1}),
    (make_view(), {"is_ordered": True}),
    (make_view([make_delivery("1", path="b")]), {}),
    (make_view([make_delivery("1", store="gone")]), {}),
    (make_view(), {"planned": PLANNED, "job": make_job(path="b")}),
    (make_view([make_delivery("1", catalog="two")]), {}),
    (make_view(), {}),
]
"""For each rule, in their order, a situation in which it decides."""


@pytest.mark.parametrize(("rule", "situation"), list(zip(RULES, SITUATIONS, strict=True)))
def test_rules_each_decides_its_situation(
    rule: Rule, situation: tuple[WorkspaceView, dict[str, Any]]
) -> None:
    view, others = situation
    defaults: dict[str, Any] = {"settled": True, "job": make_job(), "planned": make_view()}
    others = defaults | others
    case = Situation(
        others["job"], view, others["planned"], others["settled"],
        retry_failed=others.get("retry_failed", 0), is_ordered=others.get("is_ordered", False),
    )  # fmt: skip
    assert next(each for each in RULES if each.applies(case)) is rule
    assert decide(case).kind is rule.kind


def test_find_store_id_preferred_to_name() -> None:
    other_store = Store("three", "store", "eu", BUCKET, {})
    view = WorkspaceView({each.id: each for each in (other_store, STORE)}, JournalState())
    assert (view.find_store("store"), view.find_store("mine"), view.find_store("none")) == (
        STORE,
        STORE,
        None,
    )
