"""Stores: made once, found again, and what happens where one differs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pixxel_sandbox import Behavior
from tests.target_pixxel_store.intercepting_proxy import STORES, Answer, Asked, Between
from tests.target_pixxel_store.store_checks import CREDENTIALS, KEYS, NEW, ensure, named
from tests.target_pixxel_store.target_runner import lines_of, record, request, state

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.target_pixxel_store.target_runner import Json, Workplace

DIFFERENT: dict[str, Json] = {
    "type": {"type": "GCS", "credentials": "gcs"},
    "bucket": {"bucket": "others"},
    "region": {"region": "us-east-1"},
    "path_prefix": {"path_prefix": "cooked"},
    "labels": {"labels": {"team": "soil"}},
}


def test_a_store_is_made_once(place: Workplace) -> None:
    ran = ensure(place)
    [made] = named(place)
    assert (ran.kinds, ran.states) == (["created"], [{"upto": 1}])
    assert ran.outcomes[0]["store_id"] == made["id"]
    assert made["configs"] == {"bucket": "images", "region": "eu-central-1", "path_prefix": "raw/"}
    assert made["labels"] == {
        "team": "rice", "managed_by": "pixxel-singer", "credentials_version": "1",
    }  # fmt: skip
    for spelt in ("raw", "/raw/", "raw//"):
        assert ensure(place, path_prefix=spelt, labels=None).kinds == ["exists"]
    assert len(place.posts(STORES)) == 1


@pytest.mark.parametrize("field", [*DIFFERENT, "version"])
def test_a_store_that_differs(place: Workplace, field: str) -> None:
    ensure(place)
    [old] = named(place)
    settings = DIFFERENT.get(field) or {"version": 2}
    ran = ensure(place, **settings)
    assert (ran.status, ran.kinds, ran.states) == (1, ["failed"], [])
    assert f"differs in {'the version' if field == 'version' else field}" in ran.reasons[0]
    ran = ensure(place, store_drift="keep", **settings)
    assert (ran.kinds, ran.states) == (["exists"], [{"upto": 1}])
    assert named(place) == [old]
    ran = ensure(place, store_drift="replace", **settings)
    assert (ran.kinds, ran.states) == (["replaced"], [{"upto": 1}])
    [made] = named(place)
    assert ran.outcomes[0]["store_id"] == made["id"] != old["id"]
    assert ran.outcomes[0]["reason"] == f"replaces {old['id']}"
    assert {old["id"], made["id"]} <= {
        line["id"] for line in lines_of(place.journal) if line["is"] == "store"
    }
    assert ensure(place, **settings).kinds == ["exists"]


def test_a_store_made_anew_redelivers_nothing(place: Workplace) -> None:
    place.sandbox.behavior = Behavior(delivery_seconds=0)
    ensure(place)
    [key] = place.catalogs(1)
    assert place.run(request(key, "new")).kinds == ["created"]
    assert ensure(place, store_drift="replace", version=2).kinds == ["replaced"]
    assert place.run(request(key, "new")).kinds == ["exists"]


def test_the_taps_own_records_are_understood(place: Workplace) -> None:
    ensure(place)
    [made] = named(place)
    seen: Json = {**made, "labels": {**made["labels"], "credentials_version": "old"}}
    settings: Json = {"credentials": {"new": {**KEYS, "version": 1}, "other": KEYS}}
    ran = place.run(record("stores", **seen), state(1), **settings)
    assert (ran.kinds, ran.states) == (["exists"], [{"upto": 1}])
    again: Json = {**seen, "name": "other", "credentials": "other"}
    ran = place.run(record("stores", **again), verify_bucket="off", **settings)
    assert ran.kinds == ["created"]
    [other] = named(place, "other")
    assert (other["type"], other["configs"]) == (made["type"], made["configs"])
    assert other["labels"] == {"team": "rice", "managed_by": "pixxel-singer"}


def test_declared_stores_are_ensured_before_the_first_record(place: Workplace) -> None:
    settings: Json = {"stores": [NEW], "credentials": CREDENTIALS, "verify_bucket": "off"}
    ran = place.run(request(place.catalogs(1)[0], "new"), state(1), **settings)
    assert ran.kinds == ["created", "created"]
    assert [line["stream"] for line in ran.outcomes] == ["stores (setting)", "delivery_requests"]
    settings["stores"] = [{**NEW, "region": "us-east-1"}]
    ran = place.run(request(place.catalogs(1)[0], "new"), state(1), **settings)
    assert (ran.status, ran.kinds, ran.states) == (1, ["failed"], [])
    assert "store 'new'" in ran.summary["ended_because"]


@pytest.mark.parametrize(
    "behavior",
    [{"drop_accepted": 1.0}, {"fail_accepted": 1.0},
     {"accept_late": 1.0, "accept_late_seconds": 0.5},
     {"drop_accepted": 1.0, "list_lag": 0.5}],
    ids=["dropped", "failed", "late", "lagging"],
)  # fmt: skip
def test_one_store_whatever_the_answer(place: Workplace, behavior: dict[str, Any]) -> None:
    place.sandbox.behavior = Behavior(**behavior)
    ran = ensure(place, settle_seconds=1.5)
    assert (ran.error, ran.kinds) == (None, ["created"])
    assert len(place.posts(STORES)) == 1
    assert len(named(place)) == 1
    assert ran.outcomes[0]["store_id"] == named(place)[0]["id"]


def test_a_name_that_is_taken_meanwhile(place: Workplace, between: Between) -> None:
    def take(asked: Asked, pass_on: Callable[[], Answer]) -> Answer:
        if asked.is_a("POST", STORES):
            row = {**place.store("analysis"), "id": "taken", "name": "new"}
            place.sandbox.workspace.insert("stores", row)
        return pass_on()

    between.otherwise = take
    ran = ensure(place)
    assert (ran.status, ran.kinds) == (1, ["failed"])
    assert "the name is taken by another store" in ran.reasons[0]
    assert between.count("POST", STORES) == 1
