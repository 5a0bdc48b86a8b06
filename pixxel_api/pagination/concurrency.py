"""Concurrent calls whose results keep their order, and calls that a stop request interrupts."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotDone
from itertools import islice
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Result = TypeVar("Result")

_POLL_SECONDS = 0.2  # between two checks of the stop flag while a call runs


class OrderedExecutor(Generic[Result]):
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
        self, calls: Iterable[Callable[[], Result]], *, concurrency: int, check: Callable[[], None]
    ) -> None:
        self._calls = iter(calls)
        self._concurrency = concurrency
        self._check = check
        self._workers = ThreadPoolExecutor(concurrency, thread_name_prefix="pixxel-page")
        self._pending: deque[Future[Result]] = deque()

    def __enter__(self) -> Self:
        """Give itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let be what was not awaited."""
        self._workers.shutdown(wait=False, cancel_futures=True)

    def start(self, count: int) -> None:
        """Make some of the next calls, as far as the window allows."""
        some = islice(self._calls, min(count, self._concurrency - len(self._pending)))
        self._pending.extend(self._workers.submit(call) for call in some)

    def __iter__(self) -> Iterator[Result]:
        """Give the results."""
        with self:
            if not self._pending:
                self.start(1)
            while self._pending:
                yield _wait_for(self._pending.popleft(), self._check)
                self.start(2)


def gather(*calls: Callable[[], Any], check: Callable[[], None]) -> list[Any]:  # each its own
    """Make a few calls at the same time, and give what they return.

    Raises:
        ApiError: What the first of them that failed has raised.
    """
    with OrderedExecutor(calls, concurrency=len(calls), check=check) as made:
        made.start(len(calls))
        return list(made)


def run_interruptibly(call: Callable[[], Result], check: Callable[[], None]) -> Result:
    """Make a call that may wait for the network, so that `check` can end the waiting.

    Args:
        call: Made in a thread of its own.
        check: Called while it is awaited; raises to stop.
    """
    worker = ThreadPoolExecutor(1, thread_name_prefix="pixxel-call")
    try:
        return _wait_for(worker.submit(call), check)
    finally:
        worker.shutdown(wait=False, cancel_futures=True)


def _wait_for(future: Future[Result], check: Callable[[], None]) -> Result:
    while True:
        try:
            return future.result(timeout=_POLL_SECONDS)
        except NotDone:
            check()
