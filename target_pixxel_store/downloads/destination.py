"""Destinations: where downloaded files lie, a local folder or whatever fsspec leads to."""

from __future__ import annotations

import hashlib
import os
import re
import stat
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from pixxel_singer.errors import InputError
from target_pixxel_store.downloads.part import Part, told
from target_pixxel_store.places import normalised
from target_pixxel_store.records import Rejected

if TYPE_CHECKING:
    from collections.abc import Callable

_PLAIN: Final = re.compile(r"[\w-]{1,64}", re.ASCII)
_FILE_MODE: Final = 0o644
_PRIVATE_FOLDER: Final = 0o700


class Destination(Protocol):
    """A place for files, each below a path with slashes.

    Attributes:
        root: Its name, without a password.
    """

    root: str

    def size(self, path: str, name: str) -> int | None:
        """Give a file's bytes, None when there is none."""

    def part(self, path: str, catalog: str) -> Part:
        """Give the part of the file of a catalog."""

    def take(self, part: Part, path: str, name: str) -> None:
        """Put a whole part in its place, under a name; what is there is replaced."""


def folder_of(destination: Destination, path: str) -> str:
    """Name the folder of a path, as the journal and the outcomes do."""
    return "/".join(filter(None, (destination.root, normalised(path))))


class LocalFolder:
    """A local folder; a part lies beside its file, on the same disk."""

    def __init__(self, root: str) -> None:
        self.root = root.rstrip("/")
        self._root = Path(root)
        umask = os.umask(0)
        os.umask(umask)
        self._mode = _FILE_MODE & ~umask

    def make(self) -> None:
        """Make the folder.

        Raises:
            InputError: That cannot be done, or nothing can be written there.
        """
        try:
            self._root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                f"Setting 'download_to': cannot make the folder: {error.strerror}"
            ) from None
        if not os.access(self._root, os.W_OK | os.X_OK):
            raise InputError("Setting 'download_to': nothing may be written to the folder")

    def size(self, path: str, name: str) -> int | None:
        """Give a file's bytes."""
        with told():
            try:
                found = (self._folder(path) / name).stat()
            except (FileNotFoundError, NotADirectoryError):
                return None
        return found.st_size if stat.S_ISREG(found.st_mode) else None

    def part(self, path: str, catalog: str) -> Part:
        """Give the part."""
        folder = self._folder(path)
        with told():
            folder.mkdir(parents=True, exist_ok=True)
        return Part(folder / f".{_plain(catalog)}.part")

    def take(self, part: Part, path: str, name: str) -> None:
        """Rename a part."""
        part.become(self._folder(path) / name, self._mode)

    def _folder(self, path: str) -> Path:
        return self._root / normalised(path)


class RemoteFolder:
    """A place that fsspec opens; parts lie in a local folder until they are whole.

    Args:
        url: The place.
        parts: The local folder; made when something is fetched.
        hide: Told of a password in the URL.

    Raises:
        InputError: It cannot be opened.
    """

    def __init__(self, url: str, parts: Path, hide: Callable[[list[str]], None]) -> None:
        from pixxel_singer import filesystem  # noqa: PLC0415 - obstore, only where it is wanted

        self._filesystem = filesystem
        self._parts = parts
        self.root = filesystem.strip_userinfo(url).rstrip("/")
        if secret := filesystem.url_password(url):
            hide([secret])
        try:
            self._files, root = filesystem.open_filesystem(url)
        except filesystem.InvalidLocation as error:
            raise InputError(f"Setting 'download_to': {error}") from None
        self._root = root.rstrip("/")
        self._one_at_a_time = threading.Lock()

    def size(self, path: str, name: str) -> int | None:
        """Give an object's bytes."""
        try:
            self._files.invalidate_cache()
            found = self._files.info(self._at(path, name))
        except FileNotFoundError:
            return None
        except self._filesystem.FILESYSTEM_ERRORS as error:
            raise self._rejected("look at", error) from None
        return int(found["size"]) if found["type"] == "file" else None

    def part(self, path: str, catalog: str) -> Part:
        """Give the part; its name tells the catalog, and not which of its places it is for."""
        place = hashlib.sha256(folder_of(self, path).encode()).hexdigest()[:16]
        with told():
            self._parts.mkdir(mode=_PRIVATE_FOLDER, parents=True, exist_ok=True)
        return Part(self._parts / f"{_plain(catalog)}.{place}.part")

    def take(self, part: Part, path: str, name: str) -> None:
        """Put a part in its place, look whether it is there, and remove it here."""
        try:
            with self._one_at_a_time:  # each takes tens of megabytes of memory
                self._files.put_file(str(part.path), self._at(path, name))
        except self._filesystem.FILESYSTEM_ERRORS as error:
            raise self._rejected("write to", error) from None
        if self.size(path, name) != part.size:
            raise Rejected(f"its object in '{self.root}' is not as large as what was put there")
        part.remove()

    def _at(self, path: str, name: str) -> str:
        return "/".join(filter(None, (self._root, normalised(path, name))))

    def _rejected(self, what: str, error: Exception) -> Rejected:
        return Rejected(f"cannot {what} '{self.root}': {self._filesystem.describe_error(error)}")


def _plain(catalog: str) -> str:
    """Make a catalog's id a name for a file; it is one already, as far as the API makes it."""
    if _PLAIN.fullmatch(catalog):
        return catalog
    return hashlib.sha256(catalog.encode(errors="surrogatepass")).hexdigest()[:32]
