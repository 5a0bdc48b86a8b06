"""Plans of a sandbox's archive, and the items that it has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pixxel_api.timestamps import normalize_timestamp
from pixxel_backfill.planning import MONTH, make_plan
from tap_pixxel.tap import TapPixxel
from tests.tap_pixxel.syncs import make_config

if TYPE_CHECKING:
    from pixxel_backfill.plan import Plan
    from pixxel_sandbox import Sandbox


def plan_sandbox(
    sandbox: Sandbox,
    window: str = MONTH,
    *,
    shard_rows: int = 10,
    loader: list[str] | None = None,
    **settings: Any,
) -> Plan:
    """Plan a backfill of a sandbox's archive."""
    tap = TapPixxel(config=make_config(sandbox, **settings))
    try:
        return make_plan(tap, window=window, shard_rows=shard_rows, loader=loader)
    finally:
        tap.client.close()


def list_months(sandbox: Sandbox, collection: str) -> list[str]:
    """Return the month of each item of a collection."""
    items = (
        sandbox.workspace.get("archive_items", key)
        for key in sandbox.workspace.ids("archive_items")
    )
    return [read_time(item)[:7] for item in items if item["collection"] == collection]


def read_time(item: dict[str, Any]) -> str:
    """Return the time that decides which shard owns an item of the sandbox."""
    properties = item["properties"]
    return normalize_timestamp(properties["datetime"] or properties["startdatetime"])
