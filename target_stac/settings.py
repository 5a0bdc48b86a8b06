"""The target's settings: declared once, checked before any record is read."""

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
OFF, SAMPLE, ALL = VALIDATE = ("off", "sample", "all")

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
        description="What is written: catalog (a tree of STAC files and a map to look at), ndjson, "
        "geoparquet, itemcollection (one GeoJSON file of at most 10,000 items).",
        default=[CATALOG, NDJSON, GEOPARQUET],
    ),
    th.Property(
        "mode",
        th.StringType(allowed_values=list(MODES)),
        title="Mode",
        description="update merges the records into the export that is there, by collection and "
        "item id; overwrite leaves only what this run brings.",
        default=UPDATE,
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
        description="Title of the root catalog, and of the map.",
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
        "file gets a link to itself. Without it the export is self-contained and can be moved.",
    ),
    th.Property(
        "validate",
        th.StringType(allowed_values=list(VALIDATE)),
        title="Validate",
        description="Which items are checked against the JSON Schemas of STAC and of its "
        "extensions: off, sample (the first of each collection and about one in twenty) or all. "
        "An item that fails goes to rejected.ndjson.",
        default=OFF,
    ),
    th.Property(
        "schemas",
        th.StringType,
        title="Schemas",
        description="Folder with the extensions' JSON Schemas, each with its $id; those of STAC "
        "itself are built in. Nothing is fetched.",
    ),
).to_dict()


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings as the target uses them.

    Attributes:
        root_href: Without a slash at its end.
        Others: As declared in `SCHEMA`.
    """

    output: str
    formats: frozenset[str]
    mode: str
    catalog_id: str
    title: str
    description: str
    root_href: str | None
    validate: str
    schemas: Path | None

    @property
    def updates(self) -> bool:
        """Whether the records are merged into the export that is there."""
        return self.mode == UPDATE


def read_settings(config: Mapping[str, Any]) -> Settings:
    """Read settings that obey `SCHEMA` and have no `problems`."""
    root, schemas = config.get("root_href"), config.get("schemas")
    return Settings(
        output=config["output"].strip(),
        formats=frozenset(config["formats"]),
        mode=config["mode"],
        catalog_id=config["catalog_id"].strip(),
        title=config["title"].strip(),
        description=config["description"].strip(),
        root_href=root.strip().rstrip("/") if root else None,
        validate=config["validate"],
        schemas=Path(schemas).expanduser() if schemas else None,
    )


def problems(config: Mapping[str, Any]) -> list[str]:
    """Say what is wrong with settings that obey `SCHEMA`, a line each, without their values."""
    found = [
        f"Setting '{name}' is empty"
        for name in ("output", "catalog_id", "title", "description")
        if not config[name].strip()
    ]
    formats = config["formats"]
    if not formats:
        found.append(f"Setting 'formats' is empty; choose from {', '.join(FORMATS)}")
    elif config["mode"] == UPDATE and not {CATALOG, NDJSON} & set(formats):
        found.append(
            "Setting 'formats' needs catalog or ndjson for an update to merge into; add one, or "
            "set 'mode' to overwrite"
        )
    root, schemas = config.get("root_href"), config.get("schemas")
    if root and not _is_web_url(root.strip()):
        found.append("Setting 'root_href' is no URL of the form https://host/folder")
    if schemas and not _can_be_listed(schemas):
        found.append("Setting 'schemas' is no folder that can be read")
    return found


def _can_be_listed(folder: str) -> bool:
    try:
        with os.scandir(Path(folder).expanduser()):
            return True
    except (OSError, RuntimeError, ValueError):  # no such folder, no home, a NUL in a path
        return False


def _is_web_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and not parts.query
