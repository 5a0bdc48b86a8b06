"""One throttle for all threads: a steady rate, and a pause when the server asks for one."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyrate_limiter import Limiter

_SLICE = 0.1  # seconds between looks at the stop flag
_NAME = "pixxel"
_LONGEST = 3_600_000  # milliseconds between requests


class Throttle:
    """Holds requests back, evenly spaced, and all of them while a pause lasts.

    Args:
        requests_per_second: The highest rate, above 0; None for no limit.
        check: Called while waiting; raises to end the wait.
    """

    def __init__(self, requests_per_second: float | None, check: Callable[[], None]) -> None:
        self._check = check
        self._lock = threading.Lock()
        self._resume_at = 0.0
        self._limiter: Limiter | None = None
        if requests_per_second is not None:
            from pyrate_limiter import Limiter, Rate  # noqa: PLC0415 - most runs have no limit

            interval = round(min(max(1000 / requests_per_second, 1), _LONGEST))
            self._limiter = Limiter(Rate(1, interval), buffer_ms=1)

    def wait(self) -> None:
        """Return when the next request may go out."""
        while (left := self._resume_at - time.monotonic()) > 0:
            self.sleep(left)
        while self._limiter and self._limiter.try_acquire(_NAME, blocking=False) is not True:
            self._check()
            time.sleep(0.005)

    def pause(self, seconds: float) -> None:
        """Hold every thread's next request back for so many seconds."""
        with self._lock:
            self._resume_at = max(self._resume_at, time.monotonic() + seconds)

    def sleep(self, seconds: float) -> None:
        """Sleep, but end at once when asked to stop."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._check()
            time.sleep(min(left, _SLICE))

    def close(self) -> None:
        """Release the limiter's thread."""
        if self._limiter:
            self._limiter.close()
