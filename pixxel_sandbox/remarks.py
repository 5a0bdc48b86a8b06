"""Remarks: what the order report says of order items that they do not say themselves."""

from collections.abc import Sequence
from random import Random
from typing import Final

from pixxel_sandbox.chance import identifier
from pixxel_sandbox.footprints import Json

NOTES: Final = (
    "",
    'deliver to "Quay 4", north side',
    "first strip only\nthe rest next month",
    "Überflug bestätigt",
    "",
    "0042",
)
"""Notes as people type them: with commas, quotes, two lines, and numbers that are none."""
REPEATED: Final = 1
"""The line that is in the report twice."""


def remarks(rng: Random, order_items: Sequence[Json]) -> list[Json]:
    """Makes the lines of the report: one for each order item, and one of them again."""
    lines: list[Json] = [
        {
            "id": identifier(rng),
            "order_item_id": item["id"],
            "priority": rng.random() < 1 / 3,
            "note": NOTES[number % len(NOTES)],
        }
        for number, item in enumerate(order_items)
    ]
    return [*lines, *({**line, "id": identifier(rng)} for line in lines[REPEATED : REPEATED + 1])]
