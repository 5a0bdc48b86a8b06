"""Scan of a list that is longer than the server's offset limit, in successive time windows.

Rows are sorted by their time. When a window has yielded enough rows, it is closed at the time of
its last row and read to its end (further rows of that time, and rows with a time range instead of a
time). The next window begins at that time. So each row is in a window, and a later run that resumes
does not read closed windows again. The first and the last window are unbounded.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pixxel_api.pagination.list_scan import ListScan, RecentKeys
from pixxel_api.pagination.paging import OffsetPaging

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
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
    ) -> None:
        self._fetch_between = fetch_between
        self._time_of = time_of
        self._options = options
        self._ordered = ordered
        self._low = low
        self._high = high
        self._window_rows = window_rows
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
                return
            rest = self._make_scan(low, window_end, start=scan.position)
            for rows in rest:
                yield ScanBatch(rows)
            self.complete = self.complete and rest.complete
            yield ScanBatch([], completed_until=window_end)
            low = window_end

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
