"""Scan of a list that is paged by a token or by an offset, as its first response shows."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple, Protocol

from pixxel_api.errors import EndlessList
from pixxel_api.pagination.concurrency import run_interruptibly
from pixxel_api.pagination.list_scan import ListScan, RecentKeys
from pixxel_api.pagination.paging import with_first_page

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from pixxel_api.json_decoding import RawRow
    from pixxel_api.pagination.list_scan import ScanOptions
    from pixxel_api.pagination.paging import Page, Paging


class TokenPage(NamedTuple):
    """A page, and the token of the next page, if there is one."""

    page: Page
    next_token: str | int | None


class FetchTokenPage(Protocol):
    """Function that reads the page of a token or offset; called from several threads."""

    def __call__(self, offset: int, limit: int, token: str | int | None, /) -> TokenPage:
        """Read up to `limit` rows: those of `token`, or without one those from `offset` on."""
        ...


class CursorOrOffsetScan:
    """Scan of a list whose first response shows the paging style.

    If it has a token, pages are read by token, one after the other. If it has a total but no token,
    a `ListScan` reads them by offset. If it has neither, pages are read by offset until one has no
    new rows.

    Args:
        fetch: Reads a page.
        paging: The paging style without tokens.
        options: The options of the scan.
        recent_keys: As for `ListScan`.

    Attributes:
        started_at: The `requested_at` of the first page.
        complete: As for `ListScan`.
    """

    def __init__(
        self,
        fetch: FetchTokenPage,
        paging: Paging,
        options: ScanOptions,
        *,
        recent_keys: RecentKeys | None = None,
    ) -> None:
        self._fetch = fetch
        self._paging = paging
        # A page needs at least one row besides those that overlap.
        self._options = replace(options, limit=max(options.limit, 1 + paging.overlap))
        self._key = options.key
        self._recent_keys = recent_keys or RecentKeys()
        self.started_at: datetime | None = None
        self.complete = True

    def __iter__(self) -> Iterator[list[RawRow]]:
        """Yield the new rows of each page."""
        first = self._read_page(None)
        self.started_at = first.page.requested_at
        if first.next_token is None and first.page.total is not None:
            yield from self._scan_by_offset(first.page)
            return
        if first.next_token is None:
            yield from self._scan_until_no_new_rows(first.page)
            return
        for page in self._scan_by_token(first):
            yield [row for row in page.rows if self._recent_keys.add_if_new(self._key(row))]

    def _scan_by_offset(self, first: Page) -> Iterator[list[RawRow]]:
        scan = ListScan(
            with_first_page(lambda offset, limit: self._fetch(offset, limit, None).page, first),
            self._paging,
            self._options,
            recent_keys=self._recent_keys,
        )
        yield from scan
        self.complete = scan.complete

    def _scan_until_no_new_rows(self, page: Page) -> Iterator[list[RawRow]]:
        offset = 0
        while new := [row for row in page.rows if self._recent_keys.add_if_new(self._key(row))]:
            yield new
            if not any(map(self._key, new)):
                return  # without keys, repeated rows cannot be detected
            offset += len(page.rows)
            page = self._read_page(None, offset).page

    def _scan_by_token(self, first: TokenPage) -> Iterator[Page]:
        used_tokens = RecentKeys()
        page, token = first
        yield page
        while token is not None:
            if token in used_tokens:
                raise EndlessList("endless list: the server repeated the token of a page")
            used_tokens.add(token)
            page, token = self._read_page(token)
            yield page

    def _read_page(self, token: str | int | None, offset: int = 0) -> TokenPage:
        return run_interruptibly(
            lambda: self._fetch(offset, self._options.limit, token), self._options.check
        )
