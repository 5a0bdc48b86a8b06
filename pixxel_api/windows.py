"""A sweep longer than a server's offsets allow, cut into time windows that are open at both ends.

Rows come in the order of their time. When a window has given enough rows, it is closed at the
time of its last row and read to its end (more rows of that very time, and rows with a range of
times instead of one); the next window begins at that time. So each row falls into a window, and
what a closed window held need not be read again by a run that goes on later.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pixxel_api.pages import Offset
from pixxel_api.sweep import Seen, Sweep

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Hashable, Iterator
    from datetime import datetime

    from pixxel_api.bodies import Row
    from pixxel_api.pages import Fetch

WINDOW_ROWS = 5_000  # rows in a window; services refuse offsets past some ten thousand


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows of a page; or, with no rows, the news that all rows up to a time have come.

    Attributes:
        rows: Rows not given before.
        reached: The time, inclusive, at which a window was closed behind these rows.
    """

    rows: list[Row]
    reached: str | None = None


class WindowedSweep:
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
        between: Callable[[str | None, str | None], Fetch],
        moment: Callable[[Row], str | None],
        *,
        key: Callable[[Row], Hashable],
        seen: Seen,
        limit: int,
        window: int,
        check: Callable[[], None],
        ordered: bool,
        low: str | None = None,
        high: str | None = None,
        rows: int = WINDOW_ROWS,
    ) -> None:
        self._between = between
        self._moment = moment
        self._key = key
        self._seen = seen
        self._limit = limit
        self._window = window
        self._check = check
        self._ordered = ordered
        self._low = low
        self._high = high
        self._rows = rows
        self.began: datetime | None = None
        self.settled = True

    def __iter__(self) -> Iterator[Batch]:
        """Give the rows, and after each closed window the time it reached."""
        low = self._low
        while True:
            sweep = self._sweep(low, self._high)
            cut = yield from self._until_cut(sweep, low)
            self.settled = self.settled and sweep.settled
            if cut is None:
                return
            rest = self._sweep(low, cut, start=sweep.position)
            for rows in rest:
                yield Batch(rows)
            self.settled = self.settled and rest.settled
            yield Batch([], reached=cut)
            low = cut

    def _until_cut(self, sweep: Sweep, low: str | None) -> Generator[Batch, None, str | None]:
        """Give a window's rows until it holds enough; return the time to close it at."""
        latest = low
        for rows in sweep:
            self.began = self.began or sweep.began
            yield Batch(rows)
            # A row with a range of times may begin before the window.
            moments = [each for row in rows if (each := self._moment(row)) and each >= (low or "")]
            # Not across pages: a row that was inserted meanwhile may be met late.
            if moments != sorted(moments):
                self._ordered = sweep.ordered = False
            latest = max([*moments, latest or ""]) or None
            if self._ordered and sweep.position >= self._rows and latest != low:
                self._limit = sweep.size
                return latest
        return None

    def _sweep(self, low: str | None, high: str | None, start: int = 0) -> Sweep:
        return Sweep(
            self._between(low, high),
            Offset(),
            key=self._key,
            seen=self._seen,
            limit=self._limit,
            window=self._window,
            check=self._check,
            ordered=self._ordered,
            start=start,
        )
