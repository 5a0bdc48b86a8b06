"""The catalog that the demo leaves: read back, counted, and how to open it."""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING

import pystac
from rich.table import Table

from demo.syncs import DemoFailedError

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

_SERVE = "npx http-server {folder} --cors"


def show_catalog(folder: Path, expected: int, out: Console) -> None:
    """Read a catalog with pystac, lay out what it holds, and say how to open it.

    Args:
        folder: Where the catalog lies.
        expected: How many items it must hold.
        out: Where to show it.

    Raises:
        DemoFailedError: It holds another number of items.
    """
    catalog = pystac.Catalog.from_file(folder / "catalog.json")
    table = Table(title="The STAC catalog, read back with pystac", title_justify="left")
    for column in ("collection", "items", "footprints", "assets", "from", "to"):
        table.add_column(column, justify="left" if column == "collection" else "right")
    total = 0
    for collection in catalog.get_children():
        counts: Counter[str] = Counter()
        days = []
        for item in collection.get_items(recursive=True):
            counts += Counter(items=1, located=item.geometry is not None, assets=len(item.assets))
            moment = item.datetime or item.common_metadata.start_datetime
            days.append(f"{moment:%Y-%m-%d}")
        total += counts["items"]
        table.add_row(
            collection.id,
            *(f"{counts[name]:,}" for name in ("items", "located", "assets")),
            min(days, default=""),
            max(days, default=""),
        )
    out.print(table)
    if total != expected:
        raise DemoFailedError(f"the catalog holds {total} items, and {expected} were sent")
    for line in how_to_open(os.path.relpath(folder)):
        out.print(line, soft_wrap=True, highlight=False, markup=False)


def how_to_open(folder: str) -> list[str]:
    """Say how to open a catalog that lies in a folder, a line a program."""
    return [
        f"The catalog: {folder}/catalog.json",
        f"  a map         open {folder}/preview.html in a browser",
        f'  Python        pystac.Catalog.from_file("{folder}/catalog.json")',
        f"  DuckDB        FROM '{folder}/geoparquet/*.parquet' SELECT id, datetime, gsd",
        f"  QGIS          Layer > Add Vector Layer: {folder}/geoparquet/<collection>.parquet",
        f"  stac-browser  {_SERVE.format(folder=folder)}, then give it http://localhost:8080/catalog.json",
    ]
