"""Each behavior field has its effect, and no effect by default."""

from __future__ import annotations

import time
from collections import Counter
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

import pytest
import requests
from requests.exceptions import ChunkedEncodingError

from pixxel_sandbox import Behavior, Sandbox
from pixxel_sandbox.web.faults import FAULTS

from .api_client import TIMEOUT, find_item_ids, get, iter_rows, search_rows, send_request

if TYPE_CHECKING:
    from .conftest import StartSandbox

NEWEST_UPDATES = {"updated": {"gt": "2025-06-01T00:00:00Z"}}


def observe_fault(sandbox: Sandbox) -> str:
    """Send one request and return the name of the fault or the status."""
    try:
        response = send_request(sandbox, "GET", "/v0/stores")
    except ChunkedEncodingError:
        return "truncated"
    except requests.ConnectionError:
        return "dropped"
    kind, wait = response.headers["Content-Type"], response.headers.get("Retry-After", "")
    assert kind.startswith(
        "text/html" if response.status_code in {502, 503, 504} else "application/json"
    )
    if wait and not wait.isdecimal():
        assert parsedate_to_datetime(wait).tzinfo is not None
        return f"{response.status_code} date"
    return f"{response.status_code} seconds" if wait else str(response.status_code)


def test_error_rate_1_produces_every_fault(start_sandbox: StartSandbox) -> None:
    sandbox = start_sandbox(error_rate=1.0)
    seen = Counter(observe_fault(sandbox) for _ in range(80))
    assert set(seen) == set(FAULTS)
    again = start_sandbox(error_rate=1.0)
    assert Counter(observe_fault(again) for _ in range(80)) == seen, (
        "the same seed brings the same faults"
    )


def test_control_paths_have_no_faults(start_sandbox: StartSandbox) -> None:
    sandbox = start_sandbox(error_rate=1.0, rate_limit=0.01)
    for _ in range(20):
        response = requests.get(sandbox.url + "/_sandbox/counts", timeout=TIMEOUT)
        assert response.json() == sandbox.counts()


def test_rate_limit_exceeded_returns_429_with_retry_after(start_sandbox: StartSandbox) -> None:
    sandbox = start_sandbox(rate_limit=2.0)
    responses = [send_request(sandbox, "GET", "/ping") for _ in range(6)]
    refused = [response for response in responses if response.status_code == 429]
    assert len(refused) >= 3
    assert all(int(response.headers["Retry-After"]) >= 1 for response in refused)
    time.sleep(0.6)
    assert send_request(sandbox, "GET", "/ping").status_code == 200


def test_query_with_query_options_is_ignored_empty_or_rejected(start_sandbox: StartSandbox) -> None:
    sandbox = start_sandbox()
    everything, some = find_item_ids(sandbox), find_item_ids(sandbox, query=NEWEST_UPDATES)
    assert 0 < len(some) < len(everything)
    sandbox.behavior = Behavior(ignore_query=True)
    assert find_item_ids(sandbox, query=NEWEST_UPDATES) == everything
    sandbox.behavior = Behavior(empty_query=True)
    assert find_item_ids(sandbox, query=NEWEST_UPDATES) == []
    assert find_item_ids(sandbox) == everything
    sandbox.behavior = Behavior(reject_query=True)
    body = {"query": NEWEST_UPDATES}
    assert send_request(sandbox, "POST", "/v0/archives/search", json=body).status_code == 400
    assert send_request(sandbox, "POST", "/v0/catalogs/search", json=body).status_code == 400


def test_sort_with_sort_options_is_ignored_or_rejected(start_sandbox: StartSandbox) -> None:
    sandbox = start_sandbox()
    sorting = [{"field": "id", "direction": "asc"}]
    assert find_item_ids(sandbox, sortby=sorting) != find_item_ids(sandbox)
    sandbox.behavior.ignore_sort = True
    assert find_item_ids(sandbox, sortby=sorting) == find_item_ids(sandbox)
    sandbox.behavior = Behavior(reject_sort=True)
    for path, name in (("archives", "sortby"), ("catalogs", "sort_by")):
        assert (
            send_request(sandbox, "POST", f"/v0/{path}/search", json={name: sorting}).status_code
            == 400
        )


def test_strict_sort_accepts_one_form_of_the_contract(start_sandbox: StartSandbox) -> None:
    sandbox = start_sandbox()
    forms: dict[str, list[dict[str, str]]] = {
        "schema": [{"properties->>'datetime'": "DESC"}, {"id": "ASC"}],
        "prose": [
            {"field": "properties->>'datetime'", "direction": "desc"},
            {"field": "id", "direction": "asc"},
        ],
        "mixed": [{"field": "id", "direction": "ASC"}],
    }

    def search(form: str) -> list[str] | None:
        body = {"sort_by": forms[form], "limit": 1000}
        response = send_request(sandbox, "POST", "/v0/catalogs/search", json=body)
        return [row["id"] for row in response.json()["catalogs"]] if response.ok else None

    assert search("schema") == search("prose") != search("mixed") is not None
    sandbox.behavior = Behavior(strict_sort=True)
    assert [search(form) is not None for form in forms] == [True, False, False]
    sandbox.behavior = Behavior(prose_sort=True)
    assert [search(form) is not None for form in forms] == [False, True, False]


PAGED = (("/v0/orders", "orders"), ("/v0/archives/collections/td1-l1c/items", "features"))


@pytest.mark.parametrize(("path", "key"), PAGED)
def test_insert_while_paging_repeats_row(start_sandbox: StartSandbox, path: str, key: str) -> None:
    sandbox = start_sandbox(insert_while_paging=True)
    first = get(sandbox, path, limit=3)[key]
    second = get(sandbox, path, limit=3, offset=3)[key]
    assert second[0]["id"] == first[-1]["id"]
    assert [change.kind for change in sandbox.workspace.changes] == ["insert", "insert"]
    assert get(sandbox, path, limit=1)[key][0]["id"] == sandbox.workspace.changes[1].id


@pytest.mark.parametrize(("path", "key"), PAGED)
def test_delete_while_paging_skips_row(start_sandbox: StartSandbox, path: str, key: str) -> None:
    sandbox = start_sandbox()
    whole = [row["id"] for row in get(sandbox, path, limit=1000)[key]]
    sandbox.behavior.delete_while_paging = True
    first = [row["id"] for row in get(sandbox, path, limit=3)[key]]
    deleted = sandbox.workspace.changes[0]
    assert deleted.kind == "delete"
    assert deleted.id in first
    second = [row["id"] for row in get(sandbox, path, limit=3, offset=3)[key]]
    assert second == whole[4:7]


def test_update_while_paging_changes_time_and_content(start_sandbox: StartSandbox) -> None:
    sandbox = start_sandbox(update_while_paging=True)
    workspace = sandbox.workspace
    before = {key: workspace.get("orders", key) for key in workspace.ids("orders")}
    get(sandbox, "/v0/orders", limit=3)
    (kind, resource, key) = workspace.changes[0]
    now = workspace.get("orders", key)
    assert (kind, resource) == ("update", "orders")
    changed = {name for name in now if now[name] != before[key].get(name)}
    assert changed == {"updated_at", "total_amount"}


def test_updates_reorder_puts_updated_rows_last(start_sandbox: StartSandbox) -> None:
    sandbox = start_sandbox(updates_reorder=True)
    orders = [row["id"] for row in iter_rows(sandbox, "/v0/orders", "orders")]
    images = find_item_ids(sandbox)
    for name, ids in (("orders", orders), ("archive_items", images)):
        sandbox.workspace.update(name, ids[2])
        sandbox.workspace.update(name, ids[0])
    assert [row["id"] for row in iter_rows(sandbox, "/v0/orders", "orders")] == [
        orders[1], *orders[3:], orders[2], orders[0],
    ]  # fmt: skip
    assert find_item_ids(sandbox)[-2:] == [images[2], images[0]]
    assert find_item_ids(sandbox, sortby=[{"field": "id"}]) == sorted(images)
    sandbox.behavior.updates_reorder = False
    assert find_item_ids(sandbox) == images


def test_future_timestamps_dates_one_row_per_resource(start_sandbox: StartSandbox) -> None:
    sandbox = start_sandbox(future_timestamps=True)
    items = search_rows(sandbox, "archives", limit=1000)["features"]
    rows = {
        "archive_items": [item["properties"].get("updated") for item in items],
        "catalogs": [
            r.get("updated_at") for r in search_rows(sandbox, "catalogs", limit=999)["catalogs"]
        ],
        "orders": [r.get("updated_at") for r in get(sandbox, "/v0/orders", limit=999)["orders"]],
        "deliveries": [
            r.get("updated_at") for r in get(sandbox, "/v0/catalogs/deliveries")["deliveries"]
        ],
    }
    for name, times in rows.items():
        assert sum((time or "").startswith("2999") for time in times) == 1, name


@pytest.mark.parametrize(
    "wrong",
    [
        {"error_rate": 1.1},
        {"latency_ms": -1},
        {"max_limit": -1},
        {"forbid": {"planets"}},
        {"part_error": 200},
        {"download_bytes": 9},
    ],
)
def test_behavior_out_of_bounds_raises_value_error(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Behavior(**wrong)  # type: ignore[arg-type]  # wrong on purpose
