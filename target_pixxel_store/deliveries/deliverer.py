"""The deliverer: sends planned jobs in batches and confirms each; has no knowledge of Singer.

The API has no idempotency keys, does not document batches as atomic, and its lists may lag behind
its writes. So only a plain 201 that lists every delivery confirms a request. After any other
response the list is polled, and a missing delivery is requested again only after `settle_seconds`.
"""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pixxel_api.errors import ApiError, Forbidden, Unauthorized
from target_pixxel_store.api.errors import (
    MAX_ATTEMPTS,
    REFUSAL_STATUSES,
    UNKNOWN_CATALOG,
    find_failure_kind,
)
from target_pixxel_store.circuit_breaker import CircuitBreaker
from target_pixxel_store.errors import FailureKind
from target_pixxel_store.journal.journal_state import Intent
from target_pixxel_store.outcomes import Outcome, OutcomeKind
from target_pixxel_store.polling import poll_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from target_pixxel_store.api.client import StoreApi
    from target_pixxel_store.api.models import Delivery, DeliveryJob
    from target_pixxel_store.journal.journal import Journal
    from target_pixxel_store.remote_state import RemoteState
    from target_pixxel_store.settings import Settings

logger = logging.getLogger(__name__)

NOT_LISTED = "the API does not list all requested deliveries"


@dataclass(eq=False, repr=False)
class Deliverer:
    """Sends jobs and returns the outcome of each.

    Attributes:
        api: Sends the requests.
        remote: Reads the lists again where a response does not confirm a delivery.
        journal: Records every request before it is sent.
        check: Called while waiting; raises to stop.
    """

    settings: Settings
    api: StoreApi
    remote: RemoteState
    journal: Journal
    check: Callable[[], None]
    _breaker: CircuitBreaker = field(init=False, default_factory=CircuitBreaker)
    _stopped: threading.Event = field(init=False, default_factory=threading.Event)

    def send(self, jobs: Sequence[DeliveryJob]) -> Iterator[tuple[DeliveryJob, Outcome]]:
        """Send jobs; no two of them may have the same key.

        Yields:
            Each job and its outcome; where an error ends the run, the known outcomes come first.

        Raises:
            Unauthorized, Forbidden: The token has no permission.
            CircuitOpenError: Too many requests in a row failed in the same way.
            UnexpectedDeliveryError: The API delivers to a different path than requested.
            ApiError: The lists cannot be read.
        """
        size, concurrency = self.settings.batch_size, self.settings.concurrency
        batches = [jobs[at : at + size] for at in range(0, len(jobs), size)]
        if concurrency == 1 or len(batches) == 1:
            for batch in batches:
                yield from self._send_batch(batch)
            return
        failure: BaseException | None = None
        with ThreadPoolExecutor(concurrency, thread_name_prefix="pixxel-send") as workers:
            for outcomes, error in workers.map(self._send_in_thread, batches):
                failure = failure or error
                yield from outcomes
        if failure is not None:
            raise failure

    def _send_in_thread(
        self, batch: Sequence[DeliveryJob]
    ) -> tuple[list[tuple[DeliveryJob, Outcome]], BaseException | None]:
        """Send a batch in a thread; return the known outcomes, and the error that ended it."""
        outcomes: list[tuple[DeliveryJob, Outcome]] = []
        try:
            if not self._stopped.is_set():
                outcomes.extend(self._send_batch(batch))
        except BaseException as error:  # noqa: BLE001 - `send` raises it again
            self._stopped.set()
            return outcomes, error
        return outcomes, None

    def _send_batch(self, jobs: Sequence[DeliveryJob]) -> Iterator[tuple[DeliveryJob, Outcome]]:
        attempts = dict.fromkeys(jobs, 0)
        uncertain: set[DeliveryJob] = set()  # a request of theirs may still be executed
        batches = [list(jobs)]
        while batches:
            batch = batches.pop()
            for job in batch:
                attempts[job] += 1
            earlier_ids = self.remote.earlier_ids(batch)
            error, found = self._post(batch, earlier_ids)
            for job, delivery in found.items():
                yield job, _created(job, delivery, attempts[job])
            missing = [job for job in batch if job not in found]
            if not missing:
                continue
            is_refusal = error is not None and error.status in REFUSAL_STATUSES
            if not is_refusal:
                uncertain.update(missing)
            single_refusal = is_refusal and len(batch) == 1
            late = self._poll_for_late(
                missing, earlier_ids, 0 if single_refusal else self.settings.settle_seconds
            )
            for job, delivery in late.items():
                yield job, _created(job, delivery, attempts[job])
            missing = [job for job in missing if job not in late]
            given_up, retries = self._plan_retries(error, batch, missing, attempts)
            self.journal.record_refusals(job.key for job in given_up if job not in uncertain)
            for job, reason in given_up.items():
                yield job, Outcome(
                    OutcomeKind.FAILED, reason, job.catalog_id, store_id=job.store.id,
                    attempts=attempts[job],
                )  # fmt: skip
            if missing:
                kind = find_failure_kind(error) if error else FailureKind.SERVER
                self._breaker.record_failure(kind, str(error or NOT_LISTED))
            batches += retries

    def _post(
        self, batch: list[DeliveryJob], earlier_ids: set[str]
    ) -> tuple[ApiError | None, dict[DeliveryJob, Delivery]]:
        """Send one request; return its error and the deliveries that its response confirms."""
        self.check()
        self.journal.record_intents(
            (job.key, Intent(job.store.id, self.remote.existing_ids(job), job.replaces))
            for job in batch
        )
        try:
            listed = self.api.request_deliveries(batch)
        except (Unauthorized, Forbidden):
            raise
        except ApiError as error:
            return error, {}
        return None, self._record_found(self.remote.match_deliveries(batch, listed, earlier_ids))

    def _poll_for_late(
        self, missing: list[DeliveryJob], earlier_ids: set[str], seconds: float
    ) -> dict[DeliveryJob, Delivery]:
        """Poll the list for some seconds; return the deliveries that appear in it."""
        found: dict[DeliveryJob, Delivery] = {}
        if seconds:
            logger.info(
                "%d deliveries unconfirmed; polling for up to %.0f s (settle_seconds)",
                len(missing),
                seconds,
            )

        def all_found() -> bool | None:
            left = [job for job in missing if job not in found]
            found.update(self._record_found(self.remote.find_deliveries(left, earlier_ids)))
            return True if len(found) == len(missing) else None

        poll_for(seconds, all_found, self.check)
        return found

    def _record_found(self, found: dict[DeliveryJob, Delivery]) -> dict[DeliveryJob, Delivery]:
        self.journal.record_deliveries(
            (job.key, job.store.id, each.id) for job, each in found.items()
        )
        if found:
            self._breaker.record_success()
        return found

    def _plan_retries(
        self,
        error: ApiError | None,
        batch: list[DeliveryJob],
        missing: list[DeliveryJob],
        attempts: dict[DeliveryJob, int],
    ) -> tuple[dict[DeliveryJob, str], list[list[DeliveryJob]]]:
        """Decide what to do with jobs that a request did not deliver.

        Returns:
            The reason for each job that is given up, and the batches to send for the others.
        """
        if not missing:
            return {}, []
        if error is not None and error.status in REFUSAL_STATUSES:
            known = self.api.find_existing_catalogs([job.catalog_id for job in missing])
            stores = self.remote.list_stores()
            unknown = {job: UNKNOWN_CATALOG for job in missing if job.catalog_id not in known} | {
                job: f"the store '{job.store.name}' ({job.store.id}) has been deleted meanwhile; "
                "create it again"
                for job in missing
                if job.store.id not in stores
            }
            if len(batch) == 1:
                return unknown or dict.fromkeys(missing, str(error)), []
            left = [job for job in missing if job not in unknown]
            return unknown, [left] if unknown and left else _split_in_half(left)
        if len(batch) == 1 and attempts[batch[0]] >= MAX_ATTEMPTS:
            return {batch[0]: str(error) if error else NOT_LISTED}, []
        again = any(attempts[job] > 1 for job in missing)
        return {}, _split_in_half(missing) if again else [missing]


def _created(job: DeliveryJob, delivery: Delivery, attempts: int) -> Outcome:
    key = delivery.target_path
    uri = job.location.uri(key) if key else None
    return Outcome(
        OutcomeKind.CREATED, "", job.catalog_id, delivery.id, job.store.id, uri, attempts
    )


def _split_in_half(jobs: list[DeliveryJob]) -> list[list[DeliveryJob]]:
    """Split a list in two; return one part for one job, and none for no job."""
    middle = (len(jobs) + 1) // 2
    return [part for part in (jobs[:middle], jobs[middle:]) if part]
