"""Read the JSON of an item, from this run's spool file or from the previous export."""

from __future__ import annotations

import os
from hashlib import file_digest
from typing import IO, TYPE_CHECKING, Any

import msgspec

from target_stac.links import encode_without_structural_links
from target_stac.state.item_index import SPOOL
from target_stac.state.rebuild import make_damage_error
from target_stac.storage import StorageError

if TYPE_CHECKING:
    from pathlib import Path

    from target_stac.state.item_index import IndexRow, ItemIndex
    from target_stac.storage import Storage

_MAX_OPEN_FILES = 16
_decode = msgspec.json.Decoder(dict[str, Any]).decode


class ItemReader:
    """Reader of the items' JSON.

    Args:
        index: The index, with this run's items.
        storage: The storage, with the previous export.
        root_href: URL that the export is published under, if any.
    """

    def __init__(self, index: ItemIndex, storage: Storage, root_href: str | None) -> None:
        self._index = index
        self._storage = storage
        self._root_href = root_href
        self._paths: dict[str, Path] = {}
        self._files: dict[str, IO[bytes]] = {}

    def close(self) -> None:
        """Close the ndjson files."""
        for file in self._files.values():
            file.close()

    def read(self, row: IndexRow) -> bytes:
        """Return an item's JSON without structural links.

        Raises:
            StorageError: A file of the previous export is missing or changed.
        """
        if row.location is not None and row.location.file == SPOOL:
            return self._index.read_spooled(row.location)
        content = (
            self.read_line(row)
            if row.location is not None
            else self._storage.read(row.old_path or row.path)
        )
        if content is None:
            raise make_damage_error(row.old_path or row.path)
        return encode_without_structural_links(_decode(content), self._root_href)

    def read_line(self, row: IndexRow) -> bytes:
        """Return an item's line of the previous export's ndjson, where its location is.

        Raises:
            StorageError: The file is missing or changed.
        """
        if row.location is None:
            raise make_damage_error(row.id)
        path, offset, length = row.location
        if path not in self._files:
            if len(self._files) == _MAX_OPEN_FILES:
                self._files.pop(next(iter(self._files))).close()
            self._files[path] = self._find(path).open("rb")
        return os.pread(self._files[path].fileno(), length, offset)

    def _find(self, path: str) -> Path:
        """Return the local path of an ndjson file that is as the index says."""
        if path in self._paths:
            return self._paths[path]
        local, digest = self._storage.local_path(path), None
        if local is not None:
            with local.open("rb") as file:
                digest = file_digest(file, "sha256").digest()
        if local is None or digest != self._index.file_digest(path):
            raise StorageError(
                f"output: '{path}' is missing or was modified by another program; run again, which "
                "reads all files instead of trusting the manifest"
            )
        self._paths[path] = local
        return local
