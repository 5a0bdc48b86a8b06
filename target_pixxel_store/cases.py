"""Cases: what records ask for, catalog by catalog, and what is decided about each."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from target_pixxel_store.look import wait_settled
from target_pixxel_store.memory import listed_by
from target_pixxel_store.places import too_long
from target_pixxel_store.plan import Claims, Job, Kind, Rules, Step, Verdict, decide
from target_pixxel_store.records import CATALOG_ID, Rejected

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from target_pixxel_store.api import Fields, Store
    from target_pixxel_store.journal import Journal
    from target_pixxel_store.ledger import Taken
    from target_pixxel_store.look import Looks
    from target_pixxel_store.plan import View
    from target_pixxel_store.records import Request
    from target_pixxel_store.selection import Pending, Selection
    from target_pixxel_store.settings import Settings

UNKNOWN_STORE = "there is no store of this name or id"
NO_DELIVER_TO = "there is no store of the name or id that 'deliver_to' says"


class Case(NamedTuple):
    """A catalog of a record, to be judged: what to do, or why it cannot be."""

    taken: Taken
    job: Job | None
    verdict: Verdict | None = None


class Judge:
    """Makes cases of what is pending, and decides on them.

    Args:
        check: Called while waiting; raises to stop.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        selection: Selection,
        looks: Looks,
        journal: Journal,
        check: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._selection = selection
        self._looks = looks
        self._journal = journal
        self._check = check
        self._rules = Rules(settings.redeliver, settings.retry_failed)

    def judged(self, pending: list[Pending]) -> list[Case]:
        """Decide on each catalog, once all that was asked for before is surely listed.

        Raises:
            WrongPlaceError: A catalog is of another workspace.
        """
        cases = list(self._cases(pending, self._looks.now()))
        self._look_at(cases)
        judged = self._decided(cases)
        while (until := self._unsettled(judged)) and not self._settings.dry_run:
            wait_settled(until, self._check)
            memory = self._journal.memory
            memory.settled(time.time())
            self._looks.now(oldest=0)
            self._look_at(cases)
            doubts = {case.verdict.doubt for case in judged if case.verdict}
            self._journal.refused(doubt for doubt in doubts if doubt in memory.intents)
            judged = self._decided(cases)
        return judged

    def _look_at(self, cases: list[Case]) -> None:
        self._looks.ask_for(case.job.catalog for case in cases if case.job)

    def _decided(self, cases: list[Case]) -> list[Case]:
        """Decide on each catalog, in order."""
        view, claims = self._looks.view, Claims()
        judged = []
        for case in cases:
            job, verdict = case.job, case.verdict
            if job is not None:
                verdict = decide(job, view, claims, self._rules)
                if isinstance(verdict.kind, Step):
                    if job.identity in claims.jobs:
                        job = claims.jobs[job.identity]  # asked for twice
                    else:
                        claims.add(job)
            judged.append(Case(case.taken, job, verdict))
        return judged

    def _unsettled(self, cases: list[Case]) -> float:
        """Tell until when to wait before anything is asked for; 0 when there is no doubt."""
        memory, settle = self._journal.memory, self._settings.settle_seconds
        until, now = 0.0, time.time()
        for case in cases:
            kind, doubt = (case.verdict.kind, case.verdict.doubt) if case.verdict else (None, None)
            if doubt is not None and doubt in memory.intents:
                until = max(until, listed_by(memory.intents[doubt].at, now, settle))
            if kind in (Step.DELIVER, Step.WAIT):
                until = max(until, memory.settles(self._looks.seen_at, now, settle))
        return until

    def _cases(self, pending: list[Pending], view: View) -> Iterator[Case]:
        """Give the catalogs of all that is pending."""
        of_items = self._selection.of_items(pending)
        for one in pending:
            store = view.by_name(one.request.store)
            if store is None:
                yield _failed(one.taken, no_store(one.request))
                continue
            for found in self._selection.catalogs(one, of_items):
                if isinstance(found, Verdict):
                    yield Case(one.taken, None, found)
                else:
                    yield self._case(one, store, found)

    def _case(self, one: Pending, store: Store, fields: Fields) -> Case:
        try:
            path = self._selection.path(one.request, fields)
        except Rejected as error:
            return _failed(one.taken, str(error))
        job = Job(fields[CATALOG_ID], store, path, store.place.below(path))
        if too_long(job.place):
            return _failed(one.taken, "its path is too long for a key")
        return Case(one.taken, job)


def _failed(taken: Taken, why: str) -> Case:
    return Case(taken, None, Verdict(Kind.FAILED, why))


def no_store(request: Request) -> str:
    """Say that the store of a request is not there."""
    return NO_DELIVER_TO if request.by_tap else UNKNOWN_STORE
