"""Declare the settings of target-stac, and check them before any record is read."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from singer_sdk import typing as th

if TYPE_CHECKING:
    from collections.abc import Mapping

CATALOG, NDJSON, GEOPARQUET, ITEM_COLLECTION = FORMATS = (
    "catalog",
    "ndjson",
    "geoparquet",
    "itemcollection",
)
UPDATE, OVERWRITE = MODES = ("update", "overwrite")
NO_PARTITION, YEAR, MONTH = PARTITIONS = ("none", "year", "month")
OFF, SAMPLE, ALL = VALIDATE_MODES = ("off", "sample", "all")

SCHEMA: dict[str, Any] = th.PropertiesList(
    th.Property(
        "output",
        th.StringType,
        title="Output",
        description="Where the export is written: a folder, or a URL such as s3://bucket/folder, "
        "gs://bucket/folder or az://container/folder.",
        required=True,
    ),
    th.Property(
        "formats",
        th.ArrayType(th.StringType(allowed_values=list(FORMATS))),
        title="Formats",
        description="Formats to write: catalog (a tree of STAC files and a map), ndjson, "
        "geoparquet, itemcollection (one GeoJSON file of at most 10,000 items).",
        default=[CATALOG, NDJSON, GEOPARQUET],
    ),
    th.Property(
        "partition",
        th.StringType(allowed_values=list(PARTITIONS)),
        title="Partition",
        description="How the ndjson and the GeoParquet of a collection are divided by acquisition "
        "time: none (no division), year or month (a hive dataset of each format: one file for "
        "each).",
        default=NO_PARTITION,
    ),
    th.Property(
        "mode",
        th.StringType(allowed_values=list(MODES)),
        title="Mode",
        description="update merges the records into the existing export, by collection and item "
        "id; overwrite keeps only the records of this run.",
        default=UPDATE,
    ),
    th.Property(
        "allow_empty",
        th.BooleanType,
        title="Allow empty",
        description="Whether mode overwrite accepts an input without Items and Collections, which "
        "leaves an empty export, as of a shard that has none. Otherwise such an input is refused.",
        default=False,
    ),
    th.Property(
        "catalog_id",
        th.StringType,
        title="Catalog id",
        description="Id of the root catalog.",
        default="stac",
    ),
    th.Property(
        "title",
        th.StringType,
        title="Title",
        description="Title of the root catalog and of the map.",
        default="STAC catalog",
    ),
    th.Property(
        "description",
        th.StringType,
        title="Description",
        description="Description of the root catalog.",
        default="Items and collections of a Singer sync.",
    ),
    th.Property(
        "root_href",
        th.StringType,
        title="Root URL",
        description="URL that the export will be published under: links become absolute, and each "
        "file gets a link to itself. Without it, the export is self-contained and can be moved.",
    ),
    th.Property(
        "validate",
        th.StringType(allowed_values=list(VALIDATE_MODES)),
        title="Validate",
        description="Which items to validate against the JSON Schemas of STAC and its "
        "extensions: off, sample (the first of each collection and about one in twenty) or all. "
        "Invalid items go to rejected.ndjson.",
        default=OFF,
    ),
    th.Property(
        "schemas",
        th.StringType,
        title="Schemas",
        description="Folder with the extensions' JSON Schemas, each with its $id; those of STAC "
        "itself are built in. Nothing is downloaded.",
    ),
).to_dict()


@dataclass(frozen=True, slots=True)
class StacSettings:
    """The settings of target-stac, as declared in `SCHEMA`.

    Attributes:
        root_href: Without a slash at the end.
    """

    output: str
    formats: frozenset[str]
    partition: str
    mode: str
    allow_empty: bool
    catalog_id: str
    title: str
    description: str
    root_href: str | None
    validate: str
    schemas: Path | None

    @property
    def is_update(self) -> bool:
        """Whether the records are merged into the existing export."""
        return self.mode == UPDATE


def read_settings(config: Mapping[str, Any]) -> StacSettings:
    """Read settings that conform to `SCHEMA` and have no error of `find_problems`."""
    root_href, schemas = config.get("root_href"), config.get("schemas")
    return StacSettings(
        output=config["output"].strip(),
        formats=frozenset(config["formats"]),
        partition=config["partition"],
        mode=config["mode"],
        allow_empty=config["allow_empty"],
        catalog_id=config["catalog_id"].strip(),
        title=config["title"].strip(),
        description=config["description"].strip(),
        root_href=root_href.strip().rstrip("/") if root_href else None,
        validate=config["validate"],
        schemas=Path(schemas).expanduser() if schemas else None,
    )


def find_problems(config: Mapping[str, Any]) -> list[str]:
    """Return an error, without its value, for each invalid setting that `SCHEMA` accepts."""
    problems = [
        f"Setting '{name}' is empty"
        for name in ("output", "catalog_id", "title", "description")
        if not config[name].strip()
    ]
    formats = config["formats"]
    if not formats:
        problems.append(f"Setting 'formats' is empty; choose from {', '.join(FORMATS)}")
    elif config["mode"] == UPDATE and not {CATALOG, NDJSON} & set(formats):
        problems.append(
            "Setting 'formats' must include catalog or ndjson if 'mode' is update; add one, or "
            "set 'mode' to overwrite"
        )
    root_href, schemas = config.get("root_href"), config.get("schemas")
    if root_href and not _is_web_url(root_href.strip()):
        problems.append("Setting 'root_href' must be a URL such as https://host/folder")
    if schemas and not _is_readable_folder(schemas):
        problems.append("Setting 'schemas' must be a folder that can be read")
    return problems


def _is_readable_folder(folder: str) -> bool:
    try:
        with os.scandir(Path(folder).expanduser()):
            return True
    except (OSError, RuntimeError, ValueError):  # no such folder, no home, a NUL in the path
        return False


def _is_web_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and not parts.query
