"""Preparing: a download is asked for and waited for, until there is a signed URL.

The API keeps no list of downloads, and one that nobody fetches costs nothing. So what was asked
for and not answered is simply asked for again; a download whose id the journal knows is gone on
with.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import tenacity

from pixxel_api.errors import ApiError
from target_pixxel_store.api.errors import REFUSAL_STATUSES, UNKNOWN_CATALOG
from target_pixxel_store.errors import RecordError
from target_pixxel_store.polling import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_pixxel_store.api.client import StoreApi
    from target_pixxel_store.api.models import Download
    from target_pixxel_store.journal.journal import Journal
    from target_pixxel_store.journal.journal_state import DownloadKey

FIRST_PAUSE = 1.0  # seconds between two looks; doubled each time
LONGEST_PAUSE: Final = 30.0
MAX_DOWNLOAD_REQUESTS: Final = 4
"""Requests for one download, while the service fails."""


@dataclass(slots=True)
class Attempt:
    """What was done about a job so far.

    Attributes:
        id: Of its download.
        old: Whether an earlier run has asked for that.
        count: Requests for a download, and for its file.
    """

    key: DownloadKey
    download_id: str | None
    from_earlier_run: bool = False
    request_count: int = 0

    def count_request(self, *_: object) -> None:
        """Count a request."""
        self.request_count += 1

    def discard_download(self) -> None:
        """Let another download be asked for."""
        self.download_id, self.from_earlier_run = None, False


class Preparer:
    """Has downloads prepared; safe for threads.

    Args:
        api: Requests downloads, and finds catalogs.
        journal: Is told of every request before it is made.
        timeout: Seconds to wait for a download to be ready.
        check: Called while waiting; raises to stop.
    """

    def __init__(
        self,
        api: StoreApi,
        journal: Journal,
        *,
        timeout: float,
        check: Callable[[], None],
    ) -> None:
        self._api = api
        self._journal = journal
        self._timeout = timeout
        self._check = check

    def wait_for_signed_url(self, attempt: Attempt) -> str:
        """Give a signed URL, once there is one.

        Raises:
            Rejected: There will be none, or there was none in time.
            ApiError: The API does not answer as it should.
        """
        found = self._prepare(attempt)
        if attempt.from_earlier_run and (found is None or found.has_failed):
            attempt.discard_download()
            found = self._prepare(attempt)
        if found is None:
            raise RecordError("the API does not know the download that it was asked for")
        if found.has_failed:
            raise RecordError("the API has failed to prepare the download; ask for it again later")
        if found.url is None or not found.is_ready:
            raise RecordError(
                f"the download is not ready after {self._timeout:g} s; see 'download_timeout', and "
                "run again"
            )
        return found.url

    def _prepare(self, attempt: Attempt) -> Download | None:
        """Ask for a download if there is none yet, and wait until it is ready or has failed."""
        key = attempt.download_id
        if key is None:
            made = self._request(attempt)
            if made.is_ready or made.has_failed:
                return made
            key = made.id
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_result(_is_pending),
            wait=tenacity.wait_exponential(FIRST_PAUSE, LONGEST_PAUSE),
            stop=tenacity.stop_before_delay(self._timeout),
            sleep=self._sleep,
            retry_error_callback=_last,
        )
        return retrying(self._api.get_download, key)

    def _request(self, attempt: Attempt) -> Download:
        """Ask for a download; again where no answer came, as one too many does no harm."""
        catalog = attempt.key.catalog_id
        self._journal.record_download_intent(attempt.key)
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(_is_retryable),
            wait=tenacity.wait_exponential(FIRST_PAUSE, LONGEST_PAUSE),
            stop=tenacity.stop_after_attempt(MAX_DOWNLOAD_REQUESTS),
            before=attempt.count_request,
            sleep=self._sleep,
            reraise=True,
        )
        try:
            made = retrying(self._api.request_download, catalog)
        except ApiError as error:
            if error.status in REFUSAL_STATUSES and not self._api.find_existing_catalogs([catalog]):
                raise RecordError(UNKNOWN_CATALOG) from None
            raise
        self._journal.record_download(attempt.key, made.id)
        attempt.download_id = made.id
        return made

    def _sleep(self, seconds: float) -> None:
        wait_until(time.time() + seconds, self._check)


def _is_pending(found: Download | None) -> bool:
    return found is not None and not found.is_ready and not found.has_failed


def _is_retryable(error: BaseException) -> bool:
    return isinstance(error, ApiError) and error.retryable


def _last(state: tenacity.RetryCallState) -> Download | None:
    """Give what the last look has seen."""
    found: Download | None = state.outcome.result() if state.outcome else None
    return found
