"""Signal handling: a handler only sets a flag, which the main loop checks between messages."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StopRequested(BaseException):
    """A signal requested a stop; like KeyboardInterrupt, `except Exception` does not catch it.

    Attributes:
        status: The exit status to end with, 128 plus the signal's number.
    """

    def __init__(self, signum: int) -> None:
        super().__init__(f"stopped by {signal.Signals(signum).name}")
        self.status = 128 + signum


class StopFlag:
    """Flag that SIGTERM or SIGINT sets."""

    def __init__(self) -> None:
        self._signum: int | None = None

    def install_handlers(self) -> None:
        """Install the signal handlers; outside the main thread, do nothing."""
        if threading.current_thread() is threading.main_thread():
            for signum in _SIGNALS:
                signal.signal(signum, self._handle_signal)

    def check(self) -> None:
        """Raise if a stop was requested.

        Raises:
            StopRequested: A signal was received.
        """
        if self._signum is not None:
            raise StopRequested(self._signum)

    def _handle_signal(self, signum: int, _frame: FrameType | None) -> None:
        self._signum = signum
