"""Faults of accepted writes, lag and caps of lists, and failing deliveries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import requests

from pixxel_sandbox import Behavior, Sandbox

from .api_client import get, send_request
from .download_requests import collect_scheduled_calls
from .write_requests import (
    deliver,
    list_deliveries,
    make_store,
    new_deliveries,
    request_deliveries,
    store_body,
    wait_until,
)
from .write_table import AOI, INDEX, INSIGHT, INSTANT, JOB, VISUALIZATION, WRITES, Write

if TYPE_CHECKING:
    from .conftest import StartSandbox


class WriteClient:
    """A sandbox with a store, and the ids of the deliveries before the test's requests."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.store = str(make_store(sandbox)["id"])
        self.before = sandbox.workspace.ids("deliveries")
        self.catalogs = sandbox.workspace.ids("catalogs")

    def deliver(self, count: int = 4) -> requests.Response:
        cloud = {"config": self.store}
        entries = [{"catalog_ids": [key], "cloud_info": cloud} for key in self.catalogs[:count]]
        return request_deliveries(self.sandbox, *entries)

    def accepted_catalogs(self) -> list[str]:
        return [row["catalog_id"] for row in new_deliveries(self.sandbox, self.before)]


@pytest.fixture
def bench(start_sandbox: StartSandbox) -> WriteClient:
    return WriteClient(start_sandbox(delivery_seconds=0))


def test_drop_accepted_applies_write_and_drops_connection(bench: WriteClient) -> None:
    bench.sandbox.behavior = Behavior(drop_accepted=1)
    with pytest.raises(requests.ConnectionError):
        bench.deliver()
    assert bench.accepted_catalogs() == bench.catalogs[:4]
    assert bench.sandbox.requests[-1].status is None
    with pytest.raises(requests.ConnectionError):
        send_request(bench.sandbox, "POST", "/v0/stores", json=store_body(name="dropped"))
    assert bench.sandbox.workspace.rows("stores")[-1]["name"] == "dropped"


def test_fail_accepted_applies_write_and_returns_500(bench: WriteClient) -> None:
    bench.sandbox.behavior = Behavior(fail_accepted=1, delivery_seconds=0)
    response = bench.deliver()
    assert (response.status_code, response.json()["error"]["code"]) == (500, "internal")
    assert bench.accepted_catalogs() == bench.catalogs[:4]
    removed = send_request(bench.sandbox, "DELETE", f"/v0/stores/{bench.store}")
    assert removed.status_code == 500
    assert bench.store not in bench.sandbox.workspace.ids("stores")


def test_accept_late_applies_write_after_dropping_connection(bench: WriteClient) -> None:
    bench.sandbox.behavior = Behavior(accept_late=1, accept_late_seconds=1)
    with pytest.raises(requests.ConnectionError):
        bench.deliver()
    assert bench.accepted_catalogs() == []
    wait_until(bench.accepted_catalogs)
    assert bench.accepted_catalogs() == bench.catalogs[:4]


@pytest.mark.parametrize("write", WRITES, ids=str)
def test_each_write_with_fault_is_applied(
    start_sandbox: StartSandbox, monkeypatch: pytest.MonkeyPatch, write: Write
) -> None:
    sandbox = start_sandbox()
    calls = collect_scheduled_calls(monkeypatch)
    before = set(write.keys(sandbox))

    def send(number: int, fault: str) -> requests.Response:
        sandbox.behavior = Behavior(**INSTANT, **{fault: 1})  # type: ignore[arg-type]  # a name of a table
        return write.send(sandbox, number)

    with pytest.raises(requests.ConnectionError):
        send(0, "drop_accepted")
    assert len(set(write.keys(sandbox)) - before) == 1
    assert send(1, "fail_accepted").status_code == 500
    assert len(set(write.keys(sandbox)) - before) == 2
    assert send(2, "accept_part").status_code == write.status, "it has no parts"
    made = set(write.keys(sandbox))
    with pytest.raises(requests.ConnectionError):
        send(3, "accept_late")
    assert set(write.keys(sandbox)) == made
    [accept] = calls
    accept()
    assert len(set(write.keys(sandbox)) - made) == 1


@pytest.mark.parametrize("error", [0, 400, 503])
def test_accept_part_applies_part_of_batch(bench: WriteClient, error: int) -> None:
    bench.sandbox.behavior = Behavior(accept_part=1, part_error=error, delivery_seconds=0)
    sizes = set()
    for _ in range(12):
        bench.before = bench.sandbox.workspace.ids("deliveries")
        response, accepted = bench.deliver(), bench.accepted_catalogs()
        assert set(accepted) < set(bench.catalogs[:4])
        sizes.add(len(accepted))
        if error:
            assert (response.status_code, "error" in response.json()) == (error, True)
        else:
            assert [row["catalog_id"] for row in response.json()["deliveries"]] == accepted
    assert sizes == {1, 2, 3}
    bench.before = bench.sandbox.workspace.ids("deliveries")
    assert bench.deliver(count=1).status_code == 201, "one delivery has no parts"
    assert bench.accepted_catalogs() == bench.catalogs[:1]


@pytest.mark.parametrize(
    "switch", ["drop_accepted", "fail_accepted", "accept_late", "accept_part", "fail_deliveries"]
)
def test_write_faults_with_same_seed_are_the_same(start_sandbox: StartSandbox, switch: str) -> None:
    def outcomes() -> list[Any]:
        bench = WriteClient(start_sandbox())
        bench.sandbox.behavior = Behavior(
            delivery_seconds=0, accept_late_seconds=60, **{switch: 0.4}  # type: ignore[arg-type]
        )  # fmt: skip
        seen: list[Any] = []
        for _ in range(20):
            bench.before = bench.sandbox.workspace.ids("deliveries")
            try:
                status = bench.deliver(2).status_code
            except requests.ConnectionError:
                status = 0
            rows = new_deliveries(bench.sandbox, bench.before)
            seen.append((status, [(row["catalog_id"], row["status"]) for row in rows]))
        return seen

    once = outcomes()
    plain = once.count((201, [(key, "SUCCESS") for key in _first_catalogs(start_sandbox)]))
    assert 2 <= plain <= 18
    assert outcomes() == once


def _first_catalogs(start_sandbox: StartSandbox) -> list[str]:
    return start_sandbox().workspace.ids("catalogs")[:2]


def test_list_lag_hides_new_rows(start_sandbox: StartSandbox) -> None:
    sandbox = start_sandbox(list_lag=1.5, delivery_seconds=0)
    before = list_deliveries(sandbox)
    made = make_store(sandbox)
    [row] = deliver(sandbox, sandbox.workspace.ids("catalogs")[:1], made["id"])
    key = row["delivery_id"]
    assert list_deliveries(sandbox) == before
    assert list_deliveries(sandbox, delivery_id=key) == []
    assert key not in {
        each["delivery_id"] for each in list_deliveries(sandbox, catalog_id=row["catalog_id"])
    }
    assert made not in get(sandbox, "/v0/stores")["stores"]
    assert sandbox.workspace.rows("deliveries")[-1]["delivery_id"] == key
    wait_until(lambda: list_deliveries(sandbox, delivery_id=key))
    wait_until(lambda: made in get(sandbox, "/v0/stores")["stores"])
    assert list_deliveries(sandbox)[-1]["delivery_id"] == key


@pytest.mark.parametrize(
    ("write", "list_key"),
    [
        (AOI, "aois"),
        (INDEX, "indices"),
        (VISUALIZATION, "visualization"),
        (INSIGHT, "insights"),
        (JOB, "jobs"),
    ],
    ids=str,
)
def test_list_lag_hides_row_that_exists(
    start_sandbox: StartSandbox, write: Write, list_key: str
) -> None:
    sandbox = start_sandbox(**INSTANT, list_lag=3600)
    path = write.path.format(**write.make(sandbox, 0).places)
    before = get(sandbox, path, limit=99)
    assert write.send(sandbox).status_code == write.status
    assert get(sandbox, path, limit=99) == before
    moments = sandbox._state.listed_from
    assert set(moments) <= set(write.keys(sandbox))
    moments.update(dict.fromkeys(moments, 0.0))
    assert len(get(sandbox, path, limit=99)[list_key]) == len(before[list_key]) + 1


def test_list_cap_keeps_newest_rows(start_sandbox: StartSandbox) -> None:
    sandbox = start_sandbox(list_cap=2)
    made = make_store(sandbox)
    catalog = sandbox.workspace.insert("catalogs", {"task_id": "none"})
    keys = [deliver(sandbox, [catalog], made["id"])[0]["delivery_id"] for _ in range(3)]
    assert [row["delivery_id"] for row in list_deliveries(sandbox)] == keys[1:]
    assert [row["delivery_id"] for row in list_deliveries(sandbox, catalog_id=catalog)] == keys
    shown = get(sandbox, "/v0/stores")["stores"]
    assert (len(shown), shown[-1]) == (2, made)
    sandbox.behavior = Behavior()
    assert len(list_deliveries(sandbox)) == sandbox.counts()["deliveries"]


def test_rejected_write_with_faults_returns_error(bench: WriteClient) -> None:
    for switch in ("drop_accepted", "fail_accepted", "accept_late", "accept_part"):
        bench.sandbox.behavior = Behavior(**{switch: 1})  # type: ignore[arg-type]  # a name of a table
        assert request_deliveries(bench.sandbox).status_code == 400
        assert send_request(bench.sandbox, "DELETE", "/v0/stores/nonesuch").status_code == 404


def test_accept_late_with_conflict_drops_write(bench: WriteClient) -> None:
    bench.sandbox.behavior = Behavior(accept_late=1, accept_late_seconds=0.2)
    for _ in range(2):
        with pytest.raises(requests.ConnectionError):
            send_request(bench.sandbox, "POST", "/v0/stores", json=store_body(name="late"))
    with pytest.raises(requests.ConnectionError):
        bench.deliver()
    wait_until(bench.accepted_catalogs)
    names = [row["name"] for row in bench.sandbox.workspace.rows("stores")]
    assert names.count("late") == 1
