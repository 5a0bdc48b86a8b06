"""Watching: deliveries of earlier runs that went wrong since, and waiting for those of this one."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from pixxel_singer.progress import task_progress
from target_pixxel_store.polling import wait_until

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Iterable

    from target_pixxel_store.api.client import StoreApi
    from target_pixxel_store.api.models import Delivery
    from target_pixxel_store.journal.journal import Journal
    from target_pixxel_store.remote_state import RemoteState

HOUR_SECONDS = 3600.0
_FIRST_PAUSE = 1.0  # seconds between two looks; grown by half each time
_LONGEST_PAUSE = 60.0


@dataclass(slots=True)
class DeliveryProblems:
    """Ids of deliveries that are not as they should be.

    Attributes:
        failed: FAILED.
        unfinished: Neither succeeded nor failed after a long time.
        missing: Succeeded, and there is no object.
        unverified: Succeeded, and nobody could look for the object.
    """

    failed: list[str] = field(default_factory=list)
    unfinished: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    unverified: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.failed or self.unfinished or self.missing)

    def to_dict(self) -> dict[str, Any]:
        """Give it for the summary."""
        return asdict(self)

    def log(self, logger: logging.Logger, when: str) -> None:
        """Log what is wrong, a line each."""
        for what, ids in (
            ("FAILED", self.failed),
            ("not finished", self.unfinished),
            ("SUCCESS, but the object is not in the bucket", self.missing),
        ):
            for key in ids:
                logger.warning("delivery %s %s: %s", key, when, what)
        if self.unverified:
            logger.warning(
                "%d deliveries %s could not be verified: their stores' credentials are not in the "
                "settings, or may not read",
                len(self.unverified),
                when,
            )


class DeliveryMonitor:
    """Looks after deliveries.

    Args:
        looks: Knows whether the list is the whole one.
        verify: Tells whether the object of a delivery is there, None where it cannot be told;
            absent when it is not to be looked for.
        stuck_after: Hours after which an unfinished delivery is told of.
        check: Called while waiting; raises to stop.
    """

    def __init__(
        self,
        api: StoreApi,
        journal: Journal,
        remote: RemoteState,
        *,
        verify: Callable[[Delivery], bool | None] | None,
        stuck_after: float,
        check: Callable[[], None],
    ) -> None:
        self._api = api
        self._journal = journal
        self._remote = remote
        self._verify = verify
        self._stuck_seconds = stuck_after * HOUR_SECONDS
        self._check = check

    def check_earlier_runs(self) -> DeliveryProblems:
        """Find what went wrong with the deliveries that earlier runs asked for; each told once.

        Those that are not finished are told of in each run.
        """
        problems = DeliveryProblems()
        view = self._remote.refresh()  # which also tells what came of a killed run's requests
        memory = self._journal.state
        open_ones = {
            key: each for key, each in memory.deliveries.items() if key not in memory.final_ids
        }
        listed = {
            delivery.id: delivery
            for identity in {made.key for made in open_ones.values()}
            for delivery in view.deliveries_at(identity)
        }
        listed |= self._list_by_id(open_ones.keys() - listed.keys())
        for key, made in open_ones.items():
            if key in listed and self._check_delivery(listed[key], problems):
                self._journal.record_final(key)
            elif time.time() - made.requested_at > self._stuck_seconds:
                problems.unfinished.append(key)
        return problems

    def _list_by_id(self, delivery_ids: Iterable[str]) -> dict[str, Delivery]:
        """Ask for deliveries by id, where the list may be cut."""
        if not self._remote.is_truncated:
            return {}
        asked = (
            self._api.list_deliveries(delivery_id=key).deliveries for key in sorted(delivery_ids)
        )
        return {each.id: each for found in asked for each in found}

    def wait_for(self, delivery_ids: Iterable[str], timeout: float) -> DeliveryProblems:
        """Wait until deliveries are done.

        Args:
            delivery_ids: Their ids.
            timeout: How long at most.
        """
        problems = DeliveryProblems()
        waiting = set(delivery_ids)
        total, end, pause = len(waiting), time.time() + timeout, _FIRST_PAUSE
        with task_progress("deliveries done", total) as show_done:
            while waiting:
                last = time.time() >= end
                listed = {each.id: each for each in self._api.list_deliveries().deliveries}
                listed |= self._list_by_id(waiting - listed.keys())
                for key in waiting & listed.keys():
                    if self._check_delivery(listed[key], problems):
                        waiting.discard(key)
                        self._journal.record_final(key)
                show_done(total - len(waiting))
                if last:
                    break
                if waiting:
                    wait_until(min(end, time.time() + pause), self._check)
                    pause = min(1.5 * pause, _LONGEST_PAUSE)
        problems.unfinished = sorted(waiting)
        return problems

    def _check_delivery(self, delivery: Delivery, problems: DeliveryProblems) -> bool:
        """Tell whether a delivery is done, and note what is wrong with it."""
        if delivery.has_failed:
            problems.failed.append(delivery.id)
        elif delivery.has_succeeded:
            there = self._verify(delivery) if self._verify else True
            if there is None:
                problems.unverified.append(delivery.id)
            elif not there:
                problems.missing.append(delivery.id)
        return delivery.has_failed or delivery.has_succeeded
