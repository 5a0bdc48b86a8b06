"""Write all items as one GeoJSON file, a STAC ItemCollection."""

from __future__ import annotations

from typing import TYPE_CHECKING

from target_stac.storage import replace_if_changed

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from target_stac.storage import Storage

ITEM_COLLECTION_FILE = "itemcollection.json"
MAX_ITEM_COLLECTION = 10_000
"""Maximum number of items in an ItemCollection, which readers load as a whole."""


def write_item_collection(storage: Storage, lines: Iterable[bytes], scratch: Path) -> None:
    """Write an ItemCollection.

    Args:
        storage: The storage.
        lines: The items' JSON.
        scratch: A local folder.
    """
    path = scratch / ITEM_COLLECTION_FILE
    with path.open("wb") as file:
        file.write(b'{"type":"FeatureCollection","features":[')
        for number, line in enumerate(lines):
            file.write((b",\n" if number else b"\n") + line.rstrip(b"\n"))
        file.write(b"\n]}\n")
    replace_if_changed(storage, ITEM_COLLECTION_FILE, path)
