"""Pages of a list: how each endpoint counts them, and reading several at once, in order."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as StillWaiting
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable
    from datetime import datetime

    from pixxel_api.bodies import Row
    from pixxel_api.client import Answer

Result = TypeVar("Result")

_LOOK = 0.2  # seconds between looks at the stop flag while a page is awaited


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
    rows: list[Row]
    total: int | None = None
    asked: datetime | None = None


class Fetch(Protocol):
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

    def request(self, offset: int, limit: int) -> dict[str, int]:
        """Give the parameters that ask for `limit` rows from `offset` on."""
        ...

    def total(self, answer: Answer) -> int | None:
        """Read the length of the whole list from an answer, where it is told."""
        ...


@dataclass(frozen=True, slots=True)
class Offset:
    """`offset` and `limit`; most endpoints tell a total in `pagination`."""

    paged: bool = True
    overlap: int = 1
    name: str = "offset"
    """What the endpoint calls the offset; POST /v0/search has `skip`."""

    def request(self, offset: int, limit: int) -> dict[str, int]:
        """Give the offset and `limit`."""
        return {self.name: offset, "limit": limit}

    def total(self, answer: Answer) -> int | None:
        """Read `pagination.total`."""
        pagination = answer.value("pagination")
        return _count(pagination.get("total")) if isinstance(pagination, dict) else None


@dataclass(frozen=True, slots=True)
class PageNumber:
    """`page_num` from 1 and `page_size`, with a `count`; pages of this kind cannot overlap."""

    paged: bool = True
    overlap: int = 0

    def request(self, offset: int, limit: int) -> dict[str, int]:
        """Give `page_num` and `page_size`; `offset` is a multiple of `limit`."""
        return {"page_num": offset // limit + 1, "page_size": limit}

    def total(self, answer: Answer) -> int | None:
        """Read `count`."""
        return _count(answer.value("count"))


@dataclass(frozen=True, slots=True)
class Single:
    """One answer brings all rows."""

    paged: bool = False
    overlap: int = 0

    def request(self, offset: int, limit: int) -> dict[str, int]:  # noqa: ARG002
        """Give nothing: there is nothing to ask for."""
        return {}

    def total(self, answer: Answer) -> int | None:  # noqa: ARG002
        """Know no total."""
        return None


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and value >= 0 else None


def read_pages(
    fetch: Fetch,
    offsets: Iterable[int],
    *,
    limit: int,
    window: int,
    check: Callable[[], None],
) -> Generator[Page, None, None]:
    """Read pages, up to `window` of them at once, and give them in the order of `offsets`.

    Args:
        fetch: Reads one page; called from several threads.
        offsets: Where the pages begin; may be endless, and is taken from as needed.
        limit: Rows to ask for.
        window: Pages in flight, at least 1. No more than this are held.
        check: Called while a page is awaited; raises to stop.

    Raises:
        ApiError: What `fetch` raised, when that page's turn comes.
    """
    return in_order(
        (partial(fetch, offset, limit) for offset in offsets), window=window, check=check
    )


def in_order(
    calls: Iterable[Callable[[], Result]], *, window: int, check: Callable[[], None]
) -> Generator[Result, None, None]:
    """Make calls, up to `window` of them at once, and give what they return, in their order.

    One is made at first, and two more for each that came, so that little is asked for in vain
    behind the end of a short list.

    Args:
        calls: Made in threads; may be endless, and is taken from as needed.
        window: Calls in flight, at least 1. No more results than this are held.
        check: Called while a call is awaited; raises to stop.

    Raises:
        ApiError: What a call raised, when its turn comes.
    """
    calls = iter(calls)
    workers = ThreadPoolExecutor(window, thread_name_prefix="pixxel-page")
    pending: deque[Future[Result]] = deque()
    try:
        pending.extend(workers.submit(call) for call in islice(calls, 1))
        while pending:
            yield _await(pending.popleft(), check)
            more = islice(calls, min(2, window - len(pending)))
            pending.extend(workers.submit(call) for call in more)
    finally:
        workers.shutdown(wait=False, cancel_futures=True)


def begun(fetch: Fetch, first: Page) -> Fetch:
    """Give the fetch of a list whose first page has been read already."""
    waiting = [first]
    return lambda offset, limit: waiting.pop() if waiting and not offset else fetch(offset, limit)


def watched(call: Callable[[], Result], check: Callable[[], None]) -> Result:
    """Make a call that may wait for the network, so that `check` can end the waiting.

    Args:
        call: Made in a thread of its own.
        check: Called while it is awaited; raises to stop.
    """
    worker = ThreadPoolExecutor(1, thread_name_prefix="pixxel-call")
    try:
        return _await(worker.submit(call), check)
    finally:
        worker.shutdown(wait=False, cancel_futures=True)


def _await(future: Future[Result], check: Callable[[], None]) -> Result:
    while True:
        try:
            return future.result(timeout=_LOOK)
        except StillWaiting:
            check()
