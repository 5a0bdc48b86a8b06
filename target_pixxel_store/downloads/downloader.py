"""The downloader: one catalog, asked for, waited for and fetched; safe for threads."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from pixxel_api.errors import ApiError, Forbidden, Unauthorized
from target_pixxel_store.downloads.answers import safe
from target_pixxel_store.downloads.destination import folder_of
from target_pixxel_store.downloads.fetch import UrlRefused
from target_pixxel_store.downloads.preparing import Attempt
from target_pixxel_store.memory import File, Spot
from target_pixxel_store.plan import Kind
from target_pixxel_store.records import Rejected

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_pixxel_store.downloads.destination import Destination
    from target_pixxel_store.downloads.fetch import Fetcher
    from target_pixxel_store.downloads.part import Part, Whole
    from target_pixxel_store.downloads.preparing import Preparer
    from target_pixxel_store.journal import Journal

logger = logging.getLogger(__name__)

FRESH_URLS: Final = 3
"""Signed URLs in a row that are refused before anything came."""
TAKEN = (
    "another catalog's file has this name in the same folder; give each catalog a path of its own"
)
FOREIGN = "another file of this name is in the folder already; move it away, or download elsewhere"


@dataclass(frozen=True, slots=True)
class Job:
    """A catalog to be downloaded.

    Attributes:
        path: Below the destination, with slashes.
    """

    catalog: str
    path: str


class Got(NamedTuple):
    """What became of a job.

    Attributes:
        uri: Where the file is.
        download: Id of the download.
        attempts: Requests for a download, and for its file.
    """

    kind: Kind
    reason: str = ""
    uri: str | None = None
    download: str | None = None
    attempts: int = 0


class Downloader:
    """Downloads catalogs.

    Args:
        preparer: Has downloads prepared.
        fetcher: Fetches files.
        destination: Where they go.
        journal: Knows what is there, and is told.
    """

    def __init__(
        self,
        preparer: Preparer,
        fetcher: Fetcher,
        destination: Destination,
        journal: Journal,
    ) -> None:
        self._preparer = preparer
        self._fetcher = fetcher
        self._destination = destination
        self._journal = journal
        self._lock = threading.Lock()
        self._claims: dict[tuple[str, str], str] = {}

    def close(self) -> None:
        """Close the connections to where files are fetched."""
        self._fetcher.close()

    def there(self, job: Job) -> Got | None:
        """Tell whether a job's file is there, as the journal remembers it; nothing is asked.

        Raises:
            Rejected: Nobody can look.
        """
        spot = self._spot(job)
        file = self._journal.memory.files.get(spot)
        if file is None or self._destination.size(job.path, file.name) != file.size:
            return None
        return Got(Kind.EXISTS, "", f"{spot.folder}/{file.name}", file.download)

    def get(self, job: Job, show: Callable[[int, int], None]) -> Got:
        """Do a job.

        Args:
            job: No two of one catalog and path may be done at once.
            show: Told how many bytes are there, and of how many.

        Raises:
            Unauthorized, Forbidden: The token may not do this.
            NoRoomError: The disk takes nothing more.
        """
        attempt = Attempt(self._spot(job), None)
        try:
            if there := self.there(job):
                return there
            attempt.id = self._journal.memory.downloads.get(attempt.spot)
            attempt.old = attempt.id is not None
            with self._destination.part(job.path, job.catalog) as part:
                kind, file = self._filed(job, attempt, part, show)
            self._journal.file(attempt.spot, file)
        except (Unauthorized, Forbidden):
            raise
        except (Rejected, ApiError) as error:
            return Got(Kind.FAILED, str(error), None, attempt.id, attempt.count)
        uri = f"{attempt.spot.folder}/{file.name}"
        return Got(kind, "", uri, attempt.id, attempt.count)

    def _spot(self, job: Job) -> Spot:
        return Spot(job.catalog, folder_of(self._destination, job.path))

    def _filed(
        self, job: Job, attempt: Attempt, part: Part, show: Callable[[int, int], None]
    ) -> tuple[Kind, File]:
        """See to it that a file is in its place."""
        if part.whole is not None:
            self._hold(attempt.spot, part.whole.name)
        try:
            whole = self._fetched(job, attempt, part, show)
        except _ThereError as there:
            part.remove()
            return Kind.EXISTS, File(there.whole.name, there.whole.size, attempt.id)
        self._destination.take(part, job.path, whole.name)
        return Kind.CREATED, File(whole.name, whole.size, attempt.id)

    def _fetched(
        self, job: Job, attempt: Attempt, part: Part, show: Callable[[int, int], None]
    ) -> Whole:
        """Fetch a file, with fresh signed URLs as long as they are of use."""

        def begin(whole: Whole) -> Whole:
            return self._begun(job, attempt.spot, whole)

        refused = 0
        while True:
            url, before = self._preparer.url(attempt), part.size
            try:
                return self._fetcher.fetch(url, part, begin, show, attempt.add)
            except UrlRefused as error:
                refused = refused + 1 if part.size <= before else 1
                if refused < FRESH_URLS:
                    logger.info("catalog %s: %s; asking for a fresh one", job.catalog, error)
                elif attempt.old:  # what an earlier run asked for may be gone by now
                    attempt.renew()
                    refused = 0
                else:
                    raise Rejected(f"{error}, and so were fresh ones") from None

    def _begun(self, job: Job, spot: Spot, whole: Whole) -> Whole:
        """Look at what is there before a file is fetched; give it a name if it has none.

        Raises:
            Rejected: Its place is another file's.
            _ThereError: It is there.
        """
        named = msgspec.structs.replace(whole, name=whole.name or safe(job.catalog))
        self._hold(spot, named.name)
        size = self._destination.size(job.path, named.name)
        if size == named.size:
            raise _ThereError(named)
        ours = self._journal.memory.files.get(spot)
        if size is not None and (ours is None or ours.name != named.name):
            raise Rejected(FOREIGN)
        return named

    def _hold(self, spot: Spot, name: str) -> None:
        """Keep a name in a folder for a catalog.

        Raises:
            Rejected: It is another one's.
        """
        place = spot.folder, name
        with self._lock:
            held = self._journal.memory.holders.get(place)
            holder = self._claims.setdefault(place, held or spot.catalog)
        if holder != spot.catalog:
            raise Rejected(TAKEN)


class _ThereError(Exception):
    """The file is there already."""

    def __init__(self, whole: Whole) -> None:
        super().__init__()
        self.whole = whole
