"""Paging styles: how each endpoint counts its pages, and the reading of several pages in order."""

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
    """One answer of a list.

    Attributes:
        offset: The place of the first row in the server's list.
        rows: The rows, in the server's order.
        total: Rows in the whole list, where the endpoint tells.
        asked: The server's clock when it was asked (`client.Answer.asked`).
    """

    offset: int
    rows: list[RawRow]
    total: int | None = None
    requested_at: datetime | None = None


class FetchPage(Protocol):
    """Reads the page at an offset; called from several threads."""

    def __call__(self, offset: int, limit: int, /) -> Page:
        """Read up to `limit` rows from `offset` on."""
        ...


class Paging(Protocol):
    """How an endpoint is asked for a part of its list."""

    @property
    def paged(self) -> bool:
        """False when one answer brings all rows."""
        ...

    @property
    def overlap(self) -> int:
        """Rows that a page shares with the one before, which tells when the list has shifted."""
        ...

    def query_for(self, offset: int, limit: int) -> dict[str, int]:
        """Give the parameters that ask for `limit` rows from `offset` on."""
        ...

    def read_total(self, answer: JsonResponse) -> int | None:
        """Read the length of the whole list from an answer, where it is told."""
        ...


@dataclass(frozen=True, slots=True)
class OffsetPaging:
    """`offset` and `limit`; most endpoints tell a total in `pagination`."""

    paged: bool = True
    overlap: int = 1
    offset_name: str = "offset"
    """What the endpoint calls the offset; POST /v0/search has `skip`."""

    def query_for(self, offset: int, limit: int) -> dict[str, int]:
        """Give the offset and `limit`."""
        return {self.offset_name: offset, "limit": limit}

    def read_total(self, answer: JsonResponse) -> int | None:
        """Read `pagination.total`."""
        pagination = answer.decode_field("pagination")
        return _total_or_none(pagination.get("total")) if isinstance(pagination, dict) else None


@dataclass(frozen=True, slots=True)
class PageNumberPaging:
    """`page_num` from 1 and `page_size`, with a `count`; pages of this kind cannot overlap."""

    paged: bool = True
    overlap: int = 0

    def query_for(self, offset: int, limit: int) -> dict[str, int]:
        """Give `page_num` and `page_size`; `offset` is a multiple of `limit`."""
        return {"page_num": offset // limit + 1, "page_size": limit}

    def read_total(self, answer: JsonResponse) -> int | None:
        """Read `count`."""
        return _total_or_none(answer.decode_field("count"))


@dataclass(frozen=True, slots=True)
class SinglePage:
    """One answer brings all rows."""

    paged: bool = False
    overlap: int = 0

    def query_for(self, offset: int, limit: int) -> dict[str, int]:  # noqa: ARG002
        """Give nothing: there is nothing to ask for."""
        return {}

    def read_total(self, answer: JsonResponse) -> int | None:  # noqa: ARG002
        """Know no total."""
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
    """Read pages, up to `window` of them at once, and give them in the order of `offsets`.

    Args:
        fetch: Reads one page; called from several threads.
        offsets: Where the pages begin; may be endless, and is taken from as needed.
        limit: Rows to ask for.
        concurrency: Pages in flight, at least 1.
        check: Called while a page is awaited; raises to stop.
    """
    return OrderedExecutor(
        (partial(fetch, offset, limit) for offset in offsets), concurrency=concurrency, check=check
    )


def with_first_page(fetch: FetchPage, first: Page) -> FetchPage:
    """Give the fetch of a list whose first page has been read already."""
    waiting = [first]
    return lambda offset, limit: waiting.pop() if waiting and not offset else fetch(offset, limit)
