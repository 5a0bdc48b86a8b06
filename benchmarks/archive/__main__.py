"""Compare tap-pixxel with other programs, and its memory with archives of two sizes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from rich.table import Table

from benchmarks.archive.server import ITEMS, TOKEN, run_archive_server
from benchmarks.console import make_console
from benchmarks.variation import DIFFERING

if TYPE_CHECKING:
    from rich.console import Console

ROUNDS = 3
STARTS = 7
SIZES = (1_000, 10_000)  # the peak of memory must be the same
LATENCIES = (0, 50)  # milliseconds per request
KIB_PER_MIB = 1024
TAP = str(Path(sys.executable).with_name("tap-pixxel"))
PLAIN = "plain singer-sdk tap"


class ProcessMeasurement(NamedTuple):
    """Measurement of one process.

    Attributes:
        seconds: Time from start to end.
        cpu_seconds: CPU time, user and system.
        peak_mib: Peak resident memory, MiB.
    """

    seconds: float
    cpu_seconds: float
    peak_mib: float


def list_commands(url: str, catalog: Path) -> dict[str, list[str]]:
    """Return the commands by their label in the table."""
    baseline = [sys.executable, "-m", "benchmarks.archive.baselines"]
    ours = [TAP, "--config=ENV", "--catalog", str(catalog)]
    return {
        PLAIN: [*baseline, "plain_sdk", url],
        "dlt rest_api": [*baseline, "dlt", url],
        "pystac-client, objects": [*baseline, "pystac_client", url],
        "requests, json": [*baseline, "requests_json", url],
        "4 threads, orjson": [*baseline, "threads_orjson", url, str(ITEMS)],
        "tap-pixxel, raw": ["env", "TAP_PIXXEL_STAC=false", *ours],
        "tap-pixxel, STAC": ["env", "TAP_PIXXEL_STAC=true", *ours],
    }


def measure_command(
    command: list[str], environment: dict[str, str], output: int
) -> ProcessMeasurement:
    """Run a command until it ends.

    Raises:
        SystemExit: The command failed.
    """
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=output, stderr=subprocess.DEVNULL, env=environment)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    if status:
        code = os.waitstatus_to_exitcode(status)
        raise SystemExit(f"{' '.join(command)} ended with {code}")
    cpu_seconds = usage.ru_utime + usage.ru_stime
    return ProcessMeasurement(seconds, cpu_seconds, usage.ru_maxrss / KIB_PER_MIB)


def median_measurement(runs: list[ProcessMeasurement]) -> ProcessMeasurement:
    """Return the median of each quantity."""
    return ProcessMeasurement(*(median(values) for values in zip(*runs, strict=True)))


def environment_for(url: str) -> dict[str, str]:
    """Return the environment of a run."""
    return os.environ | {
        "TAP_PIXXEL_API_URL": url,
        "TAP_PIXXEL_API_TOKEN": TOKEN,
        "TAP_PIXXEL_LOGLEVEL": "ERROR",
    }


def write_selection(path: Path) -> None:
    """Write a catalog that selects only the archive's items."""
    found = subprocess.run([TAP, "--discover"], capture_output=True, check=True)
    catalog = json.loads(found.stdout)
    for entry in catalog["streams"]:
        for part in entry["metadata"]:
            if not part["breadcrumb"]:
                part["metadata"]["selected"] = entry["tap_stream_id"] == "archive_items"
    path.write_text(json.dumps(catalog))


def compare_archive_reads(latency: int, folder: Path, out: Console, *, differs: bool) -> None:
    """Run all commands in turns, and print the medians."""
    catalog, output = folder / "catalog.json", folder / "out"
    write_selection(catalog)
    runs: dict[str, list[ProcessMeasurement]] = {}
    with run_archive_server(latency, differs=differs) as (url, size):
        commands = list_commands(url, catalog)
        for _ in range(ROUNDS):
            for name, command in commands.items():
                with output.open("wb") as file:
                    found = measure_command(command, environment_for(url), file.fileno())
                lines = sum(1 for _ in output.open("rb"))
                if lines < ITEMS:
                    raise SystemExit(f"{name} wrote {lines:,} of {ITEMS:,} items")
                runs.setdefault(name, []).append(found)
    assets = f"all assets differ ({', '.join(DIFFERING)})" if differs else "assets repeat"
    title = f"{ITEMS:,} items of {size / 1000:.0f} KB, {latency} ms a request; {assets}"
    table = Table("", "records/s", "speedup", "CPU seconds", "peak MiB", title=title)
    first = median_measurement(runs[PLAIN])
    for name, each in runs.items():
        found = median_measurement(each)
        table.add_row(
            name,
            f"{ITEMS / found.seconds:,.0f}",
            f"{first.seconds / found.seconds:.1f}x",
            f"{found.cpu_seconds:.1f}",
            f"{found.peak_mib:.0f}",
        )
    out.print(table)


def compare_sizes(folder: Path, out: Console) -> None:
    """Measure the tap on archives of two sizes, whose assets all differ."""
    catalog, output = folder / "catalog.json", folder / "out"
    columns = ("archive items", "MB written", "seconds", "records/s", "peak MiB")
    table = Table(*columns, title="tap-pixxel, STAC; all assets differ")
    runs = []
    for items in SIZES:
        with (
            run_archive_server(0, differs=True, items=items) as (url, _),
            output.open("wb") as file,
        ):
            command = list_commands(url, catalog)["tap-pixxel, STAC"]
            run = measure_command(command, environment_for(url), file.fileno())
        megabytes = output.stat().st_size / 1e6
        speed = f"{items / run.seconds:,.0f}"
        table.add_row(
            f"{items:,}", f"{megabytes:,.0f}", f"{run.seconds:.1f}", speed, f"{run.peak_mib:.0f}"
        )
        runs.append(run)
    small, large = runs
    ratios = (large.seconds / small.seconds, large.peak_mib / small.peak_mib)
    table.add_row("ratio", "", f"{ratios[0]:.2f}", "", f"{ratios[1]:.2f}")
    out.print(table)


def compare_starts(out: Console) -> None:
    """Measure the start of the taps, and print the medians."""
    table = Table("start", PLAIN, "tap-pixxel", "relative time")
    plain = [sys.executable, "-m", "benchmarks.archive.baselines", "plain_sdk", ""]
    for option in ("--version", "--discover"):
        runs: list[list[ProcessMeasurement]] = [[], []]
        for _ in range(STARTS):
            for command, each in zip(([*plain, option], [TAP, option]), runs, strict=True):
                each.append(measure_command(command, environment_for(""), subprocess.DEVNULL))
        first, ours = (median_measurement(each).seconds for each in runs)
        table.add_row(option, f"{first:.2f} s", f"{ours:.2f} s", f"{ours / first:.2f}x")
    out.print(table)


def main() -> None:
    """Print the tables."""
    out = make_console()
    with tempfile.TemporaryDirectory() as name:
        for differs in (True, False):
            for latency in LATENCIES:
                compare_archive_reads(latency, Path(name), out, differs=differs)
        compare_sizes(Path(name), out)
    compare_starts(out)


if __name__ == "__main__":
    main()
