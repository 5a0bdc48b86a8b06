"""One rate limit for all threads: a steady rate, and a pause when the server asks for one."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_POLL_SECONDS = 0.1  # between two checks of the stop flag


class RateLimiter:
    """Space requests evenly, and hold all of them back while a pause lasts.

    Args:
        requests_per_second: The highest rate, above 0; None for no limit.
        check: Called while waiting; raises to end the wait.
    """

    def __init__(self, requests_per_second: float | None, check: Callable[[], None]) -> None:
        self._check = check
        self._lock = threading.Lock()
        self._interval = 1 / requests_per_second if requests_per_second else 0.0
        self._next_at = 0.0  # on the monotonic clock, as the end of the pause
        self._resume_at = 0.0

    def wait(self) -> None:
        """Return when the next request may be sent."""
        while True:
            with self._lock:
                start = max(self._next_at, self._resume_at, time.monotonic())
                self._next_at = start + self._interval
            self.sleep(start - time.monotonic())
            if self._resume_at <= start:  # else a pause began meanwhile: take a slot after it
                return

    def pause(self, seconds: float) -> None:
        """Hold the next request of every thread back for some seconds."""
        with self._lock:
            self._resume_at = max(self._resume_at, time.monotonic() + seconds)

    def sleep(self, seconds: float) -> None:
        """Sleep, but end at once when a stop was requested."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._check()
            time.sleep(min(left, _POLL_SECONDS))
