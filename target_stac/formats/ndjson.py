"""Write newline-delimited JSON of items with and without a geometry, for loaders like pgSTAC."""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import count, groupby
from typing import IO, TYPE_CHECKING, NamedTuple

from target_stac.formats.item_lines import ItemLines
from target_stac.partitions import make_ndjson_paths
from target_stac.settings import NDJSON
from target_stac.state.item_index import FileKey, JsonLocation

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator
    from pathlib import Path

    from target_stac.state.item_index import IndexRow

_LOCATED, _UNLOCATED = range(2)


class NdjsonLine(NamedTuple):
    """A line, and the item in it."""

    location: JsonLocation
    collection: str
    id: str


@dataclass
class NdjsonFile:
    """A local file.

    Attributes:
        key: What it holds.
        local: Its path here.
        is_outdated: Whether it is to replace one of the export, or to be new there.
        count: Number of its items.
    """

    key: FileKey
    local: Path
    is_outdated: bool
    count: int = 0


class NdjsonFiles:
    """Local files of items' JSON: for each partition the items with a geometry, and those without.

    Args:
        folder: A local folder for the files.
        length: Length of the name of a partition, as in `partitions.LENGTHS`.
        outdated: What the files of the export hold that are to be replaced.

    Attributes:
        files: The files by the path that they have in an export.
        lines: Where the items of each collection are, by partition.
    """

    def __init__(self, folder: Path, length: int, outdated: Container[FileKey]) -> None:
        self._folder = folder
        self._length = length
        self._outdated = outdated
        self._open_file: tuple[str, IO[bytes]] | None = None
        self._numbers = count()
        self.files: dict[str, NdjsonFile] = {}
        self.lines: dict[str, dict[str, ItemLines]] = {}

    def write(
        self, rows: Iterable[IndexRow], encode_row: Callable[[IndexRow], bytes]
    ) -> Iterator[NdjsonLine]:
        """Write whole partitions; yield the line of each item in an outdated file.

        It may be called again, for other partitions.

        Args:
            rows: The items, partition by partition.
            encode_row: Returns the JSON of an item.
        """
        for (folder, key), group in groupby(rows, self._make_key):
            paths = make_ndjson_paths(folder, key.partition)
            files = [self._add_file(path, key) for path in paths]
            sources = {source: file.local for source, file in enumerate(files)}
            with sources[_LOCATED].open("wb") as located, sources[_UNLOCATED].open("wb") as others:
                contents, ends = (located, others), [0, 0]
                for row in group:
                    bbox = row.summary.bbox
                    source = _UNLOCATED if bbox is None else _LOCATED
                    start = ends[source]
                    length = contents[source].write(encode_row(row) + b"\n")
                    ends[source] += length
                    files[source].count += 1
                    partitions = self.lines.setdefault(row.collection, {})
                    if key.partition not in partitions:
                        partitions[key.partition] = ItemLines(sources)
                    partitions[key.partition].append(source, start, length, bbox)
                    if files[source].is_outdated:
                        location = JsonLocation(paths[source], start, length - 1)
                        yield NdjsonLine(location, row.collection, row.id)

    def _make_key(self, row: IndexRow) -> tuple[str, FileKey]:
        if not self._length:
            return "", FileKey(NDJSON)
        return row.folder, FileKey(NDJSON, row.collection, row.summary.day[: self._length])

    def _add_file(self, path: str, key: FileKey) -> NdjsonFile:
        local = self._folder / f"{next(self._numbers)}.ndjson"
        file = NdjsonFile(key, local, key in self._outdated)
        self.files[path] = file
        return file

    def find_line(self, location: JsonLocation | None) -> bytes | None:
        """Return the line at a location that `write` has yielded, None at any other."""
        file = self.files.get(location.file) if location is not None else None
        if location is None or file is None or not file.is_outdated:
            return None
        if self._open_file is None or self._open_file[0] != location.file:
            self.close()
            self._open_file = location.file, file.local.open("rb")
        return os.pread(self._open_file[1].fileno(), location.length, location.offset)

    def close(self) -> None:
        """Close the file that `find_line` has opened."""
        if self._open_file is not None:
            self._open_file[1].close()
            self._open_file = None

    def read_all(self) -> Iterator[bytes]:
        """Yield all items, those with a geometry first."""
        locals_ = [file.local for file in self.files.values()]
        for path in (*locals_[_LOCATED::2], *locals_[_UNLOCATED::2]):
            with path.open("rb") as file:
                yield from file
