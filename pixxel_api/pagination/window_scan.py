"""A sweep longer than a server's offsets allow, cut into time windows that are open at both ends.

Rows come in the order of their time. When a window has given enough rows, it is closed at the
time of its last row and read to its end (more rows of that very time, and rows with a range of
times instead of one); the next window begins at that time. So each row falls into a window, and
what a closed window held need not be read again by a run that goes on later.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pixxel_api.pagination.list_scan import ListScan, RecentKeys
from pixxel_api.pagination.paging import OffsetPaging

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Hashable, Iterator
    from datetime import datetime

    from pixxel_api.json_decoding import RawRow
    from pixxel_api.pagination.paging import FetchPage

WINDOW_ROWS = 5_000  # rows in a window; services refuse offsets past some ten thousand


@dataclass(frozen=True, slots=True)
class ScanBatch:
    """Rows of a page; or, with no rows, the news that all rows up to a time have come.

    Attributes:
        rows: Rows not given before.
        reached: The time, inclusive, at which a window was closed behind these rows.
    """

    rows: list[RawRow]
    completed_until: str | None = None


class TimeWindowScan:
    """A sweep in time windows.

    Args:
        between: Gives the fetch of the rows between two times, both inclusive and in the
            fixed-width UTC form; None is an open end.
        moment: A row's time in that form, None where it has none.
        key, limit, window, check: As for `Sweep`.
        ordered: The server sorts by that time; without it there is one window only.
        low, high: The ends of the whole sweep, None for open.
        rows: How many rows close a window.

    Attributes:
        began: The server's clock at the first answer.
        settled: As for `Sweep`.
    """

    def __init__(
        self,
        fetch_between: Callable[[str | None, str | None], FetchPage],
        time_of: Callable[[RawRow], str | None],
        *,
        key: Callable[[RawRow], Hashable],
        recent_keys: RecentKeys,
        limit: int,
        concurrency: int,
        check: Callable[[], None],
        ordered: bool,
        low: str | None = None,
        high: str | None = None,
        window_rows: int = WINDOW_ROWS,
    ) -> None:
        self._fetch_between = fetch_between
        self._time_of = time_of
        self._key = key
        self._recent_keys = recent_keys
        self._limit = limit
        self._concurrency = concurrency
        self._check = check
        self._ordered = ordered
        self._low = low
        self._high = high
        self._window_rows = window_rows
        self.started_at: datetime | None = None
        self.complete = True

    def __iter__(self) -> Iterator[ScanBatch]:
        """Give the rows, and after each closed window the time it reached."""
        low = self._low
        while True:
            sweep = self._make_scan(low, self._high)
            cut = yield from self._read_window(sweep, low)
            self.complete = self.complete and sweep.complete
            if cut is None:
                return
            rest = self._make_scan(low, cut, start=sweep.position)
            for rows in rest:
                yield ScanBatch(rows)
            self.complete = self.complete and rest.complete
            yield ScanBatch([], completed_until=cut)
            low = cut

    def _read_window(
        self, sweep: ListScan, low: str | None
    ) -> Generator[ScanBatch, None, str | None]:
        """Give a window's rows until it holds enough; return the time to close it at."""
        latest = low
        for rows in sweep:
            self.started_at = self.started_at or sweep.started_at
            yield ScanBatch(rows)
            # A row with a range of times may begin before the window.
            moments = [each for row in rows if (each := self._time_of(row)) and each >= (low or "")]
            # Not across pages: a row that was inserted meanwhile may be met late.
            if moments != sorted(moments):
                self._ordered = sweep.ordered = False
            latest = max([*moments, latest or ""]) or None
            if self._ordered and sweep.position >= self._window_rows and latest != low:
                self._limit = sweep.page_size
                return latest
        return None

    def _make_scan(self, low: str | None, high: str | None, start: int = 0) -> ListScan:
        return ListScan(
            self._fetch_between(low, high),
            OffsetPaging(),
            key=self._key,
            recent_keys=self._recent_keys,
            limit=self._limit,
            concurrency=self._concurrency,
            check=self._check,
            ordered=self._ordered,
            start=start,
        )
