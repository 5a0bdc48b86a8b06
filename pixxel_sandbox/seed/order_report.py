"""Generate the rows of the order report: the columns that order items do not have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixxel_sandbox.seed.rng import draw_uuid

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    from pixxel_sandbox.json_types import Json

NOTES = (
    "",
    'deliver to "Quay 4", north side',
    "first strip only\nthe rest next month",
    "Überflug bestätigt",
    "",
    "0042",
)
"""Notes as people type them: with commas, quotes, two lines, and digits that are no number."""
REPEATED_ROW = 1
"""The number of the row that is in the report twice."""


def generate_report_rows(rng: Random, order_items: Sequence[Json]) -> list[Json]:
    """Generate the rows of the report: one for each order item, and one of them again."""
    rows: list[Json] = [
        {
            "id": draw_uuid(rng),
            "order_item_id": item["id"],
            "priority": rng.random() < 1 / 3,
            "note": NOTES[number % len(NOTES)],
        }
        for number, item in enumerate(order_items)
    ]
    return [
        *rows,
        *({**line, "id": draw_uuid(rng)} for line in rows[REPEATED_ROW : REPEATED_ROW + 1]),
    ]
