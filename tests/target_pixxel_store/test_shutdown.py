"""Shutdown by a signal or a kill: files have whole lines, STATE covers only finished records."""

from __future__ import annotations

import json
import signal
import time
from typing import TYPE_CHECKING, Any

import pytest

from pixxel_sandbox import Behavior
from tests.target_pixxel_store.intercepting_proxy import DELIVERIES_PATH
from tests.target_pixxel_store.target_harness import (
    TIMEOUT_SECONDS,
    delivery_request,
    read_json_lines,
    record,
    state,
    wait_until,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.target_pixxel_store.intercepting_proxy import (
        InterceptingProxy,
        ProxiedRequest,
        ProxiedResponse,
    )
    from tests.target_pixxel_store.target_harness import Json, TargetHarness


def requests_and_states(ids: list[str]) -> list[Json]:
    """Return a request and a STATE for each catalog."""
    return [each for at, key in enumerate(ids, 1) for each in (delivery_request(key), state(at))]


@pytest.mark.parametrize(("signum", "writes"), [(signal.SIGINT, 1), (signal.SIGTERM, 2)])
def test_signal_during_write_finishes_write(
    harness: TargetHarness, signum: signal.Signals, writes: int
) -> None:
    ids = harness.catalog_ids(4)
    settings = {"batch_size": 2 // writes, "concurrency": writes}

    def slow_write(request: Any, _workspace: object) -> None:
        if request.method == "GET" and request.path.endswith("/deliveries"):
            harness.sandbox.behavior = Behavior(latency_ms=1500)

    harness.sandbox.on_request = slow_write
    with harness.start(*requests_and_states(ids), **settings) as (target, out):
        wait_until(lambda: len(harness.posted_bodies()) == writes)
        time.sleep(0.3)
        assert target.poll() is None
        target.send_signal(signum)
        assert target.wait(TIMEOUT_SECONDS) == 128 + signum
        assert json.loads(out.read().splitlines()[-1]) == {"upto": 2}
    assert len(harness.posted_bodies()) == writes
    listed = {row["delivery_id"] for row in harness.list_deliveries() if row["catalog_id"] in ids}
    assert len(listed) == 2
    journalled = [
        each["id"]
        for line in read_json_lines(harness.journal_path)
        if line["is"] == "made"
        for each in line["of"]
    ]
    assert set(journalled) == listed
    outcomes = read_json_lines(harness.folder / "outcomes")
    assert [line["outcome"] for line in outcomes] == ["created"] * 2
    summary = json.loads((harness.folder / "summary").read_text())
    assert summary["status"] == 128 + signum
    assert summary["ended_because"] == f"stopped by {signum.name}"
    assert summary["deliveries"] == 2
    harness.sandbox.on_request = None
    harness.sandbox.behavior = Behavior()
    assert harness.run(*requests_and_states(ids)[4:]).kinds == ["created"] * 2


def test_signal_during_write_that_drips_ends_at_deadline(
    harness: TargetHarness, proxy: InterceptingProxy
) -> None:
    """The API has made the delivery, so that the next run must not request it again."""
    [key] = harness.catalog_ids(1)

    def drip(request: ProxiedRequest, forward: Callable[[], ProxiedResponse]) -> ProxiedResponse:
        response = forward()
        if request.matches("POST", DELIVERIES_PATH):
            response.drip = 0.5
        return response

    proxy.intercept = drip
    with harness.start(*requests_and_states([key]), batch_size=1, request_timeout=2) as (
        target,
        out,
    ):
        wait_until(lambda: proxy.count_requests("POST", DELIVERIES_PATH))
        target.send_signal(signal.SIGTERM)
        assert target.wait(TIMEOUT_SECONDS) == 143
        assert out.read() == ""
    assert [line["is"] for line in read_json_lines(harness.journal_path)][-1] == "intent"
    assert harness.run(delivery_request(key)).status == 0
    assert [row["catalog_id"] for row in harness.list_deliveries()].count(key) == 1


def test_signal_while_batch_fills_sends_nothing(harness: TargetHarness) -> None:
    first, second = harness.catalog_ids(2)
    bad = record("delivery_requests", store="research")
    with harness.start(
        bad,
        state(1),
        delivery_request(first),
        state(2),
        delivery_request(second),
        on_error="continue",
    ) as (target, out):
        assert json.loads(out.readline()) == {"upto": 1}
        time.sleep(0.3)
        target.send_signal(signal.SIGTERM)
        assert target.wait(TIMEOUT_SECONDS) == 143
        assert out.read() == ""
    assert harness.posted_bodies() == []
    assert json.loads((harness.folder / "summary").read_text())["status"] == 143


def test_signal_while_settling_keeps_intent(harness: TargetHarness) -> None:
    [key] = harness.catalog_ids(1)
    harness.sandbox.behavior = Behavior(drop_accepted=1.0, list_lag=600)
    with harness.start(*requests_and_states([key]), batch_size=1, settle_seconds=60) as (
        target,
        out,
    ):
        wait_until(harness.posted_bodies)
        time.sleep(0.3)
        target.send_signal(signal.SIGTERM)
        assert target.wait(TIMEOUT_SECONDS) == 143
        assert out.read() == ""
    assert [line["is"] for line in read_json_lines(harness.journal_path)][-1] == "intent"


def test_rejected_record_written_before_its_state(harness: TargetHarness) -> None:
    bad = [record("delivery_requests", store="research", path="x" * 800) for _ in range(30)]
    with harness.start(*bad, state(1), *bad, on_error="continue") as (target, out):
        assert json.loads(out.readline()) == {"upto": 1}
        target.kill()
        target.wait(TIMEOUT_SECONDS)
    content = (harness.folder / "rejected").read_bytes()
    assert len(content.splitlines()) >= 31
    assert len((harness.folder / "outcomes").read_bytes().splitlines()) >= 30


@pytest.mark.parametrize("name", ["rejected", "outcomes"])
def test_output_file_partial_last_line_dropped(harness: TargetHarness, name: str) -> None:
    bad = record("delivery_requests", store="research")
    harness.run(bad, state(1), on_error="continue")
    path = harness.folder / name
    content = path.read_bytes()
    path.write_bytes(content + b'{"type": "RECORD", "stream": "deliv')
    harness.run(bad, state(1), on_error="continue")
    assert path.read_bytes().startswith(content + b"{")
    lines = read_json_lines(path)
    assert len(lines) == 2 * len(content.splitlines())


def test_output_file_of_other_program_not_truncated(harness: TargetHarness) -> None:
    path = harness.folder / "other"
    path.write_text("a text\nof somebody else")
    harness.run(record("delivery_requests", store="research"), outcomes_path=str(path))
    assert path.read_text().startswith('a text\nof somebody else{"time"')


def test_output_file_single_partial_line_emptied(harness: TargetHarness) -> None:
    (harness.folder / "rejected").write_text('{"type": "SCH')
    result = harness.run(record("delivery_requests", store="research"), on_error="continue")
    assert result.status == 3
    assert [line["type"] for line in read_json_lines(harness.folder / "rejected")] == [
        "SCHEMA",
        "RECORD",
    ]
