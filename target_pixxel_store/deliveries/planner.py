"""The planner: the catalogs that records request, and what is decided about each."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from target_pixxel_store.deliveries.plan import DeliveryRules, Reservations, decide
from target_pixxel_store.errors import RecordError
from target_pixxel_store.journal.journal_state import settled_at
from target_pixxel_store.locations import is_too_long
from target_pixxel_store.outcomes import Decision, NextStep, OutcomeKind
from target_pixxel_store.polling import wait_settled
from target_pixxel_store.records import CATALOG_ID
from target_pixxel_store.remote_state import DeliveryJob

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from target_pixxel_store.api.models import Fields, Store
    from target_pixxel_store.catalog_selection import CatalogSelection, PendingRequest
    from target_pixxel_store.journal.journal import Journal
    from target_pixxel_store.outcomes.checkpoints import InflightRecord
    from target_pixxel_store.records import CatalogRequest
    from target_pixxel_store.remote_state import RemoteState, WorkspaceView
    from target_pixxel_store.settings import Settings

UNKNOWN_STORE = "no store has this name or id"
UNKNOWN_DELIVER_TO = "no store has the name or id in 'deliver_to'"


class PlannedCatalog(NamedTuple):
    """A catalog of a record: the job to do, or the decision that needs no job."""

    inflight: InflightRecord
    job: DeliveryJob | None
    decision: Decision | None = None


class DeliveryPlanner:
    """Selects the catalogs of pending requests, and decides what to do about each.

    Args:
        settings: The settings.
        selection: Selects the catalogs of a request.
        remote: The stores and deliveries that exist.
        journal: What earlier runs requested.
        check: Called while waiting; raises to stop.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        selection: CatalogSelection,
        remote: RemoteState,
        journal: Journal,
        check: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._selection = selection
        self._remote = remote
        self._journal = journal
        self._check = check
        self._rules = DeliveryRules(settings.redeliver, settings.retry_failed)

    def plan_requests(self, pending: list[PendingRequest]) -> list[PlannedCatalog]:
        """Decide about each catalog, after waiting until all earlier requests are listed.

        Raises:
            WorkspaceMismatchError: A catalog belongs to a different workspace.
        """
        catalogs = list(self._select_catalogs(pending, self._remote.refresh()))
        self._refresh_catalogs(catalogs)
        planned = self._decide_all(catalogs)
        while (until := self._uncertain_until(planned)) and not self._settings.dry_run:
            wait_settled(until, self._check)
            state = self._journal.state
            state.end_uncertainty(time.time())
            self._remote.refresh(max_age=0)
            self._refresh_catalogs(catalogs)
            unconfirmed = {case.decision.unconfirmed for case in planned if case.decision}
            self._journal.record_refusals(doubt for doubt in unconfirmed if doubt in state.intents)
            planned = self._decide_all(catalogs)
        return planned

    def _refresh_catalogs(self, catalogs: list[PlannedCatalog]) -> None:
        self._remote.refresh_catalogs(case.job.catalog_id for case in catalogs if case.job)

    def _decide_all(self, catalogs: list[PlannedCatalog]) -> list[PlannedCatalog]:
        """Decide about each catalog, in order."""
        view, reservations = self._remote.view, Reservations()
        planned = []
        for catalog in catalogs:
            job, decision = catalog.job, catalog.decision
            if job is not None:
                decision = decide(job, view, reservations, self._rules)
                if isinstance(decision.kind, NextStep):
                    if job.key in reservations.jobs:
                        job = reservations.jobs[job.key]  # requested twice
                    else:
                        reservations.add(job)
            planned.append(PlannedCatalog(catalog.inflight, job, decision))
        return planned

    def _uncertain_until(self, catalogs: list[PlannedCatalog]) -> float:
        """Return until when to wait before any request; 0 where every request is confirmed."""
        state, settle = self._journal.state, self._settings.settle_seconds
        until, now = 0.0, time.time()
        for catalog in catalogs:
            kind, unconfirmed = (
                (catalog.decision.kind, catalog.decision.unconfirmed)
                if catalog.decision
                else (None, None)
            )
            if unconfirmed is not None and unconfirmed in state.intents:
                until = max(until, settled_at(state.intents[unconfirmed].requested_at, now, settle))
            if kind in (NextStep.DELIVER, NextStep.WAIT):
                until = max(until, state.uncertain_until(self._remote.refreshed_at, now, settle))
        return until

    def _select_catalogs(
        self, pending: list[PendingRequest], view: WorkspaceView
    ) -> Iterator[PlannedCatalog]:
        """Yield the catalogs of all pending requests."""
        by_order_item = self._selection.catalogs_by_order_item(pending)
        for item in pending:
            store = view.find_store(item.request.store)
            if store is None:
                yield _failed_catalog(item.inflight, missing_store_reason(item.request))
                continue
            for found in self._selection.select_catalogs(item, by_order_item):
                if isinstance(found, Decision):
                    yield PlannedCatalog(item.inflight, None, found)
                else:
                    yield self._make_job(item, store, found)

    def _make_job(self, item: PendingRequest, store: Store, fields: Fields) -> PlannedCatalog:
        try:
            path = self._selection.render_path(item.request, fields)
        except RecordError as error:
            return _failed_catalog(item.inflight, str(error))
        job = DeliveryJob(fields[CATALOG_ID], store, path, store.location.join(path))
        if is_too_long(job.location):
            return _failed_catalog(item.inflight, "its path is too long for an object key")
        return PlannedCatalog(item.inflight, job)


def _failed_catalog(inflight: InflightRecord, reason: str) -> PlannedCatalog:
    return PlannedCatalog(inflight, None, Decision(OutcomeKind.FAILED, reason))


def missing_store_reason(request: CatalogRequest) -> str:
    """Return why a request fails whose store does not exist."""
    return UNKNOWN_DELIVER_TO if request.from_tap else UNKNOWN_STORE
