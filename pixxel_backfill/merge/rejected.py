"""Collect the records of all shards that are no STAC items, which no dataset holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec
import obstore

from pixxel_backfill.merge.duplicates import read_rows
from pixxel_backfill.merge.sources import group_sources, read_compressed_lines
from pixxel_backfill.outputs.geoparquet import REJECTED_FILE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from pixxel_backfill.folder import BackfillFolder
    from pixxel_backfill.merge.sources import DoneShard

MERGED_FILE = "rejected.ndjson"


class _Record(msgspec.Struct, frozen=True):
    id: str | None = None
    collection: str | None = None


class _RejectedLine(msgspec.Struct):
    record: _Record


class RejectedItem(NamedTuple):
    """An item whose record was rejected.

    Attributes:
        collection: Id of its collection.
        id: Its id.
    """

    collection: str
    id: str


_decode = msgspec.json.Decoder(_RejectedLine).decode


def merge_rejected(
    folder: BackfillFolder, origins: Sequence[DoneShard], scratch: Path
) -> list[RejectedItem]:
    """Write the rejected records to one file, the last of each item; none if there are none.

    Args:
        folder: The folder of the backfill.
        origins: The shards, in the order in which they were read.
        scratch: A local folder.

    Returns:
        The items, without those that a shard that was read later has accepted.
    """
    lines = _read_lines(folder, origins, scratch)
    last = {item: (place, number) for number, (place, item, _) in enumerate(lines)}
    for item in _find_accepted(folder, origins, {item: place for item, (place, _) in last.items()}):
        del last[item]
    numbers = {number for _, number in last.values()}
    local = scratch / MERGED_FILE
    with local.open("wb") as file:
        for number, (_, _, line) in enumerate(_read_lines(folder, origins, scratch)):
            if number in numbers:
                file.write(line)
    if last:
        obstore.put(folder.store, MERGED_FILE, local)
    elif folder.read(MERGED_FILE) is not None:
        obstore.delete(folder.store, MERGED_FILE)
    return sorted(last)


def _read_lines(
    folder: BackfillFolder, origins: Sequence[DoneShard], scratch: Path
) -> Iterator[tuple[int, RejectedItem, bytes]]:
    """Yield the place of each line's shard, its item, and the line."""
    for place, origin in enumerate(origins):
        if any(file.path == REJECTED_FILE for file in origin.done.files):
            for line in read_compressed_lines(folder, origin.find_path(REJECTED_FILE), scratch):
                record = _decode(line).record
                yield place, RejectedItem(record.collection or "", record.id or ""), line


def _find_accepted(
    folder: BackfillFolder, origins: Sequence[DoneShard], rejected: Mapping[RejectedItem, int]
) -> set[RejectedItem]:
    """Return the items that a shard has accepted after the one that has rejected them."""
    places = {origin.shard.id: place for place, origin in enumerate(origins)}
    collections = {item.collection for item in rejected}
    return {
        item
        for collection, sources in group_sources(origins).items()
        if collection in collections
        for source in sources
        for identifier in read_rows(folder, source, ["id"])["id"].to_pylist()
        if rejected.get(item := RejectedItem(collection, identifier), len(origins))
        < places[source.origin.shard.id]
    }
