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
from target_pixxel_store.errors import JournalError
from target_pixxel_store.journal.journal_state import (
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
    JournalState,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path
    from types import TracebackType

    from target_pixxel_store.journal.journal_state import (
        AoiKey,
        DeliveryKey,
        DownloadedFile,
        DownloadKey,
    )
    from target_pixxel_store.locations import BucketPath


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
        self._settle_seconds = settle_seconds
        self._read_only = read_only
        self._lock = threading.Lock()
        self._fd = -1
        self.state = JournalState()

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
            whole = self._replay(content)
            if not self._read_only:
                os.ftruncate(self._fd, whole)
            if not whole:
                self.state.unknown_run_until = time.time() + self._settle_seconds
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

    def _replay(self, content: bytes) -> int:
        """Read the lines; give the bytes up to the end of the last whole one."""
        whole = content.rfind(b"\n") + 1
        for number, line in enumerate(content[:whole].splitlines(), 1):
            try:
                self.state.apply(msgspec.json.decode(line, type=dict[str, Any]))
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

    def record_run(self, run_id: str, workspace_ids: set[str]) -> None:
        """Note a run, and until when an earlier one's requests are unknown."""
        line = {"is": RUN, "id": run_id, "workspaces": sorted(workspace_ids)}
        self._write(line | {"unsettled": self.state.unknown_run_until}, sync=True)

    def record_intents(self, intents: Iterable[tuple[DeliveryKey, str, list[str]]]) -> None:
        """Note what is about to be asked for; on disk when this returns.

        Args:
            intents: Identity, store's id, and the ids of the deliveries that stand there already.
        """
        of = [
            _encode_delivery_key(identity) | {"store": store, "before": before}
            for identity, store, before in intents
        ]
        self._write({"is": INTENT, "at": time.time(), "of": of}, sync=True)

    def record_deliveries(self, deliveries: Iterable[tuple[DeliveryKey, str, str]]) -> None:
        """Note deliveries that the API has taken: identity, store's id, delivery's id.

        It need not be on disk: without it they are found in the list.
        """
        of = [
            _encode_delivery_key(identity) | {"store": store, "id": key}
            for identity, store, key in deliveries
        ]
        if of:
            self._write({"is": MADE, "at": time.time(), "of": of})

    def record_refusals(self, keys: Iterable[DeliveryKey]) -> None:
        """Note what the API has surely not taken."""
        if of := [_encode_delivery_key(identity) for identity in keys]:
            self._write({"is": REFUSED, "at": time.time(), "of": of})

    def record_store(self, store_id: str, location: BucketPath) -> None:
        """Note where a store's deliveries are, before it goes; on disk when this returns."""
        self._write({"is": STORE, "id": store_id, "place": list(location)}, sync=True)

    def record_final(self, delivery_id: str) -> None:
        """Note that a delivery need not be looked after any more."""
        self._write({"is": FINAL, "id": delivery_id})

    def record_aoi_intent(self, key: AoiKey) -> None:
        """Note an area that is about to be asked for; on disk when this returns."""
        self._write_aoi(AREA_INTENT, key, sync=True)

    def record_aoi(self, key: AoiKey, aoi_id: str) -> None:
        """Note an area that the API has; it need not be on disk, as with deliveries."""
        self._write_aoi(AREA_MADE, key, id=aoi_id)

    def record_aoi_refusal(self, key: AoiKey) -> None:
        """Note an area that the API has surely not made."""
        self._write_aoi(AREA_REFUSED, key)

    def _write_aoi(self, what: str, key: AoiKey, *, sync: bool = False, **more: str) -> None:
        self._write(
            {"is": what, "at": time.time(), "project": key.project_id, "name": key.name, **more},
            sync=sync,
        )

    def record_download_intent(self, key: DownloadKey) -> None:
        """Note that a download is about to be asked for; on disk when this returns."""
        self._write({"is": ASK, "at": time.time(), **_encode_download_key(key)}, sync=True)

    def record_download(self, key: DownloadKey, download_id: str) -> None:
        """Note the id of a download; without it another one is asked for, which costs nothing."""
        self._write({"is": DOWNLOAD, **_encode_download_key(key), "id": download_id})

    def record_file(self, key: DownloadKey, file: DownloadedFile) -> None:
        """Note the file that a download ended with; on disk when this returns."""
        line = {"is": FILE, "at": time.time(), **_encode_download_key(key), "id": file.download_id}
        self._write(line | {"name": file.name, "size": file.size}, sync=True)

    def _write(self, line: dict[str, Any], *, sync: bool = False) -> None:
        with self._lock:
            self.state.apply(line)
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


def _encode_download_key(key: DownloadKey) -> dict[str, str]:
    return {"catalog": key.catalog_id, "folder": key.folder}


def _encode_delivery_key(key: DeliveryKey) -> dict[str, Any]:
    catalog, place = key
    return {"catalog": catalog, "place": list(place)}
