"""Cases: what records ask for, catalog by catalog, and what is decided about each."""

from __future__ import annotations

import logging
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from pixxel_api.times import TimestampError, to_utc
from target_pixxel_store.guard import check_workspace
from target_pixxel_store.look import wait_until
from target_pixxel_store.paths import CATALOG_ID
from target_pixxel_store.places import too_long
from target_pixxel_store.plan import Claims, Job, Kind, Rules, Step, Verdict, decide
from target_pixxel_store.records import Rejected

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from target_pixxel_store.api import Api, Store
    from target_pixxel_store.journal import Journal
    from target_pixxel_store.ledger import Taken
    from target_pixxel_store.look import Looks
    from target_pixxel_store.plan import View
    from target_pixxel_store.records import Request
    from target_pixxel_store.settings import Settings

logger = logging.getLogger(__name__)

_THREADS = 4
UNKNOWN_STORE = "there is no store of this name or id"
NO_DELIVER_TO = "there is no store of the name or id that 'deliver_to' says"


class Case(NamedTuple):
    """A catalog of a record, to be judged: what to do, or why it cannot be."""

    taken: Taken
    job: Job | None
    verdict: Verdict | None = None


@dataclass(slots=True)
class Pending:
    """A record whose request is not acted on yet."""

    taken: Taken
    request: Request


class Judge:
    """Makes cases of what is pending, and decides on them.

    Args:
        check: Called while waiting; raises to stop.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        api: Api,
        looks: Looks,
        journal: Journal,
        check: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._api = api
        self._looks = looks
        self._journal = journal
        self._check = check
        self._rules = Rules(settings.redeliver, settings.retry_failed)

    def unwanted(self, request: Request) -> str | None:
        """Say why a record of the tap is not to be delivered; None when it is.

        Raises:
            Rejected: It lacks what the settings look at.
        """
        if not request.by_tap:
            return None
        for name, wanted in self._settings.deliver_when.items():
            values = wanted if isinstance(wanted, list) else [wanted]
            if request.fields.get(name) not in values:
                return f"'{name}' is not as 'deliver_when' wants it"
        if request.catalog_id is not None:
            return self._too_old(request.fields)
        return None

    def _too_old(self, catalog: Mapping[str, Any]) -> str | None:
        since = self._settings.deliver_since
        if since is None:
            return None
        try:
            created = to_utc(str(catalog.get("created_at") or ""))
        except TimestampError:
            raise Rejected("has no 'created_at', which 'deliver_since' looks at") from None
        return "created before 'deliver_since'" if created < since else None

    def judged(self, pending: list[Pending]) -> list[Case]:
        """Decide on each catalog, once all that was asked for before is surely listed.

        Raises:
            WrongPlaceError: A catalog is of another workspace.
        """
        cases = list(self._cases(pending, self._looks.now()))
        self._look_at(cases)
        judged = self._decided(cases)
        while (until := self._unsettled(judged)) and not self._settings.dry_run:
            logger.info(
                "waiting %.0f s until all that was asked for before is surely listed, see "
                "'settle_seconds'",
                until - time.time(),
            )
            wait_until(until, self._check)
            memory = self._journal.memory
            memory.unsettled = 0.0
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
            # A clock that was set back must not make this wait for longer than it would.
            if doubt is not None and doubt in memory.intents:
                until = max(until, min(memory.intents[doubt].at, now) + settle)
            if kind in (Step.DELIVER, Step.WAIT) and memory.unsettled > now:
                until = max(until, min(memory.unsettled, now + settle))
        return until

    def _cases(self, pending: list[Pending], view: View) -> Iterator[Case]:
        """Give the catalogs of all that is pending."""
        items = [one.request.order_item_id for one in pending if one.request.order_item_id]
        catalogs = self._catalogs_of(list(dict.fromkeys(items)))
        for one in pending:
            request = one.request
            store = view.by_name(request.store)
            if store is None:
                yield _failed(one.taken, no_store(request))
            elif request.catalog_id is not None:
                fields = {**request.fields, CATALOG_ID: request.catalog_id}
                yield self._case(one.taken, request, store, fields)
            else:
                found = catalogs[request.order_item_id or ""]
                one.taken.jobs = max(len(found), 1)
                if not found:
                    yield _not_ready(one.taken, by_tap=request.by_tap)
                for catalog in found:
                    yield self._case_of_item(one.taken, request, store, catalog)

    def _catalogs_of(self, items: list[str]) -> dict[str, list[dict[str, Any]]]:
        if not items:
            return {}
        with ThreadPoolExecutor(_THREADS, thread_name_prefix="pixxel-items") as workers:
            return dict(zip(items, workers.map(self._api.catalogs_of, items), strict=True))

    def _case_of_item(
        self, taken: Taken, request: Request, store: Store, catalog: dict[str, Any]
    ) -> Case:
        what = "a catalog of an order item"
        check_workspace(self._settings.workspace, catalog, what)
        try:
            why = self._too_old(catalog) if request.by_tap else None
        except Rejected as error:
            return _failed(taken, f"{what} {error}")
        if why:
            return Case(taken, None, Verdict(Kind.SKIPPED, why))
        # The catalog's own fields win: it goes where it would go by itself.
        fields = {**request.fields, **catalog, CATALOG_ID: str(catalog.get("id"))}
        return self._case(taken, request, store, fields)

    def _case(self, taken: Taken, request: Request, store: Store, fields: dict[str, Any]) -> Case:
        path = request.path
        try:
            if path is None:
                path = self._settings.template.render(fields)
        except Rejected as error:
            return _failed(taken, str(error))
        job = Job(fields[CATALOG_ID], store, path, store.place.below(path))
        if too_long(job.place):
            return _failed(taken, "its path is too long for a key")
        return Case(taken, job)


def _failed(taken: Taken, why: str) -> Case:
    return Case(taken, None, Verdict(Kind.FAILED, why))


def _not_ready(taken: Taken, *, by_tap: bool) -> Case:
    kind = Kind.SKIPPED if by_tap else Kind.FAILED
    return Case(taken, None, Verdict(kind, "not ready: the order item has no catalog yet"))


def no_store(request: Request) -> str:
    """Say that the store of a request is not there."""
    return NO_DELIVER_TO if request.by_tap else UNKNOWN_STORE
