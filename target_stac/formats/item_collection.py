"""Write all items as one GeoJSON file, a STAC ItemCollection."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

ITEM_COLLECTION_FILE = "itemcollection.json"
MAX_ITEM_COLLECTION = 10_000
"""Maximum number of items in an ItemCollection, which readers load as a whole."""


def write_item_collection(path: Path, lines: Iterable[bytes]) -> None:
    """Write an ItemCollection.

    Args:
        path: A local file.
        lines: The items' JSON.
    """
    with path.open("wb") as file:
        file.write(b'{"type":"FeatureCollection","features":[')
        for number, line in enumerate(lines):
            file.write((b",\n" if number else b"\n") + line.rstrip(b"\n"))
        file.write(b"\n]}\n")
