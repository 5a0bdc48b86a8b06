"""Points to kill a command at: events, which a slow machine comes to as surely as a fast one."""

from __future__ import annotations

import os
import signal
import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from types import FrameType

    from pixxel_sandbox import RequestRecord, Workspace
    from tests.forked import Command

_CHANGES = frozenset({"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir"})
"""What the interpreter calls it when a file is about to be written, put in its place, and so on."""
_WRITING = os.O_WRONLY | os.O_RDWR


@dataclass(frozen=True)
class Death:
    """A command's own point to be killed at, among all that it does to files.

    Attributes:
        below: The folder that the files are in.
        change: The number of the change before which it is killed, from 1.
        calls: How many calls of functions in C its thread has left from there: a file that has been
            opened is still empty after one of them.
    """

    below: Path
    change: int
    calls: int = 0

    def await_it(self) -> None:
        """Let this process be killed there."""
        sys.addaudithook(_Reaper(self).hear)


class _Reaper:
    def __init__(self, death: Death) -> None:
        self._below = str(death.below)
        self._changes = death.change
        self._calls = death.calls

    def hear(self, event: str, args: tuple[Any, ...]) -> None:
        if event not in _CHANGES or (event == "open" and not args[2] & _WRITING):
            return
        if not any(str(each).startswith(self._below) for each in args[:2]):
            return
        self._changes -= 1
        if self._changes == 0:
            if self._calls == 0:
                _die()
            sys.setprofile(self._count)

    def _count(self, _frame: FrameType, what: str, _of: object) -> None:
        self._calls -= what == "c_call"
        if self._calls == 0:
            _die()


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@contextmanager
def noted(kill: object) -> Iterator[None]:
    """Say in a failure what kill it came after."""
    try:
        yield
    except AssertionError as error:
        error.add_note(f"after {kill}")
        raise


def anything(_asked: RequestRecord) -> bool:
    """Let every request count."""
    return True


class AtRequest:
    """Kills commands when a sandbox is asked for something; to be its `on_request`.

    Args:
        number: Of the request, from 1.
        seconds: How long from there; at 0 the request is not answered yet, and will be.
        counts: Which requests are counted.

    Attributes:
        came: Whether it has come to that request.
    """

    def __init__(
        self,
        number: int,
        seconds: float = 0.0,
        counts: Callable[[RequestRecord], bool] = anything,
    ) -> None:
        self._left = number
        self._seconds = seconds
        self._counts = counts
        self._commands: tuple[Command, ...] = ()
        self.came = False

    def aim(self, *commands: Command) -> None:
        """Say what to kill."""
        self._commands = commands

    def __call__(self, asked: RequestRecord, _workspace: Workspace) -> None:
        """Count a request."""
        self._left -= self._counts(asked)
        if self._left <= 0 and self._commands:
            self.came = True
            commands, self._commands = self._commands, ()
            if self._seconds:
                threading.Timer(self._seconds, _kill, commands).start()
            else:
                _kill(*commands)


def _kill(*commands: Command) -> None:
    for each in commands:
        each.kill()
