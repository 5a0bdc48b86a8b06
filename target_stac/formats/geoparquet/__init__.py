"""stac-geoparquet: the items of a collection as a table, with a column for each of their fields."""

from __future__ import annotations

from target_stac.formats.geoparquet.hilbert import sort_along_hilbert_curve
from target_stac.formats.geoparquet.writer import GeoparquetWriter

__all__ = ["GeoparquetWriter", "sort_along_hilbert_curve"]
