"""Rate limit shared by all threads: a constant rate, and pauses that the server requests."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

_POLL_SECONDS = 0.1  # between two calls of `check`


class SharedPause(Protocol):
    """A pause of all clients that share it, also in other processes or on other machines.

    The API requests it of one of them by a 429. Called from several threads.
    """

    def begin(self, seconds: float) -> None:
        """Let no client send a request for some seconds."""

    def seconds_left(self) -> float:
        """Return the seconds until requests may be sent; 0 without a pause, infinite if unknown."""


class RateLimiter:
    """Spaces requests evenly, and delays all of them during a pause.

    Args:
        requests_per_second: The maximum rate, above 0; None for no limit.
        check: Called while waiting; raises to stop.
        shared_pause: A pause that other clients observe and begin, too.
    """

    def __init__(
        self,
        requests_per_second: float | None,
        check: Callable[[], None],
        shared_pause: SharedPause | None = None,
    ) -> None:
        self._check = check
        self._shared_pause = shared_pause
        self._lock = threading.Lock()
        self._interval = 1 / requests_per_second if requests_per_second else 0.0
        self._next_at = 0.0  # time.monotonic() of the next slot
        self._resume_at = 0.0  # time.monotonic() of the end of the pause

    def wait(self) -> None:
        """Wait until the next request may be sent."""
        while True:
            while (shared := self._shared_seconds_left()) > 0:
                self.sleep(min(shared, _POLL_SECONDS))
            with self._lock:
                start = max(self._next_at, self._resume_at, time.monotonic())
                self._next_at = start + self._interval
            self.sleep(start - time.monotonic())
            # Else a pause began meanwhile: wait for a slot after it.
            if self._resume_at <= start and not self._shared_seconds_left():
                return

    def pause(self, seconds: float) -> None:
        """Delay the next request of every thread, and of other clients, for some seconds."""
        with self._lock:
            self._resume_at = max(self._resume_at, time.monotonic() + seconds)
        if self._shared_pause:
            self._shared_pause.begin(seconds)

    def sleep(self, seconds: float) -> None:
        """Sleep, calling `check` meanwhile."""
        end = time.monotonic() + seconds
        while (remaining := end - time.monotonic()) > 0:
            self._check()
            time.sleep(min(remaining, _POLL_SECONDS))

    def _shared_seconds_left(self) -> float:
        return self._shared_pause.seconds_left() if self._shared_pause else 0.0
