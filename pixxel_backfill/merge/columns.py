"""Decide the columns of all files of a collection from those of its shards.

A shard states its columns if they do not depend on the number of its values. If a column has values
of several kinds in the collection, most values decide, and all of them are counted in the lines.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import msgspec

from pixxel_backfill.merge.sources import READS
from pixxel_backfill.outputs.geoparquet import make_columns_path
from target_stac.formats.geoparquet import Columns, make_row

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pyarrow as pa

    from pixxel_backfill.folder import BackfillFolder
    from pixxel_backfill.merge.sources import DoneShard, Source


class DatasetColumns:
    """The columns of a collection's files, and those that the files of each shard have.

    Args:
        folder: The folder of the backfill.
        sources: The files.

    Attributes:
        final: The columns.
        are_exact: Whether the columns of all shards are known and have the same kinds; otherwise
            `count` must be called.
    """

    def __init__(self, folder: BackfillFolder, sources: Sequence[Source]) -> None:
        self.final = Columns()
        self._schemas: dict[bytes, pa.Schema] = {}
        paths = {
            source.origin.shard.id: source.origin.find_path(
                make_columns_path(source.file.collection)
            )
            for source in sources
        }
        known: dict[bytes, bytes] = {}  # shards that have begun with the same have equal ones
        with ThreadPoolExecutor(READS) as pool:
            contents = pool.map(folder.read, paths.values())
            self._stated = {
                name: None if content is None else known.setdefault(content, content)
                for name, content in zip(paths, contents, strict=True)
            }
        for stated in known:
            self.final.load(stated)
        self._are_all_stated = None not in self._stated.values()
        self.are_exact = self._are_all_stated and not self.final.are_disputed

    def count(self, lines: Iterable[bytes]) -> None:
        """Count the values of all items of the collection.

        Args:
            lines: The items.
        """
        names = self.final.find_disputed() if self._are_all_stated else None
        for line in lines:
            row = make_row(line)
            self.final.has_heights |= row.has_heights
            members = row.members
            if names is not None:
                members = {name: members[name] for name in names & members.keys()}
            self.final.count([{name: msgspec.json.decode(raw) for name, raw in members.items()}])

    def find_schema(self, origin: DoneShard) -> pa.Schema | None:
        """Return the schema of a shard's files; None if it is not known, or more than the final."""
        stated = self._stated[origin.shard.id]
        if stated is None or not self.final.are_all_known:
            return None
        if stated not in self._schemas:
            columns = Columns()
            columns.load(stated)
            self._schemas[stated] = columns.file_schema()
        return self._schemas[stated]
