"""The books: what became of each record, failures that end the run, STATE that may follow."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, NamedTuple

from pixxel_singer.exit_codes import ExitCode
from target_pixxel_store.errors import RunAborted
from target_pixxel_store.outcomes import OutcomeKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_pixxel_store.outcomes import Outcome
    from target_pixxel_store.outcomes.checkpoints import CheckpointTracker, InflightRecord
    from target_pixxel_store.outcomes.files import OutcomeFiles
    from target_pixxel_store.settings import Settings

logger = logging.getLogger(__name__)


class TargetLocation(NamedTuple):
    """Where something goes, in the words of a dry run's table: the store, and the path there."""

    store: str = ""
    path: str = ""


NO_LOCATION = TargetLocation()


class OutcomeRecorder:
    """Accounts for records, whatever was asked for with them.

    Args:
        schema_of: Gives the SCHEMA message of a stream, for the records that fail.

    Attributes:
        plan: In a dry run: stream, catalog, store, path, what would become of it, why.
        deliveries, downloads: How many this run has asked for, or in a dry run would.
    """

    def __init__(
        self,
        settings: Settings,
        files: OutcomeFiles,
        checkpoints: CheckpointTracker,
        schema_of: Callable[[str], dict[str, Any]],
    ) -> None:
        self._settings = settings
        self._files = files
        self._checkpoints = checkpoints
        self._schema_of = schema_of
        self.dry_run_rows: list[tuple[str, ...]] = []
        self.delivery_count = 0
        self.download_count = 0

    @property
    def passes_failures(self) -> bool:
        """Whether a failed record does not end the run."""
        return self._settings.continue_on_error or self._settings.dry_run

    def is_limit_reached(self, pending: int = 0) -> bool:
        """Tell whether nothing may be asked for any more.

        Args:
            pending: What is about to be asked for, and not counted yet.
        """
        return self.delivery_count + self.download_count + pending >= self._settings.max_deliveries

    def _write_outcome(
        self, inflight: InflightRecord, outcome: Outcome, location: TargetLocation = NO_LOCATION
    ) -> None:
        """Write what became of a record, or of one of the catalogs that it asks for."""
        self._files.write_outcome(inflight, outcome)
        if self._settings.dry_run:
            subject = outcome.catalog_id or _describe_key(inflight)
            self.dry_run_rows.append(
                (inflight.stream, subject, *location, outcome.kind.value, outcome.reason)
            )

    def _record_failure(
        self, inflight: InflightRecord, outcome: Outcome, location: TargetLocation = NO_LOCATION
    ) -> None:
        """Account for a failure; a record of several catalogs fails once.

        Raises:
            Halt: It ends the run.
        """
        settings, first = self._settings, not inflight.has_failed
        inflight.has_failed = True
        self._files.failure_count += first
        halt: str | None = None
        if not self.passes_failures:
            halt = f"{describe_record(inflight)}: {outcome.reason}"
        elif not settings.dry_run and self._files.failure_count > settings.max_failures:
            halt = f"more than {settings.max_failures} records failed; see 'max_failures'"
        elif first and not settings.dry_run:
            self._files.write_rejected(inflight, self._schema_of(inflight.stream))
            logger.warning("%s: %s", describe_record(inflight), outcome.reason)
        self._write_outcome(inflight, outcome, location)
        if halt:
            self._checkpoints.block_at(inflight)
            raise RunAborted(ExitCode.FAILED, halt)

    def _complete_catalog(self, inflight: InflightRecord) -> None:
        """Note that one of a record's catalogs has its outcome."""
        inflight.open_catalogs -= 1
        if inflight.open_catalogs == 0:
            self._checkpoints.complete_record(inflight)

    def record(
        self, inflight: InflightRecord, outcome: Outcome, location: TargetLocation = NO_LOCATION
    ) -> None:
        """Account for one of a record's catalogs, and close it.

        Raises:
            Halt: It failed, and that ends the run.
        """
        if outcome.kind is OutcomeKind.FAILED:
            self._record_failure(inflight, outcome, location)
        else:
            self._write_outcome(inflight, outcome, location)
        self._complete_catalog(inflight)

    def record_all(
        self,
        records: list[InflightRecord],
        outcome: Outcome,
        location: TargetLocation = NO_LOCATION,
    ) -> None:
        """Account for the records that have asked for one thing: the first has brought it about.

        Raises:
            Halt: It failed, and that ends the run; all of them are accounted for.
        """
        abort: RunAborted | None = None
        for at, inflight in enumerate(records):
            if at and outcome.kind is not OutcomeKind.FAILED:
                outcome = outcome._replace(
                    kind=OutcomeKind.EXISTS, reason="asked for twice", attempts=0
                )
            try:
                self.record(inflight, outcome, location)
            except RunAborted as error:
                abort = abort or error
        if abort:
            raise abort


def describe_record(inflight: InflightRecord) -> str:
    """Name a record by its stream and its key."""
    return f"{inflight.stream} {_describe_key(inflight)}"


def _describe_key(inflight: InflightRecord) -> str:
    return ", ".join(f"{name} {value}" for name, value in inflight.key.items()) or "record"
