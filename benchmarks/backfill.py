"""Compare the shards of a backfill with `tap-pixxel | target-stac`, and print what sizes need.

The items are the same, and each dataset is checked to have each of them once. The last item has a
property that no other one has: so all files are written anew in the merge, which is the most that
it can cost.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
from rich.table import Table

from benchmarks.archive.__main__ import environment_for, write_selection
from benchmarks.archive.server import ASSETS, run_archive_server
from benchmarks.console import make_console
from benchmarks.variation import DIFFERING
from pixxel_backfill.folder import DONE_FILE, Done

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

ITEMS = 20_000
WORKERS = 2
BOUND = 1.3
"""Largest ratio of the CPU time of all shards to that of one process."""
SIZES = (1_000_000, 10_000_000, 100_000_000)
_BYTES_PER_ID = 16
"""Memory of a merge for each row: its hash, once as it is and once in order."""
_PR_SET_CHILD_SUBREAPER = 36
_COMMANDS = Path(sys.executable).parent
ONE_PROCESS = "tap-pixxel | target-stac"
MERGE = "merge"


@dataclass
class CommandMeasurement:
    """Measurement of a command and all processes that it has started.

    Attributes:
        seconds: Time from start to end.
        cpu_seconds: CPU time, user and system.
        peak_mib: Peak resident memory of the largest process, MiB.
    """

    seconds: float
    cpu_seconds: float
    peak_mib: float


def measure_tree(command: list[str], environment: dict[str, str]) -> CommandMeasurement:
    """Run a command until all of its processes have ended.

    Raises:
        SystemExit: The command failed.
    """
    measure = [sys.executable, "-m", "benchmarks.backfill", "--measure", *command]
    result = subprocess.run(measure, stdout=subprocess.PIPE, check=False, env=environment)
    if result.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {result.returncode}")
    return CommandMeasurement(*map(float, result.stdout.split()[-3:]))


def print_measurement(command: list[str]) -> None:
    """Run a command, and print what it and its processes took, also those that it left behind."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    start = time.perf_counter()
    status = subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode
    seconds = time.perf_counter() - start
    while True:
        try:
            os.wait()
        except ChildProcessError:
            break
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)  # noqa: T201 - read by the parent process
    sys.exit(status)


def run_one_process(folder: Path, environment: dict[str, str]) -> CommandMeasurement:
    """Run the tap and the target on all items, with GeoParquet by month."""
    catalog = folder / "catalog.json"
    write_selection(catalog)
    settings = {
        "TARGET_STAC_OUTPUT": str(folder / "stac"),
        "TARGET_STAC_FORMATS": "geoparquet",
        "TARGET_STAC_MODE": "overwrite",
        "TARGET_STAC_PARTITION": "month",
        "TARGET_STAC_LOGLEVEL": "ERROR",
    }
    tap = f"{_COMMANDS}/tap-pixxel --config=ENV --catalog {catalog}"
    pipe = f"{tap} | {_COMMANDS}/target-stac --config=ENV"
    return measure_tree(["sh", "-c", pipe], environment | settings)


def run_backfill(
    folder: Path, environment: dict[str, str], window: list[str], workers: int
) -> dict[str, CommandMeasurement]:
    """Run a backfill, and return the measurements of its steps."""
    command = str(_COMMANDS / "pixxel-backfill")
    steps = {
        "plan": ["plan", *window, "--out", str(folder)],
        "run": ["run", "--workers", str(workers), "--plan", str(folder)],
        MERGE: ["merge", "--plan", str(folder)],
    }
    return {name: measure_tree([command, *args], environment) for name, args in steps.items()}


def compare_datasets(one: Path, other: Path, count: int) -> None:
    """Raise unless two datasets have the same items in each month, and each item once.

    Raises:
        SystemExit: They differ.
    """
    months = sorted(path.parent.relative_to(one) for path in one.rglob("*.parquet"))
    rows = 0
    for month in dict.fromkeys(months):
        tables = [read_month(folder / month) for folder in (one, other)]
        if not tables[0].equals(tables[1]):
            raise SystemExit(f"the items of {month} differ in {one} and {other}")
        identifiers = tables[0]["id"].to_pylist()
        if len(set(identifiers)) < len(identifiers):
            raise SystemExit(f"{one}/{month} has items twice")
        rows += len(identifiers)
    if rows != count or sum(1 for _ in other.rglob("month=*")) != len(set(months)):
        raise SystemExit(f"{one} has {rows:,} of {count:,} items")


def read_month(folder: Path) -> pa.Table:
    """Return the items of a month, in the order of their ids."""
    tables = [pq.ParquetFile(path).read() for path in sorted(folder.glob("*.parquet"))]
    merged = pa.concat_tables([table.replace_schema_metadata() for table in tables])
    return merged.sort_by("id")


def read_dones(folder: Path) -> Iterator[Done]:
    """Yield what each shard has done."""
    for path in folder.rglob(DONE_FILE):
        yield msgspec.json.decode(path.read_bytes(), type=Done)


def measure_bytes(folder: Path, pattern: str) -> int:
    """Return the size of files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob(pattern) if path.is_file())


def print_comparison(
    out: Console, count: int, size: float, runs: dict[str, dict[str, CommandMeasurement]]
) -> None:
    """Print a row for each step of each run, and the ratios to one process."""
    title = f"{count:,} items of {size / 1000:.0f} KB with {ASSETS} assets, all of which differ "
    title += f"({', '.join(DIFFERING)})"
    columns = ("", "step", "seconds", "CPU seconds", "ratio", "peak MiB")
    table = Table(*columns, title=title)
    base = runs[ONE_PROCESS][""].cpu_seconds
    for label, steps in runs.items():
        for step, one in steps.items():
            ratio = f"{one.cpu_seconds / base:.2f}"
            values = (f"{one.seconds:.1f}", f"{one.cpu_seconds:.1f}", ratio, f"{one.peak_mib:.0f}")
            table.add_row(label, step, *values)
        if len(steps) > 1:
            total = sum(step.cpu_seconds for step in steps.values())
            table.add_row(label, "all", "", f"{total:.1f}", f"{total / base:.2f}", "")
    out.print(table)


def print_sizing(out: Console, count: int, folder: Path, merge: CommandMeasurement) -> None:
    """Print what archives of several sizes need, from the rates of a run."""
    seconds = sum(done.seconds for done in read_dones(folder))
    rate = count / seconds
    stored = measure_bytes(folder / "shards", "*") / count
    dataset = measure_bytes(folder / "dataset", "*.parquet") / count
    table = Table(
        *("items", "hours of one worker", "of 16 workers", "hours of the merge"),
        *("GB in shards", "GB in the dataset", "merge: MiB for ids"),
        title=f"{rate:.0f} items/s per worker; {stored:,.0f} B per item in shards, {dataset:,.0f} "
        "in the dataset",
    )
    for items in SIZES:
        hours = items / rate / 3600
        table.add_row(
            f"{items:,}",
            f"{hours:,.1f}",
            f"{hours / 16:,.1f}",
            f"{merge.cpu_seconds / count * items / 3600:,.1f}",
            f"{items * stored / 1e9:,.0f}",
            f"{items * dataset / 1e9:,.0f}",
            f"{items * _BYTES_PER_ID / 2**20:,.0f}",
        )
    out.print(table)


def main() -> None:
    """Print the tables."""
    if sys.argv[1:2] == ["--measure"]:
        print_measurement(sys.argv[2:])
    parser = argparse.ArgumentParser()
    parser.add_argument("--items", type=int, default=ITEMS)
    count = parser.parse_args().items
    out = make_console()
    with (
        tempfile.TemporaryDirectory() as name,
        run_archive_server(0, differs=True, items=count) as (url, size),
    ):
        folder = Path(name)
        environment = environment_for(url) | {"TMPDIR": name}
        runs = {ONE_PROCESS: {"": run_one_process(folder, environment)}}
        reference = next((folder / "stac/geoparquet").iterdir())
        one_shard = ["--window", "auto", "--shard-rows", str(count + 1)]
        for label, window, workers in (
            ("one shard", one_shard, 1),
            (f"24 shards, {WORKERS} workers", ["--window", "month"], WORKERS),
        ):
            own = folder / label.partition(",")[0].replace(" ", "-")
            runs[label] = run_backfill(own, environment, window, workers)
            compare_datasets(reference, next((own / "dataset").iterdir()), count)
        print_comparison(out, count, size, runs)
        print_sizing(out, count, own, runs[label][MERGE])
        total = sum(step.cpu_seconds for step in runs[label].values())
        ratio = total / runs[ONE_PROCESS][""].cpu_seconds
        out.print(f"all shards with the merge: {ratio:.2f} times one process; bound {BOUND}")


if __name__ == "__main__":
    main()
