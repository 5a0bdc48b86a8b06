"""The downloader: requests, transfers and stores the file of one source; safe for threads.

The API keeps no list of downloads, and a download that nobody fetches costs nothing. So a request
without a response is simply sent again. A download whose id is in the journal is continued; where
the API gives no id, the request is repeated, which also polls.
"""

from __future__ import annotations

import logging
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple

from pixxel_api.errors import ApiError, ConnectError, Forbidden, Unauthorized
from target_pixxel_store.api.errors import (
    REFUSAL_STATUSES,
    describe_refusal,
    find_failure_kind,
)
from target_pixxel_store.api.models import Download
from target_pixxel_store.downloads.destination import folder_uri
from target_pixxel_store.downloads.response_checks import find_checksum_error, safe_filename
from target_pixxel_store.downloads.transfer import Transfer
from target_pixxel_store.errors import FailureKind, RecordError, SignedUrlRefused
from target_pixxel_store.journal.journal_state import DownloadedFile, DownloadKey
from target_pixxel_store.outcomes import Outcome, OutcomeKind
from target_pixxel_store.polling import Backoff, poll_for, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from target_pixxel_store.api.downloads import DownloadApi
    from target_pixxel_store.download_sources import DownloadSource
    from target_pixxel_store.downloads.destination import DownloadDestination
    from target_pixxel_store.downloads.partial_file import RemoteFile
    from target_pixxel_store.downloads.transfer import Fetcher
    from target_pixxel_store.journal.journal import Journal

    ReportProgress = Callable[[str, int, int | None], None]

logger = logging.getLogger(__name__)

BACKOFF = Backoff(first=1.0, factor=2, longest=30.0)
MAX_DOWNLOAD_REQUESTS = 4  # for one download while the API fails
MAX_REFUSED_URLS = 3  # in a row without new data
_LOCK_SECONDS = 0.1  # between two checks for a signal
_UNREADY_STATUSES = frozenset({409, 425})
"""Statuses of a request for a package that is not ready yet."""
_REFUSED = "the API does not make the download; run again later, and check the record's "
NAME_CONFLICT = (
    "the file of another download has this name in the same folder; give each its own path"
)
EXISTING_FILE = (
    "a different file with this name exists in the folder; move it, or download to another folder"
)
UNKNOWN_FILE = (
    "a file with this name and size exists in the folder, and the server states no checksum that "
    "shows whether it is the same; move it, or download to another folder"
)


class DownloadJob(NamedTuple):
    """A source to download, and the path below the destination, with single slashes."""

    source: DownloadSource
    path: str

    def make_outcome(self, kind: OutcomeKind, reason: str = "", **more: Any) -> Outcome:
        """Return an outcome with the ids of the source."""
        fields = self.source.fields
        ids = {name: fields[name] for name in fields if name in Outcome._fields}
        return Outcome(kind, reason, **ids, **more)


@dataclass(slots=True)
class _Attempt:
    """What was done so far to download a source, by this run and by earlier ones.

    Attributes:
        is_checked: Whether the source was found to exist, and to be finished.
        is_known: Whether the API has returned the download by its id.
    """

    job: DownloadJob
    key: DownloadKey
    download_id: str | None = None
    from_earlier_run: bool = False
    request_count: int = 0
    is_checked: bool = False
    is_known: bool = False

    def count_request(self) -> None:
        self.request_count += 1

    def discard_download(self) -> None:
        """Forget the download, so that a new one is requested."""
        self.download_id, self.from_earlier_run, self.is_known = None, False, False


class _AlreadyDownloadedError(Exception):
    """The file exists already; the arguments are its name and size."""


class _SourceUnfinishedError(Exception):
    """A later run may download the source; the argument is the reason."""


class Downloader:
    """Downloads sources.

    Args:
        api: Requests downloads, and finds out whether a source can be downloaded.
        fetcher: Transfers files.
        destination: Stores files.
        journal: Contains the downloads and files of all runs.
        timeout: Seconds to wait until a download is ready.
        check: Called while waiting; raises to stop.
    """

    def __init__(
        self,
        api: DownloadApi,
        fetcher: Fetcher,
        destination: DownloadDestination,
        journal: Journal,
        *,
        timeout: float,
        check: Callable[[], None],
    ) -> None:
        self._api = api
        self._fetcher = fetcher
        self._destination = destination
        self._journal = journal
        self._timeout = timeout
        self._check = check
        self._lock = threading.Lock()
        self._claims: dict[tuple[str, str], DownloadSource] = {}
        self._packages: dict[str, threading.Lock] = {}

    def close(self) -> None:
        """Close the connections of the transfers."""
        self._fetcher.close()

    def find_existing(self, job: DownloadJob) -> Outcome | None:
        """Return the outcome where the journal's file of a job exists; send no request."""
        key = self._key(job)
        file = self._journal.state.files.get(key)
        if file is None or self._destination.file_size(job.path, file.name) != file.size:
            return None
        uri = f"{key.folder}/{file.name}"
        return job.make_outcome(OutcomeKind.EXISTS, uri=uri, download_id=file.download_id)

    def download(self, job: DownloadJob, report_progress: ReportProgress) -> Outcome:
        """Download a source.

        Args:
            job: Two jobs of the same source and path must not run at the same time.
            report_progress: Called with the file's name, the bytes received so far, and its size.

        Raises:
            ConnectError: The API cannot be reached.
            Unauthorized, Forbidden: The token is invalid, or can read nothing.
            DestinationError: The destination is full or broken, or refuses access.
        """
        key = self._key(job)
        attempt = _Attempt(job, key, self._journal.state.download_ids.get(key))
        attempt.from_earlier_run = attempt.download_id is not None
        kind, reason, uri, failure_kind = OutcomeKind.CREATED, "", None, None
        try:
            if existing := self.find_existing(job):
                return existing
            with (
                self._lock_package(job.source),
                self._destination.partial_file(job.path, job.source.file_stem) as part,
            ):
                resolve_name = partial(self._resolve_name, attempt)
                transfer = Transfer(part, resolve_name, report_progress, attempt.count_request)
                try:
                    name = self._fetch(attempt, transfer).name
                    file = DownloadedFile(name, part.size, attempt.download_id)
                    # First, so that after a kill the file is known as that of this source.
                    self._journal.record_file(key, file)
                    self._destination.commit(part, job.path, name)
                except _AlreadyDownloadedError as there:
                    kind, (name, size) = OutcomeKind.EXISTS, there.args
                    self._journal.record_file(key, DownloadedFile(name, size, attempt.download_id))
                    part.discard()
            uri = f"{key.folder}/{name}"
        except (ConnectError, Unauthorized):
            raise
        except Forbidden as error:
            kind, reason = OutcomeKind.FAILED, self._api.api.describe_forbidden(error)
        except _SourceUnfinishedError as error:
            kind, reason = OutcomeKind.PENDING, str(error)
        except (RecordError, ApiError) as error:
            kind, reason = OutcomeKind.FAILED, str(error)
            if isinstance(error, ApiError):
                failure_kind = find_failure_kind(error)
            else:
                failure_kind = error.failure_kind
        return job.make_outcome(
            kind,
            reason,
            uri=uri,
            attempts=attempt.request_count,
            download_id=attempt.download_id,
            failure_kind=failure_kind,
        )

    @contextmanager
    def _lock_package(self, source: DownloadSource) -> Iterator[None]:
        """Wait until nothing else downloads a package that the API identifies by the same ids.

        A request for other parts of it, or with another path, could replace the package.
        """
        if source.kind.is_polled:
            yield
            return
        with self._lock:
            lock = self._packages.setdefault(source.request_path, threading.Lock())
        while not lock.acquire(timeout=_LOCK_SECONDS):
            self._check()
        try:
            yield
        finally:
            lock.release()

    def _key(self, job: DownloadJob) -> DownloadKey:
        return DownloadKey(job.source, folder_uri(self._destination, job.path))

    # The file

    def _fetch(self, attempt: _Attempt, transfer: Transfer) -> RemoteFile:
        """Transfer a file, with new signed URLs where one is refused."""
        part, refused = transfer.part, 0
        while True:
            url, before = self._wait_for_signed_url(attempt), part.size
            try:
                return self._fetcher.fetch(url, transfer)
            except SignedUrlRefused as error:
                refused = refused + 1 if part.size <= before else 1
                if refused < MAX_REFUSED_URLS:
                    logger.info("%s: %s; requesting a new one", part.name, error)
                elif attempt.from_earlier_run:  # an earlier run's download may have expired
                    attempt.discard_download()
                    refused = 0
                else:
                    raise RecordError(
                        f"{error}, and so were new ones", FailureKind.SERVER
                    ) from None

    def _resolve_name(self, attempt: _Attempt, remote_file: RemoteFile) -> RemoteFile:
        """Return a file with its final name, unless another file has it, or it exists already."""
        job, key = attempt.job, attempt.key
        named = remote_file._replace(name=remote_file.name or safe_filename(job.source.file_stem))
        state, place = self._journal.state, (key.folder, named.name)
        with self._lock:
            owner = self._claims.setdefault(place, state.file_owners.get(place, key.source))
        if owner != key.source:
            raise RecordError(NAME_CONFLICT)
        ours = state.files.get(key)
        size = self._destination.file_size(job.path, named.name)
        if size is None or (ours is not None and ours.name == named.name):
            return named
        if named.size not in {None, size}:
            raise RecordError(EXISTING_FILE)
        if not named.checksums:
            raise RecordError(UNKNOWN_FILE)
        with self._destination.open_file(job.path, named.name) as file:
            if find_checksum_error(file, named.checksums, self._check):
                raise RecordError(EXISTING_FILE)
        raise _AlreadyDownloadedError(named.name, size)

    # The signed URL

    def _wait_for_signed_url(self, attempt: _Attempt) -> str:
        """Return a signed URL of a source's download; request the download where there is none."""
        found = self._prepare(attempt)
        if attempt.from_earlier_run and not (found and (found.is_ready or found.is_in_progress)):
            attempt.discard_download()
            found = self._prepare(attempt)
        if found is None:
            raise RecordError("the API no longer knows the requested download")
        if found.has_failed:
            text = (
                f"the API failed to prepare the download ({found.status}); request it again later"
            )
            raise RecordError(text, FailureKind.SERVER)
        if found.url is None or not found.is_ready:
            text = f"the download is not ready after {self._timeout:g} s; see 'download_timeout'"
            last = f"; its last status was {found.status}" if found.status else ""
            raise RecordError(f"{text}, and run again{last}", FailureKind.TIMEOUT)
        return found.url

    def _prepare(self, attempt: _Attempt) -> Download | None:
        """Request a download unless there is one, and poll until it has ended; None if unknown."""
        found: Download | None = None
        if attempt.download_id is None:
            if attempt.job.source.kind.has_status and not attempt.is_checked:
                self._check_source(attempt)
            self._journal.record_download_intent(attempt.key)
            found = self._request_download(attempt)
            if not found.is_pending:
                return found

        def has_ended() -> bool | None:
            nonlocal found
            found = self._poll(attempt)
            if found is None or not found.is_pending:
                return True
            # What an earlier run has waited for, and is not in progress, may stay as it is.
            return True if attempt.from_earlier_run and not found.is_in_progress else None

        poll_for(self._timeout, has_ended, self._check, BACKOFF)
        return found

    def _poll(self, attempt: _Attempt) -> Download | None:
        """Return the requested download; without an id only the same request shows its state."""
        if attempt.download_id is None:
            return self._request_download(attempt)
        try:
            found = self._api.get_download(attempt.job.source, attempt.download_id)
        except ApiError as error:
            if attempt.from_earlier_run and error.status in REFUSAL_STATUSES:
                return None
            return self._explain_refusal(attempt, error)
        if found is None and not (attempt.is_known or attempt.from_earlier_run):
            return Download(attempt.download_id, "404", None)  # it may not be known yet
        attempt.is_known = True
        return found

    def _request_download(self, attempt: _Attempt) -> Download:
        """Request a download; again while the API fails, as an extra download does no harm."""
        number = 0
        while True:
            number += 1
            attempt.count_request()
            try:
                found = self._api.request_download(attempt.job.source)
            except ApiError as error:
                is_unready = _is_unready(attempt.job.source, error)
                if error.retryable and not is_unready and number < MAX_DOWNLOAD_REQUESTS:
                    wait_for(BACKOFF.pause(number - 1), self._check)
                    continue
                return self._explain_refusal(attempt, error)
            if found.id is not None:
                attempt.download_id = found.id
                self._journal.record_download(attempt.key, found.id)
            return found

    def _explain_refusal(self, attempt: _Attempt, error: ApiError) -> Download:
        """Return the pending download where a response says that it is not ready yet.

        Raises:
            ApiError: The request failed.
            RecordError: The API refuses it; the text says what to check.
        """
        source = attempt.job.source
        if _is_unready(source, error):
            if not attempt.is_checked:
                self._check_source(attempt)
            return Download(attempt.download_id, str(error.status), None)
        if error.status in REFUSAL_STATUSES:
            self._check_source(attempt)
            names = frozenset(source.fields)
            raise RecordError(describe_refusal(error, _REFUSED, names)) from None
        raise error

    def _check_source(self, attempt: _Attempt) -> None:
        """Raise where a source cannot be downloaded, so that no part of it counts as all of it."""
        attempt.is_checked = True
        problem = self._api.find_problem(attempt.job.source)
        if problem is not None:
            error = _SourceUnfinishedError if problem.is_pending else RecordError
            raise error(problem.reason) from None


def _is_unready(source: DownloadSource, error: ApiError) -> bool:
    """Return whether a response says that the package of a source is not ready yet.

    Its 202 may have no body; where the response must have an id, that is an error.
    """
    is_accepted = error.status == HTTPStatus.ACCEPTED and not source.kind.is_polled
    return is_accepted or error.status in _UNREADY_STATUSES
