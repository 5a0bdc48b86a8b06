"""Stamps: who made a row and when, in one of the forms that the API writes times in."""

from datetime import datetime, timedelta
from random import Random
from typing import Final

from pixxel_sandbox import times
from pixxel_sandbox.chance import seldom
from pixxel_sandbox.footprints import Json

UNDATED: Final = (11, 4)
"""One row in so many lacks ``updated_at``, from which one on."""


def stamps(
    rng: Random, number: int, created: datetime, author: str | None = None, *, form: int = 0
) -> Json:
    """Says who made a row and when; some rows of every kind lack ``updated_at``.

    Args:
        rng: draws how long after its creation the row was updated.
        number: the row's place among its kind.
        created: when the row was made.
        author: who made it; rows of some kinds do not say.
        form: shifts the form of the times, so that kinds of rows differ.
    """
    write = times.FORMS[(number + form) % len(times.FORMS)]
    updated = write(created + timedelta(hours=rng.expovariate(1 / 200)))
    made = {
        "created_at": write(created),
        "created_by": author,
        "updated_at": None if seldom(UNDATED, number) else updated,
        "updated_by": author,
    }
    return {name: value for name, value in made.items() if value is not None}
