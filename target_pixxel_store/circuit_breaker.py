"""A circuit breaker: equal failures in a row are the API's fault, not the records'."""

from __future__ import annotations

import threading

from target_pixxel_store.errors import CircuitOpenError

FAILURE_THRESHOLD = 10
"""Failures in a row for the same reason after which the run ends."""


class CircuitBreaker:
    """Counts failures in a row for the same reason, over all threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last_reason = ""
        self._count = 0
        self._longest = 0

    def record_failure(self, reason: str) -> None:
        """Count a failure for a reason."""
        with self._lock:
            self._count = self._count + 1 if reason == self._last_reason else 1
            self._last_reason = reason
            self._longest = max(self._longest, self._count)

    def record_success(self) -> None:
        """Start again at zero, after a success."""
        with self._lock:
            self._count = 0

    def check(self) -> None:
        """Raise after too many failures in a row.

        Raises:
            CircuitOpenError: There were too many.
        """
        if self._longest >= FAILURE_THRESHOLD:
            raise CircuitOpenError(
                f"{self._longest} failures in a row: {self._last_reason}; stopping"
            )
