"""The JSON of an item, wherever it lies: brought by this run, or left by the last one."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import msgspec

from target_stac.existing import damaged
from target_stac.index import SPOOL, TREE
from target_stac.links import bared

if TYPE_CHECKING:
    from pathlib import Path

    from target_stac.index import Index, Row
    from target_stac.output import Output

_decode = msgspec.json.Decoder(dict[str, Any]).decode


class Bodies:
    """Reads items.

    Args:
        index: What this run has brought.
        output: The tree.
        lines: Local paths of the last run's ndjson, by source.
        root_href: Where the export is published, if it is.
    """

    def __init__(
        self, index: Index, output: Output, lines: dict[int, Path], root_href: str | None
    ) -> None:
        self._index = index
        self._output = output
        self._root_href = root_href
        self._files = {source: path.open("rb") for source, path in lines.items()}

    def close(self) -> None:
        """Close the files."""
        for file in self._files.values():
            file.close()

    def __call__(self, row: Row) -> bytes:
        """Give an item's JSON with bare links."""
        place = row.place
        if place is not None and place.source == SPOOL:
            return self._index.spooled(place)
        return bared(_decode(self.line(row)), self._root_href)

    def line(self, row: Row) -> bytes:
        """Give an item's JSON as the last run has left it.

        Raises:
            OutputError: It is gone.
        """
        if row.place is None or row.place.source == TREE:
            content = self._output.read(row.old_path) if row.old_path else None
            if content is None:
                raise damaged(row.old_path or row.id)
            return content
        fd = self._files[row.place.source].fileno()
        return os.pread(fd, row.place.length, row.place.offset)
