"""Checks of downloaded files, and of the requests that downloads send."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.target_pixxel_store.target_harness import Json, TargetHarness

LARGE_BYTES = 3_000_000
DOWNLOADS_PATH = "/v0/catalogs/download"


def list_files(folder: Path) -> list[str]:
    """Return the paths of all files below a folder, including partial files."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def is_complete_download(harness: TargetHarness, line: Json) -> bool:
    """Return whether the file of an outcome has the bytes of the sandbox's object."""
    content = Path(line["object"]).read_bytes()
    actual = (len(content), hashlib.sha256(content).hexdigest())
    return actual == tuple(harness.sandbox.digest(line["catalog_id"]))


def count_download_posts(harness: TargetHarness) -> int:
    """Return the number of POST requests for a download."""
    return len(harness.posted_bodies(DOWNLOADS_PATH))


def polled_download_ids(harness: TargetHarness) -> list[str]:
    """Return the download id of each poll, in order."""
    prefix = f"{DOWNLOADS_PATH}/"
    paths = [each.path for each in harness.sandbox.requests if each.path.startswith(prefix)]
    return [path.removeprefix(prefix) for path in paths]
