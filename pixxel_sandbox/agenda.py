"""The agenda: one thread of the sandbox's own, for what is to happen later."""

import heapq
import threading
from collections.abc import Callable
from itertools import count
from time import monotonic
from typing import Final

Job = Callable[[], None]

GRACE_SECONDS: Final = 2.0


class Agenda:
    """Does jobs at their time, one after the other, until it is stopped."""

    def __init__(self) -> None:
        self._due: list[tuple[float, int, Job]] = []
        self._numbers = count()
        self._changed = threading.Condition()
        self._stopped = False
        self._thread = threading.Thread(target=self._work, name="pixxel-agenda", daemon=True)

    def after(self, seconds: float, job: Job) -> None:
        """Puts a job on the agenda; jobs of one moment are done in the order they were put."""
        with self._changed:
            heapq.heappush(self._due, (monotonic() + seconds, next(self._numbers), job))
            self._changed.notify()

    def start(self) -> None:
        """Starts to work."""
        self._thread.start()

    def stop(self) -> None:
        """Stops; what is not due yet is forgotten, and what takes long is not waited for."""
        with self._changed:
            self._stopped = True
            self._changed.notify()
        self._thread.join(GRACE_SECONDS)

    def _work(self) -> None:
        while (job := self._next()) is not None:
            job()

    def _next(self) -> Job | None:
        with self._changed:
            while not self._stopped:
                wait = self._due[0][0] - monotonic() if self._due else None
                if wait is not None and wait <= 0:
                    return heapq.heappop(self._due)[2]
                self._changed.wait(wait)
        return None
