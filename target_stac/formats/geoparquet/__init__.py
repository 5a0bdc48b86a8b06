"""stac-geoparquet: the items of a collection as a table, with a column for each of their fields."""

from __future__ import annotations

from target_stac.formats.geoparquet.batches import OtherKindError, conform_batch
from target_stac.formats.geoparquet.columns import Columns
from target_stac.formats.geoparquet.file_writer import ROW_GROUP_BYTES, GeoparquetFile
from target_stac.formats.geoparquet.geometry import GeometrySummary
from target_stac.formats.geoparquet.hilbert import sort_along_hilbert_curve
from target_stac.formats.geoparquet.rows import make_row
from target_stac.formats.geoparquet.writer import GeoparquetWriter

__all__ = [
    "ROW_GROUP_BYTES",
    "Columns",
    "GeometrySummary",
    "GeoparquetFile",
    "GeoparquetWriter",
    "OtherKindError",
    "conform_batch",
    "make_row",
    "sort_along_hilbert_curve",
]
