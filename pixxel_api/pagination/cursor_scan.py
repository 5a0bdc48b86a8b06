"""Lists that are paged by a token, or else by an offset: the first answer shows which."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from pixxel_api.errors import EndlessList
from pixxel_api.pagination.concurrency import run_interruptibly
from pixxel_api.pagination.list_scan import ListScan, RecentKeys
from pixxel_api.pagination.paging import with_first_page

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator
    from datetime import datetime

    from pixxel_api.json_decoding import RawRow
    from pixxel_api.pagination.paging import Page, Paging


class TokenPage(NamedTuple):
    """A page, and the token of the next one, where there is one."""

    page: Page
    next_token: str | int | None


class FetchTokenPage(Protocol):
    """Reads a page; called from several threads."""

    def __call__(self, offset: int, limit: int, token: str | int | None, /) -> TokenPage:
        """Read up to `limit` rows, those that a token names or those from `offset` on."""
        ...


class CursorOrOffsetScan:
    """A sweep over a list whose first answer shows how it is paged.

    An answer with a token is followed by the page that it names, one after the other; one with a
    total and no token, by those of a `Sweep`. A page with neither may be all there is, or not, and
    is followed by others until one brings nothing new.

    Args:
        fetch: Reads a page.
        paging: How the list counts where it has no tokens.
        key, seen, limit, window, check: As for `Sweep`.

    Attributes:
        began: The server's clock at the first answer.
        settled: As for `Sweep`.
    """

    def __init__(
        self,
        fetch: FetchTokenPage,
        paging: Paging,
        *,
        key: Callable[[RawRow], Hashable],
        recent_keys: RecentKeys,
        limit: int,
        concurrency: int,
        check: Callable[[], None],
    ) -> None:
        self._fetch = fetch
        self._paging = paging
        self._key = key
        self._recent_keys = recent_keys
        self._limit = max(limit, 1 + paging.overlap)
        self._concurrency = concurrency
        self._check = check
        self.started_at: datetime | None = None
        self.complete = True

    def __iter__(self) -> Iterator[list[RawRow]]:
        """Give the rows not yet given, page by page."""
        first = self._read(None)
        self.started_at = first.page.requested_at
        if first.next_token is None and first.page.total is not None:
            yield from self._by_offset(first.page)
            return
        if first.next_token is None:
            yield from self._until_no_new_rows(first.page)
            return
        for page in self._by_token(first):
            yield [row for row in page.rows if self._recent_keys.is_new(self._key(row))]

    def _by_offset(self, first: Page) -> Iterator[list[RawRow]]:
        sweep = ListScan(
            with_first_page(lambda offset, limit: self._fetch(offset, limit, None).page, first),
            self._paging,
            key=self._key,
            recent_keys=self._recent_keys,
            limit=self._limit,
            concurrency=self._concurrency,
            check=self._check,
        )
        yield from sweep
        self.complete = sweep.complete

    def _until_no_new_rows(self, page: Page) -> Iterator[list[RawRow]]:
        offset = 0
        while fresh := [row for row in page.rows if self._recent_keys.is_new(self._key(row))]:
            yield fresh
            if not any(map(self._key, fresh)):
                return  # nothing would tell the next ones from these
            offset += len(page.rows)
            page = self._read(None, offset).page

    def _by_token(self, first: TokenPage) -> Iterator[Page]:
        used = RecentKeys()
        page, token = first
        yield page
        while token is not None:
            if token in used:
                raise EndlessList("a page is named as the next one again: the list has no end")
            used.add(token)
            page, token = self._read(token)
            yield page

    def _read(self, token: str | int | None, offset: int = 0) -> TokenPage:
        return run_interruptibly(lambda: self._fetch(offset, self._limit, token), self._check)
