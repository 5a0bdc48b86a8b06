"""A scheduler: one thread that calls functions at a later time."""

from __future__ import annotations

import heapq
import threading
from collections.abc import Callable
from itertools import count
from time import monotonic

Callback = Callable[[], None]

STOP_TIMEOUT_SECONDS = 2.0


class Scheduler:
    """A thread that calls functions when they are due, one after the other, until stopped."""

    def __init__(self) -> None:
        self._queue: list[tuple[float, int, Callback]] = []
        self._sequence = count()
        self._changed = threading.Condition()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="pixxel-scheduler", daemon=True)

    def call_later(self, seconds: float, callback: Callback) -> None:
        """Schedule a call; calls that are due at the same time are made in this order."""
        with self._changed:
            heapq.heappush(self._queue, (monotonic() + seconds, next(self._sequence), callback))
            self._changed.notify()

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Drop the calls that are not due, and wait for a running one for a limited time."""
        with self._changed:
            self._stopped = True
            self._changed.notify()
        self._thread.join(STOP_TIMEOUT_SECONDS)

    def _run(self) -> None:
        while (callback := self._next_callback()) is not None:
            callback()

    def _next_callback(self) -> Callback | None:
        with self._changed:
            while not self._stopped:
                wait = self._queue[0][0] - monotonic() if self._queue else None
                if wait is not None and wait <= 0:
                    return heapq.heappop(self._queue)[2]
                self._changed.wait(wait)
        return None
