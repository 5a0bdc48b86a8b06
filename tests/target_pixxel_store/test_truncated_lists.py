"""Truncated lists, and lists with unreadable rows: nothing is delivered twice."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.target_pixxel_store.intercepting_proxy import (
    CATALOG_SEARCH_PATH,
    DELIVERIES_PATH,
    InterceptingProxy,
    ProxiedRequest,
    ProxiedResponse,
)
from tests.target_pixxel_store.target_harness import delivery_request, record, state

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.target_pixxel_store.target_harness import TargetHarness

LIST_CAP = 20


def keep_deliveries(harness: TargetHarness, count: int) -> None:
    """Keep `count` deliveries in the sandbox; delete the others."""
    for row in harness.list_deliveries()[count:]:
        harness.sandbox.workspace.delete("deliveries", row["delivery_id"])
    assert len(harness.list_deliveries()) == count


def assert_delivered_once(harness: TargetHarness, ids: list[str]) -> None:
    counts = Counter(row["catalog_id"] for row in harness.list_deliveries())
    assert {key: counts[key] for key in ids} == dict.fromkeys(ids, 1)


@pytest.mark.parametrize(
    "kept", [slice(None, LIST_CAP), slice(-LIST_CAP, None)], ids=["oldest", "newest"]
)
def test_delivery_list_truncated_during_run_no_duplicates(
    harness: TargetHarness, proxy: InterceptingProxy, kept: slice
) -> None:
    keep_deliveries(harness, 3)
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
    assert_delivered_once(harness, ids)


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
