"""Write batches that have all columns to a GeoParquet file, in row groups of limited size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from target_stac.formats.geoparquet.geometry import GeometrySummary

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from target_stac.records import Json

ROW_GROUP_BYTES = 96 * 2**20
"""Of JSON; two thirds of that in memory. Each group of 3,000 columns adds 3 MiB to the footer."""
ROW_GROUP_ITEMS = 2_000
"""Few enough that a query by bbox skips most of a file of small items."""


class GeoparquetFile:
    """A file that is being written; a context manager.

    Args:
        path: Where to write it.
        schema: All of its columns, from `Columns.file_schema`.
        collection: The collection without structural links; None if items name none.
    """

    def __init__(self, path: Path, schema: pa.Schema, collection: Json | None) -> None:
        self._schema = schema
        self._collection = collection
        self._group: list[pa.RecordBatch] = []
        self._size = self._items = 0
        self._summaries: list[GeometrySummary] = []
        self._writer = pq.ParquetWriter(
            str(path),
            schema,
            compression="zstd",
            write_statistics=_find_columns_with_statistics(schema),
            store_schema=False,
        )

    def __enter__(self) -> Self:
        """Return the file."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the file, which is complete only without an error."""
        with self._writer:
            if error is None:
                self._write_row_group()
                self._writer.add_key_value_metadata(self._make_metadata())

    def write(self, batch: pa.RecordBatch, geometries: GeometrySummary | None, size: int) -> None:
        """Append a batch.

        Args:
            batch: The batch, with the schema of the file.
            geometries: Summary of its geometries; None without rows.
            size: Length of its items as JSON, in bytes.
        """
        is_full = self._size + size > ROW_GROUP_BYTES or self._items + len(batch) > ROW_GROUP_ITEMS
        if is_full:
            self._write_row_group()
        self._group.append(batch)
        self._size += size
        self._items += len(batch)
        if geometries is not None:
            self._summaries.append(geometries)

    def _write_row_group(self) -> None:
        if self._group:
            table = pa.Table.from_batches(self._group)
            self._writer.write_table(table, row_group_size=len(table))
            self._group.clear()
            self._size = self._items = 0

    def _make_metadata(self) -> dict[str, bytes]:
        """Return the metadata that GeoParquet 1.1 and stac-geoparquet 1.1 define."""
        columns: dict[str, Any] = {"geometry": GeometrySummary.union(self._summaries).describe()}
        if "proj:geometry" in self._schema.names:  # each in the CRS of its item
            columns["proj:geometry"] = {"encoding": "WKB", "geometry_types": [], "crs": None}
        geo = {"version": "1.1.0", "primary_column": "geometry", "columns": columns}
        collections = {} if self._collection is None else {self._collection["id"]: self._collection}
        stac = {"version": "1.1.0", "collections": collections}
        return {"geo": msgspec.json.encode(geo), "stac-geoparquet": msgspec.json.encode(stac)}


def _find_columns_with_statistics(schema: pa.Schema) -> list[str]:
    """Return the columns that queries filter by; statistics of all others make footers large."""
    names = [field.name for field in schema if not pa.types.is_nested(field.type)]
    names.remove("geometry")
    return names + [f"bbox.{edge.name}" for edge in schema.field("bbox").type]
