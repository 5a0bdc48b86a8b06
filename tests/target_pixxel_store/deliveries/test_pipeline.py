"""Deliveries: asked for once, found again, and judged by where they go."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from pixxel_sandbox import Behavior
from tests.target_pixxel_store.target_runner import record, request, state

if TYPE_CHECKING:
    from tests.target_pixxel_store.target_runner import Workplace


RESEARCH = {"type": "GCS", "bucket": "research", "region": "europe-west1", "credentials": "gcs"}


def test_each_request_is_delivered_once(place: Workplace) -> None:
    ids = place.catalogs(12)
    ran = place.run(*[request(key) for key in ids], state(1))
    assert ran.status == 0
    assert ran.kinds == ["created"] * 12
    assert ran.states == [{"upto": 1}]
    assert Counter(row["catalog_id"] for row in place.listed() if row["catalog_id"] in ids) == (
        dict.fromkeys(ids, 1)
    )
    assert [line["object"].startswith("gs://research/") for line in ran.outcomes] == [True] * 12


def test_a_rerun_asks_for_nothing(place: Workplace) -> None:
    messages = [*[request(key) for key in place.catalogs(5)], state(1)]
    place.run(*messages)
    place.sandbox.requests.clear()
    ran = place.run(*messages)
    assert ran.kinds == ["exists"] * 5
    assert place.posts() == []
    assert ran.states == [{"upto": 1}]


def test_a_rerun_without_the_journal_asks_for_nothing(place: Workplace) -> None:
    messages = [*[request(key) for key in place.catalogs(5)], state(1)]
    place.run(*messages)
    place.journal.unlink()
    place.sandbox.requests.clear()
    assert place.run(*messages).kinds == ["exists"] * 5
    assert place.posts() == []


def test_a_batch_carries_many_catalogs_each_with_its_place(place: Workplace) -> None:
    ids = place.catalogs(6)
    place.run(*[request(key, path=f"x/{at}/") for at, key in enumerate(ids)], batch_size=4)
    sent = [[(d["catalog_ids"], d["cloud_info"]["path"]) for d in p["deliveries"]]
            for p in place.posts()]  # fmt: skip
    assert sent == [
        [([key], f"x/{at}/") for at, key in enumerate(ids)][:4],
        [([key], f"x/{at}/") for at, key in enumerate(ids)][4:],
    ]
    assert place.posts()[0]["deliveries"][0]["order_item_ids"] == []


@pytest.mark.parametrize("path", ["x/y", "x/y/", "x//y", "x/y//"])
def test_one_place_has_many_spellings(place: Workplace, path: str) -> None:
    key = place.catalogs(1)[0]
    assert place.run(request(key, path="x/y/")).kinds == ["created"]
    assert place.run(request(key, path=path)).kinds == ["exists"]


def test_a_store_made_anew_redelivers_nothing(place: Workplace) -> None:
    key = place.catalogs(1)[0]
    place.run(request(key))
    old = place.store("research")
    place.sandbox.workspace.insert("stores", {**old, "id": "anew", "name": "anew"})
    assert place.run(request(key, "anew")).kinds == ["exists"]


def test_a_store_that_is_gone_is_remembered(place: Workplace) -> None:
    key = place.catalogs(1)[0]
    place.run(request(key))
    old = place.store("research")
    place.sandbox.workspace.insert("stores", {**old, "id": "anew", "name": "anew"})
    place.sandbox.workspace.delete("stores", old["id"])
    ran = place.run(request(key, "anew"))
    assert ran.kinds == ["exists"]


def test_what_went_to_an_unknown_store_is_not_sent_again_unasked(place: Workplace) -> None:
    key = place.catalogs(1)[0]
    place.run(request(key))
    old = place.store("research")
    place.sandbox.workspace.insert("stores", {**old, "id": "anew", "name": "anew"})
    place.sandbox.workspace.delete("stores", old["id"])
    place.keep_journal()
    ran = place.run(request(key, "anew"))
    assert ran.kinds == ["skipped"]
    assert "to a deleted store" in ran.reasons[0]
    assert place.run(request(key, "anew"), redeliver=True).kinds == ["created"]


def test_elsewhere_in_the_bucket_is_skipped_unless_redelivered(place: Workplace) -> None:
    key = place.catalogs(1)[0]
    place.run(request(key, path="one/"))
    ran = place.run(request(key, path="two/"))
    assert ran.kinds == ["skipped"]
    assert "elsewhere in the bucket" in ran.reasons[0]
    assert place.run(request(key, path="two/"), redeliver=True).kinds == ["created"]


def test_another_bucket_is_another_delivery(place: Workplace) -> None:
    key = place.catalogs(1)[0]
    place.run(request(key))
    assert place.run(request(key, "analysis")).kinds == ["created"]


def test_one_record_twice_is_one_delivery(place: Workplace) -> None:
    key = place.catalogs(1)[0]
    ran = place.run(request(key), request(key))
    assert ran.kinds == ["created", "exists"]
    assert len(place.posts()) == 1
    assert len(place.posts()[0]["deliveries"]) == 1


def test_two_catalogs_at_one_path_collide(place: Workplace) -> None:
    first, second = place.catalogs(2)
    ran = place.run(request(first, path="x/"), request(second, path="x/"))
    assert ran.status == 1
    assert ran.kinds == ["created", "failed"]
    assert "same path" in ran.reasons[1]


def test_a_failed_delivery_is_sent_again_as_often_as_said(place: Workplace) -> None:
    place.sandbox.behavior = Behavior(delivery_seconds=0)  # nothing moves behind the test's back
    key = place.catalogs(1)[0]
    place.run(request(key))

    def fail() -> None:
        for row in place.listed():
            if row["catalog_id"] == key:
                place.sandbox.workspace.update("deliveries", row["delivery_id"], status="FAILED")

    fail()
    ran = place.run(request(key))
    assert (ran.status, ran.kinds) == (1, ["failed"])
    assert "retry_failed" in ran.reasons[0]
    assert place.run(request(key), retry_failed=1).kinds == ["created"]
    assert place.run(request(key), retry_failed=1).kinds == ["exists"]
    fail()
    assert place.run(request(key), retry_failed=1).kinds == ["failed"]


def test_retries_are_counted_from_the_list_alone_too(place: Workplace) -> None:
    place.sandbox.behavior = Behavior(delivery_seconds=0)  # nothing moves behind the test's back
    key = place.catalogs(1)[0]
    place.run(request(key))
    for row in place.listed():
        if row["catalog_id"] == key:
            place.sandbox.workspace.update("deliveries", row["delivery_id"], status="FAILED")
    place.keep_journal()
    assert place.run(request(key)).kinds == ["failed"]
    place.keep_journal()
    assert place.run(request(key), retry_failed=1).kinds == ["created"]


def test_no_more_than_the_most_deliveries(place: Workplace) -> None:
    ids = place.catalogs(7)
    messages = [each for at, key in enumerate(ids) for each in (request(key), state(at))]
    ran = place.run(*messages, max_deliveries=4, batch_size=3)
    assert ran.status == 3
    assert ran.kinds == ["created"] * 4
    assert ran.states[-1] == {"upto": 3}
    assert "max_deliveries" in ran.summary["ended_because"]
    assert place.run(*messages, max_deliveries=4).kinds == ["exists"] * 4 + ["created"] * 3


def test_a_store_may_come_after_the_requests_for_it(place: Workplace) -> None:
    first, second = place.catalogs(2)
    store = place.store("research")
    place.sandbox.workspace.delete("stores", store["id"])
    ran = place.run(
        request(first),
        state(1),
        request(second, "analysis"),
        state(2),
        record("stores", name="research", **RESEARCH),
        state(3),
        credentials={"gcs": {"project_id": "p", "service_account_credentials": "{}"}},
        verify_bucket="off",
    )
    assert ran.status == 0
    assert sorted(ran.kinds) == ["created", "created", "created"]
    assert ran.states == [{"upto": 3}]


def test_a_store_that_never_comes_is_told_at_the_end(place: Workplace) -> None:
    first, second = place.catalogs(2)
    ran = place.run(request(first, "nowhere"), state(1), request(second), state(2))
    assert ran.status == 1
    assert sorted(ran.kinds) == ["created", "failed"]
    assert ran.states == []
    assert "no store has this name" in ran.reasons[-1]
