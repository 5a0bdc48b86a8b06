"""A cancellation token: stops the threads of a run after a signal or at the run's end."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Cancelled(BaseException):
    """The run has ended; a BaseException, as no error handler may catch it."""


class CancellationToken:
    """Called between steps; raises to stop.

    Args:
        check: Raises after a signal.
    """

    def __init__(self, check: Callable[[], None]) -> None:
        self._check = check
        self._cancelled = threading.Event()

    def __call__(self) -> None:
        """Raise after a signal, or after `cancel`.

        Raises:
            Cancelled: `cancel` was called.
        """
        self._check()
        if self._cancelled.is_set():
            raise Cancelled

    def cancel(self) -> None:
        """Stop the threads at their next step."""
        self._cancelled.set()
