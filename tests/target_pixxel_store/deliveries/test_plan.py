"""The plan without a server: each rule that decides about a catalog, and what a view answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from target_pixxel_store.api.models import Delivery, Store
from target_pixxel_store.deliveries.plan import DeliveryRules, Reservations, decide
from target_pixxel_store.journal.journal_state import DeliveryKey, JournalState
from target_pixxel_store.locations import BucketPath
from target_pixxel_store.outcomes import Decision, NextStep, OutcomeKind
from target_pixxel_store.remote_state import DeliveryJob, WorkspaceView

if TYPE_CHECKING:
    from collections.abc import Iterable

BUCKET = BucketPath("S3", "imagery", "in")
STORE = Store("store", "mine", "eu", BUCKET, {})
ELSEWHERE = Store("other", "theirs", "eu", BucketPath("S3", "another", ""), {})
A = BUCKET.join("a")
B = BUCKET.join("b")


def delivery(
    key: str,
    status: str = "CREATED",
    *,
    catalog: str = "one",
    path: str = "a/",
    store: str = "store",
) -> Delivery:
    return Delivery(key, catalog, store, path, f"{key}.zip", status, key, automated=False)


def job(catalog: str = "one", path: str = "a") -> DeliveryJob:
    return DeliveryJob(catalog, STORE, path, BUCKET.join(path))


def remembering(*lines: dict[str, Any]) -> JournalState:
    memory = JournalState()
    for line in lines:
        memory.apply(line)
    return memory


def entry(catalog: str = "one", place: BucketPath = A, **more: Any) -> dict[str, Any]:
    return {"catalog": catalog, "place": list(place), "store": "store", **more}


def made(key: str, at: float = 5, **of: Any) -> dict[str, Any]:
    return {"is": "made", "at": at, "of": [entry(**of, id=key)]}


def intent(at: float = 5, **of: Any) -> dict[str, Any]:
    return {"is": "intent", "at": at, "of": [entry(**of)]}


def view(listed: Iterable[Delivery] = (), *lines: dict[str, Any]) -> WorkspaceView:
    seen = WorkspaceView({store.id: store for store in (STORE, ELSEWHERE)}, remembering(*lines))
    seen.add_deliveries(listed)
    return seen


def decided(
    seen: WorkspaceView,
    *,
    claims: Reservations | None = None,
    wanted: DeliveryJob | None = None,
    **rules: Any,
) -> Decision:
    return decide(wanted or job(), seen, claims or Reservations(), DeliveryRules(**rules))


def test_what_stands_nowhere_is_delivered() -> None:
    assert decided(view()) == Decision(NextStep.DELIVER)


def test_what_stands_there_is_left_alone_whatever_failed_before() -> None:
    seen = view([delivery("2"), delivery("1", "FAILED")])
    assert decided(seen) == Decision(OutcomeKind.EXISTS, "", "2", "2.zip")


def test_the_newest_delivery_decides_in_whatever_order_they_are_listed() -> None:
    seen = view([delivery("2", "FAILED"), delivery("1", "SUCCESS")])
    assert decided(seen).kind is OutcomeKind.FAILED


def test_what_the_journal_has_is_there_though_the_list_has_only_an_older_one() -> None:
    """The list lags; the older one has failed, and the newer one is its second try."""
    seen = view([delivery("1", "FAILED")], made("1"), made("2"))
    verdict = decided(seen, retry_failed=9)
    assert (verdict.kind, verdict.delivery_id) == (OutcomeKind.EXISTS, "2")
    assert "in the journal" in verdict.reason


def test_what_the_journal_has_and_the_list_shows_failed_is_no_success() -> None:
    assert decided(view([delivery("1", "FAILED")], made("1"))).kind is OutcomeKind.FAILED


def test_what_was_asked_for_without_an_answer_is_waited_for() -> None:
    verdict = decided(view((), intent()))
    assert (verdict.kind, verdict.unconfirmed) == (NextStep.WAIT, DeliveryKey("one", A))


@pytest.mark.parametrize(
    ("catalog", "place", "kind"),
    [
        ("one", B, NextStep.WAIT),
        ("one", BucketPath("S3", "another", "a"), NextStep.DELIVER),
        ("one", BucketPath("GCS", "imagery", "a"), NextStep.DELIVER),
        ("two", B, NextStep.DELIVER),
    ],
)
def test_only_a_doubt_about_the_same_catalog_and_bucket_is_waited_for(
    catalog: str, place: BucketPath, kind: NextStep
) -> None:
    assert decided(view((), intent(catalog=catalog, place=place))).kind is kind


def test_a_doubt_of_its_own_goes_before_one_elsewhere_in_the_bucket() -> None:
    seen = view((), intent(place=B), intent())
    assert decided(seen).unconfirmed == DeliveryKey("one", A)


@pytest.mark.parametrize(("retry_failed", "kind"), [(0, "failed"), (1, "failed"), (2, "deliver")])
def test_tries_are_counted_by_the_list_and_by_the_journal_together(
    retry_failed: int, kind: str
) -> None:
    """The API may forget a delivery that the journal has, and the reverse; each counts once."""
    seen = view([delivery("2", "FAILED"), delivery("3", "FAILED")], made("3"))
    verdict = decided(seen, retry_failed=retry_failed)
    assert verdict.kind == kind
    assert (f"after 2 of {retry_failed + 1} attempts" in verdict.reason) is (kind == "failed")
    assert (verdict.reason == "attempt 3") is (kind == "deliver")
    assert verdict.delivery_id == ("3" if kind == "failed" else None)


@pytest.mark.parametrize("forgotten", ["1", "2"])
def test_a_try_that_only_the_journal_knows_counts(forgotten: str) -> None:
    listed = [delivery(key, "FAILED") for key in ("1", "2", "3") if key != forgotten]
    seen = view(listed, made("1"), made("2"), made("3"))
    assert decided(seen, retry_failed=3).reason == "attempt 4"


@pytest.mark.parametrize(
    ("redeliver", "kind"), [(False, OutcomeKind.SKIPPED), (True, NextStep.DELIVER)]
)
def test_a_catalog_goes_to_a_bucket_once_unless_told_otherwise(
    redeliver: bool,  # noqa: FBT001
    kind: OutcomeKind | NextStep,
) -> None:
    verdict = decided(view([delivery("1", path="b")]), redeliver=redeliver)
    assert verdict.kind is kind
    if not redeliver:
        assert (verdict.delivery_id, verdict.target_path) == ("1", "1.zip")
        assert "elsewhere in the bucket" in verdict.reason


@pytest.mark.parametrize(
    "there",
    [
        delivery("1", "FAILED", path="b"),
        delivery("1", catalog="two", path="b"),
        delivery("1", store="other", path="b"),
    ],
)
def test_what_failed_or_is_of_others_or_in_another_bucket_keeps_nothing_back(
    there: Delivery,
) -> None:
    assert decided(view([there])).kind is NextStep.DELIVER


def test_a_failure_here_hides_no_delivery_elsewhere() -> None:
    """What stands elsewhere is looked for among all of a catalog's deliveries."""
    seen = view([delivery("1", "FAILED", path="c"), delivery("2", path="b")])
    assert (decided(seen).kind, decided(seen).delivery_id) == (OutcomeKind.SKIPPED, "2")


def test_a_delivery_to_a_store_that_is_gone_may_be_here() -> None:
    verdict = decided(view([delivery("1", store="gone")]))
    assert (verdict.kind, verdict.delivery_id) == (OutcomeKind.SKIPPED, "1")
    assert "to a deleted store" in verdict.reason


def test_a_store_that_is_gone_and_that_the_journal_remembers_is_at_its_place() -> None:
    place = {"is": "store", "id": "gone", "place": list(BUCKET)}
    seen = view([delivery("1", store="gone")], place)
    assert decided(seen) == Decision(OutcomeKind.EXISTS, "", "1", "1.zip")


def test_the_journal_knows_best_where_its_own_deliveries_go() -> None:
    """A store's prefix may be other by now than when it was delivered to."""
    seen = view([delivery("1", path="b")], made("1"))
    assert decided(seen) == Decision(OutcomeKind.EXISTS, "", "1", "1.zip")


@pytest.mark.parametrize(
    ("place", "kind"), [(B, OutcomeKind.SKIPPED), (ELSEWHERE.location, NextStep.DELIVER)]
)
def test_what_is_not_listed_yet_counts_by_the_journal(
    place: BucketPath, kind: OutcomeKind | NextStep
) -> None:
    verdict = decided(view((), made("1", place=place)))
    assert verdict.kind is kind
    if kind is OutcomeKind.SKIPPED:
        assert (verdict.delivery_id, verdict.target_path) == ("1", "")
        assert "elsewhere in the bucket" in verdict.reason


def test_what_the_journal_has_elsewhere_and_is_listed_counts_by_the_list() -> None:
    assert decided(view([delivery("1", "FAILED", path="b")], made("1", place=B))) == Decision(
        NextStep.DELIVER
    )


@pytest.mark.parametrize(
    "seen",
    [
        view([delivery("1", catalog="two")]),
        view([delivery("1", "FAILED", catalog="two")]),
        view((), made("1", catalog="two")),
    ],
    ids=["listed", "failed", "journal"],
)
def test_two_catalogs_do_not_go_to_one_path(seen: WorkspaceView) -> None:
    """Even where the other's has failed: its object may be there."""
    verdict = decided(seen)
    assert verdict.kind is OutcomeKind.FAILED
    assert "another catalog is delivered to the same path" in verdict.reason


@pytest.mark.parametrize("seen", [view([delivery("1")]), view((), made("1"))])
def test_what_a_catalog_has_here_is_neither_elsewhere_nor_another(seen: WorkspaceView) -> None:
    here = DeliveryKey("one", A)
    assert seen.delivery_elsewhere(here) is None
    assert not seen.has_other_catalog_at(here)


def test_a_run_claims_a_path_for_one_catalog() -> None:
    claims = Reservations()
    claims.add(job("two"))
    assert decided(view(), claims=claims).kind is OutcomeKind.FAILED
    assert decided(view(), claims=claims, wanted=job("two")).kind is NextStep.DELIVER
    assert decided(view(), claims=claims, wanted=job("one", "b")).kind is NextStep.DELIVER


def test_a_run_claims_a_bucket_for_each_catalog() -> None:
    claims = Reservations()
    claims.add(job())
    again = decided(view(), claims=claims, wanted=job(path="b"))
    assert again.kind is OutcomeKind.SKIPPED
    assert "elsewhere in the bucket by this run" in again.reason
    assert decided(view(), claims=claims).kind is NextStep.DELIVER
    apart = DeliveryJob("one", ELSEWHERE, "b", ELSEWHERE.location.join("b"))
    assert decided(view(), claims=claims, wanted=apart).kind is NextStep.DELIVER
    told = decided(view(), claims=claims, wanted=job(path="b"), redeliver=True)
    assert told.kind is NextStep.DELIVER


def test_an_answer_is_what_stands_there_since() -> None:
    listed = [delivery("old", "FAILED"), delivery("new"), delivery("b", path="b")]
    seen = view(listed, intent(before=["old"]))
    assert list(seen.answered_intents()) == [(DeliveryKey("one", A), "store", "new")]


@pytest.mark.parametrize(
    ("seen", "count"),
    [
        (view([delivery("1"), delivery("2", "IN_PROGRESS", catalog="two")]), 2),
        (view([delivery("1", "SUCCESS"), delivery("2", "FAILED")]), 0),
        (view([delivery("1", store="other")]), 0),
        (view((), made("1")), 1),
        (view((), made("1", store="other")), 0),
        (view([delivery("1", "SUCCESS")], made("1")), 0),
        (view((), made("1"), {"is": "final", "id": "1"}), 0),
        (view((), intent(at=11)), 1),
        (view((), intent(at=10)), 0),
        (view((), intent(at=11, store="other")), 0),
        (view([delivery("1")], made("2"), intent(at=11, catalog="two")), 3),
    ],
)
def test_what_is_unfinished_at_a_store(seen: WorkspaceView, count: int) -> None:
    """A store that something is on its way to is not deleted."""
    assert seen.count_unfinished("store", since=10) == count


def test_a_store_is_found_by_its_id_before_its_name() -> None:
    named = Store("three", "store", "eu", BUCKET, {})
    seen = WorkspaceView({each.id: each for each in (named, STORE)}, JournalState())
    assert (seen.find_store("store"), seen.find_store("mine"), seen.find_store("none")) == (
        STORE,
        STORE,
        None,
    )
