"""A sweep: one pass over a list that may change meanwhile; what stays in it comes out once.

Offsets over a changing list skip and repeat rows. So pages overlap by a row: when a page does
not begin with the last row of the page before, the list has shifted, and the sweep goes back
until it stands on a row it has given already. In an order that stays the same for the rows that
stay, every row before a given row has been given too, so nothing is skipped. Where the endpoint
knows no such order, a pass that saw the list shift, or gave fewer rows than the total, is followed
by another, for what it missed.
"""

from __future__ import annotations

from itertools import count, takewhile
from typing import TYPE_CHECKING

import msgspec

from pixxel_api.errors import PixxelError
from pixxel_api.pages import read_pages, watched

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator
    from datetime import datetime

    from pixxel_api.bodies import Row
    from pixxel_api.pages import Fetch, InOrder, Page, Paging

REMEMBERED = 10_000  # keys in a generation; two are kept
_PASSES = 3  # over a list without a stable order that keeps shifting
_REPEATS = 10  # of one page in a row: the server does not heed the offset


class EndlessPages(PixxelError):
    """The server gives the same page again and again, whatever the offset."""


class Seen:
    """The keys given last: the current window's and its predecessor's, so memory stays flat."""

    def __init__(self, size: int = REMEMBERED) -> None:
        self._size = size
        self._current: set[Hashable] = set()
        self._before: set[Hashable] = set()
        self.forgets = False

    def __contains__(self, key: object) -> bool:
        return key in self._current or key in self._before

    def is_new(self, key: Hashable) -> bool:
        """Tell whether a key was not given yet, and remember it; None is always new."""
        if key is None:
            return True
        if key in self:
            return False
        self.add(key)
        return True

    def add(self, key: Hashable) -> None:
        """Remember a key."""
        if len(self._current) >= self._size:
            self.forgets = bool(self._before)
            self._before, self._current = self._current, set()
        self._current.add(key)


class Sweep:
    """One pass, or a few, over a list.

    Args:
        fetch: Reads the page at (offset, limit).
        paging: How the endpoint counts.
        key: Gives a row's identity; None for a row that has none, which is always given.
        seen: What has been given already; shared by the sweeps of one list's parts.
        limit: Rows a page.
        window: Pages in flight.
        check: Called while waiting; raises to stop.
        ordered: The list keeps its order while rows come, go and change; may be set to False
            when the rows show that it does not.
        start: The place to go on from, when an earlier sweep of the same list stopped there.

    Attributes:
        position: How many rows of the server's list lie behind.
        size: Rows a page, as the server grants them.
        began: The server's clock at the first answer.
        settled: False when the list kept shifting and a row may be missing.
    """

    def __init__(
        self,
        fetch: Fetch,
        paging: Paging,
        *,
        key: Callable[[Row], Hashable],
        seen: Seen,
        limit: int,
        window: int,
        check: Callable[[], None] = lambda: None,
        ordered: bool = False,
        start: int = 0,
    ) -> None:
        self._fetch = fetch
        self._paging = paging
        self._key = key
        self._seen = seen
        # A page of one row could not both overlap and go on.
        self.size = max(limit, 1 + paging.overlap)
        self._overlap = paging.overlap
        self._window = window
        self._check = check
        self.ordered = ordered
        self._last: Hashable = None
        self._shifted = False
        self._missed = False
        self._first_pass = True
        self._short = False
        self._top: Hashable = None
        self._total: int | None = None
        self._largest_total = 0
        self._given = 0
        self._first: Hashable = None
        self._repeats = 0
        self.position = start
        self.began: datetime | None = None
        self.settled = True

    def __iter__(self) -> Iterator[list[Row]]:
        """Give the rows not yet given, page by page."""
        if not self._paging.paged:
            yield self._take(self._read(0))
            return
        for again in range(_PASSES):
            if again:
                self.position, self._last = 0, None
                self._shifted = self._missed = self._first_pass = False
                self._total = None
            yield from self._one_pass()
            self.settled = not (self._missed or (self._shifted and not self.ordered))
            if self.settled or self._seen.forgets:
                return

    def _one_pass(self) -> Iterator[list[Row]]:
        while True:
            page = self._stand()
            steady = self._follows(page)
            full = len(page.rows) >= self.size
            if page.offset == 0 and self._top is None:
                self._adopt_cap(page)
            fresh = self._take(page)
            with self._ahead(page.total) as ahead:
                if steady and full and self._window > 1:
                    ahead.begin(2)  # more is likely to follow, and comes while these rows are used
                yield fresh
                if self._ends(page, fresh):
                    return
                # In a list that has shifted, pages would most likely be read ahead in vain.
                for page in ahead if steady else ():
                    if not self._follows(page):
                        break
                    fresh = self._take(page)
                    yield fresh
                    if self._ends(page, fresh):
                        return

    def _ahead(self, total: int | None) -> InOrder[Page]:
        """Give what reads the pages that follow."""
        return read_pages(
            self._fetch,
            self._offsets(total),
            limit=self.size,
            window=self._window,
            check=self._check,
        )

    def _stand(self) -> Page:
        """Read from where we are, or from further back until on a row given already."""
        offset = self._next_offset
        while True:
            page = self._read(offset)
            if self._follows(page) or offset == 0:
                return page
            self._shifted = True
            if page.rows and self._key(page.rows[0]) in self._seen:
                return page
            offset = max(offset - self._step, 0)

    def _follows(self, page: Page) -> bool:
        """Tell whether a page begins with the row that the page before ended with."""
        if not self._overlap or page.offset == 0:
            return True
        return bool(page.rows) and self._key(page.rows[0]) == self._last

    def _ends(self, page: Page, fresh: list[Row]) -> bool:
        """Tell whether a page is the last: nothing new could follow it.

        Where rows keep coming in front, the last rows never leave the page: it is the last when
        it is short and all of it was given before.
        """
        reached = page.offset + len(page.rows)
        if reached == page.total:
            # A list that had rows a moment ago is as likely broken as emptied.
            emptied = page.total == 0 and self._largest_total > 0
            self._missed = emptied or (self._given < page.total and not self.ordered)
            return True
        overlap = self._overlap if page.offset else 0
        over = not fresh and (len(page.rows) < self.size or self._is_the_short_first_page(page))
        if len(page.rows) > overlap and not over:
            return False
        self._missed = page.total is not None and page.total > self._given
        return True

    def _is_the_short_first_page(self, page: Page) -> bool:
        """Tell whether the server gave all it has at once, and gives it again at any offset."""
        return self._short and page.offset > 0 and self._key(page.rows[0]) == self._top

    def _adopt_cap(self, page: Page) -> None:
        """Take a short first page as the size of the server's pages: it may cap `limit`."""
        self._top = self._key(page.rows[0]) if page.rows else None
        if 0 < len(page.rows) < self.size and len(page.rows) != page.total:
            self._short = True
            self._overlap = min(self._overlap, len(page.rows) - 1)
            self.size = len(page.rows)

    def _take(self, page: Page) -> list[Row]:
        if self.began is None:
            self.began = page.asked
        if page.rows:
            self._last = self._key(page.rows[-1])
        # Where pages cannot overlap, it is the total that tells of a shift.
        self._shifted = self._shifted or self._total not in {None, page.total}
        self._total = page.total
        self._largest_total = max(self._largest_total, page.total or 0)
        self.position = page.offset + (len(page.rows) if self._overlap else self.size)
        fresh = [row for row in page.rows if self._seen.is_new(self._key(row))]
        self._given += len(fresh)
        known = len(page.rows) - len(fresh)
        if self._first_pass and known > (self._overlap if page.offset else 0):
            self._shifted = True
        self._guard_against_repeats(page, fresh)
        return fresh

    def _guard_against_repeats(self, page: Page, fresh: list[Row]) -> None:
        first = self._name(page.rows[0]) if page.rows else None
        repeats = first is not None and first == self._first and not any(map(self._key, fresh))
        self._repeats = self._repeats + 1 if repeats else 0
        self._first = first
        if self._repeats >= _REPEATS:
            raise EndlessPages("the same page comes again whatever the offset: the list has no end")

    def _name(self, row: Row) -> Hashable:
        """Give a row's key, and of one that has none its text."""
        key = self._key(row)
        return msgspec.json.encode(row) if key is None else key

    def _read(self, offset: int) -> Page:
        """Read one page, watching for a stop meanwhile."""
        return watched(lambda: self._fetch(offset, self.size), self._check)

    def _offsets(self, total: int | None) -> Iterator[int]:
        """Give the next pages' offsets, as far as the list is known to reach."""
        offsets = count(self._next_offset, self._step)
        if total is None:
            return offsets
        return takewhile(lambda offset: offset + self._overlap < total, offsets)

    @property
    def _next_offset(self) -> int:
        return max(self.position - self._overlap, 0)

    @property
    def _step(self) -> int:
        return self.size - self._overlap
