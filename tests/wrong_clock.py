"""Wall clocks that are wrong, for the processes that a test kills; the monotonic clock is right.

`faketime` is of no use here, as it steps the monotonic clock, too.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass

HOUR_SECONDS = 3600.0


@dataclass(frozen=True)
class WrongClock:
    """A clock that is wrong by an hour.

    Attributes:
        offsets: Seconds by which `time.time` is wrong: with several, it steps at any call.
        seed: Chooses the steps.
    """

    offsets: tuple[float, ...]
    seed: int = 0

    def install(self) -> None:
        """Make the clock of this process wrong, as a `sitecustomize` would."""
        right, rng = time.time, random.Random(self.seed)  # noqa: S311 - chooses steps
        time.time = lambda: right() + rng.choice(self.offsets)


SLOW = WrongClock((-HOUR_SECONDS,))
FAST = WrongClock((HOUR_SECONDS,))


def make_stepping_clock(seed: int) -> WrongClock:
    """Return a clock that steps an hour forward and back at any time."""
    return WrongClock((-HOUR_SECONDS, 0.0, HOUR_SECONDS), seed)
