"""Concurrent calls with ordered results, and calls that a stop request interrupts."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotDone
from itertools import islice
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Result = TypeVar("Result")

_POLL_SECONDS = 0.2  # between two calls of `check` while a call runs


class OrderedExecutor(Generic[Result]):
    """Runs calls in threads and yields their results in the order of the calls.

    It starts few calls at first and two more per result, so that few requests are wasted past the
    end of a short list. Use it as a context manager, or iterate to its end.

    Args:
        calls: Run in threads; may be infinite, and is consumed as needed.
        concurrency: Maximum number of pending calls and unread results, at least 1.
        check: Called while waiting for a call; raises to stop.

    Raises:
        ApiError: A call raised it; raised when its result is due.
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
        """Return the executor."""
        return self

    def __exit__(self, *_: object) -> None:
        """Cancel pending calls."""
        self._workers.shutdown(wait=False, cancel_futures=True)

    def start(self, count: int) -> None:
        """Start up to `count` of the next calls, within the concurrency."""
        calls = islice(self._calls, min(count, self._concurrency - len(self._pending)))
        self._pending.extend(self._workers.submit(call) for call in calls)

    def __iter__(self) -> Iterator[Result]:
        """Yield the results."""
        with self:
            if not self._pending:
                self.start(1)
            while self._pending:
                yield _wait_for(self._pending.popleft(), self._check)
                self.start(2)


def gather(*calls: Callable[[], Any], check: Callable[[], None]) -> list[Any]:
    """Run a few calls concurrently and return their results, each of its own type.

    Args:
        calls: Run in threads.
        check: Called while waiting; raises to stop.

    Raises:
        ApiError: The error of the first call, in their order, that failed.
    """
    with OrderedExecutor(calls, concurrency=len(calls), check=check) as executor:
        executor.start(len(calls))
        return list(executor)


def run_interruptibly(call: Callable[[], Result], check: Callable[[], None]) -> Result:
    """Run a call that may wait for the network, so that `check` can interrupt it.

    Args:
        call: Run in a thread of its own.
        check: Called while waiting; raises to stop.
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
