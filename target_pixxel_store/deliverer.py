"""The deliverer: sends a plan in batches, and settles what is in doubt; knows nothing of Singer.

There are no idempotency keys, batches are not documented as atomic, and a list may lag a write. So
only a plain 201 that lists every entry is believed; after all else the list is looked at, and what
is not on it is asked for again only when it has surely settled.
"""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

from pixxel_api.errors import ApiError, Forbidden, Unauthorized
from target_pixxel_store.api import Entry
from target_pixxel_store.look import FIRST_PAUSE, LONGEST_PAUSE, wait_until
from target_pixxel_store.streak import Streak

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from target_pixxel_store.api import Api, Delivery
    from target_pixxel_store.journal import Journal
    from target_pixxel_store.look import Looks
    from target_pixxel_store.plan import Job

logger = logging.getLogger(__name__)

TRIES = 3
"""Requests for one catalog alone, while the service fails."""
REFUSALS = frozenset({400, 404, 409, 413, 422})
"""Statuses that say that the API has looked at the request and will not have it."""
UNKNOWN = "there is no such catalog; is it of this workspace?"
NOT_ALL = "the API does not list all the deliveries that it was asked for"


class Sent(NamedTuple):
    """What became of a job.

    Attributes:
        delivery: Its delivery; None when there is none.
        reason: Why there is none.
        attempts: Requests that it was in.
    """

    delivery: Delivery | None
    reason: str
    attempts: int


class Deliverer:
    """Sends jobs and says what became of each.

    Args:
        api: Asks.
        looks: Looks again when in doubt.
        journal: Is told of every request before it is made.
        batch_size: Jobs in a request.
        concurrency: Requests at once.
        settle_seconds: After which what was asked for is surely listed.
        check: Called while waiting; raises to stop.
    """

    def __init__(
        self,
        api: Api,
        looks: Looks,
        journal: Journal,
        *,
        batch_size: int,
        concurrency: int,
        settle_seconds: float,
        check: Callable[[], None],
    ) -> None:
        self._api = api
        self._looks = looks
        self._journal = journal
        self._batch_size = batch_size
        self._concurrency = concurrency
        self._settle = settle_seconds
        self._check = check
        self._streak = Streak()
        self._ended = threading.Event()

    def send(self, jobs: Sequence[Job]) -> Iterator[tuple[Job, Sent]]:
        """Send jobs; no two of one identity may be among them.

        Yields:
            Each job and what became of it; where the run ends early, those that are known first.

        Raises:
            Unauthorized, Forbidden: The token may not do this.
            ServiceFailing: The API fails in the same way again and again.
            MisunderstoodError: The API has done something else than it was asked for.
            ApiError: The lists cannot be read.
        """
        size = self._batch_size
        batches = [jobs[at : at + size] for at in range(0, len(jobs), size)]
        if self._concurrency == 1 or len(batches) == 1:
            for batch in batches:
                yield from self._send(batch)
            return
        failure: BaseException | None = None
        with ThreadPoolExecutor(self._concurrency, thread_name_prefix="pixxel-send") as workers:
            for future in [workers.submit(self._sent, batch) for batch in batches]:
                results, error = future.result()
                failure = failure or error
                yield from results
        if failure is not None:
            raise failure

    def _sent(self, batch: Sequence[Job]) -> tuple[list[tuple[Job, Sent]], BaseException | None]:
        """Send a batch in a thread; give what is known of it, and what ended it."""
        results: list[tuple[Job, Sent]] = []
        try:
            if not self._ended.is_set():
                results.extend(self._send(batch))
        except BaseException as error:  # noqa: BLE001 - raised again where the results are taken
            self._ended.set()
            return results, error
        return results, None

    def _send(self, jobs: Sequence[Job]) -> Iterator[tuple[Job, Sent]]:
        attempts = dict.fromkeys(jobs, 0)
        parts = [list(jobs)]
        while parts:
            part = parts.pop()
            for job in part:
                attempts[job] += 1
            before = self._looks.ids()
            error, found = self._ask(part, before)
            for job, delivery in found.items():
                yield job, Sent(delivery, "", attempts[job])
            missing = [job for job in part if job not in found]
            if not missing:
                continue
            alone = error is not None and _refused(error) and len(part) == 1
            late = self._settled(missing, before, 0 if alone else self._settle)
            for job, delivery in late.items():
                yield job, Sent(delivery, "", attempts[job])
            missing = [job for job in missing if job not in late]
            given_up, left = self._after(error, part, missing, attempts)
            for job, reason in given_up.items():
                yield job, Sent(None, reason, attempts[job])
            self._judge(error, part, missing, given_up)
            parts += left

    def _ask(
        self, part: list[Job], before: set[str]
    ) -> tuple[ApiError | None, dict[Job, Delivery]]:
        """Make a request; give how it failed, and the deliveries that it surely made."""
        self._check()
        self._journal.intend(
            (job.identity, job.store.id, self._looks.standing(job)) for job in part
        )
        entries = [Entry(job.catalog, job.store.id, job.path) for job in part]
        try:
            listed = self._api.deliver(entries)
        except (Unauthorized, Forbidden):
            raise
        except ApiError as error:
            return error, {}
        return None, self._noted(self._looks.match(part, listed, before))

    def _settled(self, missing: list[Job], before: set[str], seconds: float) -> dict[Job, Delivery]:
        """Look until all is found, or until what was asked for is surely listed."""
        found: dict[Job, Delivery] = {}
        end, pause = time.time() + seconds, FIRST_PAUSE
        if seconds:
            logger.info(
                "%d deliveries are in doubt; looking for up to %.0f s, see 'settle_seconds'",
                len(missing),
                seconds,
            )
        while True:
            last = time.time() >= end
            left = [job for job in missing if job not in found]
            found |= self._noted(self._looks.find(left, before))
            if last or len(found) == len(missing):
                return found
            wait_until(min(end, time.time() + pause), self._check)
            pause = min(2 * pause, LONGEST_PAUSE)

    def _noted(self, found: dict[Job, Delivery]) -> dict[Job, Delivery]:
        self._journal.made((job.identity, job.store.id, each.id) for job, each in found.items())
        if found:
            self._streak.end()
        return found

    def _after(
        self,
        error: ApiError | None,
        part: list[Job],
        missing: list[Job],
        attempts: dict[Job, int],
    ) -> tuple[dict[Job, str], list[list[Job]]]:
        """Tell what becomes of jobs that are surely not delivered by a request.

        Returns:
            Why some are given up, and the requests to make for the others.
        """
        if not missing:
            return {}, []
        if error is not None and _refused(error):
            self._journal.refused(job.identity for job in missing)
            known = self._api.known([job.catalog for job in missing])
            unknown = {job: UNKNOWN for job in missing if job.catalog not in known}
            if len(part) == 1:
                return unknown or dict.fromkeys(missing, str(error)), []
            left = [job for job in missing if job not in unknown]
            return unknown, [left] if unknown and left else _halves(left)
        if len(part) == 1 and attempts[part[0]] >= TRIES:
            return {part[0]: str(error) if error else NOT_ALL}, []
        again = any(attempts[job] > 1 for job in missing)
        return {}, _halves(missing) if again else [missing]

    def _judge(
        self,
        error: ApiError | None,
        part: list[Job],
        missing: list[Job],
        given_up: dict[Job, str],
    ) -> None:
        """Count failures: of catalogs that are refused, in their order, and of requests.

        Raises:
            ServiceFailing: There are too many in a row.
        """
        if error is not None and _refused(error):
            for job in part if given_up else ():
                if job in given_up:
                    self._streak.fail(given_up[job])
                else:
                    self._streak.end()
        elif missing:
            self._streak.fail(str(error) if error else NOT_ALL)
        self._streak.check()


def _refused(error: ApiError) -> bool:
    """Tell whether the API has surely not done what it was asked for."""
    return error.status in REFUSALS


def _halves(jobs: list[Job]) -> list[list[Job]]:
    """Cut a list in two; one job stays alone, none gives nothing."""
    middle = (len(jobs) + 1) // 2
    return [part for part in (jobs[:middle], jobs[middle:]) if part]
