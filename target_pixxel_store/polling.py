"""Waiting and polling by the monotonic clock; a signal ends both at once."""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Found = TypeVar("Found")
_STEP_SECONDS = 0.1  # between two checks for a signal


class Backoff(NamedTuple):
    """Pauses in seconds: the first one, the factor from each to the next, and the longest."""

    first: float
    factor: float
    longest: float

    def pause(self, number: int) -> float:
        """Return the seconds of a pause; the first one has the number 0."""
        return min(self.first * self.factor**number, self.longest)


LIST_BACKOFF = Backoff(first=0.25, factor=2, longest=4.0)
"""Pauses between two reads of a list that lags behind the writes."""


def wait_for(seconds: float, check: Callable[[], None]) -> None:
    """Sleep, by the monotonic clock.

    Args:
        seconds: How long; not at all where it is negative.
        check: Called every 0.1 s; raises to stop.
    """
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        check()
        time.sleep(min(left, _STEP_SECONDS))


def poll_for(
    seconds: float,
    fetch: Callable[[], Found | None],
    check: Callable[[], None],
    backoff: Backoff = LIST_BACKOFF,
) -> Found | None:
    """Call `fetch` until it returns something; the last call starts after `seconds`.

    Args:
        seconds: By the monotonic clock.
        fetch: Returns None to be called again.
        check: Called while waiting; raises to stop.
        backoff: The pauses between the calls.
    """
    end = time.monotonic() + seconds
    for number in itertools.count():
        is_last = time.monotonic() >= end
        if (found := fetch()) is not None or is_last:
            return found
        wait_for(min(end - time.monotonic(), backoff.pause(number)), check)
    return None
