"""Write the GeoParquet of collections: all files of one, or only those whose items have changed."""

from __future__ import annotations

from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

from target_stac.partitions import make_geoparquet_path
from target_stac.records import COLLECTION, METADATA_MEMBER
from target_stac.settings import GEOPARQUET
from target_stac.state.item_index import FileKey

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from target_stac.formats.item_lines import ItemLines
    from target_stac.formats.omissions import Omission
    from target_stac.records import Json
    from target_stac.state.item_index import ItemIndex


_OPEN_EXTENT = {
    "spatial": {"bbox": [[-180.0, -90.0, 180.0, 90.0]]},
    "temporal": {"interval": [[None, None]]},
}


def make_metadata(document: Json | None, *, is_partitioned: bool) -> Json | None:
    """Return a collection as the metadata of its GeoParquet has it; None for items without one.

    In a dataset of several files, an extent that is derived from the items is open, or each new
    item would change all files.
    """
    if document is None or document["type"] != COLLECTION.capitalize():
        return None
    if is_partitioned and METADATA_MEMBER in document:
        return {**document, "extent": _OPEN_EXTENT}
    return document


@dataclass(frozen=True)
class _Files:
    """Local files of a dataset, by partition.

    Attributes:
        paths: Their paths.
        omissions: What each of them cannot hold.
        columns: The columns that all files of the dataset have; None if they are good for nothing.
    """

    paths: dict[str, Path]
    omissions: dict[str, list[Omission]]
    columns: bytes | None


@dataclass(frozen=True)
class Dataset:
    """A dataset whose files are being made.

    Attributes:
        collection: Id of its collection.
        document: The collection for the metadata of its files, from `make_metadata`.
        whole: Its partitions that have items.
        outdated: The partitions to write, or to remove if they have no items any more.
        files: The files; those of all partitions if `outdated` has all of them.
    """

    collection: str
    document: Json | None
    whole: set[str]
    outdated: set[str]
    files: Future[_Files | None]


class DatasetWriter:
    """Writer of GeoParquet, one dataset for each collection.

    A thread makes the files, for Arrow leaves the processor's other cores to the caller. It uses
    neither the index nor the export.

    Args:
        index: The items and files.
        scratch: A local folder.
        get_lines: Returns the lines of partitions of a collection that have items.
        put: Moves a local file into the export.
        check: Raises if a stop was requested.

    Attributes:
        started: The datasets that were started.
    """

    def __init__(
        self,
        *,
        index: ItemIndex,
        scratch: Path,
        get_lines: Callable[[str, Iterable[str]], Mapping[str, ItemLines]],
        put: Callable[[str, FileKey, Path], None],
        check: Callable[[], None],
    ) -> None:
        self._index = index
        self._scratch = scratch
        self._get_lines = get_lines
        self._put = put
        self._check_stop = check
        self._thread = ThreadPoolExecutor(1)
        self._is_closed = False
        self._numbers = count()
        self.started: list[Dataset] = []

    def close(self) -> None:
        """Cancel what is not finished, and wait until the thread has noticed that."""
        self._is_closed = True
        self._thread.shutdown(cancel_futures=True)

    def start(
        self, collection: str, document: Json | None, *, whole: set[str], outdated: set[str]
    ) -> None:
        """Start to make the outdated files of a collection.

        Args:
            collection: Its id.
            document: The collection for the metadata of its files, from `make_metadata`.
            whole: Its partitions that have items.
            outdated: The partitions to write, or to remove if they have no items any more.
        """
        columns = None if whole <= outdated else self._index.read_columns(collection)
        if columns is None:
            outdated = outdated | whole
        files = self._submit(collection, document, whole & outdated, columns)
        self.started.append(Dataset(collection, document, whole, outdated, files))

    def finish(self, dataset: Dataset) -> None:
        """Put the files of a dataset into the export, or all if they need other columns."""
        collection, outdated = dataset.collection, dataset.outdated
        files = dataset.files.result()
        if files is None:
            outdated = outdated | dataset.whole
            files = self._submit(collection, dataset.document, dataset.whole).result()
        assert files is not None  # noqa: S101 - all files of a dataset have the columns they need
        if dataset.whole <= outdated:
            self._index.renew_dataset(GEOPARQUET, collection)
        for partition in outdated:
            self._index.renew_files(FileKey(GEOPARQUET, collection, partition))
        folder = self._index.collection_folder(collection)
        for partition, file in files.paths.items():
            key = FileKey(GEOPARQUET, collection, partition)
            self._index.record_omissions(key, files.omissions[partition])
            self._put(make_geoparquet_path(folder, partition), key, file)
            file.unlink(missing_ok=True)
        self._index.record_columns(collection, files.columns)

    def _submit(
        self,
        collection: str,
        document: Json | None,
        partitions: Iterable[str],
        columns: bytes | None = None,
    ) -> Future[_Files | None]:
        lines = self._get_lines(collection, sorted(partitions))
        return self._thread.submit(self._make_files, document, lines, columns)

    def _make_files(
        self, document: Json | None, lines: Mapping[str, ItemLines], columns: bytes | None
    ) -> _Files | None:
        """Make the files of partitions; return None if they cannot have the columns of the others.

        Args:
            document: The collection for their metadata.
            lines: The items by partition.
            columns: The columns of the others; None if the partitions are all there are.
        """
        if not lines:
            return _Files({}, {}, columns)
        from target_stac.formats.geoparquet import GeoparquetWriter  # noqa: PLC0415 - 50 MiB

        paths = {name: self._scratch / f"{next(self._numbers)}.parquet" for name in lines}
        writer = GeoparquetWriter(
            {path: lines[name] for name, path in paths.items()},
            collection=document,
            scratch=self._scratch,
            check=self._check,
        )
        if columns is None:
            writer.write()
        elif not writer.write_some(columns):
            return None
        omissions = {name: writer.omissions[path].list() for name, path in paths.items()}
        return _Files(paths, omissions, writer.dump_columns())

    def _check(self) -> None:
        self._check_stop()
        if self._is_closed:
            raise CancelledError
