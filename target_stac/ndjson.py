"""Newline-delimited JSON: items, and items without a place, for loaders such as pgSTAC."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

from target_stac.existing import LINES
from target_stac.index import LOCATED, UNLOCATED
from target_stac.output import replace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from target_stac.index import Row
    from target_stac.output import Output


class Lines:
    """The items' JSON in two local files: those with a geometry, and the others.

    Args:
        folder: A local folder for the files.

    Attributes:
        counts: Items by source.
    """

    def __init__(self, folder: Path) -> None:
        self._paths = {source: folder / f"new-{name}" for source, name in LINES.items()}
        self._spans: dict[str, tuple[int, int]] = {}
        self.counts = dict.fromkeys(LINES, 0)

    def write(self, rows: Iterable[Row], line: Callable[[Row], bytes]) -> None:
        """Write all items.

        Args:
            rows: Collection by collection.
            line: Gives the JSON of one.
        """
        with self._paths[LOCATED].open("wb") as located, self._paths[UNLOCATED].open("wb") as rest:
            files: dict[int, IO[bytes]] = {LOCATED: located, UNLOCATED: rest}
            begins = 0
            for row in rows:
                source = UNLOCATED if row.facts.bbox is None else LOCATED
                self.counts[source] += 1
                files[source].write(line(row) + b"\n")
                end = located.tell()
                self._spans[row.collection] = (
                    self._spans.get(row.collection, (begins, end))[0],
                    end,
                )
                begins = end

    def publish(self, output: Output) -> None:
        """Move the files to their places; there is none without items."""
        for source, name in LINES.items():
            if self.counts[source]:
                replace(output, name, self._paths[source])
            else:
                output.delete(name)

    def all(self) -> Iterator[bytes]:
        """Give all items, those with a geometry first."""
        for path in self._paths.values():
            with path.open("rb") as file:
                yield from file

    def has(self, collection: str) -> bool:
        """Tell whether a collection has items with a geometry."""
        begin, end = self._spans.get(collection, (0, 0))
        return begin < end

    def of(self, collection: str) -> Iterator[bytes]:
        """Give the items of a collection that have a geometry."""
        begin, end = self._spans[collection]
        with self._paths[LOCATED].open("rb") as file:
            file.seek(begin)
            while begin < end:
                line = file.readline()
                begin += len(line)
                yield line
