"""Waiting and polling, both of which a signal ends at once."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger(__name__)


def wait_until(deadline: float, check: Callable[[], None], *, step: float = 0.1) -> None:
    """Sleep until a time in seconds since 1970, ending at once when asked to stop."""
    while (left := deadline - time.time()) > 0:
        check()
        time.sleep(min(left, step))


def wait_settled(until: float, check: Callable[[], None]) -> None:
    """Wait, and say so, until all that earlier runs have asked for is surely listed."""
    logger.info(
        "waiting %.0f s until all that was asked for before is surely listed, see 'settle_seconds'",
        max(until - time.time(), 0),
    )
    wait_until(until, check)


def poll_until(
    deadline: float, fetch: Callable[[], Found | None], check: Callable[[], None]
) -> Found | None:
    """Look until something is there; the last look begins after a time in seconds since 1970."""
    pause = FIRST_PAUSE
    while True:
        last = time.time() >= deadline
        if (found := fetch()) is not None or last:
            return found
        wait_until(min(deadline, time.time() + pause), check)
        pause = min(2 * pause, LONGEST_PAUSE)


Found = TypeVar("Found")


FIRST_PAUSE = 0.25  # seconds between two looks; doubled each time


LONGEST_PAUSE = 4.0
