"""Write items as stac-geoparquet, in memory that does not grow with their number.

The types of the columns are known only after the last item. So the items are read in blocks, in the
order of the file. A block is parsed with the columns that are known so far. If it does not fit,
its values are counted one by one, which makes more columns known, and it is parsed again. Batches
are spooled to disk. In the end each batch is given all columns and written. A block with a value
that does not fit the final type of its column is read again and fitted value by value.

All files of a collection have the same columns. Some of them can be written alone as long as their
items need no other columns than the rest has.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from target_stac.formats.geoparquet.batches import (
    BatchSpool,
    OtherKindError,
    SpooledBatch,
    conform_batch,
    parse_rows,
)
from target_stac.formats.geoparquet.columns import Columns
from target_stac.formats.geoparquet.file_writer import GeoparquetFile
from target_stac.formats.geoparquet.geometry import (
    BBOX_TYPE,
    BBOX_TYPE_3D,
    GeometrySummary,
    encode_bboxes,
    encode_geometries,
    parse_geometries,
)
from target_stac.formats.geoparquet.hilbert import sort_along_hilbert_curve
from target_stac.formats.geoparquet.rows import Row, make_row
from target_stac.formats.omissions import Omissions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from target_stac.formats.item_lines import ItemLines
    from target_stac.records import Json

_BLOCK_BYTES = 8 * 2**20
"""Of JSON; it costs about as much to begin 3,000 columns of a block as to parse 4 MiB."""
_BLOCK_ITEMS = 1_000
_SAMPLE_ITEMS = 32


@dataclass
class _Block:
    """Items that are converted together.

    Attributes:
        numbers: Numbers of their lines.
        size: Length of the lines in bytes.
        batch: Their batch in the spool; None if they did not fit the known columns.
        is_counted: Whether their values were counted.
        geometries: Summary of their geometries.
    """

    numbers: NDArray[np.int64]
    size: int
    batch: SpooledBatch | None = None
    is_counted: bool = False
    geometries: GeometrySummary | None = None


class GeoparquetWriter:
    """Writer of files of a collection, which all have the same columns.

    Args:
        files: The items of each file.
        collection: The collection without structural links; None if items name none.
        scratch: A local folder.
        check: Raises if a stop was requested.

    Attributes:
        omissions: The values that are null in each file because their columns cannot hold them.
    """

    def __init__(
        self,
        files: Mapping[Path, ItemLines],
        *,
        collection: Json | None,
        scratch: Path,
        check: Callable[[], None],
    ) -> None:
        self._files = files
        self._collection = collection
        self._scratch = scratch
        self._check = check
        self._columns = Columns()
        self._blocks: dict[Path, list[_Block]] = {}
        self._is_decided = False
        self.omissions = {path: Omissions() for path in files}

    def write(self, known: bytes | None = None) -> None:
        """Write all files of the collection.

        Args:
            known: Columns that the files have in any case, from `dump_columns` of another writer.
        """
        if known is not None:
            self._columns.load(known)
        with closing(BatchSpool(self._scratch / "batches")) as spool:
            orders = self._sort()
            self._sample(orders)
            self._convert(orders, spool)
            if self._columns.are_disputed:
                self._count_rest()
            self._write_files(spool)

    def write_fitted(self, columns: Columns) -> None:
        """Write files with columns that are decided; what these cannot hold is null in the files.

        Args:
            columns: The columns.
        """
        self._columns, self._is_decided = columns, True
        with closing(BatchSpool(self._scratch / "batches")) as spool:
            self._convert(self._sort(), spool)
            self._write_files(spool)

    def write_some(self, columns: bytes) -> bool:
        """Write some files of the collection, if they can have the columns of the others.

        Args:
            columns: Those columns, from `dump_columns` of an earlier writer.

        Returns:
            Whether they can.
        """
        self._columns.load(columns)
        known = self._columns.file_schema()
        with closing(BatchSpool(self._scratch / "batches")) as spool:
            self._convert(self._sort(), spool)
            if self._columns.are_disputed or self._columns.file_schema() != known:
                return False
            self._write_files(spool)
        return True

    def dump_columns(self) -> bytes | None:
        """Return the columns for `write_some`; None if it could not use them."""
        return self._columns.dump()

    def _sort(self) -> dict[Path, NDArray[np.int64]]:
        return {path: sort_along_hilbert_curve(lines) for path, lines in self._files.items()}

    def _convert(self, orders: Mapping[Path, NDArray[np.int64]], spool: BatchSpool) -> None:
        """Convert all items, block by block."""
        schema = self._columns.schema()
        for path, lines in self._files.items():
            self._blocks[path] = list(_divide(lines, orders[path]))
            for block, rows in self._read_blocks(path):
                schema = self._convert_block(block, rows, schema, spool, self.omissions[path])

    def _write_files(self, spool: BatchSpool) -> None:
        schema = self._columns.file_schema()
        for path in self._files:
            self._write_file(path, schema, spool)

    def _sample(self, orders: Mapping[Path, NDArray[np.int64]]) -> None:
        """Make the columns known that items from everywhere in the files have."""
        step = max(1, sum(map(len, orders.values())) // _SAMPLE_ITEMS)
        for path, order in orders.items():
            with self._files[path].open() as read:
                rows = (make_row(read(number)).decode() for number in order[::step])
                self._columns.count(rows, weight=0)

    def _read_blocks(self, path: Path) -> Iterator[tuple[_Block, list[Row]]]:
        with self._files[path].open() as read:
            for block in self._blocks[path]:
                self._check()
                yield block, [make_row(read(number)) for number in block.numbers]

    def _convert_block(
        self,
        block: _Block,
        rows: Sequence[Row],
        schema: pa.Schema,
        spool: BatchSpool,
        omissions: Omissions,
    ) -> pa.Schema:
        """Spool the batch of a block if it fits the columns; return the columns' new schema."""
        batch = parse_rows(rows, schema)
        if batch is None and not self._is_decided:
            self._columns.count(row.decode() for row in rows)
            block.is_counted = True
            known, schema = schema, self._columns.schema()
            batch = None if schema.equals(known) else parse_rows(rows, schema)
        if batch is not None:
            block.batch = spool.write(self._add_geometries(batch, block, rows, omissions))
        else:
            self._columns.has_heights |= any(row.has_heights for row in rows)
        return schema

    def _add_geometries(
        self, batch: pa.RecordBatch, block: _Block, rows: Sequence[Row], omissions: Omissions
    ) -> pa.RecordBatch:
        """Return a batch with the columns `geometry` and `bbox`, and note what is not in it."""
        geometries = parse_geometries([row.geometry for row in rows])
        for row, geometry in zip(rows, geometries, strict=True):
            for path in row.clashes:
                omissions.add(path, row.id)
            if geometry is None and row.geometry != "null":
                omissions.add("geometry", row.id)
        bboxes = [row.bbox for row in rows]
        block.geometries = GeometrySummary.of(geometries, bboxes)
        self._columns.has_heights |= block.geometries.has_heights
        type_ = BBOX_TYPE_3D if block.geometries.has_heights else BBOX_TYPE
        return batch.append_column("geometry", encode_geometries(geometries)).append_column(
            "bbox", encode_bboxes(bboxes, type_)
        )

    def _count_rest(self) -> None:
        """Count the values of all blocks that fitted the columns, to know what most are."""
        for path in self._files:
            for block, rows in self._read_blocks(path):
                if not block.is_counted:
                    self._columns.count(row.decode() for row in rows)

    def _write_file(self, path: Path, schema: pa.Schema, spool: BatchSpool) -> None:
        with (
            GeoparquetFile(path, schema, self._collection) as file,
            self._files[path].open() as read,
        ):
            for block in self._blocks[path]:
                self._check()
                batch = self._finish_block(block, read, schema, spool, self.omissions[path])
                file.write(batch, block.geometries, block.size)

    def _finish_block(
        self,
        block: _Block,
        read: Callable[[int], bytes],
        schema: pa.Schema,
        spool: BatchSpool,
        omissions: Omissions,
    ) -> pa.RecordBatch:
        if block.batch is not None:
            try:
                return conform_batch(spool.read(block.batch), schema)
            except OtherKindError:
                pass
        rows = [make_row(read(number)) for number in block.numbers]
        names = [name for name in schema.names if name not in {"geometry", "bbox"}]
        own = pa.schema([schema.field(name) for name in names])
        fitted = []
        for row in rows:
            identifier = row.id

            def omit(path: str, identifier: str = identifier) -> None:
                omissions.add(path, identifier)

            fitted.append(self._columns.fit(row.decode(), omit))
        batch = pa.RecordBatch.from_struct_array(pa.array(fitted, pa.struct(own)))
        return conform_batch(self._add_geometries(batch, block, rows, omissions), schema)


def _divide(lines: ItemLines, order: NDArray[np.int64]) -> Iterator[_Block]:
    """Divide lines into blocks."""
    start = size = 0
    for position, number in enumerate(order):
        length = lines.lengths[number]
        if position > start and (size + length > _BLOCK_BYTES or position - start >= _BLOCK_ITEMS):
            yield _Block(order[start:position], size)
            start, size = position, 0
        size += length
    yield _Block(order[start:], size)
