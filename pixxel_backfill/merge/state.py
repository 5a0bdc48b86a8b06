"""The state of the tap after a backfill, from which the next sync is a catch-up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from pixxel_api.timestamps import parse_timestamp
from pixxel_backfill.tap_run import make_offline_items

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pixxel_backfill.folder import Done
    from pixxel_backfill.plan import Plan


def make_state(plan: Plan, dones: Mapping[str, Done]) -> dict[str, Any]:
    """Return the state from which the tap emits what has changed since the backfill began.

    The tap's own bookmark makes it, as if one sync had begun with the plan and read all items: the
    value is the largest `updated`, but not after the plan's start. A row that changed after its
    shard was read has a later time. The largest value of all shards would omit such a row, and the
    smallest would emit most of the archive again. A collection without any `updated` has an entry
    without a value, so that it is read from its beginning.

    Args:
        plan: The plan.
        dones: What was done, by the shard's id; others than the plan's shards are ignored.

    Returns:
        The value of a STATE message.

    Raises:
        KeyError: A shard of the plan is not done.
    """
    items = make_offline_items(plan.settings)
    done_by_collection: dict[str, list[Done]] = {}
    for shard in plan.shards:
        done_by_collection.setdefault(shard.collection, []).append(dones[shard.id])
    for collection, parts in done_by_collection.items():
        bookmark = items.load_bookmark({"collection": collection})
        assert bookmark is not None  # noqa: S101 - the stream is incremental
        bookmark.set_start(parse_timestamp(plan.started_at))
        for done in parts:
            bookmark.observe(done.largest, done.boundary)
        bookmark.finish()
    return cast("dict[str, Any]", items.tap_state)
