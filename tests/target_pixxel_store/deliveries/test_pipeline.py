"""Delivery requests: delivered once, found again by reruns, and compared by location."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from pixxel_sandbox import Behavior
from tests.target_pixxel_store.intercepting_proxy import DELIVERIES_PATH
from tests.target_pixxel_store.store_checks import GCS_KEYS
from tests.target_pixxel_store.target_harness import (
    delivery_request,
    read_json_lines,
    record,
    state,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from pixxel_sandbox import RequestRecord
    from tests.target_pixxel_store.intercepting_proxy import (
        InterceptingProxy,
        ProxiedRequest,
        ProxiedResponse,
    )
    from tests.target_pixxel_store.target_harness import Json, TargetHarness


RESEARCH_STORE = {
    "type": "GCS",
    "bucket": "research",
    "region": "europe-west1",
    "credentials": "gcs",
}


def test_batch_contains_each_catalog_with_path(harness: TargetHarness) -> None:
    ids = harness.catalog_ids(6)
    requests = [delivery_request(key, path=f"x/{at}/") for at, key in enumerate(ids)]
    result = harness.run(*requests, state(1), batch_size=4)
    assert (result.status, result.kinds, result.states) == (0, ["created"] * 6, [{"upto": 1}])
    assert [line["object"].startswith("gs://research/x/") for line in result.outcomes] == [True] * 6
    harness.assert_delivered_once(ids)
    sent = [[(d["catalog_ids"], d["cloud_info"]["path"]) for d in p["deliveries"]]
            for p in harness.posted_bodies()]  # fmt: skip
    assert sent == [
        [([key], f"x/{at}/") for at, key in enumerate(ids)][:4],
        [([key], f"x/{at}/") for at, key in enumerate(ids)][4:],
    ]
    assert harness.posted_bodies()[0]["deliveries"][0]["order_item_ids"] == []


@pytest.mark.parametrize("path", ["x/y", "x//y//"])
def test_path_spelled_differently_is_same_delivery(harness: TargetHarness, path: str) -> None:
    key = harness.catalog_ids(1)[0]
    assert harness.run(delivery_request(key, path="x/y/")).kinds == ["created"]
    assert harness.run(delivery_request(key, path=path)).kinds == ["exists"]


@pytest.mark.parametrize("cloud", [None, {"config": None, "path": "x/"}])
def test_delivery_without_store_skipped_unless_failed_or_redelivered(
    harness: TargetHarness, cloud: Json | None
) -> None:
    """Its place is unknown, and may be the requested one."""
    ids = harness.catalog_ids(2)
    for key, status in zip(ids, ("IN_PROGRESS", "FAILED"), strict=True):
        row = {
            "delivery_id": f"d-{key}", "catalog_id": key, "task_id": None, "cloud_delivery": cloud,
            "target_path": "", "status": status, "created_at": "2026-01-01T00:00:00Z",
        }  # fmt: skip
        harness.sandbox.workspace.insert("deliveries", row)
    result = harness.run(*map(delivery_request, ids))
    assert result.kinds == ["skipped", "created"]
    assert "unknown store" in result.reasons[0]
    assert harness.run(delivery_request(ids[0]), redeliver=True).kinds == ["created"]


def test_delivery_listed_without_store_at_first_found_later(
    harness: TargetHarness, proxy: InterceptingProxy
) -> None:
    """A delivery whose place is unknown at first is still that of its request."""
    hidden = [True]

    def hide(request: ProxiedRequest, forward: Callable[[], ProxiedResponse]) -> ProxiedResponse:
        response = forward()
        was_sent = proxy.count_requests("POST", DELIVERIES_PATH)
        if request.path == DELIVERIES_PATH and hidden[0] and was_sent:
            for row in response.body["deliveries"]:
                row["cloud_delivery"] = None
            hidden[0] = request.method == "POST"
        return response

    proxy.intercept = hide
    [key] = harness.catalog_ids(1)
    assert harness.run(delivery_request(key), state(1)).kinds == ["created"]
    assert proxy.count_requests("POST", DELIVERIES_PATH) == 1


def test_delivery_elsewhere_by_same_run_that_fails_does_not_skip(harness: TargetHarness) -> None:
    """The next place of a catalog is decided by what came of the first one."""
    key, other = harness.catalog_ids(2)
    old = harness.find_store("research")
    workspace = harness.sandbox.workspace
    workspace.insert("stores", {**old, "id": "anew", "name": "anew"})
    messages = [delivery_request(key), state(1), delivery_request(key, "anew", path="b"), state(2)]
    harness.sandbox.on_request = lambda request, _: (
        workspace.delete("stores", old["id"])
        if request.method == "POST" and workspace.find("stores", old["id"])
        else None
    )
    result = harness.run(*messages, delivery_request(other, "anew"), on_error="continue")
    assert [(line["outcome"], line["catalog_id"]) for line in result.outcomes] == [
        ("failed", key), ("created", other), ("created", key),
    ]  # fmt: skip
    again = harness.run(*messages[2:3], delivery_request(key, "anew", path="c"))
    assert again.kinds == ["exists", "skipped"]
    created = result.outcomes[2]
    assert {line["delivery_id"] for line in again.outcomes} == {created["delivery_id"]}
    assert again.outcomes[0]["object"] == created["object"]


@pytest.mark.parametrize("word", ["IN_PROGRESS", "A_NEW_WORD"])
def test_pending_delivery_passed_by_state_but_waited_for(harness: TargetHarness, word: str) -> None:
    harness.sandbox.behavior = Behavior(delivery_seconds=600)
    [key] = harness.catalog_ids(1)
    harness.run(delivery_request(key))
    delivery = harness.list_deliveries()[-1]["delivery_id"]
    harness.sandbox.workspace.update("deliveries", delivery, status=word)
    result = harness.run(
        delivery_request(key), state(1), wait="finished", wait_timeout=0, verify_delivery=True
    )
    assert (result.kinds, result.reasons) == (["exists"], [f"pending: {word}"])
    assert (result.status, result.states) == (3, [{"upto": 1}])
    assert result.summary["waited"]["unfinished"] == [delivery]


def test_replace_delivery_replaces_pending_one_once(harness: TargetHarness) -> None:
    harness.sandbox.behavior = Behavior(delivery_seconds=600)
    [key] = harness.catalog_ids(1)
    harness.run(delivery_request(key))
    first = harness.list_deliveries()[-1]["delivery_id"]
    replacing = delivery_request(key, replace_delivery=first)
    assert harness.run(replacing, replacing, state(1)).kinds == ["created", "exists"]
    lines = [each for each in read_json_lines(harness.journal_path) if each["is"] == "intent"]
    assert lines[-1]["of"][0]["before"] == [first], "it does not answer the request"
    second = harness.list_deliveries()[-1]["delivery_id"]
    for journal in ("kept", "lost"):
        result = harness.run(replacing, state(1))
        assert (result.kinds, result.outcomes[0]["delivery_id"]) == (["exists"], second), journal
        harness.reset_journal()
    assert len(harness.posted_bodies()) == 2


def test_max_deliveries_reached_ends_run(harness: TargetHarness) -> None:
    ids = harness.catalog_ids(7)
    messages = [each for at, key in enumerate(ids) for each in (delivery_request(key), state(at))]
    result = harness.run(*messages, max_deliveries=4, batch_size=3)
    assert result.status == 3
    assert result.kinds == ["created"] * 4
    assert result.states[-1] == {"upto": 3}
    assert "max_deliveries" in result.summary["ended_because"]
    assert harness.run(*messages, max_deliveries=4).kinds == ["exists"] * 4 + ["created"] * 3


def test_store_record_after_its_requests_delivered(harness: TargetHarness) -> None:
    first, second = harness.catalog_ids(2)
    store = harness.find_store("research")
    harness.sandbox.workspace.delete("stores", store["id"])
    result = harness.run(
        delivery_request(first),
        state(1),
        delivery_request(second, "analysis"),
        state(2),
        record("stores", name="research", **RESEARCH_STORE),
        state(3),
        credentials={"gcs": GCS_KEYS},
        verify_bucket="off",
    )
    assert result.status == 0
    assert sorted(result.kinds) == ["created", "created", "created"]
    assert result.states == [{"upto": 3}]


def test_unknown_store_at_end_fails_request(harness: TargetHarness) -> None:
    first, second = harness.catalog_ids(2)
    result = harness.run(
        delivery_request(first, "nowhere"), state(1), delivery_request(second), state(2)
    )
    assert result.status == 1
    assert sorted(result.kinds) == ["created", "failed"]
    assert result.states == []
    names = sorted(store["name"] for store in harness.sandbox.workspace.rows("stores"))
    assert result.reasons[-1] == (
        f"no store has the name or id 'nowhere'; the stores are: {', '.join(names)}"
    )
    result = harness.run(record("catalogs", id=first), deliver_to="nowhere", deliver_since="all")
    assert "'nowhere', which 'deliver_to' names; the stores are: " in result.reasons[0]
    for store in harness.sandbox.workspace.rows("stores"):
        harness.sandbox.workspace.delete("stores", store["id"])
    result = harness.run(delivery_request(first, "nowhere"))
    assert result.reasons == ["no store has the name or id 'nowhere'; the stores are: none"]


def test_store_deleted_during_run_named(harness: TargetHarness) -> None:
    first, *ids = harness.catalog_ids(6)
    store = harness.find_store("research")

    def delete_store(request: RequestRecord, _: object) -> None:
        is_second = request.method == "POST" and len(harness.posted_bodies()) == 2
        if is_second and request.path == DELIVERIES_PATH:
            harness.sandbox.workspace.delete("stores", store["id"])

    harness.sandbox.on_request = delete_store
    result = harness.run(
        delivery_request(first), state(1), *map(delivery_request, ids), state(2),
        on_error="continue", batch_size=1,
    )  # fmt: skip
    assert (result.error, result.status) == (None, 3)
    assert Counter(result.kinds) == {"created": 1, "failed": 5}
    reason = f"the store 'research' ({store['id']}) has been deleted meanwhile; create it again"
    assert set(result.reasons) == {"", reason}
