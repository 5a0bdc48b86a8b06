"""The downloader: prepares, transfers and stores one catalog; safe for threads."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from pixxel_api.errors import ApiError, ConnectError, Forbidden, Unauthorized
from target_pixxel_store.downloads.destination import folder_uri
from target_pixxel_store.downloads.preparation import Attempt
from target_pixxel_store.downloads.response_checks import safe_filename
from target_pixxel_store.errors import RecordError, SignedUrlRefused
from target_pixxel_store.journal.journal_state import DownloadedFile, DownloadKey
from target_pixxel_store.outcomes import OutcomeKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_pixxel_store.downloads.destination import DownloadDestination
    from target_pixxel_store.downloads.partial_file import PartialFile, RemoteFile
    from target_pixxel_store.downloads.preparation import Preparer
    from target_pixxel_store.downloads.transfer import Fetcher
    from target_pixxel_store.journal.journal import Journal

logger = logging.getLogger(__name__)

MAX_REFUSED_URLS = 3
"""Signed URLs in a row that are refused without new data."""
NAME_CONFLICT = (
    "another catalog's file has this name in the same folder; give each catalog its own path"
)
EXISTING_FILE = (
    "a different file with this name exists in the folder; move it, or download to another folder"
)


@dataclass(frozen=True, slots=True)
class DownloadJob:
    """A catalog to download.

    Attributes:
        path: The path below the destination, with slashes.
    """

    catalog_id: str
    path: str


class DownloadResult(NamedTuple):
    """The result of a job.

    Attributes:
        uri: The location of the file.
        download_id: Id of the download.
        attempts: The number of requests for a download and for its file.
    """

    kind: OutcomeKind
    reason: str = ""
    uri: str | None = None
    download_id: str | None = None
    attempts: int = 0


class Downloader:
    """Downloads catalogs.

    Args:
        preparer: Waits for signed URLs.
        fetcher: Transfers files.
        destination: Stores files.
        journal: Contains the downloads and files of all runs.
    """

    def __init__(
        self,
        preparer: Preparer,
        fetcher: Fetcher,
        destination: DownloadDestination,
        journal: Journal,
    ) -> None:
        self._preparer = preparer
        self._fetcher = fetcher
        self._destination = destination
        self._journal = journal
        self._lock = threading.Lock()
        self._claims: dict[tuple[str, str], str] = {}

    def close(self) -> None:
        """Close the connections of the transfers."""
        self._fetcher.close()

    def find_existing(self, job: DownloadJob) -> DownloadResult | None:
        """Return the result where the journal's file of a job exists; sends no request.

        Raises:
            RecordError: The destination cannot be read.
        """
        key = self._key(job)
        file = self._journal.state.files.get(key)
        if file is None or self._destination.file_size(job.path, file.name) != file.size:
            return None
        return DownloadResult(OutcomeKind.EXISTS, "", f"{key.folder}/{file.name}", file.download_id)

    def download(
        self, job: DownloadJob, report_progress: Callable[[int, int], None]
    ) -> DownloadResult:
        """Download a catalog.

        Args:
            job: Two jobs of the same catalog and path must not run at the same time.
            report_progress: Called with the bytes received so far, and the size of the file.

        Raises:
            ConnectError: The API cannot be reached.
            Unauthorized, Forbidden: The token has no permission.
            DiskError: The disk is full or broken.
        """
        attempt = Attempt(self._key(job), None)
        try:
            if there := self.find_existing(job):
                return there
            attempt.download_id = self._journal.state.download_ids.get(attempt.key)
            attempt.from_earlier_run = attempt.download_id is not None
            with self._destination.partial_file(job.path, job.catalog_id) as part:
                kind, file = self._store(job, attempt, part, report_progress)
            self._journal.record_file(attempt.key, file)
        except (ConnectError, Unauthorized, Forbidden):
            raise
        except (RecordError, ApiError) as error:
            return DownloadResult(
                OutcomeKind.FAILED, str(error), None, attempt.download_id, attempt.request_count
            )
        uri = f"{attempt.key.folder}/{file.name}"
        return DownloadResult(kind, "", uri, attempt.download_id, attempt.request_count)

    def _key(self, job: DownloadJob) -> DownloadKey:
        return DownloadKey(job.catalog_id, folder_uri(self._destination, job.path))

    def _store(
        self,
        job: DownloadJob,
        attempt: Attempt,
        part: PartialFile,
        report_progress: Callable[[int, int], None],
    ) -> tuple[OutcomeKind, DownloadedFile]:
        """Transfer a file unless it exists, and store it."""
        if part.remote_file is not None:
            self._claim_name(attempt.key, part.remote_file.name)
        try:
            whole = self._fetch(job, attempt, part, report_progress)
        except _AlreadyDownloadedError as there:
            part.remove()
            return OutcomeKind.EXISTS, DownloadedFile(
                there.remote_file.name, there.remote_file.size, attempt.download_id
            )
        self._destination.commit(part, job.path, whole.name)
        return OutcomeKind.CREATED, DownloadedFile(whole.name, whole.size, attempt.download_id)

    def _fetch(
        self,
        job: DownloadJob,
        attempt: Attempt,
        part: PartialFile,
        report_progress: Callable[[int, int], None],
    ) -> RemoteFile:
        """Transfer a file, with new signed URLs where one is refused."""

        def begin(whole: RemoteFile) -> RemoteFile:
            return self._resolve_name(job, attempt.key, whole)

        refused = 0
        while True:
            url, before = self._preparer.wait_for_signed_url(attempt), part.size
            try:
                return self._fetcher.fetch(url, part, begin, report_progress, attempt.count_request)
            except SignedUrlRefused as error:
                refused = refused + 1 if part.size <= before else 1
                if refused < MAX_REFUSED_URLS:
                    logger.info("catalog %s: %s; requesting a new one", job.catalog_id, error)
                elif attempt.from_earlier_run:  # an earlier run's download may have expired
                    attempt.discard_download()
                    refused = 0
                else:
                    raise RecordError(f"{error}, and so were new ones") from None

    def _resolve_name(
        self, job: DownloadJob, key: DownloadKey, remote_file: RemoteFile
    ) -> RemoteFile:
        """Return a file with its final name, before it is transferred.

        Raises:
            RecordError: A different file has that name.
            _AlreadyDownloadedError: The file exists.
        """
        named = msgspec.structs.replace(
            remote_file, name=remote_file.name or safe_filename(job.catalog_id)
        )
        self._claim_name(key, named.name)
        size = self._destination.file_size(job.path, named.name)
        if size == named.size:
            raise _AlreadyDownloadedError(named)
        ours = self._journal.state.files.get(key)
        if size is not None and (ours is None or ours.name != named.name):
            raise RecordError(EXISTING_FILE)
        return named

    def _claim_name(self, key: DownloadKey, name: str) -> None:
        """Reserve a name in a folder for a catalog.

        Raises:
            RecordError: A different catalog has it.
        """
        folder_and_name = key.folder, name
        with self._lock:
            owner_in_journal = self._journal.state.file_owners.get(folder_and_name)
            owner = self._claims.setdefault(folder_and_name, owner_in_journal or key.catalog_id)
        if owner != key.catalog_id:
            raise RecordError(NAME_CONFLICT)


class _AlreadyDownloadedError(Exception):
    """The file exists already."""

    def __init__(self, whole: RemoteFile) -> None:
        super().__init__()
        self.remote_file = whole
