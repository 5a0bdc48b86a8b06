"""Doubts: writes without a plain answer, lists that lag or are cut; nothing twice, nothing lost."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from pixxel_api.errors import Forbidden, Unauthorized
from pixxel_sandbox import Behavior
from target_pixxel_store.errors import CircuitOpenError
from target_pixxel_store.remote_state import may_be_truncated
from tests.target_pixxel_store.intercepting_proxy import CATALOGS
from tests.target_pixxel_store.target_runner import lines_of, record, request, state

if TYPE_CHECKING:
    from pixxel_sandbox import RequestRecord, Workspace
    from tests.target_pixxel_store.target_runner import Workplace

COUNT = 12


def each_once(place: Workplace, ids: list[str]) -> None:
    """Check that each catalog has one delivery, one that is not listed yet included."""
    got = Counter(row["catalog_id"] for row in place.listed())
    assert {key: got[key] for key in ids} == dict.fromkeys(ids, 1)


@pytest.mark.parametrize(
    "behavior",
    [
        {"drop_accepted": 0.5},
        {"fail_accepted": 0.5},
        {"accept_part": 1.0},
        {"accept_part": 1.0, "part_error": 500},
        {"accept_part": 1.0, "part_error": 400},
        {"accept_late": 0.5, "accept_late_seconds": 0.3},
        {"drop_accepted": 0.4, "fail_accepted": 0.4, "accept_part": 0.4},
    ],
    ids=lambda behavior: "-".join(f"{name}{value}" for name, value in behavior.items()),
)
@pytest.mark.parametrize("lag", [0.0, 0.3])
def test_each_is_delivered_once(place: Workplace, behavior: dict[str, Any], lag: float) -> None:
    ids = place.catalogs(COUNT)
    place.sandbox.behavior = Behavior(list_lag=lag, **behavior)
    ran = place.run(*[request(key) for key in ids], state(1), batch_size=4, settle_seconds=0.8)
    assert ran.error is None
    assert ran.kinds == ["created"] * COUNT
    assert ran.states == [{"upto": 1}]
    time.sleep(0.4)  # what was accepted late is there by now
    each_once(place, ids)


def test_each_is_delivered_once_by_several_threads(place: Workplace) -> None:
    ids = place.catalogs(20)
    place.sandbox.behavior = Behavior(drop_accepted=0.3, accept_part=0.3, list_lag=0.2)
    ran = place.run(*map(request, ids), state(1), batch_size=3, concurrency=3, settle_seconds=0.8)
    assert Counter(ran.kinds) == {"created": 20}
    each_once(place, ids)


def test_one_bad_id_costs_one_record(place: Workplace) -> None:
    ids = place.catalogs(COUNT)
    messages = [request(key) for key in ids]
    messages.insert(5, request("no-such-catalog"))
    ran = place.run(*messages, state(1), on_error="continue")
    assert Counter(ran.kinds) == {"created": COUNT, "failed": 1}
    assert ran.states == [{"upto": 1}]
    each_once(place, ids)


@pytest.mark.parametrize("dry", [False, True])
def test_an_unknown_catalog_is_called_so_alone_and_among_others(
    place: Workplace,
    dry: bool,  # noqa: FBT001
    capsys: pytest.CaptureFixture[str],
) -> None:
    alone = [request("no-such-catalog")]
    for messages in (alone, alone + [request(key) for key in place.catalogs(3)]):
        ran = place.run(*messages, on_error="continue", dry_run=dry)
        told = capsys.readouterr().err if dry else " ".join(ran.reasons)
        assert "the catalog does not exist" in told
        assert dry or "no-such-catalog, store research: the catalog does not exist" in ran.log


def test_what_only_the_journal_knows_is_told(place: Workplace) -> None:
    ids = place.catalogs(2)
    place.sandbox.behavior = Behavior(list_lag=30)
    assert "known by the journal alone" not in place.run(*map(request, ids)).log
    assert (
        "2 deliveries are recorded in the journal but not listed by the API"
        in place.run(*map(request, ids)).log
    )


def test_an_intent_of_a_killed_run_waits_until_it_is_settled(place: Workplace) -> None:
    key = place.catalogs(1)[0]
    store = place.store("research")
    entry = {"catalog": key, "place": ["GCS", "research", key]}
    with place.journal.open("a") as journal:
        journal.write(json.dumps({"is": "intent", "at": time.time(), "of": [entry]}) + "\n")

    def land() -> None:
        place.sandbox.workspace.insert(
            "deliveries",
            {"catalog_id": key, "task_id": None, "status": "CREATED", "target_path": f"{key}.zip",
             "cloud_delivery": {"config": store["id"], "path": f"{key}/"},
             "created_at": "2026-01-01T00:00:00Z"},
        )  # fmt: skip

    late = threading.Timer(0.6, land)
    late.start()
    ran = place.run(request(key), state(1), settle_seconds=1.2)
    late.join()
    assert ran.kinds == ["exists"]
    each_once(place, [key])


def test_an_intent_that_never_happened_is_sent_once_it_is_settled(place: Workplace) -> None:
    key = place.catalogs(1)[0]
    entry = {"catalog": key, "place": ["GCS", "research", key]}
    with place.journal.open("a") as journal:
        journal.write(json.dumps({"is": "intent", "at": time.time(), "of": [entry]}) + "\n")
    began = time.monotonic()
    ran = place.run(request(key), state(1), settle_seconds=1.0)
    assert time.monotonic() - began > 0.9
    assert ran.kinds == ["created"]
    each_once(place, [key])


def test_a_clock_that_was_ahead_does_not_make_it_wait_longer(place: Workplace) -> None:
    key = place.catalogs(1)[0]
    entry = {"catalog": key, "place": ["GCS", "research", key]}
    with place.journal.open("a") as journal:
        journal.write(json.dumps({"is": "intent", "at": time.time() + 1e6, "of": [entry]}) + "\n")
    began = time.monotonic()
    assert place.run(request(key), settle_seconds=0.5).kinds == ["created"]
    assert time.monotonic() - began < 10


def test_without_a_journal_the_first_write_waits(place: Workplace) -> None:
    place.journal.unlink()
    began = time.monotonic()
    assert place.run(request(place.catalogs(1)[0]), settle_seconds=1.0).kinds == ["created"]
    assert time.monotonic() - began > 0.9
    began = time.monotonic()
    assert place.run(request(place.catalogs(1)[0]), settle_seconds=9.0).kinds == ["created"]
    assert time.monotonic() - began < 8


def test_without_a_journal_a_first_look_that_was_too_early_does_not_count(place: Workplace) -> None:
    item = place.sandbox.workspace.insert("order_items", {"tasks": [{"id": "t"}]})
    key = place.sandbox.workspace.insert("catalogs", {"task_id": "t"})
    row = {
        "catalog_id": key, "task_id": None, "status": "CREATED", "target_path": f"{key}.zip",
        "cloud_delivery": {"config": place.store("research")["id"], "path": f"{key}/"},
        "created_at": "2026-01-01T00:00:00Z",
    }  # fmt: skip

    def land(asked: RequestRecord, workspace: Workspace) -> None:
        if asked.path == CATALOGS:  # asked for between the first look and the decision
            time.sleep(0.4)
            workspace.insert("deliveries", row)

    place.journal.unlink()
    place.sandbox.on_request = land
    wanted = record("delivery_requests", order_item_id=item, store="research")
    assert place.run(wanted, settle_seconds=0.3).kinds == ["exists"]
    each_once(place, [key])


def test_what_the_journal_knows_is_there_though_the_list_lags(place: Workplace) -> None:
    ids = place.catalogs(4)
    place.sandbox.behavior = Behavior(list_lag=30)
    assert place.run(*map(request, ids)).kinds == ["created"] * 4
    assert place.run(*map(request, ids)).kinds == ["exists"] * 4
    each_once(place, ids)


def test_a_list_that_is_cut_hides_nothing(place: Workplace) -> None:
    ids = place.catalogs(16)
    place.run(*map(request, ids[:8]))
    place.sandbox.behavior = Behavior(list_cap=10)
    place.keep_journal()
    place.run(*map(request, ids[8:]), settle_seconds=0.1)
    place.keep_journal()
    assert Counter(place.run(*map(request, ids)).kinds) == {"exists": 16}
    each_once(place, ids)


def test_a_cut_of_any_length_is_seen_by_the_journal(place: Workplace) -> None:
    ids = place.catalogs(16)
    place.run(*map(request, ids))
    place.sandbox.behavior = Behavior(list_cap=7)
    place.sandbox.requests.clear()
    assert Counter(place.run(*map(request, ids), settle_seconds=0.1).kinds) == {"exists": 16}
    each_once(place, ids)


@pytest.mark.parametrize(
    ("rows", "cut"),
    [(0, False), (9, False), (10, True), (11, False), (64, True), (75, True), (1000, True)],
)
def test_a_round_length_may_be_a_cut(rows: int, cut: bool) -> None:  # noqa: FBT001
    assert may_be_truncated(rows) is cut


def test_a_token_that_may_not_ends_the_run(place: Workplace) -> None:
    ran = place.run(request(place.catalogs(1)[0]), state(1), api_token="another")
    assert isinstance(ran.error, Unauthorized)
    assert ran.states == []
    place.sandbox.behavior = Behavior(forbid=frozenset({"deliveries"}))
    ran = place.run(request(place.catalogs(1)[0]), state(1))
    assert isinstance(ran.error, Forbidden)


def test_equal_failures_in_a_row_end_the_run(place: Workplace) -> None:
    messages = [request(f"no-such-{at}") for at in range(30)]
    ran = place.run(*messages, state(1), on_error="continue", batch_size=10)
    assert isinstance(ran.error, CircuitOpenError)
    assert ran.kinds == ["failed"] * 10
    assert ran.states == []


def test_the_intent_is_on_disk_before_the_request(place: Workplace) -> None:
    key = place.catalogs(1)[0]
    seen: list[bool] = []

    def look(asked: object, _workspace: object) -> None:
        if getattr(asked, "method", "") == "POST":
            seen.append(any(key in json.dumps(line) for line in lines_of(place.journal)))

    place.sandbox.on_request = look
    place.run(request(key))
    assert seen == [True]
