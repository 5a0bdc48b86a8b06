"""Write newline-delimited JSON of items with and without a geometry, for loaders like pgSTAC."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

from target_stac.formats.item_lines import ItemLines
from target_stac.partitions import make_partition_name
from target_stac.state.item_index import LOCATED, NDJSON_FILES, UNLOCATED
from target_stac.storage import replace_if_changed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from target_stac.state.item_index import IndexRow
    from target_stac.storage import Storage


class NdjsonFiles:
    """Two local files of items' JSON: the items with a geometry, and those without.

    Args:
        folder: A local folder for the files.
        partition: How the items of a collection are divided by time.

    Attributes:
        counts: Number of items by source, `LOCATED` or `UNLOCATED`.
        lines: Where the items of each collection are, by partition.
    """

    def __init__(self, folder: Path, partition: str) -> None:
        self._paths = {source: folder / f"new-{name}" for source, name in NDJSON_FILES.items()}
        self.counts = dict.fromkeys(NDJSON_FILES, 0)
        self._partition = partition
        self.lines: dict[str, dict[str, ItemLines]] = {}

    def write(self, rows: Iterable[IndexRow], encode_row: Callable[[IndexRow], bytes]) -> None:
        """Write all items.

        Args:
            rows: The items, collection by collection.
            encode_row: Returns the JSON of an item.
        """
        with (
            self._paths[LOCATED].open("wb") as located,
            self._paths[UNLOCATED].open("wb") as unlocated,
        ):
            files: dict[int, IO[bytes]] = {LOCATED: located, UNLOCATED: unlocated}
            ends = dict.fromkeys(files, 0)
            for row in rows:
                bbox = row.summary.bbox
                source = UNLOCATED if bbox is None else LOCATED
                self.counts[source] += 1
                length = files[source].write(encode_row(row) + b"\n")
                partitions = self.lines.setdefault(row.collection, {})
                name = make_partition_name(row.summary.day, self._partition)
                lines = partitions.get(name)
                if lines is None:
                    lines = partitions[name] = ItemLines(self._paths)
                lines.append(source, ends[source], length, bbox)
                ends[source] += length

    def publish(self, storage: Storage) -> None:
        """Move the files to the storage; a file without items is deleted there."""
        for source, name in NDJSON_FILES.items():
            if self.counts[source]:
                replace_if_changed(storage, name, self._paths[source])
            else:
                storage.delete(name)

    def read_all(self) -> Iterator[bytes]:
        """Yield all items, those with a geometry first."""
        for path in self._paths.values():
            with path.open("rb") as file:
                yield from file
