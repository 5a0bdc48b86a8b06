"""The prices of order items: by area, by level or type, and by uplifts; and those of insights."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pixxel_sandbox.json_types import Json

ARCHIVE_RATES = {"L1B": 1.5, "L1C": 2.0, "L2A": 2.5}
"""The price of a km² of an archive item, by its processing level."""
TASKING_RATE = 4.0
"""The price of a km² of a capture."""
INSIGHT_RATES = {"land-cover": 2.0, "crop-stress": 3.5}
"""The price of a km² of an insight in tokens, by its block."""
CAPTURES = ""
"""The key of the rate of all captures, in place of the id of an archive item."""


class Uplift(NamedTuple):
    """A percentage by which the terms of an order item raise its price."""

    title: str
    percentage: int


EXPEDITED = Uplift("Expedited", 25)
CRITICAL = Uplift("Critical", 40)
ASSURED = Uplift("Assured", 50)


def price_order_item(area: int, rates: Mapping[str, float], uplifts: Iterable[Uplift]) -> Json:
    """Return the fields of an order item that hold its area and its price.

    Args:
        area: In km².
        rates: The prices of a km², by the ids of archive items, or of all captures.
        uplifts: Applied to each rate; their amounts are whole numbers, as the API's are.
    """
    listed = [
        _apply_uplift(uplift, area * rate, item_id)
        for uplift in uplifts
        for item_id, rate in rates.items()
    ]
    base = round(area * sum(rates.values()), 2)
    return {
        "area": area,
        "base_amount": base,
        "final_amount": round(base + sum(each["amount"] for each in listed), 2),
        "uplifts": listed,
    }


def price_insight(block: str, area: float) -> int:
    """Return the price of an insight in tokens, at least 1.

    Args:
        block: The name of its block.
        area: The area of its area of interest, in km².
    """
    return max(1, round(INSIGHT_RATES[block] * area))


def _apply_uplift(uplift: Uplift, amount: float, item_id: str) -> Json:
    row: Json = {
        "title": uplift.title,
        "subtitle": f"{uplift.percentage} % of the base amount",
        "percentage": uplift.percentage,
        "amount": round(amount * uplift.percentage / 100),
    }
    return row if item_id == CAPTURES else {**row, "item_id": item_id}
