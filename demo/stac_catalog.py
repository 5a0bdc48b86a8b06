"""Read the demo's STAC catalog, count its items, and print how to open it."""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING

import pystac
from rich.table import Table

from demo.meltano_runner import DemoFailedError

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

_SERVE_COMMAND = "npx http-server {folder} --cors"


def print_catalog(folder: Path, expected: int, out: Console) -> None:
    """Read a catalog with pystac, and print its collections and how to open it.

    Args:
        folder: Folder of the catalog.
        expected: Number of items that it must contain.
        out: Console that prints the table.

    Raises:
        DemoFailedError: The catalog contains another number of items.
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
            start = item.datetime or item.common_metadata.start_datetime
            days.append(f"{start:%Y-%m-%d}")
        total += counts["items"]
        table.add_row(
            collection.id,
            *(f"{counts[name]:,}" for name in ("items", "located", "assets")),
            min(days, default=""),
            max(days, default=""),
        )
    out.print(table)
    if total != expected:
        raise DemoFailedError(f"the catalog contains {total} items, expected {expected}")
    for line in describe_how_to_open(os.path.relpath(folder)):
        out.print(line, soft_wrap=True, highlight=False, markup=False)


def describe_how_to_open(folder: str) -> list[str]:
    """Return one line for each program that can open the catalog in a folder."""
    return [
        f"The catalog: {folder}/catalog.json",
        f"  a map         open {folder}/preview.html in a browser",
        f'  Python        pystac.Catalog.from_file("{folder}/catalog.json")',
        f"  DuckDB        FROM '{folder}/geoparquet/*.parquet' SELECT id, datetime, gsd",
        f"  QGIS          Layer > Add Vector Layer: {folder}/geoparquet/<collection>.parquet",
        f"  stac-browser  {_SERVE_COMMAND.format(folder=folder)}, then open http://localhost:8080/catalog.json",
    ]
