"""Divide the GeoParquet of a collection into a hive dataset, by acquisition time."""

from __future__ import annotations

from target_stac.settings import MONTH, NO_PARTITION

_FOLDER, _FILE_NAME = "geoparquet", "items.parquet"
GEOPARQUET_PATHS = (
    rf"{_FOLDER}/[^/]+(?:\.parquet|/year=[0-9]{{4}}(?:/month=[0-9]{{2}})?/{_FILE_NAME})"
)
"""Regular expression of the paths that `make_geoparquet_path` makes."""


def make_partition_name(day: str, partition: str) -> str:
    """Return the partition of a day, such as `year=2025/month=03`; empty without partitions.

    Args:
        day: The day, `YYYY-MM-DD`, or its month.
        partition: The setting.
    """
    if partition == NO_PARTITION:
        return ""
    year = f"year={day[:4]}"
    return f"{year}/month={day[5:7]}" if partition == MONTH else year


def make_geoparquet_path(folder: str, partition_name: str) -> str:
    """Return the path of a GeoParquet file.

    Args:
        folder: Folder of its collection.
        partition_name: Its partition, as of `make_partition_name`.
    """
    if not partition_name:
        return f"{_FOLDER}/{folder}.parquet"
    return f"{_FOLDER}/{folder}/{partition_name}/{_FILE_NAME}"


def make_dataset_path(folder: str, partition: str) -> str:
    """Return the path of the GeoParquet of a collection: its file, or its folder with a slash."""
    if partition == NO_PARTITION:
        return make_geoparquet_path(folder, "")
    return f"{_FOLDER}/{folder}/"
