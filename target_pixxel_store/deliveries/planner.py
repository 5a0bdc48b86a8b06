"""Cases: what records ask for, catalog by catalog, and what is decided about each."""

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

UNKNOWN_STORE = "there is no store of this name or id"
UNKNOWN_DELIVER_TO = "there is no store of the name or id that 'deliver_to' says"


class PlannedCatalog(NamedTuple):
    """A catalog of a record, to be judged: what to do, or why it cannot be."""

    inflight: InflightRecord
    job: DeliveryJob | None
    decision: Decision | None = None


class DeliveryPlanner:
    """Makes cases of what is pending, and decides on them.

    Args:
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
        """Decide on each catalog, once all that was asked for before is surely listed.

        Raises:
            WrongPlaceError: A catalog is of another workspace.
        """
        catalogs = list(self._select_catalogs(pending, self._remote.refresh()))
        self._refresh_catalogs(catalogs)
        planned = self._decide_all(catalogs)
        while (until := self._uncertain_until(planned)) and not self._settings.dry_run:
            wait_settled(until, self._check)
            memory = self._journal.state
            memory.end_uncertainty(time.time())
            self._remote.refresh(max_age=0)
            self._refresh_catalogs(catalogs)
            unconfirmed = {case.decision.unconfirmed for case in planned if case.decision}
            self._journal.record_refusals(doubt for doubt in unconfirmed if doubt in memory.intents)
            planned = self._decide_all(catalogs)
        return planned

    def _refresh_catalogs(self, catalogs: list[PlannedCatalog]) -> None:
        self._remote.refresh_catalogs(case.job.catalog_id for case in catalogs if case.job)

    def _decide_all(self, catalogs: list[PlannedCatalog]) -> list[PlannedCatalog]:
        """Decide on each catalog, in order."""
        view, reservations = self._remote.view, Reservations()
        planned = []
        for catalog in catalogs:
            job, decision = catalog.job, catalog.decision
            if job is not None:
                decision = decide(job, view, reservations, self._rules)
                if isinstance(decision.kind, NextStep):
                    if job.key in reservations.jobs:
                        job = reservations.jobs[job.key]  # asked for twice
                    else:
                        reservations.add(job)
            planned.append(PlannedCatalog(catalog.inflight, job, decision))
        return planned

    def _uncertain_until(self, catalogs: list[PlannedCatalog]) -> float:
        """Tell until when to wait before anything is asked for; 0 when there is no doubt."""
        memory, settle = self._journal.state, self._settings.settle_seconds
        until, now = 0.0, time.time()
        for catalog in catalogs:
            kind, unconfirmed = (
                (catalog.decision.kind, catalog.decision.unconfirmed)
                if catalog.decision
                else (None, None)
            )
            if unconfirmed is not None and unconfirmed in memory.intents:
                until = max(
                    until, settled_at(memory.intents[unconfirmed].requested_at, now, settle)
                )
            if kind in (NextStep.DELIVER, NextStep.WAIT):
                until = max(until, memory.uncertain_until(self._remote.refreshed_at, now, settle))
        return until

    def _select_catalogs(
        self, pending: list[PendingRequest], view: WorkspaceView
    ) -> Iterator[PlannedCatalog]:
        """Give the catalogs of all that is pending."""
        by_order_item = self._selection.catalogs_by_order_item(pending)
        for one in pending:
            store = view.find_store(one.request.store)
            if store is None:
                yield _failed_catalog(one.inflight, missing_store_reason(one.request))
                continue
            for found in self._selection.select_catalogs(one, by_order_item):
                if isinstance(found, Decision):
                    yield PlannedCatalog(one.inflight, None, found)
                else:
                    yield self._make_job(one, store, found)

    def _make_job(self, one: PendingRequest, store: Store, fields: Fields) -> PlannedCatalog:
        try:
            path = self._selection.render_path(one.request, fields)
        except RecordError as error:
            return _failed_catalog(one.inflight, str(error))
        job = DeliveryJob(fields[CATALOG_ID], store, path, store.location.join(path))
        if is_too_long(job.location):
            return _failed_catalog(one.inflight, "its path is too long for a key")
        return PlannedCatalog(one.inflight, job)


def _failed_catalog(inflight: InflightRecord, reason: str) -> PlannedCatalog:
    return PlannedCatalog(inflight, None, Decision(OutcomeKind.FAILED, reason))


def missing_store_reason(request: CatalogRequest) -> str:
    """Say that the store of a request is not there."""
    return UNKNOWN_DELIVER_TO if request.from_tap else UNKNOWN_STORE
