"""Run target-stac, as a command or in this process, and read its exports."""

from __future__ import annotations

import gzip
import io
import json
import os
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from pixxel_singer.errors import InputError
from target_stac.state.manifest import MANIFEST_FILE
from target_stac.storage import StorageError
from target_stac.target import TargetStac

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    import pytest

    from pixxel_singer.exit_codes import ExitCode

Json = dict[str, Any]

PROJECT = Path(__file__).parents[2]
DATA = Path(__file__).with_name("data")
SCHEMAS = PROJECT.parent / "shared" / "stac" / "schemas"
TARGET = str(Path(sys.executable).with_name("target-stac"))
API = "https://api.example.com/collections"
STATE = {"bookmarks": {"items": {"replication_key_value": "2025-03-31"}}}
CATALOG_AND_NDJSON = ["catalog", "ndjson"]
"""Formats without GeoParquet, which would slow down most tests."""
FORMATS = [*CATALOG_AND_NDJSON, "geoparquet"]
UPWARD_RELS = ("root", "parent", "collection")
EXPORT_ERRORS = (InputError, StorageError)


# --- input --------------------------------------------------------------------------------------


def make_item(
    name: str, day: str = "2025-03-07", collection: str | None = "l2a", **more: Any
) -> Json:
    """Make an item at a point, acquired at noon; `more` are further members."""
    item = {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": [],
        "id": name,
        "collection": collection,
        "geometry": {"type": "Point", "coordinates": [77.5, 12.9]},
        "bbox": [77.5, 12.9, 77.5, 12.9],
        "properties": {"datetime": f"{day}T12:00:00Z"},
        "links": [],
        "assets": {"B001": {"href": f"https://example.com/{day}/B001.tif"}},
    }
    if collection is None:
        del item["collection"]
    return item | more


def make_item_with_bbox(name: str, bbox: list[float] | None, **more: Any) -> Json:
    """Make an item with a bbox, or without a geometry."""
    if bbox is None:
        unlocated = make_item(name, geometry=None, **more)
        del unlocated["bbox"]
        return unlocated
    point = {"type": "Point", "coordinates": bbox[:2]}
    return make_item(name, geometry=point, bbox=bbox, **more)


def set_properties(item: Json, **properties: Any) -> Json:
    """Add properties to an item."""
    return item | {"properties": item["properties"] | properties}


def make_api_link(rel: str, *ids: str) -> Json:
    """Make a link as of an API: to a collection, or to an item of it."""
    href = "/items/".join((f"{API}/{ids[0]}", *ids[1:]))
    return {"rel": rel, "href": href, "type": "application/json"}


def make_derived_item(name: str, origin: str, **more: Any) -> Json:
    """Make an item that is derived from an item of the collection `archive`."""
    return make_item(name, links=[make_api_link("derived_from", "archive", origin)], **more)


def make_collection(name: str, **more: Any) -> Json:
    """Make a collection."""
    return {
        "type": "Collection",
        "stac_version": "1.1.0",
        "id": name,
        "title": f"Title of {name}",
        "description": f"All of {name}",
        "license": "other",
        "extent": {
            "spatial": {"bbox": [[-180, -90, 180, 90]]},
            "temporal": {"interval": [["2020-01-01T00:00:00Z", None]]},
        },
        "links": [],
        **more,
    }


def make_schema_message(stream: str) -> Json:
    properties: Json = {name: {} for name in ("id", "stac_item", "stac_collection")}
    return {
        "type": "SCHEMA",
        "stream": stream,
        "schema": {"type": "object", "properties": properties},
        "key_properties": [],
    }


def make_record_message(stream: str, **columns: Any) -> Json:
    return {"type": "RECORD", "stream": stream, "record": columns}


def make_sync(*objects: Json) -> list[Json]:
    """Make the Singer messages of items and collections, with a STATE at the end."""
    messages = [make_schema_message("items"), make_schema_message("collections")]
    for each in objects:
        if each["type"] == "Collection":
            messages.append(make_record_message("collections", stac_collection=each))
        else:
            messages.append(make_record_message("items", stac_item=each))
    return [*messages, {"type": "STATE", "value": STATE}]


def encode_messages(messages: Iterable[Json]) -> bytes:
    return b"".join(json.dumps(message).encode() + b"\n" for message in messages)


EXAMPLE_ITEMS = [
    make_item_with_bbox("a", [77.0, 12.0, 77.5, 12.5]),
    make_item("b/c", "2024-12-01", collection="l1c"),
    make_item_with_bbox("unlocated", None),
    make_item("origin", collection="archive"),
    make_derived_item("child", "origin"),
    make_item("alone", collection=None),
]
"""Items of the fixture `example_export`."""


# --- running ------------------------------------------------------------------------------------


def make_target(output: Path | str, **settings: Any) -> TargetStac:
    return TargetStac(config={"output": str(output), "formats": CATALOG_AND_NDJSON} | settings)


def export(output: Path | str, *objects: Json, **settings: Any) -> ExitCode:
    """Export items and collections in this process."""
    return export_messages(output, make_sync(*objects), **settings)


def export_messages(output: Path | str, messages: Iterable[Json], **settings: Any) -> ExitCode:
    """Export the records of Singer messages in this process."""
    lines = io.TextIOWrapper(io.BytesIO(encode_messages(messages)), encoding="utf-8")
    return make_target(output, **settings).run(lines)


def make_environment(settings: Mapping[str, Any]) -> dict[str, str]:
    """Make an environment with these settings of the target and no others."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("TARGET_STAC")}
    texts = {k: v if isinstance(v, str) else json.dumps(v) for k, v in settings.items()}
    return kept | {f"TARGET_STAC_{name.upper()}": text for name, text in texts.items()}


def run_target(
    lines: bytes, output: Path | str, *, prefix: Iterable[str] = (), **settings: Any
) -> subprocess.CompletedProcess[str]:
    """Run the installed command, after a prefix, with Singer lines as input."""
    result = subprocess.run(
        [*prefix, TARGET, "--config=ENV"],
        input=lines,
        capture_output=True,
        check=False,
        timeout=60,
        env=make_environment({"output": str(output), "formats": CATALOG_AND_NDJSON} | settings),
    )
    return subprocess.CompletedProcess(
        result.args, result.returncode, result.stdout.decode(), result.stderr.decode()
    )


def read_command_log(result: subprocess.CompletedProcess[str], level: str) -> list[str]:
    """Return the log messages of a level; assert that the log has no traceback."""
    assert "Traceback" not in result.stderr
    records = [json.loads(line) for line in result.stderr.splitlines()]
    return [each["message"] for each in records if each["level"] == level]


def read_log(caplog: pytest.LogCaptureFixture, level: str = "WARNING") -> list[str]:
    return [each.getMessage() for each in caplog.records if each.levelname == level]


# --- output -------------------------------------------------------------------------------------


def read_json(file: Path) -> Json:
    content: Json = json.loads(file.read_bytes())
    return content


def read_ndjson(file: Path) -> list[Json]:
    return [json.loads(line) for line in file.read_bytes().splitlines()]


def snapshot(folder: Path) -> dict[str, bytes]:
    """Return the content of all files of a folder by relative path.

    The content of a manifest is its rows, since a database's bytes depend on how it came about.
    """
    files = (path for path in sorted(folder.rglob("*")) if not path.is_dir())
    content = {str(path.relative_to(folder)): path.read_bytes() for path in files}
    if MANIFEST_FILE in content:
        content[MANIFEST_FILE] = dump_manifest(content[MANIFEST_FILE])
    return content


@contextmanager
def open_manifest(file: Path) -> Iterator[sqlite3.Connection]:
    """Unpack a manifest, open it, and pack it again.

    Raises:
        gzip.BadGzipFile: It is none.
    """
    unpacked = file.with_suffix(".unpacked")
    unpacked.write_bytes(gzip.decompress(file.read_bytes()))
    with closing(sqlite3.connect(unpacked)) as db:
        yield db
        db.commit()
    file.write_bytes(gzip.compress(unpacked.read_bytes(), 1))
    unpacked.unlink()


def dump_manifest(content: bytes) -> bytes:
    """Return the rows of a manifest as text, or its bytes if it is none."""
    try:
        with closing(sqlite3.connect(":memory:")) as db:
            db.deserialize(gzip.decompress(content))
            # What can be made again from the items.
            db.execute("DELETE FROM features")
            db.execute("DELETE FROM columns")
            return "\n".join(db.iterdump()).encode()
    except gzip.BadGzipFile:
        return content


def find_differences(one: Mapping[Any, object], other: Mapping[Any, object]) -> list[Any]:
    """Return the names whose content differs; pytest takes minutes to show the differences."""
    return sorted(name for name in {*one, *other} if one.get(name) != other.get(name))


def read_stamps(folder: Path) -> dict[str, tuple[int, int]]:
    """Return, by relative path, values that change whenever a file is written."""
    return {
        name: ((folder / name).stat().st_mtime_ns, (folder / name).stat().st_ino)
        for name in snapshot(folder)
    }


def find_item_files(folder: Path) -> dict[str, Path]:
    """Return the item files by `collection/id`; assert that each item has one file."""
    files: dict[str, Path] = {}
    for path, document in read_documents(folder):
        if document["type"] == "Feature":
            key = f"{document.get('collection', '')}/{document['id']}"
            assert key not in files
            files[key] = path
    return files


def find_links(document: Json, rel: str) -> list[Json]:
    return [link for link in document["links"] if link["rel"] == rel]


def find_link(document: Json, rel: str) -> Json:
    [found] = find_links(document, rel)
    return found


def read_documents(folder: Path) -> Iterator[tuple[Path, Json]]:
    """Yield all files of the catalog, with or without links to them."""
    for path in sorted(folder.rglob("*.json")):
        if path.name != "itemcollection.json":
            yield path, read_json(path)


def assert_links_resolve(folder: Path, *, whole: bool = True, root_href: str | None = None) -> None:
    """Assert that all links of all files into the export lead to a file of the export.

    Args:
        folder: The export.
        whole: Whether the catalog must also list each of its files exactly once, and links up must
            resolve; while an export is written, those of files that no catalog lists may not.
        root_href: Root href of the export, if any.
    """
    for path, document in read_documents(folder):
        for each in document["links"]:
            if not isinstance(each.get("href"), str):
                continue  # it came so
            if not whole and each["rel"] in UPWARD_RELS:
                continue
            target = _resolve_href(folder, path, each["href"], root_href)
            if target is not None:
                assert target.is_file(), (path.relative_to(folder), each)
                assert target.is_relative_to(folder.resolve()), (path, each)
    if whole:
        paths = {path.resolve() for path, _ in read_documents(folder)}
        reached = Counter(_walk(folder, folder / "catalog.json", root_href))
        assert reached == Counter(dict.fromkeys(paths, 1))


def assert_files_are_whole(folder: Path) -> None:
    """Assert that all files of an export are complete, except those that no reader opens."""
    for path in folder.rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        if path.suffix == ".json":
            assert json.loads(content), path
        elif path.suffix == ".ndjson":
            assert all(json.loads(line) for line in content.splitlines()), path
        elif path.suffix == ".parquet":
            assert content[:4] == content[-4:] == b"PAR1", path
        elif path.suffix == ".html":
            assert content.rstrip().endswith(b"</html>"), path


def _walk(folder: Path, path: Path, root_href: str | None) -> Iterator[Path]:
    yield path.resolve()
    for each in read_json(path)["links"]:
        if each.get("rel") in ("child", "item"):
            below = _resolve_href(folder, path, each["href"], root_href)
            assert below is not None
            yield from _walk(folder, below, root_href)


def _resolve_href(folder: Path, path: Path, href: str, root_href: str | None) -> Path | None:
    if root_href and href.startswith(f"{root_href}/"):
        return (folder / unquote(href.removeprefix(f"{root_href}/"))).resolve()
    if urlsplit(href).scheme:
        return None
    assert not root_href, f"a relative link in a published export: {path}"
    return (path.parent / unquote(href)).resolve()
