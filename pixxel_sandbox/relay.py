"""The relay: runs a command, and hands on to it the signals that the sandbox gets."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from types import FrameType, TracebackType
from typing import Any, Final, Self

STOPPING: Final = (signal.SIGINT, signal.SIGTERM)
NOT_FOUND: Final = 127
NOT_EXECUTABLE: Final = 126
DIED_OF: Final = 128


class Relay:
    """Catches the signals that stop a program, for as long as a ``with`` block lasts.

    Those that come before the command has started reach it when it has.
    """

    def __init__(self) -> None:
        self._early: list[int] = []
        self._child: subprocess.Popen[bytes] | None = None
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        self._before = {number: signal.signal(number, self._hand_on) for number in STOPPING}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def run(self, command: Sequence[str], environment: Mapping[str, str]) -> int:
        """Runs a command, and returns its status as a shell would.

        Raises:
            FileNotFoundError: there is no such command.
            PermissionError: it cannot be executed.
        """
        self._child = subprocess.Popen(command, env=environment)  # noqa: S603 - what was asked for
        for number in self._early:
            self._child.send_signal(number)
        status = self._child.wait()
        return DIED_OF - status if status < 0 else status

    def _hand_on(self, number: int, _frame: FrameType | None) -> None:
        if self._child is None:
            self._early.append(number)
        elif not (number == signal.SIGINT and _in_foreground()):
            self._child.send_signal(number)


def _in_foreground() -> bool:
    """Tells whether a terminal's interrupt has reached the command already."""
    try:
        return os.tcgetpgrp(sys.__stdin__.fileno() if sys.__stdin__ else -1) == os.getpgrp()
    except OSError:
        return False
