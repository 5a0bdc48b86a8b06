"""Watching: deliveries of earlier runs that went wrong since, and waiting for those of this one."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Self

from pixxel_singer.log_setup import is_interactive
from target_pixxel_store.look import wait_until

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Iterable

    from target_pixxel_store.api import Api, Delivery
    from target_pixxel_store.journal import Journal
    from target_pixxel_store.look import Looks

HOUR = 3600.0
_FIRST_PAUSE = 1.0  # seconds between two looks; grown by half each time
_LONGEST_PAUSE = 60.0


@dataclass(slots=True)
class Findings:
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

    def tell(self, logger: logging.Logger, when: str) -> None:
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


class Watch:
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
        api: Api,
        journal: Journal,
        looks: Looks,
        *,
        verify: Callable[[Delivery], bool | None] | None,
        stuck_after: float,
        check: Callable[[], None],
    ) -> None:
        self._api = api
        self._journal = journal
        self._looks = looks
        self._verify = verify
        self._stuck = stuck_after * HOUR
        self._check = check

    def earlier(self) -> Findings:
        """Find what went wrong with the deliveries that earlier runs asked for; each told once.

        Those that are not finished are told of in each run.
        """
        found = Findings()
        view = self._looks.now()  # which also tells what came of a killed run's requests
        memory = self._journal.memory
        open_ones = {key: each for key, each in memory.made.items() if key not in memory.final}
        listed = {
            delivery.id: delivery
            for identity in {made.identity for made in open_ones.values()}
            for delivery in view.here(identity)
        }
        listed |= self._one_by_one(open_ones.keys() - listed.keys())
        for key, made in open_ones.items():
            if key in listed and self._judge(listed[key], found):
                self._journal.final(key)
            elif time.time() - made.at > self._stuck:
                found.unfinished.append(key)
        return found

    def _one_by_one(self, keys: Iterable[str]) -> dict[str, Delivery]:
        """Ask for deliveries by id, where the list may be cut."""
        if not self._looks.cut:
            return {}
        asked = (self._api.deliveries(delivery_id=key).deliveries for key in sorted(keys))
        return {each.id: each for found in asked for each in found}

    def finish(self, wanted: Iterable[str], seconds: float) -> Findings:
        """Wait until deliveries are done.

        Args:
            wanted: Their ids.
            seconds: How long at most.
        """
        found = Findings()
        waiting = set(wanted)
        total, end, pause = len(waiting), time.time() + seconds, _FIRST_PAUSE
        with _Bar(total) as bar:
            while waiting:
                last = time.time() >= end
                listed = {each.id: each for each in self._api.deliveries().deliveries}
                listed |= self._one_by_one(waiting - listed.keys())
                for key in waiting & listed.keys():
                    if self._judge(listed[key], found):
                        waiting.discard(key)
                        self._journal.final(key)
                bar.show(total - len(waiting))
                if last:
                    break
                if waiting:
                    wait_until(min(end, time.time() + pause), self._check)
                    pause = min(1.5 * pause, _LONGEST_PAUSE)
        found.unfinished = sorted(waiting)
        return found

    def _judge(self, delivery: Delivery, found: Findings) -> bool:
        """Tell whether a delivery is done, and note what is wrong with it."""
        if delivery.failed:
            found.failed.append(delivery.id)
        elif delivery.succeeded:
            there = self._verify(delivery) if self._verify else True
            if there is None:
                found.unverified.append(delivery.id)
            elif not there:
                found.missing.append(delivery.id)
        return delivery.failed or delivery.succeeded


class _Bar:
    """Progress for a person; shows nothing unless one watches."""

    def __init__(self, total: int) -> None:
        self._progress = None
        if total and is_interactive():
            from rich.console import Console  # noqa: PLC0415 - only where a person watches
            from rich.progress import Progress  # noqa: PLC0415

            self._progress = Progress(console=Console(stderr=True))
            self._task = self._progress.add_task("deliveries done", total=total)

    def __enter__(self) -> Self:
        if self._progress:
            self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._progress:
            self._progress.stop()

    def show(self, done: int) -> None:
        """Show how many are done."""
        if self._progress:
            self._progress.update(self._task, completed=done)
