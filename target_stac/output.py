"""Where an export lies: a local folder or an object store; a file is there as a whole or not."""

from __future__ import annotations

import errno
import filecmp
import shutil
import tempfile
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from pixxel_singer import filesystem
from pixxel_singer.errors import InputError
from target_stac.names import TEMPORARY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_UPLOADS = 16  # at once; small files wait for the network, not for the processor
_PENDING = 256  # files waiting to be uploaded; what is in memory at most


class OutputError(Exception):
    """The export cannot be read or written; the text says where and why."""


class Output(Protocol):
    """A place for files, each named by its path in the export with slashes."""

    def read(self, path: str) -> bytes | None:
        """Give a file's content, None when there is none."""

    def exists(self, path: str) -> bool:
        """Tell whether there is a file."""

    def write(self, path: str, content: bytes) -> None:
        """Put a file; until `settle` has returned it need not be there."""

    def delete(self, path: str) -> None:
        """Remove a file, and the folders it leaves empty; one that is not there is no error."""

    def settle(self) -> None:
        """Wait until all that was written is there."""

    def put(self, path: str, file: Path) -> None:
        """Put a local file in its place; it is no longer where it was."""

    def local(self, path: str) -> Path | None:
        """Give a local path to read a large file at, None when there is none."""


@contextmanager
def opened(url: str) -> Iterator[Output]:
    """Open the place that a path or URL names.

    Raises:
        InputError: It is none that can be used.
        OutputError: It cannot be read or made.
    """
    with tempfile.TemporaryDirectory(prefix="target-stac-") as scratch:
        try:
            files, root = filesystem.open_filesystem(url)
        except filesystem.InvalidLocation as error:
            raise InputError(f"output: {error}") from None
        if filesystem.is_local(files):
            yield Folder(Path(root))
            return
        store = Store(files, root.rstrip("/"), Path(scratch))
        try:
            yield store
        finally:
            store.close()


def replace(output: Output, path: str, file: Path) -> bool:
    """Put a local file in its place if it is other than what is there.

    Returns:
        Whether it was.
    """
    old = output.local(path)
    if old is not None and filecmp.cmp(old, file, shallow=False):
        return False
    output.put(path, file)
    return True


class Folder:
    """A local folder; a file is written under another name and renamed."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._made: set[Path] = set()
        with _told("make the folder", str(root)):
            try:
                root.mkdir(parents=True, exist_ok=True)
            except (FileExistsError, NotADirectoryError):
                raise InputError(f"output: '{root}' is not a folder") from None

    def read(self, path: str) -> bytes | None:
        """Give a file's content, None when there is none."""
        with _told("read", path):
            try:
                return (self._root / path).read_bytes()
            except FileNotFoundError:
                return None

    def exists(self, path: str) -> bool:
        """Tell whether there is a file."""
        return (self._root / path).is_file()

    def write(self, path: str, content: bytes) -> None:
        """Put a file."""
        with self._placing(path) as temporary:
            temporary.write_bytes(content)

    def delete(self, path: str) -> None:
        """Remove a file, what a killed run has left of it, and the folders it leaves empty."""
        file = self._root / path
        if not file.parent.is_dir():
            return
        with _told("delete", path):
            _temporary(file).unlink(missing_ok=True)
            file.unlink(missing_ok=True)
            for folder in file.parents:
                if folder == self._root or not _removed(folder):
                    return
                self._made.discard(folder)

    def settle(self) -> None:
        """Do nothing: a file is there when `write` returns."""

    def put(self, path: str, file: Path) -> None:
        """Move a local file to its place."""
        with self._placing(path) as temporary:
            shutil.move(file, temporary)

    def local(self, path: str) -> Path | None:
        """Give the file's own path."""
        file = self._root / path
        return file if file.is_file() else None

    @contextmanager
    def _placing(self, path: str) -> Iterator[Path]:
        """Give a temporary path beside the file's own; rename it when all is well."""
        target = self._root / path
        temporary = _temporary(target)
        with _told("write", path):
            if target.parent not in self._made:
                target.parent.mkdir(parents=True, exist_ok=True)
                self._made.add(target.parent)
            try:
                yield temporary
                temporary.replace(target)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise


class Store:
    """An object store through fsspec; small files are uploaded several at once.

    Args:
        files: The file system.
        root: Bucket and prefix, without a slash at its end.
        scratch: A local folder for copies of large files.
    """

    def __init__(self, files: Any, root: str, scratch: Path) -> None:  # noqa: ANN401 - not typed
        self._files = files
        self._root = root
        self._scratch = scratch
        self._pool = ThreadPoolExecutor(_UPLOADS)
        self._pending: set[Future[None]] = set()

    def read(self, path: str) -> bytes | None:
        """Give a file's content, None when there is none."""
        with _told("read", path):
            try:
                content: bytes = self._files.cat_file(self._at(path))
            except FileNotFoundError:
                return None
        return content

    def exists(self, path: str) -> bool:
        """Tell whether there is a file."""
        with _told("find", path):
            return bool(self._files.exists(self._at(path)))

    def write(self, path: str, content: bytes) -> None:
        """Queue a file for upload."""
        self._queue(self._put, path, content)

    def delete(self, path: str) -> None:
        """Queue the removal of a file."""
        self._queue(self._remove, path)

    def settle(self) -> None:
        """Wait until the queue is empty.

        Raises:
            OutputError: One of its files could not be written or removed.
        """
        self._wait(0)

    def put(self, path: str, file: Path) -> None:
        """Upload a local file."""
        with _told("write", path):
            self._files.put_file(str(file), self._at(path))
        file.unlink()

    def local(self, path: str) -> Path | None:
        """Download a file; the copy is removed with the other scratch files."""
        local = self._scratch / f"read-{path.replace('/', '-')}"
        with _told("read", path):
            try:
                self._files.get_file(self._at(path), str(local))
            except FileNotFoundError:
                return None
        return local

    def close(self) -> None:
        """Drop what is queued."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _at(self, path: str) -> str:
        return f"{self._root}/{path}"

    def _put(self, path: str, content: bytes) -> None:
        with _told("write", path):
            self._files.pipe_file(self._at(path), content)

    def _remove(self, path: str) -> None:
        with _told("delete", path):
            try:
                self._files.rm_file(self._at(path))
            except FileNotFoundError:
                return

    def _queue(self, task: Callable[..., None], *args: Any) -> None:
        self._wait(_PENDING - 1)
        self._pending.add(self._pool.submit(task, *args))

    def _wait(self, allowed: int) -> None:
        while len(self._pending) > allowed:
            done, self._pending = wait(self._pending, return_when=FIRST_COMPLETED)
            for future in done:
                future.result()


def _removed(folder: Path) -> bool:
    """Remove a folder if it is empty, and tell whether it was."""
    try:
        folder.rmdir()
    except OSError as error:
        if error.errno in {errno.ENOTEMPTY, errno.EEXIST}:
            return False
        raise
    return True


def _temporary(file: Path) -> Path:
    return file.with_name(file.name + TEMPORARY)


@contextmanager
def _told(what: str, where: str) -> Iterator[None]:
    """Word an error of the disk, the store or fsspec in one line, without URLs' passwords."""
    try:
        yield
    except filesystem.FILESYSTEM_ERRORS as error:
        raise OutputError(
            f"output: cannot {what} '{where}': {filesystem.describe_error(error)}"
        ) from None
