"""Deletion and replacement of stores: only if nothing uses the store."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from pixxel_api.errors import Forbidden
from pixxel_sandbox import Behavior
from tests.target_pixxel_store.intercepting_proxy import (
    STORES_PATH,
    InterceptingProxy,
    ProxiedRequest,
    ProxiedResponse,
)
from tests.target_pixxel_store.store_checks import (
    NEW_STORE,
    count_delete_requests,
    run_store_record,
    stores_named,
)
from tests.target_pixxel_store.target_harness import delivery_request, record, state

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.target_pixxel_store.target_harness import Json, TargetHarness


@pytest.mark.parametrize(
    ("blocker", "deleted"),
    [("foreign", True), ("foreign", False), ("unfinished", False), ("unlisted", True),
     ("open order", True), ("unknown order status", False)],
)  # fmt: skip
def test_store_in_use_or_foreign_not_removed(
    harness: TargetHarness,
    blocker: str,
    deleted: bool,  # noqa: FBT001
) -> None:
    run_store_record(harness)
    [store] = stores_named(harness)
    [key] = harness.catalog_ids(1)
    workspace, cloud = harness.sandbox.workspace, {"config": store["id"], "path": "x"}
    reason = "unfinished deliveries"
    match blocker:
        case "foreign":
            workspace.update("stores", store["id"], labels={"managed_by": "somebody"})
            reason = "lacks the label"
        case "unfinished":
            harness.sandbox.behavior = Behavior(delivery_seconds=600)
            harness.run(delivery_request(key, "new"))
        case "unlisted":
            harness.sandbox.behavior = Behavior(delivery_seconds=0, list_lag=600)
            harness.run(delivery_request(key, "new"))
        case _:
            status = "ACTIVE" if blocker == "open order" else "OF_A_KIND_TO_COME"
            workspace.insert("order_items", {"status": status, "cloud_delivery": cloud})
            reason = "1 open order items use the store"
    settings: Json = {"settle_seconds": 20, "store_drift": "replace", "allow_delete": True}
    settings |= {"_sdc_deleted_at": "2026-01-01"} if deleted else {"region": "us-east-1"}
    result = run_store_record(harness, **settings)
    assert (result.status, result.kinds, result.states) == (1, ["failed"], [])
    assert reason in result.reasons[0]
    assert count_delete_requests(harness) == 0
    assert len(stores_named(harness)) == 1


def test_store_journal_lost_not_deleted_before_settling(harness: TargetHarness) -> None:
    harness.sandbox.behavior = Behavior(delivery_seconds=0, list_lag=1.0)
    run_store_record(harness)
    time.sleep(1.1)
    harness.sandbox.behavior = Behavior(delivery_seconds=600, list_lag=1.0)
    harness.run(delivery_request(harness.catalog_ids(1)[0], "new"))
    harness.lose_journal()
    result = run_store_record(
        harness, allow_delete=True, _sdc_deleted_at="2026-01-01", settle_seconds=1.5
    )
    assert "unfinished deliveries" in result.reasons[0]
    assert count_delete_requests(harness) == 0


def test_store_deletion_requires_allow_delete(harness: TargetHarness) -> None:
    run_store_record(harness)
    result = run_store_record(harness, _sdc_deleted_at="2026-01-01")
    assert (result.kinds, result.states) == (["skipped"], [{"upto": 1}])
    assert "allow_delete" in result.reasons[0]
    assert len(stores_named(harness)) == 1
    result = run_store_record(harness, _sdc_deleted_at="2026-01-01", allow_delete=True)
    assert (result.kinds, stores_named(harness)) == (["deleted"], [])
    result = run_store_record(harness, _sdc_deleted_at="2026-01-01", allow_delete=True)
    assert result.kinds == ["skipped"]
    assert "no store has this name" in result.reasons[0]


def test_store_recreated_deletion_skipped(harness: TargetHarness) -> None:
    run_store_record(harness)
    gone: Json = {**NEW_STORE, "id": "of-another-store", "_sdc_deleted_at": "2026-01-01"}
    result = harness.run(record("stores", **gone), state(1), allow_delete=True)
    assert (result.kinds, result.states) == (["skipped"], [{"upto": 1}])
    assert "a different one now" in result.reasons[0]
    assert count_delete_requests(harness) == 0
    gone["id"] = stores_named(harness)[0]["id"]
    assert harness.run(record("stores", **gone), allow_delete=True, dry_run=True).status == 0
    assert len(stores_named(harness)) == 1
    assert harness.run(record("stores", **gone), allow_delete=True).kinds == ["deleted"]


@pytest.mark.parametrize("failures", [1, 9])
def test_store_replacement_ignores_old_store_in_list(
    harness: TargetHarness, proxy: InterceptingProxy, failures: int
) -> None:
    run_store_record(harness)
    [old] = stores_named(harness)
    post_count = 0

    def lag_and_fail(
        request: ProxiedRequest, forward: Callable[[], ProxiedResponse]
    ) -> ProxiedResponse:
        nonlocal post_count
        if request.matches("POST", STORES_PATH):
            post_count += 1
            if post_count <= failures:
                return ProxiedResponse(503)
        response = forward()
        if request.matches("GET", STORES_PATH) and not stores_named(harness):
            response.body["stores"].append(old)
        return response

    proxy.intercept = lag_and_fail
    result = run_store_record(harness, region="us-east-1", store_drift="replace")
    assert proxy.count_requests("DELETE", f"{STORES_PATH}/{old['id']}") == 1
    if failures == 1:
        assert result.kinds == ["replaced"]
        assert result.outcomes[0]["store_id"] == stores_named(harness)[0]["id"] != old["id"]
        return
    assert (result.status, result.kinds) == (1, ["failed"])
    assert "returned 503" in result.reasons[0]
    assert f"store {old['id']} is already deleted" in result.reasons[0]
    assert run_store_record(harness, region="us-east-1").kinds == ["failed"]
    proxy.intercept = lambda _request, forward: forward()
    assert run_store_record(harness, region="us-east-1").kinds == ["created"]


def test_store_replacement_forbidden_logs_deleted_store(
    harness: TargetHarness, proxy: InterceptingProxy
) -> None:
    run_store_record(harness)
    [old] = stores_named(harness)
    proxy.intercept = lambda request, forward: (
        ProxiedResponse(403) if request.matches("POST", STORES_PATH) else forward()
    )
    result = run_store_record(harness, region="us-east-1", store_drift="replace")
    assert str(result.error).startswith("stores name new: POST /v0/stores returned 403: the token")
    assert f"deleted store 'new' ({old['id']})" in result.log


@pytest.mark.parametrize(
    ("status", "gone", "reason"),
    [
        (409, False, "the store is in use, run again later"),
        (500, False, "returned 500"),
        (500, True, ""),
    ],
)
def test_store_deletion_error_decided_by_list(
    harness: TargetHarness,
    proxy: InterceptingProxy,
    status: int,
    gone: bool,  # noqa: FBT001
    reason: str,
) -> None:
    run_store_record(harness)

    def fail(request: ProxiedRequest, forward: Callable[[], ProxiedResponse]) -> ProxiedResponse:
        if request.method != "DELETE":
            return forward()
        if gone:
            forward()
        return ProxiedResponse(status)

    proxy.intercept = fail
    result = run_store_record(harness, _sdc_deleted_at="2026-01-01", allow_delete=True)
    assert result.kinds == ["deleted" if gone else "failed"]
    assert reason in result.reasons[0]
    assert bool(stores_named(harness)) != gone


def test_store_deletion_forbidden_ends_run(
    harness: TargetHarness, proxy: InterceptingProxy
) -> None:
    run_store_record(harness)
    proxy.intercept = lambda request, forward: (
        ProxiedResponse(403) if request.method == "DELETE" else forward()
    )
    result = run_store_record(harness, _sdc_deleted_at="2026-01-01", allow_delete=True)
    assert isinstance(result.error, Forbidden)
    assert result.states == []
