"""Compare the STAC conversion with `json.dumps` and pystac on the same items."""

from __future__ import annotations

import json
import time
from statistics import median
from typing import TYPE_CHECKING, Any

import msgspec
import pystac
from rich.table import Table

from benchmarks.console import make_console
from pixxel_sandbox import Workspace
from pixxel_sandbox.seed.archive_items import IRREGULARITY_CYCLE
from pixxel_sandbox.seed.bands import OTHER_ASSETS, encode_assets
from tap_pixxel.stac import to_item

if TYPE_CHECKING:
    from collections.abc import Callable

    Case = tuple[Callable[[Any], object], list[Any]]

SIZES = (5, 150)
ROUNDS = 30


def make_items(count: int) -> list[dict[str, Any]]:
    """Make items of the sandbox with all its irregularities.

    Args:
        count: Number of assets of each item.
    """
    workspace = Workspace(seed=1, items=IRREGULARITY_CYCLE)
    items = []
    for key in workspace.ids("archive_items"):
        raw = workspace.get("archive_items", key)
        encoded = encode_assets(key, count - len(OTHER_ASSETS), "um", 5, "archive")
        items.append(raw | {"assets": msgspec.json.decode(encoded)})
    return items


def time_in_turns(cases: list[Case]) -> list[float]:
    """Time functions in turns, so that a slow phase of the machine affects all of them.

    Args:
        cases: Functions, each with the values that it is called with.

    Returns:
        For each function, the median of its rounds in µs per call.
    """
    times: list[list[float]] = [[] for _ in cases]
    for _ in range(ROUNDS):
        for (function, values), durations in zip(cases, times, strict=True):
            start = time.perf_counter()
            for value in values:
                function(value)
            durations.append((time.perf_counter() - start) / len(values) * 1e6)
    return [median(durations) for durations in times]


def round_trip_with_pystac(stac: dict[str, Any]) -> dict[str, Any]:
    """Read an item with pystac, and write it again."""
    return pystac.Item.from_dict(stac).to_dict(include_self_link=False, transform_hrefs=False)


def main() -> None:
    """Print the table."""
    times = ("json.dumps µs", "to_item µs", "pystac µs")
    table = Table("assets", *times, "to_item / json.dumps", "to_item / pystac")
    for size in SIZES:
        raw = make_items(size)
        stac = [to_item(each).stac for each in raw]
        dumps, ours, theirs = time_in_turns(
            [(json.dumps, raw), (to_item, raw), (round_trip_with_pystac, stac)]
        )
        table.add_row(
            str(size),
            f"{dumps:.0f}",
            f"{ours:.0f}",
            f"{theirs:.0f}",
            f"{ours / dumps:.2f}",
            f"{ours / theirs:.2f}",
        )
    make_console().print(table)


if __name__ == "__main__":
    main()
