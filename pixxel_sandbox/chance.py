"""Chance: repeatable random streams, one for each purpose, all drawn from the sandbox's seed."""

import random
import uuid


def stream(seed: int, purpose: str) -> random.Random:
    """Returns the random stream of a purpose: the same draws for the same seed, in any process."""
    return random.Random(f"{seed}/{purpose}")  # noqa: S311 - repeatable on purpose, guards nothing


def identifier(rng: random.Random) -> str:
    """Draws a version 4 UUID."""
    return str(uuid.UUID(int=rng.getrandbits(128), version=4))


def seldom(rule: tuple[int, int], number: int) -> bool:
    """Tells whether a row of a number is one of the few: one in so many, from which one on."""
    every, first = rule
    return number % every == first
