"""The brake: what stops the threads of a run, a signal or the run's own end."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Cancelled(BaseException):
    """The run has ended; like a signal, no handler of errors catches it."""


class CancellationToken:
    """Called between steps; raises to stop.

    Args:
        check: Raises where a signal has come.
    """

    def __init__(self, check: Callable[[], None]) -> None:
        self._check = check
        self._cancelled = threading.Event()

    def __call__(self) -> None:
        """Return, or raise when the run has ended.

        Raises:
            Braked: It has.
        """
        self._check()
        if self._cancelled.is_set():
            raise Cancelled

    def cancel(self) -> None:
        """End the run's threads, at their next step."""
        self._cancelled.set()
