"""The planner: the catalogs that records request, and what is decided about each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from target_pixxel_store.api.models import DeliveryJob
from target_pixxel_store.deliveries.plan import Situation, decide
from target_pixxel_store.errors import RecordError
from target_pixxel_store.journal.journal_state import JournalState
from target_pixxel_store.locations import is_too_long
from target_pixxel_store.outcomes import Decision, NextStep, OutcomeKind
from target_pixxel_store.records import CATALOG_ID
from target_pixxel_store.remote_state import WorkspaceView

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from target_pixxel_store.api.models import Fields, Store
    from target_pixxel_store.catalog_selection import CatalogSelection, PendingRequest
    from target_pixxel_store.journal.journal import Journal
    from target_pixxel_store.locations import DeliveryKey
    from target_pixxel_store.outcomes.checkpoints import InflightRecord
    from target_pixxel_store.records import CatalogRequest
    from target_pixxel_store.remote_state import RemoteState
    from target_pixxel_store.settings import Settings


@dataclass(eq=False, repr=False)
class DeliveryPlanner:
    """Selects the catalogs of pending requests, and decides what to do about each.

    Attributes:
        selection: Selects the catalogs of a request.
        remote: The stores and deliveries that exist.
        journal: What earlier runs requested.
        check: Called while waiting; raises to stop.
    """

    settings: Settings
    selection: CatalogSelection
    remote: RemoteState
    journal: Journal
    check: Callable[[], None]

    def plan_requests(self, pending: list[PendingRequest]) -> list[tuple[InflightRecord, Decision]]:
        """Decide about each catalog of the requests, in order.

        What a list shows exists. What it does not show decides only in a list that was requested
        after the wait for the requests of earlier runs.

        Raises:
            WorkspaceMismatchError: A catalog belongs to a different workspace.
        """
        catalogs = list(self._select_catalogs(pending, self.remote.refresh()))
        planned = self.decide_all(catalogs)
        if any(decision.kind is NextStep.WAIT for _, decision in planned):
            self.journal.wait_settled(self.check)
            self.remote.refresh(max_age=0)
            planned = self.decide_all(catalogs)
        return planned

    def decide_all(
        self, catalogs: Sequence[tuple[InflightRecord, DeliveryJob | Decision]]
    ) -> list[tuple[InflightRecord, Decision]]:
        """Decide about each catalog, in order."""
        jobs = [each for _, each in catalogs if isinstance(each, DeliveryJob)]
        self.remote.refresh_catalogs(job.catalog_id for job in jobs)
        view, settings = self.remote.view, self.settings
        known = self.remote.is_settled, settings.redeliver, settings.retry_failed
        missing = [job.key for job in jobs if not view.deliveries_at(job.key)]
        ordered = self.remote.find_ordered(missing if self.remote.is_settled else ())
        planned = WorkspaceView(view.stores, JournalState())
        sent: dict[DeliveryKey, DeliveryJob] = {}
        decisions = []
        for inflight, found in catalogs:
            decision = found
            if isinstance(decision, DeliveryJob):
                is_ordered = decision.key in ordered
                decision = decide(Situation(decision, view, planned, *known, is_ordered))
                if decision.kind is NextStep.DELIVER and decision.job is not None:
                    job = sent.setdefault(decision.job.key, decision.job)
                    planned.add_planned(job)
                    decision = decision._replace(job=job)
            decisions.append((inflight, decision))
        return decisions

    def _select_catalogs(
        self, pending: list[PendingRequest], view: WorkspaceView
    ) -> Iterator[tuple[InflightRecord, DeliveryJob | Decision]]:
        """Yield the catalogs of all pending requests, and what needs no job."""
        order_items = self.selection.read_order_items(pending)
        for item in pending:
            store = view.find_store(item.request.store)
            if store is None:
                reason = missing_store_reason(item.request, view)
                yield item.inflight, Decision(OutcomeKind.FAILED, reason)
                continue
            for found in self.selection.select_catalogs(item, order_items):
                if not isinstance(found, Decision):
                    yield item.inflight, self._make_job(item, store, found)
                else:
                    yield item.inflight, found

    def _make_job(
        self, item: PendingRequest, store: Store, fields: Fields
    ) -> DeliveryJob | Decision:
        try:
            path = self.selection.render_path(item.request, fields)
        except RecordError as error:
            return Decision(OutcomeKind.FAILED, str(error))
        location, replaces = store.location.join(path), item.request.replace_delivery
        job = DeliveryJob(fields[CATALOG_ID], store, path, location, replaces)
        if is_too_long(job.location):
            return Decision(OutcomeKind.FAILED, "its path is too long for an object key")
        return job


def missing_store_reason(request: CatalogRequest, view: WorkspaceView) -> str:
    """Return why a request fails whose store does not exist, with the stores that do."""
    return view.missing_store_reason(request.store, "deliver_to" if request.from_tap else "")
