"""Accounts: a line for each record, the records that failed, and the run's summary."""

from __future__ import annotations

import mmap
import os
import tempfile
from collections import Counter
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self

import msgspec

from pixxel_api.timestamps import format_timestamp
from pixxel_singer.durable_io import PRIVATE_MODE
from pixxel_singer.errors import InputError
from target_pixxel_store.errors import OutcomeFileError
from target_pixxel_store.records import remove_secrets

if TYPE_CHECKING:
    from types import TracebackType

    from target_pixxel_store.outcomes import Outcome, OutcomeKind
    from target_pixxel_store.outcomes.checkpoints import InflightRecord

_LINE_PREFIX = b'{"t'  # of our lines: "time", or "type"; the end of any other file is left as it is


class OutcomeFiles:
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
        self, run_id: str, *, outcomes: Path | None, rejected: Path | None, summary: Path | None
    ) -> None:
        self.run_id = run_id
        self.outcome_counts: Counter[tuple[str, OutcomeKind]] = Counter()
        self.ignored_counts: Counter[str] = Counter()
        self.failure_count = 0
        self._started_at = datetime.now(UTC)
        self._paths = {"outcomes_path": outcomes, "rejected_path": rejected}
        self._summary_path = summary
        self._files: dict[str, IO[bytes]] = {}
        self._schemas: dict[str, dict[str, Any]] = {}
        self._resources = ExitStack()

    def __enter__(self) -> Self:
        """Open the files."""
        with ExitStack() as opened:
            for name, path in self._paths.items():
                if path is not None:
                    self._files[name] = opened.enter_context(_open_for_append(name, path))
            if self._summary_path is not None and not os.access(self._summary_path.parent, os.W_OK):
                raise InputError("Setting 'summary_path': its folder is not there or not writable")
            self._resources = opened.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the files."""
        try:
            self._resources.close()
        except OSError as failure:
            raise _write_error("outcomes_path", failure) from None

    def write_outcome(self, inflight: InflightRecord, outcome: Outcome) -> None:
        """Write what became of a record."""
        self.outcome_counts[inflight.stream, outcome.kind] += 1
        line = {
            "time": format_timestamp(datetime.now(UTC)),
            "run_id": self.run_id,
            "stream": inflight.stream,
            "key": inflight.key,
            "outcome": outcome.kind.value,
            "catalog_id": outcome.catalog_id,
            "delivery_id": outcome.delivery_id,
            "store_id": outcome.store_id,
            "aoi_id": outcome.aoi_id,
            "download_id": outcome.download_id,
            "object": outcome.uri,
            "reason": outcome.reason or None,
            "attempts": outcome.attempts,
        }
        self._append("outcomes_path", line)

    def write_rejected(self, inflight: InflightRecord, schema: dict[str, Any]) -> None:
        """Write a failed record, without secrets, so that it can be fed back.

        Args:
            inflight: The record.
            schema: The SCHEMA message of its stream.
        """
        if self._schemas.get(inflight.stream) != schema:
            self._schemas[inflight.stream] = schema
            self._append("rejected_path", remove_secrets(schema, in_lists=True))
        message = {"type": "RECORD", "stream": inflight.stream, "record": inflight.record}
        self._append("rejected_path", remove_secrets(message))

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
                raise _write_error(name, error) from None

    def write_summary(self, **more: object) -> dict[str, Any]:
        """Give the run's summary, and write it where it is wanted.

        Args:
            more: What stands in it beside the counts.

        Raises:
            AccountsError: It cannot be written.
        """
        by_stream: dict[str, dict[str, int]] = {}
        for (stream, kind), count in sorted(self.outcome_counts.items()):
            by_stream.setdefault(stream, {})[kind.value] = count
        summary = {
            "run_id": self.run_id,
            "began": format_timestamp(self._started_at),
            "ended": format_timestamp(datetime.now(UTC)),
            "outcomes": by_stream,
            "ignored": dict(sorted(self.ignored_counts.items())),
            **more,
        }
        if self._summary_path is not None:
            try:
                _replace_file(
                    self._summary_path, msgspec.json.format(msgspec.json.encode(summary), indent=2)
                )
            except OSError as error:
                raise _write_error("summary_path", error) from None
        return summary

    def _append(self, name: str, line: dict[str, Any]) -> None:
        file = self._files.get(name)
        if file is None:
            return
        try:
            file.write(msgspec.json.encode(line) + b"\n")
        except OSError as error:
            raise _write_error(name, error) from None


def _write_error(name: str, error: OSError) -> OutcomeFileError:
    return OutcomeFileError(f"cannot write the file of '{name}': {error.strerror}")


def _open_for_append(name: str, path: Path) -> IO[bytes]:
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, PRIVATE_MODE)
        _truncate_partial_line(fd)
    except OSError as error:
        raise InputError(f"Setting '{name}': cannot write the file: {error.strerror}") from None
    return os.fdopen(fd, "ab")


def _truncate_partial_line(fd: int) -> None:
    """Cut off the half of a line that a kill has left; no STATE has passed it."""
    if not os.fstat(fd).st_size:  # as of a device, which cannot be mapped
        return
    with mmap.mmap(fd, 0, access=mmap.ACCESS_READ) as content:
        whole = content.rfind(b"\n") + 1
        ours = content[whole : whole + len(_LINE_PREFIX)] == _LINE_PREFIX
    if ours:
        os.ftruncate(fd, whole)


def _replace_file(path: Path, content: bytes) -> None:
    """Write a file so that it is there whole, or as it was."""
    fd, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(content + b"\n")
        Path(name).replace(path)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise
