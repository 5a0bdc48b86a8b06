"""The journal: what a killed run has asked for is waited for, taken up, and looked after."""

from __future__ import annotations

import json
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest

from pixxel_sandbox import Behavior
from tests.target_pixxel_store.target_runner import (
    TARGET,
    environment,
    lines_of,
    request,
    state,
    text_of,
    with_schemas,
)

if TYPE_CHECKING:
    from tests.target_pixxel_store.target_runner import Json, Workplace


def intend(place: Workplace, key: str, path: str, **more: Any) -> None:
    """Leave what a run leaves that was killed while it asked for a delivery to `research`."""
    entry = {
        "catalog": key,
        "place": ["GCS", "research", path],
        "store": place.store("research")["id"],
        **more,
    }
    with place.journal.open("a") as journal:
        journal.write(json.dumps({"is": "intent", "at": time.time(), "of": [entry]}) + "\n")


def land(place: Workplace, key: str, path: str, status: str) -> str:
    """Have the sandbox list a delivery to `research`."""
    row: Json = {
        "catalog_id": key,
        "task_id": None,
        "status": status,
        "target_path": f"{key}/image.zip",
        "cloud_delivery": {"config": place.store("research")["id"], "path": f"{path}/"},
        "created_at": "2026-01-01T00:00:00Z",
    }
    return place.sandbox.workspace.insert("deliveries", row)


def made(place: Workplace) -> set[str]:
    """Ids of the deliveries that the journal has as made."""
    return {each["id"] for line in lines_of(place.journal) if line["is"] == "made"
            for each in line["of"]}  # fmt: skip


def test_a_lost_journal_is_waited_for_by_the_run_after_a_killed_one(place: Workplace) -> None:
    [key] = place.catalogs(1)
    place.journal.unlink()
    place.settings["settle_seconds"] = 4
    began = time.time()
    with subprocess.Popen(
        [TARGET, "--config", str(place.config())],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment(),
    ) as killed:
        assert killed.stdin is not None
        killed.stdin.write(text_of(*with_schemas(request(key), state(1))))
        killed.stdin.close()
        while not any(line["is"] == "run" for line in lines_of(place.journal)):
            assert time.time() < began + 60
            time.sleep(0.02)
        time.sleep(0.3)
        killed.kill()
    settled = min(line["unsettled"] for line in lines_of(place.journal))
    assert settled > time.time() + 1
    posted: list[float] = []
    place.sandbox.on_request = lambda asked, _: (
        posted.append(time.time()) if asked.method == "POST" else None
    )
    assert place.run(request(key), state(1)).kinds == ["created"]
    assert len(posted) == 1
    assert posted[0] >= settled


def test_an_intent_that_is_listed_as_failed_is_not_sent_again(place: Workplace) -> None:
    [key] = place.catalogs(1)
    intend(place, key, key)
    delivery = land(place, key, key, "FAILED")
    ran = place.run(request(key), state(1))
    assert (ran.status, ran.kinds, ran.states) == (1, ["failed"], [])
    assert "retry_failed" in ran.reasons[0]
    assert place.posts() == []
    assert made(place) == {delivery}
    assert place.run(request(key), state(1), retry_failed=1).kinds == ["created"]


def test_a_failed_one_that_stood_there_before_is_no_answer(place: Workplace) -> None:
    [key] = place.catalogs(1)
    intend(place, key, key, before=[land(place, key, key, "FAILED")])
    began = time.monotonic()
    ran = place.run(request(key), state(1), retry_failed=1, settle_seconds=1)
    assert ran.kinds == ["created"]
    assert time.monotonic() - began > 0.9


def test_what_a_killed_run_asked_for_is_looked_after(place: Workplace) -> None:
    [key] = place.catalogs(1)
    intend(place, key, key)
    delivery = land(place, key, key, "FAILED")
    ran = place.run(state(1))
    assert ran.summary["late"]["failed"] == [delivery]
    assert f"delivery {delivery} of an earlier run: FAILED" in ran.log


def test_what_was_listed_without_an_answer_is_looked_after(place: Workplace) -> None:
    [key] = place.catalogs(1)
    place.sandbox.behavior = Behavior(drop_accepted=1.0, fail_deliveries=1.0, delivery_seconds=1.0)
    ran = place.run(request(key), state(1))
    assert ran.kinds == ["created"]
    [delivery] = [row["delivery_id"] for row in place.listed() if row["catalog_id"] == key]
    assert made(place) == {delivery}
    time.sleep(1.2)
    assert place.run(state(1)).summary["late"]["failed"] == [delivery]


@pytest.mark.parametrize("redeliver", [False, True])
def test_one_catalog_to_two_paths_of_a_bucket(
    place: Workplace,
    redeliver: bool,  # noqa: FBT001
) -> None:
    [key] = place.catalogs(1)
    ran = place.run(request(key, path="a/"), request(key, path="b/"), state(1), redeliver=redeliver)
    assert sorted(ran.kinds) == ["created", "created" if redeliver else "skipped"]
    assert sum(len(post["deliveries"]) for post in place.posts()) == 1 + redeliver
    if not redeliver:
        assert any("elsewhere in the bucket by this run" in why for why in ran.reasons)


@pytest.mark.parametrize("redeliver", [False, True])
def test_one_catalog_to_two_paths_by_two_runs_while_the_list_lags(
    place: Workplace,
    redeliver: bool,  # noqa: FBT001
) -> None:
    [key] = place.catalogs(1)
    place.sandbox.behavior = Behavior(list_lag=30)
    assert place.run(request(key, path="a/")).kinds == ["created"]
    ran = place.run(request(key, path="b/"), redeliver=redeliver)
    assert ran.kinds == ["created" if redeliver else "skipped"]


def test_an_unanswered_intent_elsewhere_in_the_bucket_is_waited_for(place: Workplace) -> None:
    first, second = place.catalogs(2)
    for key in (first, second):
        intend(place, key, f"a/{key}")
    seen: list[float] = []

    def land_late(_asked: object, _workspace: object) -> None:
        seen.append(time.monotonic())
        if time.monotonic() > seen[0] + 0.9 and len(place.listed()) == before:
            land(place, first, f"a/{first}", "CREATED")

    before = len(place.listed())
    place.sandbox.on_request = land_late
    began = time.monotonic()
    ran = place.run(*(request(key, path=f"b/{key}") for key in (first, second)), settle_seconds=1.5)
    assert time.monotonic() - began > 1.4
    assert sorted(ran.kinds) == ["created", "skipped"]
    assert {line["catalog_id"]: line["outcome"] for line in ran.outcomes} == {
        first: "skipped",
        second: "created",
    }
