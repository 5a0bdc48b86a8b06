"""Each bad habit does what its switch says, and does nothing while it is off."""

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime

import pytest
import requests
from requests.exceptions import ChunkedEncodingError

from pixxel_sandbox import Behavior, RequestRecord, Sandbox, Workspace
from pixxel_sandbox.web.faults import FAULTS

from .client import TIMEOUT, found, get, search, send, sweep
from .conftest import Start

NEWEST_UPDATES = {"updated": {"gt": "2025-06-01T00:00:00Z"}}


def test_latency_delays_the_answer(start: Start) -> None:
    sandbox = start(latency_ms=80)
    before = time.monotonic()
    get(sandbox, "/ping")
    assert time.monotonic() - before >= 0.08


def fault(sandbox: Sandbox) -> str:
    """Sends one request and names what became of it."""
    try:
        answer = send(sandbox, "GET", "/v0/stores")
    except ChunkedEncodingError:
        return "truncated"
    except requests.ConnectionError:
        return "dropped"
    kind, wait = answer.headers["Content-Type"], answer.headers.get("Retry-After", "")
    assert kind.startswith(
        "text/html" if answer.status_code in {502, 503, 504} else "application/json"
    )
    if wait and not wait.isdecimal():
        assert parsedate_to_datetime(wait).tzinfo is not None
        return f"{answer.status_code} date"
    return f"{answer.status_code} seconds" if wait else str(answer.status_code)


def test_every_fault_happens_and_is_what_it_says(start: Start) -> None:
    sandbox = start(error_rate=1.0)
    seen = Counter(fault(sandbox) for _ in range(80))
    assert set(seen) == set(FAULTS)
    again = start(error_rate=1.0)
    assert Counter(fault(again) for _ in range(80)) == seen, "the same seed brings the same faults"


def test_faults_never_hit_the_control_paths(start: Start) -> None:
    sandbox = start(error_rate=1.0, rate_limit=0.01)
    for _ in range(20):
        answer = requests.get(sandbox.url + "/_sandbox/counts", timeout=TIMEOUT)
        assert answer.json() == sandbox.counts()


def test_the_error_rate_is_a_share(start: Start) -> None:
    sandbox = start(error_rate=0.3)
    failed = sum(fault(sandbox) != "200" for _ in range(100))
    assert 15 <= failed <= 45


def test_a_rate_limit_answers_429_with_a_wait(start: Start) -> None:
    sandbox = start(rate_limit=2.0)
    answers = [send(sandbox, "GET", "/ping") for _ in range(6)]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert len(refused) >= 3
    assert all(int(answer.headers["Retry-After"]) >= 1 for answer in refused)
    time.sleep(0.6)
    assert send(sandbox, "GET", "/ping").status_code == 200


def test_a_query_may_be_ignored_or_find_nothing_or_be_refused(start: Start) -> None:
    sandbox = start()
    everything, some = found(sandbox), found(sandbox, query=NEWEST_UPDATES)
    assert 0 < len(some) < len(everything)
    sandbox.behavior = Behavior(ignore_query=True)
    assert found(sandbox, query=NEWEST_UPDATES) == everything
    sandbox.behavior = Behavior(empty_query=True)
    assert found(sandbox, query=NEWEST_UPDATES) == []
    assert found(sandbox) == everything
    sandbox.behavior = Behavior(reject_query=True)
    body = {"query": NEWEST_UPDATES}
    assert send(sandbox, "POST", "/v0/archives/search", json=body).status_code == 400
    assert send(sandbox, "POST", "/v0/catalogs/search", json=body).status_code == 400


def test_an_order_may_be_ignored_or_refused(start: Start) -> None:
    sandbox = start()
    sorting = [{"field": "id", "direction": "asc"}]
    assert found(sandbox, sortby=sorting) != found(sandbox)
    sandbox.behavior.ignore_sort = True
    assert found(sandbox, sortby=sorting) == found(sandbox)
    sandbox.behavior = Behavior(reject_sort=True)
    for path, name in (("archives", "sortby"), ("catalogs", "sort_by")):
        assert send(sandbox, "POST", f"/v0/{path}/search", json={name: sorting}).status_code == 400


PAGED = (("/v0/orders", "orders"), ("/v0/archives/collections/td1-l1c/items", "features"))


@pytest.mark.parametrize(("path", "key"), PAGED)
def test_inserts_while_paging_repeat_a_row(start: Start, path: str, key: str) -> None:
    sandbox = start(insert_while_paging=True)
    first = get(sandbox, path, limit=3)[key]
    second = get(sandbox, path, limit=3, offset=3)[key]
    assert second[0]["id"] == first[-1]["id"]
    assert [change.kind for change in sandbox.workspace.changes] == ["insert", "insert"]
    assert get(sandbox, path, limit=1)[key][0]["id"] == sandbox.workspace.changes[1].id


@pytest.mark.parametrize(("path", "key"), PAGED)
def test_deletes_while_paging_skip_a_row(start: Start, path: str, key: str) -> None:
    sandbox = start()
    whole = [row["id"] for row in get(sandbox, path, limit=1000)[key]]
    sandbox.behavior.delete_while_paging = True
    first = [row["id"] for row in get(sandbox, path, limit=3)[key]]
    deleted = sandbox.workspace.changes[0]
    assert deleted.kind == "delete"
    assert deleted.id in first
    second = [row["id"] for row in get(sandbox, path, limit=3, offset=3)[key]]
    assert second == whole[4:7]


def test_updates_while_paging_change_time_and_content(start: Start) -> None:
    sandbox = start(update_while_paging=True)
    workspace = sandbox.workspace
    before = {key: workspace.get("orders", key) for key in workspace.ids("orders")}
    get(sandbox, "/v0/orders", limit=3)
    (kind, resource, key) = workspace.changes[0]
    now = workspace.get("orders", key)
    assert (kind, resource) == ("update", "orders")
    changed = {name for name in now if now[name] != before[key].get(name)}
    assert changed == {"updated_at", "total_amount"}


def test_updates_reorder_lists_without_an_order(start: Start) -> None:
    sandbox = start(updates_reorder=True)
    orders = [row["id"] for row in sweep(sandbox, "/v0/orders", "orders")]
    images = found(sandbox)
    for name, ids in (("orders", orders), ("archive_items", images)):
        sandbox.workspace.update(name, ids[2])
        sandbox.workspace.update(name, ids[0])
    assert [row["id"] for row in sweep(sandbox, "/v0/orders", "orders")] == [
        orders[1], *orders[3:], orders[2], orders[0],
    ]  # fmt: skip
    assert found(sandbox)[-2:] == [images[2], images[0]]
    assert found(sandbox, sortby=[{"field": "id"}]) == sorted(images)
    sandbox.behavior.updates_reorder = False
    assert found(sandbox) == images


def test_the_future_is_dated_2999_once_per_resource(start: Start) -> None:
    sandbox = start(future_timestamps=True)
    items = search(sandbox, "archives", limit=1000)["features"]
    rows = {
        "archive_items": [item["properties"].get("updated") for item in items],
        "catalogs": [
            r.get("updated_at") for r in search(sandbox, "catalogs", limit=999)["catalogs"]
        ],
        "orders": [r.get("updated_at") for r in get(sandbox, "/v0/orders", limit=999)["orders"]],
        "deliveries": [
            r.get("updated_at") for r in get(sandbox, "/v0/catalogs/deliveries")["deliveries"]
        ],
    }
    for name, times in rows.items():
        assert sum((time or "").startswith("2999") for time in times) == 1, name


@pytest.mark.parametrize(
    "wrong", [{"error_rate": 1.1}, {"latency_ms": -1}, {"max_limit": -1}, {"forbid": {"planets"}}]
)
def test_impossible_habits_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Behavior(**wrong)  # type: ignore[arg-type]  # wrong on purpose


def test_requests_are_recorded(start: Start) -> None:
    sandbox = start()
    get(sandbox, "/v0/orders", limit=3)
    send(sandbox, "POST", "/v0/archives/search", json={"limit": 0})
    requests.get(sandbox.url + "/_sandbox/counts", timeout=TIMEOUT)
    seen = [(r.method, r.path, r.query, r.body, r.status) for r in sandbox.requests]
    assert seen == [
        ("GET", "/v0/orders", {"limit": "3"}, None, 200),
        ("POST", "/v0/archives/search", {}, {"limit": 0}, 400),
    ]


def test_on_request_changes_the_workspace_before_the_answer(start: Start) -> None:
    sandbox = start()

    def remove_the_first(record: RequestRecord, workspace: Workspace) -> None:
        if record.query.get("offset") == "3":
            workspace.delete("orders", first[0]["id"])

    whole = get(sandbox, "/v0/orders", limit=1000)["orders"]
    assert sandbox.on_request is None
    sandbox.on_request = remove_the_first
    assert sandbox.on_request is remove_the_first
    first = get(sandbox, "/v0/orders", limit=3)["orders"]
    second = get(sandbox, "/v0/orders", limit=2, offset=3)["orders"]
    assert second == whole[4:6]


def test_eight_clients_are_served_at_once(start: Start) -> None:
    sandbox = start(latency_ms=50)
    before = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: found(sandbox, offset=n, limit=1), range(32)))
    assert [key for answer in answers for key in answer] == sandbox.workspace.ids("archive_items")[
        :32
    ]
    assert time.monotonic() - before < 32 * 0.05
