"""Preparation: request a download and wait until the API has a signed URL for it.

The API keeps no list of downloads, and a download that nobody fetches costs nothing. So a request
without a response is simply sent again. A download whose id is in the journal is continued.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pixxel_api.errors import ApiError
from target_pixxel_store.api.errors import REFUSAL_STATUSES, UNKNOWN_CATALOG
from target_pixxel_store.errors import RecordError
from target_pixxel_store.polling import Backoff, poll_for, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_pixxel_store.api.client import StoreApi
    from target_pixxel_store.api.models import Download
    from target_pixxel_store.journal.journal import Journal
    from target_pixxel_store.journal.journal_state import DownloadKey

BACKOFF = Backoff(first=1.0, factor=2, longest=30.0)
MAX_DOWNLOAD_REQUESTS = 4
"""Requests for one download while the API fails."""


@dataclass(slots=True)
class Attempt:
    """What was done so far to download a catalog.

    Attributes:
        download_id: Id of its download; None before one was requested.
        from_earlier_run: Whether an earlier run requested that download.
        request_count: Requests for a download and for its file.
    """

    key: DownloadKey
    download_id: str | None
    from_earlier_run: bool = False
    request_count: int = 0

    def count_request(self) -> None:
        """Count a request."""
        self.request_count += 1

    def discard_download(self) -> None:
        """Forget the download, so that a new one is requested."""
        self.download_id, self.from_earlier_run = None, False


class Preparer:
    """Requests downloads and waits for their signed URLs; safe for threads.

    Args:
        api: Requests downloads, and finds catalogs.
        journal: Records every request before it is sent.
        timeout: Seconds to wait until a download is ready.
        check: Called while waiting; raises to stop.
    """

    def __init__(
        self, api: StoreApi, journal: Journal, *, timeout: float, check: Callable[[], None]
    ) -> None:
        self._api = api
        self._journal = journal
        self._timeout = timeout
        self._check = check

    def wait_for_signed_url(self, attempt: Attempt) -> str:
        """Return a signed URL of a catalog's download; request the download where there is none.

        Raises:
            RecordError: The API failed to prepare the download, or not in time.
            ApiError: A request failed.
        """
        found = self._prepare(attempt)
        if attempt.from_earlier_run and (found is None or found.has_failed):
            attempt.discard_download()
            found = self._prepare(attempt)
        if found is None:
            raise RecordError("the API no longer knows the requested download")
        if found.has_failed:
            raise RecordError("the API failed to prepare the download; request it again later")
        if found.url is None or not found.is_ready:
            raise RecordError(
                f"the download is not ready after {self._timeout:g} s; see 'download_timeout', and "
                "run again"
            )
        return found.url

    def _prepare(self, attempt: Attempt) -> Download | None:
        """Request a download if there is none yet, and poll until it is ready or has failed.

        Returns:
            The download as it was last seen; None where the API does not know it.
        """
        download_id = attempt.download_id
        found: Download | None = None
        if download_id is None:
            found = self._request(attempt)
            if not _is_pending(found):
                return found
            download_id = found.id

        def has_ended() -> bool | None:
            nonlocal found
            found = self._api.get_download(download_id)
            return None if _is_pending(found) else True

        poll_for(self._timeout, has_ended, self._check, BACKOFF)
        return found

    def _request(self, attempt: Attempt) -> Download:
        """Request a download; again while the API fails, as an extra download does no harm."""
        self._journal.record_download_intent(attempt.key)
        created = self._post(attempt)
        self._journal.record_download(attempt.key, created.id)
        attempt.download_id = created.id
        return created

    def _post(self, attempt: Attempt) -> Download:
        catalog_id, number = attempt.key.catalog_id, 0
        while True:
            number += 1
            attempt.count_request()
            try:
                return self._api.request_download(catalog_id)
            except ApiError as error:
                if error.retryable and number < MAX_DOWNLOAD_REQUESTS:
                    wait_for(BACKOFF.pause(number - 1), self._check)
                    continue
                is_refusal = error.status in REFUSAL_STATUSES
                if is_refusal and not self._api.find_existing_catalogs([catalog_id]):
                    raise RecordError(UNKNOWN_CATALOG) from None
                raise


def _is_pending(found: Download | None) -> bool:
    return found is not None and not found.is_ready and not found.has_failed
