"""Peak memory and speed of tap-pixxel at two sizes of archive: memory must not grow with it."""

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

from benchmarks.printing import console

if TYPE_CHECKING:
    from collections.abc import Iterator

SIZES = (2_000, 20_000)
PAGE_SIZE = 25  # so that all pages of the window are in flight in the smaller archive, too
TAP = str(Path(sys.executable).with_name("tap-pixxel"))
SANDBOX = str(Path(sys.executable).with_name("pixxel-sandbox"))


@dataclass
class Measured:
    """One sync of everything.

    Attributes:
        records: Records given.
        megabytes: What was written, in 10^6 bytes.
        seconds: From start to end of the process, start-up included.
        peak: Largest resident memory of the tap's process, in MiB.
    """

    records: int
    megabytes: float
    seconds: float
    peak: float


@contextmanager
def sandbox(items: int) -> Iterator[str]:
    """Serve a sandbox from a process of its own; give its URL.

    A process starts with its parent's size as its peak, so this one must stay small.
    """
    command = [SANDBOX, "serve", "--port", "0", "--items", str(items)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            line = process.stdout.readline() if process.stdout else ""
            yield next(word for word in line.split() if word.startswith("http://"))
        finally:
            process.terminate()


def measure(items: int) -> Measured:
    """Sync a sandbox of so many archive items with the installed command."""
    with sandbox(items) as url:
        environment = os.environ | {
            "TAP_PIXXEL_API_URL": url,
            "TAP_PIXXEL_API_TOKEN": "sandbox-token",
            "TAP_PIXXEL_PAGE_SIZE": str(PAGE_SIZE),
            "TAP_PIXXEL_LOGLEVEL": "ERROR",
        }
        began = time.perf_counter()
        process = subprocess.Popen([TAP, "--config=ENV"], stdout=subprocess.PIPE, env=environment)
        records = size = 0
        for line in process.stdout or ():
            records += line.startswith(b'{"type":"RECORD"')
            size += len(line)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
    if status:
        raise SystemExit(f"tap-pixxel ended with {os.waitstatus_to_exitcode(status)}")
    return Measured(records, size / 1e6, seconds, usage.ru_maxrss / 1024)


def main() -> None:
    """Print the table."""
    small, large = (measure(items) for items in SIZES)
    table = Table("archive items", "records", "MB written", "seconds", "records/s", "peak MiB")
    for items, run in zip(SIZES, (small, large), strict=True):
        table.add_row(
            f"{items:,}",
            f"{run.records:,}",
            f"{run.megabytes:,.0f}",
            f"{run.seconds:.1f}",
            f"{run.records / run.seconds:,.0f}",
            f"{run.peak:.0f}",
        )
    table.add_row(
        "ratio",
        f"{large.records / small.records:.2f}",
        f"{large.megabytes / small.megabytes:.2f}",
        f"{large.seconds / small.seconds:.2f}",
        "",
        f"{large.peak / small.peak:.2f}",
    )
    console().print(table)


if __name__ == "__main__":
    main()
