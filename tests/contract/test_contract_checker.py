"""The checker records what it should and reports violations; each deviation is in use."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import requests

from pixxel_sandbox import Behavior, Sandbox
from pixxel_sandbox.server import TOKEN
from tests.pixxel_sandbox.contract_checks import load_contract
from tests.tap_pixxel.syncs import sync
from tests.target_pixxel_store.purchases.order_harness import InsightHarness, OrderHarness
from tests.target_pixxel_store.target_harness import TargetHarness

from .operations import find_operation, request_body_validator
from .requests import REQUEST_DEVIATIONS, Request, find_request_deviation, find_request_violations
from .responses import SAMPLE_SIZE, SAMPLED_FROM_BYTES, find_response_violations

if TYPE_CHECKING:
    from pathlib import Path

    from .contract_checker import ContractChecker

SEARCH_FILTERS: dict[str, Any] = {
    "datetime": "2020-01-01T00:00:00Z/2030-01-01T00:00:00Z",
    "bbox": [-180, -90, 180, 90],
}


@pytest.fixture(autouse=True)
def _require_contract() -> None:
    load_contract()


@pytest.mark.parametrize(
    ("method", "path", "query", "body", "message"),
    [
        ("GET", "/v0/nonesuch", "", b"", "no such operation"),
        ("DELETE", "/v0/orders", "", b"", "no such operation"),
        ("GET", "/v0/orders", "updated_at=2024", b"", "?updated_at: no such parameter"),
        ("GET", "/v0/orders", "limit=ten", b"", "?limit: 'ten' must be an integer"),
        ("GET", "/v0/orders", "limit=1&limit=2", b"", "?limit: must not be repeated"),
        ("GET", "/v0/workflows/a", "", b"", "?project_id: is required"),
        ("GET", "/v0/orders", "", b"{}", "body: must be empty"),
        ("POST", "/v0/archives/search", "", b"", "body: is required"),
        ("POST", "/v0/archives/search", "", b"{", "body: must be JSON"),
        ("POST", "/v0/archives/search", "", b'{"limit": "1"}', "limit: "),
        ("POST", "/v0/archives/search", "", b'{"sort_by": []}', "sort_by: "),
        ("POST", "/v0/catalogs/download", "", b'{"catalog_ids": []}', "order_item_ids"),
        ("GET", "/v0/orders/1", "", b"", "endpoints.md states that it is not covered"),
    ],
)
def test_request_violating_contract_is_reported(
    method: str, path: str, query: str, body: bytes, message: str
) -> None:
    [violation] = find_request_violations(Request(method, path, query, body))
    assert message in violation


def test_checker_reports_plugin_requests_and_responses_of_unmodified_workspaces(
    contract_checker: ContractChecker,
) -> None:
    with Sandbox(items=10) as sandbox:
        for agent in ("curl/1", "tap-pixxel/1"):
            headers = {"Authorization": f"Bearer {TOKEN}", "User-Agent": agent}
            url = f"{sandbox.url}/v0/stores?from={agent[:4]}"
            requests.get(url, headers=headers, timeout=20)
        assert contract_checker.take_violations() == ["GET /v0/stores: ?from: no such parameter"]
        store = next(iter(sandbox.workspace._tables["stores"].values()))
        assert isinstance(store, dict)
        store["type"] = "FTP"
        sync(sandbox, "stores")
        [violation] = contract_checker.take_violations()
        assert "GET /v0/stores 200: stores/0/type" in violation
        sandbox.workspace.update("stores", store["id"], name="changed by the test")
        sync(sandbox, "stores")
        assert contract_checker.take_violations() == []


@pytest.mark.parametrize("count", [5, 500])
def test_response_violating_contract_is_reported_at_any_size(count: int) -> None:
    rows = [{"id": 7, "name": "x" * 90} for _ in range(count)]
    body = json.dumps({"orders": rows}).encode()
    assert (len(body) > SAMPLED_FROM_BYTES) == (count > 5)
    violations = list(find_response_violations("GET", "/v0/orders", 200, body))
    assert len(violations) == min(count, SAMPLE_SIZE)
    assert list(find_response_violations("GET", "/v0/orders", 204, b"{}"))
    assert list(find_response_violations("GET", "/v0/nonesuch", 200, b"{}"))
    assert list(find_response_violations("GET", "/v0/orders", 401, b'{"error": 7}'))


def price_purchases(sandbox: Sandbox, folder: Path) -> None:
    """Make a plan of an order, and one of an insight."""
    orders = OrderHarness(TargetHarness(sandbox, folder))
    assert orders.plan(orders.request(0)).kinds == ["planned"]
    insights = InsightHarness(orders.target)
    assert insights.plan(insights.request(0)).kinds == ["planned"]


def test_each_request_deviation_is_in_use(tmp_path: Path) -> None:
    """A deviation that no request needs would hide violations."""
    used = set()
    with Sandbox(items=60) as sandbox:
        for skip in (False, True):
            sandbox.behavior = Behavior(skip_paging=skip, prose_sort=skip)
            sync(sandbox, "satellite_images", "catalogs", page_size=5, **SEARCH_FILTERS)
        price_purchases(sandbox, tmp_path)
        for sent in sandbox.requests:
            operation = find_operation(sent.method, sent.path)
            assert operation is not None
            validator = request_body_validator(operation.method, operation.path)
            for error in validator.iter_errors(sent.body) if validator else ():
                location = "/".join(map(str, error.instance_path))
                names: list[str] = getattr(error.kind, "unexpected", None) or [""]
                locations = ("/".join(filter(None, (location, name))) for name in names)
                used |= {find_request_deviation(operation, each) for each in locations}
    assert used == set(REQUEST_DEVIATIONS)
