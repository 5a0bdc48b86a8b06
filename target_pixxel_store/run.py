"""The run: records in, decisions, deliveries out, each record accounted for."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from pixxel_api.errors import Forbidden
from pixxel_singer.exit_codes import ExitCode
from target_pixxel_store.accounts import Outcome
from target_pixxel_store.books import Halt, Whereto, called
from target_pixxel_store.cases import Judge, no_store
from target_pixxel_store.deliverer import UNKNOWN
from target_pixxel_store.plan import Job, Kind, Step, Verdict
from target_pixxel_store.records import Rejected
from target_pixxel_store.selection import Pending, Selection

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_pixxel_store.api import Api
    from target_pixxel_store.books import Books
    from target_pixxel_store.cases import Case
    from target_pixxel_store.deliverer import Deliverer, Sent
    from target_pixxel_store.journal import Journal
    from target_pixxel_store.ledger import Taken
    from target_pixxel_store.look import Looks
    from target_pixxel_store.records import Request
    from target_pixxel_store.settings import Settings
    from target_pixxel_store.stores import StoreOutcome


class Run:
    """Does what records ask for, in their order.

    Args:
        check: Called while waiting; raises to stop.

    Attributes:
        unfinished: Ids of the deliveries that it asked for, or met, and that are not done.
        unlisted: Deliveries that it met in the journal alone.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        api: Api,
        looks: Looks,
        journal: Journal,
        deliverer: Deliverer,
        books: Books,
        check: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._api = api
        self._looks = looks
        self._deliverer = deliverer
        self._books = books
        self._selection = Selection(settings, api)
        self._judge = Judge(
            settings, selection=self._selection, looks=looks, journal=journal, check=check
        )
        self._pending: list[Pending] = []
        self._oldest = 0.0
        self._waiting: list[Pending] = []
        self.unfinished: dict[str, None] = {}
        self.unlisted = 0

    # Records in

    def request(self, taken: Taken, request: Request) -> None:
        """Take a wish for deliveries; it is acted on with others.

        Raises:
            Rejected: It lacks what the settings look at.
            Halt: The batch that it fills ends the run.
        """
        if why := self._selection.unwanted(request):
            self._books.settle(taken, Outcome(Kind.SKIPPED, why, request.catalog_id))
            return
        if self._looks.now().by_name(request.store) is None:
            self._waiting.append(Pending(taken, request))
            return
        self._add(Pending(taken, request))

    def store(self, taken: Taken, settle: Callable[[], StoreOutcome]) -> None:
        """Settle a store, behind the deliveries that were asked for before it.

        Raises:
            Forbidden: The token may not do this; the text names the record.
        """
        self.flush()
        try:
            outcome = settle()
        except Rejected as error:
            self.fail(taken, str(error))
            return
        except Forbidden as error:
            raise error.add_context(called(taken)) from None
        store = outcome.store
        key = None if store is None or self._settings.dry_run else store.id
        made = Outcome(outcome.kind, outcome.reason, store=key)
        self._books.settle(taken, made, Whereto(store.name if store else ""))

    def area(self, taken: Taken, settle: Callable[[], Outcome]) -> None:
        """Settle an area, behind the deliveries that were asked for before it.

        Raises:
            Forbidden: The token may not do this, or not in the record's project; the text names
                the record.
        """
        self.flush()
        try:
            outcome = settle()
        except Forbidden as error:
            raise error.add_context(called(taken)) from None
        self._books.settle(taken, outcome)

    def fail(self, taken: Taken, why: str) -> None:
        """Account for a record that cannot be acted on, behind those before it.

        Raises:
            Halt: It ends the run.
        """
        self.flush()
        self._books.settle(taken, Outcome(Kind.FAILED, why))

    def tick(self) -> None:
        """Send a batch that is not full when it has waited long enough."""
        if self._pending and time.monotonic() - self._oldest >= self._settings.flush_seconds:
            self.flush()

    def finish(self) -> None:
        """Act on all that is left, the input being at its end.

        Raises:
            Halt: A record failed, or there are too many deliveries.
        """
        waiting, self._waiting = self._waiting, []
        self.flush()
        for one in waiting:
            if self._looks.now().by_name(one.request.store) is None:
                self.fail(one.taken, no_store(one.request))
            else:
                self._add(one)
        self.flush()

    def _add(self, one: Pending) -> None:
        if not self._pending:
            self._oldest = time.monotonic()
        self._pending.append(one)
        if len(self._pending) >= self._settings.batch_size * self._settings.concurrency:
            self.flush()

    def flush(self) -> None:
        """Decide on all that is pending, and deliver.

        Raises:
            Halt: A record failed, or there are too many deliveries.
        """
        pending, self._pending = self._pending, []
        if pending:
            self._carry_out(self._judge.judged(pending))

    # Deliveries out

    def _carry_out(self, cases: list[Case]) -> None:
        """Account for what is decided, and send the rest; stop where the settings say so."""
        sending: dict[Job, list[Taken]] = {}
        for case in cases:
            job, verdict = case.job, case.verdict or Verdict(Kind.FAILED)
            if job is not None and job in sending:
                sending[job].append(case.taken)
            elif job is not None and isinstance(verdict.kind, Step):
                if self._books.is_full(len(sending)):
                    self._send(sending)
                    asked = self._books.deliveries
                    why = f"{asked} deliveries were asked for; see 'max_deliveries'"
                    raise Halt(ExitCode.INCOMPLETE, why)
                sending[job] = [case.taken]
            else:
                if verdict.kind is Kind.FAILED and not self._books.passes_failures:
                    self._send(sending)  # what stands before it
                    sending = {}
                self._settle(case, verdict)
        self._send(sending)

    def _send(self, sending: dict[Job, list[Taken]]) -> None:
        if self._settings.dry_run:
            known = self._api.known([job.catalog for job in sending]) if sending else set()
            for job, takens in sending.items():
                there = job.catalog in known
                self._books.deliveries += there
                outcome = Outcome(Kind.CREATED) if there else Outcome(Kind.FAILED, UNKNOWN)
                made = outcome._replace(catalog=job.catalog)
                self._books.settle_all(takens, made, _whereto(job))
            return
        halt: Halt | None = None
        for job, sent in self._deliverer.send(list(sending)) if sending else ():
            try:
                self._books.settle_all(sending[job], self._outcome(job, sent), _whereto(job))
            except Halt as error:
                halt = halt or error  # the others have happened all the same
        if halt:
            raise halt

    def _outcome(self, job: Job, sent: Sent) -> Outcome:
        found = sent.delivery
        if found is None:
            return Outcome(
                Kind.FAILED,
                sent.reason,
                job.catalog,
                store=job.store.id,
                attempts=sent.attempts,
            )
        self._books.deliveries += 1
        if not found.succeeded:
            self.unfinished[found.id] = None
        return Outcome(
            Kind.CREATED,
            "",
            job.catalog,
            found.id,
            job.store.id,
            job.place.uri(found.target) if found.target else None,
            sent.attempts,
        )

    def _settle(self, case: Case, verdict: Verdict) -> None:
        """Account for what needs no request."""
        job = case.job
        outcome = Outcome(Kind(verdict.kind.value), verdict.reason)
        if job is not None:
            where = (
                job.place.uri(verdict.target)
                if verdict.kind is Kind.EXISTS and verdict.target
                else None
            )
            outcome = outcome._replace(
                catalog=job.catalog, delivery=verdict.delivery, store=job.store.id, uri=where
            )
        if outcome.kind is Kind.EXISTS and outcome.delivery:
            self._meet(outcome.delivery, job)
            self.unlisted += outcome.delivery not in self._looks.view.ids
        self._books.settle(case.taken, outcome, _whereto(job))

    def _meet(self, delivery: str, job: Job | None) -> None:
        if job is not None and not any(
            each.succeeded for each in self._looks.view.here(job.identity) if each.id == delivery
        ):
            self.unfinished[delivery] = None


def _whereto(job: Job | None) -> Whereto:
    return Whereto(job.store.name, job.path) if job else Whereto()
