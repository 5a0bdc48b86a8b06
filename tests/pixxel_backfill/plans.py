"""Plans of a sandbox's archive, and the items that it has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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
