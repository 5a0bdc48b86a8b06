"""Divide the ndjson and the GeoParquet of a collection by acquisition time, as hive does."""

from __future__ import annotations

from target_stac.settings import MONTH, NO_PARTITION, YEAR

LENGTHS = {NO_PARTITION: 0, YEAR: len("2025"), MONTH: len("2025-03")}
"""Length of a partition's name by setting: the name begins the days, `YYYY-MM-DD`, of its items."""
NDJSON_NAMES = ("items.ndjson", "unlocated.ndjson")
"""Names of the files of items with a geometry, and of those without."""
_NDJSON, _GEOPARQUET = "ndjson", "geoparquet"
_PARQUET_NAME = "items.parquet"
_HIVE_FOLDER = r"[^/]+/year=[0-9]{4}(?:/month=[0-9]{2})?"
NDJSON_PATHS = rf"(?:{_NDJSON}/{_HIVE_FOLDER}/)?(?:items|unlocated)\.ndjson"
GEOPARQUET_PATHS = rf"{_GEOPARQUET}/(?:[^/]+\.parquet|{_HIVE_FOLDER}/{_PARQUET_NAME})"
"""Regular expressions of all paths that this module makes."""


def make_ndjson_paths(folder: str, partition: str) -> tuple[str, ...]:
    """Return the paths of the ndjson of items with a geometry, and of those without.

    Args:
        folder: Folder of their collection; without partitions, all collections have the same file.
        partition: Name of their partition.
    """
    if not partition:
        return NDJSON_NAMES
    return tuple(f"{_NDJSON}/{_make_hive_folder(folder, partition)}/{x}" for x in NDJSON_NAMES)


def make_geoparquet_path(folder: str, partition: str) -> str:
    """Return the path of a GeoParquet file.

    Args:
        folder: Folder of its collection.
        partition: Name of its partition.
    """
    if not partition:
        return f"{_GEOPARQUET}/{folder}.parquet"
    return f"{_GEOPARQUET}/{_make_hive_folder(folder, partition)}/{_PARQUET_NAME}"


def make_dataset_path(folder: str, setting: str) -> str:
    """Return the path of the GeoParquet of a collection: its file, or its folder with a slash."""
    if setting == NO_PARTITION:
        return make_geoparquet_path(folder, "")
    return f"{_GEOPARQUET}/{folder}/"


def _make_hive_folder(folder: str, partition: str) -> str:
    year, _, month = partition.partition("-")
    return f"{folder}/year={year}/month={month}" if month else f"{folder}/year={year}"
