"""Paging styles, one per way that an endpoint counts its pages, and concurrent page reads."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Protocol

from pixxel_api.pagination.concurrency import OrderedExecutor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from pixxel_api.json_decoding import RawRow
    from pixxel_api.response import JsonResponse


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list.

    Attributes:
        offset: The position of the first row in the server's list.
        rows: The rows, in the server's order.
        total: The number of rows in the whole list, if the endpoint reports it.
        requested_at: As `JsonResponse.requested_at`.
    """

    offset: int
    rows: list[RawRow]
    total: int | None = None
    requested_at: datetime | None = None


class FetchPage(Protocol):
    """Function that reads the page at an offset; called from several threads."""

    def __call__(self, offset: int, limit: int, /) -> Page:
        """Read up to `limit` rows from `offset` on."""
        ...


class Paging(Protocol):
    """Paging style of an endpoint."""

    @property
    def is_paged(self) -> bool:
        """False if one response has all rows."""
        ...

    @property
    def overlap(self) -> int:
        """Rows that a page shares with the previous page, to detect that the list has shifted."""
        ...

    def query_for(self, offset: int, limit: int) -> dict[str, int]:
        """Return the query parameters that request `limit` rows from `offset` on."""
        ...

    def read_total(self, response: JsonResponse) -> int | None:
        """Return the length of the whole list, if the response has it."""
        ...


@dataclass(frozen=True, slots=True)
class OffsetPaging:
    """Paging by `offset` and `limit`; most endpoints report a total in `pagination`.

    Example:
        `GET /v0/orders?offset=99&limit=100`
    """

    is_paged: bool = True
    overlap: int = 1
    offset_name: str = "offset"
    """The endpoint's name of the offset parameter; POST /v0/search has `skip`."""

    def query_for(self, offset: int, limit: int) -> dict[str, int]:
        """Return the offset and `limit`."""
        return {self.offset_name: offset, "limit": limit}

    def read_total(self, response: JsonResponse) -> int | None:
        """Return `pagination.total`."""
        pagination = response.decode_field("pagination")
        return _total_or_none(pagination.get("total")) if isinstance(pagination, dict) else None


@dataclass(frozen=True, slots=True)
class PageNumberPaging:
    """Paging by `page_num`, from 1, and `page_size`, with a `count`; its pages cannot overlap."""

    is_paged: bool = True
    overlap: int = 0

    def query_for(self, offset: int, limit: int) -> dict[str, int]:
        """Return `page_num` and `page_size`; `offset` must be a multiple of `limit`."""
        return {"page_num": offset // limit + 1, "page_size": limit}

    def read_total(self, response: JsonResponse) -> int | None:
        """Return `count`."""
        return _total_or_none(response.decode_field("count"))


@dataclass(frozen=True, slots=True)
class SinglePage:
    """No paging: one response has all rows."""

    is_paged: bool = False
    overlap: int = 0

    def query_for(self, offset: int, limit: int) -> dict[str, int]:  # noqa: ARG002
        """Return no parameters."""
        return {}

    def read_total(self, response: JsonResponse) -> int | None:  # noqa: ARG002
        """Return None, as the endpoint reports no total."""
        return None


def _total_or_none(value: object) -> int | None:
    return value if isinstance(value, int) and value >= 0 else None


def read_pages(
    fetch: FetchPage,
    offsets: Iterable[int],
    *,
    limit: int,
    concurrency: int,
    check: Callable[[], None],
) -> OrderedExecutor[Page]:
    """Read pages concurrently and yield them in the order of `offsets`.

    Args:
        fetch: Reads one page; called from several threads.
        offsets: The offsets of the pages; may be infinite, and is consumed as needed.
        limit: Rows to request per page.
        concurrency: Maximum number of concurrent reads, at least 1.
        check: Called while waiting for a page; raises to stop.
    """
    return OrderedExecutor(
        (partial(fetch, offset, limit) for offset in offsets), concurrency=concurrency, check=check
    )


def with_first_page(fetch: FetchPage, first: Page) -> FetchPage:
    """Return a fetch function that returns `first`, which was read already, for the offset 0."""
    unread = [first]
    return lambda offset, limit: unread.pop() if unread and not offset else fetch(offset, limit)
