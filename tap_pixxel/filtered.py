"""Lists that the API can filter on the bookmark's own field, and whether it has heeded that."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from pixxel_api.errors import BadRequest
from pixxel_api.json_decoding import FieldPath
from pixxel_api.pagination.list_scan import RecentKeys
from pixxel_api.pagination.window_scan import TimeWindowScan
from pixxel_api.timestamps import TimestampError, normalize_timestamp, subtract
from tap_pixxel.base import PixxelStream

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping

    from pixxel_api.json_decoding import RawRow
    from pixxel_api.pagination.paging import FetchPage, Page
    from tap_pixxel.bookmarks import Bookmark

_LONG_AGO = "1970-01-01T00:00:00.000000Z"
_MICROSECOND = timedelta(microseconds=1)  # whether a bound is inclusive is nowhere stated


class FilteredStream(PixxelStream):
    """A list that is asked for what was updated since the bookmark, by a range in the query.

    The API states neither how such a filter is to be written nor that it is heeded, so the answer
    is checked: it must hold the record at the bookmark, and nothing older.
    """

    updated: ClassVar[FieldPath] = FieldPath("updated_at")
    """Where a raw row has the replication key's value."""
    _told_not_heeded = False

    def get_records(self, context: Mapping[str, Any] | None) -> Iterator[dict[str, Any]]:
        """Read what was updated since the bookmark, or everything."""
        bookmark = self.bookmark(context)
        options, given = self.sweep_options(), None
        if bookmark and bookmark.floor and self.may_filter():
            heeded = yield from self._read(context, bookmark, options, floor=bookmark.floor)
            if heeded:
                return
            self._tell_not_heeded()
            bookmark.start_over()
            # What this gave is not given again, but tells nothing of what lies between.
            given = options["recent_keys"]
            options = options | {"recent_keys": RecentKeys()}
        yield from self._read(context, bookmark, options, given=given)

    def may_filter(self) -> bool:
        """Tell whether the API takes a range: one that begins long ago must hold something.

        A service that takes the text for a day, or for one moment, finds nothing then; since the
        bookmark it could find the boundary, and nothing that came on a later day.
        """
        only = {str(self.replication_key): f"{_LONG_AGO}/.."}
        try:
            answer = self.ask("GET", params=only | self.paging.query_for(0, 1))
        except BadRequest:
            answer = None
        if answer is not None and answer.rows(self.records_key):
            return True
        self._tell_not_heeded()
        return False

    def swept(
        self,
        context: Mapping[str, Any] | None,
        options: dict[str, Any],
        bookmark: Bookmark | None,
        bound: str | None,
    ) -> TimeWindowScan:
        """Give the sweep of what was updated after a time, or of everything."""
        del context, bookmark
        only = {str(self.replication_key): f"{bound}/.."} if bound else {}

        def fetch(offset: int, limit: int) -> Page:
            return self.listed_page(offset, limit, only)

        def everything(_start: str | None, _end: str | None) -> FetchPage:
            return fetch

        return TimeWindowScan(everything, lambda _: None, ordered=False, **options)

    def _read(
        self,
        context: Mapping[str, Any] | None,
        bookmark: Bookmark | None,
        options: dict[str, Any],
        floor: str | None = None,
        given: RecentKeys | None = None,
    ) -> Generator[dict[str, Any], None, bool]:
        """Read the list, or with a floor only what was updated at or after it.

        The bookmark moves when the API has heeded the floor.

        Returns:
            Whether the API has heeded the floor: it has not when it refuses the filter, gives
            older rows, nothing at all, or not the row that must be there.
        """
        bound = subtract(floor, _MICROSECOND) if floor else None
        found, missing = False, bookmark.boundary if bookmark and floor else None
        sweep = self.swept(context, options, bookmark, bound)
        try:
            for batch in sweep:
                if bookmark:
                    bookmark.begin(sweep.started_at)
                rows = [row for row in batch.rows if given is None or self.key_of(row) not in given]
                yield from self.records(rows, bookmark)
                for row in batch.rows if bound else ():
                    found = True
                    missing = None if self.key_of(row) == missing else missing
                    updated = stamp_in(row, self.updated)
                    if bound and updated and updated < bound:
                        return False
                if batch.completed_until and bookmark and bookmark.first:
                    bookmark.reach(batch.completed_until)
                    self.state_manager.is_flushed = False
                    self._write_state_message()
        except BadRequest:
            if floor is None:
                raise
            return False
        if floor is not None and (not found or missing is not None):
            return False
        self.finish(bookmark, whole=sweep.complete)
        return True

    def _tell_not_heeded(self) -> None:
        if not self._told_not_heeded:
            self._told_not_heeded = True
            self.logger.warning(
                "%s: the API does not heed the filter on '%s'; reading all to find what changed",
                self.name,
                self.replication_key,
            )


def stamp_in(row: RawRow, place: FieldPath) -> str | None:
    """Read a timestamp in a raw row, None where there is none."""
    value = place(row)
    try:
        return normalize_timestamp(value) if isinstance(value, str) else None
    except TimestampError:
        return None
