"""Answers that are not what was asked for, or no answers at all."""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from pixxel_api.errors import Unauthorized
from pixxel_sandbox import Behavior
from target_pixxel_store.errors import CircuitOpenError, UnexpectedDeliveryError
from tests.target_pixxel_store.intercepting_proxy import DELIVERIES, STORES, Answer, Asked, Between
from tests.target_pixxel_store.store_checks import ensure, named
from tests.target_pixxel_store.target_runner import lines_of, record, request, state

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.target_pixxel_store.target_runner import Json, Workplace

ERROR = {"error": {"code": "bad_request", "message": "no", "details": None}}


def each_once(place: Workplace, ids: list[str]) -> None:
    got = Counter(row["catalog_id"] for row in place.listed())
    assert {key: got[key] for key in ids} == dict.fromkeys(ids, 1)


@pytest.mark.parametrize("answered", [True, False], ids=["answered", "dropped"])
@pytest.mark.parametrize("path", ["pixxel/x/y/", None, "elsewhere/"])
def test_another_path_than_was_asked_for_ends_the_run(
    place: Workplace,
    between: Between,
    path: str | None,
    answered: bool,  # noqa: FBT001
) -> None:
    ids = place.catalogs(3)

    def echo(asked: Asked, pass_on: Callable[[], Answer]) -> Answer | None:
        answer = pass_on()
        if asked.path == DELIVERIES and asked.method == "POST" and not answered:
            return None
        for row in answer.body.get("deliveries", ()):
            if row["catalog_id"] in ids:
                row["cloud_delivery"]["path"] = path
        return answer

    between.otherwise = echo
    messages = [*(request(key, "analysis", path="x/y/") for key in ids[:1]), state(1),
                *(request(key, "analysis", path=f"x/{key}/") for key in ids[1:])]  # fmt: skip
    ran = place.run(*messages)
    assert isinstance(ran.error, UnexpectedDeliveryError)
    assert ran.states == []
    assert between.count("POST", DELIVERIES) == 1
    again = place.run(*messages)
    assert again.kinds == ["skipped"] * 3
    assert between.count("POST", DELIVERIES) == 1
    each_once(place, ids)


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("status", [408, 425, 429, 499, 502])
def test_a_status_that_says_nothing_of_the_write_is_a_doubt(
    place: Workplace, between: Between, status: int, count: int
) -> None:
    place.sandbox.behavior = Behavior(list_lag=0.2)
    ids = place.catalogs(count)

    def fail(asked: Asked, pass_on: Callable[[], Answer]) -> Answer:
        answer = pass_on()
        return Answer(status, ERROR) if asked.is_a("POST", DELIVERIES) else answer

    between.otherwise = fail
    ran = place.run(*map(request, ids), state(1))
    assert (ran.kinds, ran.states) == (["created"] * count, [{"upto": 1}])
    assert between.count("POST", DELIVERIES) == 1
    each_once(place, ids)


def refusing(bad: set[str]) -> Callable[[Asked, Callable[[], Answer]], Answer]:
    """Refuse requests that name some catalogs, without a word on which."""

    def refuse(asked: Asked, pass_on: Callable[[], Answer]) -> Answer:
        if asked.is_a("POST", DELIVERIES):
            named = {key for each in asked.body["deliveries"] for key in each["catalog_ids"]}
            if named & bad:
                return Answer(400, ERROR)
        return pass_on()

    return refuse


@pytest.mark.parametrize("known", [True, False], ids=["refused", "unknown"])
def test_four_bad_records_at_the_end_of_a_batch(
    place: Workplace,
    between: Between,
    known: bool,  # noqa: FBT001
) -> None:
    ids = place.catalogs(25)
    if known:
        between.otherwise = refusing(set(ids[21:]))
    else:
        ids[21:] = [f"no-such-{at}" for at in range(4)]
    ran = place.run(*map(request, ids), state(1), on_error="continue")
    assert ran.error is None
    assert Counter(ran.kinds) == {"created": 21, "failed": 4}
    assert ran.states == [{"upto": 1}]
    assert {each["record"]["catalog_id"] for each in ran.rejected[1:]} == set(ids[21:])
    each_once(place, ids[:21])


def test_unknown_ids_between_good_ones(place: Workplace) -> None:
    good = place.catalogs(15)
    ids = list(good)
    for at in range(10):
        ids.insert(2 * at, f"no-such-{at}")
    ran = place.run(*map(request, ids), state(1), on_error="continue")
    assert ran.error is None
    assert Counter(ran.kinds) == {"created": 15, "failed": 10}
    assert len(place.posts()) <= 3
    each_once(place, good)


@pytest.mark.parametrize("count", [25, 7])
@pytest.mark.parametrize("concurrency", [1, 3])
def test_a_service_that_always_fails_ends_the_run(
    place: Workplace, between: Between, count: int, concurrency: int
) -> None:
    def fail(asked: Asked, pass_on: Callable[[], Answer]) -> Answer:
        return Answer(500, ERROR) if asked.is_a("POST", DELIVERIES) else pass_on()

    between.otherwise = fail
    ran = place.run(
        *map(request, place.catalogs(count)), state(1), on_error="continue",
        settle_seconds=0.05, concurrency=concurrency, batch_size=5,
    )  # fmt: skip
    assert isinstance(ran.error, CircuitOpenError)
    assert ran.states == []
    assert "created" not in ran.kinds


def test_what_other_threads_made_is_written_when_one_is_refused(
    place: Workplace, between: Between
) -> None:
    workspace = place.sandbox.workspace
    item = workspace.insert("order_items", {"tasks": [{"id": "t"}]})
    for _ in range(12):
        workspace.insert("catalogs", {"task_id": "t"})
    made: list[str] = []
    second = threading.Event()

    def refuse_the_first(asked: Asked, pass_on: Callable[[], Answer]) -> Answer:
        if not asked.is_a("POST", DELIVERIES):
            return pass_on()
        if next(turns) == 1:
            second.wait(10)
            return Answer(401, ERROR)
        second.set()
        time.sleep(0.5)  # in flight when the first one is refused
        made.extend(key for each in asked.body["deliveries"] for key in each["catalog_ids"])
        return pass_on()

    turns = itertools.count(1)
    between.otherwise = refuse_the_first
    wanted: Json = record("delivery_requests", order_item_id=item, store="research")
    ran = place.run(wanted, state(1), batch_size=2, concurrency=2)
    assert isinstance(ran.error, Unauthorized)
    assert between.count("POST", DELIVERIES) == 2
    assert ran.kinds == ["created"] * 2
    assert {line["catalog_id"] for line in ran.outcomes} == set(made)
    assert ran.states == []


def test_a_store_that_is_answered_otherwise_is_looked_for(
    place: Workplace, between: Between
) -> None:
    def hide(asked: Asked, pass_on: Callable[[], Answer]) -> Answer:
        answer = pass_on()
        return Answer(200, {}) if asked.is_a("POST", STORES) else answer

    between.otherwise = hide
    ran = ensure(place)
    assert ran.kinds == ["created"]
    assert ran.outcomes[0]["store_id"] == named(place)[0]["id"]
    assert between.count("POST", STORES) == 1


@pytest.mark.parametrize("gone", [("projects",), ("projects", "catalogs")])
def test_the_workspace_is_known_by_what_it_has(place: Workplace, gone: tuple[str, ...]) -> None:
    """A workspace without projects still says in its lists which one it is."""
    workspace = place.sandbox.workspace
    [org] = {row["org_id"] for row in workspace.rows("projects")}
    for name in gone:
        for key in workspace.ids(name):
            workspace.delete(name, key)
    place.run(record("delivery_requests", store="research"), workspace=org)
    runs = [line for line in lines_of(place.journal) if line["is"] == "run"]
    assert runs[-1]["workspaces"] == [org]


def test_a_delivery_of_an_unreadable_time_counts(place: Workplace) -> None:
    [key] = place.catalogs(1)
    assert place.run(request(key)).kinds == ["created"]
    made = place.listed()[-1]["delivery_id"]
    place.sandbox.workspace.update("deliveries", made, created_at="soon")
    assert place.run(request(key)).kinds == ["exists"]
