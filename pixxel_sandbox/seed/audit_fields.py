"""The audit fields of rows: who created and updated them, and when."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from pixxel_sandbox.seed import timestamp_formats
from pixxel_sandbox.seed.rng import every_nth

if TYPE_CHECKING:
    from random import Random

    from pixxel_sandbox.json_types import Json

WITHOUT_UPDATED_AT = (11, 4)
"""The rule of rows without `updated_at`, see `every_nth`."""


def make_audit_fields(
    rng: Random,
    number: int,
    created: datetime,
    author: str | None = None,
    *,
    format_offset: int = 0,
) -> Json:
    """Return the audit fields of a row; some rows of every resource have no `updated_at`.

    Args:
        rng: Draws the time from the creation to the update.
        number: The row's number in its resource.
        created: The time of the creation.
        author: The user's id; None for a resource that does not have it.
        format_offset: Shifts the timestamp format, so that resources differ.
    """
    write = timestamp_formats.FORMATTERS[
        (number + format_offset) % len(timestamp_formats.FORMATTERS)
    ]
    updated = write(created + timedelta(hours=rng.expovariate(1 / 200)))
    row = {
        "created_at": write(created),
        "created_by": author,
        "updated_at": None if every_nth(WITHOUT_UPDATED_AT, number) else updated,
        "updated_by": author,
    }
    return {name: value for name, value in row.items() if value is not None}
