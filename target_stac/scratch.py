"""Scratch folder of a run: local files about as large as the export."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_PREFIX = "target-stac-"


@contextmanager
def open_scratch_folder() -> Iterator[Path]:
    """Make a private folder, removed at the end, and remove those that killed runs left.

    A run locks its folder before the folder gets its name, and the system unlocks it when the run
    dies: a folder of that name without a lock is of a killed run.
    """
    unnamed = Path(tempfile.mkdtemp(prefix=f"new-{_PREFIX}"))
    with _open_folder(unnamed) as fd:
        # A file system that cannot lock folders, as NFS, keeps other runs from removing this one.
        with suppress(OSError):
            fcntl.flock(fd, fcntl.LOCK_EX)
        folder = unnamed.rename(unnamed.with_name(unnamed.name.removeprefix("new-")))
        try:
            for other in folder.parent.glob(f"{_PREFIX}*"):
                with suppress(OSError):  # another run's, or another user's
                    _remove_if_unlocked(other)
            yield folder
        finally:
            shutil.rmtree(folder)


def _remove_if_unlocked(folder: Path) -> None:
    with _open_folder(folder) as fd:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(fd).st_uid == os.geteuid():
            shutil.rmtree(folder)


@contextmanager
def _open_folder(folder: Path) -> Iterator[int]:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        yield fd
    finally:
        os.close(fd)
