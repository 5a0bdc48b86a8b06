"""Write the items of an attempt as GeoParquet, a file for each month, and as compressed lines.

Below the attempt's folder, for each collection:

    <collection>/<YYYY-MM>.parquet        the items of a month, in the order of a Hilbert curve
    <collection>/<YYYY-MM>.ndjson.zst     the same items without loss, line by line in that order
    <collection>/<YYYY-MM>.rows.parquet   what `merge` compares of them, in that order
    <collection>/columns.json             the columns of its files, if they do not depend on counts
    rejected.ndjson.zst                   the records that are no STAC items, with the reasons
"""

from __future__ import annotations

from array import array
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import IO, TYPE_CHECKING
from urllib.parse import quote

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pixxel_backfill.folder import ItemFile
from target_stac.formats.datasets import make_metadata
from target_stac.formats.geoparquet import GeoparquetWriter, sort_along_hilbert_curve
from target_stac.formats.item_lines import ItemLines
from target_stac.item_links import summarize_item
from target_stac.links import encode_json, strip_relative_links, strip_structural_links
from target_stac.partitions import LENGTHS
from target_stac.records import ITEM, NO_COLLECTION, InvalidStacError, validate_minimal
from target_stac.scratch import open_scratch_folder
from target_stac.settings import MONTH

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from pixxel_backfill.folder import Attempt, BackfillFolder
    from pixxel_backfill.plan import Plan, Shard
    from target_stac.records import Json

PARQUET, LINES, ROWS = ".parquet", ".ndjson.zst", ".rows.parquet"
"""Suffixes of the files of a month."""
REJECTED_FILE = "rejected.ndjson.zst"
NO_TIME = -(2**63)
"""In place of a time that an item does not have."""
_STREAM = "archive_items"
_NULL_START = ord("n")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_MAX_NEIGHBOURS = 8
"""Shards whose columns may be known already that are looked at."""


class _Record(msgspec.Struct):
    """The columns of a record that are read; times have the fixed-width UTC form."""

    stac_item: dict[str, msgspec.Raw] | None = None
    stac_error: str | None = None
    datetime: str | None = None
    start_datetime: str | None = None
    updated: str | None = None


class _Message(msgspec.Struct):
    type: str
    record: _Record | None = None


class _RejectedMessage(msgspec.Struct):
    record: msgspec.Raw


_decode_message = msgspec.json.Decoder(_Message).decode
_decode_rejected = msgspec.json.Decoder(_RejectedMessage).decode
_decode = msgspec.json.decode


def parse_microseconds(timestamp: str | None) -> int:
    """Return a time as microseconds since 1970; `NO_TIME` if it is none."""
    try:
        time = datetime.fromisoformat(timestamp or "")
    except ValueError:
        return NO_TIME
    return (time.replace(tzinfo=time.tzinfo or UTC) - _EPOCH) // _MICROSECOND


class _Month:
    """The items of a month of a collection.

    Attributes:
        lines: Where they are in the spool.
        ids: Their ids, one after the other.
        id_ends: Where each id ends.
        updated: When they were updated, in microseconds since 1970.
        times: Their `datetime`, else `start_datetime`, in microseconds since 1970.
        digests: Digests of their lines.
    """

    def __init__(self, spool: Path) -> None:
        self.lines = ItemLines({0: spool})
        self.ids = bytearray()
        self.id_ends = array("q", [0])
        self.updated = array("q")
        self.times = array("q")
        self.digests = array("Q")


class GeoparquetOutput:
    """Output of an attempt; a `ShardOutput`. Memory grows by some 100 bytes for each item.

    Args:
        attempt: The attempt.
        collections: The collections as STAC, by id.
        known: Columns that other files of a collection have, by its id.
        check: Raises if a stop was requested.

    Attributes:
        rejected: Number of records that are no STAC items.
    """

    def __init__(
        self,
        attempt: Attempt,
        collections: Mapping[str, Json],
        *,
        known: Mapping[str, bytes] | None = None,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self._attempt = attempt
        self._collections = collections
        self._known = known or {}
        self._check = check
        self._months: dict[str, dict[str, _Month]] = {}
        self._length = 0
        self.rejected = 0
        self._resources = ExitStack()
        self._scratch = self._resources.enter_context(open_scratch_folder())
        self._spool = self._open("items.ndjson")
        self._rejected_spool = self._open("rejected.ndjson")

    def _open(self, name: str) -> IO[bytes]:
        return self._resources.enter_context((self._scratch / name).open("w+b"))

    def write_line(self, line: bytes) -> None:
        """Receive a message; one that is not a record of an item is ignored."""
        try:
            message = _decode_message(line)
        except msgspec.ValidationError:
            self._reject(line, "has a STAC item that is not an object, or a time that is no text")
            return
        if message.record is None:
            return
        record = message.record
        if record.stac_item is None:
            self._reject(line, record.stac_error or "has no STAC item")
            return
        try:
            self._take(record.stac_item, record)
        except InvalidStacError as error:
            self._reject(line, f"{ITEM} {error}")

    def _reject(self, line: bytes, reason: str) -> None:
        record = _decode_rejected(line).record
        rejected = {"stream": _STREAM, "reason": reason, "record": record}
        self._rejected_spool.write(encode_json(rejected) + b"\n")
        self.rejected += 1

    def _take(self, members: dict[str, msgspec.Raw], record: _Record) -> None:
        """Spool an item, whose assets are not decoded, as target-stac writes it to ndjson.

        Raises:
            InvalidStacError: It lacks what an export requires.
        """
        members = {
            name: raw
            for name, raw in members.items()
            if name == "geometry" or memoryview(raw)[0] != _NULL_START
        }
        item: Json = {name: _decode(raw) for name, raw in members.items() if name != "assets"}
        validate_minimal(ITEM, item)
        links = strip_structural_links(item.get("links", ()))
        summary = summarize_item(item, links)
        links = strip_relative_links({"links": links})["links"]
        line = encode_json({**members, "links": links}) + b"\n"
        self._spool.write(line)
        months = self._months.setdefault(item.get("collection", NO_COLLECTION), {})
        name = summary.day[: LENGTHS[MONTH]]
        month = months.get(name)
        if month is None:
            month = months[name] = _Month(self._scratch / "items.ndjson")
        month.lines.append(0, self._length, len(line), summary.bbox)
        month.ids += item["id"].encode()
        month.id_ends.append(len(month.ids))
        month.updated.append(parse_microseconds(record.updated))
        month.times.append(parse_microseconds(record.datetime or record.start_datetime))
        month.digests.append(int.from_bytes(sha256(line).digest()[:8]))
        self._length += len(line)

    def finish(self) -> list[ItemFile]:
        """Write all files below the attempt's folder; return the GeoParquet and the rejected."""
        self._spool.flush()
        self._rejected_spool.flush()
        files = []
        for collection, months in sorted(self._months.items()):
            files += self._write_collection(collection, months)
        if self.rejected:
            self._rejected_spool.seek(0)
            size = self._put_lines(REJECTED_FILE, self._rejected_spool)
            files.append(ItemFile(REJECTED_FILE, self.rejected, size))
        self._resources.close()
        return files

    def abort(self) -> None:
        """Remove the local files."""
        self._resources.close()

    def _write_collection(self, collection: str, months: dict[str, _Month]) -> list[ItemFile]:
        paths = {name: self._scratch / f"{name}.parquet" for name in sorted(months)}
        writer = GeoparquetWriter(
            {path: months[name].lines for name, path in paths.items()},
            collection=make_collection_metadata(self._collections.get(collection)),
            scratch=self._scratch,
            check=self._check,
        )
        writer.write(self._known.get(collection))
        columns = writer.dump_columns()
        if columns is not None:
            self._attempt.put(make_columns_path(collection), columns)
        files = []
        for name, path in paths.items():
            target = f"{quote(collection, safe='')}/{name}"
            self._write_rows(target, months[name])
            size = path.stat().st_size
            self._attempt.put(f"{target}{PARQUET}", path)
            path.unlink()
            files.append(
                ItemFile(
                    path=f"{target}{PARQUET}",
                    rows=len(months[name].lines),
                    bytes=size,
                    partition=name,
                    collection=collection,
                    omissions=writer.omissions[path].list(),
                )
            )
        return files

    def _write_rows(self, target: str, month: _Month) -> None:
        """Write the lines and what is compared, in the order of the rows in the GeoParquet."""
        order = sort_along_hilbert_curve(month.lines)
        with month.lines.open() as read:
            self._put_lines(f"{target}{LINES}", (read(number) for number in order))
        ids = pa.LargeStringArray.from_buffers(
            len(order), pa.py_buffer(month.id_ends), pa.py_buffer(month.ids)
        )
        columns = {
            "updated": np.frombuffer(month.updated, np.int64),
            "time": np.frombuffer(month.times, np.int64),
            "digest": np.frombuffer(month.digests, np.uint64),
        }
        arrays = {"id": ids.take(pa.array(order))}
        arrays |= {name: pa.array(values[order]) for name, values in columns.items()}
        local = self._scratch / "rows.parquet"
        pq.write_table(pa.table(arrays), local, compression="zstd")
        self._attempt.put(f"{target}{ROWS}", local)

    def _put_lines(self, path: str, lines: Iterable[bytes]) -> int:
        """Put compressed lines below the attempt's folder; return their size."""
        local = self._scratch / "lines.zst"
        with pa.CompressedOutputStream(str(local), "zstd") as file:
            for line in lines:
                self._check()
                file.write(line)
        self._attempt.put(path, local)
        return local.stat().st_size


def make_collection_metadata(document: Json | None) -> Json | None:
    """Return a collection as the metadata of its files has it; None if it is not known."""
    if document is None:
        return None
    links = strip_structural_links(document.get("links", ()))
    return make_metadata(strip_relative_links({**document, "links": links}), is_partitioned=True)


def make_columns_path(collection: str) -> str:
    """Return the path of the columns of a collection, below the attempt's folder."""
    return f"{quote(collection, safe='')}/columns.json"


def read_known_columns(folder: BackfillFolder, plan: Plan, shard: Shard) -> dict[str, bytes]:
    """Return the columns of a shard near this one that is done, by collection.

    If a shard begins with the columns of another one, `merge` can copy more of their files.

    Args:
        folder: The folder of the backfill.
        plan: The plan.
        shard: One of its shards, or a catch-up, which has all collections.
    """
    collections = dict.fromkeys(each.collection for each in plan.shards)
    found = {
        name: _find_columns(
            folder, [each for each in plan.shards if each.collection == name], shard
        )
        for name in collections
        if shard.collection in {name, ""}
    }
    return {name: columns for name, columns in found.items() if columns is not None}


def _find_columns(folder: BackfillFolder, shards: Sequence[Shard], shard: Shard) -> bytes | None:
    """Return the columns of the shard of a collection that is done and nearest to a shard."""
    place = shards.index(shard) if shard in shards else len(shards)
    near = sorted(enumerate(shards), key=lambda pair: abs(pair[0] - place))
    for number, other in near[: 1 + _MAX_NEIGHBOURS]:
        done = folder.read_done(other) if number != place else None
        if done is not None:
            path = f"{other.folder}/{done.attempt}/{make_columns_path(other.collection)}"
            columns = folder.read(path)
            if columns is not None:
                return columns
    return None
