"""Time of the STAC conversion beside writing the same items as JSON, and beside pystac."""

from __future__ import annotations

import json
import time
from statistics import median
from typing import TYPE_CHECKING, Any

import msgspec
import pystac
from rich.table import Table

from benchmarks.printing import console
from pixxel_sandbox import Workspace
from pixxel_sandbox.seed.archive_items import IRREGULARITY_CYCLE
from pixxel_sandbox.seed.bands import OTHER_ASSETS, encode_assets
from tap_pixxel.stac import to_item

if TYPE_CHECKING:
    from collections.abc import Callable

    Contender = tuple[Callable[[Any], object], list[Any]]

SIZES = (5, 150)
ROUNDS = 30


def items(count: int) -> list[dict[str, Any]]:
    """Give a cycle of the sandbox's items, all its irregularities among them.

    Args:
        count: How many encode_assets each is given.
    """
    workspace = Workspace(seed=1, items=IRREGULARITY_CYCLE)
    found = []
    for key in workspace.ids("archive_items"):
        raw = workspace.get("archive_items", key)
        encoded = encode_assets(key, count - len(OTHER_ASSETS), "um", 5, "archive")
        found.append(raw | {"assets": msgspec.json.decode(encoded)})
    return found


def side_by_side(contenders: list[Contender]) -> list[float]:
    """Time contenders in turns, so that what slows the machine for a while slows them all.

    Returns:
        The median of each one's rounds, in µs for each thing it was given.
    """
    times: list[list[float]] = [[] for _ in contenders]
    for _ in range(ROUNDS):
        for (function, given), spent in zip(contenders, times, strict=True):
            began = time.perf_counter()
            for one in given:
                function(one)
            spent.append((time.perf_counter() - began) / len(given) * 1e6)
    return [median(spent) for spent in times]


def round_trip(stac: dict[str, Any]) -> dict[str, Any]:
    """Read an item with pystac, and write it."""
    return pystac.Item.from_dict(stac).to_dict(include_self_link=False, transform_hrefs=False)


def main() -> None:
    """Print the table."""
    table = Table("assets", "json.dumps µs", "to_item µs", "pystac µs", "to dumps", "to pystac")
    for size in SIZES:
        raw = items(size)
        stac = [to_item(each).stac for each in raw]
        dumps, ours, theirs = side_by_side([(json.dumps, raw), (to_item, raw), (round_trip, stac)])
        table.add_row(
            str(size),
            f"{dumps:.0f}",
            f"{ours:.0f}",
            f"{theirs:.0f}",
            f"{ours / dumps:.2f}",
            f"{ours / theirs:.2f}",
        )
    console().print(table)


if __name__ == "__main__":
    main()
