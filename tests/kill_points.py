"""Points at which commands are killed: events, which do not depend on the machine's speed."""

from __future__ import annotations

import os
import signal
import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from types import FrameType

    from pixxel_sandbox import RequestRecord, Workspace
    from tests.forkserver import CommandProcess

_FILE_CHANGE_EVENTS = frozenset({"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir"})
"""Audit events that the interpreter raises before it changes a file or folder."""
_WRITE_FLAGS = os.O_WRONLY | os.O_RDWR


class KillPoint(Protocol):
    """A point at which a command kills itself."""

    def install(self) -> None:
        """Make this process kill itself at this point."""


@dataclass(frozen=True)
class KillAtFileChange:
    """A point among all changes of files at which a command kills itself.

    Attributes:
        folder: Folder whose files count.
        change_number: Number of the change before which the process is killed, from 1.
        c_calls: Number of calls of C functions that the thread makes after that: after one of
            them, a file that was opened is still empty.
    """

    folder: Path
    change_number: int
    c_calls: int = 0

    def install(self) -> None:
        """Make this process kill itself at this point."""
        sys.addaudithook(_KillHook(self).on_audit_event)


class _KillHook:
    def __init__(self, point: KillAtFileChange) -> None:
        self._folder = str(point.folder)
        self._changes_left = point.change_number
        self._calls_left = point.c_calls

    def on_audit_event(self, event: str, args: tuple[Any, ...]) -> None:
        if event not in _FILE_CHANGE_EVENTS or (event == "open" and not args[2] & _WRITE_FLAGS):
            return
        if not any(str(each).startswith(self._folder) for each in args[:2]):
            return
        self._changes_left -= 1
        if self._changes_left == 0:
            if self._calls_left == 0:
                _kill_this_process()
            sys.setprofile(self._count_c_call)

    def _count_c_call(self, _frame: FrameType, event: str, _function: object) -> None:
        self._calls_left -= event == "c_call"
        if self._calls_left == 0:
            _kill_this_process()


def _kill_this_process() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@contextmanager
def note_kill_on_failure(kill: object) -> Iterator[None]:
    """Add the kill to the message of an assertion that fails after it."""
    try:
        yield
    except AssertionError as error:
        error.add_note(f"after {kill}")
        raise


def is_any_request(_request: RequestRecord) -> bool:
    """Return True, so that every request counts."""
    return True


class KillAtRequest:
    """Kill commands at a request to a sandbox; assign it to the sandbox's `on_request`.

    Args:
        request_number: Number of the request, from 1.
        delay_seconds: Time from the request to the kill; at 0 s the response is not sent yet, and
            will be.
        is_counted: Predicate of the requests that are counted.

    Attributes:
        reached: Whether the request has arrived.
    """

    def __init__(
        self,
        request_number: int,
        delay_seconds: float = 0.0,
        is_counted: Callable[[RequestRecord], bool] = is_any_request,
    ) -> None:
        self._requests_left = request_number
        self._delay_seconds = delay_seconds
        self._is_counted = is_counted
        self._commands: tuple[CommandProcess, ...] = ()
        self.reached = False

    def set_targets(self, *commands: CommandProcess) -> None:
        """Set the commands to kill."""
        self._commands = commands

    def __call__(self, request: RequestRecord, _workspace: Workspace) -> None:
        """Count a request, and kill the commands at the last one."""
        self._requests_left -= self._is_counted(request)
        if self._requests_left <= 0 and self._commands:
            self.reached = True
            commands, self._commands = self._commands, ()
            if self._delay_seconds:
                threading.Timer(self._delay_seconds, _kill, commands).start()
            else:
                _kill(*commands)


def _kill(*commands: CommandProcess) -> None:
    for each in commands:
        each.kill()
