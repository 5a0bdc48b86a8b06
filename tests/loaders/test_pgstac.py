"""pypgstac loads what target-stac writes, and pgSTAC finds it."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from shapely.geometry import box, shape

from pixxel_sandbox import Sandbox
from pixxel_singer.exit_codes import ExitCode
from tests.tap_pixxel.syncs import sync
from tests.target_stac.exports import export_messages, read_ndjson

if TYPE_CHECKING:
    from pathlib import Path

Json = dict[str, Any]
PYPGSTAC = shutil.which("pypgstac")
QUERY = {
    "collections": ["td1-l1c"],
    "bbox": [-10.0, -60.0, 180.0, 40.0],
    "datetime": "2024-01-01T00:00:00Z/2025-06-30T00:00:00Z",
}
"""A search that each of its parts makes smaller."""


class PgStac:
    """A pgSTAC database.

    Args:
        folder: Folder of the server's socket.
    """

    def __init__(self, folder: Path) -> None:
        self._dsn = f"postgresql://loader@/pgstac?host={folder}"

    def run(self, *arguments: str) -> None:
        """Run pypgstac."""
        command = [str(PYPGSTAC), *arguments, "--dsn", self._dsn]
        completed = subprocess.run(command, capture_output=True, text=True, check=False)
        assert completed.returncode == 0, completed.stdout + completed.stderr

    def search(self, **query: Any) -> list[Json]:
        """Return the items that a STAC search finds."""
        with psycopg.connect(self._dsn, options="-c search_path=pgstac,public") as db:
            row = db.execute("SELECT search(%s)", [json.dumps({"limit": 1000, **query})]).fetchone()
        assert row
        found: list[Json] = row[0]["features"]
        return found


@pytest.fixture(scope="module")
def pgstac(postgres_folder: Path) -> PgStac:
    if PYPGSTAC is None:
        pytest.skip("pypgstac is not on PATH")
    dsn = f"postgresql://loader@/postgres?host={postgres_folder}"
    with psycopg.connect(dsn, autocommit=True) as db:
        if not db.execute(
            "SELECT 1 FROM pg_available_extensions WHERE name = 'postgis'"
        ).fetchone():
            pytest.skip("PostGIS is not installed")
        db.execute("CREATE DATABASE pgstac")
    database = PgStac(postgres_folder)
    database.run("migrate")
    return database


@pytest.fixture(scope="module")
def exported(pgstac: PgStac, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Json]:
    """Return the items by id that were exported from the archive, and loaded."""
    folder = tmp_path_factory.mktemp("export")
    with Sandbox(seed=1, items=60) as sandbox:
        messages = sync(sandbox, "archive_items", "collections").messages
    assert export_messages(folder, messages, formats=["ndjson"]) is ExitCode.OK
    for table in ("collections", "items", "items"):  # the second time as after another sync
        pgstac.run("load", table, str(folder / f"{table}.ndjson"), "--method", "upsert")
    return {item["id"]: item for item in read_ndjson(folder / "items.ndjson")}


def test_pgstac_returns_items_as_exported(pgstac: PgStac, exported: dict[str, Json]) -> None:
    for item in exported.values():
        if item["properties"]["datetime"] is None:  # which pgSTAC leaves out
            del item["properties"]["datetime"]
    assert {item["id"]: item for item in pgstac.search()} == exported


def matches(item: Json, **query: Any) -> bool:
    """Return whether a search must find an item."""
    first, last = query.get("datetime", "/").split("/")
    properties = item["properties"]
    start = properties.get("start_datetime") or properties["datetime"]
    end = properties.get("end_datetime") or properties["datetime"]
    return (
        item["collection"] in query.get("collections", [item["collection"]])
        and (not last or start <= last)
        and end >= first
        and box(*query.get("bbox", [-180, -90, 180, 90])).intersects(shape(item["geometry"]))
    )


def test_pgstac_search_finds_items_by_collection_bbox_and_time(
    pgstac: PgStac, exported: dict[str, Json]
) -> None:
    counts = []
    for length in range(len(QUERY) + 1):
        query = dict([*QUERY.items()][:length])
        expected = {name for name, item in exported.items() if matches(item, **query)}
        assert {item["id"] for item in pgstac.search(**query)} == expected
        counts.append(len(expected))
    assert sorted(set(counts), reverse=True) == counts
    assert counts[-1]
