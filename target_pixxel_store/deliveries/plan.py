"""The plan: decide what to do about each catalog; no I/O.

Two deliveries are the same where catalog and location are: type of cloud, bucket and full prefix.
So a store that was created again on the same bucket changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from target_pixxel_store.outcomes import Decision, NextStep, OutcomeKind

if TYPE_CHECKING:
    from target_pixxel_store.journal.journal_state import DeliveryKey
    from target_pixxel_store.locations import BucketPath
    from target_pixxel_store.remote_state import DeliveryJob, WorkspaceView


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

    def add(self, job: DeliveryJob) -> None:
        """Reserve the location of a job."""
        self.jobs[job.key] = job
        self._catalog_at[job.location] = job.catalog_id
        self._buckets.add((job.catalog_id, job.location.cloud, job.location.bucket))

    def has_catalog_in_bucket(self, key: DeliveryKey) -> bool:
        """Return whether the catalog has a planned delivery to the same bucket."""
        catalog_id, location = key
        return (catalog_id, location.cloud, location.bucket) in self._buckets

    def has_other_catalog_at(self, key: DeliveryKey) -> bool:
        """Return whether another catalog has a planned delivery to the same location."""
        return self._catalog_at.get(key.location, key.catalog_id) != key.catalog_id


def decide(
    job: DeliveryJob, view: WorkspaceView, reservations: Reservations, rules: DeliveryRules
) -> Decision:
    """Decide what to do about a catalog."""
    return _decide_by_location(job.key, view, rules) or _decide_by_other_locations(
        job.key, view, reservations, rules
    )


def _decide_by_location(
    key: DeliveryKey, view: WorkspaceView, rules: DeliveryRules
) -> Decision | None:
    state = view.journal_state
    deliveries = view.deliveries_at(key)
    newest = deliveries[-1] if deliveries else None
    latest_id = state.latest_ids.get(key)
    if latest_id is not None and latest_id not in view.delivery_ids:
        return Decision(
            OutcomeKind.EXISTS, "recorded in the journal, not (yet) listed by the API", latest_id
        )
    if newest is not None and not newest.has_failed:
        return Decision(OutcomeKind.EXISTS, "", newest.id, newest.target_path)
    if (intent := view.unconfirmed_intent(key)) is not None:
        return Decision(NextStep.WAIT, "requested already, not listed yet", unconfirmed=intent)
    if newest is None:
        return None
    attempts = len(state.attempt_ids.get(key, set()) | {delivery.id for delivery in deliveries})
    if attempts > rules.retry_failed:
        reason = (
            f"its delivery FAILED, after {attempts} of {rules.retry_failed + 1} attempts; find the "
            "cause, then raise 'retry_failed'"
        )
        return Decision(OutcomeKind.FAILED, reason, newest.id)
    return Decision(NextStep.DELIVER, f"attempt {attempts + 1}")


def _decide_by_other_locations(
    key: DeliveryKey, view: WorkspaceView, reservations: Reservations, rules: DeliveryRules
) -> Decision:
    if not rules.redeliver:
        if (other := view.delivery_elsewhere(key)) is not None:
            delivery_id, target, known = other
            destination = "elsewhere in the bucket" if known else "to a deleted store"
            reason = f"already delivered {destination}; see 'redeliver'"
            return Decision(OutcomeKind.SKIPPED, reason, delivery_id, target)
        if key not in reservations.jobs and reservations.has_catalog_in_bucket(key):
            reason = "delivered elsewhere in the bucket by this run; see 'redeliver'"
            return Decision(OutcomeKind.SKIPPED, reason)
    if view.has_other_catalog_at(key) or reservations.has_other_catalog_at(key):
        return Decision(
            OutcomeKind.FAILED,
            "another catalog is delivered to the same path, and two files may share a name; give "
            "each catalog its own path",
        )
    return Decision(NextStep.DELIVER)
