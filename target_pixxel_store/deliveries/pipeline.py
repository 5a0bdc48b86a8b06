"""The delivery pipeline: plans and requests deliveries, and records their outcomes."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pixxel_singer.exit_codes import ExitCode
from target_pixxel_store.api.errors import UNKNOWN_CATALOG
from target_pixxel_store.api.models import UNLISTED
from target_pixxel_store.catalog_selection import PendingRequest
from target_pixxel_store.deliveries.planner import missing_store_reason
from target_pixxel_store.errors import RunAborted
from target_pixxel_store.outcomes import NextStep, Outcome, OutcomeKind, TargetLocation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from target_pixxel_store.api.client import StoreApi
    from target_pixxel_store.api.models import DeliveryJob
    from target_pixxel_store.catalog_selection import CatalogSelection
    from target_pixxel_store.deliveries.deliverer import Deliverer
    from target_pixxel_store.deliveries.planner import DeliveryPlanner
    from target_pixxel_store.outcomes import Decision
    from target_pixxel_store.outcomes.checkpoints import InflightRecord
    from target_pixxel_store.outcomes.recorder import OutcomeRecorder
    from target_pixxel_store.records import CatalogRequest
    from target_pixxel_store.remote_state import RemoteState
    from target_pixxel_store.settings import Settings


@dataclass(eq=False, repr=False)
class DeliveryPipeline:
    """Delivers the catalogs that records request, in the order of the records.

    Attributes:
        api: Finds catalogs.
        remote: The stores and deliveries that exist.
        selection: Selects the catalogs of a request.
        planner: Decides about each catalog.
        deliverer: Sends the planned jobs.
        recorder: Records the outcomes.
        unfinished_ids: Ids of requested and existing deliveries that have not succeeded yet.
        unlisted_count: Existing deliveries that only the journal contains.
    """

    settings: Settings
    api: StoreApi
    remote: RemoteState
    selection: CatalogSelection
    planner: DeliveryPlanner
    deliverer: Deliverer
    recorder: OutcomeRecorder
    unfinished_ids: dict[str, None] = field(init=False, default_factory=dict)
    unlisted_count: int = field(init=False, default=0)
    _pending: list[PendingRequest] = field(init=False, default_factory=list)
    _pending_since: float = field(init=False, default=0.0)
    _awaiting_store: list[PendingRequest] = field(init=False, default_factory=list)

    # Requests

    def add_request(self, inflight: InflightRecord, request: CatalogRequest) -> None:
        """Add a request; it is planned and sent in a batch.

        Raises:
            RecordError: It lacks a field that the settings filter by.
            RunAborted: A record of the batch that it fills ends the run.
        """
        if reason := self.selection.skip_reason(request):
            outcome = Outcome(OutcomeKind.SKIPPED, reason, request.catalog_id)
            self.recorder.record(inflight, outcome)
            return
        if self.remote.refresh().find_store(request.store) is None:
            self._awaiting_store.append(PendingRequest(inflight, request))
            return
        self._enqueue(PendingRequest(inflight, request))

    def fail_record(self, inflight: InflightRecord, reason: str) -> None:
        """Record the failure of a record, after the outcomes of the records before it.

        Raises:
            RunAborted: It ends the run.
        """
        self.flush()
        self.recorder.record(inflight, Outcome(OutcomeKind.FAILED, reason))

    def poll(self) -> None:
        """Send an incomplete batch after `flush_seconds`."""
        if self._pending and time.monotonic() - self._pending_since >= self.settings.flush_seconds:
            self.flush()

    def finish(self) -> None:
        """Process all pending requests at the end of the input.

        Raises:
            RunAborted: A record failed, or `max_deliveries` is reached.
        """
        requests, self._awaiting_store = self._awaiting_store, []
        self.flush()
        for pending in requests:
            view = self.remote.refresh()
            if view.find_store(pending.request.store) is None:
                self.fail_record(pending.inflight, missing_store_reason(pending.request, view))
            else:
                self._enqueue(pending)
        self.flush()

    def _enqueue(self, pending: PendingRequest) -> None:
        if not self._pending:
            self._pending_since = time.monotonic()
        self._pending.append(pending)
        if len(self._pending) >= self.settings.batch_size * self.settings.concurrency:
            self.flush()

    def flush(self) -> None:
        """Plan and send all pending requests.

        Raises:
            RunAborted: A record failed, or `max_deliveries` is reached.
        """
        pending, self._pending = self._pending, []
        planned = self.planner.plan_requests(pending) if pending else []
        while planned:
            self._execute(planned)
            deferred = [each for each in planned if each[1].kind is NextStep.DEFER]
            planned = self.planner.decide_all([(each, it.job or it) for each, it in deferred])

    # Deliveries

    def _execute(self, planned: list[tuple[InflightRecord, Decision]]) -> None:
        """Record the decided outcomes and send the other jobs; stop at the limit or a failure."""
        batch: dict[DeliveryJob, list[InflightRecord]] = {}
        for inflight, decision in planned:
            job = decision.job
            if job is not None and job in batch:
                batch[job].append(inflight)
            elif job is not None and decision.kind is NextStep.DELIVER:
                if self.recorder.is_limit_reached(len(batch)):
                    self._send(batch)
                    count = self.recorder.delivery_count
                    reason = f"{count} deliveries requested; see 'max_deliveries'"
                    raise RunAborted(ExitCode.INCOMPLETE, reason)
                batch[job] = [inflight]
            elif decision.kind is not NextStep.DEFER:
                if decision.kind is OutcomeKind.FAILED and not self.settings.continue_on_error:
                    self._send(batch)  # the jobs before it
                    batch = {}
                self._record_decision(inflight, decision)
        self._send(batch)

    def _send(self, batch: dict[DeliveryJob, list[InflightRecord]]) -> None:
        jobs = list(batch)
        outcomes = self._forecast(jobs) if self.settings.dry_run else self.deliverer.send(jobs)
        abort: RunAborted | None = None
        for job, outcome in outcomes if jobs else ():
            if outcome.kind is OutcomeKind.CREATED:
                self.recorder.delivery_count += 1
                self._track_unfinished(job, outcome.delivery_id)
            try:
                location = TargetLocation(job.store.name, job.path)
                self.recorder.record_all(batch[job], outcome._replace(location=location))
            except RunAborted as error:
                abort = abort or error  # the other jobs were sent, too
        if abort:
            raise abort

    def _forecast(self, jobs: list[DeliveryJob]) -> Iterator[tuple[DeliveryJob, Outcome]]:
        """Yield what would become of jobs, for a dry run."""
        known = self.api.find_existing_catalogs([job.catalog_id for job in jobs])
        for job in jobs:
            if exists := job.catalog_id in known:
                self.remote.view.add_planned(job)
            kind = OutcomeKind.CREATED if exists else OutcomeKind.FAILED
            yield job, Outcome(kind, "" if exists else UNKNOWN_CATALOG, job.catalog_id)

    def _record_decision(self, inflight: InflightRecord, decision: Decision) -> None:
        """Record the outcome of a catalog that needs no request."""
        job, key = decision.job, decision.target_path
        outcome = Outcome(OutcomeKind(decision.kind.value), decision.reason)
        if job is not None:
            is_here = decision.kind is OutcomeKind.EXISTS
            outcome = outcome._replace(
                catalog_id=job.catalog_id,
                delivery_id=decision.delivery_id,
                store_id=job.store.id,
                uri=job.location.uri(key) if is_here and key else None,
                location=TargetLocation(job.store.name, job.path),
            )
            if is_here:
                self._track_unfinished(job, decision.delivery_id)
        self.recorder.record(inflight, outcome)

    def _track_unfinished(self, job: DeliveryJob, delivery_id: str | None) -> None:
        """Remember a delivery that has not succeeded yet."""
        if delivery_id is None:
            return
        found = self.remote.view.find_delivery(job.catalog_id, delivery_id)
        if found is None or not found.has_succeeded:
            self.unfinished_ids[delivery_id] = None
        self.unlisted_count += found is not None and found.status == UNLISTED
