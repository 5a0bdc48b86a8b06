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
from target_pixxel_store.deliverer import REFUSALS, UNKNOWN
from target_pixxel_store.look import wait_until
from target_pixxel_store.records import Rejected

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_pixxel_store.api import Api
    from target_pixxel_store.downloads.asking import Download, DownloadApi
    from target_pixxel_store.journal import Journal
    from target_pixxel_store.memory import Spot

FIRST_PAUSE = 1.0  # seconds between two looks; doubled each time
LONGEST_PAUSE: Final = 30.0
ASKS: Final = 4
"""Requests for one download, while the service fails."""


@dataclass(slots=True)
class Attempt:
    """What was done about a job so far.

    Attributes:
        id: Of its download.
        old: Whether an earlier run has asked for that.
        count: Requests for a download, and for its file.
    """

    spot: Spot
    id: str | None
    old: bool = False
    count: int = 0

    def add(self, *_: object) -> None:
        """Count a request."""
        self.count += 1

    def renew(self) -> None:
        """Let another download be asked for."""
        self.id, self.old = None, False


class Preparer:
    """Has downloads prepared; safe for threads.

    Args:
        asks: Asks for downloads.
        api: Tells which catalogs there are.
        journal: Is told of every request before it is made.
        timeout: Seconds to wait for a download to be ready.
        check: Called while waiting; raises to stop.
    """

    def __init__(
        self,
        asks: DownloadApi,
        api: Api,
        journal: Journal,
        *,
        timeout: float,
        check: Callable[[], None],
    ) -> None:
        self._asks = asks
        self._api = api
        self._journal = journal
        self._timeout = timeout
        self._check = check

    def url(self, attempt: Attempt) -> str:
        """Give a signed URL, once there is one.

        Raises:
            Rejected: There will be none, or there was none in time.
            ApiError: The API does not answer as it should.
        """
        found = self._prepared(attempt)
        if attempt.old and (found is None or found.failed):
            attempt.renew()
            found = self._prepared(attempt)
        if found is None:
            raise Rejected("the API does not know the download that it was asked for")
        if found.failed:
            raise Rejected("the API has failed to prepare the download; ask for it again later")
        if found.url is None or not found.ready:
            raise Rejected(
                f"the download is not ready after {self._timeout:g} s; see 'download_timeout', and "
                "run again"
            )
        return found.url

    def _prepared(self, attempt: Attempt) -> Download | None:
        """Ask for a download if there is none yet, and wait until it is ready or has failed."""
        key = attempt.id
        if key is None:
            made = self._asked(attempt)
            if made.ready or made.failed:
                return made
            key = made.id
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_result(_is_unfinished),
            wait=tenacity.wait_exponential(FIRST_PAUSE, LONGEST_PAUSE),
            stop=tenacity.stop_before_delay(self._timeout),
            sleep=self._sleep,
            retry_error_callback=_last,
        )
        return retrying(self._asks.show, key)

    def _asked(self, attempt: Attempt) -> Download:
        """Ask for a download; again where no answer came, as one too many does no harm."""
        catalog = attempt.spot.catalog
        self._journal.ask(attempt.spot)
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(_may_pass),
            wait=tenacity.wait_exponential(FIRST_PAUSE, LONGEST_PAUSE),
            stop=tenacity.stop_after_attempt(ASKS),
            before=attempt.add,
            sleep=self._sleep,
            reraise=True,
        )
        try:
            made = retrying(self._asks.ask, catalog)
        except ApiError as error:
            if error.status in REFUSALS and not self._api.known([catalog]):
                raise Rejected(UNKNOWN) from None
            raise
        self._journal.download(attempt.spot, made.id)
        attempt.id = made.id
        return made

    def _sleep(self, seconds: float) -> None:
        wait_until(time.time() + seconds, self._check)


def _is_unfinished(found: Download | None) -> bool:
    return found is not None and not found.ready and not found.failed


def _may_pass(error: BaseException) -> bool:
    return isinstance(error, ApiError) and error.retryable


def _last(state: tenacity.RetryCallState) -> Download | None:
    """Give what the last look has seen."""
    found: Download | None = state.outcome.result() if state.outcome else None
    return found
