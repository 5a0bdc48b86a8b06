"""Storage of an export: a local folder or an object store, with files written as a whole."""

from __future__ import annotations

import errno
import filecmp
import shutil
import tempfile
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from pixxel_singer.errors import InputError
from pixxel_singer.filesystem import (
    FILESYSTEM_ERRORS,
    InvalidLocation,
    describe_error,
    is_local,
    open_filesystem,
)
from target_stac.filenames import TEMPORARY_SUFFIX

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_MAX_UPLOADS = 16  # at a time; small files wait for the network, not for the processor
_MAX_PENDING = 256  # files that wait for their upload in memory


class StorageError(Exception):
    """The export cannot be read or written; the message names the file and the reason."""


class Storage(Protocol):
    """A storage of files, each identified by its path in the export, with slashes."""

    def read(self, path: str) -> bytes | None:
        """Return a file's content, None if it does not exist."""

    def exists(self, path: str) -> bool:
        """Return whether a file exists."""

    def write(self, path: str, content: bytes) -> None:
        """Write a file; it is certain to exist only after `flush`."""

    def delete(self, path: str) -> None:
        """Delete a file, if it exists, and the folders that become empty."""

    def list_files(self, folder: str) -> list[str]:
        """Return the paths of all files in a folder and below it, sorted."""

    def flush(self) -> None:
        """Wait until all writes and deletions are done."""

    def put_file(self, path: str, file: Path) -> None:
        """Move a local file into the storage."""

    def local_path(self, path: str) -> Path | None:
        """Return a local path to read a large file from, None if the file does not exist."""


@contextmanager
def open_storage(url: str) -> Iterator[Storage]:
    """Open the storage at a local path or URL.

    Raises:
        InputError: The path or URL cannot be used.
        StorageError: The storage cannot be read or created.
    """
    with tempfile.TemporaryDirectory(prefix="target-stac-") as scratch:
        try:
            filesystem, root = open_filesystem(url)
        except InvalidLocation as error:
            raise InputError(f"output: {error}") from None
        if is_local(filesystem):
            yield LocalStorage(Path(root))
            return
        storage = ObjectStorage(filesystem, root.rstrip("/"), Path(scratch))
        try:
            yield storage
        finally:
            storage.close()


def replace_if_changed(storage: Storage, path: str, file: Path) -> bool:
    """Move a local file into the storage if its content differs from the stored file.

    Returns:
        Whether it differed.
    """
    old = storage.local_path(path)
    if old is not None and filecmp.cmp(old, file, shallow=False):
        return False
    storage.put_file(path, file)
    return True


class LocalStorage:
    """A local folder; each file is written under a temporary name and then renamed."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._created_folders: set[Path] = set()
        with _wrap_errors("make the folder", str(root)):
            try:
                root.mkdir(parents=True, exist_ok=True)
            except (FileExistsError, NotADirectoryError):
                raise InputError(f"output: '{root}' is not a folder") from None

    def read(self, path: str) -> bytes | None:
        """Return a file's content, None if it does not exist."""
        with _wrap_errors("read", path):
            try:
                return (self._root / path).read_bytes()
            except FileNotFoundError:
                return None

    def exists(self, path: str) -> bool:
        """Return whether a file exists."""
        return (self._root / path).is_file()

    def write(self, path: str, content: bytes) -> None:
        """Write a file."""
        with self._replacing(path) as temporary:
            temporary.write_bytes(content)

    def delete(self, path: str) -> None:
        """Delete a file, its temporary file of a killed run, and the folders that become empty."""
        file = self._root / path
        if not file.parent.is_dir():
            return
        with _wrap_errors("delete", path):
            _temporary_path(file).unlink(missing_ok=True)
            file.unlink(missing_ok=True)
            for folder in file.parents:
                if folder == self._root or not _remove_if_empty(folder):
                    return
                self._created_folders.discard(folder)

    def list_files(self, folder: str) -> list[str]:
        """Return the paths of all files in a folder and below it, sorted."""
        with _wrap_errors("list", folder):
            return sorted(
                path.relative_to(self._root).as_posix()
                for path in (self._root / folder).rglob("*")
                if path.is_file()
            )

    def flush(self) -> None:
        """Do nothing: a file exists when `write` returns."""

    def put_file(self, path: str, file: Path) -> None:
        """Move a local file into the folder."""
        with self._replacing(path) as temporary:
            shutil.move(file, temporary)

    def local_path(self, path: str) -> Path | None:
        """Return the path of the file itself."""
        file = self._root / path
        return file if file.is_file() else None

    @contextmanager
    def _replacing(self, path: str) -> Iterator[Path]:
        """Yield a temporary path beside the file, and rename it if the block succeeds."""
        target = self._root / path
        temporary = _temporary_path(target)
        with _wrap_errors("write", path):
            if target.parent not in self._created_folders:
                target.parent.mkdir(parents=True, exist_ok=True)
                self._created_folders.add(target.parent)
            try:
                yield temporary
                temporary.replace(target)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise


class ObjectStorage:
    """An object store through fsspec; small files are uploaded several at a time.

    Args:
        filesystem: The file system.
        root: Bucket and prefix, without a slash at the end.
        scratch: A local folder for copies of large files.
    """

    def __init__(self, filesystem: Any, root: str, scratch: Path) -> None:  # noqa: ANN401 - untyped
        self._filesystem = filesystem
        self._root = root
        self._scratch = scratch
        self._pool = ThreadPoolExecutor(_MAX_UPLOADS)
        self._pending: set[Future[None]] = set()

    def read(self, path: str) -> bytes | None:
        """Return a file's content, None if it does not exist."""
        with _wrap_errors("read", path):
            try:
                content: bytes = self._filesystem.cat_file(self._full_path(path))
            except FileNotFoundError:
                return None
        return content

    def exists(self, path: str) -> bool:
        """Return whether a file exists."""
        with _wrap_errors("find", path):
            return bool(self._filesystem.exists(self._full_path(path)))

    def write(self, path: str, content: bytes) -> None:
        """Queue the upload of a file."""
        self._submit(self._upload, path, content)

    def delete(self, path: str) -> None:
        """Queue the deletion of a file."""
        self._submit(self._delete_object, path)

    def list_files(self, folder: str) -> list[str]:
        """Return the paths of all files in a folder and below it, sorted."""
        with _wrap_errors("list", folder):
            try:
                paths = self._filesystem.find(self._full_path(folder))
            except FileNotFoundError:
                return []
        return sorted(path.removeprefix(self._full_path("")) for path in paths)

    def flush(self) -> None:
        """Wait until the queue is empty.

        Raises:
            StorageError: A file could not be written or deleted.
        """
        self._wait_for_pending(0)

    def put_file(self, path: str, file: Path) -> None:
        """Upload a local file, then delete it."""
        with _wrap_errors("write", path):
            self._filesystem.put_file(str(file), self._full_path(path))
        file.unlink()

    def local_path(self, path: str) -> Path | None:
        """Download a file to a scratch folder, which is removed at the end of the run."""
        local = self._scratch / f"read-{path.replace('/', '-')}"
        with _wrap_errors("read", path):
            try:
                self._filesystem.get_file(self._full_path(path), str(local))
            except FileNotFoundError:
                return None
        return local

    def close(self) -> None:
        """Cancel all queued uploads and deletions."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _full_path(self, path: str) -> str:
        return f"{self._root}/{path}"

    def _upload(self, path: str, content: bytes) -> None:
        with _wrap_errors("write", path):
            self._filesystem.pipe_file(self._full_path(path), content)

    def _delete_object(self, path: str) -> None:
        with _wrap_errors("delete", path):
            try:
                self._filesystem.rm_file(self._full_path(path))
            except FileNotFoundError:
                return

    def _submit(self, task: Callable[..., None], *args: Any) -> None:
        self._wait_for_pending(_MAX_PENDING - 1)
        self._pending.add(self._pool.submit(task, *args))

    def _wait_for_pending(self, maximum: int) -> None:
        """Wait until at most `maximum` tasks are pending."""
        while len(self._pending) > maximum:
            done, self._pending = wait(self._pending, return_when=FIRST_COMPLETED)
            for future in done:
                future.result()


def _remove_if_empty(folder: Path) -> bool:
    """Remove a folder if it is empty; return whether it was."""
    try:
        folder.rmdir()
    except OSError as error:
        if error.errno in {errno.ENOTEMPTY, errno.EEXIST}:
            return False
        raise
    return True


def _temporary_path(file: Path) -> Path:
    return file.with_name(file.name + TEMPORARY_SUFFIX)


@contextmanager
def _wrap_errors(action: str, path: str) -> Iterator[None]:
    """Raise an error of the disk, the store or fsspec as a one-line `StorageError`.

    The message holds no password of a URL.
    """
    try:
        yield
    except FILESYSTEM_ERRORS as error:
        raise StorageError(f"output: cannot {action} '{path}': {describe_error(error)}") from None
