"""Stops: a signal, or a kill, leaves whole files, and STATE of what is done and no more."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

import pytest

from pixxel_sandbox import Behavior
from tests.target_pixxel_store.target_runner import (
    TARGET,
    environment,
    lines_of,
    record,
    request,
    state,
    text_of,
    with_schemas,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.target_pixxel_store.target_runner import Json, Workplace

PATIENCE = 30


@contextmanager
def started(
    place: Workplace, *messages: Json, **settings: Any
) -> Iterator[tuple[subprocess.Popen[str], IO[str]]]:
    """Start the target and hand it messages; its input stays open."""
    with subprocess.Popen(
        [TARGET, "--config", str(place.config(**settings))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment(),
    ) as target:
        assert target.stdin is not None
        assert target.stdout is not None
        try:
            target.stdin.write(text_of(*with_schemas(*messages)))
            target.stdin.flush()
            yield target, target.stdout
        finally:
            target.kill()


def until(true: Callable[[], object]) -> None:
    """Wait until something holds."""
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def interleaved(ids: list[str]) -> list[Json]:
    """A request and a STATE for each catalog."""
    return [each for at, key in enumerate(ids, 1) for each in (request(key), state(at))]


@pytest.mark.parametrize(
    ("signum", "writes"), [(signal.SIGTERM, 1), (signal.SIGINT, 1), (signal.SIGTERM, 2)]
)
def test_a_signal_in_a_write(place: Workplace, signum: signal.Signals, writes: int) -> None:
    ids = place.catalogs(4)
    settings = {"batch_size": 2 // writes, "concurrency": writes}

    def slow_write(asked: Any, _workspace: object) -> None:
        if asked.method == "GET" and asked.path.endswith("/deliveries"):
            place.sandbox.behavior = Behavior(latency_ms=1500)

    place.sandbox.on_request = slow_write
    with started(place, *interleaved(ids), **settings) as (target, out):
        until(lambda: len(place.posts()) == writes)
        time.sleep(0.3)
        assert target.poll() is None
        target.send_signal(signum)
        assert target.wait(PATIENCE) == 128 + signum
        assert json.loads(out.read().splitlines()[-1]) == {"upto": 2}
    assert len(place.posts()) == writes
    listed = {row["delivery_id"] for row in place.listed() if row["catalog_id"] in ids}
    assert len(listed) == 2
    journalled = [each["id"] for line in lines_of(place.journal) if line["is"] == "made"
                  for each in line["of"]]  # fmt: skip
    assert set(journalled) == listed
    outcomes = lines_of(place.folder / "outcomes")
    assert [line["outcome"] for line in outcomes] == ["created"] * 2
    summary = json.loads((place.folder / "summary").read_text())
    assert summary["status"] == 128 + signum
    assert summary["ended_because"] == f"stopped by {signum.name}"
    assert summary["deliveries"] == 2
    place.sandbox.on_request = None
    place.sandbox.behavior = Behavior()
    assert place.run(*interleaved(ids)[4:]).kinds == ["created"] * 2


def test_a_signal_while_a_batch_waits_for_more(place: Workplace) -> None:
    first, second = place.catalogs(2)
    bad = record("delivery_requests", store="research")
    with started(
        place, bad, state(1), request(first), state(2), request(second), on_error="continue"
    ) as (target, out):
        assert json.loads(out.readline()) == {"upto": 1}
        time.sleep(0.3)
        target.send_signal(signal.SIGTERM)
        assert target.wait(PATIENCE) == 143
        assert out.read() == ""
    assert place.posts() == []
    assert json.loads((place.folder / "summary").read_text())["status"] == 143


def test_a_signal_while_what_is_in_doubt_settles(place: Workplace) -> None:
    [key] = place.catalogs(1)
    place.sandbox.behavior = Behavior(drop_accepted=1.0, list_lag=600)
    with started(place, *interleaved([key]), batch_size=1, settle_seconds=60) as (target, out):
        until(place.posts)
        time.sleep(0.3)
        target.send_signal(signal.SIGTERM)
        assert target.wait(PATIENCE) == 143
        assert out.read() == ""
    assert [line["is"] for line in lines_of(place.journal)][-1] == "intent"


def test_a_rejected_record_is_on_disk_before_the_state_that_passes_it(place: Workplace) -> None:
    bad = [record("delivery_requests", store="research", path="x" * 800) for _ in range(30)]
    with started(place, *bad, state(1), *bad, on_error="continue") as (target, out):
        assert json.loads(out.readline()) == {"upto": 1}
        target.kill()
        target.wait(PATIENCE)
    whole = (place.folder / "rejected").read_bytes()
    assert len(whole.splitlines()) >= 31
    assert len((place.folder / "outcomes").read_bytes().splitlines()) >= 30


@pytest.mark.parametrize("name", ["rejected", "outcomes"])
def test_half_a_line_that_a_kill_has_left_is_dropped(place: Workplace, name: str) -> None:
    bad = record("delivery_requests", store="research")
    place.run(bad, state(1), on_error="continue")
    path = place.folder / name
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"type": "RECORD", "stream": "deliv')
    place.run(bad, state(1), on_error="continue")
    assert path.read_bytes().startswith(whole + b"{")
    lines = lines_of(path)
    assert len(lines) == 2 * len(whole.splitlines())


def test_the_end_of_another_file_is_not_cut_off(place: Workplace) -> None:
    path = place.folder / "other"
    path.write_text("a text\nof somebody else")
    place.run(record("delivery_requests", store="research"), outcomes_path=str(path))
    assert path.read_text().startswith('a text\nof somebody else{"time"')


def test_a_file_of_half_a_line_is_emptied(place: Workplace) -> None:
    (place.folder / "rejected").write_text('{"type": "SCH')
    ran = place.run(record("delivery_requests", store="research"), on_error="continue")
    assert ran.status == 3
    assert [line["type"] for line in lines_of(place.folder / "rejected")] == ["SCHEMA", "RECORD"]
