"""The run of downloads: records in, files fetched several at once, each record accounted for."""

from __future__ import annotations

from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Final

from pixxel_singer.exit_codes import ExitCode
from target_pixxel_store.accounts import Outcome
from target_pixxel_store.books import Halt, Whereto
from target_pixxel_store.deliverer import UNKNOWN
from target_pixxel_store.downloads.downloader import FOREIGN, TAKEN, Got, Job
from target_pixxel_store.plan import Kind, Verdict
from target_pixxel_store.records import CATALOG_ID, Rejected
from target_pixxel_store.selection import Pending
from target_pixxel_store.streak import ServiceFailing, Streak

if TYPE_CHECKING:
    from target_pixxel_store.api import Api
    from target_pixxel_store.books import Books
    from target_pixxel_store.downloads.bars import Bars
    from target_pixxel_store.downloads.brake import Brake
    from target_pixxel_store.downloads.downloader import Downloader
    from target_pixxel_store.ledger import Taken
    from target_pixxel_store.records import Request
    from target_pixxel_store.selection import Selection
    from target_pixxel_store.settings import Settings

_WAITING: Final = 100
"""Files that wait for their turn; what more is asked for waits in the input."""
_LOOK: Final = 0.1  # seconds between two looks for a signal
_GRACE: Final = 2.0  # seconds that a file in flight has to come to a stop


class Downloads:
    """Downloads what records ask for; the files in flight may end in any order.

    Args:
        root: The destination's name.
        brake: What stops the threads.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        api: Api,
        selection: Selection,
        downloader: Downloader,
        root: str,
        books: Books,
        bars: Bars,
        brake: Brake,
    ) -> None:
        self._settings = settings
        self._api = api
        self._selection = selection
        self._downloader = downloader
        self._root = root
        self._books = books
        self._bars = bars
        self._brake = brake
        self._streak = Streak()
        self._flight: dict[Future[Got], Job] = {}
        self._takens: dict[Job, list[Taken]] = {}
        self._pool = ThreadPoolExecutor(
            settings.download_concurrency, thread_name_prefix="pixxel-download"
        )

    # Records in

    def request(self, taken: Taken, request: Request) -> None:
        """Take a wish for downloads; it is acted on at once, or when others are done.

        Raises:
            Rejected: It lacks what the settings look at.
            Halt: A record failed, or there are too many downloads.
        """
        if why := self._selection.unwanted(request):
            self._books.settle(taken, Outcome(Kind.SKIPPED, why, request.catalog_id))
            return
        one = Pending(taken, request)
        for found in self._selection.catalogs(one, self._selection.of_items([one])):
            if isinstance(found, Verdict):
                self._books.settle(taken, Outcome(Kind(found.kind.value), found.reason))
                continue
            try:
                job = Job(found[CATALOG_ID], self._selection.path(request, found))
            except Rejected as error:
                self._books.settle(taken, Outcome(Kind.FAILED, str(error), found[CATALOG_ID]))
                continue
            self._add(taken, job)

    def tick(self) -> None:
        """Account for what is done by now.

        Raises:
            Halt: A record failed.
        """
        for future in [each for each in self._flight if each.done()]:
            self._settle(future)

    def finish(self) -> None:
        """Wait until all is done, the input being at its end.

        Raises:
            Halt: A record failed.
        """
        self._wait(0)

    def close(self) -> None:
        """Stop what is in flight, which keeps its parts, and account for what is done."""
        self._brake.pull()
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._bars.close()
        done, _ = wait(self._flight, timeout=_GRACE)
        for future in done:
            if not future.cancelled() and future.exception() is None:
                try:
                    self._settle(future)
                except (Halt, ServiceFailing):
                    continue  # the run ends already
        self._downloader.close()

    # Files

    def _add(self, taken: Taken, job: Job) -> None:
        if job in self._takens:
            self._takens[job].append(taken)
        elif self._settings.dry_run:
            self._plan(taken, job)
        else:
            self._wait(_WAITING)
            while self._books.is_full():
                if not self._flight:
                    raise self._too_many()
                self._wait(len(self._flight) - 1)  # one that is there already makes room
            self._books.downloads += 1
            self._takens[job] = [taken]
            self._bars.open()
            self._flight[self._pool.submit(self._get, job)] = job

    def _too_many(self) -> Halt:
        asked = self._books.deliveries + self._books.downloads
        why = f"{asked} deliveries and downloads were asked for; see 'max_deliveries'"
        return Halt(ExitCode.INCOMPLETE, why)

    def _get(self, job: Job) -> Got:
        """Do a job, in a thread."""
        with self._bars.of(job.catalog) as show:
            return self._downloader.get(job, show)

    def _wait(self, most: int) -> None:
        """Wait until at most so many are in flight."""
        while len(self._flight) > most:
            self._brake()
            done, _ = wait(self._flight, timeout=_LOOK, return_when=FIRST_COMPLETED)
            for future in done:
                self._settle(future)

    def _settle(self, future: Future[Got]) -> None:
        """Account for a file.

        Raises:
            Halt: It failed, and that ends the run.
            ServiceFailing: Too many failed in the same way, one after the other.
        """
        job = self._flight.pop(future)
        takens = self._takens.pop(job)
        got = future.result()
        if got.kind is Kind.EXISTS:
            self._books.downloads -= 1  # nothing was fetched
        self._account(takens, job, got)
        if got.kind is not Kind.FAILED:
            self._streak.end()
        elif got.reason not in {TAKEN, FOREIGN}:  # which is no failure of the service
            self._streak.fail(got.reason)
            self._streak.check()

    def _account(self, takens: list[Taken], job: Job, got: Got) -> None:
        outcome = Outcome(
            got.kind,
            got.reason,
            job.catalog,
            uri=got.uri,
            attempts=got.attempts,
            download=got.download,
        )
        self._books.settle_all(takens, outcome, Whereto(self._root, job.path))

    def _plan(self, taken: Taken, job: Job) -> None:
        """Tell what would be done about a catalog, and do nothing."""
        got = self._planned(job)
        if got.kind is Kind.CREATED:
            if self._books.is_full():
                raise self._too_many()
            self._books.downloads += 1
        self._account([taken], job, got)

    def _planned(self, job: Job) -> Got:
        try:
            if there := self._downloader.there(job):
                return there
        except Rejected as error:
            return Got(Kind.FAILED, str(error))
        known = self._api.known([job.catalog])
        return Got(Kind.CREATED) if known else Got(Kind.FAILED, UNKNOWN)
