"""A part: what is there of a file that is being fetched, so that a later run can go on.

Beside it lies a note of what the whole is known by, and up to where the part is surely on disk:
after the machine is lost, what is behind that may be anything.
"""

from __future__ import annotations

import errno
import fcntl
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Self

import msgspec

from pixxel_singer.durable_io import PRIVATE_MODE, sync_folder
from target_pixxel_store.errors import DiskError, RecordError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import TracebackType

SYNC_INTERVAL_BYTES: Final = 1 << 24
"""Bytes after which a part is put on disk."""
_FATAL_ERRNOS: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO})
"""Faults of a disk that any other file would meet as well."""


class RemoteFile(msgspec.Struct, frozen=True):
    """What the whole file is known by.

    Attributes:
        size: In bytes.
        etag: A strong one, in its quotes; empty where there is none.
        modified: `Last-Modified`, empty where there is none.
    """

    name: str
    size: int
    etag: str = ""
    modified: str = ""

    @property
    def validator(self) -> str:
        """What a request for the rest is bound to, so that it is of the same file."""
        return self.etag or self.modified


class _Note(msgspec.Struct, frozen=True, rename={"remote_file": "whole", "synced_bytes": "upto"}):
    remote_file: RemoteFile
    synced_bytes: int


class PartialFile:
    """A part in the hands of a run; a context manager.

    Args:
        path: Where it lies; made when it is not there.

    Attributes:
        path: Where it lies.
        whole: What the whole is known by; None while nothing is.
        size: Bytes that are there.

    Raises:
        Rejected: On entering: another run holds it, or it cannot be there.
        NoRoomError: The disk is full.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._note_path = path.with_name(f"{path.name}.json")
        self._fd = -1
        self._synced_bytes = 0
        self.remote_file: RemoteFile | None = None
        self.size = 0

    def __enter__(self) -> Self:
        """Open, lock and read it."""
        with disk_errors():
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            self._fd = os.open(self.path, flags, PRIVATE_MODE)
            try:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._load()
            except BlockingIOError:
                self._close()
                raise RecordError("another run fetches it just now") from None
            except BaseException:
                self._close()
                raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Put it on disk; one of nothing is removed."""
        with disk_errors():
            try:
                if not self.size:
                    self.remove()
                elif self._fd >= 0:
                    self._sync()
            finally:
                self._close()

    @property
    def complete_file(self) -> RemoteFile | None:
        """What the whole is known by, once all of it is there."""
        return (
            self.remote_file
            if self.remote_file is not None and self.size == self.remote_file.size
            else None
        )

    def restart(self, remote_file: RemoteFile) -> None:
        """Begin anew, with nothing."""
        with disk_errors():
            os.ftruncate(self._fd, 0)
            self.size, self.remote_file = 0, remote_file
            self._sync()

    def reset(self) -> None:
        """Throw away what is there: it is not of the file that is wanted."""
        with disk_errors():
            self._note_path.unlink(missing_ok=True)
            os.ftruncate(self._fd, 0)
        self.size, self.remote_file = 0, None

    def append(self, piece: bytes) -> None:
        """Add what follows."""
        view = memoryview(piece)
        with disk_errors():
            while view:
                written = os.pwrite(self._fd, view, self.size)
                self.size += written
                view = view[written:]
            if self.size - self._synced_bytes >= SYNC_INTERVAL_BYTES:
                self._sync()

    def commit(self, path: Path, mode: int) -> None:
        """Put the whole file in its place, under its name and on disk."""
        with disk_errors():
            os.fsync(self._fd)
            os.fchmod(self._fd, mode)
            self.path.replace(path)
            self._note_path.unlink(missing_ok=True)
            sync_folder(path.parent)
            self.remote_file = None
            self._close()

    def remove(self) -> None:
        """Remove it: the whole is elsewhere, or not wanted."""
        self._note_path.unlink(missing_ok=True)
        self.path.unlink(missing_ok=True)
        self.size, self.remote_file = 0, None

    def _load(self) -> None:
        """Read the note, and cut off what is behind that which is surely on disk."""
        try:
            note = msgspec.json.decode(self._note_path.read_bytes(), type=_Note)
        except (FileNotFoundError, msgspec.DecodeError):
            note = None
        there = os.fstat(self._fd).st_size
        if note is None or not note.remote_file.validator or not note.synced_bytes <= there:
            os.ftruncate(self._fd, 0)
            return
        os.ftruncate(self._fd, note.synced_bytes)
        self.size = self._synced_bytes = note.synced_bytes
        self.remote_file = note.remote_file

    def _sync(self) -> None:
        """Put what is there on disk, and note how much that is."""
        if self.remote_file is None:
            return
        os.fsync(self._fd)
        fresh = self._note_path.with_name(f"{self._note_path.name}.new")
        with os.fdopen(
            os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, PRIVATE_MODE), "wb"
        ) as file:
            file.write(msgspec.json.encode(_Note(self.remote_file, self.size)))
        fresh.replace(self._note_path)
        self._synced_bytes = self.size

    def _close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


@contextmanager
def disk_errors() -> Iterator[None]:
    """Word what the disk fails with.

    Raises:
        Rejected: It is about one file.
        NoRoomError: Any other file would meet it as well.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _FATAL_ERRNOS:
            raise DiskError(
                f"cannot write what is downloaded: {error.strerror}; make room, or set "
                "'download_to' elsewhere, and run again: what is half fetched is kept"
            ) from None
        raise RecordError(f"its file cannot be written: {error.strerror}") from None
