"""The journal: requests and their results on disk, each request before it is sent.

Each line is a JSON object. The request of a last line that a kill truncated was never sent.
Times in it are for readers: no time that another run wrote decides whether something exists.
"""

from __future__ import annotations

import fcntl
import logging
import math
import os
import threading
import time
import uuid
from typing import TYPE_CHECKING, Any, Self

import msgspec

from pixxel_singer.durable_io import PRIVATE_MODE, sync_folder, write_all
from target_pixxel_store.download_sources import CATALOG
from target_pixxel_store.errors import JournalError
from target_pixxel_store.journal.journal_state import JournalState
from target_pixxel_store.polling import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from target_pixxel_store.journal.journal_state import (
        DownloadedFile,
        DownloadKey,
        Intent,
        KnownPurchase,
        ObjectKey,
        PurchaseKey,
    )
    from target_pixxel_store.locations import BucketPath, DeliveryKey

logger = logging.getLogger(__name__)
_SEND_DIGITS = 8
LINE_PREFIX = b'{"is":"'
"""How each line begins; a last line that begins otherwise is that of another file."""


class Journal:
    """The journal of a run; a context manager that holds its lock.

    Args:
        path: The file; created with mode 0600 where it does not exist.
        settle_seconds: The longest time from now until the API lists every request of earlier
            runs: the deadline of a write, and the lag of the lists.
        read_only: Whether nothing is written or locked, as in a dry run.

    Attributes:
        state: The state that its lines describe.
        deliveries_settled_at, objects_settled_at, purchases_settled_at: The monotonic time from
            which on the API's lists contain every request of earlier runs. Only lists that were
            requested after it show what must be requested.

    Raises:
        JournalError: On entering: another run has locked it, or it cannot be read or written.
    """

    def __init__(self, path: Path, settle_seconds: float, *, read_only: bool = False) -> None:
        self._path = path
        self._settle_seconds = settle_seconds
        self._read_only = read_only
        self._lock = threading.Lock()
        self._fd = -1
        self.state = JournalState()
        self._settled_at = self.deliveries_settled_at = -math.inf
        self.objects_settled_at = self.purchases_settled_at = -math.inf

    def __enter__(self) -> Self:
        """Open, lock and read the file."""
        if self._read_only and not self._path.exists():
            return self
        flags = os.O_RDONLY if self._read_only else os.O_RDWR | os.O_CREAT | os.O_APPEND
        try:
            self._fd = os.open(self._path, flags, PRIVATE_MODE)
            if not self._read_only:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._settled_at = time.monotonic() + self._settle_seconds
            whole = self._replay()
            if not self._read_only:
                os.ftruncate(self._fd, whole)
                self._require_wait()
            if not whole:
                sync_folder(self._path.parent)
        except OSError as error:
            self._close()
            if isinstance(error, BlockingIOError):
                raise JournalError(
                    f"another run has locked the journal '{self._path}'; wait for it, or use a "
                    "separate journal for each workspace"
                ) from None
            raise JournalError(
                f"cannot open the journal '{self._path}': {error.strerror}; see 'journal_path'"
            ) from None
        except JournalError:
            self._close()
            raise
        return self

    def _require_wait(self) -> None:
        """Make lists decide only after the wait where requests of earlier runs may be unlisted."""
        state = self.state
        if state.intents or not state.is_settled:
            self.deliveries_settled_at = self._settled_at
        if state.object_intents or not state.is_settled:
            self.objects_settled_at = self._settled_at
        if state.purchase_intents or state.open_quotes or not state.is_settled:
            self.purchases_settled_at = self._settled_at

    def _replay(self) -> int:
        """Apply the lines; return the number of bytes up to the end of the last complete one."""
        whole, decoder = 0, msgspec.json.Decoder(dict[str, Any])
        with open(self._fd, "rb", closefd=False) as lines:
            for number, line in enumerate(lines, 1):
                is_ours = line.startswith(LINE_PREFIX) or LINE_PREFIX.startswith(line)
                if is_ours and not line.endswith(b"\n"):
                    break
                try:
                    self.state.apply(decoder.decode(line))
                except (msgspec.DecodeError, AttributeError, KeyError, TypeError, ValueError):
                    raise JournalError(
                        f"line {number} of the journal '{self._path}' is invalid; move the file "
                        "away, and the next run waits until all earlier requests are listed"
                    ) from None
                whole += len(line)
        return whole

    def __exit__(self, *_: object) -> None:
        """Unlock and close the file."""
        self._close()

    def _close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def record_run(self, run_id: str, workspace_ids: set[str]) -> None:
        """Record a run, and the workspaces that it writes to."""
        self._write({"is": "run", "id": run_id, "workspaces": sorted(workspace_ids)}, sync=True)

    def wait_settled(self, check: Callable[[], None]) -> None:
        """Wait until the API's lists contain every request of earlier runs.

        Args:
            check: Called while waiting; raises to stop.
        """
        seconds = self._settled_at - time.monotonic()
        if seconds > 0:
            logger.info(
                "waiting %.0f s for earlier requests to appear in the API's lists (settle_seconds "
                "and request_timeout)",
                seconds,
            )
            wait_for(seconds, check)
        if not self.state.is_settled:
            self._write({"is": "settled", "at": time.time()}, sync=True)

    def record_intents(self, intents: Iterable[tuple[DeliveryKey, Intent]]) -> None:
        """Record deliveries that are about to be requested; on disk when this returns."""
        of = [
            _encode_delivery_key(key)
            | {"store": intent.store_id, "before": sorted(intent.earlier_ids)}
            | ({"replaces": intent.replaces} if intent.replaces else {})
            for key, intent in intents
        ]
        self._write({"is": "intent", "at": time.time(), "of": of}, sync=True)

    def record_deliveries(self, deliveries: Iterable[tuple[DeliveryKey, str, str]]) -> None:
        """Record deliveries that the API accepted: key, id of the store, id of the delivery.

        It need not be on disk, as the list contains them, too.
        """
        of = [
            _encode_delivery_key(identity) | {"store": store, "id": key}
            for identity, store, key in deliveries
        ]
        if of:
            self._write({"is": "made", "at": time.time(), "of": of})

    def record_refusals(self, keys: Iterable[DeliveryKey]) -> None:
        """Record that requested deliveries will never exist, so that no run waits for them."""
        if of := [_encode_delivery_key(identity) for identity in keys]:
            self._write({"is": "refused", "at": time.time(), "of": of})

    def record_store(self, store_id: str, location: BucketPath) -> None:
        """Record the location of a store before it is deleted; on disk when this returns."""
        self._write({"is": "store", "id": store_id, "place": list(location)}, sync=True)

    def record_final(self, delivery_id: str) -> None:
        """Record that a delivery needs no more checks."""
        self._write({"is": "final", "id": delivery_id})

    def record_stuck(self, delivery_id: str) -> None:
        """Record that a delivery was reported as unfinished."""
        self._write({"is": "stuck", "id": delivery_id})

    def record_object_intent(self, key: ObjectKey) -> None:
        """Record an object that is about to be requested; on disk when this returns."""
        self._write_object("object_intent", key, sync=True)

    def record_object(self, key: ObjectKey, object_id: str) -> None:
        """Record an object that exists; it need not be on disk, as the list has it."""
        self._write_object("object_made", key, id=object_id)

    def record_object_refusal(self, key: ObjectKey) -> None:
        """Record that a requested object will never exist."""
        self._write_object("object_refused", key)

    def _write_object(self, what: str, key: ObjectKey, *, sync: bool = False, **more: str) -> None:
        of = {"kind": key.kind, "identity": list(key.identity)}
        self._write({"is": what, "at": time.time(), **of, **more}, sync=sync)

    def record_plan(self, digest: str) -> None:
        """Record the digest of a plan that is about to be written; on disk when this returns."""
        self._write({"is": "plan", "at": time.time(), "digest": digest}, sync=True)

    def record_purchase_intent(
        self, key: PurchaseKey, content: str, amount: float, place: str
    ) -> None:
        """Record a purchase that is about to be sent; on disk when this returns.

        Args:
            key: Its request.
            content: The digest of what it requests.
            amount: Its price.
            place: Id of the object whose list will have it; empty where there is one list.
        """
        send = uuid.uuid4().hex[:_SEND_DIGITS]
        of = {"content": content, "amount": amount, "send": send, "place": place}
        self._write_purchase("purchase_intent", key, **of)

    def record_purchase(
        self, key: PurchaseKey, known: KnownPurchase, quoted: float | None = None
    ) -> None:
        """Record a purchase that exists; on disk when this returns, as another may follow.

        Args:
            key: Its request.
            known: The purchase, and what it costs.
            quoted: The price that was requested before; None where that request has placed it.
        """
        of = {"content": known.content, "id": known.purchase_id, "place": known.place}
        how = {"by_quote": True} if quoted is None else {"quoted": quoted}
        self._write_purchase("purchase_made", key, **of, amount=known.amount, **how)

    def record_purchase_refusal(self, key: PurchaseKey) -> None:
        """Record that the purchase that was sent last will never exist."""
        self._write_purchase("purchase_refused", key)

    def record_purchase_acknowledged(self, purchase_id: str) -> None:
        """Record that a person has acknowledged the problem of a purchase."""
        line = {"is": "purchase_acknowledged", "at": time.time(), "id": purchase_id}
        self._write(line, sync=True)

    def record_quote(self, key: PurchaseKey, place: str) -> None:
        """Record the first request for a price before it is sent; on disk when this returns."""
        self._write_purchase("quote", key, place=place)

    def record_quote_result(self, key: PurchaseKey, *, is_honoured: bool) -> None:
        """Record that the API has honoured the first request for a price, or has refused it."""
        self._write_purchase("quote_honoured" if is_honoured else "quote_refused", key)

    def _write_purchase(self, what: str, key: PurchaseKey, **more: Any) -> None:
        line = {"is": what, "at": time.time(), "kind": key.kind, "request": key.request_id}
        self._write(line | more, sync=True)

    def record_download_intent(self, key: DownloadKey) -> None:
        """Record a download that is about to be requested; on disk when this returns."""
        self._write({"is": "ask", "at": time.time(), **_encode_download_key(key)}, sync=True)

    def record_download(self, key: DownloadKey, download_id: str) -> None:
        """Record the id of a download; without it a new one is requested, which costs nothing."""
        self._write({"is": "download", **_encode_download_key(key), "id": download_id})

    def record_file(self, key: DownloadKey, file: DownloadedFile) -> None:
        """Record the file of a finished download; on disk when this returns."""
        line = {"is": "file", "at": time.time(), **_encode_download_key(key)}
        self._write(
            line | {"id": file.download_id, "name": file.name, "size": file.size}, sync=True
        )

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


def _encode_download_key(key: DownloadKey) -> dict[str, Any]:
    source = key.source
    if source.kind is CATALOG:
        return {"catalog": source.ids[0], "folder": key.folder}
    return {"source": {"kind": source.kind.name, **source.fields}, "folder": key.folder}


def _encode_delivery_key(key: DeliveryKey) -> dict[str, Any]:
    return {"catalog": key.catalog_id, "place": list(key.location)}
