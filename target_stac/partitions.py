"""Divide the GeoParquet of a collection into a hive dataset, by acquisition time."""

from __future__ import annotations

import re

from target_stac.settings import MONTH, NO_PARTITION

GEOPARQUET_FOLDER = "geoparquet"
_FILE_NAME = "items.parquet"
_OWN_PATH = re.compile(
    rf"{GEOPARQUET_FOLDER}/(?P<folder>[^/]+?)"
    rf"(?:\.parquet|/year=[0-9]{{4}}(?:/month=[0-9]{{2}})?/{_FILE_NAME})"
)


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
        return f"{GEOPARQUET_FOLDER}/{folder}.parquet"
    return f"{GEOPARQUET_FOLDER}/{folder}/{partition_name}/{_FILE_NAME}"


def make_dataset_path(folder: str, partition: str) -> str:
    """Return the path of the GeoParquet of a collection: its file, or its folder with a slash."""
    if partition == NO_PARTITION:
        return make_geoparquet_path(folder, "")
    return f"{GEOPARQUET_FOLDER}/{folder}/"


def parse_geoparquet_path(path: str) -> str | None:
    """Return the collection's folder of a path that `make_geoparquet_path` makes, else None."""
    match = _OWN_PATH.fullmatch(path)
    return match["folder"] if match else None
