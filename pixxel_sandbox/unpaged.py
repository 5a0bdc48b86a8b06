"""Unpaged lists: all deliveries or stores at once, or what a service makes of that."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from time import monotonic
from typing import Final

from starlette.requests import Request

from pixxel_sandbox.footprints import Json
from pixxel_sandbox.front import Desk
from pixxel_sandbox.listings import key_of, order_item_of_catalog, plain
from pixxel_sandbox.times import instant
from pixxel_sandbox.workspace import Row

DELIVERY_FILTERS: Final = ("delivery_id", "catalog_id", "task_id")
OLDEST: Final = datetime(1, 1, 1, tzinfo=UTC)


def deliveries(desk: Desk, request: Request) -> object:
    """Lists all deliveries at once, filtered by the query string."""
    params = request.query_params
    wanted = {name: params[name] for name in DELIVERY_FILTERS if name in params}
    rows = in_lists(desk, "deliveries", plain(desk.workspace, "deliveries", desk.habits))
    kept = [
        row
        for row in rows
        if isinstance(row, dict) and all(row.get(n) == value for n, value in wanted.items())
    ]
    if "order_item_id" in params:
        owner = partial(order_item_of_catalog, desk.workspace)
        kept = [row for row in kept if owner(row.get("catalog_id", "")) == params["order_item_id"]]
    elif not wanted:
        kept = _newest(kept, desk.habits.list_cap)
    return {"deliveries": kept}


def stores(desk: Desk, _request: Request) -> object:
    """Lists all stores at once."""
    rows = in_lists(desk, "stores", desk.workspace.rows("stores"))
    return {"stores": _newest([row for row in rows if isinstance(row, dict)], desk.habits.list_cap)}


def hold_back(desk: Desk, key: str) -> None:
    """Leaves a new row out of the lists for as long as they lag."""
    if desk.habits.list_lag:
        desk.unlisted[key] = monotonic() + desk.habits.list_lag


def in_lists(desk: Desk, resource: str, rows: Sequence[Row]) -> Sequence[Row]:
    """Leaves out the rows that the lists do not show yet."""
    if not desk.unlisted:
        return rows
    moment = monotonic()
    for key in [key for key, listed in desk.unlisted.items() if listed <= moment]:
        del desk.unlisted[key]
    return [row for row in rows if key_of(resource, row) not in desk.unlisted]


def _newest(rows: list[Json], cap: int) -> list[Json]:
    """Keeps the rows that were created last, in the order of the list; a cap of 0 keeps all."""
    if not cap or len(rows) <= cap:
        return rows
    made = [instant(row.get("created_at")) or OLDEST for row in rows]
    places = sorted(range(len(rows)), key=lambda place: (made[place], place))[-cap:]
    return [rows[place] for place in sorted(places)]
