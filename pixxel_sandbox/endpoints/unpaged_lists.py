"""The endpoints that list all deliveries or stores at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixxel_sandbox.seed.timestamp_formats import parse_timestamp
from pixxel_sandbox.web.pagination import OLDEST, list_in_default_order

if TYPE_CHECKING:
    from starlette.requests import Request

    from pixxel_sandbox.json_types import Json
    from pixxel_sandbox.runtime_state import SandboxState

DELIVERY_FILTERS = ("delivery_id", "catalog_id", "task_id")


def list_deliveries(state: SandboxState, request: Request) -> object:
    """List all deliveries, filtered by the query string."""
    params, workspace = request.query_params, state.workspace
    filters = {name: params[name] for name in DELIVERY_FILTERS if name in params}
    rows = [
        row
        for row in state.visible_rows(
            "deliveries", list_in_default_order(workspace, "deliveries", state.behavior)
        )
        if isinstance(row, dict) and all(row.get(name) == value for name, value in filters.items())
    ]
    if "order_item_id" in params:
        rows = [
            row
            for row in rows
            if workspace.order_item_of_catalog(row.get("catalog_id", "")) == params["order_item_id"]
        ]
    elif not filters:
        rows = _keep_newest(rows, state.behavior.list_cap)
    return {"deliveries": rows}


def list_stores(state: SandboxState, _request: Request) -> object:
    """List all stores."""
    rows = state.visible_rows("stores", state.workspace.rows("stores"))
    stores = [row for row in rows if isinstance(row, dict)]
    return {"stores": _keep_newest(stores, state.behavior.list_cap)}


def _keep_newest(rows: list[Json], cap: int) -> list[Json]:
    """Return the rows that were created last, in the order of the list; 0 is no cap."""
    if not cap or len(rows) <= cap:
        return rows
    created = [parse_timestamp(row.get("created_at")) or OLDEST for row in rows]
    newest = sorted(range(len(rows)), key=lambda index: (created[index], index))[-cap:]
    return [rows[index] for index in sorted(newest)]
