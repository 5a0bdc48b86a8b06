"""Read the JSON of an item, from this run's spool file or from the previous export."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import msgspec

from target_stac.links import encode_without_structural_links
from target_stac.state.item_index import INCOMING, TREE
from target_stac.state.previous_export import make_damage_error

if TYPE_CHECKING:
    from pathlib import Path

    from target_stac.state.item_index import IndexRow, ItemIndex
    from target_stac.storage import Storage

_decode = msgspec.json.Decoder(dict[str, Any]).decode


class ItemReader:
    """Reader of the items' JSON.

    Args:
        index: The index, with this run's items.
        storage: The storage, with the previous catalog.
        ndjson_files: Local paths of the previous export's ndjson files, by source.
        root_href: URL that the export is published under, if any.
    """

    def __init__(
        self,
        index: ItemIndex,
        storage: Storage,
        ndjson_files: dict[int, Path],
        root_href: str | None,
    ) -> None:
        self._index = index
        self._storage = storage
        self._root_href = root_href
        self._files = {source: path.open("rb") for source, path in ndjson_files.items()}

    def close(self) -> None:
        """Close the files."""
        for file in self._files.values():
            file.close()

    def read(self, row: IndexRow) -> bytes:
        """Return an item's JSON without structural links."""
        if row.location is not None and row.location.source == INCOMING:
            return self._index.read_incoming(row.location)
        return encode_without_structural_links(_decode(self.read_previous(row)), self._root_href)

    def read_previous(self, row: IndexRow) -> bytes:
        """Return an item's JSON as the previous export has it.

        Raises:
            StorageError: The item's file is missing.
        """
        if row.location is None or row.location.source == TREE:
            content = self._storage.read(row.old_path) if row.old_path else None
            if content is None:
                raise make_damage_error(row.old_path or row.id)
            return content
        fd = self._files[row.location.source].fileno()
        return os.pread(fd, row.location.length, row.location.offset)
