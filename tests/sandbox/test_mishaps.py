"""Writes that are accepted without a plain answer, and lists that lag, are cut, or disappoint."""

from typing import Any

import pytest
import requests

from pixxel_sandbox import Behavior, Sandbox

from .client import get, send
from .conftest import Start
from .writes import deliver, ended, listed, make_store, new, request, store_body, until


class Bench:
    """A sandbox with a store, and the deliveries that were there before."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.store = str(make_store(sandbox)["id"])
        self.before = sandbox.workspace.ids("deliveries")
        self.catalogs = sandbox.workspace.ids("catalogs")

    def ask(self, count: int = 4) -> requests.Response:
        cloud = {"config": self.store}
        entries = [{"catalog_ids": [key], "cloud_info": cloud} for key in self.catalogs[:count]]
        return request(self.sandbox, *entries)

    def accepted(self) -> list[str]:
        return [row["catalog_id"] for row in new(self.sandbox, self.before)]


@pytest.fixture
def bench(start: Start) -> Bench:
    return Bench(start(delivery_seconds=0))


def test_writes_are_plain_without_a_switch(bench: Bench) -> None:
    for _ in range(5):
        assert bench.ask().status_code == 201
    assert bench.accepted() == bench.catalogs[:4] * 5


def test_an_accepted_write_may_get_no_answer(bench: Bench) -> None:
    bench.sandbox.behavior = Behavior(drop_accepted=1)
    with pytest.raises(requests.ConnectionError):
        bench.ask()
    assert bench.accepted() == bench.catalogs[:4]
    assert bench.sandbox.requests[-1].status is None
    with pytest.raises(requests.ConnectionError):
        send(bench.sandbox, "POST", "/v0/stores", json=store_body(name="dropped"))
    assert bench.sandbox.workspace.rows("stores")[-1]["name"] == "dropped"


def test_an_accepted_write_may_be_answered_with_500(bench: Bench) -> None:
    bench.sandbox.behavior = Behavior(fail_accepted=1, delivery_seconds=0)
    answer = bench.ask()
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "internal")
    assert bench.accepted() == bench.catalogs[:4]
    removed = send(bench.sandbox, "DELETE", f"/v0/stores/{bench.store}")
    assert removed.status_code == 500
    assert bench.store not in bench.sandbox.workspace.ids("stores")


def test_a_write_may_be_accepted_after_its_connection_was_dropped(bench: Bench) -> None:
    bench.sandbox.behavior = Behavior(accept_late=1, accept_late_seconds=1)
    with pytest.raises(requests.ConnectionError):
        bench.ask()
    assert bench.accepted() == []
    until(bench.accepted)
    assert bench.accepted() == bench.catalogs[:4]


def test_a_late_write_that_cannot_be_accepted_any_more_is_lost(bench: Bench) -> None:
    bench.sandbox.behavior = Behavior(accept_late=1, accept_late_seconds=0.2)
    for _ in range(2):
        with pytest.raises(requests.ConnectionError):
            send(bench.sandbox, "POST", "/v0/stores", json=store_body(name="late"))
    with pytest.raises(requests.ConnectionError):
        bench.ask()
    until(bench.accepted)
    names = [row["name"] for row in bench.sandbox.workspace.rows("stores")]
    assert names.count("late") == 1


@pytest.mark.parametrize("error", [0, 400, 503])
def test_a_part_of_a_batch_may_be_accepted(bench: Bench, error: int) -> None:
    bench.sandbox.behavior = Behavior(accept_part=1, part_error=error, delivery_seconds=0)
    sizes = set()
    for _ in range(12):
        bench.before = bench.sandbox.workspace.ids("deliveries")
        answer, accepted = bench.ask(), bench.accepted()
        assert set(accepted) < set(bench.catalogs[:4])
        sizes.add(len(accepted))
        if error:
            assert (answer.status_code, "error" in answer.json()) == (error, True)
        else:
            assert [row["catalog_id"] for row in answer.json()["deliveries"]] == accepted
    assert sizes == {1, 2, 3}
    bench.before = bench.sandbox.workspace.ids("deliveries")
    assert bench.ask(count=1).status_code == 201, "one delivery has no parts"
    assert bench.accepted() == bench.catalogs[:1]


def test_a_refused_write_is_answered_whatever_the_switches(bench: Bench) -> None:
    for switch in ("drop_accepted", "fail_accepted", "accept_late", "accept_part"):
        bench.sandbox.behavior = Behavior(**{switch: 1})  # type: ignore[arg-type]  # a name of a table
        assert request(bench.sandbox).status_code == 400
        assert send(bench.sandbox, "DELETE", "/v0/stores/nonesuch").status_code == 404


@pytest.mark.parametrize(
    "switch", ["drop_accepted", "fail_accepted", "accept_late", "accept_part", "fail_deliveries"]
)
def test_a_share_is_drawn_and_the_same_for_the_same_seed(start: Start, switch: str) -> None:
    def outcomes() -> list[Any]:
        bench = Bench(start())
        bench.sandbox.behavior = Behavior(
            delivery_seconds=0, accept_late_seconds=60, **{switch: 0.4}  # type: ignore[arg-type]
        )  # fmt: skip
        seen: list[Any] = []
        for _ in range(20):
            bench.before = bench.sandbox.workspace.ids("deliveries")
            try:
                status = bench.ask(2).status_code
            except requests.ConnectionError:
                status = 0
            rows = new(bench.sandbox, bench.before)
            seen.append((status, [(row["catalog_id"], row["status"]) for row in rows]))
        return seen

    once = outcomes()
    plain = once.count((201, [(key, "SUCCESS") for key in _first(start)]))
    assert 2 <= plain <= 18
    assert outcomes() == once


def _first(start: Start) -> list[str]:
    return start().workspace.ids("catalogs")[:2]


def test_lists_may_lag(start: Start) -> None:
    sandbox = start(list_lag=1.5, delivery_seconds=0)
    before = listed(sandbox)
    made = make_store(sandbox)
    [row] = deliver(sandbox, sandbox.workspace.ids("catalogs")[:1], made["id"])
    key = row["delivery_id"]
    assert listed(sandbox) == before
    assert listed(sandbox, delivery_id=key) == []
    assert key not in {
        each["delivery_id"] for each in listed(sandbox, catalog_id=row["catalog_id"])
    }
    assert made not in get(sandbox, "/v0/stores")["stores"]
    assert sandbox.workspace.rows("deliveries")[-1]["delivery_id"] == key
    until(lambda: listed(sandbox, delivery_id=key))
    until(lambda: made in get(sandbox, "/v0/stores")["stores"])
    assert listed(sandbox)[-1]["delivery_id"] == key


def test_lists_may_be_cut_to_the_newest_rows(start: Start) -> None:
    sandbox = start(list_cap=2)
    made = make_store(sandbox)
    catalog = sandbox.workspace.insert("catalogs", {"task_id": "none"})
    keys = [deliver(sandbox, [catalog], made["id"])[0]["delivery_id"] for _ in range(3)]
    assert [row["delivery_id"] for row in listed(sandbox)] == keys[1:]
    assert [row["delivery_id"] for row in listed(sandbox, catalog_id=catalog)] == keys
    shown = get(sandbox, "/v0/stores")["stores"]
    assert (len(shown), shown[-1]) == (2, made)
    sandbox.behavior = Behavior()
    assert len(listed(sandbox)) == sandbox.counts()["deliveries"]


def test_deliveries_may_fail(start: Start) -> None:
    sandbox = start(fail_deliveries=1, delivery_seconds=0.02)
    [row] = deliver(sandbox, sandbox.workspace.ids("catalogs")[:1], make_store(sandbox)["id"])
    assert ended(sandbox, row["delivery_id"]) == "FAILED"


@pytest.mark.parametrize(
    "wrong",
    [{"part_error": 200}, {"part_error": 600}, {"accept_part": 2}, {"delivery_seconds": -1}],
)
def test_impossible_switches_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Behavior(**wrong)
