"""Scan of a list that may change meanwhile; rows that stay in the list are yielded once.

Offsets into a changing list skip and repeat rows. Pages therefore overlap by one row: if a page
does not begin with the last row of the previous page, the list has shifted, and the scan goes back
to a row that it has yielded already. In a stable order, every row before that row was yielded too,
so no row is skipped. If the endpoint has no stable order, a pass during which the list shifted, or
that yielded fewer rows than the total, is followed by another pass for the missing rows.
"""

from __future__ import annotations

from dataclasses import dataclass
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

KEY_WINDOW = 10_000  # keys in a generation; two generations are kept
_MAX_PASSES = 3  # over a list that has no stable order and keeps shifting
_MAX_REPEATS = 10  # of one page in succession: the server ignores the offset


class RecentKeys:
    """The keys of the rows yielded last, in two generations, so that memory stays constant.

    Args:
        size: Maximum number of keys in a generation.

    Attributes:
        overflowed: Whether keys were dropped.
    """

    def __init__(self, size: int = KEY_WINDOW) -> None:
        self._size = size
        self._current: set[Hashable] = set()
        self._previous: set[Hashable] = set()
        self.overflowed = False

    def __contains__(self, key: object) -> bool:
        return key in self._current or key in self._previous

    def add_if_new(self, key: Hashable) -> bool:
        """Add a key, and return whether it is new; None is always new."""
        if key is None:
            return True
        if key in self:
            return False
        self.add(key)
        return True

    def add(self, key: Hashable) -> None:
        """Add a key, and drop the oldest generation if the current one is full."""
        if len(self._current) >= self._size:
            self.overflowed = bool(self._previous)
            self._previous, self._current = self._current, set()
        self._current.add(key)


@dataclass(frozen=True, slots=True)
class ScanOptions:
    """The options of a scan.

    Attributes:
        key: Returns a row's key; None for a row without one, which is always yielded.
        limit: Rows to request per page.
        concurrency: Maximum number of concurrent page reads.
        check: Called while waiting; raises to stop.
    """

    key: Callable[[RawRow], Hashable]
    limit: int
    concurrency: int
    check: Callable[[], None] = lambda: None


class ListScan:
    """Scan of a list in one or more passes.

    Args:
        fetch: Reads the page at (offset, limit).
        paging: The paging style of the endpoint.
        options: The options of the scan.
        recent_keys: The keys of rows yielded before, if the scans of a list's parts share them.
        ordered: Whether the list keeps its order while rows are added, removed and changed; the
            attribute may be set to False when the rows show that it does not.
        start: The offset to start at, if an earlier scan of the same list stopped there.

    Attributes:
        position: The offset behind the last row that was read.
        page_size: Rows per page; the server may cap `limit`.
        started_at: The `requested_at` of the first page.
        complete: False if rows may be missing, as the list kept shifting.
    """

    def __init__(
        self,
        fetch: FetchPage,
        paging: Paging,
        options: ScanOptions,
        *,
        recent_keys: RecentKeys | None = None,
        ordered: bool = False,
        start: int = 0,
    ) -> None:
        self._fetch = fetch
        self._paging = paging
        self._options = options
        self._key = options.key
        self._recent_keys = recent_keys or RecentKeys()
        # A page needs at least one row besides those that overlap.
        self.page_size = max(options.limit, 1 + paging.overlap)
        self._overlap = paging.overlap
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
        """Yield the new rows of each page."""
        if not self._paging.is_paged:
            yield self._accept(self._read_page(0))
            return
        for pass_number in range(_MAX_PASSES):
            if pass_number > 0:
                self.position, self._last_key = 0, None
                self._shifted = self._may_have_missed = self._first_pass = False
                self._total = None
            yield from self._scan_once()
            self.complete = not (self._may_have_missed or (self._shifted and not self.ordered))
            if self.complete or self._recent_keys.overflowed:
                return

    def _scan_once(self) -> Iterator[list[RawRow]]:
        while True:
            page = self._realign()
            is_aligned = self._is_aligned(page)
            is_full = len(page.rows) >= self.page_size
            if page.offset == 0 and self._first_page_key is None:
                self._adopt_server_page_size(page)
            new_rows = self._accept(page)
            with self._prefetch(page.total) as next_pages:
                if is_aligned and is_full and self._options.concurrency > 1:
                    next_pages.start(2)  # read while the caller processes these rows
                yield new_rows
                if self._is_last(page, new_rows):
                    return
                # In a list that has just shifted, prefetched pages would likely be wasted.
                for page in next_pages if is_aligned else ():
                    if not self._is_aligned(page):
                        break
                    new_rows = self._accept(page)
                    yield new_rows
                    if self._is_last(page, new_rows):
                        return

    def _prefetch(self, total: int | None) -> OrderedExecutor[Page]:
        """Return the executor that reads the pages that follow."""
        return read_pages(
            self._fetch,
            self._next_offsets(total),
            limit=self.page_size,
            concurrency=self._options.concurrency,
            check=self._options.check,
        )

    def _realign(self) -> Page:
        """Read the next page, or go back to a page that begins with a row yielded already."""
        offset = self._next_offset
        while True:
            page = self._read_page(offset)
            if self._is_aligned(page) or offset == 0:
                return page
            self._shifted = True
            if page.rows and self._key(page.rows[0]) in self._recent_keys:
                return page
            offset = max(offset - self._step, 0)

    def _is_aligned(self, page: Page) -> bool:
        """Return whether a page begins with the last row of the previous page."""
        if not self._overlap or page.offset == 0:
            return True
        return bool(page.rows) and self._key(page.rows[0]) == self._last_key

    def _is_last(self, page: Page, new_rows: list[RawRow]) -> bool:
        """Return whether a page is the last one, and record whether rows may be missing.

        If rows keep being inserted at the front, the last rows stay on the page; so a short page
        without new rows is the last one, too.
        """
        if page.offset + len(page.rows) == page.total:
            # The total of a list that had rows may be 0 by an error of the server.
            is_emptied = page.total == 0 and self._largest_total > 0
            self._may_have_missed = is_emptied or (self._emitted < page.total and not self.ordered)
            return True
        overlap = self._overlap if page.offset else 0
        is_short = len(page.rows) < self.page_size or self._is_short_first_page(page)
        if len(page.rows) > overlap and (new_rows or not is_short):
            return False
        self._may_have_missed = page.total is not None and page.total > self._emitted
        return True

    def _is_short_first_page(self, page: Page) -> bool:
        """Return whether the server repeats a short first page, its whole list, at any offset."""
        return (
            self._first_page_is_short
            and page.offset > 0
            and self._key(page.rows[0]) == self._first_page_key
        )

    def _adopt_server_page_size(self, page: Page) -> None:
        """Use the length of a short first page as the page size: the server may cap `limit`."""
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
        # Without an overlap, only a change of the total shows that the list has shifted.
        self._shifted = self._shifted or self._total not in {None, page.total}
        self._total = page.total
        self._largest_total = max(self._largest_total, page.total or 0)
        self.position = page.offset + (len(page.rows) if self._overlap else self.page_size)
        new_rows = [row for row in page.rows if self._recent_keys.add_if_new(self._key(row))]
        self._emitted += len(new_rows)
        repeated = len(page.rows) - len(new_rows)
        if self._first_pass and repeated > (self._overlap if page.offset else 0):
            self._shifted = True
        self._check_repeated_page(page, new_rows)
        return new_rows

    def _check_repeated_page(self, page: Page, new_rows: list[RawRow]) -> None:
        first = self._identify(page.rows[0]) if page.rows else None
        is_repeated = first is not None and first == self._first_row
        is_repeated = is_repeated and not any(map(self._key, new_rows))
        self._repeats = self._repeats + 1 if is_repeated else 0
        self._first_row = first
        if self._repeats >= _MAX_REPEATS:
            raise EndlessList("endless list: the server returns the same page at every offset")

    def _identify(self, row: RawRow) -> Hashable:
        """Return a row's key, or its JSON if it has no key."""
        key = self._key(row)
        return msgspec.json.encode(row) if key is None else key

    def _read_page(self, offset: int) -> Page:
        """Read one page, interruptibly."""
        return run_interruptibly(lambda: self._fetch(offset, self.page_size), self._options.check)

    def _next_offsets(self, total: int | None) -> Iterator[int]:
        """Yield the offsets of the next pages, up to the total if it is known."""
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
