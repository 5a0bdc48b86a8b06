"""Accounts: a line for each record, the records that failed, and the run's summary."""

from __future__ import annotations

import mmap
import os
import tempfile
from collections import Counter
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple, Self

import msgspec

from pixxel_api.timestamps import format_timestamp
from pixxel_singer.durable_io import PRIVATE_MODE
from pixxel_singer.errors import InputError
from target_pixxel_store.records import without_secrets

if TYPE_CHECKING:
    from types import TracebackType

    from target_pixxel_store.ledger import Taken
    from target_pixxel_store.plan import Kind

_BEGINNING = b'{"t'  # of our lines: "time", or "type"; the end of any other file is left as it is


class AccountsError(Exception):
    """What became of records cannot be written down; the text says where and why."""


class Outcome(NamedTuple):
    """What became of a record, or of one catalog of an order item.

    Attributes:
        delivery, store, download: Ids.
        uri: Where the object is, or will be, where that is known.
        attempts: Requests that were made for it.
        area: Id of the area of interest.
    """

    kind: Kind
    reason: str = ""
    catalog: str | None = None
    delivery: str | None = None
    store: str | None = None
    uri: str | None = None
    attempts: int = 0
    area: str | None = None
    download: str | None = None


class Accounts:
    """Writes what became of each record; a context manager.

    Args:
        run: Id of the run.
        outcomes, rejected, summary: The files, None for those not wanted.

    Attributes:
        counts: Outcomes by stream and kind.
        ignored: Records of streams that nothing is done with.
        failures: Records that failed.

    Raises:
        InputError: On entering: a file cannot be written.
    """

    def __init__(
        self, run: str, *, outcomes: Path | None, rejected: Path | None, summary: Path | None
    ) -> None:
        self.run = run
        self.counts: Counter[tuple[str, Kind]] = Counter()
        self.ignored: Counter[str] = Counter()
        self.failures = 0
        self._began = datetime.now(UTC)
        self._paths = {"outcomes_path": outcomes, "rejected_path": rejected}
        self._summary = summary
        self._files: dict[str, IO[bytes]] = {}
        self._schemas: dict[str, dict[str, Any]] = {}
        self._open = ExitStack()

    def __enter__(self) -> Self:
        """Open the files."""
        with ExitStack() as opened:
            for name, path in self._paths.items():
                if path is not None:
                    self._files[name] = opened.enter_context(_appended(name, path))
            if self._summary is not None and not os.access(self._summary.parent, os.W_OK):
                raise InputError("Setting 'summary_path': its folder is not there or not writable")
            self._open = opened.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the files."""
        try:
            self._open.close()
        except OSError as failure:
            raise _unwritable("outcomes_path", failure) from None

    def outcome(self, taken: Taken, outcome: Outcome) -> None:
        """Write what became of a record."""
        self.counts[taken.stream, outcome.kind] += 1
        line = {
            "time": format_timestamp(datetime.now(UTC)),
            "run_id": self.run,
            "stream": taken.stream,
            "key": taken.key,
            "outcome": outcome.kind.value,
            "catalog_id": outcome.catalog,
            "delivery_id": outcome.delivery,
            "store_id": outcome.store,
            "aoi_id": outcome.area,
            "download_id": outcome.download,
            "object": outcome.uri,
            "reason": outcome.reason or None,
            "attempts": outcome.attempts,
        }
        self._add("outcomes_path", line)

    def reject(self, taken: Taken, schema: dict[str, Any]) -> None:
        """Write a failed record, without secrets, so that it can be fed back.

        Args:
            taken: The record.
            schema: The SCHEMA message of its stream.
        """
        if self._schemas.get(taken.stream) != schema:
            self._schemas[taken.stream] = schema
            self._add("rejected_path", without_secrets(schema, names=True))
        message = {"type": "RECORD", "stream": taken.stream, "record": taken.record}
        self._add("rejected_path", without_secrets(message))

    def sync(self) -> None:
        """Put on disk what was written: a STATE follows that passes these records.

        Raises:
            AccountsError: That cannot be done.
        """
        for name, file in self._files.items():
            try:
                file.flush()
                os.fsync(file.fileno())
            except OSError as error:
                raise _unwritable(name, error) from None

    def summary(self, **more: object) -> dict[str, Any]:
        """Give the run's summary, and write it where it is wanted.

        Args:
            more: What stands in it beside the counts.

        Raises:
            AccountsError: It cannot be written.
        """
        by_stream: dict[str, dict[str, int]] = {}
        for (stream, kind), count in sorted(self.counts.items()):
            by_stream.setdefault(stream, {})[kind.value] = count
        summary = {
            "run_id": self.run,
            "began": format_timestamp(self._began),
            "ended": format_timestamp(datetime.now(UTC)),
            "outcomes": by_stream,
            "ignored": dict(sorted(self.ignored.items())),
            **more,
        }
        if self._summary is not None:
            try:
                _replace(self._summary, msgspec.json.format(msgspec.json.encode(summary), indent=2))
            except OSError as error:
                raise _unwritable("summary_path", error) from None
        return summary

    def _add(self, name: str, line: dict[str, Any]) -> None:
        file = self._files.get(name)
        if file is None:
            return
        try:
            file.write(msgspec.json.encode(line) + b"\n")
        except OSError as error:
            raise _unwritable(name, error) from None


def _unwritable(name: str, error: OSError) -> AccountsError:
    return AccountsError(f"cannot write the file of '{name}': {error.strerror}")


def _appended(name: str, path: Path) -> IO[bytes]:
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, PRIVATE_MODE)
        _drop_half_line(fd)
    except OSError as error:
        raise InputError(f"Setting '{name}': cannot write the file: {error.strerror}") from None
    return os.fdopen(fd, "ab")


def _drop_half_line(fd: int) -> None:
    """Cut off the half of a line that a kill has left; no STATE has passed it."""
    if not os.fstat(fd).st_size:  # as of a device, which cannot be mapped
        return
    with mmap.mmap(fd, 0, access=mmap.ACCESS_READ) as content:
        whole = content.rfind(b"\n") + 1
        ours = content[whole : whole + len(_BEGINNING)] == _BEGINNING
    if ours:
        os.ftruncate(fd, whole)


def _replace(path: Path, content: bytes) -> None:
    """Write a file so that it is there whole, or as it was."""
    fd, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(content + b"\n")
        Path(name).replace(path)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise
