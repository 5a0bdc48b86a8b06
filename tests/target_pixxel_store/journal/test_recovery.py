"""Recovery from the journal: intents of a killed run are waited for, matched and monitored."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from tests.target_pixxel_store.target_harness import (
    delivery_request,
    read_json_lines,
    state,
    wait_until,
)

if TYPE_CHECKING:
    from tests.target_pixxel_store.target_harness import Json, TargetHarness


def write_intent(harness: TargetHarness, key: str, path: str, **more: Any) -> None:
    """Append the intent of a run that was killed while it requested a delivery to `research`."""
    entry = {
        "catalog": key,
        "place": ["GCS", "research", path],
        "store": harness.find_store("research")["id"],
        **more,
    }
    harness.append_to_journal({"is": "intent", "at": time.time(), "of": [entry]})


def insert_delivery(harness: TargetHarness, key: str, path: str, status: str) -> str:
    """Insert a delivery to `research` into the sandbox; return its id."""
    row: Json = {
        "catalog_id": key,
        "task_id": None,
        "status": status,
        "target_path": f"{key}/image.zip",
        "cloud_delivery": {"config": harness.find_store("research")["id"], "path": f"{path}/"},
        "created_at": "2026-01-01T00:00:00Z",
    }
    return harness.sandbox.workspace.insert("deliveries", row)


def test_journal_lost_rerun_after_kill_waits(harness: TargetHarness) -> None:
    [key] = harness.catalog_ids(1)
    harness.lose_journal()
    harness.settings["settle_seconds"] = 4
    with harness.start(delivery_request(key), state(1), batch_size=1) as (target, _):
        wait_until(lambda: any(row["is"] == "run" for row in read_json_lines(harness.journal_path)))
        time.sleep(0.3)
        target.kill()
    assert not any(line["is"] == "settled" for line in read_json_lines(harness.journal_path))
    result = harness.run(delivery_request(key), state(1), settle_seconds=0.1)
    assert (result.kinds, "waiting 1 s for earlier requests" in result.log) == (["created"], True)
    assert len(harness.posted_bodies()) == 1
    [key] = harness.catalog_ids(1)
    result = harness.run(delivery_request(key), state(1))
    assert (result.kinds, "waiting" in result.log) == (["created"], False)


def test_intent_of_killed_run_monitored(harness: TargetHarness) -> None:
    [key] = harness.catalog_ids(1)
    write_intent(harness, key, key)
    delivery = insert_delivery(harness, key, key, "FAILED")
    result = harness.run(state(1))
    assert result.summary["late"]["failed"] == [delivery]
    assert f"delivery {delivery} of an earlier run: FAILED" in result.log


def test_intent_elsewhere_in_bucket_waited_for(harness: TargetHarness) -> None:
    first, second = harness.catalog_ids(2)
    for key in (first, second):
        write_intent(harness, key, f"a/{key}")
    request_times: list[float] = []

    def insert_late(_request: object, _workspace: object) -> None:
        request_times.append(time.monotonic())
        if time.monotonic() > request_times[0] + 0.9 and len(harness.list_deliveries()) == before:
            insert_delivery(harness, first, f"a/{first}", "CREATED")

    before = len(harness.list_deliveries())
    harness.sandbox.on_request = insert_late
    result = harness.run(
        *(delivery_request(key, path=f"b/{key}") for key in (first, second)), settle_seconds=1.5
    )
    assert sorted(result.kinds) == ["created", "skipped"]
    assert {line["catalog_id"]: line["outcome"] for line in result.outcomes} == {
        first: "skipped",
        second: "created",
    }
