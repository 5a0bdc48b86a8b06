"""A streak: equal failures one after the other are the service's, not the records'."""

from __future__ import annotations

import threading

from target_pixxel_store.errors import CircuitOpenError

FAILURE_THRESHOLD = 10
"""Catalogs, or requests, that fail in the same way one after the other before the run ends."""


class CircuitBreaker:
    """Counts equal failures in a row, of all threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last_reason = ""
        self._count = 0
        self._longest = 0

    def record_failure(self, reason: str) -> None:
        """Count a failure."""
        with self._lock:
            self._count = self._count + 1 if reason == self._last_reason else 1
            self._last_reason = reason
            self._longest = max(self._longest, self._count)

    def record_success(self) -> None:
        """Something has gone well."""
        with self._lock:
            self._count = 0

    def check(self) -> None:
        """Return, or raise when there were too many.

        Raises:
            ServiceFailing: There were.
        """
        if self._longest >= FAILURE_THRESHOLD:
            raise CircuitOpenError(
                f"{self._longest} times in a row: {self._last_reason}; the run ends here"
            )
