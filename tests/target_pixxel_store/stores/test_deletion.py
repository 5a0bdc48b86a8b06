"""Stores deleted, or replaced by new ones: only where nothing hangs on them."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest

from pixxel_api.errors import Forbidden
from pixxel_sandbox import Behavior
from tests.target_pixxel_store.intercepting_proxy import STORES, Answer, Asked, Between
from tests.target_pixxel_store.store_checks import CREDENTIALS, NEW, deletions, ensure, named
from tests.target_pixxel_store.target_runner import record, request, state

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.target_pixxel_store.target_runner import Json, Workplace


@pytest.mark.parametrize("deleted", [False, True], ids=["replaced", "deleted"])
@pytest.mark.parametrize(
    "reason", ["another's", "unfinished", "unlisted", "asked for", "an order", "an odd order"]
)
def test_a_store_in_use_or_of_others_is_left_alone(
    place: Workplace,
    reason: str,
    deleted: bool,  # noqa: FBT001
) -> None:
    ensure(place)
    [store] = named(place)
    [key] = place.catalogs(1)
    workspace, cloud = place.sandbox.workspace, {"config": store["id"], "path": "x"}
    why = "unfinished deliveries"
    match reason:
        case "another's":
            workspace.update("stores", store["id"], labels={"managed_by": "somebody"})
            why = "lacks the label"
        case "unfinished":
            place.sandbox.behavior = Behavior(delivery_seconds=600)
            place.run(request(key, "new"))
        case "unlisted":
            place.sandbox.behavior = Behavior(delivery_seconds=0, list_lag=600)
            place.run(request(key, "new"))
        case "asked for":
            entry = {"catalog": key, "place": ["S3", "images", "raw/x"], "store": store["id"]}
            line = {"is": "intent", "at": time.time(), "of": [entry]}
            with place.journal.open("a") as journal:
                journal.write(json.dumps(line) + "\n")
        case _:
            status = "ACTIVE" if reason == "an order" else "OF_A_KIND_TO_COME"
            workspace.insert("order_items", {"status": status, "cloud_delivery": cloud})
            why = "1 open order items use the store"
    settings: Json = {"settle_seconds": 20, "store_drift": "replace", "allow_delete": True}
    settings |= {"_sdc_deleted_at": "2026-01-01"} if deleted else {"region": "us-east-1"}
    ran = ensure(place, **settings)
    assert (ran.status, ran.kinds, ran.states) == (1, ["failed"], [])
    assert why in ran.reasons[0]
    assert deletions(place) == 0
    assert len(named(place)) == 1


def test_a_request_that_surely_came_to_nothing_does_not_keep_a_store(place: Workplace) -> None:
    ensure(place)
    entry = {"catalog": "c", "place": ["S3", "images", "raw/x"], "store": named(place)[0]["id"]}
    with place.journal.open("a") as journal:
        journal.write(json.dumps({"is": "intent", "at": time.time() - 60, "of": [entry]}) + "\n")
    ran = ensure(place, allow_delete=True, _sdc_deleted_at="2026-01-01")
    assert ran.kinds == ["deleted"]


def test_after_a_lost_journal_a_store_is_kept_until_all_is_listed(place: Workplace) -> None:
    place.sandbox.behavior = Behavior(delivery_seconds=0, list_lag=1.0)
    ensure(place)
    time.sleep(1.1)
    place.sandbox.behavior = Behavior(delivery_seconds=600, list_lag=1.0)
    place.run(request(place.catalogs(1)[0], "new"))
    place.journal.unlink()
    ran = ensure(place, allow_delete=True, _sdc_deleted_at="2026-01-01", settle_seconds=1.5)
    assert "unfinished deliveries" in ran.reasons[0]
    assert deletions(place) == 0


def test_a_store_is_deleted_only_where_that_is_allowed(place: Workplace) -> None:
    ensure(place)
    ran = ensure(place, _sdc_deleted_at="2026-01-01")
    assert (ran.kinds, ran.states) == (["skipped"], [{"upto": 1}])
    assert "allow_delete" in ran.reasons[0]
    assert len(named(place)) == 1
    ran = ensure(place, _sdc_deleted_at="2026-01-01", allow_delete=True)
    assert (ran.kinds, named(place)) == (["deleted"], [])
    ran = ensure(place, _sdc_deleted_at="2026-01-01", allow_delete=True)
    assert ran.kinds == ["skipped"]
    assert "no store has this name" in ran.reasons[0]


def test_a_deletion_of_a_store_that_was_made_anew_is_skipped(place: Workplace) -> None:
    ensure(place)
    gone: Json = {**NEW, "id": "of-another-store", "_sdc_deleted_at": "2026-01-01"}
    ran = place.run(record("stores", **gone), state(1), allow_delete=True)
    assert (ran.kinds, ran.states) == (["skipped"], [{"upto": 1}])
    assert "a different one now" in ran.reasons[0]
    assert deletions(place) == 0
    gone["id"] = named(place)[0]["id"]
    assert place.run(record("stores", **gone), allow_delete=True).kinds == ["deleted"]


def test_a_new_version_of_the_stream_deletes_nothing(place: Workplace) -> None:
    ensure(place)
    version = {"type": "ACTIVATE_VERSION", "stream": "stores", "version": 7}
    ran = place.run({**record("stores", **NEW), "version": 7}, version, state(1),
                    allow_delete=True, credentials=CREDENTIALS)  # fmt: skip
    assert (ran.kinds, ran.states) == (["exists"], [{"upto": 1}])
    assert deletions(place) == 0


@pytest.mark.parametrize("failures", [1, 9])
def test_the_old_store_is_not_taken_for_the_new(
    place: Workplace, between: Between, failures: int
) -> None:
    ensure(place)
    [old] = named(place)
    posted = 0

    def lag_and_fail(asked: Asked, pass_on: Callable[[], Answer]) -> Answer:
        nonlocal posted
        if asked.is_a("POST", STORES):
            posted += 1
            if posted <= failures:
                return Answer(503)
        answer = pass_on()
        if asked.is_a("GET", STORES) and not named(place):
            answer.body["stores"].append(old)
        return answer

    between.otherwise = lag_and_fail
    ran = ensure(place, region="us-east-1", store_drift="replace")
    assert between.count("DELETE", f"{STORES}/{old['id']}") == 1
    if failures == 1:
        assert ran.kinds == ["replaced"]
        assert ran.outcomes[0]["store_id"] == named(place)[0]["id"] != old["id"]
        return
    assert (ran.status, ran.kinds) == (1, ["failed"])
    assert "returned 503" in ran.reasons[0]
    assert f"store {old['id']} is already deleted" in ran.reasons[0]
    assert ensure(place, region="us-east-1").kinds == ["failed"]
    between.otherwise = lambda _asked, pass_on: pass_on()
    assert ensure(place, region="us-east-1").kinds == ["created"]


def test_a_token_that_may_not_make_stores_says_what_is_deleted(
    place: Workplace, between: Between
) -> None:
    ensure(place)
    [old] = named(place)
    between.otherwise = lambda asked, pass_on: (
        Answer(403) if asked.is_a("POST", STORES) else pass_on()
    )
    ran = ensure(place, region="us-east-1", store_drift="replace")
    assert str(ran.error).startswith("stores name new: POST /v0/stores returned 403: the token")
    assert f"deleted store 'new' ({old['id']})" in ran.log


@pytest.mark.parametrize(
    ("status", "gone", "why"),
    [
        (409, False, "the store is in use, run again later"),
        (500, False, "returned 500"),
        (500, True, ""),
    ],
)
def test_a_deletion_that_fails_counts_as_done_only_where_the_store_is_gone(
    place: Workplace,
    between: Between,
    status: int,
    gone: bool,  # noqa: FBT001
    why: str,
) -> None:
    ensure(place)

    def fail(asked: Asked, pass_on: Callable[[], Answer]) -> Answer:
        if asked.method != "DELETE":
            return pass_on()
        if gone:
            pass_on()
        return Answer(status)

    between.otherwise = fail
    ran = ensure(place, _sdc_deleted_at="2026-01-01", allow_delete=True)
    assert ran.kinds == ["deleted" if gone else "failed"]
    assert why in ran.reasons[0]
    assert bool(named(place)) != gone


def test_a_token_that_may_not_delete_stores_ends_the_run(
    place: Workplace, between: Between
) -> None:
    ensure(place)
    between.otherwise = lambda asked, pass_on: (
        Answer(403) if asked.method == "DELETE" else pass_on()
    )
    ran = ensure(place, _sdc_deleted_at="2026-01-01", allow_delete=True)
    assert isinstance(ran.error, Forbidden)
    assert ran.states == []


@pytest.mark.parametrize(
    ("settings", "kind"),
    [
        ({"_sdc_deleted_at": "2026-01-01", "allow_delete": True}, "deleted"),
        ({"region": "us-east-1", "store_drift": "replace"}, "replaced"),
    ],
)
def test_a_dry_run_removes_no_store(
    place: Workplace, capsys: pytest.CaptureFixture[str], settings: Json, kind: str
) -> None:
    ensure(place)
    ran = ensure(place, dry_run=True, **settings)
    assert kind in capsys.readouterr().err
    assert (ran.status, ran.states, deletions(place), len(named(place))) == (0, [], 0, 1)
