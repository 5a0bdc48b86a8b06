"""Destinations of downloaded files: a local folder, or a URL that fsspec opens."""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
import threading
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING

from pixxel_singer.errors import InputError
from target_pixxel_store.downloads.partial_file import (
    READ_FLAGS,
    PartialFile,
    disk_errors,
    open_folder,
)
from target_pixxel_store.downloads.response_checks import safe_filename
from target_pixxel_store.errors import DestinationError, FailureKind, RecordError
from target_pixxel_store.locations import normalize_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from target_pixxel_store.settings import Settings

logger = logging.getLogger(__name__)

_CHECK_NAME = ".pixxel-download-check"
_PRIVATE_FOLDER = 0o700


class LocalDestination:
    """A local folder, the `root`; a partial file is beside its file, on the same disk."""

    def __init__(self, root: str) -> None:
        self.root = root.rstrip("/")
        self._root = Path(root)
        umask = os.umask(0)
        os.umask(umask)
        self._mode = 0o644 & ~umask

    def check_access(self) -> None:
        """Create the folder, and a file in it that is removed at once; raise `InputError`."""
        try:
            self._root.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self._root):
                pass
        except OSError as error:
            raise InputError(
                f"Setting 'download_to': cannot write to '{self.root}': {error.strerror}"
            ) from None

    def file_size(self, path: str, name: str) -> int | None:
        """Return the size of a file in bytes; None where it does not exist."""
        with disk_errors(), suppress(FileNotFoundError), self._open(path, name) as file:
            return os.fstat(file.fileno()).st_size
        return None

    @contextmanager
    def open_file(self, path: str, name: str) -> Iterator[IO[bytes]]:
        """Open a file for reading."""
        with disk_errors(), self._open(path, name) as file:
            yield file

    def _open(self, path: str, name: str) -> IO[bytes]:
        folder = open_folder(self._root, path, create=False)
        try:
            return os.fdopen(os.open(name, READ_FLAGS, dir_fd=folder), "rb")
        finally:
            os.close(folder)

    def partial_file(self, path: str, stem: str) -> PartialFile:
        """Return the partial file of a source, by its `file_stem`."""
        with disk_errors():
            return PartialFile(open_folder(self._root, path), f".{safe_filename(stem)}.part")

    def commit(self, part: PartialFile, _path: str, name: str) -> None:
        """Move a partial file to its name; it is in the folder of the path already."""
        part.commit(name, self._mode)


class RemoteDestination:
    """A URL that fsspec opens; partial files are in a local folder until they are complete.

    Args:
        url: The URL.
        parts_folder: The local folder; created with the first partial file.
        register_secrets: Called with the password in the URL.

    Attributes:
        root: The URL as keys begin, without a password.

    Raises:
        InputError: It cannot be opened, or keeps nothing.
    """

    def __init__(
        self, url: str, parts_folder: Path, register_secrets: Callable[[list[str]], None]
    ) -> None:
        from pixxel_singer import filesystem  # noqa: PLC0415 - obstore is slow to import

        self._filesystem = filesystem
        self._parts_folder = parts_folder
        scheme, _, rest = url.partition("://")
        host, _, path = rest.partition("/")
        url = f"{scheme}://{host}/{normalize_path(path)}"
        self.root = filesystem.strip_userinfo(url).rstrip("/")
        if secret := filesystem.url_password(url):
            register_secrets([secret])
        if scheme == "memory" or "::" in url:
            raise InputError(f"Setting 'download_to': '{self.root}' keeps no files")
        try:
            self._files, root = filesystem.open_filesystem(url)
        except filesystem.InvalidLocation as error:
            raise InputError(f"Setting 'download_to': {error}") from None
        self._root = root.rstrip("/")
        self._upload_lock = threading.Lock()

    def check_access(self) -> None:
        """Write an object, find it, and delete it if that is allowed; raise `InputError`."""
        key = self._object_path("", _CHECK_NAME)
        try:
            for _ in range(3):  # another run may delete it meanwhile
                self._files.pipe_file(key, b"pixxel")
                self._files.invalidate_cache()
                with suppress(FileNotFoundError):
                    self._files.info(key)
                    break
            else:
                raise FileNotFoundError("it is written, but not found")
        except self._filesystem.FILESYSTEM_ERRORS as error:
            raise InputError(
                f"Setting 'download_to': cannot write and find '{self.root}/{_CHECK_NAME}': "
                f"{self._filesystem.describe_error(error)}"
            ) from None
        try:
            self._files.rm_file(key)
        except self._filesystem.FILESYSTEM_ERRORS:
            logger.warning("'%s/%s' remains, as it cannot be deleted", self.root, _CHECK_NAME)

    def file_size(self, path: str, name: str) -> int | None:
        """Return the size of an object in bytes; None where it does not exist."""
        with self._errors("read"), suppress(FileNotFoundError):
            self._files.invalidate_cache()
            found = self._files.info(self._object_path(path, name))
            return int(found["size"]) if found["type"] == "file" else None
        return None

    @contextmanager
    def open_file(self, path: str, name: str) -> Iterator[IO[bytes]]:
        """Open an object for reading."""
        with self._errors("read"), self._files.open(self._object_path(path, name), "rb") as file:
            yield file

    def partial_file(self, path: str, stem: str) -> PartialFile:
        """Return the partial file of a source; its name contains a hash of the folder."""
        folder_hash = hashlib.sha256(folder_uri(self, path).encode()).hexdigest()[:16]
        with disk_errors():
            self._parts_folder.mkdir(mode=_PRIVATE_FOLDER, parents=True, exist_ok=True)
            folder = open_folder(self._parts_folder)
        return PartialFile(folder, f"{safe_filename(stem)}.{folder_hash}.part")

    def commit(self, part: PartialFile, path: str, name: str) -> None:
        """Upload a partial file, check the object's size, and remove the partial file."""
        with self._errors("write to"), self._upload_lock:  # each takes tens of megabytes of memory
            self._files.put_file(str(self._parts_folder / part.name), self._object_path(path, name))
        if self.file_size(path, name) != part.size:
            raise RecordError(
                f"its object in '{self.root}' has another size than the uploaded file"
            )
        part.remove()

    def _object_path(self, path: str, name: str) -> str:
        return "/".join(filter(None, (self._root, normalize_path(path, name))))

    @contextmanager
    def _errors(self, operation: str) -> Iterator[None]:
        """Convert errors of the file system to `RecordError`; `DestinationError` for refusals."""
        try:
            yield
        except self._filesystem.FILESYSTEM_ERRORS as error:
            text = f"cannot {operation} '{self.root}': {self._filesystem.describe_error(error)}"
            if isinstance(error, self._filesystem.ACCESS_ERRORS):
                raise DestinationError(text) from None
            raise RecordError(text, FailureKind.DESTINATION) from None


DownloadDestination = LocalDestination | RemoteDestination


def folder_uri(destination: DownloadDestination, path: str) -> str:
    """Return the folder of a path, as journal and outcomes contain it."""
    return "/".join(filter(None, (destination.root, path)))


def open_destination(
    settings: Settings, download_to: str, register_secrets: Callable[[list[str]], None]
) -> DownloadDestination:
    """Open the folder or URL of `download_to`; check the access, except in a dry run.

    Raises:
        InputError: It cannot be opened or written to.
    """
    destination: DownloadDestination = LocalDestination(download_to.removeprefix("local://"))
    if "://" in destination.root:
        parts_folder = settings.journal_path.with_name(f"{settings.journal_path.name}.parts")
        destination = RemoteDestination(download_to, parts_folder, register_secrets)
    if not settings.dry_run:
        destination.check_access()
    return destination
