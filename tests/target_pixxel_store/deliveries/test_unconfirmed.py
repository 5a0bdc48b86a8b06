"""Unconfirmed deliveries: ambiguous responses, and lists that lag or are truncated."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from pixxel_api.errors import Forbidden, Unauthorized
from pixxel_sandbox import Behavior
from target_pixxel_store.api.client import DELIVERIES
from target_pixxel_store.remote_state import may_be_truncated
from tests.target_pixxel_store.intercepting_proxy import CATALOG_SEARCH_PATH
from tests.target_pixxel_store.target_harness import (
    delivery_request,
    read_json_lines,
    record,
    state,
)

if TYPE_CHECKING:
    from pixxel_sandbox import RequestRecord, Workspace
    from tests.target_pixxel_store.target_harness import TargetHarness

COUNT = 8


@pytest.mark.parametrize(
    "behavior",
    [
        {"drop_accepted": 0.5},
        {"accept_part": 1.0, "part_error": 400},
        {"accept_late": 0.5, "accept_late_seconds": 0.3},
    ],
    ids=lambda behavior: "-".join(f"{name}{value}" for name, value in behavior.items()),
)
def test_ambiguous_responses_each_delivered_once(
    harness: TargetHarness, behavior: dict[str, Any]
) -> None:
    ids = harness.catalog_ids(COUNT)
    harness.sandbox.behavior = Behavior(list_lag=0.3, **behavior)
    result = harness.run(
        *[delivery_request(key) for key in ids], state(1), batch_size=4, settle_seconds=0.8
    )
    assert result.error is None
    assert result.kinds == ["created"] * COUNT
    assert result.states == [{"upto": 1}]
    time.sleep(0.4)  # requests accepted late are done by now
    harness.assert_delivered_once(ids)


@pytest.mark.parametrize("error", [0, 500])
def test_part_of_paths_of_one_catalog_accepted_not_unexpected(
    harness: TargetHarness, error: int
) -> None:
    """The delivery to one path that was requested is no stray of the others."""
    [key] = harness.catalog_ids(1)
    paths = ["a", "b", "c", "d"]
    harness.sandbox.behavior = Behavior(accept_part=1.0, part_error=error)
    messages = [*[delivery_request(key, path=path) for path in paths], state(1)]
    result = harness.run(*messages, redeliver=True)
    assert (result.error, result.kinds, result.states) == (None, ["created"] * 4, [{"upto": 1}])
    found = [row["cloud_delivery"]["path"].strip("/") for row in harness.list_deliveries()
             if row["catalog_id"] == key]  # fmt: skip
    assert sorted(found) == paths
    assert harness.run(*messages, redeliver=True).kinds == ["exists"] * 4


@pytest.mark.parametrize("dry_run", [False, True])
def test_unknown_catalog_named_alone_and_in_batch(
    harness: TargetHarness,
    dry_run: bool,  # noqa: FBT001
    capsys: pytest.CaptureFixture[str],
) -> None:
    alone = [delivery_request("no-such-catalog")]
    for messages in (alone, alone + [delivery_request(key) for key in harness.catalog_ids(3)]):
        result = harness.run(*messages, on_error="continue", dry_run=dry_run)
        output = capsys.readouterr().err if dry_run else " ".join(result.reasons)
        assert "the catalog does not exist" in output
        assert (
            dry_run or "no-such-catalog, store research: the catalog does not exist" in result.log
        )
    assert dry_run or len(harness.posted_bodies()) == 3, "the others are sent together"


def test_deliveries_only_in_journal_logged(harness: TargetHarness) -> None:
    ids = harness.catalog_ids(2)
    harness.sandbox.behavior = Behavior(list_lag=30)
    assert "known by the journal alone" not in harness.run(*map(delivery_request, ids)).log
    assert (
        "2 deliveries are recorded in the journal but not listed by the API"
        in harness.run(*map(delivery_request, ids)).log
    )


def test_intent_without_delivery_sent_after_settling(harness: TargetHarness) -> None:
    key = harness.catalog_ids(1)[0]
    entry = {"catalog": key, "place": ["GCS", "research", key]}
    harness.append_to_journal({"is": "intent", "at": time.time(), "of": [entry]})
    result = harness.run(delivery_request(key), state(1))
    assert (result.kinds, "waiting 1 s for earlier requests" in result.log) == (["created"], True)
    harness.assert_delivered_once([key])
    result = harness.run(delivery_request(harness.catalog_ids(1)[0]))
    assert (result.kinds, "waiting" in result.log) == (["created"], False)


def test_journal_lost_early_list_not_trusted(harness: TargetHarness) -> None:
    item = harness.sandbox.workspace.insert(
        "order_items", {"status": "FULFILLED", "tasks": [{"id": "t"}]}
    )
    key = harness.sandbox.workspace.insert("catalogs", {"task_id": "t"})
    row = {
        "catalog_id": key, "task_id": None, "status": "CREATED", "target_path": f"{key}.zip",
        "cloud_delivery": {"config": harness.find_store("research")["id"], "path": f"{key}/"},
        "created_at": "2026-01-01T00:00:00Z",
    }  # fmt: skip

    def insert_delivery(request: RequestRecord, workspace: Workspace) -> None:
        if request.path == CATALOG_SEARCH_PATH:  # searched between the first list and the decision
            harness.sandbox.on_request = None
            time.sleep(0.4)
            workspace.insert("deliveries", row)

    harness.lose_journal()
    harness.sandbox.on_request = insert_delivery
    order_item_request = record("delivery_requests", order_item_id=item, store="research")
    assert harness.run(order_item_request, settle_seconds=0.3).kinds == ["exists"]
    harness.assert_delivered_once([key])


def test_list_truncated_at_any_length_detected_from_journal(harness: TargetHarness) -> None:
    ids = harness.catalog_ids(16)
    harness.run(*map(delivery_request, ids))
    harness.sandbox.behavior = Behavior(list_cap=7)
    harness.sandbox.requests.clear()
    assert Counter(harness.run(*map(delivery_request, ids), settle_seconds=0.1).kinds) == {
        "exists": 16
    }
    harness.assert_delivered_once(ids)


@pytest.mark.parametrize(
    ("rows", "truncated"),
    [(0, False), (9, False), (10, True), (11, False), (64, True), (75, True), (1000, True)],
)
def test_may_be_truncated_only_for_round_lengths(rows: int, truncated: bool) -> None:  # noqa: FBT001
    assert may_be_truncated(rows) is truncated


def test_unauthorized_or_forbidden_token_ends_run(harness: TargetHarness) -> None:
    result = harness.run(delivery_request(harness.catalog_ids(1)[0]), state(1), api_token="another")
    assert isinstance(result.error, Unauthorized)
    assert result.states == []
    harness.sandbox.behavior = Behavior(forbid=frozenset({"deliveries"}))
    result = harness.run(delivery_request(harness.catalog_ids(1)[0]), state(1))
    assert isinstance(result.error, Forbidden)


def test_intent_journaled_before_post(harness: TargetHarness) -> None:
    key = harness.catalog_ids(1)[0]
    journaled: list[tuple[str, str]] = []

    def check_journal(request: RequestRecord, _workspace: object) -> None:
        if request.method == "POST" and request.path == DELIVERIES:
            last = read_json_lines(harness.journal_path)[-1]
            journaled.extend((each["catalog"], each["store"]) for each in last["of"])

    harness.sandbox.on_request = check_journal
    harness.run(delivery_request(key))
    assert journaled == [(key, harness.find_store("research")["id"])]
