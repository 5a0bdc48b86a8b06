"""Find the rows that another shard has newer.

An item is identified by its collection and id. A shard reads an item a second time if it has moved
into its range meanwhile; a catch-up reads those that have changed. All ids are held as hashes, and
only the rows whose hash occurs twice are compared.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pixxel_backfill.merge.sources import READS, name_damage
from pixxel_backfill.outputs.geoparquet import NO_TIME, ROWS, parse_microseconds

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from pixxel_backfill.folder import BackfillFolder, Done
    from pixxel_backfill.merge.sources import DoneShard, Source

_MAX_TIME = 2**63 - 1


class Version(NamedTuple):
    """A row of an item.

    Attributes:
        source: Number of its source.
        row: Number of the row in it.
        updated: When the item was updated, in microseconds since 1970.
        is_owned: Whether the shard owns the item's time.
        digest: Digest of its line.
        rank: `updated`; if that was in the future when its source was read, the start of that.
    """

    source: int
    row: int
    updated: int
    is_owned: bool
    digest: int
    rank: int

    def supersedes(self, earlier: Version) -> bool:
        """Return whether this row replaces one that was read earlier.

        The newest `updated` wins, then the owner, then what was read last, unless it is equal. A
        time in the future, which a wrong clock wrote, wins against no later change. Each catch-up
        reads the item again as long as it has such a time.
        """
        if self.updated != earlier.updated and self.rank != earlier.rank:
            return self.rank > earlier.rank
        if self.is_owned != earlier.is_owned:
            return self.is_owned
        return self.digest != earlier.digest


def read_rows(folder: BackfillFolder, source: Source, columns: list[str] | None = None) -> pa.Table:
    """Return what is compared of a source's rows, in their order: id, updated, time and digest.

    Args:
        folder: The folder of the backfill.
        source: The source.
        columns: The columns to read; None for all.
    """
    with name_damage(folder, source.find_path(ROWS)):
        return pq.read_table(pa.BufferReader(source.read(folder, ROWS)), columns=columns)


def find_superseded(
    sources: Sequence[Source], read: Callable[[Source, list[str] | None], pa.Table]
) -> dict[int, NDArray[np.int64]]:
    """Return the numbers of the rows to leave out, by the number of their source.

    Args:
        sources: The files of a collection, in the order in which they were read.
        read: Reads columns of a source, as `read_rows` does.
    """
    with ThreadPoolExecutor(READS) as pool:
        hashes = list(pool.map(lambda source: _hash_ids(read(source, ["id"])), sources))
    repeated = _find_repeated(hashes)
    kept: dict[str, Version] = {}
    superseded: dict[int, list[int]] = {}
    for number, (source, own) in enumerate(zip(sources, hashes, strict=True)):
        rows = np.flatnonzero(_contains(repeated, own))
        if len(rows):
            table = read(source, None).take(pa.array(rows))
            for identifier, version in _read_versions(table, number, rows, source.origin):
                earlier = kept.get(identifier)
                if earlier is None or version.supersedes(earlier):
                    kept[identifier] = version
                loser = version if kept[identifier] is not version else earlier
                if loser is not None:
                    superseded.setdefault(loser.source, []).append(loser.row)
    return {number: np.array(sorted(rows), np.int64) for number, rows in superseded.items()}


def _hash_ids(table: pa.Table) -> NDArray[np.int64]:
    """Return hashes of ids, the same for equal ids in this process."""
    return np.fromiter(map(hash, table["id"].to_pylist()), np.int64, len(table))


def _find_repeated(hashes: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Return the hashes that occur more than once, in order."""
    ordered = np.concatenate([*hashes, np.empty(0, np.int64)])
    ordered.sort()
    return np.unique(ordered[1:][ordered[1:] == ordered[:-1]])


def _contains(ordered: NDArray[np.int64], values: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which values are in an ordered array."""
    if not len(ordered):
        return np.zeros(len(values), np.bool_)
    places = np.minimum(np.searchsorted(ordered, values), len(ordered) - 1)
    return np.equal(ordered[places], values)


def _read_versions(
    table: pa.Table, source: int, rows: NDArray[np.int64], origin: DoneShard
) -> list[tuple[str, Version]]:
    shard = origin.shard
    start = parse_microseconds(shard.start)
    end = parse_microseconds(shard.end) if shard.end else None
    start_time, end_time = _find_period(origin.done)
    columns: Mapping[str, list[int]] = table.drop_columns(["id"]).to_pydict()
    values = zip(rows.tolist(), *(columns[x] for x in ("updated", "time", "digest")), strict=True)
    return [
        (
            identifier,
            Version(
                source=source,
                row=row,
                updated=updated,
                is_owned=time != NO_TIME and start <= time and (end is None or time < end),
                digest=digest,
                rank=start_time if updated > end_time else updated,
            ),
        )
        for identifier, (row, updated, time, digest) in zip(
            table["id"].to_pylist(), values, strict=True
        )
    ]


def _find_period(done: Done) -> tuple[int, int]:
    """Return the times of the server between which all was read, in microseconds since 1970."""
    if done.started_at is None:
        return NO_TIME, _MAX_TIME
    start = parse_microseconds(done.started_at)
    return start, start + int((done.seconds + 1) * 1_000_000)  # the server states whole seconds
