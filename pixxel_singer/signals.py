"""Signals: a handler only sets a flag, which the main loop looks at between messages."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StopRequested(BaseException):
    """The process was asked to stop; like KeyboardInterrupt, no handler of errors catches it.

    Attributes:
        status: The exit status to end with, 128 plus the signal's number.
    """

    def __init__(self, signum: int) -> None:
        super().__init__(f"stopped by {signal.Signals(signum).name}")
        self.status = 128 + signum


class StopFlag:
    """Whether SIGTERM or SIGINT has come."""

    def __init__(self) -> None:
        self._signum: int | None = None

    def install_handlers(self) -> None:
        """Take over the signals; does nothing outside the main thread."""
        if threading.current_thread() is threading.main_thread():
            for signum in _SIGNALS:
                signal.signal(signum, self._handle_signal)

    def check(self) -> None:
        """Return, or raise when a stop was asked for.

        Raises:
            Stopped: A signal has come.
        """
        if self._signum is not None:
            raise StopRequested(self._signum)

    def _handle_signal(self, signum: int, _frame: FrameType | None) -> None:
        self._signum = signum
