"""Lists that begin to be cut, or hold rows that cannot be read: nothing is sent twice for that."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.target_pixxel_store.intercepting_proxy import (
    CATALOGS,
    DELIVERIES,
    STORES,
    Answer,
    Asked,
    Between,
)
from tests.target_pixxel_store.target_runner import record, request, state

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.target_pixxel_store.target_runner import Json, Workplace

CAP = 20
ODD: tuple[object, ...] = (None, 5, "x", [], {}, {"delivery_id": 7}, {"id": None})


def keep(place: Workplace, count: int) -> None:
    """Leave so many deliveries in the sandbox, all of other catalogs than are asked for."""
    for row in place.listed()[count:]:
        place.sandbox.workspace.delete("deliveries", row["delivery_id"])
    assert len(place.listed()) == count


def each_once(place: Workplace, ids: list[str]) -> None:
    got = Counter(row["catalog_id"] for row in place.listed())
    assert {key: got[key] for key in ids} == dict.fromkeys(ids, 1)


@pytest.mark.parametrize("kept", [slice(None, CAP), slice(-CAP, None)], ids=["oldest", "newest"])
def test_a_list_that_begins_to_be_cut_during_the_run(
    place: Workplace, between: Between, kept: slice
) -> None:
    keep(place, 3)
    ids = place.catalogs(CAP + 3)

    def drop_the_first_and_cut(asked: Asked, pass_on: Callable[[], Answer]) -> Answer | None:
        answer = pass_on()
        if asked.is_a("GET", DELIVERIES):
            answer.body["deliveries"] = answer.body["deliveries"][kept]
        return None if asked.is_a("POST", DELIVERIES) else answer

    between.otherwise = drop_the_first_and_cut
    ran = place.run(*map(request, ids), state(1), settle_seconds=0.3)
    assert ran.kinds == ["created"] * len(ids)
    assert between.count("POST", DELIVERIES) == 1
    each_once(place, ids)


def test_a_cut_is_judged_with_the_rows_that_cannot_be_read(
    place: Workplace, between: Between
) -> None:
    keep(place, 17)
    ids = place.catalogs(4)
    assert place.run(*map(request, ids)).kinds == ["created"] * 4

    def cut(body: Json) -> None:
        rows = body["deliveries"]
        if len(rows) > CAP:
            body["deliveries"] = [*ODD, *rows[: CAP - len(ODD)]]

    between.alter("GET", DELIVERIES, cut)
    place.keep_journal()
    assert place.run(*map(request, ids)).kinds == ["exists"] * 4
    assert between.count("POST", DELIVERIES) == 1


def test_rows_that_cannot_be_read_are_passed_over(place: Workplace, between: Between) -> None:
    [key] = place.catalogs(1)
    item = place.sandbox.workspace.insert("order_items", {"tasks": [{"id": "t"}]})
    made = place.sandbox.workspace.insert("catalogs", {"task_id": "t"})

    def add(_asked: Asked, pass_on: Callable[[], Answer]) -> Answer:
        answer = pass_on()
        for name in ("deliveries", "stores"):
            if name in answer.body:
                answer.body[name] = [*ODD, *answer.body[name]]
        return answer

    between.otherwise = add
    messages = [
        request(key),
        record("delivery_requests", order_item_id=item, store="research"),
        state(1),
    ]
    ran = place.run(*messages)
    assert (ran.error, ran.kinds) == (None, ["created"] * 2)
    assert {line["catalog_id"] for line in ran.outcomes} == {key, made}
    assert place.run(*messages).kinds == ["exists"] * 2
    assert between.count("GET", STORES)


def test_a_page_with_rows_that_are_null(place: Workplace, between: Between) -> None:
    item = place.sandbox.workspace.insert("order_items", {"tasks": [{"id": "t"}]})
    made = place.sandbox.workspace.insert("catalogs", {"task_id": "t"})
    between.alter("POST", CATALOGS, lambda body: body["catalogs"].append(None))
    ran = place.run(
        record("delivery_requests", order_item_id=item, store="research"), state(1),
        on_error="continue",
    )  # fmt: skip
    assert ran.error is None
    assert made in {line["catalog_id"] for line in ran.outcomes if line["outcome"] == "created"}
