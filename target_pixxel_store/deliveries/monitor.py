"""Monitoring: late failures of earlier runs' deliveries, and waiting for those of this run."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pixxel_singer.progress import task_progress
from target_pixxel_store.api.models import UNLISTED
from target_pixxel_store.polling import Backoff, poll_for

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Iterable

    from target_pixxel_store.api.client import StoreApi
    from target_pixxel_store.api.models import Delivery
    from target_pixxel_store.journal.journal import Journal
    from target_pixxel_store.remote_state import RemoteState

HOUR_SECONDS = 3600.0
_BACKOFF = Backoff(first=1.0, factor=1.5, longest=60.0)


@dataclass(slots=True)
class DeliveryProblems:
    """Ids of the deliveries that have a problem.

    Attributes:
        failed: Status FAILED.
        unfinished: Neither succeeded nor failed after a long time.
        missing: Succeeded, but the object is not in the bucket.
        unverified: Succeeded, but the bucket could not be read.
    """

    failed: list[str] = field(default_factory=list)
    unfinished: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    unverified: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.failed or self.unfinished or self.missing)

    def log(self, logger: logging.Logger, origin: str) -> None:
        """Log a warning for each problem.

        Args:
            logger: The logger.
            origin: Says which run requested the deliveries, such as "of an earlier run".
        """
        for problem, ids in (
            ("FAILED", self.failed),
            ("not finished", self.unfinished),
            ("SUCCESS, but the object is not in the bucket", self.missing),
        ):
            for delivery_id in ids:
                logger.warning("delivery %s %s: %s", delivery_id, origin, problem)
        if self.unverified:
            logger.warning(
                "%d deliveries %s could not be verified: their stores' credentials are not in the "
                "settings, or may not read",
                len(self.unverified),
                origin,
            )


@dataclass(eq=False, repr=False)
class DeliveryMonitor:
    """Checks deliveries after they were requested.

    Attributes:
        api: Lists deliveries.
        journal: Has the deliveries that earlier runs requested.
        remote: Knows whether the API's list is complete.
        verify: Returns whether the object of a delivery exists, None where that is unknown;
            None to verify no objects.
        stuck_after: Hours after which an unfinished delivery is reported.
        check: Called while waiting; raises to stop.
    """

    api: StoreApi
    journal: Journal
    remote: RemoteState
    verify: Callable[[Delivery], bool | None] | None
    stuck_after: float
    check: Callable[[], None]

    def check_earlier_runs(self) -> DeliveryProblems:
        """Find the problems of deliveries that earlier runs requested, and did not report."""
        problems = DeliveryProblems()
        view = self.remote.refresh()  # also records what a killed run's requests created
        state = self.journal.state
        unchecked = {
            delivery_id: delivery
            for delivery_id, delivery in state.deliveries.items()
            if delivery_id not in state.final_ids | state.replaced_ids
        }
        listed = {
            delivery_id: delivery
            for delivery_id, known in unchecked.items()
            if (delivery := view.find_delivery(known.key.catalog_id, delivery_id)) is not None
            and delivery.status != UNLISTED
        }
        listed |= self._list_by_id(unchecked.keys() - listed.keys())
        for delivery_id, known in unchecked.items():
            is_done = delivery_id in listed and self._check_delivery(listed[delivery_id], problems)
            age = time.time() - known.recorded_at
            if (
                not is_done
                and age > self.stuck_after * HOUR_SECONDS
                and delivery_id not in state.stuck_ids
            ):
                problems.unfinished.append(delivery_id)
        return problems

    def record_reported(self, late: DeliveryProblems, waited: DeliveryProblems | None) -> None:
        """Record the problems that the run has reported, so that no other run does.

        Args:
            late: Of earlier runs.
            waited: Of this run; what is unfinished may become a problem later.
        """
        for problems in (late, waited or DeliveryProblems()):
            for delivery_id in problems.failed + problems.missing:
                self.journal.record_final(delivery_id)
        for delivery_id in late.unfinished:
            self.journal.record_stuck(delivery_id)

    def wait_for(self, delivery_ids: Iterable[str], timeout: float) -> DeliveryProblems:
        """Wait until deliveries have succeeded or failed.

        Args:
            delivery_ids: Their ids.
            timeout: The longest wait, in seconds.
        """
        problems = DeliveryProblems()
        waiting = set(delivery_ids)
        total = len(waiting)
        with task_progress("deliveries done", total) as show_done:

            def all_done() -> bool | None:
                if waiting:
                    listed = {each.id: each for each in self.api.list_deliveries().deliveries}
                    listed |= self._list_by_id(waiting - listed.keys())
                    for delivery_id in waiting & listed.keys():
                        if self._check_delivery(listed[delivery_id], problems):
                            waiting.discard(delivery_id)
                    show_done(total - len(waiting))
                return None if waiting else True

            poll_for(timeout, all_done, self.check, _BACKOFF)
        problems.unfinished = sorted(waiting)
        return problems

    def _list_by_id(self, delivery_ids: Iterable[str]) -> dict[str, Delivery]:
        """Read deliveries one by one where the list may be truncated."""
        if not self.remote.is_truncated:
            return {}
        lists = (self.api.list_deliveries(delivery_id=key) for key in sorted(delivery_ids))
        return {each.id: each for found in lists for each in found.deliveries}

    def _check_delivery(self, delivery: Delivery, problems: DeliveryProblems) -> bool:
        """Add a delivery's problem to `problems`; return whether the delivery is done."""
        if delivery.has_failed:
            problems.failed.append(delivery.id)
        elif delivery.has_succeeded:
            exists = self.verify(delivery) if self.verify else True
            if exists is None:
                problems.unverified.append(delivery.id)
            elif not exists:
                problems.missing.append(delivery.id)
                return True
            self.journal.record_final(delivery.id)
        return delivery.has_failed or delivery.has_succeeded
