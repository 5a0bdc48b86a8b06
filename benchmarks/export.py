"""Compare target-stac with pystac's `normalize_and_save` and with stac-geoparquet."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from pathlib import Path
from random import Random
from threading import Timer
from typing import TYPE_CHECKING, Any

import msgspec
from rich.table import Table

from benchmarks.console import make_console
from benchmarks.variation import DIFFERING, vary_assets

if TYPE_CHECKING:
    from collections.abc import Iterator

SIZES = (5_000, 50_000)
DISTINCT_ITEMS = 100  # the others differ from these in id, time, and their assets
TARGET = str(Path(sys.executable).with_name("target-stac"))
HOURS_BETWEEN_ITEMS = 6
TIME_LIMIT_SECONDS = 300  # of pystac, which has not saved a file by then at 50,000 items
SCHEMA = {
    "type": "SCHEMA",
    "stream": "archive_items",
    "schema": {"type": "object", "properties": {"stac_item": {"type": "object"}}},
    "key_properties": [],
}


@dataclass
class ExportMeasurement:
    """Measurement of one export.

    Attributes:
        seconds: Time from start to end of the process, including start-up.
        cpu_seconds: Time that it used the processors.
        peak_mib: Peak resident memory of the process, MiB.
        finished: Whether the process ended before the time limit.
        geoparquet_mb: Size of the GeoParquet files in MB; 0 without any.
    """

    seconds: float
    cpu_seconds: float
    peak_mib: float
    finished: bool = True
    geoparquet_mb: float = 0

    def format_bound(self, number: float, digits: str) -> str:
        """Format a number, as a lower bound if the process was stopped at the time limit."""
        return f"{'' if self.finished else '> '}{number:{digits}}"


def make_messages(count: int) -> Iterator[bytes]:
    """Yield messages with items of the sandbox, six hours apart; all assets differ."""
    from pixxel_sandbox import Workspace  # noqa: PLC0415 - a measured process starts with the memory of this one
    from tap_pixxel.stac import to_item  # noqa: PLC0415

    workspace = Workspace(seed=1, items=DISTINCT_ITEMS)
    items = [
        to_item(workspace.get("archive_items", i)).stac for i in workspace.ids("archive_items")
    ]
    yield msgspec.json.encode(SCHEMA)
    rng = Random(1)  # noqa: S311 - the same items in each run
    first = datetime.fromisoformat("2015-01-01T00:00:00")
    for number in range(count):
        original = items[number % DISTINCT_ITEMS]
        datetime_text = (first + timedelta(hours=HOURS_BETWEEN_ITEMS * number)).isoformat() + "Z"
        properties = {**original["properties"], "datetime": datetime_text}
        assets = {name: dict(asset) for name, asset in original["assets"].items()}
        vary_assets(assets, DIFFERING, rng)
        name = f"{original['id']}-{number}"
        item = {**original, "id": name, "properties": properties, "assets": assets}
        record = {"type": "RECORD", "stream": "archive_items", "record": {"stac_item": item}}
        yield msgspec.json.encode(record)


def write_messages(path: Path, count: int) -> None:
    """Write the messages to a file."""
    with path.open("wb") as file:
        for message in make_messages(count):
            file.write(message + b"\n")


def export_with_pystac(path: Path, folder: Path) -> None:
    """Export the items with pystac: build a tree in memory, normalize and save it."""
    import pystac  # noqa: PLC0415 - not needed by the other steps

    catalog = pystac.Catalog("stac", "Items")
    collections: dict[str, pystac.Collection] = {}
    extent: dict[str, Any] = {
        "spatial": {"bbox": [[-180, -90, 180, 90]]},
        "temporal": {"interval": [[None, None]]},
    }
    with path.open("rb") as file:
        for line in file:
            message = msgspec.json.decode(line)
            if message["type"] != "RECORD":
                continue
            item = message["record"]["stac_item"]
            name = item["collection"]
            if name not in collections:
                collections[name] = pystac.Collection(name, name, pystac.Extent.from_dict(extent))
                catalog.add_child(collections[name])
            item["links"] = []
            collections[name].add_item(pystac.Item.from_dict(item, preserve_dict=False))
    catalog.normalize_and_save(str(folder), pystac.CatalogType.SELF_CONTAINED)


def write_with_stac_geoparquet(path: Path, folder: Path) -> None:
    """Write the items that have a geometry, a file for each collection, with stac-geoparquet.

    Args:
        path: The items as ndjson, collection by collection.
        folder: Where to write.
    """
    from stac_geoparquet.arrow import parse_stac_ndjson_to_parquet  # noqa: PLC0415 - 200 MiB

    with path.open("rb") as file:
        for number, (_, lines) in enumerate(groupby(file, _read_collection)):
            ndjson = folder / f"{number}.ndjson"
            with ndjson.open("wb") as part:
                part.writelines(lines)
            # Its default, 65,536, needs memory for all items of a collection at once.
            parse_stac_ndjson_to_parquet(ndjson, folder / f"{number}.parquet", chunk_size=500)


def _read_collection(line: bytes) -> bytes:
    return bytes(msgspec.json.decode(line, type=dict[str, msgspec.Raw])["collection"])


def measure_geoparquet(folder: Path) -> float:
    """Return the size of the GeoParquet files in a folder and below, MB."""
    return sum(path.stat().st_size for path in folder.rglob("*.parquet")) / 1e6


def measure_command(
    command: list[str], source: Path, limit: int | None = None, **settings: str
) -> ExportMeasurement:
    """Run a command on a file of messages, with an optional time limit in seconds."""
    environment = os.environ | settings | {"TARGET_STAC_LOGLEVEL": "ERROR"}
    start = time.perf_counter()
    with source.open("rb") as file:
        process = subprocess.Popen(command, stdin=file, stdout=subprocess.DEVNULL, env=environment)
        end = Timer(limit or 0, process.kill)
        if limit:
            end.start()
        _, status, usage = os.wait4(process.pid, 0)
        end.cancel()
    seconds = time.perf_counter() - start
    code = os.waitstatus_to_exitcode(status)
    if code not in {0, -signal.SIGKILL}:
        raise SystemExit(f"{command[0]} ended with {code}")
    cpu_seconds = usage.ru_utime + usage.ru_stime
    return ExportMeasurement(seconds, cpu_seconds, usage.ru_maxrss / 1024, finished=code == 0)


def measure_exports(count: int, folder: Path) -> dict[str, ExportMeasurement]:
    """Measure each way to export a number of items.

    Args:
        count: The number.
        folder: An empty folder for the exports. It must stay until all are measured: where many
            files were just deleted, ext4 may take longer to create a file.
    """
    measurements = {}
    source = folder / "sync.singer"
    this_module = [sys.executable, "-m", "benchmarks.export"]
    subprocess.run([*this_module, "--write", str(source), "--items", str(count)], check=True)
    for title, formats in (
        ("target-stac, tree and ndjson", "catalog,ndjson"),
        ("target-stac, with GeoParquet", "catalog,ndjson,geoparquet"),
    ):
        output = folder / formats
        measurements[title] = measure_command(
            [TARGET, "--config=ENV"],
            source,
            TARGET_STAC_OUTPUT=str(output),
            TARGET_STAC_FORMATS=formats,
            TMPDIR=str(folder),
        )
        measurements[title].geoparquet_mb = measure_geoparquet(output)
    tables = folder / "tables"
    tables.mkdir()
    command = [*this_module, "--stac-geoparquet", str(output / "items.ndjson")]
    other = measure_command([*command, "--folder", str(tables)], source)
    other.geoparquet_mb = measure_geoparquet(tables)
    measurements["stac-geoparquet, of the ndjson"] = other
    command = [*this_module, "--pystac", str(source), "--folder", str(folder / "pystac")]
    measurements["pystac"] = measure_command(command, source, limit=TIME_LIMIT_SECONDS)
    return measurements


def add_rows(table: Table, count: int, measurements: dict[str, ExportMeasurement]) -> None:
    """Add a row for each measurement of the export of a number of items."""
    pystac = measurements["pystac"]
    for title, one in measurements.items():
        speedup = pystac.format_bound(pystac.seconds / one.seconds, ".1f") + "x"
        table.add_row(
            f"{count:,}",
            title,
            one.format_bound(one.seconds, ",.1f"),
            one.format_bound(one.cpu_seconds, ",.1f"),
            one.format_bound(one.peak_mib, ",.0f"),
            f"{one.geoparquet_mb:,.1f}" if one.geoparquet_mb else "",
            "" if one is pystac else speedup,
        )


def main() -> None:
    """Print the table, or run a step that needs its own process."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--write", type=Path)
    parser.add_argument("--pystac", type=Path)
    parser.add_argument("--stac-geoparquet", type=Path)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--items", type=int, nargs="*", default=SIZES)
    args = parser.parse_args()
    if args.write:
        write_messages(args.write, args.items[0])
    elif args.pystac:
        export_with_pystac(args.pystac, args.folder)
    elif args.stac_geoparquet:
        write_with_stac_geoparquet(args.stac_geoparquet, args.folder)
    else:
        table = Table(
            *("items", "export", "seconds", "CPU s", "peak MiB", "GeoParquet MB"),
            "speedup over pystac",
        )
        with tempfile.TemporaryDirectory() as name:
            for count in args.items:
                folder = Path(name) / str(count)
                folder.mkdir()
                add_rows(table, count, measure_exports(count, folder))
        make_console().print(table)


if __name__ == "__main__":
    main()
