"""Files that survive a crash: private modes, whole writes, directory entries on disk."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

PRIVATE_MODE = 0o600  # only the owner reads and writes the file


def write_all(fd: int, data: bytes | bytearray) -> None:
    """Write all of the data, in as many calls as needed.

    Raises:
        OSError: A write failed; part of the data may be written.
    """
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def sync_folder(folder: Path) -> None:
    """Flush a folder to disk, so that the name of a new file in it survives a crash."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
