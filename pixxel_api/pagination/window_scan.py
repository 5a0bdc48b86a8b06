"""Scan of a list that is longer than the server's offset limit, in successive time windows.

Rows are sorted by their time. When a window has yielded enough rows, it is closed at the time of
its last row and read to its end (further rows of that time, and rows with a time range instead of a
time). The next window begins at that time. So each row is in a window, and a later run that resumes
does not read closed windows again. The first and the last window are unbounded.

No window but an unbounded one has the rows without any time. A sorted list has them at one of its
ends, where `UntimedScan` reads them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pixxel_api.pagination.list_scan import ListScan, RecentKeys
from pixxel_api.pagination.paging import OffsetPaging

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence
    from datetime import datetime

    from pixxel_api.json_decoding import RawRow
    from pixxel_api.pagination.list_scan import ScanOptions
    from pixxel_api.pagination.paging import FetchPage

WINDOW_ROWS = 5_000  # rows in a window; servers reject offsets beyond about 10,000


@dataclass(frozen=True, slots=True)
class ScanBatch:
    """New rows of a page; or, without rows, the time up to which the scan is complete.

    Attributes:
        rows: Rows that were not yielded before.
        completed_until: The time, inclusive, at which a window was closed.
    """

    rows: list[RawRow]
    completed_until: str | None = None


class UntimedScan:
    """Scan of the rows without any time, which are at one end of a list that is sorted by time.

    It reads each order up to the first page that has a row with a time to sort by. If the rows show
    that the list is not sorted, it reads all of it.

    Args:
        fetches: The fetch functions of the list in descending order, and, to read its other end,
            in ascending order.
        sort_time_of: Returns the time that a row is sorted by; None if it has none.
        is_untimed: Returns whether a row has no time at all, so that no window has it.
        options: The options of the scan.
        ordered: Whether the server sorts by that time.
        recent_keys: The keys of rows yielded before, which are not yielded again.

    Attributes:
        recent_keys: The keys of rows yielded so far.
        started_at: The `requested_at` of the first page.
        complete: As for `ListScan`.
    """

    def __init__(
        self,
        fetches: Sequence[FetchPage],
        sort_time_of: Callable[[RawRow], str | None],
        is_untimed: Callable[[RawRow], bool],
        options: ScanOptions,
        *,
        ordered: bool,
        recent_keys: RecentKeys | None = None,
    ) -> None:
        self._fetches = fetches
        self._sort_time_of = sort_time_of
        self._is_untimed = is_untimed
        self._options = replace(options, concurrency=1)  # one page is enough for most lists
        self._ordered = ordered
        self.recent_keys = recent_keys or RecentKeys()
        self.started_at: datetime | None = None
        self.complete = True

    def __iter__(self) -> Iterator[ScanBatch]:
        """Yield the rows."""
        for fetch in self._fetches:
            scan = ListScan(fetch, OffsetPaging(), self._options, ordered=self._ordered)
            for rows in scan:
                self.started_at = self.started_at or scan.started_at
                untimed = filter(self._is_untimed, rows)
                yield ScanBatch([row for row in untimed if self._is_new(row)])
                if self._is_past_end(rows, descending=fetch is self._fetches[0]):
                    break
            else:  # the whole list was read
                self.complete = scan.complete
                return

    def _is_new(self, row: RawRow) -> bool:
        return self.recent_keys.add_if_new(self._options.key(row))

    def _is_past_end(self, rows: list[RawRow], *, descending: bool) -> bool:
        """Return whether the rows of a sorted list have times."""
        times = [time for row in rows if (time := self._sort_time_of(row))]
        self._ordered = self._ordered and times == sorted(times, reverse=descending)
        return self._ordered and bool(times)


class TimeWindowScan:
    """Scan of a list in time windows.

    Args:
        fetch_between: Returns the fetch function for the rows between two times, both inclusive
            and in the fixed-width UTC format; None is unbounded.
        time_of: Returns a row's time in that format; None if it has none.
        options: The options of the scan.
        ordered: Whether the server sorts by that time; if not, there is only one window.
        low: The first time of the scan, inclusive; None is unbounded.
        high: The last time of the scan, inclusive; None is unbounded.
        window_rows: Number of rows after which a window is closed.
        make_untimed_scan: Returns the scan of the rows without any time, given the keys of those
            yielded so far; it is read at the end, if the last window was not unbounded.

    Attributes:
        recent_keys: The keys of rows yielded so far.
        started_at: The `requested_at` of the first page.
        complete: As for `ListScan`.
    """

    def __init__(
        self,
        fetch_between: Callable[[str | None, str | None], FetchPage],
        time_of: Callable[[RawRow], str | None],
        options: ScanOptions,
        *,
        ordered: bool,
        low: str | None = None,
        high: str | None = None,
        window_rows: int = WINDOW_ROWS,
        make_untimed_scan: Callable[[RecentKeys], UntimedScan] | None = None,
    ) -> None:
        self._fetch_between = fetch_between
        self._time_of = time_of
        self._options = options
        self._ordered = ordered
        self._low = low
        self._high = high
        self._window_rows = window_rows
        self._make_untimed_scan = make_untimed_scan
        self.recent_keys = RecentKeys()
        self.started_at: datetime | None = None
        self.complete = True

    def __iter__(self) -> Iterator[ScanBatch]:
        """Yield the rows, and after each closed window its end."""
        low = self._low
        while True:
            scan = self._make_scan(low, self._high)
            window_end = yield from self._read_window(scan, low)
            self.complete = self.complete and scan.complete
            if window_end is None:
                break
            rest = self._make_scan(low, window_end, start=scan.position)
            for rows in rest:
                yield ScanBatch(rows)
            self.complete = self.complete and rest.complete
            yield ScanBatch([], completed_until=window_end)
            low = window_end
        if low is not None and self._make_untimed_scan:
            untimed = self._make_untimed_scan(self.recent_keys)
            yield from untimed
            self.complete = self.complete and untimed.complete

    def _read_window(
        self, scan: ListScan, low: str | None
    ) -> Generator[ScanBatch, None, str | None]:
        """Yield a window's rows until it has enough; return the time to close it at."""
        latest = low
        for rows in scan:
            self.started_at = self.started_at or scan.started_at
            yield ScanBatch(rows)
            # A row with a time range may begin before the window.
            times = [time for row in rows if (time := self._time_of(row)) and time >= (low or "")]
            # Not compared across pages: a row inserted meanwhile may be read late.
            if times != sorted(times):
                self._ordered = scan.ordered = False
            latest = max([*times, latest or ""]) or None
            if self._ordered and scan.position >= self._window_rows and latest != low:
                self._options = replace(self._options, limit=scan.page_size)
                return latest
        return None

    def _make_scan(self, low: str | None, high: str | None, start: int = 0) -> ListScan:
        return ListScan(
            self._fetch_between(low, high),
            OffsetPaging(),
            self._options,
            recent_keys=self.recent_keys,
            ordered=self._ordered,
            start=start,
        )
