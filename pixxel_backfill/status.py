"""The status of a backfill: which shards are done, and what they hold."""

from __future__ import annotations

from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Literal

import msgspec

from pixxel_backfill.folder import read_start
from pixxel_singer.log_setup import align_columns
from pixxel_singer.redaction import escape_controls

if TYPE_CHECKING:
    from pixxel_backfill.folder import BackfillFolder
    from pixxel_backfill.plan import Plan, Shard

Status = Literal["done", "started", "failed", "open"]
STATUSES: tuple[Status, ...] = ("done", "started", "failed", "open")
MAX_LISTED = 20
"""Started shards, failed shards, and undated items that the table lists, of each."""
_READERS = 16
"""Files that are read at a time, which take long to request from an object store."""


class ShardStatus(msgspec.Struct, frozen=True):
    """The status of a shard.

    Attributes:
        id: Its id.
        collection: Id of its collection.
        status: `done`; `started`, if its latest attempt runs or was killed; `failed`, if it has
            failed; or `open`.
        rows: Number of items.
        bytes: Size of its files.
        requests: Number of requests.
        seconds: How long the attempt took.
        undated: Ids of items without any time that it has seen.
        reason: Why the latest attempt has failed.
        since: When the latest attempt has begun, UTC, if the shard is `started`.
    """

    id: str
    collection: str
    status: Status
    rows: int = 0
    bytes: int = 0
    requests: int = 0
    seconds: float = 0.0
    undated: list[str] = []
    reason: str = ""
    since: str = ""


class BackfillStatus(msgspec.Struct, frozen=True):
    """The status of a backfill.

    Attributes:
        plan: Id of the plan.
        started_at: The server's time when it was planned.
        done: Number of shards that are done, as the next three by their status.
        started: See `ShardStatus`.
        failed: See `ShardStatus`.
        open: See `ShardStatus`.
        rows: Number of items of the shards that are done.
        bytes: Size of their files.
        undated: Items without any time, as `collection/id`; no shard owns them.
        shards: All shards.
    """

    plan: str
    started_at: str
    done: int
    started: int
    failed: int
    open: int
    rows: int
    bytes: int
    undated: list[str]
    shards: list[ShardStatus]


def read_status(folder: BackfillFolder, plan: Plan) -> BackfillStatus:
    """Read the status of a backfill."""
    attempts = folder.list_attempts(plan)

    def read_shard(shard: Shard) -> ShardStatus:
        found = attempts[shard.id]
        done = folder.read_done(shard) if found.is_done else None
        if done is not None:
            return ShardStatus(
                shard.id,
                shard.collection,
                "done",
                rows=done.rows,
                bytes=sum(each.bytes for each in done.files),
                requests=done.requests,
                seconds=done.seconds,
                undated=done.undated,
            )
        if found.latest in found.failed:
            reason = folder.read_failure(shard, found.latest)
            return ShardStatus(shard.id, shard.collection, "failed", reason=reason)
        if found.latest:
            since = read_start(found.latest)
            return ShardStatus(shard.id, shard.collection, "started", since=since)
        return ShardStatus(shard.id, shard.collection, "open")

    with ThreadPoolExecutor(_READERS) as pool:
        shards = list(pool.map(read_shard, plan.shards))
    counts = Counter(each.status for each in shards)
    return BackfillStatus(
        plan=plan.id,
        started_at=plan.started_at,
        done=counts["done"],
        started=counts["started"],
        failed=counts["failed"],
        open=counts["open"],
        rows=sum(each.rows for each in shards),
        bytes=sum(each.bytes for each in shards),
        undated=sorted({f"{each.collection}/{item}" for each in shards for item in each.undated}),
        shards=shards,
    )


def format_status(status: BackfillStatus, *, as_json: bool) -> str:
    """Return a status as JSON, or as a table with a line for each collection."""
    if as_json:
        return msgspec.json.encode(status).decode()
    shards: dict[str, list[ShardStatus]] = defaultdict(list)
    for each in status.shards:
        shards[each.collection].append(each)
    rows = [
        ("collection", "shards", *STATUSES, "items", "bytes"),
        *(_format_row(name, some) for name, some in shards.items()),
        _format_row("all", status.shards),
    ]
    lines = align_columns(rows, "<>>>>>>>")
    failed = [f"{each.id}: {each.reason}" for each in status.shards if each.status == "failed"]
    started = [f"{each.id}: since {each.since}" for each in status.shards if each.since]
    lines += _list_some("started, and running or killed", started)
    lines += _list_some("failed", failed)
    lines += _list_some("items without any time, which catch-up reads", status.undated)
    return escape_controls("\n".join(lines), keep="\n")


def _format_row(name: str, shards: list[ShardStatus]) -> tuple[str, ...]:
    counts = Counter(each.status for each in shards)
    items, size = sum(each.rows for each in shards), sum(each.bytes for each in shards)
    numbers = (len(shards), *(counts[each] for each in STATUSES), items, size)
    return (name, *(f"{number:,}" for number in numbers))


def _list_some(title: str, names: list[str]) -> list[str]:
    if not names:
        return []
    rest = len(names) - MAX_LISTED
    more = [f"  and {rest:,} more; see --json"] if rest > 0 else []
    return ["", f"{title}:", *(f"  {each}" for each in names[:MAX_LISTED]), *more]
