"""The journal: what was asked for and what came of it, on disk before the request goes out.

One JSON line a fact. A line that a kill has cut short at the end was never acted on.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from typing import TYPE_CHECKING, Any, Self

import msgspec

from pixxel_singer.durable_io import PRIVATE_MODE, sync_folder, write_all
from target_pixxel_store.memory import (
    AREA_INTENT,
    AREA_MADE,
    AREA_REFUSED,
    ASK,
    DOWNLOAD,
    FILE,
    FINAL,
    INTENT,
    MADE,
    REFUSED,
    RUN,
    STORE,
    Memory,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path
    from types import TracebackType

    from target_pixxel_store.memory import AreaIdentity, File, Identity, Spot
    from target_pixxel_store.places import Destination


class JournalError(Exception):
    """The journal cannot be used; the text says why and what to do."""


class Journal:
    """The journal of a run; a context manager that holds its lock.

    Args:
        path: The file; made when it is not there, with its mode 0600.
        settle_seconds: How long what an earlier run asked for may be unknown, where there was no
            journal.
        read_only: Whether nothing is written, as in a dry run: then it is not locked either.

    Attributes:
        memory: What it says.

    Raises:
        JournalError: On entering: another run holds it, or it cannot be read or written.
    """

    def __init__(self, path: Path, settle_seconds: float, *, read_only: bool = False) -> None:
        self._path = path
        self._settle = settle_seconds
        self._read_only = read_only
        self._lock = threading.Lock()
        self._fd = -1
        self.memory = Memory()

    def __enter__(self) -> Self:
        """Open, lock and read it."""
        if self._read_only and not self._path.exists():
            return self
        flags = os.O_RDONLY if self._read_only else os.O_RDWR | os.O_CREAT | os.O_APPEND
        try:
            self._fd = os.open(self._path, flags, PRIVATE_MODE)
            if not self._read_only:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            content = self._path.read_bytes()
            whole = self._read(content)
            if not self._read_only:
                os.ftruncate(self._fd, whole)
            if not whole:
                self.memory.unsettled = time.time() + self._settle
                sync_folder(self._path.parent)
        except OSError as error:
            self._close()
            if isinstance(error, BlockingIOError):
                raise JournalError(
                    f"another run holds the journal '{self._path}'; wait for it, or give each "
                    "workspace a journal of its own"
                ) from None
            raise JournalError(
                f"cannot use the journal '{self._path}': {error.strerror}; see 'journal_path'"
            ) from None
        except JournalError:
            self._close()
            raise
        return self

    def _read(self, content: bytes) -> int:
        """Read the lines; give the bytes up to the end of the last whole one."""
        whole = content.rfind(b"\n") + 1
        for number, line in enumerate(content[:whole].splitlines(), 1):
            try:
                self.memory.take(msgspec.json.decode(line, type=dict[str, Any]))
            except (msgspec.DecodeError, KeyError, TypeError, ValueError):
                raise JournalError(
                    f"line {number} of the journal '{self._path}' is damaged; move the file away, "
                    "and the next run waits until all earlier requests are settled"
                ) from None
        return whole

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let go of it."""
        self._close()

    def _close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def begin(self, run: str, workspaces: set[str]) -> None:
        """Note a run, and until when an earlier one's requests are unknown."""
        line = {"is": RUN, "id": run, "workspaces": sorted(workspaces)}
        self._write(line | {"unsettled": self.memory.unsettled}, sync=True)

    def intend(self, wanted: Iterable[tuple[Identity, str, list[str]]]) -> None:
        """Note what is about to be asked for; on disk when this returns.

        Args:
            wanted: Identity, store's id, and the ids of the deliveries that stand there already.
        """
        of = [
            _entry(identity) | {"store": store, "before": before}
            for identity, store, before in wanted
        ]
        self._write({"is": INTENT, "at": time.time(), "of": of}, sync=True)

    def made(self, deliveries: Iterable[tuple[Identity, str, str]]) -> None:
        """Note deliveries that the API has taken: identity, store's id, delivery's id.

        It need not be on disk: without it they are found in the list.
        """
        of = [_entry(identity) | {"store": store, "id": key} for identity, store, key in deliveries]
        if of:
            self._write({"is": MADE, "at": time.time(), "of": of})

    def refused(self, identities: Iterable[Identity]) -> None:
        """Note what the API has surely not taken."""
        if of := [_entry(identity) for identity in identities]:
            self._write({"is": REFUSED, "at": time.time(), "of": of})

    def store(self, key: str, place: Destination) -> None:
        """Note where a store's deliveries are, before it goes; on disk when this returns."""
        self._write({"is": STORE, "id": key, "place": list(place)}, sync=True)

    def final(self, delivery: str) -> None:
        """Note that a delivery need not be looked after any more."""
        self._write({"is": FINAL, "id": delivery})

    def intend_area(self, area: AreaIdentity) -> None:
        """Note an area that is about to be asked for; on disk when this returns."""
        self._area(AREA_INTENT, area, sync=True)

    def made_area(self, area: AreaIdentity, key: str) -> None:
        """Note an area that the API has; it need not be on disk, as with deliveries."""
        self._area(AREA_MADE, area, id=key)

    def refused_area(self, area: AreaIdentity) -> None:
        """Note an area that the API has surely not made."""
        self._area(AREA_REFUSED, area)

    def _area(self, what: str, area: AreaIdentity, *, sync: bool = False, **more: str) -> None:
        self._write({"is": what, "at": time.time(), **area._asdict(), **more}, sync=sync)

    def ask(self, spot: Spot) -> None:
        """Note that a download is about to be asked for; on disk when this returns."""
        self._write({"is": ASK, "at": time.time(), **spot._asdict()}, sync=True)

    def download(self, spot: Spot, key: str) -> None:
        """Note the id of a download; without it another one is asked for, which costs nothing."""
        self._write({"is": DOWNLOAD, **spot._asdict(), "id": key})

    def file(self, spot: Spot, file: File) -> None:
        """Note the file that a download ended with; on disk when this returns."""
        line = {"is": FILE, "at": time.time(), **spot._asdict(), "id": file.download}
        self._write(line | {"name": file.name, "size": file.size}, sync=True)

    def _write(self, line: dict[str, Any], *, sync: bool = False) -> None:
        with self._lock:
            self.memory.take(line)
            if self._read_only:
                return
            try:
                write_all(self._fd, msgspec.json.encode(line) + b"\n")
                if sync:
                    os.fsync(self._fd)
            except OSError as error:
                raise JournalError(
                    f"cannot write the journal '{self._path}': {error.strerror}"
                ) from None


def _entry(identity: Identity) -> dict[str, Any]:
    catalog, place = identity
    return {"catalog": catalog, "place": list(place)}
