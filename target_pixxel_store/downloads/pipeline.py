"""The download pipeline: downloads requested sources in threads, and records outcomes."""

from __future__ import annotations

from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from typing import TYPE_CHECKING

from pixxel_api.errors import Forbidden
from pixxel_singer.exit_codes import ExitCode
from target_pixxel_store.catalog_selection import PendingRequest
from target_pixxel_store.circuit_breaker import CircuitBreaker
from target_pixxel_store.download_sources import catalog_source
from target_pixxel_store.downloads.downloader import DownloadJob
from target_pixxel_store.errors import CircuitOpenError, RecordError, RunAborted
from target_pixxel_store.locations import normalize_path
from target_pixxel_store.outcomes import Decision, Outcome, OutcomeKind, TargetLocation
from target_pixxel_store.records import CATALOG_ID

if TYPE_CHECKING:
    from collections.abc import Callable

    from pixxel_singer.progress import DownloadProgress
    from target_pixxel_store.api.downloads import DownloadApi
    from target_pixxel_store.catalog_selection import CatalogSelection
    from target_pixxel_store.downloads.downloader import Downloader
    from target_pixxel_store.outcomes.checkpoints import InflightRecord
    from target_pixxel_store.outcomes.recorder import OutcomeRecorder
    from target_pixxel_store.records import CatalogRequest, SourceRequest
    from target_pixxel_store.settings import Settings

_MAX_QUEUED = 100  # files that wait for a thread; further requests stay in the input
_POLL_SECONDS = 0.1  # seconds between two checks for a signal
_STOP_SECONDS = 2.0  # seconds for a transfer to stop


class Cancelled(BaseException):
    """The run has ended; a BaseException, as no error handler may catch it."""


class CancellationToken:
    """Called between steps; raises to stop the threads after a signal or at the run's end."""

    def __init__(self, check: Callable[[], None]) -> None:
        self._check = check
        self.is_cancelled = False

    def __call__(self) -> None:
        """Raise what `check` raises after a signal, or `Cancelled`."""
        self._check()
        if self.is_cancelled:
            raise Cancelled


class DownloadPipeline:
    """Downloads what records request; files may finish in any order.

    Args:
        settings: The settings.
        api: Finds out whether a source can be downloaded.
        selection: Selects the catalogs of a request.
        downloader: Downloads one source.
        recorder: Records the outcomes.
        progress: Shows the bytes received.
        cancellation: Stops the threads.

    Attributes:
        root: The folder or URL of the destination.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        api: DownloadApi,
        selection: CatalogSelection,
        downloader: Downloader,
        root: str,
        recorder: OutcomeRecorder,
        progress: DownloadProgress,
        cancellation: CancellationToken,
    ) -> None:
        self._settings = settings
        self._api = api
        self._selection = selection
        self._downloader = downloader
        self.root = root
        self._recorder = recorder
        self._progress = progress
        self._cancellation = cancellation
        self._breaker = CircuitBreaker()
        self._in_flight: dict[Future[Outcome], DownloadJob] = {}
        self._records: dict[DownloadJob, list[InflightRecord]] = {}
        self._pool = ThreadPoolExecutor(
            settings.download_concurrency, thread_name_prefix="pixxel-download"
        )

    # Requests

    def add_request(self, inflight: InflightRecord, request: CatalogRequest) -> None:
        """Add a request of catalogs; each starts at once, or when a thread is free.

        Raises:
            RecordError: It lacks a field that the settings filter by.
            RunAborted: A record failed, or `max_deliveries` is reached.
        """
        if reason := self._selection.skip_reason(request):
            outcome = Outcome(OutcomeKind.SKIPPED, reason, request.catalog_id)
            self._recorder.record(inflight, outcome)
            return
        pending_request = PendingRequest(inflight, request)
        for found in self._selection.select_catalogs(
            pending_request, self._selection.read_order_items([pending_request])
        ):
            if isinstance(found, Decision):
                outcome = Outcome(OutcomeKind(found.kind.value), found.reason)
                self._recorder.record(inflight, outcome)
                continue
            try:
                path = normalize_path(self._selection.render_path(request, found))
                job = DownloadJob(catalog_source(found[CATALOG_ID]), path)
            except RecordError as error:
                outcome = Outcome(OutcomeKind.FAILED, str(error), found[CATALOG_ID])
                self._recorder.record(inflight, outcome)
                continue
            self._enqueue(inflight, job)

    def add_source_request(self, inflight: InflightRecord, request: SourceRequest) -> None:
        """Add a request of another source; it starts at once, or when a thread is free.

        Its path is the record's own, or that of the template if the record has its fields, or the
        default folder of the source.

        Raises:
            RecordError: The template makes no path of its fields.
            RunAborted: A record failed, or `max_deliveries` is reached.
        """
        template, path = self._settings.path_template, request.path
        if path is None and template.has_fields(request.fields):
            path = template.render(request.fields)
        elif path is None:
            path = request.source.default_folder
        self._enqueue(inflight, DownloadJob(request.source, normalize_path(path)))

    def poll(self) -> None:
        """Record the results of finished downloads; raise `RunAborted` where one ends the run."""
        for future in [each for each in self._in_flight if each.done()]:
            self._record_result(future)

    def finish(self) -> None:
        """Wait for all downloads at the end of the input; raise as `poll` does."""
        self._wait_until_in_flight(0)

    def close(self) -> None:
        """Stop the transfers, keeping partial files, and record the finished downloads."""
        self._cancellation.is_cancelled = True
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._progress.stop()
        begun = [each for each in self._in_flight if not each.cancelled()]
        done, _ = wait(begun, timeout=_STOP_SECONDS)
        for future in done:
            if future.exception() is None:
                with suppress(RunAborted, CircuitOpenError):  # the run is ending
                    self._record_result(future)
        self._downloader.close()

    # Files

    def _enqueue(self, inflight: InflightRecord, job: DownloadJob) -> None:
        if job in self._records:
            self._records[job].append(inflight)
        elif self._settings.dry_run:
            self._record_plan(inflight, job)
        else:
            self._wait_until_in_flight(_MAX_QUEUED)
            while self._recorder.is_limit_reached():
                if not self._in_flight:
                    raise self._limit_reached_error()
                # An existing file does not count, so one finished download may be enough.
                self._wait_until_in_flight(len(self._in_flight) - 1)
            self._recorder.download_count += 1
            self._records[job] = [inflight]
            self._progress.add_file()
            self._in_flight[self._pool.submit(self._download, job)] = job

    def _limit_reached_error(self) -> RunAborted:
        count = self._recorder.delivery_count + self._recorder.download_count
        reason = f"{count} deliveries and downloads requested; see 'max_deliveries'"
        return RunAborted(ExitCode.INCOMPLETE, reason)

    def _download(self, job: DownloadJob) -> Outcome:
        """Execute a job, in a thread."""
        with self._progress.track_file() as show:
            return self._downloader.download(job, show)

    def _wait_until_in_flight(self, max_in_flight: int) -> None:
        """Wait until at most `max_in_flight` downloads are not finished."""
        while len(self._in_flight) > max_in_flight:
            self._cancellation()
            done, _ = wait(self._in_flight, timeout=_POLL_SECONDS, return_when=FIRST_COMPLETED)
            for future in done:
                self._record_result(future)

    def _record_result(self, future: Future[Outcome]) -> None:
        """Record the outcome of a download; raise where that ends the run."""
        job = self._in_flight.pop(future)
        outcome = future.result()
        if outcome.kind in {OutcomeKind.EXISTS, OutcomeKind.PENDING}:
            self._recorder.download_count -= 1  # nothing was downloaded
        location = TargetLocation(self.root, job.path, is_download=True)
        self._recorder.record_all(self._records.pop(job), outcome._replace(location=location))
        if outcome.kind is OutcomeKind.FAILED:
            self._breaker.record_failure(outcome.failure_kind, outcome.reason)
        else:
            self._breaker.record_success()

    def _record_plan(self, inflight: InflightRecord, job: DownloadJob) -> None:
        """Record what would be done with a source in a dry run."""
        outcome = self._plan(job)
        if outcome.kind is OutcomeKind.CREATED:
            if self._recorder.is_limit_reached():
                raise self._limit_reached_error()
            self._recorder.download_count += 1
        location = TargetLocation(self.root, job.path, is_download=True)
        self._recorder.record(inflight, outcome._replace(location=location))

    def _plan(self, job: DownloadJob) -> Outcome:
        try:
            if existing := self._downloader.find_existing(job):
                return existing
        except RecordError as error:
            return job.make_outcome(OutcomeKind.FAILED, str(error))
        try:
            problem = self._api.find_problem(job.source)
        except Forbidden as error:
            reason = self._api.api.describe_forbidden(error)
            return job.make_outcome(OutcomeKind.FAILED, reason)
        if problem is None:
            return job.make_outcome(OutcomeKind.CREATED)
        kind = OutcomeKind.PENDING if problem.is_pending else OutcomeKind.FAILED
        return job.make_outcome(kind, problem.reason)
