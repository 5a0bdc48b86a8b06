"""Destinations of downloaded files: a local folder, or a URL that fsspec opens."""

from __future__ import annotations

import hashlib
import os
import re
import stat
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from pixxel_singer.errors import InputError
from target_pixxel_store.downloads.partial_file import PartialFile, disk_errors
from target_pixxel_store.errors import RecordError
from target_pixxel_store.locations import normalize_path

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_pixxel_store.settings import Settings

_SAFE_ID_PATTERN = re.compile(r"[\w-]{1,64}", re.ASCII)
_FILE_MODE = 0o644
_PRIVATE_FOLDER = 0o700


class DownloadDestination(Protocol):
    """Stores files at paths with slashes.

    Attributes:
        root: The folder or URL, without a password.
    """

    root: str

    def file_size(self, path: str, name: str) -> int | None:
        """Return the size of a file in bytes; None where it does not exist."""

    def partial_file(self, path: str, catalog_id: str) -> PartialFile:
        """Return the partial file of a catalog."""

    def commit(self, part: PartialFile, path: str, name: str) -> None:
        """Store a complete partial file under a name; an existing file is replaced."""


def folder_uri(destination: DownloadDestination, path: str) -> str:
    """Return the folder of a path, as journal and outcomes contain it."""
    return "/".join(filter(None, (destination.root, normalize_path(path))))


class LocalDestination:
    """A local folder; a partial file is beside its file, on the same disk."""

    def __init__(self, root: str) -> None:
        self.root = root.rstrip("/")
        self._root = Path(root)
        umask = os.umask(0)
        os.umask(umask)
        self._mode = _FILE_MODE & ~umask

    def create_folder(self) -> None:
        """Create the folder.

        Raises:
            InputError: It cannot be created, or is not writable.
        """
        try:
            self._root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                f"Setting 'download_to': cannot create the folder: {error.strerror}"
            ) from None
        if not os.access(self._root, os.W_OK | os.X_OK):
            raise InputError("Setting 'download_to': the folder is not writable")

    def file_size(self, path: str, name: str) -> int | None:
        """Return the size of a file in bytes; None where it does not exist."""
        with disk_errors():
            try:
                found = (self._folder(path) / name).stat()
            except (FileNotFoundError, NotADirectoryError):
                return None
        return found.st_size if stat.S_ISREG(found.st_mode) else None

    def partial_file(self, path: str, catalog_id: str) -> PartialFile:
        """Return the partial file of a catalog."""
        folder = self._folder(path)
        with disk_errors():
            folder.mkdir(parents=True, exist_ok=True)
        return PartialFile(folder / f".{_safe_id(catalog_id)}.part")

    def commit(self, part: PartialFile, path: str, name: str) -> None:
        """Move a partial file to its name."""
        part.commit(self._folder(path) / name, self._mode)

    def _folder(self, path: str) -> Path:
        return self._root / normalize_path(path)


class RemoteDestination:
    """A URL that fsspec opens; partial files are in a local folder until they are complete.

    Args:
        url: The URL.
        parts_folder: The local folder; created with the first partial file.
        register_secrets: Called with the password in the URL.

    Raises:
        InputError: It cannot be opened.
    """

    def __init__(
        self, url: str, parts_folder: Path, register_secrets: Callable[[list[str]], None]
    ) -> None:
        from pixxel_singer import filesystem  # noqa: PLC0415 - obstore is slow to import

        self._filesystem = filesystem
        self._parts_folder = parts_folder
        self.root = filesystem.strip_userinfo(url).rstrip("/")
        if secret := filesystem.url_password(url):
            register_secrets([secret])
        try:
            self._files, root = filesystem.open_filesystem(url)
        except filesystem.InvalidLocation as error:
            raise InputError(f"Setting 'download_to': {error}") from None
        self._root = root.rstrip("/")
        self._upload_lock = threading.Lock()

    def file_size(self, path: str, name: str) -> int | None:
        """Return the size of an object in bytes; None where it does not exist."""
        try:
            self._files.invalidate_cache()
            found = self._files.info(self._object_path(path, name))
        except FileNotFoundError:
            return None
        except self._filesystem.FILESYSTEM_ERRORS as error:
            raise self._to_record_error("read", error) from None
        return int(found["size"]) if found["type"] == "file" else None

    def partial_file(self, path: str, catalog_id: str) -> PartialFile:
        """Return the partial file of a catalog; its name contains a hash of the folder."""
        folder_hash = hashlib.sha256(folder_uri(self, path).encode()).hexdigest()[:16]
        with disk_errors():
            self._parts_folder.mkdir(mode=_PRIVATE_FOLDER, parents=True, exist_ok=True)
        return PartialFile(self._parts_folder / f"{_safe_id(catalog_id)}.{folder_hash}.part")

    def commit(self, part: PartialFile, path: str, name: str) -> None:
        """Upload a partial file, check the object's size, and remove the partial file."""
        try:
            with self._upload_lock:  # each takes tens of megabytes of memory
                self._files.put_file(str(part.path), self._object_path(path, name))
        except self._filesystem.FILESYSTEM_ERRORS as error:
            raise self._to_record_error("write to", error) from None
        if self.file_size(path, name) != part.size:
            raise RecordError(
                f"its object in '{self.root}' has a different size than the uploaded file"
            )
        part.remove()

    def _object_path(self, path: str, name: str) -> str:
        return "/".join(filter(None, (self._root, normalize_path(path, name))))

    def _to_record_error(self, operation: str, error: Exception) -> RecordError:
        return RecordError(
            f"cannot {operation} '{self.root}': {self._filesystem.describe_error(error)}"
        )


def open_destination(
    settings: Settings, download_to: str, register_secrets: Callable[[list[str]], None]
) -> DownloadDestination:
    """Open the folder or URL of `download_to`; a dry run creates no folder.

    Args:
        settings: The settings.
        download_to: The setting `download_to`.
        register_secrets: Called with the password in a URL.

    Raises:
        InputError: It cannot be opened or created.
    """
    if "://" in download_to:
        parts_folder = settings.journal_path.with_name(f"{settings.journal_path.name}.parts")
        return RemoteDestination(download_to, parts_folder, register_secrets)
    destination = LocalDestination(download_to)
    if not settings.dry_run:
        destination.create_folder()
    return destination


def _safe_id(catalog: str) -> str:
    """Return a catalog's id as the name of a file; a hash of an id that is not a valid one."""
    if _SAFE_ID_PATTERN.fullmatch(catalog):
        return catalog
    return hashlib.sha256(catalog.encode(errors="surrogatepass")).hexdigest()[:32]
