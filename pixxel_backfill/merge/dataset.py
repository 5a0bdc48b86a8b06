"""Merge the GeoParquet of all shards into one dataset, in which each item occurs once.

    dataset/collection=<id>/year=<YYYY>/month=<MM>/<shard>.parquet
    dataset.json

All files of a collection have the same columns. A file that has them already, and whose rows are
all the newest of their items, is copied; others are written anew.

`dataset.json` names the files and whether the merge is complete. A merge that was killed continues
where it was. Until it is complete, the file also names the merge that has begun last: an earlier
one, which may know fewer catch-ups, ends before its next change.

Each file is replaced as a whole: first those of later catch-ups, then those that lose rows to them,
and files that are no longer needed are deleted last. So a reader of the folder during a merge
misses no item, but may see the old and the new version of one that a catch-up has changed.
"""

from __future__ import annotations

import secrets
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING
from urllib.parse import quote

import msgspec
import numpy as np
import obstore
import pyarrow as pa
import pyarrow.parquet as pq

from pixxel_backfill.merge.columns import DatasetColumns
from pixxel_backfill.merge.duplicates import find_superseded, read_rows
from pixxel_backfill.merge.sources import Source, group_sources, make_catch_up, name_damage
from pixxel_backfill.outputs.geoparquet import PARQUET, make_collection_metadata
from pixxel_singer.errors import InputError
from target_stac.formats.geoparquet import (
    ROW_GROUP_BYTES,
    GeometrySummary,
    GeoparquetFile,
    GeoparquetWriter,
    OtherKindError,
    conform_batch,
)
from target_stac.formats.item_lines import ItemLines
from target_stac.formats.omissions import Omission  # noqa: TC001 - msgspec reads the annotation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from pixxel_backfill.folder import BackfillFolder
    from pixxel_backfill.merge.sources import DoneShard
    from pixxel_backfill.plan import Plan, Shard
    from pixxel_singer.progress import StageProgress
    from target_stac.records import Json

DATASET_FOLDER = "dataset"
DATASET_FILE = "dataset.json"
_NO_COLLECTION = "__HIVE_DEFAULT_PARTITION__"
"""Hive's name of the partition without a value."""
_SAVE_SECONDS = 5.0
_COPIES = 16
"""Files that are copied at once."""
_NO_ROWS = np.empty(0, np.int64)


class DatasetFile(msgspec.Struct, frozen=True):
    """A file of the dataset.

    Attributes:
        rows: Number of its items.
        content: Digest of what it was made of.
        omissions: What GeoParquet cannot hold of its items.
    """

    rows: int
    content: str
    omissions: list[Omission] = []


class DatasetIndex(msgspec.Struct):
    """The content of `dataset.json`.

    Attributes:
        plan: Id of the plan.
        is_complete: Whether the dataset has all these files and no others.
        files: The files by their path below the plan's folder.
        merge: Random id of the merge that makes it; empty once it is complete.
    """

    plan: str
    is_complete: bool = False
    files: dict[str, DatasetFile] = {}
    merge: str = ""

    @property
    def rows(self) -> int:
        """Number of items."""
        return sum(file.rows for file in self.files.values())


@dataclass(frozen=True)
class _Task:
    """A file to make.

    Attributes:
        source: The file of a shard that it is made of.
        superseded: Numbers of the rows that it lacks.
        is_copy: Whether it is the same file.
        target: What it is to be.
    """

    source: Source
    superseded: NDArray[np.int64]
    is_copy: bool
    target: DatasetFile


@dataclass
class _CollectionPlan:
    """The files to make of a collection.

    Attributes:
        columns: Their columns.
        schema: Their schema.
        document: The collection for their metadata.
        tasks: The files by path.
    """

    columns: DatasetColumns
    schema: pa.Schema
    document: Json | None
    tasks: dict[str, _Task] = field(default_factory=dict)


@dataclass(frozen=True)
class MergeResult:
    """What a merge has done.

    Attributes:
        index: The dataset.
        sources: The files of each collection, each with the numbers of its rows that are left out
            because another one is newer.
        copied: Number of files that were copied.
        rewritten: Number of files that were written anew.
    """

    index: DatasetIndex
    sources: dict[str, list[tuple[Source, NDArray[np.int64]]]]
    copied: int
    rewritten: int


class DatasetMerge:
    """A merge of what is done.

    Args:
        folder: The folder of the backfill.
        plan: The plan.
        scratch: A local folder.
        progress: Shows how far it is.
        check: Raises if a stop was requested.
    """

    def __init__(
        self,
        folder: BackfillFolder,
        plan: Plan,
        *,
        scratch: Path,
        progress: StageProgress,
        check: Callable[[], None],
    ) -> None:
        self._folder = folder
        self._plan = plan
        self._scratch = scratch
        self._progress = progress
        self._check = check
        self._saved_at = 0.0
        self._id = secrets.token_hex(6)
        self._stale: list[str] = []

    def run(self, origins: list[DoneShard]) -> MergeResult:
        """Make the dataset of all that is done.

        Args:
            origins: The shards, in the order in which they were read.

        Raises:
            InputError: A file is missing or damaged, or another merge or catch-up has begun.
        """
        groups = group_sources(origins)
        kept: dict[str, list[tuple[Source, NDArray[np.int64]]]] = {}
        plans = []
        for collection, sources in self._progress.track("collections", len(groups), groups.items()):
            self._check()
            lost = find_superseded(sources, partial(read_rows, self._folder))
            kept[collection] = [
                (source, lost.get(number, _NO_ROWS)) for number, source in enumerate(sources)
            ]
            plans.append(self._plan_collection(collection, kept[collection]))
        next_catch_up = make_catch_up(1 + sum(origin.is_catch_up for origin in origins))
        self._check_is_open(next_catch_up)
        index = self._start([plan.tasks for plan in plans])
        self._check_is_open(next_catch_up)  # a merge of it that begins now ends this one
        todo = {
            path: task
            for plan in plans
            for path, task in plan.tasks.items()
            if path not in index.files
        }
        copies = {path: task for path, task in todo.items() if task.is_copy}
        self._copy(copies, index)
        rewritten = len(todo) - len(copies)
        self._progress.start("files to rewrite", rewritten)
        for plan in plans:
            for path, task in plan.tasks.items():
                if path not in index.files:
                    self._rewrite(path, task, plan, index)
                    self._progress.advance()
        self._finish(index)
        return MergeResult(index, kept, len(copies), rewritten)

    def read_items(self, result: MergeResult) -> Iterator[bytes]:
        """Yield the lines of all items of the dataset."""
        for sources in result.sources.values():
            yield from self._read_lines(sources)

    def _plan_collection(
        self, collection: str, sources: list[tuple[Source, NDArray[np.int64]]]
    ) -> _CollectionPlan:
        columns = DatasetColumns(self._folder, [source for source, _ in sources])
        if not columns.are_exact:
            columns.count(self._read_lines(sources))
        schema = columns.final.file_schema()
        document = make_collection_metadata(self._plan.collections.get(collection))
        digest = sha256(schema.serialize()).digest() + msgspec.json.encode(document)
        plan = _CollectionPlan(columns, schema, document)
        for source, lost in reversed(sources):
            rows = source.file.rows - len(lost)
            if not rows:
                continue
            is_copy = not len(lost) and columns.find_schema(source.origin) == schema
            content = source.find_path(PARQUET).encode()
            if not is_copy:
                content += lost.tobytes() + digest
            target = DatasetFile(rows, sha256(content).hexdigest()[:16], source.file.omissions)
            plan.tasks[make_dataset_path(source)] = _Task(source, lost, is_copy, target)
        return plan

    def _read_lines(self, sources: list[tuple[Source, NDArray[np.int64]]]) -> Iterator[bytes]:
        for source, lost in sources:
            yield from self._read_kept_lines(source, lost)

    def _read_kept_lines(self, source: Source, superseded: NDArray[np.int64]) -> Iterator[bytes]:
        """Yield the lines of a source without those that are superseded."""
        lost = frozenset(superseded.tolist())
        for number, line in enumerate(source.read_lines(self._folder, self._scratch)):
            self._check()
            if number not in lost:
                yield line

    def _start(self, groups: list[dict[str, _Task]]) -> DatasetIndex:
        """Return an index with the files that are in place already.

        It is stored as incomplete, as that of this merge, unless nothing is to be changed.
        """
        wanted = {path: task.target for tasks in groups for path, task in tasks.items()}
        previous = read_index(self._folder)
        existing = {
            each["path"]
            for batch in obstore.list(self._folder.store, prefix=DATASET_FOLDER)
            for each in batch
        }
        self._stale = sorted(existing - wanted.keys())  # not those that a later merge will add
        kept = {
            path: file
            for path, file in (previous.files if previous else {}).items()
            if path in wanted and wanted[path].content == file.content and path in existing
        }
        is_unchanged = previous is not None and previous.is_complete and previous.files == kept
        if is_unchanged and kept.keys() == wanted.keys() and not self._stale:
            return DatasetIndex(self._plan.id, is_complete=True, files=kept)
        index = DatasetIndex(self._plan.id, files=kept, merge=self._id)
        self._put_index(index)
        return index

    def _copy(self, tasks: Mapping[str, _Task], index: DatasetIndex) -> None:
        store = self._folder.store

        def copy(path: str) -> str:
            self._check()
            self._check_is_last()
            obstore.copy(store, tasks[path].source.find_path(PARQUET), path)
            return path

        with ThreadPoolExecutor(_COPIES) as pool:
            done = pool.map(copy, tasks)
            for path in self._progress.track("files to copy", len(tasks), done):
                self._note(path, tasks[path].target, index)

    def _rewrite(self, path: str, task: _Task, plan: _CollectionPlan, index: DatasetIndex) -> None:
        local = self._scratch / "merged.parquet"
        target = task.target
        if not self._conform(task, plan, local):
            omissions = self._refit(task, plan, local)
            target = msgspec.structs.replace(target, omissions=omissions)
        self._check_is_last()
        obstore.put(self._folder.store, path, local)
        self._note(path, target, index)

    def _conform(self, task: _Task, plan: _CollectionPlan, local: Path) -> bool:
        """Write a file from the batches of its source; return whether they fit the columns."""
        own = plan.columns.find_schema(task.source.origin)
        if own is None or (task.source.file.omissions and own != plan.schema):
            return False
        original = self._scratch / "source.parquet"
        task.source.download(self._folder, PARQUET, original)
        is_kept = np.ones(task.source.file.rows, np.bool_)
        is_kept[task.superseded] = False
        start = 0
        try:
            with (
                name_damage(self._folder, task.source.find_path(PARQUET)),
                pq.ParquetFile(original) as source,
                GeoparquetFile(local, plan.schema, plan.document) as file,
            ):
                for number in range(source.num_row_groups):
                    self._check()
                    table = source.read_row_group(number)
                    end = start + len(table)
                    mask = pa.array(is_kept[start:end])
                    for batch in table.filter(mask).combine_chunks().to_batches():
                        summary = GeometrySummary.of_batch(batch)
                        # A row group stays one.
                        file.write(conform_batch(batch, plan.schema), summary, ROW_GROUP_BYTES)
                    start = end
        except OtherKindError:
            return False
        return True

    def _refit(self, task: _Task, plan: _CollectionPlan, local: Path) -> list[Omission]:
        """Write a file from the lines of its items; return what it cannot hold."""
        spool = self._scratch / "items.ndjson"
        lines = ItemLines({0: spool})
        length = 0
        with spool.open("wb") as file:
            for line in self._read_kept_lines(task.source, task.superseded):
                lines.append(0, length, len(line), None)  # they are in order already
                length += file.write(line)
        writer = GeoparquetWriter(
            {local: lines}, collection=plan.document, scratch=self._scratch, check=self._check
        )
        writer.write_fitted(plan.columns.final)
        return writer.omissions[local].list()

    def _note(self, path: str, file: DatasetFile, index: DatasetIndex) -> None:
        index.files[path] = file
        if time.monotonic() > self._saved_at + _SAVE_SECONDS:
            self._check_is_last()
            self._put_index(index)

    def _put_index(self, index: DatasetIndex) -> None:
        obstore.put(self._folder.store, DATASET_FILE, msgspec.json.encode(index))
        self._saved_at = time.monotonic()

    def _check_is_last(self) -> None:
        """Check that no other merge has begun since this one, which may know more catch-ups.

        Raises:
            InputError: Another one has begun.
        """
        index = read_index(self._folder)
        if index is None or index.merge != self._id:
            raise self._make_outdated_error()

    def _check_is_open(self, catch_up: Shard) -> None:
        """Check that a catch-up is not done.

        Raises:
            InputError: It is.
        """
        if self._folder.read_done(catch_up) is not None:
            raise self._make_outdated_error()

    def _make_outdated_error(self) -> InputError:
        return InputError(
            f"{self._folder.url}: another merge or catch-up has begun, so this merge has ended; "
            "wait for the other one, or merge again"
        )

    def _finish(self, index: DatasetIndex) -> None:
        """Delete files that are no longer needed, and store that the dataset is complete."""
        if index.is_complete:
            return
        self._check_is_last()
        if self._stale:
            obstore.delete(self._folder.store, self._stale)
        index.is_complete, index.merge = True, ""
        index.files = dict(sorted(index.files.items()))
        self._put_index(index)


def read_index(folder: BackfillFolder) -> DatasetIndex | None:
    """Return the content of `dataset.json`; None if there is none, or it cannot be read."""
    content = folder.read(DATASET_FILE)
    try:
        return msgspec.json.decode(content or b"", type=DatasetIndex)
    except msgspec.DecodeError:
        return None  # all files are made again


def make_dataset_path(source: Source) -> str:
    """Return the path of a source's file in the dataset, below the plan's folder."""
    collection = source.file.collection
    year, _, month = source.file.partition.partition("-")
    name = source.origin.shard.id.removeprefix(f"{collection}/").replace("/", "-")
    return (
        f"{DATASET_FOLDER}/collection={quote(collection, safe='') or _NO_COLLECTION}"
        f"/year={year}/month={month}/{quote(name, safe='')}.parquet"
    )
