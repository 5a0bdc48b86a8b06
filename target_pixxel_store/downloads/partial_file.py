"""A partial file: the received part of a file, which a later run can continue.

Beside it lies the validator of the remote file. The bytes up to a boundary are on disk before any
byte behind it is written; so after a crash, all bytes before the last boundary are right.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING, Annotated, NamedTuple, Self

import msgspec

from pixxel_singer.durable_io import PRIVATE_MODE, write_all
from target_pixxel_store.errors import DestinationError, RecordError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from target_pixxel_store.downloads.response_checks import Checksum

BOUNDARY_BYTES = 1 << 24  # from one boundary to the next
_FATAL_ERRNOS = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EACCES, errno.EPERM}
)
"""Errors that affect every file of the destination."""
_LINK_ERRNOS = frozenset({errno.ELOOP, errno.EMLINK, errno.ENOTDIR})
READ_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_WRITE_FLAGS = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_HeaderValue = Annotated[str, msgspec.Meta(pattern=r"^[\t -~\x80-\xff]*\Z")]


class Validator(msgspec.Struct, frozen=True):
    """Identifies a version of a remote file.

    Attributes:
        etag, modified: Two headers as received; empty where not stated.
        size: The size of the version in bytes; None where not stated.
    """

    etag: _HeaderValue = ""
    modified: _HeaderValue = ""
    size: int | None = None

    @property
    def strong_etag(self) -> str:
        """The ETag where it is strong, as range requests require (RFC 9110, 13.1.5)."""
        return self.etag if self.etag.startswith('"') else ""

    @property
    def if_range(self) -> str:
        """The value of `If-Range` that asks for the rest; empty if no 206 could be checked."""
        return "" if self.size is None else self.strong_etag or self.modified


class RemoteFile(NamedTuple):
    """The complete file on the server, as the first response of a run describes it.

    Attributes:
        size: In bytes; None where it is not stated.
    """

    name: str
    size: int | None
    checksums: tuple[Checksum, ...] = ()


class PartialFile:
    """A partial file that this run has locked; a context manager.

    Args:
        folder: Descriptor of its folder; closed on exit.
        name: Its name; created where it does not exist.

    Attributes:
        size: The number of bytes received.
        validator: The version of the remote file that the bytes belong to.
        remote_file: The remote file; None before this run has received a response.

    Raises:
        RecordError: On entering: another run has locked it, or it cannot be created.
    """

    def __init__(self, folder: int, name: str) -> None:
        self._folder = folder
        self.name = name
        self._note_name = f"{name}.json"
        self._fd = -1
        self.size = 0
        self.validator = Validator()
        self.remote_file: RemoteFile | None = None

    def __enter__(self) -> Self:
        """Open, lock and read it."""
        try:
            with disk_errors():
                self._fd = os.open(self.name, _WRITE_FLAGS, PRIVATE_MODE, dir_fd=self._folder)
                self._lock()
                self._load()
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Unlock it; an empty one is removed."""
        try:
            if self._fd >= 0 and not self.size:
                self.remove()
        finally:
            self._close()

    def restart(self, remote_file: RemoteFile, validator: Validator) -> None:
        """Start again for a version of a remote file, with no bytes."""
        self.discard()
        with disk_errors():
            os.fsync(self._fd)  # the bytes of another version must never be found with this note
            flags = _WRITE_FLAGS | os.O_EXCL
            note = os.open(self._note_name, flags, PRIVATE_MODE, dir_fd=self._folder)
            with os.fdopen(note, "wb"):
                write_all(note, msgspec.json.encode(validator))
                os.fsync(note)
            os.fsync(self._folder)
        self.remote_file, self.validator = remote_file, validator

    def discard(self) -> None:
        """Discard the received bytes."""
        with disk_errors():
            self._unlink(self._note_name)
            os.ftruncate(self._fd, 0)
        self.size, self.remote_file, self.validator = 0, None, Validator()

    def append(self, piece: bytes) -> None:
        """Append bytes."""
        view = memoryview(piece)
        with disk_errors():
            while view:
                left = BOUNDARY_BYTES - self.size % BOUNDARY_BYTES
                if self.size and left == BOUNDARY_BYTES:
                    os.fsync(self._fd)
                written = os.pwrite(self._fd, view[:left], self.size)
                self.size += written
                view = view[written:]

    @contextmanager
    def open_reader(self) -> Iterator[IO[bytes]]:
        """Open the received bytes for reading."""
        with disk_errors(), os.fdopen(os.dup(self._fd), "rb") as file:
            file.seek(0)
            yield file

    def commit(self, name: str, mode: int) -> None:
        """Give the complete file its name and mode, on disk; an existing one is replaced."""
        with disk_errors():
            os.fsync(self._fd)
            os.fchmod(self._fd, mode)
            os.rename(self.name, name, src_dir_fd=self._folder, dst_dir_fd=self._folder)
            self._unlink(self._note_name)
            os.fsync(self._folder)
        self._close()

    def remove(self) -> None:
        """Remove it and its note."""
        with disk_errors():
            self._unlink(self._note_name)
            self._unlink(self.name)
        self._close()

    def _lock(self) -> None:
        """Lock the file, and make sure that it is a file of its own that still has its name."""
        with suppress(BlockingIOError, FileNotFoundError):
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            opened = os.fstat(self._fd)
            named = os.stat(self.name, dir_fd=self._folder, follow_symlinks=False)
            if os.path.samestat(opened, named):
                if stat.S_ISREG(opened.st_mode) and opened.st_nlink == 1:
                    return
                raise RecordError(f"'{self.name}' in its folder is not a plain file; remove it")
        raise RecordError("another run is downloading it")

    def _load(self) -> None:
        """Read the note, and truncate the file to the last boundary that it surely contains."""
        with suppress(FileNotFoundError, msgspec.DecodeError):
            note = os.open(self._note_name, READ_FLAGS, dir_fd=self._folder)
            with os.fdopen(note, "rb") as file:
                self.validator = msgspec.json.decode(file.read(), type=Validator)
        if self.validator.if_range:
            last = max(os.fstat(self._fd).st_size - 1, 0)  # the byte behind a boundary proves it
            self.size = last // BOUNDARY_BYTES * BOUNDARY_BYTES
        os.ftruncate(self._fd, self.size)

    def _unlink(self, name: str) -> None:
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=self._folder)

    def _close(self) -> None:
        for fd in {self._fd, self._folder} - {-1}:
            os.close(fd)
        self._fd = self._folder = -1


def open_folder(root: Path, path: str = "", *, create: bool = True) -> int:
    """Return the descriptor of a folder, opened without following links below the root.

    Args:
        root: The root.
        path: The path below the root, with single slashes.
        create: Whether missing folders are created.
    """
    if create:
        root.mkdir(parents=True, exist_ok=True)
    fd = os.open(root, _FOLDER_FLAGS)
    for name in filter(None, path.split("/")):
        parent = fd
        try:
            if create:
                with suppress(FileExistsError):
                    os.mkdir(name, dir_fd=parent)
            fd = os.open(name, _FOLDER_FLAGS | os.O_NOFOLLOW, dir_fd=parent)
        finally:
            os.close(parent)
    return fd


@contextmanager
def disk_errors() -> Iterator[None]:
    """Convert errors of the disk: those of one file to `RecordError`, else `DestinationError`."""
    try:
        yield
    except OSError as error:
        if error.errno in _FATAL_ERRNOS:
            raise DestinationError(
                f"cannot write downloads: {error.strerror}; free disk space or grant access, or "
                "change 'download_to', and run again: partial files are kept"
            ) from None
        if error.errno in _LINK_ERRNOS:
            text = "a link or a file has the name of its folder or partial file; remove it"
            raise RecordError(f"cannot write its file: {text}") from None
        raise RecordError(f"cannot write its file: {error.strerror}") from None
