"""Measure peak memory and speed of tap-pixxel at two archive sizes; memory must stay constant."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table

from benchmarks.console import make_console

if TYPE_CHECKING:
    from collections.abc import Iterator

SIZES = (2_000, 20_000)
PAGE_SIZE = 25  # small, so that the smaller archive fills all concurrent requests too
TAP = str(Path(sys.executable).with_name("tap-pixxel"))
SANDBOX = str(Path(sys.executable).with_name("pixxel-sandbox"))


@dataclass
class SyncMeasurement:
    """Measurement of one sync of all default streams.

    Attributes:
        records: Number of emitted records.
        megabytes: Size of the output, in 10^6 bytes.
        seconds: Time from start to end of the process, including start-up.
        peak_mib: Peak resident memory of the tap's process, MiB.
    """

    records: int
    megabytes: float
    seconds: float
    peak_mib: float


@contextmanager
def run_sandbox(items: int) -> Iterator[str]:
    """Run a sandbox in its own process; yield its URL.

    A process starts with its parent's memory as its peak, so this one must stay small.
    """
    command = [SANDBOX, "serve", "--port", "0", "--items", str(items)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            line = process.stdout.readline() if process.stdout else ""
            yield next(word for word in line.split() if word.startswith("http://"))
        finally:
            process.terminate()


def measure_sync(items: int) -> SyncMeasurement:
    """Sync a sandbox with a number of archive items, using the installed command."""
    with run_sandbox(items) as url:
        environment = os.environ | {
            "TAP_PIXXEL_API_URL": url,
            "TAP_PIXXEL_API_TOKEN": "sandbox-token",
            "TAP_PIXXEL_PAGE_SIZE": str(PAGE_SIZE),
            "TAP_PIXXEL_LOGLEVEL": "ERROR",
        }
        start = time.perf_counter()
        process = subprocess.Popen([TAP, "--config=ENV"], stdout=subprocess.PIPE, env=environment)
        records = size = 0
        for line in process.stdout or ():
            records += line.startswith(b'{"type":"RECORD"')
            size += len(line)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
    if status:
        raise SystemExit(f"tap-pixxel ended with {os.waitstatus_to_exitcode(status)}")
    return SyncMeasurement(records, size / 1e6, seconds, usage.ru_maxrss / 1024)


def main() -> None:
    """Print the table."""
    small, large = (measure_sync(items) for items in SIZES)
    table = Table("archive items", "records", "MB written", "seconds", "records/s", "peak MiB")
    for items, run in zip(SIZES, (small, large), strict=True):
        table.add_row(
            f"{items:,}",
            f"{run.records:,}",
            f"{run.megabytes:,.0f}",
            f"{run.seconds:.1f}",
            f"{run.records / run.seconds:,.0f}",
            f"{run.peak_mib:.0f}",
        )
    table.add_row(
        "ratio",
        f"{large.records / small.records:.2f}",
        f"{large.megabytes / small.megabytes:.2f}",
        f"{large.seconds / small.seconds:.2f}",
        "",
        f"{large.peak_mib / small.peak_mib:.2f}",
    )
    make_console().print(table)


if __name__ == "__main__":
    main()
