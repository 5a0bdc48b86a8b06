"""Measure updates of an export by target-stac: CPU time and bytes, relative to the first export."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import msgspec
from rich.table import Table

from benchmarks.console import make_console
from benchmarks.export import DISTINCT_ITEMS, SCHEMA, TARGET
from benchmarks.variation import DIFFERING, vary_assets

if TYPE_CHECKING:
    from collections.abc import Iterable

ITEMS = 40_000
ASSETS = 10  # of an item
CHANGED = 100  # items of an update
MINUTES_BETWEEN_ITEMS = 65  # five years in all
SETTINGS = {
    "TARGET_STAC_FORMATS": "catalog,ndjson,geoparquet",
    "TARGET_STAC_PARTITION": "month",
    "TARGET_STAC_LOGLEVEL": "ERROR",
}


def write_messages(path: Path, numbers: Iterable[int], title: str) -> None:
    """Write messages with items of the sandbox, whose assets all differ.

    Args:
        path: The file.
        numbers: Numbers of the items, by time.
        title: Title of the items, which differs in an update.
    """
    from pixxel_sandbox import Workspace  # noqa: PLC0415 - a measured process starts with the memory of this one
    from tap_pixxel.stac import to_item  # noqa: PLC0415

    workspace = Workspace(seed=1, items=DISTINCT_ITEMS)
    items = [
        to_item(workspace.get("archive_items", i)).stac for i in workspace.ids("archive_items")
    ]
    first = datetime.fromisoformat("2020-01-01T00:00:00")
    rng = Random(title)  # noqa: S311 - the same items in each run
    with path.open("wb") as file:
        file.write(msgspec.json.encode(SCHEMA) + b"\n")
        for number in numbers:
            original = items[number % DISTINCT_ITEMS]
            time = (first + timedelta(minutes=MINUTES_BETWEEN_ITEMS * number)).isoformat() + "Z"
            assets = {name: dict(each) for name, each in [*original["assets"].items()][:ASSETS]}
            vary_assets(assets, DIFFERING, rng)
            item = {
                **original,
                "id": f"{original['id']}-{number}",
                "properties": {**original["properties"], "datetime": time, "title": title},
                "assets": assets,
            }
            message = {"type": "RECORD", "stream": "archive_items", "record": {"stac_item": item}}
            file.write(msgspec.json.encode(message) + b"\n")


def read_stamps(folder: Path) -> dict[Path, tuple[int, int, int]]:
    """Return of each file the values that change when it is written, and its size in bytes."""
    stats = {path: path.stat() for path in folder.rglob("*") if path.is_file()}
    return {path: (each.st_ino, each.st_mtime_ns, each.st_size) for path, each in stats.items()}


def measure_export(source: Path, output: Path) -> tuple[float, int]:
    """Return the CPU seconds of an export, with its start-up, and the bytes of written files."""
    before = read_stamps(output)
    environment = os.environ | SETTINGS | {"TARGET_STAC_OUTPUT": str(output)}
    with source.open("rb") as file:
        process = subprocess.Popen(
            [TARGET, "--config=ENV"], stdin=file, stdout=subprocess.DEVNULL, env=environment
        )
        _, status, usage = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status):
        raise SystemExit(f"target-stac ended with {os.waitstatus_to_exitcode(status)}")
    written = (
        stamp[-1] for path, stamp in read_stamps(output).items() if before.get(path) != stamp
    )
    return usage.ru_utime + usage.ru_stime, sum(written)


def main() -> None:
    """Print the table, or write an input, which needs its own process."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--write", type=Path)
    parser.add_argument("--numbers", type=int, nargs=3, help="start, end, step")
    parser.add_argument("--items", type=int, default=ITEMS)
    args = parser.parse_args()
    if args.write:
        write_messages(args.write, range(*args.numbers), args.write.stem)
        return
    middle = args.items // 2
    inputs = {
        "first export": (0, args.items, 1),
        f"{CHANGED} changed items of one month": (middle, middle + CHANGED, 1),
        f"{CHANGED} changed items anywhere": (0, args.items, args.items // CHANGED),
        "no changed item": (0, 0, 1),
    }
    table = Table(f"{args.items:,} items of {ASSETS} assets", "CPU s", "MB", "of CPU", "of bytes")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        output, copy = folder / "first", folder / "copy"
        output.mkdir()
        first = None
        for title, numbers in inputs.items():
            source = folder / f"{title}.singer"
            command = [sys.executable, "-m", "benchmarks.export_updates", "--write", str(source)]
            subprocess.run([*command, "--numbers", *map(str, numbers)], check=True)
            if first is not None:
                shutil.copytree(output, copy)
            seconds, size = measure_export(source, output if first is None else copy)
            first = first or (seconds, size)
            relative = f"{seconds / first[0]:.1%}", f"{size / first[1]:.1%}"
            table.add_row(title, f"{seconds:.1f}", f"{size / 1e6:,.1f}", *relative)
            shutil.rmtree(copy, ignore_errors=True)
    make_console().print(table)


if __name__ == "__main__":
    main()
