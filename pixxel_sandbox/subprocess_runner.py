"""Run a command and forward signals to it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import FrameType, TracebackType

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
NOT_FOUND = 127
NOT_EXECUTABLE = 126
SIGNAL_STATUS_BASE = 128


class SubprocessRunner:
    """Forwards the signals that stop a program to a command, within a `with` block.

    Signals that arrive before the command has started are sent to it once it has.
    """

    def __init__(self) -> None:
        self._pending_signals: list[int] = []
        self._child: subprocess.Popen[bytes] | None = None
        self._previous_handlers: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        self._previous_handlers = {
            number: signal.signal(number, self._forward_signal) for number in STOP_SIGNALS
        }
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._previous_handlers.items():
            signal.signal(number, handler)

    def run(self, command: Sequence[str], environment: Mapping[str, str]) -> int:
        """Run a command and return its exit status as a shell would.

        Raises:
            FileNotFoundError: The command does not exist.
            PermissionError: The command cannot be executed.
        """
        self._child = subprocess.Popen(command, env=environment)  # noqa: S603 - the user's command
        for number in self._pending_signals:
            self._child.send_signal(number)
        status = self._child.wait()
        return SIGNAL_STATUS_BASE - status if status < 0 else status

    def _forward_signal(self, number: int, _frame: FrameType | None) -> None:
        if self._child is None:
            self._pending_signals.append(number)
        elif not (number == signal.SIGINT and _is_in_foreground()):
            self._child.send_signal(number)


def _is_in_foreground() -> bool:
    """Return whether the terminal has sent an interrupt to the command as well."""
    try:
        return os.tcgetpgrp(sys.__stdin__.fileno() if sys.__stdin__ else -1) == os.getpgrp()
    except OSError:
        return False
