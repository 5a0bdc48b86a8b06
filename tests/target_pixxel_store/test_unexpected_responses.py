"""Unexpected, missing and truncated responses."""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from pixxel_api.errors import Unauthorized
from pixxel_sandbox import Behavior
from target_pixxel_store.api.errors import MAX_ATTEMPTS
from target_pixxel_store.errors import CircuitOpenError, UnexpectedDeliveryError
from target_pixxel_store.remote_state import RemoteState
from tests.target_pixxel_store.intercepting_proxy import (
    CATALOG_SEARCH_PATH,
    DELIVERIES_PATH,
    STORES_PATH,
    InterceptingProxy,
    ProxiedRequest,
    ProxiedResponse,
)
from tests.target_pixxel_store.store_checks import run_store_record, stores_named
from tests.target_pixxel_store.target_harness import (
    delivery_request,
    read_json_lines,
    record,
    state,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.target_pixxel_store.target_harness import Json, TargetHarness

LIST_CAP = 20
ERROR_BODY = {"error": {"code": "bad_request", "message": "no", "details": None}}


@pytest.mark.parametrize(
    ("path", "answered"), [("pixxel/x/y/", True), (None, True), ("elsewhere/", False)]
)
def test_response_with_other_path_ends_run(
    harness: TargetHarness,
    proxy: InterceptingProxy,
    path: str | None,
    answered: bool,  # noqa: FBT001
) -> None:
    ids = harness.catalog_ids(3)

    def change_path(
        request: ProxiedRequest, forward: Callable[[], ProxiedResponse]
    ) -> ProxiedResponse | None:
        response = forward()
        if request.path == DELIVERIES_PATH and request.method == "POST" and not answered:
            return None
        for row in response.body.get("deliveries", ()):
            if row["catalog_id"] in ids:
                row["cloud_delivery"]["path"] = path
        return response

    proxy.intercept = change_path
    messages = [
        *(delivery_request(key, "analysis", path="x/y/") for key in ids[:1]),
        state(1),
        *(delivery_request(key, "analysis", path=f"x/{key}/") for key in ids[1:]),
    ]
    result = harness.run(*messages)
    assert isinstance(result.error, UnexpectedDeliveryError)
    assert result.states == []
    assert proxy.count_requests("POST", DELIVERIES_PATH) == 1
    harness.shorten_wait()  # the intents are open
    again = harness.run(*messages)
    assert again.kinds == ["skipped"] * 3
    assert proxy.count_requests("POST", DELIVERIES_PATH) == 1
    harness.assert_delivered_once(ids)


@pytest.mark.parametrize(
    ("status", "count"), [(201, 1), (408, 1), (408, 3), (425, 3), (429, 3), (499, 1), (502, 1)]
)
def test_ambiguous_status_confirmed_by_list(
    harness: TargetHarness, proxy: InterceptingProxy, status: int, count: int
) -> None:
    harness.sandbox.behavior = Behavior(list_lag=0.2)
    ids = harness.catalog_ids(count)

    def fail(request: ProxiedRequest, forward: Callable[[], ProxiedResponse]) -> ProxiedResponse:
        response = forward()
        body: Json = {"deliveries": []} if status == 201 else ERROR_BODY
        is_write = request.matches("POST", DELIVERIES_PATH)
        return ProxiedResponse(status, body) if is_write else response

    proxy.intercept = fail
    result = harness.run(*map(delivery_request, ids), state(1))
    assert (result.kinds, result.states) == (["created"] * count, [{"upto": 1}])
    assert proxy.count_requests("POST", DELIVERIES_PATH) == 1
    harness.assert_delivered_once(ids)
    lines = [line for line in read_json_lines(harness.journal_path) if line["is"] == "made"]
    made = {each["id"] for line in lines for each in line["of"]}
    assert made == {line["delivery_id"] for line in result.outcomes}


def make_rejection(
    bad: set[str],
) -> Callable[[ProxiedRequest, Callable[[], ProxiedResponse]], ProxiedResponse]:
    """Return an interceptor that rejects requests with bad catalogs without naming them."""

    def reject(request: ProxiedRequest, forward: Callable[[], ProxiedResponse]) -> ProxiedResponse:
        if request.matches("POST", DELIVERIES_PATH):
            requested = {key for each in request.body["deliveries"] for key in each["catalog_ids"]}
            if requested & bad:
                return ProxiedResponse(400, ERROR_BODY)
        return forward()

    return reject


@pytest.mark.parametrize("known", [True, False], ids=["refused", "unknown"])
def test_batch_with_bad_last_records_fails_only_those(
    harness: TargetHarness,
    proxy: InterceptingProxy,
    known: bool,  # noqa: FBT001
) -> None:
    ids = harness.catalog_ids(25)
    if known:
        proxy.intercept = make_rejection(set(ids[21:]))
    else:
        ids[21:] = [f"no-such-{at}" for at in range(4)]
    result = harness.run(*map(delivery_request, ids), state(1), on_error="continue")
    assert result.error is None
    assert Counter(result.kinds) == {"created": 21, "failed": 4}
    assert result.states == [{"upto": 1}]
    assert {each["record"]["catalog_id"] for each in result.rejected[1:]} == set(ids[21:])
    harness.assert_delivered_once(ids[:21])


@pytest.mark.parametrize(("count", "concurrency"), [(25, 1), (7, 3)])
def test_service_always_failing_ends_run(
    harness: TargetHarness, proxy: InterceptingProxy, count: int, concurrency: int
) -> None:
    def fail(request: ProxiedRequest, forward: Callable[[], ProxiedResponse]) -> ProxiedResponse:
        return (
            ProxiedResponse(500, ERROR_BODY)
            if request.matches("POST", DELIVERIES_PATH)
            else forward()
        )

    proxy.intercept = fail
    result = harness.run(
        *map(delivery_request, harness.catalog_ids(count)), state(1), on_error="continue",
        settle_seconds=0.05, concurrency=concurrency, batch_size=5,
    )  # fmt: skip
    assert isinstance(result.error, CircuitOpenError)
    assert "failures in a row (server error)" in str(result.error)
    assert result.states == []
    assert "created" not in result.kinds


@pytest.mark.parametrize("last", [None, 400], ids=["no response", "refusal"])
def test_given_up_delivery_accepted_later_not_sent_again(
    harness: TargetHarness, proxy: InterceptingProxy, last: int | None
) -> None:
    """Only a refusal of each request proves that none of them is executed later."""
    ids = harness.catalog_ids(1)
    posts: list[Callable[[], ProxiedResponse]] = []
    lists: list[ProxiedRequest] = []

    def give_up(
        request: ProxiedRequest, forward: Callable[[], ProxiedResponse]
    ) -> ProxiedResponse | None:
        if request.matches("POST", DELIVERIES_PATH):
            posts.append(forward)
            status = last if len(posts) == MAX_ATTEMPTS else 502
            return None if status is None else ProxiedResponse(status, ERROR_BODY)
        return forward()

    def accept_first_after_list(
        request: ProxiedRequest, forward: Callable[[], ProxiedResponse]
    ) -> ProxiedResponse:
        response = forward()
        if request.matches("GET", DELIVERIES_PATH) and not lists:
            lists.append(request)
            posts[0]()
        return response

    proxy.intercept = give_up
    messages = [delivery_request(key) for key in ids]
    result = harness.run(*messages, on_error="continue", settle_seconds=0.1)
    assert (result.kinds, len(posts)) == (["failed"], MAX_ATTEMPTS)
    proxy.intercept = accept_first_after_list
    harness.shorten_wait()
    assert harness.run(*messages).kinds == ["exists"]
    harness.assert_delivered_once(ids)


def test_unauthorized_thread_outcomes_of_others_recorded(
    harness: TargetHarness, proxy: InterceptingProxy
) -> None:
    workspace = harness.sandbox.workspace
    item = workspace.insert("order_items", {"tasks": [{"id": "t"}], "status": "FULFILLED"})
    for _ in range(12):
        workspace.insert("catalogs", {"task_id": "t"})
    created: list[str] = []
    second = threading.Event()

    def reject_first(
        request: ProxiedRequest, forward: Callable[[], ProxiedResponse]
    ) -> ProxiedResponse:
        if not request.matches("POST", DELIVERIES_PATH):
            return forward()
        if next(turns) == 1:
            second.wait(10)
            return ProxiedResponse(401, ERROR_BODY)
        second.set()
        time.sleep(0.5)  # in flight when the first one is rejected
        created.extend(key for each in request.body["deliveries"] for key in each["catalog_ids"])
        return forward()

    turns = itertools.count(1)
    proxy.intercept = reject_first
    order_item_request: Json = record("delivery_requests", order_item_id=item, store="research")
    result = harness.run(order_item_request, state(1), batch_size=2, concurrency=2)
    assert isinstance(result.error, Unauthorized)
    assert proxy.count_requests("POST", DELIVERIES_PATH) == 2
    assert result.kinds == ["created"] * 2
    assert {line["catalog_id"] for line in result.outcomes} == set(created)
    assert result.states == []


def test_store_create_unexpected_response_finds_store(
    harness: TargetHarness, proxy: InterceptingProxy
) -> None:
    def hide_created_store(
        request: ProxiedRequest, forward: Callable[[], ProxiedResponse]
    ) -> ProxiedResponse:
        response = forward()
        return ProxiedResponse(200, {}) if request.matches("POST", STORES_PATH) else response

    proxy.intercept = hide_created_store
    result = run_store_record(harness)
    assert result.kinds == ["created"]
    assert result.outcomes[0]["store_id"] == stores_named(harness)[0]["id"]
    assert proxy.count_requests("POST", STORES_PATH) == 1


@pytest.mark.parametrize("emptied", [("projects",), ("projects", "catalogs")])
def test_workspace_without_projects_identified_by_lists(
    harness: TargetHarness, emptied: tuple[str, ...]
) -> None:
    """Other lists than projects contain the id of the workspace, too."""
    workspace = harness.sandbox.workspace
    [org] = {row["org_id"] for row in workspace.rows("projects")}
    for name in emptied:
        for key in workspace.ids(name):
            workspace.delete(name, key)
    harness.run(record("delivery_requests", store="research"), workspace=org)
    runs = [line for line in read_json_lines(harness.journal_path) if line["is"] == "run"]
    assert runs[-1]["workspaces"] == [org]


def test_delivery_with_unreadable_time_counts(harness: TargetHarness) -> None:
    [key] = harness.catalog_ids(1)
    assert harness.run(delivery_request(key)).kinds == ["created"]
    created = harness.list_deliveries()[-1]["delivery_id"]
    harness.sandbox.workspace.update("deliveries", created, created_at="soon")
    assert harness.run(delivery_request(key)).kinds == ["exists"]


@pytest.mark.parametrize(
    "kept", [slice(None, LIST_CAP), slice(-LIST_CAP, None)], ids=["oldest", "newest"]
)
def test_delivery_list_truncated_during_run_no_duplicates(
    harness: TargetHarness, proxy: InterceptingProxy, kept: slice
) -> None:
    for row in harness.list_deliveries()[3:]:
        harness.sandbox.workspace.delete("deliveries", row["delivery_id"])
    ids = harness.catalog_ids(LIST_CAP + 3)

    def drop_post_and_truncate_list(
        request: ProxiedRequest, forward: Callable[[], ProxiedResponse]
    ) -> ProxiedResponse | None:
        response = forward()
        if request.matches("GET", DELIVERIES_PATH):
            response.body["deliveries"] = response.body["deliveries"][kept]
        return None if request.matches("POST", DELIVERIES_PATH) else response

    proxy.intercept = drop_post_and_truncate_list
    result = harness.run(*map(delivery_request, ids), state(1), settle_seconds=0.3)
    assert result.kinds == ["created"] * len(ids)
    assert proxy.count_requests("POST", DELIVERIES_PATH) == 1
    harness.assert_delivered_once(ids)


def test_catalog_page_null_rows_skipped(harness: TargetHarness, proxy: InterceptingProxy) -> None:
    order_item = harness.sandbox.workspace.insert(
        "order_items", {"status": "FULFILLED", "tasks": [{"id": "t"}]}
    )
    catalog = harness.sandbox.workspace.insert("catalogs", {"task_id": "t"})
    proxy.modify_responses("POST", CATALOG_SEARCH_PATH, lambda body: body["catalogs"].append(None))
    result = harness.run(
        record("delivery_requests", order_item_id=order_item, store="research"), state(1),
        on_error="continue",
    )  # fmt: skip
    assert result.error is None
    assert catalog in {
        line["catalog_id"] for line in result.outcomes if line["outcome"] == "created"
    }


def test_given_up_delivery_open_while_the_run_goes_on(
    harness: TargetHarness, proxy: InterceptingProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lists of the run itself close only what earlier runs left open."""
    monkeypatch.setattr(RemoteState.refresh, "__kwdefaults__", {"max_age": 0})  # lists each time
    first, second = harness.catalog_ids(2)

    def fail_first(
        request: ProxiedRequest, forward: Callable[[], ProxiedResponse]
    ) -> ProxiedResponse:
        failing = request.matches("POST", DELIVERIES_PATH) and first in json.dumps(request.body)
        return ProxiedResponse(502, ERROR_BODY) if failing else forward()

    proxy.intercept = fail_first
    result = harness.run(
        *map(delivery_request, (first, second)), on_error="continue", settle_seconds=0.1,
        batch_size=1,
    )  # fmt: skip
    assert result.kinds == ["failed", "created"]
    lines = read_json_lines(harness.journal_path)
    assert not [line for line in lines if line["is"] == "refused"]
