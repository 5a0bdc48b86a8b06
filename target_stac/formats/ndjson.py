"""Write newline-delimited JSON of items with and without a geometry, for loaders like pgSTAC."""

from __future__ import annotations

import os
from typing import IO, TYPE_CHECKING

from target_stac.formats.item_lines import ItemLines
from target_stac.partitions import make_partition_name
from target_stac.state.rebuild import ITEMS_FILES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from target_stac.state.item_index import IndexRow, JsonLocation

_LOCATED, _UNLOCATED = range(len(ITEMS_FILES))


class NdjsonFiles:
    """Two local files of items' JSON: the items with a geometry, and those without.

    Args:
        folder: A local folder for the files.
        partition: How the items of a collection are divided by time.

    Attributes:
        paths: The files by the name that they have in an export.
        counts: Number of items by that name.
        lines: Where the items of each collection are, by partition.
    """

    def __init__(self, folder: Path, partition: str) -> None:
        self.paths = {name: folder / f"new-{name}" for name in ITEMS_FILES}
        self._sources = dict(enumerate(self.paths.values()))
        self._partition = partition
        self._open_files: dict[str, IO[bytes]] = {}
        self.counts = dict.fromkeys(ITEMS_FILES, 0)
        self.lines: dict[str, dict[str, ItemLines]] = {}

    def write(
        self, rows: Iterable[IndexRow], encode_row: Callable[[IndexRow], bytes]
    ) -> Iterator[tuple[str, int, int, str, str]]:
        """Write the items; yield for each its file, offset, length, collection and id.

        Args:
            rows: The items, collection by collection.
            encode_row: Returns the JSON of an item.
        """
        located, unlocated = self.paths.values()
        with located.open("wb") as first, unlocated.open("wb") as second:
            files = (first, second)
            ends = [0, 0]
            for row in rows:
                source = _UNLOCATED if row.summary.bbox is None else _LOCATED
                name, start = ITEMS_FILES[source], ends[source]
                length = files[source].write(encode_row(row) + b"\n")
                ends[source] += length
                self.counts[name] += 1
                self._find_lines(row).append(source, start, length, row.summary.bbox)
                yield name, start, length - 1, row.collection, row.id

    def _find_lines(self, row: IndexRow) -> ItemLines:
        partitions = self.lines.setdefault(row.collection, {})
        name = make_partition_name(row.summary.day, self._partition)
        if name not in partitions:
            partitions[name] = ItemLines(self._sources)
        return partitions[name]

    def read(self, location: JsonLocation) -> bytes:
        """Return a line, at a location that `write` has yielded."""
        if location.file not in self._open_files:
            self._open_files[location.file] = self.paths[location.file].open("rb")
        fd = self._open_files[location.file].fileno()
        return os.pread(fd, location.length, location.offset)

    def close(self) -> None:
        """Close the files."""
        for file in self._open_files.values():
            file.close()

    def read_all(self) -> Iterator[bytes]:
        """Yield all items, those with a geometry first."""
        for path in self.paths.values():
            with path.open("rb") as file:
                yield from file
