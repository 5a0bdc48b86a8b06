"""Storage of an export: a local folder or an object store, with files written as a whole."""

from __future__ import annotations

import errno
import fcntl
import filecmp
import os
import shutil
import time
from collections import deque
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol, cast

import obstore
from obstore.exceptions import AlreadyExistsError, NotSupportedError, PreconditionError

from pixxel_singer.errors import InputError
from pixxel_singer.filesystem import (
    FILESYSTEM_ERRORS,
    InvalidLocation,
    describe_error,
    is_local,
    open_filesystem,
    open_object_store,
)
from target_stac.filenames import TEMPORARY_SUFFIX
from target_stac.scratch import open_scratch_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from obstore import PutMode
    from obstore.store import ObjectStore

LOCK_FILE = ".lock"
"""Exists in a local folder while a run uses it."""
_CHECK_SECONDS = 10.0
"""Maximum time that a run writes to an object store without a look at its claim."""
TAKEOVER_SECONDS = 60.0
"""Time after which a run that has lost its claim on an object store writes nothing more; longer
than `_CHECK_SECONDS` and a request."""
_COMPARED_BYTES = 1 << 20
_MAX_UPLOADS = 16  # at a time; small files wait for the network, not for the processor
_MAX_PENDING = 256  # files that wait for their upload in memory


class StorageError(Exception):
    """The export cannot be read or written; the message names the file and the reason."""


class ConflictError(StorageError):
    """Another run has written to the export since this run read it."""

    def __init__(self) -> None:
        super().__init__(
            "output: another run has written to it at the same time, so this run stops; run again "
            "with the last STATE, and never two at once"
        )


class Storage(Protocol):
    """A storage of files, each identified by its path in the export, with slashes."""

    def list_files(self) -> Iterator[str]:
        """Yield the paths of all files, in any order."""

    def read(self, path: str) -> bytes | None:
        """Return a file's content, None if it does not exist."""

    def read_many(self, paths: Iterable[str]) -> Iterator[tuple[str, bytes | None]]:
        """Yield the paths with the files' content, in their order."""

    def exists(self, path: str) -> bool:
        """Return whether a file exists."""

    def write(self, path: str, content: bytes, *, verify: bool = False) -> None:
        """Write a file; it is certain to exist only after `flush`.

        Args:
            path: Its path.
            content: Its content.
            verify: Whether to compare it with the existing file, and leave that if it is equal.
        """

    def delete(self, path: str) -> None:
        """Delete a file, if it exists, and the folders that become empty."""

    def flush(self) -> None:
        """Wait until all writes and deletions are done."""

    def put_file(self, path: str, file: Path) -> None:
        """Move a local file into the storage."""

    def local_path(self, path: str) -> Path | None:
        """Return a local path to read a large file from, None if the file does not exist."""

    def claim(self, path: str, content: bytes) -> None:
        """Write a file that marks the export as this run's until `release`.

        Raises:
            ConflictError: Another run has written the file since this run called `read_claim`.
        """

    def read_claim(self, path: str) -> Path | None:
        """Return a local path to read the file from that `claim` replaces."""

    def release(self, path: str, file: Path) -> None:
        """Replace the claim by a local file.

        Raises:
            ConflictError: Another run has claimed the export since.
        """

    @property
    def takeover_seconds(self) -> float:
        """Time for which the run whose claim this run replaces may still write."""


@contextmanager
def open_storage(url: str) -> Iterator[Storage]:
    """Open the storage at a local path or URL; lock it if it is local.

    Raises:
        InputError: The path or URL cannot be used.
        StorageError: The storage cannot be read or created, or another run uses it.
    """
    try:
        filesystem, root = open_filesystem(url)
        store = open_object_store(url)
    except InvalidLocation as error:
        raise InputError(f"output: {error}") from None
    if is_local(filesystem):
        with lock_folder(Path(root)):
            yield LocalStorage(Path(root))
        return
    with open_scratch_folder() as scratch:
        storage = ObjectStorage(filesystem, root.rstrip("/"), scratch, store)
        try:
            yield storage
        finally:
            storage.close()


@contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Make a folder if it is missing, and hold a lock on it.

    The lock is that of a file, because a folder on NFS cannot be locked; it ends with the process.

    Raises:
        InputError: It is not a folder.
        StorageError: Another run holds the lock, or the folder or the file cannot be made.
    """
    file = folder / LOCK_FILE
    with _wrap_errors("make the folder", str(folder)):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            raise InputError(f"output: '{folder}' is not a folder") from None
    _refuse_link(file)
    with _wrap_errors("lock", str(folder)):
        fd = os.open(file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    with os.fdopen(fd):
        if not _lock(fd, file):
            raise StorageError(
                f"output: another run uses '{folder}'; wait until it has ended, or choose another "
                "folder"
            )
        try:
            yield
        finally:
            file.unlink(missing_ok=True)


def _lock(fd: int, file: Path) -> bool:
    """Lock an open file; return whether this run alone has it, under its name."""
    with _wrap_errors("lock", str(file)):
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The run that held the lock may have removed the file after this run opened it.
            return os.path.samestat(os.fstat(fd), file.stat())
        except (BlockingIOError, FileNotFoundError):
            return False


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
    """A local folder; each file is written under a temporary name and then renamed.

    Symbolic links in the folder are refused: a file would be written where they lead.
    """

    takeover_seconds = 0.0

    def __init__(self, root: Path) -> None:
        self._root = root
        self._checked_folders = {root}

    def list_files(self) -> Iterator[str]:
        """Yield the paths of all files, without those behind symbolic links."""
        with _wrap_errors("list", str(self._root)):
            for folder, _, names in os.walk(self._root, onerror=_raise):
                relative = os.path.relpath(folder, self._root)
                for name in names:
                    yield name if relative == "." else f"{relative}/{name}"

    def read(self, path: str) -> bytes | None:
        """Return a file's content, None if it does not exist."""
        with _wrap_errors("read", path):
            try:
                return self._resolve(path).read_bytes()
            except FileNotFoundError:
                return None

    def read_many(self, paths: Iterable[str]) -> Iterator[tuple[str, bytes | None]]:
        """Yield the paths with the files' content."""
        return ((path, self.read(path)) for path in paths)

    def exists(self, path: str) -> bool:
        """Return whether a file exists."""
        return self._resolve(path).is_file()

    def write(self, path: str, content: bytes, *, verify: bool = False) -> None:
        """Write a file."""
        target = self._resolve(path)
        with _wrap_errors("write", path):
            if verify and target.exists() and target.read_bytes() == content:
                return
            temporary = self._make_temporary_path(target)
            file = _create(temporary)
            with _rename_if_complete(temporary, target), file:
                file.write(content)

    def delete(self, path: str) -> None:
        """Delete a file, its temporary file of a killed run, and the folders that become empty."""
        file = self._resolve(path)
        if not file.parent.is_dir():
            return
        with _wrap_errors("delete", path):
            _temporary_path(file).unlink(missing_ok=True)
            file.unlink(missing_ok=True)
            for folder in file.parents:
                if folder == self._root or not _remove_if_empty(folder):
                    return
                self._checked_folders.discard(folder)

    def flush(self) -> None:
        """Do nothing: a file exists when `write` returns."""

    def put_file(self, path: str, file: Path) -> None:
        """Move a local file into the folder."""
        target = self._resolve(path)
        with _wrap_errors("write", path):
            temporary = self._make_temporary_path(target)
            _refuse_link(temporary)
            with _rename_if_complete(temporary, target):
                try:
                    file.rename(temporary)
                except OSError as error:
                    if error.errno != errno.EXDEV:
                        raise
                    with file.open("rb") as source, _create(temporary) as copy:
                        shutil.copyfileobj(source, copy, _COMPARED_BYTES)
                    file.unlink()

    def local_path(self, path: str) -> Path | None:
        """Return the path of the file itself."""
        file = self._resolve(path)
        return file if file.is_file() else None

    def claim(self, path: str, content: bytes) -> None:
        """Write the file; the folder's lock excludes other runs."""
        self.write(path, content)

    def read_claim(self, path: str) -> Path | None:
        """Return the path of the file itself."""
        return self.local_path(path)

    def release(self, path: str, file: Path) -> None:
        """Move the file into the folder."""
        self.put_file(path, file)

    def _resolve(self, path: str) -> Path:
        """Return the full path of a file, no part of which below the root is a symbolic link."""
        file = self._root / _check_path(path)
        _refuse_link(file)
        if file.parent not in self._checked_folders:
            for folder in file.relative_to(self._root).parents[:-1]:
                _refuse_link(self._root / folder)
            if file.parent.is_dir():
                self._checked_folders.add(file.parent)
        return file

    def _make_temporary_path(self, target: Path) -> Path:
        """Return a path beside a file, whose folder exists."""
        if target.parent not in self._checked_folders:
            target.parent.mkdir(parents=True, exist_ok=True)
            self._checked_folders.add(target.parent)
        return _temporary_path(target)


class ObjectStorage:
    """An object store through fsspec; small files are uploaded several at a time.

    Args:
        filesystem: The file system.
        root: Bucket and prefix, without a slash at the end.
        scratch: A local folder for copies of large files.
        store: The store at `root`, for conditional writes; None if fsspec alone can reach it.
    """

    def __init__(
        self,
        filesystem: Any,  # noqa: ANN401 - untyped
        root: str,
        scratch: Path,
        store: ObjectStore | None = None,
    ) -> None:
        self._filesystem = filesystem
        self._root = root
        self._scratch = scratch
        self._store = store
        self._pool = ThreadPoolExecutor(_MAX_UPLOADS)
        self._pending: set[Future[None]] = set()
        self._claim_mode: PutMode = "create"
        self._claimed: str | None = None
        self._checked_at = 0.0

    @property
    def takeover_seconds(self) -> float:
        """Time for which the run whose claim this run replaces may still write."""
        return 0.0 if self._store is None else TAKEOVER_SECONDS

    def list_files(self) -> Iterator[str]:
        """Yield the paths of all objects below the root."""
        with _wrap_errors("list", self._root):
            # `find` is the only listing that asks the store for all objects at once.
            for path in self._filesystem.find(self._root):
                yield path.removeprefix(f"{self._root}/")

    def read(self, path: str) -> bytes | None:
        """Return a file's content, None if it does not exist."""
        with _wrap_errors("read", path):
            try:
                content: bytes = self._filesystem.cat_file(self._full_path(path))
            except FileNotFoundError:
                return None
        return content

    def read_many(self, paths: Iterable[str]) -> Iterator[tuple[str, bytes | None]]:
        """Yield the paths with the files' content; several files are read at a time."""
        pending: deque[tuple[str, Future[bytes | None]]] = deque()
        for path in paths:
            pending.append((path, self._pool.submit(self.read, path)))
            if len(pending) > _MAX_UPLOADS:
                first, content = pending.popleft()
                yield first, content.result()
        for path, content in pending:
            yield path, content.result()

    def exists(self, path: str) -> bool:
        """Return whether a file exists."""
        with _wrap_errors("find", path):
            return bool(self._filesystem.exists(self._full_path(path)))

    def write(self, path: str, content: bytes, *, verify: bool = False) -> None:
        """Queue the upload of a file."""
        self._submit(self._upload, path, content, verify)

    def delete(self, path: str) -> None:
        """Queue the deletion of a file."""
        self._submit(self._delete_object, path)

    def flush(self) -> None:
        """Wait until the queue is empty.

        Raises:
            StorageError: A file could not be written or deleted.
        """
        self._wait_for_pending(0)

    def put_file(self, path: str, file: Path) -> None:
        """Upload a local file, then delete it."""
        self._check_claim()
        with _wrap_errors("write", path):
            self._filesystem.put_file(str(file), self._full_path(path))
        file.unlink()

    def local_path(self, path: str) -> Path | None:
        """Download a file to a scratch folder, which is removed at the end of the run."""
        self._check_claim()  # else what another run has changed looks damaged
        local = self._scratch / f"read-{path.replace('/', '-')}"
        with _wrap_errors("read", path):
            try:
                self._filesystem.get_file(self._full_path(path), str(local))
            except FileNotFoundError:
                return None
        return local

    def claim(self, path: str, content: bytes) -> None:
        """Write a file, if it is still the one that `read_claim` found."""
        self._put_claim(path, content)
        self._claimed = path
        self._checked_at = time.monotonic()

    def read_claim(self, path: str) -> Path | None:
        """Download the file, after a note of its version."""
        self._claim_mode = self._find_version(path) or "create"
        return self.local_path(path)

    def release(self, path: str, file: Path) -> None:
        """Upload a local file, if the claim is still this run's."""
        self.flush()
        self._put_claim(path, file)
        self._claimed = None

    def close(self) -> None:
        """Cancel all queued uploads and deletions."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _put_claim(self, path: str, content: bytes | Path) -> None:
        if self._store is None:
            body = content if isinstance(content, bytes) else content.read_bytes()
            self._upload(path, body, verify=False)
            return
        with _wrap_errors("write", path):
            try:
                result = obstore.put(self._store, path, content, mode=self._claim_mode)
            except (AlreadyExistsError, PreconditionError):
                raise ConflictError from None
            except NotSupportedError:  # by this store: the check of the claim has to do
                result = obstore.put(self._store, path, content)
        self._claim_mode = _version_mode(result)

    def _find_version(self, path: str) -> PutMode | None:
        if self._store is None:
            return None
        with _wrap_errors("find", path):
            try:
                return _version_mode(obstore.head(self._store, path))
            except FileNotFoundError:
                return None

    def _check_claim(self) -> None:
        """Raise if another run has claimed the export; look at most once in `_CHECK_SECONDS`."""
        if self._claimed is None or time.monotonic() < self._checked_at + _CHECK_SECONDS:
            return
        if self._store is not None and self._find_version(self._claimed) != self._claim_mode:
            raise ConflictError
        self._checked_at = time.monotonic()

    def _full_path(self, path: str) -> str:
        return f"{self._root}/{_check_path(path)}"

    def _upload(self, path: str, content: bytes, verify: bool) -> None:  # noqa: FBT001 - a task
        if verify and self.read(path) == content:
            return
        with _wrap_errors("write", path):
            self._filesystem.pipe_file(self._full_path(path), content)

    def _delete_object(self, path: str) -> None:
        with _wrap_errors("delete", path):
            try:
                self._filesystem.rm_file(self._full_path(path))
            except FileNotFoundError:
                return

    def _submit(self, task: Callable[..., None], *args: Any) -> None:
        self._check_claim()
        self._wait_for_pending(_MAX_PENDING - 1)
        self._pending.add(self._pool.submit(task, *args))

    def _wait_for_pending(self, maximum: int) -> None:
        """Wait until at most `maximum` tasks are pending."""
        while len(self._pending) > maximum:
            done, self._pending = wait(self._pending, return_when=FIRST_COMPLETED)
            for future in done:
                future.result()


def _version_mode(version: Any) -> PutMode:  # noqa: ANN401 - a result of put or head
    """Return the mode of a write that expects this version of an object."""
    names = ("e_tag", "version")
    return cast("PutMode", {name: version[name] for name in names if version.get(name)})


def _check_path(path: str) -> str:
    """Return a path that stays in the export.

    Raises:
        StorageError: It does not, as in a manifest that another program has written.
    """
    if path.startswith("/") or ".." in path.split("/"):
        raise StorageError(f"output: '{path}' is not in the export")
    return path


def _refuse_link(path: Path) -> None:
    """Raise if a path is a symbolic link.

    Raises:
        StorageError: It is one.
    """
    if path.is_symlink():
        raise StorageError(f"output: '{path}' is a symbolic link; remove it")


def _create(path: Path) -> IO[bytes]:
    """Create a file in place of one that a killed run has left, never where a link leads to."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        fd = os.open(path, flags, 0o666)
    except FileExistsError:
        _refuse_link(path)
        path.unlink()
        fd = os.open(path, flags, 0o666)
    return os.fdopen(fd, "wb")


@contextmanager
def _rename_if_complete(temporary: Path, target: Path) -> Iterator[None]:
    """Rename a file if the block succeeds, else remove it."""
    try:
        yield
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _raise(error: OSError) -> None:
    raise error


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
