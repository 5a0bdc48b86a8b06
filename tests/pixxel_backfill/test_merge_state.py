"""make_state: the sync after a backfill emits what has changed, and nothing is lost."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from pixxel_api.client import Client
from pixxel_api.timestamps import format_timestamp
from pixxel_backfill.folder import Done
from pixxel_backfill.merge.state import make_state
from pixxel_backfill.plan import Plan, Shard
from pixxel_backfill.tap_run import TapResult, run_tap
from pixxel_sandbox import Sandbox
from tests.tap_pixxel.syncs import make_config

if TYPE_CHECKING:
    from pixxel_sandbox import RequestRecord, Workspace

Json = dict[str, Any]
Key = tuple[str, str]
COLLECTIONS = ["td1-l1c", "td2-l2a"]
BOUNDS = [None, "2024-01-01", "2024-09-01", "2025-06-01", None]
MAX_CHANGES_DURING_READS = 6
SETTINGS: Json = {"stac": False, "page_size": 10, "collections": COLLECTIONS}


class Table(NamedTuple):
    """The rows of all shards; of a row that two have read, the newest counts."""

    rows: dict[Key, Json]

    def load(self, records: list[Json]) -> Table:
        rows = dict(self.rows)
        for record in records:
            key = record["id"], record["collection"]
            if key not in rows or (record["updated"] or "") >= (rows[key]["updated"] or ""):
                rows[key] = record
        return Table(rows)


def make_plan(started_at: str, **settings: Any) -> Plan:
    shards = [
        Shard(f"{name}/{number}", name, start and f"{start}T00:00:00.000000Z", end)
        for name in COLLECTIONS
        for number, (start, end) in enumerate(pairwise(BOUNDS))
    ]
    return Plan("id", started_at, SETTINGS | settings, shards, {})


def make_done(result: TapResult) -> Done:
    return Done(
        attempt="a", files=[], rows=result.rows, requests=result.requests, seconds=0,
        started_at=result.started_at, largest=result.largest, boundary=result.boundary,
    )  # fmt: skip


def read_clock(sandbox: Sandbox) -> str:
    client = Client(sandbox.token, url=sandbox.url, user_agent="test")
    time = client.get_text("/ping").requested_at
    client.close()
    assert time is not None
    return format_timestamp(time)


def read(
    sandbox: Sandbox, settings: Json, state: Json | None = None
) -> tuple[TapResult, list[Json]]:
    lines: list[bytes] = []
    result = run_tap(make_config(sandbox) | settings, write_line=lines.append, state=state)
    messages = list(map(json.loads, lines))
    return result, [each["record"] for each in messages if each["type"] == "RECORD"]


@dataclass
class Changes:
    """Changes of the archive, chosen at random.

    Attributes:
        kept: Ids of rows that do not change.
    """

    workspace: Workspace
    rng: random.Random
    kept: set[str] = field(default_factory=set)
    during_reads: int = MAX_CHANGES_DURING_READS

    def make(self) -> None:
        """Update a row, move one between shards, and add one."""
        update, move, copy = self.rng.sample(
            [each for each in self.workspace.ids("archive_items") if each not in self.kept], 3
        )
        day = self.rng.choice(["2023-05-05", "2024-01-01", "2024-12-24", "2025-11-11"])
        self.workspace.update("archive_items", update, **{"eo:cloud_cover": self.rng.random()})
        self.workspace.update("archive_items", move, datetime=f"{day}T00:00:00Z")
        self.workspace.insert_copy("archive_items", copy, first=self.rng.random() < 0.5)

    def make_during_read(self, record: RequestRecord, _workspace: Workspace) -> None:
        """Make changes before some of the searches."""
        is_search = record.path == "/v0/archives/search"
        if is_search and self.during_reads and self.rng.random() < 0.2:
            self.during_reads -= 1
            self.make()


class Backfill(NamedTuple):
    """A backfill during which rows changed."""

    plan: Plan
    dones: dict[str, Done]
    table: Table


def run_backfill(sandbox: Sandbox, changes: Changes) -> Backfill:
    """Read all shards one after the other, while rows change between and during them.

    Nothing changes while the first shards are read, so that their largest values are old. Then a
    row of one of them changes, and after it a row of a shard that is read later.
    """
    plan, table, dones = make_plan(read_clock(sandbox)), Table({}), {}
    for shard in sorted(plan.shards, key=lambda each: each.start or ""):
        result, records = read(sandbox, shard.tap_settings(plan.settings))
        table, dones[shard.id] = table.load(records), make_done(result)
        if shard.start:
            changes.make()
            sandbox.on_request = changes.make_during_read
            continue
        later = {"collections": [shard.collection], "owned_range": f"{BOUNDS[-2]}/.."}
        for row in (records[0], read(sandbox, SETTINGS | later)[1][0]):
            sandbox.workspace.update("archive_items", row["id"])
            changes.kept.add(row["id"])
    sandbox.on_request = None
    return Backfill(plan, dones, table)


def find_partitions(state: Json) -> list[Json]:
    partitions: list[Json] = state["bookmarks"]["archive_items"]["partitions"]
    return partitions


def make_faulty_state(backfill: Backfill, choose: Any) -> Json:
    """Return a state whose value is the largest of all shards, or the smallest."""
    state = make_state(backfill.plan, backfill.dones)
    for part in find_partitions(state):
        parts = [
            (done.largest or "", done.boundary)
            for name, done in backfill.dones.items()
            if name.startswith(part["context"]["collection"])
        ]
        part["replication_key_value"], part["boundary"] = choose(parts)
    return state


@pytest.mark.parametrize("seed", range(3))
def test_sync_from_merged_state_completes_what_the_shards_have_read(seed: int) -> None:
    with Sandbox(seed=seed, items=160) as sandbox:
        rng = random.Random(seed)  # noqa: S311 - which rows change
        backfill = run_backfill(sandbox, Changes(sandbox.workspace, rng))
        expected = Table({}).load(read(sandbox, SETTINGS)[1])
        state = make_state(backfill.plan, backfill.dones)
        catch_up, records = read(sandbox, SETTINGS, state)
        largest, lost = read(sandbox, SETTINGS, make_faulty_state(backfill, max))
        smallest, many = read(sandbox, SETTINGS, make_faulty_state(backfill, min))
        quiet, _ = read(sandbox, SETTINGS, catch_up.state)
    assert backfill.table.load(records) == expected
    boundaries = {part["boundary"] for part in find_partitions(state)}
    for record in records:
        assert record["updated"] >= backfill.plan.started_at or record["id"] in boundaries
    # What makes the value right: the largest one loses rows, and the smallest reads most again.
    assert backfill.table.load(lost) != expected
    assert backfill.table.load(many) == expected
    assert largest.rows < catch_up.rows < smallest.rows / 2
    assert quiet.rows <= catch_up.rows


def make_empty_done(**known: Any) -> Done:
    return Done("a", [], 0, 0, 0.0, None, known.get("largest"), known.get("boundary"))


def test_time_in_future_is_not_the_value() -> None:
    plan = make_plan("2025-01-01T00:00:00.000000Z")
    dones = {shard.id: make_empty_done() for shard in plan.shards}
    dones[plan.shards[1].id] = make_empty_done(
        largest="2999-01-01T00:00:00.000000Z", boundary="future"
    )
    dones[plan.shards[2].id] = make_empty_done(
        largest="2024-01-01T00:00:00.000000Z", boundary="past"
    )
    first, second = find_partitions(make_state(plan, dones))
    assert first["replication_key_value"] == plan.started_at
    assert first["boundary"] == "future"
    assert second == {"context": {"collection": COLLECTIONS[1]}, "filters": ""}


def test_shard_that_is_not_done_is_no_empty_shard() -> None:
    plan = make_plan("2025-01-01T00:00:00.000000Z")
    with pytest.raises(KeyError):
        make_state(plan, {shard.id: make_empty_done() for shard in plan.shards[1:]})
