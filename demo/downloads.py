"""What the demo downloads: new catalogs as files, over connections that break, and a rerun."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table

from demo.deliveries import CREATED, EXISTS, Delivered, ask
from demo.syncs import DemoFailedError
from pixxel_sandbox import Behavior

if TYPE_CHECKING:
    from rich.console import Console

    from demo.syncs import Meltano
    from pixxel_sandbox import Sandbox

BYTES = 20_000_000  # of a file
BREAKS = 3  # connections that break off for each file
CHUNK = 1 << 20  # bytes read at once


def download(meltano: Meltano, sandbox: Sandbox, since: str, *options: str) -> Delivered:
    """Have the catalogs downloaded that were created since then, over a bad line."""
    sandbox.behavior = Behavior(download_bytes=BYTES, interrupt_fetches=BREAKS)
    try:
        folder = str(meltano.folder / "images")
        return ask(meltano, "target-pixxel-download", since, *options, download_to=folder)
    finally:
        sandbox.behavior = Behavior()


def sha256_of(path: Path) -> str:
    """Hash a file piece by piece."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(CHUNK):
            found.update(piece)
    return found.hexdigest()


def check(sandbox: Sandbox, new: int, first: Delivered, again: Delivered) -> None:
    """Check that each new catalog is a file, whole, and that the rerun fetched nothing.

    Raises:
        DemoFailedError: It is otherwise.
    """
    wrong = []
    if first.count(CREATED) != new or len(first.objects) != new:
        wrong.append(f"{first.count(CREATED)} catalogs were downloaded, and {new} are new")
    sandbox.behavior = Behavior(download_bytes=BYTES)
    files = {each["object"]: each["catalog_id"] for each in first.outcomes if each["object"]}
    wrong += [
        f"{path} is not what the sandbox has"
        for path, catalog in files.items()
        if sha256_of(Path(path)) != sandbox.digest(catalog).sha256
    ]
    sandbox.behavior = Behavior()
    if again.count(EXISTS) != new or again.count(CREATED) or again.objects != first.objects:
        wrong.append("the rerun did not find all that was downloaded")
    if wrong:
        raise DemoFailedError("; ".join(wrong))


def show(sandbox: Sandbox, first: Delivered, again: Delivered, out: Console) -> None:
    """Lay out two runs, and the files."""
    table = Table(title="The same catalogs downloaded, then again", title_justify="left")
    table.add_column("target-pixxel-store, download_to")
    for name in ("1st run", "rerun"):
        table.add_column(name, justify="right")
    for words, kind in (("catalogs downloaded", CREATED), ("catalogs there already", EXISTS)):
        table.add_row(words, *(f"{run.count(kind):,}" for run in (first, again)))
    out.print(table)
    fetches = len(sandbox.fetches)
    resumed = sum(each.range is not None for each in sandbox.fetches)
    out.print(
        f"The connection broke {BREAKS} times for each: {fetches} fetches, {resumed} of them for "
        "the rest of a file",
        soft_wrap=True,
    )
    for path in sorted(first.objects):
        size = Path(path).stat().st_size
        out.print(
            f"  {size:>10,}  {os.path.relpath(path)}", soft_wrap=True, highlight=False, markup=False
        )
