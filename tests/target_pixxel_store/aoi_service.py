"""Areas of interest of a service that makes one as often as it is asked, and the wish for one.

No 409 hides there that a target has asked twice.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from tests.target_pixxel_store.intercepting_proxy import Answer
from tests.target_pixxel_store.target_runner import record, schema, state

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.target_pixxel_store.intercepting_proxy import Asked
    from tests.target_pixxel_store.target_runner import Json, Ran, Workplace

AOIS = "/v0/aois"
SATELLITE = "5a7e111e-0000-4000-8000-000000000001"
PROJECT = "0e000001-aaaa-4000-8000-000000000001"
SQUARE: list[list[list[float]]] = [[[10, 50], [10.5, 50], [10.5, 50.5], [10, 50.5], [10, 50]]]
LATE = 0.3
STATUSES = {"refuse": 400, "conflict": 409, "forbid": 403, "nothing": 500}
"""What a write that is not accepted is answered with."""


class Areas:
    """The areas, to stand as `Between.otherwise`; filters of the list are not heeded.

    Args:
        mishaps: What becomes of each write, in turn: `drop` and `fail` accept it, `late` does so
            after a while; the words of `STATUSES` do not. Later writes are answered with 201.
        lag: Seconds until a new one is listed.

    Attributes:
        rows: All of them, those included that are not listed yet.
        written: Called at each write, before it is acted on.
        change: Fields that new ones get instead of those asked for.
    """

    def __init__(self, *mishaps: str, lag: float = 0) -> None:
        self.rows: list[Json] = []
        self.written: Callable[[], object] = lambda: None
        self.change: Json = {}
        self._mishaps = list(mishaps)
        self._lag = lag
        self._from: list[float] = []

    def __call__(self, asked: Asked, pass_on: Callable[[], Answer]) -> Answer | None:
        if asked.path != AOIS:
            return pass_on()
        if asked.method == "GET":
            return self._page(parse_qs(asked.query))
        self.written()
        mishap = self._mishaps.pop(0) if self._mishaps else ""
        if mishap in STATUSES:
            return Answer(STATUSES[mishap], {"error": {"code": "no", "message": "no"}})
        row = self.add(asked.body, after=LATE if mishap == "late" else self._lag)
        if mishap == "fail":
            return Answer(500, {"error": {"code": "no", "message": "no"}})
        return None if mishap in {"drop", "late"} else Answer(201, row)

    def add(self, wish: Json, after: float = 0) -> Json:
        """Make an area, to be listed after so many seconds."""
        fields = {name: wish[name] for name in wish if name not in {"provider", "item_ids"}}
        row = {"aoi_id": f"aoi-{len(self.rows)}", **fields, **self.change}
        self.rows.append(row)
        self._from.append(time.monotonic() + after)
        return row

    def _page(self, asked: dict[str, list[str]]) -> Answer:
        now = time.monotonic()
        listed = [row for row, since in zip(self.rows, self._from, strict=True) if since <= now]
        offset, limit = int(asked["offset"][0]), int(asked["limit"][0])
        pagination = {"offset": offset, "limit": limit, "total": len(listed)}
        newest = listed[::-1][offset : offset + limit]
        return Answer(200, {"aois": newest, "pagination": pagination})


def wish(name: str = "D2", **more: Any) -> Json:
    """Make a record that wants an area."""
    geometry = {"type": "Polygon", "coordinates": SQUARE}
    fields: Json = {"project_id": PROJECT, "satellite_id": SATELLITE, "geometry": geometry}
    return record("aoi_requests", **{"name": name, **fields, **more})


def ask(place: Workplace, *messages: Json, **settings: Any) -> Ran:
    """Run the target with wishes, or with other messages too, and a STATE behind them."""
    keys = ["project_id", "name"]
    return place.run(schema("aoi_requests", keys), *messages, state(1), **settings)
