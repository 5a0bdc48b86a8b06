"""Downloads of the demo: new catalogs over interrupted connections, and a rerun."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table

from demo.deliveries import CREATED, EXISTS, TargetRun, run_target
from demo.meltano_runner import DemoFailedError
from pixxel_sandbox import Behavior

if TYPE_CHECKING:
    from rich.console import Console

    from demo.meltano_runner import MeltanoRunner
    from pixxel_sandbox import Sandbox

FILE_BYTES = 20_000_000
INTERRUPTIONS = 3  # of the connection, for each file
CHUNK_BYTES = 1 << 20


def download_catalogs(
    meltano: MeltanoRunner, sandbox: Sandbox, since: str, *options: str
) -> TargetRun:
    """Download the catalogs created since a time over interrupted connections."""
    sandbox.behavior = Behavior(download_bytes=FILE_BYTES, interrupt_fetches=INTERRUPTIONS)
    try:
        folder = str(meltano.folder / "images")
        return run_target(meltano, "target-pixxel-download", since, *options, download_to=folder)
    finally:
        sandbox.behavior = Behavior()


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file, read in chunks."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def check_downloads(sandbox: Sandbox, new: int, first: TargetRun, rerun: TargetRun) -> None:
    """Check that each new catalog is a complete file, and that the rerun downloaded nothing.

    Raises:
        DemoFailedError: A check failed.
    """
    errors = []
    if first.count_catalogs(CREATED) != new or len(first.objects) != new:
        errors.append(f"{first.count_catalogs(CREATED)} catalogs downloaded, expected {new}")
    sandbox.behavior = Behavior(download_bytes=FILE_BYTES)
    files = {each["object"]: each["catalog_id"] for each in first.outcomes if each["object"]}
    errors += [
        f"{path} differs from the sandbox's file"
        for path, catalog in files.items()
        if hash_file(Path(path)) != sandbox.digest(catalog).sha256
    ]
    sandbox.behavior = Behavior()
    if (
        rerun.count_catalogs(EXISTS) != new
        or rerun.count_catalogs(CREATED)
        or rerun.objects != first.objects
    ):
        errors.append("the rerun did not find all downloaded catalogs")
    if errors:
        raise DemoFailedError("; ".join(errors))


def print_downloads(sandbox: Sandbox, first: TargetRun, rerun: TargetRun, out: Console) -> None:
    """Print the outcomes of both runs, and the files."""
    table = Table(title="The same catalogs downloaded, then a rerun", title_justify="left")
    table.add_column("target-pixxel-store, download_to")
    for name in ("1st run", "rerun"):
        table.add_column(name, justify="right")
    for label, kind in (("catalogs downloaded", CREATED), ("catalogs already downloaded", EXISTS)):
        table.add_row(label, *(f"{run.count_catalogs(kind):,}" for run in (first, rerun)))
    out.print(table)
    fetches = len(sandbox.fetches)
    resumed = sum(each.range is not None for each in sandbox.fetches)
    out.print(
        f"Each download was interrupted {INTERRUPTIONS} times: {fetches} requests, "
        f"{resumed} of them resumed a partial file",
        soft_wrap=True,
    )
    for path in sorted(first.objects):
        size = Path(path).stat().st_size
        out.print(
            f"  {size:>10,}  {os.path.relpath(path)}", soft_wrap=True, highlight=False, markup=False
        )
