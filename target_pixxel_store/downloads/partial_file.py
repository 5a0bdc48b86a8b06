"""A partial file: the received part of a file, which a later run can continue.

A note beside it identifies the remote file, and says how many bytes are surely on disk: after a
crash of the machine, the bytes behind them may be anything.
"""

from __future__ import annotations

import errno
import fcntl
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

import msgspec

from pixxel_singer.durable_io import PRIVATE_MODE, sync_folder
from target_pixxel_store.errors import DiskError, RecordError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import TracebackType

SYNC_INTERVAL_BYTES = 1 << 24
"""Bytes after which a partial file is flushed to disk."""
_FATAL_ERRNOS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO})
"""Errors that affect every file on the disk."""


class RemoteFile(msgspec.Struct, frozen=True):
    """Identifies the complete file on the server.

    Attributes:
        size: In bytes.
        etag: A strong ETag, in its quotes; empty where there is none.
        modified: The `Last-Modified` header; empty where there is none.
    """

    name: str
    size: int
    etag: str = ""
    modified: str = ""

    @property
    def validator(self) -> str:
        """The value of `If-Range` that binds a request for the rest to the same file."""
        return self.etag or self.modified


class _Note(msgspec.Struct, frozen=True, rename={"remote_file": "whole", "synced_bytes": "upto"}):
    remote_file: RemoteFile
    synced_bytes: int


class PartialFile:
    """A partial file that this run has locked; a context manager.

    Args:
        path: Its path; created where it does not exist.

    Attributes:
        path: Its path.
        remote_file: The file on the server; None before it is known.
        size: The number of bytes received.

    Raises:
        RecordError: On entering: another run has locked it, or it cannot be created.
        DiskError: The disk is full or broken.
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
                raise RecordError("another run is downloading it") from None
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
        """Flush it to disk and unlock it; an empty one is removed."""
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
        """The remote file, once all of its bytes are received."""
        return (
            self.remote_file
            if self.remote_file is not None and self.size == self.remote_file.size
            else None
        )

    def restart(self, remote_file: RemoteFile) -> None:
        """Start again for a remote file, with no bytes."""
        with disk_errors():
            os.ftruncate(self._fd, 0)
            self.size, self.remote_file = 0, remote_file
            self._sync()

    def reset(self) -> None:
        """Discard the received bytes, as they belong to a different file."""
        with disk_errors():
            self._note_path.unlink(missing_ok=True)
            os.ftruncate(self._fd, 0)
        self.size, self.remote_file = 0, None

    def append(self, piece: bytes) -> None:
        """Append bytes."""
        view = memoryview(piece)
        with disk_errors():
            while view:
                written = os.pwrite(self._fd, view, self.size)
                self.size += written
                view = view[written:]
            if self.size - self._synced_bytes >= SYNC_INTERVAL_BYTES:
                self._sync()

    def commit(self, path: Path, mode: int) -> None:
        """Move the complete file to its path, flushed to disk."""
        with disk_errors():
            os.fsync(self._fd)
            os.fchmod(self._fd, mode)
            self.path.replace(path)
            self._note_path.unlink(missing_ok=True)
            sync_folder(path.parent)
            self.remote_file = None
            self._close()

    def remove(self) -> None:
        """Remove it and its note."""
        self._note_path.unlink(missing_ok=True)
        self.path.unlink(missing_ok=True)
        self.size, self.remote_file = 0, None

    def _load(self) -> None:
        """Read the note, and truncate the bytes that may not have been on disk."""
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
        """Flush the received bytes to disk, and write their number into the note."""
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
    """Convert errors of the disk.

    Raises:
        RecordError: The error affects one file.
        DiskError: The error affects every file.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _FATAL_ERRNOS:
            raise DiskError(
                f"cannot write downloads: {error.strerror}; free disk space, or change "
                "'download_to', and run again: partial files are kept"
            ) from None
        raise RecordError(f"cannot write its file: {error.strerror}") from None
