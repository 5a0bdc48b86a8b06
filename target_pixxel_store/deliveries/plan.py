"""The plan: decide what to do about each catalog; no I/O.

Two deliveries are the same where catalog and location are: type of cloud, bucket and full prefix.
So a store that was created again on the same bucket changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from target_pixxel_store.api.models import UNLISTED
from target_pixxel_store.outcomes import Decision, NextStep, OutcomeKind

if TYPE_CHECKING:
    from target_pixxel_store.api.models import DeliveryJob
    from target_pixxel_store.locations import BucketPath, DeliveryKey
    from target_pixxel_store.remote_state import WorkspaceView


@dataclass(frozen=True, slots=True)
class DeliveryRules:
    """The settings that the decisions depend on."""

    redeliver: bool = False
    retry_failed: int = 0


class Reservations:
    """The locations of planned deliveries, before they are requested."""

    def __init__(self) -> None:
        self.jobs: dict[DeliveryKey, DeliveryJob] = {}
        self._catalog_at: dict[BucketPath, str] = {}
        self._buckets: set[tuple[str, str, str]] = set()

    def add(self, job: DeliveryJob) -> DeliveryJob:
        """Reserve the location of a job; return it, or the one that is the same delivery."""
        if (same := self.jobs.get(job.key)) is not None:
            return same
        self.jobs[job.key] = job
        self._catalog_at[job.location] = job.catalog_id
        self._buckets.add((job.catalog_id, job.location.cloud, job.location.bucket))
        return job

    def has_catalog_in_bucket(self, key: DeliveryKey) -> bool:
        """Return whether the catalog has a planned delivery to the same bucket."""
        catalog_id, location = key
        return (catalog_id, location.cloud, location.bucket) in self._buckets

    def has_other_catalog_at(self, key: DeliveryKey) -> bool:
        """Return whether another catalog has a planned delivery to the same location."""
        return self._catalog_at.get(key.location, key.catalog_id) != key.catalog_id


def decide(
    job: DeliveryJob,
    view: WorkspaceView,
    reservations: Reservations,
    rules: DeliveryRules,
    *,
    settled: bool,
) -> Decision:
    """Decide what to do about a catalog.

    Args:
        job: The catalog and its place.
        view: What exists.
        reservations: What this run is about to deliver.
        rules: The settings that the decision depends on.
        settled: Whether the view contains every delivery that earlier runs requested.
    """
    deliveries = view.deliveries_at(job.key)
    newest = deliveries[-1] if deliveries else None
    if newest is not None and newest.status == UNLISTED:
        reason = "recorded in the journal, not (yet) listed by the API"
        return Decision(OutcomeKind.EXISTS, reason, newest.id, job=job)
    if newest is not None and not newest.has_failed:
        return Decision(OutcomeKind.EXISTS, "", newest.id, newest.target_path, job)
    if not settled:
        return Decision(NextStep.WAIT, job=job)
    if newest is None:
        return _decide_by_other_locations(job, view, reservations, rules)
    attempts = len(deliveries)
    if attempts > rules.retry_failed:
        reason = (
            f"its delivery FAILED, after {attempts} of {rules.retry_failed + 1} attempts; find the "
            "cause, then raise 'retry_failed'"
        )
        return Decision(OutcomeKind.FAILED, reason, newest.id, job=job)
    return Decision(NextStep.DELIVER, job=job)


def _decide_by_other_locations(
    job: DeliveryJob, view: WorkspaceView, reservations: Reservations, rules: DeliveryRules
) -> Decision:
    key = job.key
    if not rules.redeliver:
        if (other := view.delivery_elsewhere(key)) is not None:
            delivery, known = other
            destination = "elsewhere in the bucket" if known else "to a deleted store"
            reason = f"already delivered {destination}; see 'redeliver'"
            return Decision(OutcomeKind.SKIPPED, reason, delivery.id, delivery.target_path, job)
        if key not in reservations.jobs and reservations.has_catalog_in_bucket(key):
            reason = "delivered elsewhere in the bucket by this run; see 'redeliver'"
            return Decision(OutcomeKind.SKIPPED, reason, job=job)
    if view.has_other_catalog_at(key) or reservations.has_other_catalog_at(key):
        return Decision(
            OutcomeKind.FAILED,
            "another catalog is delivered to the same path, and two files may share a name; give "
            "each catalog its own path",
            job=job,
        )
    return Decision(NextStep.DELIVER, job=job)
