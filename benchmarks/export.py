"""Speed and peak memory of target-stac at two sizes, beside pystac's normalize-and-save."""

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
from pathlib import Path
from threading import Timer
from typing import TYPE_CHECKING, Any

import msgspec
from rich.table import Table

from benchmarks.printing import console

if TYPE_CHECKING:
    from collections.abc import Iterator

SIZES = (5_000, 50_000)
KINDS = 100  # different items; the others are these with another id and time
TARGET = str(Path(sys.executable).with_name("target-stac"))
HOURS = 6
LIMIT = 300  # seconds for pystac: at 50,000 items it has not saved its first file by then
SCHEMA = {
    "type": "SCHEMA",
    "stream": "archive_items",
    "schema": {"type": "object", "properties": {"stac_item": {"type": "object"}}},
    "key_properties": [],
}


@dataclass
class Measured:
    """One export.

    Attributes:
        seconds: From start to end of the process, start-up included.
        peak: Largest resident memory of the process, in MiB.
        finished: Whether it came to its end before the limit.
    """

    seconds: float
    peak: float
    finished: bool = True

    def shown(self, number: float, digits: str) -> str:
        """Write a number that is at least this where the process had to be stopped."""
        return f"{'' if self.finished else '> '}{number:{digits}}"


def messages(count: int) -> Iterator[bytes]:
    """Give a sync of so many items, of the sandbox's kinds, six hours apart."""
    from pixxel_sandbox import Workspace  # noqa: PLC0415 - measured processes must start small
    from tap_pixxel.stac import to_item  # noqa: PLC0415

    workspace = Workspace(seed=1, items=KINDS)
    kinds = [
        to_item(workspace.get("archive_items", i)).stac for i in workspace.ids("archive_items")
    ]
    yield msgspec.json.encode(SCHEMA)
    first = datetime.fromisoformat("2015-01-01T00:00:00")
    for number in range(count):
        kind = kinds[number % KINDS]
        stamp = (first + timedelta(hours=HOURS * number)).isoformat() + "Z"
        properties = {**kind["properties"], "datetime": stamp}
        item = {**kind, "id": f"{kind['id']}-{number}", "properties": properties}
        record = {"type": "RECORD", "stream": "archive_items", "record": {"stac_item": item}}
        yield msgspec.json.encode(record)


def write_messages(path: Path, count: int) -> None:
    """Write a sync to a file."""
    with path.open("wb") as file:
        for message in messages(count):
            file.write(message + b"\n")


def with_pystac(path: Path, folder: Path) -> None:
    """Export the items of a sync as pystac does it: a tree in memory, normalized and saved."""
    import pystac  # noqa: PLC0415 - only here

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


def run(command: list[str], source: Path, limit: int | None = None, **settings: str) -> Measured:
    """Run a command on a sync's file, for so many seconds at most."""
    environment = os.environ | settings | {"TARGET_STAC_LOGLEVEL": "ERROR"}
    began = time.perf_counter()
    with source.open("rb") as file:
        process = subprocess.Popen(command, stdin=file, stdout=subprocess.DEVNULL, env=environment)
        end = Timer(limit or 0, process.kill)
        if limit:
            end.start()
        _, status, usage = os.wait4(process.pid, 0)
        end.cancel()
    seconds = time.perf_counter() - began
    code = os.waitstatus_to_exitcode(status)
    if code not in {0, -signal.SIGKILL}:
        raise SystemExit(f"{command[0]} ended with {code}")
    return Measured(seconds, usage.ru_maxrss / 1024, finished=code == 0)


def measure(count: int) -> dict[str, Measured]:
    """Export a sync of so many items in each way."""
    found = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = folder / "sync.singer"
        this = [sys.executable, "-m", "benchmarks.export"]
        subprocess.run([*this, "--write", str(source), "--items", str(count)], check=True)
        for title, formats in (
            ("target-stac, tree and ndjson", "catalog,ndjson"),
            ("target-stac, with GeoParquet", "catalog,ndjson,geoparquet"),
        ):
            with tempfile.TemporaryDirectory(dir=folder) as output:
                found[title] = run(
                    [TARGET, "--config=ENV"],
                    source,
                    TARGET_STAC_OUTPUT=output,
                    TARGET_STAC_FORMATS=formats,
                    TMPDIR=name,
                )
        with tempfile.TemporaryDirectory(dir=folder) as output:
            pystac = [*this, "--pystac", str(source), "--folder", output]
            found["pystac"] = run(pystac, source, limit=LIMIT)
    return found


def main() -> None:
    """Print the table, or do one of the things that it needs a process of its own for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--write", type=Path)
    parser.add_argument("--pystac", type=Path)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--items", type=int, nargs="*", default=SIZES)
    given = parser.parse_args()
    if given.write:
        write_messages(given.write, given.items[0])
    elif given.pystac:
        with_pystac(given.pystac, given.folder)
    else:
        table = Table("items", "export", "seconds", "items/s", "peak MiB", "beside pystac")
        for count in given.items:
            found = measure(count)
            beside = found["pystac"]
            for title, one in found.items():
                table.add_row(
                    f"{count:,}",
                    title,
                    one.shown(one.seconds, ",.1f"),
                    f"{count / one.seconds:,.0f}" if one.finished else "",
                    one.shown(one.peak, ",.0f"),
                    beside.shown(beside.seconds / one.seconds, ".1f") + "x"
                    if one is not beside
                    else "",
                )
        console().print(table)


if __name__ == "__main__":
    main()
