"""Repeatable random number generators, one for each purpose, all derived from the seed.

The purposes are part of the seeds: to rename one changes the rows that it generates.
"""

from __future__ import annotations

import random
import uuid


def rng_for(seed: int, purpose: str) -> random.Random:
    """Return the generator of a purpose, which draws the same for the same seed in any process."""
    return random.Random(f"{seed}/{purpose}")  # noqa: S311 - repeatable on purpose, guards nothing


def draw_uuid(rng: random.Random) -> str:
    """Draw a version 4 UUID."""
    return str(uuid.UUID(int=rng.getrandbits(128), version=4))


def every_nth(rule: tuple[int, int], number: int) -> bool:
    """Return whether a rule, a step and the first number, selects the row of a number."""
    step, first = rule
    return number % step == first
