"""The plan: what stands where, and what is to be done about a catalog; no I/O.

A delivery is the same as another when catalog and place are: type of cloud, bucket and full
prefix. So a store that was made anew on the same bucket changes nothing.
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
    """The settings that decide."""

    redeliver: bool = False
    retry_failed: int = 0


class Reservations:
    """The places that are about to be delivered to, before the API knows of them."""

    def __init__(self) -> None:
        self.jobs: dict[DeliveryKey, DeliveryJob] = {}
        self._catalog_at: dict[BucketPath, str] = {}
        self._buckets: set[tuple[str, str, str]] = set()

    def add(self, job: DeliveryJob) -> None:
        """Claim a job's place."""
        self.jobs[job.key] = job
        self._catalog_at[job.location] = job.catalog_id
        self._buckets.add((job.catalog_id, job.location.cloud, job.location.bucket))

    def has_catalog_in_bucket(self, key: DeliveryKey) -> bool:
        """Tell whether the catalog is about to be delivered to the same bucket."""
        catalog, place = key
        return (catalog, place.cloud, place.bucket) in self._buckets

    def has_other_catalog_at(self, key: DeliveryKey) -> bool:
        """Tell whether another catalog is about to be delivered to the very same place."""
        return self._catalog_at.get(key.location, key.catalog_id) != key.catalog_id


def decide(
    job: DeliveryJob, view: WorkspaceView, reservations: Reservations, rules: DeliveryRules
) -> Decision:
    """Decide what is to be done about a catalog."""
    return _decide_by_location(job.key, view, rules) or _decide_by_other_locations(
        job.key, view, reservations, rules
    )


def _decide_by_location(
    key: DeliveryKey, view: WorkspaceView, rules: DeliveryRules
) -> Decision | None:
    memory = view.journal_state
    here = view.deliveries_at(key)
    newest = here[-1] if here else None
    asked = memory.latest_ids.get(key)
    if asked is not None and asked not in view.delivery_ids:
        return Decision(OutcomeKind.EXISTS, "by the journal; the API does not list it", asked)
    if newest is not None and not newest.has_failed:
        return Decision(OutcomeKind.EXISTS, "", newest.id, newest.target_path)
    if (doubt := view.unconfirmed_intent(key)) is not None:
        return Decision(NextStep.WAIT, "asked for already, and not listed yet", unconfirmed=doubt)
    if newest is None:
        return None
    tries = len(memory.attempt_ids.get(key, set()) | {delivery.id for delivery in here})
    if tries > rules.retry_failed:
        why = f"its delivery has FAILED, after {tries} of {rules.retry_failed + 1} tries; find out "
        return Decision(OutcomeKind.FAILED, f"{why}why, then raise 'retry_failed'", newest.id)
    return Decision(NextStep.DELIVER, f"try {tries + 1}")


def _decide_by_other_locations(
    key: DeliveryKey, view: WorkspaceView, reservations: Reservations, rules: DeliveryRules
) -> Decision:
    if not rules.redeliver:
        if (other := view.delivery_elsewhere(key)) is not None:
            delivery_id, target, known = other
            where = "elsewhere in the bucket" if known else "to a store that is gone"
            why = f"delivered {where} already; see 'redeliver'"
            return Decision(OutcomeKind.SKIPPED, why, delivery_id, target)
        if key not in reservations.jobs and reservations.has_catalog_in_bucket(key):
            why = "delivered elsewhere in the bucket by this run; see 'redeliver'"
            return Decision(OutcomeKind.SKIPPED, why)
    if view.has_other_catalog_at(key) or reservations.has_other_catalog_at(key):
        return Decision(
            OutcomeKind.FAILED,
            "another catalog is delivered to the same path, and two files may share a name; give "
            "each catalog a path of its own",
        )
    return Decision(NextStep.DELIVER)
