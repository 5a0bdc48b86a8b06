"""Pages of a list: how each endpoint counts them, and reading several at once, in order."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as StillWaiting
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, Generic, Protocol, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime

    from pixxel_api.answer import Answer
    from pixxel_api.bodies import Row

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


class InOrder(Generic[Result]):
    """Calls that are made up to `window` at once, and whose results come in their order.

    A few are made at first, and two more for each that came, so that little is asked for in vain
    behind the end of a short list. It is to be closed, as a context or by its end.

    Args:
        calls: Made in threads; may be endless, and is taken from as needed.
        window: Calls in flight, at least 1. No more results than this are held.
        check: Called while a call is awaited; raises to stop.

    Raises:
        ApiError: What a call raised, when its turn comes.
    """

    def __init__(
        self, calls: Iterable[Callable[[], Result]], *, window: int, check: Callable[[], None]
    ) -> None:
        self._calls = iter(calls)
        self._window = window
        self._check = check
        self._workers = ThreadPoolExecutor(window, thread_name_prefix="pixxel-page")
        self._pending: deque[Future[Result]] = deque()

    def __enter__(self) -> Self:
        """Give itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let be what was not awaited."""
        self._workers.shutdown(wait=False, cancel_futures=True)

    def begin(self, count: int) -> None:
        """Make some of the next calls, as far as the window allows."""
        some = islice(self._calls, min(count, self._window - len(self._pending)))
        self._pending.extend(self._workers.submit(call) for call in some)

    def __iter__(self) -> Iterator[Result]:
        """Give the results."""
        with self:
            if not self._pending:
                self.begin(1)
            while self._pending:
                yield _await(self._pending.popleft(), self._check)
                self.begin(2)


def read_pages(
    fetch: Fetch,
    offsets: Iterable[int],
    *,
    limit: int,
    window: int,
    check: Callable[[], None],
) -> InOrder[Page]:
    """Read pages, up to `window` of them at once, and give them in the order of `offsets`.

    Args:
        fetch: Reads one page; called from several threads.
        offsets: Where the pages begin; may be endless, and is taken from as needed.
        limit: Rows to ask for.
        window: Pages in flight, at least 1.
        check: Called while a page is awaited; raises to stop.
    """
    return InOrder(
        (partial(fetch, offset, limit) for offset in offsets), window=window, check=check
    )


def at_once(*calls: Callable[[], Any], check: Callable[[], None]) -> list[Any]:  # each its own
    """Make a few calls at the same time, and give what they return.

    Raises:
        ApiError: What the first of them that failed has raised.
    """
    with InOrder(calls, window=len(calls), check=check) as made:
        made.begin(len(calls))
        return list(made)


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
