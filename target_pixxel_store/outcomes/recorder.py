"""Record the outcome of each record, abort the run on failures, and release STATE."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from pixxel_singer.exit_codes import ExitCode
from target_pixxel_store.errors import RunAborted
from target_pixxel_store.outcomes import BLOCKING_KINDS, OutcomeKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_pixxel_store.outcomes import Outcome
    from target_pixxel_store.outcomes.checkpoints import CheckpointTracker, InflightRecord
    from target_pixxel_store.outcomes.files import OutcomeFiles
    from target_pixxel_store.settings import Settings

logger = logging.getLogger(__name__)

_KEPT_KINDS = frozenset({OutcomeKind.FAILED, OutcomeKind.SKIPPED, *BLOCKING_KINDS}) - {
    OutcomeKind.PLANNED
}
"""Outcomes that each of several records has that request the same object."""


class DryRunRow(NamedTuple):
    """An outcome of a dry run.

    Attributes:
        record_key: The fields that identify the record.
    """

    stream: str
    record_key: str
    outcome: Outcome


@dataclass(eq=False, repr=False)
class OutcomeRecorder:
    """Records outcomes of any kind of record.

    Attributes:
        files: The files that outcomes and rejected records are written to.
        checkpoints: Holds the STATE until the records before it are complete.
        schema_of: Returns the SCHEMA message of a stream, for its rejected records.
        dry_run_rows: In a dry run: the outcomes, except for skipped records.
        delivery_count, download_count: How many this run requested, or would in a dry run.
        purchase_count, purchase_amount: The orders, insights and jobs that this run
            placed, and what they cost.
        has_pending: Whether a record is pending or in doubt, so that no STATE after it is emitted.
        has_problem: Whether a person must see to something that STATE does not wait for.
    """

    settings: Settings
    files: OutcomeFiles
    checkpoints: CheckpointTracker
    schema_of: Callable[[str], dict[str, Any]]
    dry_run_rows: list[DryRunRow] = field(init=False, default_factory=list)
    delivery_count: int = field(init=False, default=0)
    download_count: int = field(init=False, default=0)
    purchase_count: int = field(init=False, default=0)
    purchase_amount: float = field(init=False, default=0.0)
    has_pending: bool = field(init=False, default=False)
    has_problem: bool = field(init=False, default=False)

    def is_limit_reached(self, pending: int = 0) -> bool:
        """Return whether `max_deliveries` forbids one more delivery or download.

        Args:
            pending: Deliveries that are about to be requested and are not counted yet.
        """
        return self.delivery_count + self.download_count + pending >= self.settings.max_deliveries

    def _write_outcome(self, inflight: InflightRecord, outcome: Outcome) -> None:
        """Write the outcome of a record, or of one of its catalogs."""
        self.files.write_outcome(inflight, outcome)
        if self.settings.dry_run and outcome.kind is not OutcomeKind.SKIPPED:
            self.dry_run_rows.append(DryRunRow(inflight.stream, _describe_key(inflight), outcome))

    def _record_failure(self, inflight: InflightRecord, outcome: Outcome) -> None:
        """Record a failure; a record of several catalogs is rejected once.

        Raises:
            RunAborted: The failure ends the run.
        """
        settings, first = self.settings, not inflight.has_failed
        inflight.has_failed = True
        self.files.failure_count += first
        abort_reason: str | None = None
        if not settings.continue_on_error:
            abort_reason = f"{describe_record(inflight)}: {outcome.reason}"
        elif not settings.dry_run and self.files.failure_count > settings.max_failures:
            abort_reason = f"more than {settings.max_failures} records failed; see 'max_failures'"
        elif first and not settings.dry_run:
            self.files.write_rejected(inflight, self.schema_of(inflight.stream))
            logger.warning("%s: %s", describe_record(inflight), outcome.reason)
        self._write_outcome(inflight, outcome)
        if abort_reason:
            self.checkpoints.block_at(inflight)
            raise RunAborted(ExitCode.FAILED, abort_reason)

    def record(self, inflight: InflightRecord, outcome: Outcome) -> None:
        """Record the outcome of a record, or of one of its catalogs.

        Raises:
            RunAborted: It failed, and that ends the run.
        """
        if outcome.kind is OutcomeKind.FAILED:
            self._record_failure(inflight, outcome)
        else:
            self._write_outcome(inflight, outcome)
        if outcome.kind in BLOCKING_KINDS:
            self.has_pending |= outcome.kind is not OutcomeKind.PLANNED
            self.checkpoints.block_at(inflight)
        inflight.open_catalogs -= 1
        if inflight.open_catalogs == 0:
            self.checkpoints.complete_record(inflight)

    def record_all(self, records: list[InflightRecord], outcome: Outcome) -> None:
        """Record the outcome of records that request the same object; the first one created it.

        Raises:
            RunAborted: It failed, and that ends the run; the outcome of all is recorded.
        """
        abort: RunAborted | None = None
        for at, inflight in enumerate(records):
            if at and outcome.kind not in _KEPT_KINDS:
                outcome = outcome._replace(
                    kind=OutcomeKind.EXISTS, reason="requested twice", attempts=0
                )
            try:
                self.record(inflight, outcome)
            except RunAborted as error:
                abort = abort or error
        if abort:
            raise abort


def describe_record(inflight: InflightRecord) -> str:
    """Return a record's stream and key, for messages."""
    return f"{inflight.stream} {_describe_key(inflight)}"


def _describe_key(inflight: InflightRecord) -> str:
    return ", ".join(f"{name} {value}" for name, value in inflight.key.items()) or "record"
