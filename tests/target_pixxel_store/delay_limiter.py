"""A limit to how late a sandbox accepts and lists what runs that are killed have requested."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from tests import forkserver

if TYPE_CHECKING:
    from collections.abc import Callable

    from pixxel_sandbox import RequestRecord, Sandbox, Workspace
    from tests.kill_points import KillAtRequest

MAX_LATE_SECONDS = 0.4
MAX_LIST_LAG = 0.2
ACCEPT_LATE_RATE = 0.15
NO_WRITE_SECONDS = 60.0
"""Jobs that are due later than this are no late writes, such as the fulfilment of an order."""


class DelayLimiter:
    """A request hook that limits the time from a write until the sandbox lists what it created.

    The limit is `MAX_LATE_SECONDS` plus `MAX_LIST_LAG`, on slow machines too: if the sandbox is
    overdue, its pending jobs run before it responds.

    Args:
        sandbox: Calls it for each request.
        is_write: Returns whether a request is such a write.

    Attributes:
        kill: Called for each request; kills the run.
        late: Whether the sandbox accepts the write at which the run is killed late.
    """

    def __init__(self, sandbox: Sandbox, is_write: Callable[[RequestRecord], bool]) -> None:
        self._sandbox = sandbox
        self._is_write = is_write
        self._due_time = 0.0
        self.kill: KillAtRequest | None = None
        self.late = False

    def __call__(self, request: RequestRecord, workspace: Workspace) -> None:
        """Run overdue jobs, kill the run if it is due, and decide how a write is accepted."""
        if time.monotonic() > self._due_time:
            self._run_overdue_jobs()
        if self.kill:
            self.kill(request, workspace)
        if self._is_write(request):
            self._due_time = time.monotonic() + MAX_LATE_SECONDS + MAX_LIST_LAG
            is_late = self.late and self.kill is not None and self.kill.reached
            self._sandbox.behavior = replace(
                self._sandbox.behavior, accept_late=1.0 if is_late else ACCEPT_LATE_RATE
            )

    def _run_overdue_jobs(self) -> None:
        state, end = self._sandbox._state, time.monotonic() + NO_WRITE_SECONDS
        with state.scheduler._changed:
            queue = sorted(state.scheduler._queue)
            state.scheduler._queue[:] = [each for each in queue if each[0] > end]
        for due, _, job in queue:
            if due <= end:
                job()
        state.listed_from.clear()


def wait_for_late_writes(sandbox: Sandbox) -> None:
    """Wait until all writes accepted late are done; a sandbox runs its jobs in order."""
    done = threading.Event()
    sandbox._state.scheduler.call_later(MAX_LATE_SECONDS, done.set)
    assert done.wait(forkserver.TIMEOUT_SECONDS)
