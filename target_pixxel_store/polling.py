"""Waiting and polling; a signal ends both at once."""

from __future__ import annotations

import itertools
import logging
import time
from typing import TYPE_CHECKING, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger(__name__)

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


def wait_until(deadline: float, check: Callable[[], None]) -> None:
    """Sleep until a time in seconds since 1970.

    Args:
        deadline: The time.
        check: Called every 0.1 s; raises to stop.
    """
    while (left := deadline - time.time()) > 0:
        check()
        time.sleep(min(left, _STEP_SECONDS))


def wait_settled(deadline: float, check: Callable[[], None]) -> None:
    """Log and wait until the API's lists contain every earlier request."""
    logger.info(
        "waiting %.0f s for earlier requests to appear in the API's lists (settle_seconds)",
        max(deadline - time.time(), 0),
    )
    wait_until(deadline, check)


def poll_until(
    deadline: float,
    fetch: Callable[[], Found | None],
    check: Callable[[], None],
    backoff: Backoff = LIST_BACKOFF,
) -> Found | None:
    """Call `fetch` until it returns something; the last call starts at the deadline.

    Args:
        deadline: In seconds since 1970.
        fetch: Returns None to be called again.
        check: Called while waiting; raises to stop.
        backoff: The pauses between the calls.
    """
    for number in itertools.count():
        is_last = time.time() >= deadline
        if (found := fetch()) is not None or is_last:
            return found
        wait_until(min(deadline, time.time() + backoff.pause(number)), check)
    return None
