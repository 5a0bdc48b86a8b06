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

from pixxel_api.errors import EndlessList
from pixxel_api.pagination.concurrency import run_interruptibly
from pixxel_api.pagination.paging import read_pages

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator
    from datetime import datetime

    from pixxel_api.json_decoding import RawRow
    from pixxel_api.pagination.concurrency import OrderedExecutor
    from pixxel_api.pagination.paging import FetchPage, Page, Paging

KEY_WINDOW = 10_000  # keys in a generation; two are kept
_MAX_PASSES = 3  # over a list without a stable order that keeps shifting
_MAX_REPEATS = 10  # of one page in a row: the server does not heed the offset


class RecentKeys:
    """The keys given last: the current window's and its predecessor's, so memory stays flat."""

    def __init__(self, size: int = KEY_WINDOW) -> None:
        self._size = size
        self._current: set[Hashable] = set()
        self._previous: set[Hashable] = set()
        self.overflowed = False

    def __contains__(self, key: object) -> bool:
        return key in self._current or key in self._previous

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
            self.overflowed = bool(self._previous)
            self._previous, self._current = self._current, set()
        self._current.add(key)


class ListScan:
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
        fetch: FetchPage,
        paging: Paging,
        *,
        key: Callable[[RawRow], Hashable],
        recent_keys: RecentKeys,
        limit: int,
        concurrency: int,
        check: Callable[[], None] = lambda: None,
        ordered: bool = False,
        start: int = 0,
    ) -> None:
        self._fetch = fetch
        self._paging = paging
        self._key = key
        self._recent_keys = recent_keys
        # A page of one row could not both overlap and go on.
        self.page_size = max(limit, 1 + paging.overlap)
        self._overlap = paging.overlap
        self._concurrency = concurrency
        self._check = check
        self.ordered = ordered
        self._last_key: Hashable = None
        self._shifted = False
        self._may_have_missed = False
        self._first_pass = True
        self._first_page_is_short = False
        self._first_page_key: Hashable = None
        self._total: int | None = None
        self._largest_total = 0
        self._emitted = 0
        self._first_row: Hashable = None
        self._repeats = 0
        self.position = start
        self.started_at: datetime | None = None
        self.complete = True

    def __iter__(self) -> Iterator[list[RawRow]]:
        """Give the rows not yet given, page by page."""
        if not self._paging.paged:
            yield self._accept(self._read(0))
            return
        for again in range(_MAX_PASSES):
            if again:
                self.position, self._last_key = 0, None
                self._shifted = self._may_have_missed = self._first_pass = False
                self._total = None
            yield from self._one_pass()
            self.complete = not (self._may_have_missed or (self._shifted and not self.ordered))
            if self.complete or self._recent_keys.overflowed:
                return

    def _one_pass(self) -> Iterator[list[RawRow]]:
        while True:
            page = self._realign()
            steady = self._is_aligned(page)
            full = len(page.rows) >= self.page_size
            if page.offset == 0 and self._first_page_key is None:
                self._adopt_server_page_size(page)
            fresh = self._accept(page)
            with self._prefetch(page.total) as ahead:
                if steady and full and self._concurrency > 1:
                    ahead.start(2)  # more is likely to follow, and comes while these rows are used
                yield fresh
                if self._is_last(page, fresh):
                    return
                # In a list that has shifted, pages would most likely be read ahead in vain.
                for page in ahead if steady else ():
                    if not self._is_aligned(page):
                        break
                    fresh = self._accept(page)
                    yield fresh
                    if self._is_last(page, fresh):
                        return

    def _prefetch(self, total: int | None) -> OrderedExecutor[Page]:
        """Give what reads the pages that follow."""
        return read_pages(
            self._fetch,
            self._offsets(total),
            limit=self.page_size,
            concurrency=self._concurrency,
            check=self._check,
        )

    def _realign(self) -> Page:
        """Read from where we are, or from further back until on a row given already."""
        offset = self._next_offset
        while True:
            page = self._read(offset)
            if self._is_aligned(page) or offset == 0:
                return page
            self._shifted = True
            if page.rows and self._key(page.rows[0]) in self._recent_keys:
                return page
            offset = max(offset - self._step, 0)

    def _is_aligned(self, page: Page) -> bool:
        """Tell whether a page begins with the row that the page before ended with."""
        if not self._overlap or page.offset == 0:
            return True
        return bool(page.rows) and self._key(page.rows[0]) == self._last_key

    def _is_last(self, page: Page, fresh: list[RawRow]) -> bool:
        """Tell whether a page is the last: nothing new could follow it.

        Where rows keep coming in front, the last rows never leave the page: it is the last when
        it is short and all of it was given before.
        """
        reached = page.offset + len(page.rows)
        if reached == page.total:
            # A list that had rows a moment ago is as likely broken as emptied.
            emptied = page.total == 0 and self._largest_total > 0
            self._may_have_missed = emptied or (self._emitted < page.total and not self.ordered)
            return True
        overlap = self._overlap if page.offset else 0
        over = not fresh and (
            len(page.rows) < self.page_size or self._is_the_short_first_page(page)
        )
        if len(page.rows) > overlap and not over:
            return False
        self._may_have_missed = page.total is not None and page.total > self._emitted
        return True

    def _is_the_short_first_page(self, page: Page) -> bool:
        """Tell whether the server gave all it has at once, and gives it again at any offset."""
        return (
            self._first_page_is_short
            and page.offset > 0
            and self._key(page.rows[0]) == self._first_page_key
        )

    def _adopt_server_page_size(self, page: Page) -> None:
        """Take a short first page as the size of the server's pages: it may cap `limit`."""
        self._first_page_key = self._key(page.rows[0]) if page.rows else None
        if 0 < len(page.rows) < self.page_size and len(page.rows) != page.total:
            self._first_page_is_short = True
            self._overlap = min(self._overlap, len(page.rows) - 1)
            self.page_size = len(page.rows)

    def _accept(self, page: Page) -> list[RawRow]:
        if self.started_at is None:
            self.started_at = page.requested_at
        if page.rows:
            self._last_key = self._key(page.rows[-1])
        # Where pages cannot overlap, it is the total that tells of a shift.
        self._shifted = self._shifted or self._total not in {None, page.total}
        self._total = page.total
        self._largest_total = max(self._largest_total, page.total or 0)
        self.position = page.offset + (len(page.rows) if self._overlap else self.page_size)
        fresh = [row for row in page.rows if self._recent_keys.is_new(self._key(row))]
        self._emitted += len(fresh)
        known = len(page.rows) - len(fresh)
        if self._first_pass and known > (self._overlap if page.offset else 0):
            self._shifted = True
        self._guard_against_repeats(page, fresh)
        return fresh

    def _guard_against_repeats(self, page: Page, fresh: list[RawRow]) -> None:
        first = self._identify(page.rows[0]) if page.rows else None
        repeats = first is not None and first == self._first_row and not any(map(self._key, fresh))
        self._repeats = self._repeats + 1 if repeats else 0
        self._first_row = first
        if self._repeats >= _MAX_REPEATS:
            raise EndlessList("the same page comes again whatever the offset: the list has no end")

    def _identify(self, row: RawRow) -> Hashable:
        """Give a row's key, and of one that has none its text."""
        key = self._key(row)
        return msgspec.json.encode(row) if key is None else key

    def _read(self, offset: int) -> Page:
        """Read one page, watching for a stop meanwhile."""
        return run_interruptibly(lambda: self._fetch(offset, self.page_size), self._check)

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
        return self.page_size - self._overlap
