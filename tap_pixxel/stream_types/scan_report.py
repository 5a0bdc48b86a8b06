"""What a scan of a stream's lists yields, and what it finds out about the lists."""

from __future__ import annotations

from collections import Counter
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

from pixxel_api.errors import BadRequest, Forbidden
from tap_pixxel.stream_types.refusals import describe_refusals

if TYPE_CHECKING:
    import logging
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from pixxel_api.json_decoding import RawRow
    from tap_pixxel.stream_types.refusals import RowRefusal

Batch_co = TypeVar("Batch_co", covariant=True)
Yielded = TypeVar("Yielded")

_MAX_LOGGED = 10  # skipped lists that are logged one by one; the others are only counted


class RowBatch(NamedTuple):
    """Rows of one page, which become records.

    Attributes:
        rows: As the API sent them.
        path_params: Values of the parameters in the path of their list, and of their partition;
            a record gets those that its row lacks.
        completed_until: Time of acquisition, inclusive, up to which a first sync has all rows.
    """

    rows: list[RawRow]
    path_params: Mapping[str, Any] = MappingProxyType({})
    completed_until: str | None = None


class Scan(Protocol[Batch_co]):
    """One pass over a list, as `pixxel_api.pagination` has them."""

    @property
    def started_at(self) -> datetime | None:
        """The server's time at the first response."""

    @property
    def complete(self) -> bool:
        """False when a row may be missing."""

    def __iter__(self) -> Iterator[Batch_co]:
        """Yield the rows, page by page."""


class SkippedLists:
    """The lists of a stream that the API refuses to return, each for its own row.

    Attributes:
        refusal: The first 403.
        names: Of each list, the values of its path parameters, joined by slashes.
        without_id: Number of rows whose id cannot be used in the path of their child list.
    """

    def __init__(self, stream: str, logger: logging.Logger | logging.LoggerAdapter[Any]) -> None:
        self._stream = stream
        self._logger = logger
        self._counts: Counter[type[RowRefusal]] = Counter()
        self.refusal: Forbidden | None = None
        self.names: list[str] = []
        self.without_id = 0

    @property
    def may_exist(self) -> bool:
        """Whether a skipped list may have rows all the same, which 404 excludes."""
        return self._counts[Forbidden] + self._counts[BadRequest] > 0

    def add(self, path_params: Mapping[str, str], error: RowRefusal) -> None:
        """Count a list that cannot be read, and log the first ones."""
        self._counts[type(error)] += 1
        self.names.append("/".join(path_params.values()))
        if isinstance(error, Forbidden):
            self.refusal = self.refusal or error
        if self._counts.total() <= _MAX_LOGGED:
            self._logger.warning("%s: list skipped: %s", self._stream, error)

    def make_empty(self) -> SkippedLists:
        """Return an empty object, which logs for the same stream."""
        return SkippedLists(self._stream, self._logger)

    def include(self, other: SkippedLists) -> None:
        """Add the lists of another object, which has logged them."""
        self._counts.update(other._counts)
        self.refusal = self.refusal or other.refusal
        self.names += other.names
        self.without_id += other.without_id

    def log_summary(self) -> None:
        """Log how many lists were skipped."""
        if self._counts:
            self._logger.warning(
                "%s: skipped %d lists: %s",
                self._stream,
                self._counts.total(),
                describe_refusals(self._counts),
            )
        if self.without_id:
            self._logger.warning(
                "%s: %d lists not requested: their parent rows have no usable id",
                self._stream,
                self.without_id,
            )


class ScanReport:
    """What is known about a scan of one list or of many.

    Attributes:
        skipped: The lists that the stream has skipped.
        started_at: The server's time at the first response.
        complete: False when a list ended early or kept changing, so that a row may be missing.
        keep_bookmark: Whether the bookmark must not move, since not all could be read.
    """

    def __init__(self, skipped: SkippedLists) -> None:
        self.skipped = skipped
        self.started_at: datetime | None = None
        self.complete = True
        self.keep_bookmark = False

    def make_part(self) -> ScanReport:
        """Return an empty report for a part of the scan."""
        return ScanReport(self.skipped.make_empty())

    def include(self, part: ScanReport) -> None:
        """Add what is known about a part of the scan."""
        self.started_at = self.started_at or part.started_at
        self.complete = self.complete and part.complete
        self.skipped.include(part.skipped)

    def follow(self, scan: Scan[Yielded]) -> Iterator[Yielded]:
        """Yield what the scan of a list yields, and record when it started and how it ended."""
        for batch in scan:
            self.started_at = self.started_at or scan.started_at
            yield batch
        self.complete = self.complete and scan.complete
