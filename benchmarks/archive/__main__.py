"""Print two tables: the whole archive read by tap-pixxel and its peers, and how they start."""

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

from benchmarks.archive.serving import ITEMS, TOKEN, served
from benchmarks.printing import console

if TYPE_CHECKING:
    from rich.console import Console

ROUNDS = 3
STARTS = 7
LATENCIES = (0, 50)  # milliseconds a request
MEBI = 1024  # KiB
TAP = str(Path(sys.executable).with_name("tap-pixxel"))
PLAIN = "plain singer-sdk tap"


class Measured(NamedTuple):
    """One run of a process, from its start to its end.

    Attributes:
        peak: Largest resident memory in MiB.
    """

    seconds: float
    cpu: float
    peak: float


def contenders(url: str, catalog: Path) -> dict[str, list[str]]:
    """Give the commands, by what they are called in the table."""
    peer = [sys.executable, "-m", "benchmarks.archive.contenders"]
    ours = [TAP, "--config=ENV", "--catalog", str(catalog)]
    return {
        PLAIN: [*peer, "plain_sdk", url],
        "dlt rest_api": [*peer, "dlt", url],
        "pystac-client, objects": [*peer, "pystac_client", url],
        "requests, json": [*peer, "requests_json", url],
        "4 threads, orjson": [*peer, "threads_orjson", url, str(ITEMS)],
        "tap-pixxel, raw": ["env", "TAP_PIXXEL_STAC=false", *ours],
        "tap-pixxel, STAC": ["env", "TAP_PIXXEL_STAC=true", *ours],
    }


def measure(command: list[str], environment: dict[str, str], output: int) -> Measured:
    """Run a command to its end.

    Raises:
        SystemExit: It failed.
    """
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=output, stderr=subprocess.DEVNULL, env=environment)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    if status:
        code = os.waitstatus_to_exitcode(status)
        raise SystemExit(f"{' '.join(command)} ended with {code}")
    return Measured(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / MEBI)


def middle(runs: list[Measured]) -> Measured:
    """Give the medians."""
    return Measured(*(median(values) for values in zip(*runs, strict=True)))


def environment_for(url: str) -> dict[str, str]:
    """Give the variables of a run; what is installed has its bytecode after the first start."""
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    return kept | {
        "TAP_PIXXEL_API_URL": url,
        "TAP_PIXXEL_API_TOKEN": TOKEN,
        "TAP_PIXXEL_LOGLEVEL": "ERROR",
    }


def selection(path: Path) -> None:
    """Write a catalog that selects the archive's items alone."""
    found = subprocess.run([TAP, "--discover"], capture_output=True, check=True)
    catalog = json.loads(found.stdout)
    for entry in catalog["streams"]:
        for part in entry["metadata"]:
            if not part["breadcrumb"]:
                part["metadata"]["selected"] = entry["tap_stream_id"] == "archive_items"
    path.write_text(json.dumps(catalog))


def read_archive(latency: int, folder: Path, out: Console) -> None:
    """Run all contenders in turns, and print their medians."""
    catalog, output = folder / "catalog.json", folder / "out"
    selection(catalog)
    runs: dict[str, list[Measured]] = {}
    with served(latency) as (url, size):
        commands = contenders(url, catalog)
        for _ in range(ROUNDS):
            for name, command in commands.items():
                with output.open("wb") as file:
                    found = measure(command, environment_for(url), file.fileno())
                lines = sum(1 for _ in output.open("rb"))
                if lines < ITEMS:
                    raise SystemExit(f"{name} has written {lines:,} of {ITEMS:,} items")
                runs.setdefault(name, []).append(found)
    title = f"{ITEMS:,} items of {size / 1000:.0f} KB, {latency} ms a request"
    table = Table("", "records/s", "beside the first", "CPU seconds", "peak MiB", title=title)
    first = middle(runs[PLAIN])
    for name, each in runs.items():
        found = middle(each)
        table.add_row(
            name,
            f"{ITEMS / found.seconds:,.0f}",
            f"{first.seconds / found.seconds:.1f}x",
            f"{found.cpu:.1f}",
            f"{found.peak:.0f}",
        )
    out.print(table)


def start(out: Console) -> None:
    """Start the taps, and print how long that takes."""
    table = Table("start", PLAIN, "tap-pixxel", "beside the first")
    plain = [sys.executable, "-m", "benchmarks.archive.contenders", "plain_sdk", ""]
    for option in ("--version", "--discover"):
        runs: list[list[Measured]] = [[], []]
        for _ in range(STARTS):
            for command, each in zip(([*plain, option], [TAP, option]), runs, strict=True):
                each.append(measure(command, environment_for(""), subprocess.DEVNULL))
        first, ours = (middle(each).seconds for each in runs)
        table.add_row(option, f"{first:.2f} s", f"{ours:.2f} s", f"{ours / first:.2f}x")
    out.print(table)


def main() -> None:
    """Print the tables."""
    out = console()
    with tempfile.TemporaryDirectory() as name:
        for latency in LATENCIES:
            read_archive(latency, Path(name), out)
    start(out)


if __name__ == "__main__":
    main()
