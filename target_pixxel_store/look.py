"""Looks: the API's lists as they are now, also where they lag behind or are cut."""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from target_pixxel_store.plan import View

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from target_pixxel_store.api import Api, Delivery, Listing, Store
    from target_pixxel_store.journal import Journal
    from target_pixxel_store.plan import Job

logger = logging.getLogger(__name__)

Found = TypeVar("Found")
OLDEST = 60.0  # seconds after which the lists are read again
FIRST_PAUSE = 0.25  # seconds between two looks; doubled each time
LONGEST_PAUSE = 4.0
FEWEST = 10
"""Rows of the shortest list that might be cut."""


class MisunderstoodError(Exception):
    """The API has done something else than it was asked for; the text says what."""


def may_be_cut(rows: int) -> bool:
    """Tell whether a list has a length that a server would cut a list to.

    The lists state no bound. One whose length is a round number may go on, and the price of a
    wrong guess is a request for each catalog that is about to be delivered.
    """
    return rows >= FEWEST and (rows % 10 == 0 or rows % 25 == 0 or rows & (rows - 1) == 0)


class Looks:
    """Reads what stands where, once a minute, and again when in doubt; safe for threads.

    Args:
        api: Asks.
        journal: Is told of what is listed by now of all that was asked for without an answer.
        settle_seconds: After which what was asked for is surely listed.
        threads: Requests at once, where the list is cut.

    Attributes:
        view: What stands where, as it was last seen.
        cut: Whether the list may not be the whole one.
        seen_at: When the view was read, in seconds since 1970.
    """

    def __init__(self, api: Api, journal: Journal, settle_seconds: float, threads: int) -> None:
        self._api = api
        self._journal = journal
        self._settle = settle_seconds
        self._threads = threads
        self._read_at = float("-inf")
        self._asked: set[str] = set()
        self._made: dict[str, Store] = {}
        self._gone: set[str] = set()
        self._lock = threading.Lock()
        self.view = View({}, journal.memory)
        self.cut = False
        self.seen_at = 0.0

    def now(self, *, oldest: float = OLDEST) -> View:
        """Give what stands where; read again when the last look is older than so many seconds."""
        if time.monotonic() - self._read_at > oldest:
            began, seen_at = time.monotonic(), time.time()
            stores = self.stores()
            listing = self._api.deliveries()
            with self._lock:
                self.view = View(stores, self._journal.memory)
                self._see(listing)
                self._note_answers()
                self._asked.clear()
                self._read_at, self.seen_at = began, seen_at
        return self.view

    def stores(self) -> dict[str, Store]:
        """List the stores, with those made just now, and without those deleted just now."""
        stores = {store.id: store for store in self._api.stores()} | self._made
        return {key: store for key, store in stores.items() if key not in self._gone}

    def remember(self, store: Store) -> None:
        """Know a store that was made just now, whatever the list says."""
        self._made[store.id] = store
        self.view.stores[store.id] = store

    def drop(self, store: str) -> None:
        """Know that a store was deleted just now, whatever the list says."""
        self._gone.add(store)
        self._made.pop(store, None)
        self.view.stores.pop(store, None)

    def ask_for(self, catalogs: Iterable[str]) -> None:
        """Look at these catalogs one by one, where the list may be cut."""
        wanted = [each for each in dict.fromkeys(catalogs) if each not in self._asked]
        if self.cut and wanted:
            found = self._one_by_one(wanted)
            with self._lock:
                self._asked.update(wanted)
                self.view.see(found)
                self._note_answers()

    def find(self, jobs: Sequence[Job], before: set[str]) -> dict[Job, Delivery]:
        """Look whether jobs have deliveries now that they had not before.

        Args:
            jobs: What was asked for.
            before: Ids of the deliveries that were there.

        Raises:
            MisunderstoodError: There is one at another path than was asked for.
        """
        listing = self._api.deliveries()
        with self._lock:
            self._see(listing)
        found = self.match(jobs, listing.deliveries, before)
        if self.cut and (missing := [job for job in jobs if job not in found]):
            listed = self._one_by_one([job.catalog for job in missing])
            found |= self.match(missing, listed, before)
        return found

    def match(
        self, jobs: Sequence[Job], deliveries: Sequence[Delivery], before: set[str]
    ) -> dict[Job, Delivery]:
        """Take up deliveries, and find the jobs' among them.

        Raises:
            MisunderstoodError: There is one at another path than was asked for.
        """
        with self._lock:
            self.view.see(deliveries)
            new = [each for each in deliveries if each.id not in before]
            placed = {(each.catalog, self.view.place_of(each)): each for each in new}
        found = {job: placed[job.identity] for job in jobs if job.identity in placed}
        theirs = {each.id for each in found.values()}
        strays = {(each.catalog, each.store) for each in new
                  if each.id not in theirs and not each.automated}  # fmt: skip
        for job in jobs:
            if job not in found and (job.catalog, job.store.id) in strays:
                raise MisunderstoodError(
                    f"catalog {job.catalog}: the API lists its delivery at another path than it "
                    "was asked for; nothing more is sent, so that nothing is delivered twice"
                )
        return found

    def ids(self) -> set[str]:
        """Give the ids of all deliveries that are known."""
        with self._lock:
            return set(self.view.ids)

    def standing(self, job: Job) -> list[str]:
        """Give the ids of the deliveries that a job has already, all of them FAILED."""
        with self._lock:
            return [each.id for each in self.view.here(job.identity)]

    def _see(self, listing: Listing) -> None:
        self.view.see(listing.deliveries)
        memory = self._journal.memory
        listed = {each.id for each in listing.deliveries}
        old = time.time() - self._settle
        self.cut = (
            self.cut
            or may_be_cut(listing.rows)
            or any(key not in listed and memory.made[key].at < old for key in memory.last.values())
        )

    def _note_answers(self) -> None:
        self._journal.made(list(self.view.answers()))

    def _one_by_one(self, catalogs: Iterable[str]) -> list[Delivery]:
        def ask(catalog: str) -> list[Delivery]:
            return self._api.deliveries(catalog_id=catalog).deliveries

        with ThreadPoolExecutor(self._threads, thread_name_prefix="pixxel-look") as workers:
            return [each for found in workers.map(ask, catalogs) for each in found]


def wait_until(moment: float, check: Callable[[], None], *, step: float = 0.1) -> None:
    """Sleep until a time in seconds since 1970, ending at once when asked to stop."""
    while (left := moment - time.time()) > 0:
        check()
        time.sleep(min(left, step))


def wait_settled(until: float, check: Callable[[], None]) -> None:
    """Wait, and say so, until all that earlier runs have asked for is surely listed."""
    logger.info(
        "waiting %.0f s until all that was asked for before is surely listed, see 'settle_seconds'",
        max(until - time.time(), 0),
    )
    wait_until(until, check)


def look_until(
    moment: float, look: Callable[[], Found | None], check: Callable[[], None]
) -> Found | None:
    """Look until something is there; the last look begins after a time in seconds since 1970."""
    pause = FIRST_PAUSE
    while True:
        last = time.time() >= moment
        if (found := look()) is not None or last:
            return found
        wait_until(min(moment, time.time() + pause), check)
        pause = min(2 * pause, LONGEST_PAUSE)
