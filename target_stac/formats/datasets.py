"""Write the GeoParquet of collections: all files of one, or only those whose items have changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from target_stac.partitions import make_geoparquet_path
from target_stac.records import COLLECTION, METADATA_MEMBER
from target_stac.settings import GEOPARQUET
from target_stac.state.item_index import FileKey

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from target_stac.formats.item_lines import ItemLines
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


class DatasetWriter:
    """Writer of GeoParquet, one dataset for each collection.

    Args:
        index: The items and files.
        scratch: A local folder.
        get_lines: Returns the lines of partitions of a collection that have items.
        put: Moves a local file into the export.
        check: Raises if a stop was requested.
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
        self._check = check

    def write(
        self, collection: str, document: Json | None, *, whole: set[str], outdated: set[str]
    ) -> None:
        """Write the outdated files of a collection, or all if these need other columns.

        Args:
            collection: Its id.
            document: The collection for the metadata of its files, from `make_metadata`.
            whole: Its partitions that have items.
            outdated: The partitions to write, or to remove if they have no items any more.
        """
        columns = None if whole <= outdated else self._index.read_columns(collection)
        if columns is not None:
            lines = self._get_lines(collection, sorted(whole & outdated))
            if self._write_files(collection, document, lines, columns):
                for partition in outdated - whole:
                    self._index.renew_files(FileKey(GEOPARQUET, collection, partition))
                return
        self._index.renew_dataset(GEOPARQUET, collection)
        self._write_files(collection, document, self._get_lines(collection, sorted(whole)))

    def _write_files(
        self,
        collection: str,
        document: Json | None,
        lines: Mapping[str, ItemLines],
        columns: bytes | None = None,
    ) -> bool:
        """Write the files of partitions, if they can have the columns of the others.

        Args:
            collection: Its id.
            document: The collection for their metadata.
            lines: The items by partition.
            columns: The columns of the others; None if the partitions are all there are.
        """
        if not lines:
            return True
        from target_stac.formats.geoparquet import GeoparquetWriter  # noqa: PLC0415 - 50 MiB

        files = {name: self._scratch / f"{n}.parquet" for n, name in enumerate(lines)}
        writer = GeoparquetWriter(
            {file: lines[name] for name, file in files.items()},
            collection=document,
            scratch=self._scratch,
            check=self._check,
        )
        if columns is None:
            writer.write()
        elif not writer.write_some(columns):
            return False
        folder = self._index.collection_folder(collection)
        for name, file in files.items():
            key = FileKey(GEOPARQUET, collection, name)
            self._index.renew_files(key)
            self._index.record_omissions(key, writer.omissions[file].list())
            self._put(make_geoparquet_path(folder, name), key, file)
            file.unlink(missing_ok=True)
        self._index.record_columns(collection, writer.dump_columns())
        return True
