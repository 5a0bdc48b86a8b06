"""A streak: equal failures one after the other are the service's, not the records'."""

from __future__ import annotations

import threading

EQUAL_FAILURES = 10
"""Catalogs, or requests, that fail in the same way one after the other before the run ends."""


class ServiceFailing(Exception):
    """The API fails in the same way again and again; the text says how."""


class Streak:
    """Counts equal failures in a row, of all threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = ""
        self._count = 0
        self._longest = 0

    def fail(self, how: str) -> None:
        """Count a failure."""
        with self._lock:
            self._count = self._count + 1 if how == self._last else 1
            self._last = how
            self._longest = max(self._longest, self._count)

    def end(self) -> None:
        """Something has gone well."""
        with self._lock:
            self._count = 0

    def check(self) -> None:
        """Return, or raise when there were too many.

        Raises:
            ServiceFailing: There were.
        """
        if self._longest >= EQUAL_FAILURES:
            raise ServiceFailing(f"{self._longest} times in a row: {self._last}; the run ends here")
