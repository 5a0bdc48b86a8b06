"""Streams that the API filters by update time, with a check that the filter was applied."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from pixxel_api.errors import BadRequest
from pixxel_api.json_decoding import FieldPath
from pixxel_api.pagination.window_scan import TimeWindowScan
from pixxel_api.timestamps import (
    FIRST_YEAR_OF_TIMES,
    TimestampError,
    normalize_timestamp,
    subtract,
)
from tap_pixxel.stream_types.base import PixxelStream
from tap_pixxel.stream_types.scan_report import RowBatch

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping

    from pixxel_api.json_decoding import RawRow
    from pixxel_api.pagination.list_scan import RecentKeys
    from pixxel_api.pagination.paging import Page
    from pixxel_api.pagination.window_scan import ScanBatch, UntimedScan
    from tap_pixxel.bookmarks import Bookmark
    from tap_pixxel.stream_types.scan_report import ScanReport

EPOCH = "1970-01-01T00:00:00.000000Z"
_MICROSECOND = timedelta(microseconds=1)  # the API does not document whether a bound is inclusive


class ServerFilteredStream(PixxelStream):
    """A list that is requested from the bookmark on, by a range in the query.

    The API documents neither the form of such a filter nor that it applies it, so the response is
    checked: it must contain the record at the bookmark, and nothing older. An empty response proves
    nothing, so the same filter from 1970 on must find a row.
    """

    updated_field: ClassVar[FieldPath] = FieldPath("updated_at")
    """Where a raw row has the value of the replication key."""
    tests_filter_first: ClassVar[bool] = True
    """Whether a filter from 1970 on must find a row before the filter is used.

    A service that reads a range as a day, or as one point in time, finds nothing then. From the
    bookmark on it could find the boundary, and still nothing of a later day.
    """
    _has_warned = False

    def scan_rows(
        self, context: Mapping[str, Any] | None, bookmark: Bookmark | None, report: ScanReport
    ) -> Iterator[RowBatch]:
        """Scan what was updated since the bookmark, or everything if the API does not filter."""
        emitted: RecentKeys | None = None
        ignored = False
        if bookmark and bookmark.query_from and self.uses_filter():
            ignored = self.tests_filter_first and not self.finds_rows_since_epoch(context)
            if not ignored:
                updated_after = subtract(bookmark.query_from, _MICROSECOND)
                scan = self.make_scan(context, bookmark, updated_after)
                batches = report.follow(scan)
                boundary = bookmark.boundary
                if (yield from self._scan_filtered(context, batches, boundary, updated_after)):
                    return
                bookmark.discard_backfill()
                report.complete = True
                emitted = scan.recent_keys
                ignored = True
        # The second scan has keys of its own: those of the first do not show what lies between.
        for batch in report.follow(self.make_scan(context, bookmark, None)):
            rows = batch.rows
            if ignored and not self._has_warned:
                self._warn_filter_ignored(rows)
            if emitted is not None:
                rows = [row for row in rows if self.key_of(row) not in emitted]
            yield RowBatch(rows, completed_until=batch.completed_until)

    def uses_filter(self) -> bool:
        """Return whether to filter by the bookmark at all."""
        return True

    def finds_rows_since_epoch(self, context: Mapping[str, Any] | None) -> bool:
        """Return whether the API finds a row if the bookmark is replaced by 1970."""
        del context
        params = {str(self.replication_key): f"{EPOCH}/.."}
        return self.has_rows("GET", params=params | self.paging.query_for(0, 1))

    def has_rows(self, method: str, **request: Any) -> bool:
        """Return whether the response to a request has rows; False if it is rejected."""
        try:
            return bool(self.send_request(method, **request).rows(self.records_key))
        except BadRequest:
            return False

    def make_scan(
        self,
        context: Mapping[str, Any] | None,
        bookmark: Bookmark | None,
        updated_after: str | None,
    ) -> TimeWindowScan | UntimedScan:
        """Return the scan of what was updated after a time; of everything, without a time."""
        del context, bookmark
        filters = {str(self.replication_key): f"{updated_after}/.."} if updated_after else {}

        def fetch(offset: int, limit: int) -> Page:
            return self.fetch_list_page(offset, limit, filters)

        return TimeWindowScan(
            lambda _start, _end: fetch, lambda _row: None, self.scan_options(), ordered=False
        )

    def _scan_filtered(
        self,
        context: Mapping[str, Any] | None,
        batches: Iterator[ScanBatch],
        boundary: str | None,
        updated_after: str,
    ) -> Generator[RowBatch, None, bool]:
        """Yield the batches of a filtered scan, and check them.

        Returns:
            Whether the API has applied the filter. It has not if it rejects the filter, or returns
            older rows, or not the row at the bookmark (`boundary`), or no rows even from 1970 on.
        """
        found, missing = False, boundary
        try:
            for batch in batches:
                yield RowBatch(batch.rows, completed_until=batch.completed_until)
                for row in batch.rows:
                    found = True
                    missing = None if self.key_of(row) == missing else missing
                    updated = read_timestamp(row, self.updated_field)
                    if updated and updated < updated_after:
                        return False
        except BadRequest:
            return False
        return missing is None and (
            found or self.tests_filter_first or self.finds_rows_since_epoch(context)
        )

    def _warn_filter_ignored(self, rows: list[RawRow]) -> None:
        """Log that the API ignores the filter, if one of these rows is in the filter's range."""
        if any(read_timestamp(row, self.updated_field) for row in rows):
            self._has_warned = True
            self.logger.warning(
                "%s: the API ignores the filter on '%s'; reading the whole list to find changes",
                self.name,
                self.replication_key,
            )


def read_timestamp(row: RawRow, field: FieldPath) -> str | None:
    """Return a timestamp of a raw row in the fixed-width UTC form; None without a valid one.

    A time of year 1 is none, as in the columns.
    """
    value = field(row)
    if not isinstance(value, str):
        return None
    try:
        time = normalize_timestamp(value)
    except TimestampError:
        return None
    return time if time >= FIRST_YEAR_OF_TIMES else None
