"""Compare the STAC conversion with `json.dumps` and pystac, on new items in each round.

The assets of an item differ from those of all other items in the way that a row of the table says.
No function is called with an item that it was called with before.
"""

from __future__ import annotations

import gc
import json
import time
from copy import deepcopy
from itertools import cycle, islice
from random import Random
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import pystac
from rich.table import Table

from benchmarks.console import make_console
from benchmarks.variation import DIFFERENCES, NANOMETRES, UNUSABLE, vary_assets
from pixxel_sandbox import Workspace
from pixxel_sandbox.seed.archive_items import IRREGULARITY_CYCLE
from pixxel_sandbox.seed.bands import OTHER_ASSETS, encode_assets
from tap_pixxel.stac import to_item

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Call = tuple[Callable[[Any], object], list[Any]]

MANY, FEW = 150, 5
REPEATED = "only the image's name in hrefs"
ROUNDS = 12
ASSETS_PER_ROUND = 600


class Case(NamedTuple):
    """One row of the table.

    Attributes:
        assets: Number of assets of each item.
        label: What differs in each asset.
        variations: Labels of `benchmarks.variation.VARIATIONS`.
    """

    assets: int
    label: str
    variations: list[str]


CASES = [
    *(Case(MANY, label, [label]) for label in DIFFERENCES),
    Case(
        MANY, "all but the hrefs of these", [label for label in DIFFERENCES if "href" not in label]
    ),
    Case(MANY, NANOMETRES, [NANOMETRES]),
    Case(MANY, UNUSABLE, [UNUSABLE]),
    Case(FEW, "title", ["title"]),
    Case(MANY, REPEATED, []),
    Case(FEW, REPEATED, []),
]


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


def make_rounds(case: Case) -> Iterator[list[dict[str, Any]]]:
    """Yield the items of each round; each item is made once."""
    rng = Random(case.assets)  # noqa: S311 - the same items in each run
    originals = cycle(make_items(case.assets))
    for number in range(ROUNDS):
        items = []
        for raw in islice(originals, ASSETS_PER_ROUND // case.assets):
            name = f"{raw['id']}-{number}"
            item = deepcopy(raw) | {"id": name}
            for key, asset in item["assets"].items():
                asset["href"] = f"https://data.invalid/{name}/{key}.tif"
            vary_assets(item["assets"], case.variations, rng)
            items.append(item)
        yield items


def time_in_turns(rounds: list[list[Call]]) -> list[float]:
    """Time functions in turns, so that a slow phase of the machine affects all of them.

    The inputs are left to no garbage collection, which `json.dumps` would never cause.

    Args:
        rounds: For each round, the functions, each with the values that it is called with.

    Returns:
        For each function, the median of its rounds in µs per call.
    """
    times: list[list[float]] = [[] for _ in rounds[0]]
    gc.collect()
    gc.freeze()
    for calls in rounds:
        for (function, values), durations in zip(calls, times, strict=True):
            start = time.perf_counter()
            for value in values:
                function(value)
            durations.append((time.perf_counter() - start) / len(values) * 1e6)
    gc.unfreeze()
    return [median(durations) for durations in times]


def with_raw_assets(item: dict[str, Any]) -> dict[str, Any]:
    """Return an item whose assets are JSON text, as the tap has them."""
    return item | {"assets": msgspec.Raw(msgspec.json.encode(item["assets"]))}


def round_trip_with_pystac(stac: dict[str, Any]) -> dict[str, Any]:
    """Read an item with pystac, and write it again."""
    return pystac.Item.from_dict(stac).to_dict(include_self_link=False, transform_hrefs=False)


def main() -> None:
    """Print the table."""
    title = "to_item as a ratio to json.dumps of the same item"
    columns = ("as text", "as objects", "pystac")
    table = Table("assets", "what differs in each asset", "json.dumps µs", *columns, title=title)
    for case in CASES:
        rounds: list[list[Call]] = []
        for items in make_rounds(case):
            stac = [to_item(deepcopy(each)).stac for each in items]
            texts = [with_raw_assets(each) for each in items]
            rounds.append(
                [
                    (json.dumps, items),
                    (to_item, texts),
                    (to_item, items),
                    (round_trip_with_pystac, stac),
                ]
            )
        dumps, *others = time_in_turns(rounds)
        ratios = (f"{each / dumps:.2f}" for each in others)
        table.add_row(str(case.assets), case.label, f"{dumps:.0f}", *ratios)
    make_console().print(table)


if __name__ == "__main__":
    main()
