"""The files of a run: a line for each outcome, the rejected records, and the summary."""

from __future__ import annotations

import mmap
import os
import tempfile
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self

import msgspec

from pixxel_api.timestamps import format_timestamp
from pixxel_singer.durable_io import PRIVATE_MODE
from pixxel_singer.errors import InputError
from target_pixxel_store.errors import OutcomeFileError
from target_pixxel_store.outcomes import OutcomeKind
from target_pixxel_store.records import remove_secrets

if TYPE_CHECKING:
    from target_pixxel_store.outcomes import Outcome
    from target_pixxel_store.outcomes.checkpoints import InflightRecord

_LINE_PREFIX = b'{"t'  # of our lines: "time", or "type"; other files are never truncated


@dataclass(eq=False, repr=False)
class OutcomeFiles:
    """Writes the outcome of each record to files; a context manager.

    Attributes:
        run_id: Id of the run.
        outcomes_path, rejected_path, summary_path: None for files that are not written.
        outcome_counts: The number of outcomes by stream and kind.
        skip_reasons: The number of skipped records, or catalogs, by reason.
        ignored_counts: The number of ignored records by stream.
        failure_count: The number of failed records.

    Raises:
        InputError: On entering: a file cannot be written.
    """

    run_id: str
    outcomes_path: Path | None
    rejected_path: Path | None
    summary_path: Path | None
    outcome_counts: Counter[tuple[str, OutcomeKind]] = field(init=False, default_factory=Counter)
    skip_reasons: Counter[str] = field(init=False, default_factory=Counter)
    ignored_counts: Counter[str] = field(init=False, default_factory=Counter)
    failure_count: int = field(init=False, default=0)
    _started_at: datetime = field(init=False, default_factory=lambda: datetime.now(UTC))
    _files: dict[str, IO[bytes]] = field(init=False, default_factory=dict)
    _schemas: dict[str, dict[str, Any]] = field(init=False, default_factory=dict)
    _resources: ExitStack = field(init=False, default_factory=ExitStack)

    def __enter__(self) -> Self:
        """Open the files."""
        with ExitStack() as stack:
            paths = {"outcomes_path": self.outcomes_path, "rejected_path": self.rejected_path}
            for name, path in paths.items():
                if path is not None:
                    self._files[name] = stack.enter_context(_open_for_append(name, path))
            if self.summary_path is not None and not os.access(self.summary_path.parent, os.W_OK):
                raise InputError(
                    "Setting 'summary_path': the folder does not exist or is not writable"
                )
            self._resources = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        """Close the files."""
        try:
            self._resources.close()
        except OSError as failure:
            raise _write_error("outcomes_path", failure) from None

    def write_outcome(self, inflight: InflightRecord, outcome: Outcome) -> None:
        """Write the outcome of a record."""
        self.outcome_counts[inflight.stream, outcome.kind] += 1
        if outcome.kind is OutcomeKind.SKIPPED:
            self.skip_reasons[outcome.reason] += 1
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
            "index_id": outcome.index_id,
            "visualization_id": outcome.visualization_id,
            "download_id": outcome.download_id,
            "order_id": outcome.order_id,
            "order_item_id": outcome.order_item_id,
            "insight_id": outcome.insight_id,
            "workflow_id": outcome.workflow_id,
            "job_id": outcome.job_id,
            "task_id": outcome.task_id,
            "asset_ids": outcome.asset_ids,
            "amount": outcome.amount,
            "object": outcome.uri,
            "reason": outcome.reason or None,
            "attempts": outcome.attempts,
        }
        self._append("outcomes_path", line)

    def write_rejected(self, inflight: InflightRecord, schema: dict[str, Any]) -> None:
        """Write a failed record, without secrets, as a message that the target can read again.

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
        """Flush the files to disk, before the STATE of these records is emitted.

        Raises:
            OutcomeFileError: A file cannot be written.
        """
        for name, file in self._files.items():
            try:
                file.flush()
                os.fsync(file.fileno())
            except OSError as error:
                raise _write_error(name, error) from None

    def write_summary(self, **more: object) -> dict[str, Any]:
        """Return the run's summary, and write it to its file.

        Args:
            more: Its fields beside the counts.

        Raises:
            OutcomeFileError: It cannot be written.
        """
        by_stream: dict[str, dict[str, int]] = {}
        for (stream, kind), count in sorted(self.outcome_counts.items()):
            by_stream.setdefault(stream, {})[kind.value] = count
        summary = {
            "run_id": self.run_id,
            "began": format_timestamp(self._started_at),
            "ended": format_timestamp(datetime.now(UTC)),
            "outcomes": by_stream,
            "skipped": dict(sorted(self.skip_reasons.items())),
            "ignored": dict(sorted(self.ignored_counts.items())),
            **more,
        }
        if self.summary_path is not None:
            try:
                text = msgspec.json.format(msgspec.json.encode(summary), indent=2)
                replace_file(self.summary_path, text + b"\n")
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
    """Truncate a partial last line, left by a kill; no STATE after it was emitted."""
    if not os.fstat(fd).st_size:  # such as a device, which cannot be mapped
        return
    with mmap.mmap(fd, 0, access=mmap.ACCESS_READ) as content:
        whole = content.rfind(b"\n") + 1
        ours = content[whole : whole + len(_LINE_PREFIX)] == _LINE_PREFIX
    if ours:
        os.ftruncate(fd, whole)


def replace_file(path: Path, content: bytes) -> None:
    """Write a file completely, or leave it unchanged."""
    if path.exists() and not path.is_file():  # such as a device, which must stay one
        path.write_bytes(content)
        return
    fd, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(content)
        Path(name).replace(path)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise
