"""A circuit breaker: failures of one kind in a row are the service's fault, not the records'."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from target_pixxel_store.errors import CircuitOpenError

if TYPE_CHECKING:
    from target_pixxel_store.errors import FailureKind

FAILURE_THRESHOLD = 10
"""Failures of the same kind in a row after which the run ends."""


class CircuitBreaker:
    """Counts failures of the same kind in a row, over all threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last_kind: FailureKind | None = None
        self._count = 0

    def record_failure(self, kind: FailureKind | None, reason: str) -> None:
        """Count a failure.

        Args:
            kind: Its kind; None for a failure of one record, which does not count.
            reason: Its reason, for the error.

        Raises:
            CircuitOpenError: There were too many of this kind in a row.
        """
        if kind is None:
            return
        with self._lock:
            self._count = self._count + 1 if kind is self._last_kind else 1
            self._last_kind = kind
            count = self._count
        if count >= FAILURE_THRESHOLD:
            raise CircuitOpenError(
                f"{count} failures in a row ({kind.value}), the last one: {reason}; stopping"
            )

    def record_success(self) -> None:
        """Start again at zero, after a success."""
        with self._lock:
            self._count = 0
