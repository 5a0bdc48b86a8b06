"""Rate limit shared by all threads: a constant rate, and pauses that the server requests."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_POLL_SECONDS = 0.1  # between two calls of `check`


class RateLimiter:
    """Spaces requests evenly, and delays all of them during a pause.

    Args:
        requests_per_second: The maximum rate, above 0; None for no limit.
        check: Called while waiting; raises to stop.
    """

    def __init__(self, requests_per_second: float | None, check: Callable[[], None]) -> None:
        self._check = check
        self._lock = threading.Lock()
        self._interval = 1 / requests_per_second if requests_per_second else 0.0
        self._next_at = 0.0  # time.monotonic() of the next slot
        self._resume_at = 0.0  # time.monotonic() of the end of the pause

    def wait(self) -> None:
        """Wait until the next request may be sent."""
        while True:
            with self._lock:
                start = max(self._next_at, self._resume_at, time.monotonic())
                self._next_at = start + self._interval
            self.sleep(start - time.monotonic())
            if self._resume_at <= start:  # else a pause began meanwhile: wait for a slot after it
                return

    def pause(self, seconds: float) -> None:
        """Delay the next request of every thread for some seconds."""
        with self._lock:
            self._resume_at = max(self._resume_at, time.monotonic() + seconds)

    def sleep(self, seconds: float) -> None:
        """Sleep, calling `check` meanwhile."""
        end = time.monotonic() + seconds
        while (remaining := end - time.monotonic()) > 0:
            self._check()
            time.sleep(min(remaining, _POLL_SECONDS))
