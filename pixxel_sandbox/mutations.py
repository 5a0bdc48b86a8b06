"""Change the workspace: by a day's work on request, or between two pages of a list."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixxel_sandbox.resources import INCREMENTAL, RESOURCES
from pixxel_sandbox.seed import timestamp_formats
from pixxel_sandbox.workspace import Workspace, row_key

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Sequence

    from pixxel_sandbox.behavior import Behavior
    from pixxel_sandbox.seed.generate import ResourceRow

UPDATED_ITEMS = 3
NEW_ITEMS = (2, 3)
NEXT_STATUS = {
    "DRAFT": "ACTIVE",
    "ACTIVE": "FULFILLED",
    "UNPAID": "PAYMENT_IN_PROGRESS",
    "PAYMENT_IN_PROGRESS": "PAID",
    "PAID": "REFUND",
}
"""The next status of an order or order item; a status without one starts again."""

CONTENT_CHANGES: dict[str, Callable[[int], dict[str, object]]] = {
    "archive_items": lambda turn: {"eo:cloud_cover": turn % 10000 / 100},
    "catalogs": lambda turn: {"area": 25 + turn % 1000},
    "orders": lambda turn: {"total_amount": 100 + turn % 1000},
    "order_items": lambda turn: {"area": 25 + turn % 1000},
    "projects": lambda turn: {"members_count": 1 + turn % 50},
    "indices": lambda turn: {"description": f"revision {turn}"},
    "aois": lambda turn: {"description": f"revision {turn}"},
    "aoi_assets": lambda turn: {"description": f"revision {turn}"},
    "visualizations": lambda turn: {"progress": turn % 100},
    "workflows": lambda turn: {"description": f"revision {turn}"},
}
"""The fields that change when a row of a paged list is updated, by a number that grows."""


def advance(
    workspace: Workspace, deliver: Callable[[str], None], pending_deliveries: Container[str]
) -> dict[str, int]:
    """Change and add rows as a day's work would.

    Args:
        workspace: The workspace to change.
        deliver: Called with the id of each new catalog.
        pending_deliveries: The ids of deliveries whose status is not to be changed.

    Returns:
        The number of changed and new rows of each resource.
    """
    with workspace.lock:
        start = len(workspace.changes)
        _advance_imagery(workspace, deliver)
        _advance_order(workspace)
        _advance_delivery(workspace, pending_deliveries)
        _advance_analytics(workspace)
        changed: dict[str, set[str]] = {name: set() for name in INCREMENTAL}
        for change in workspace.changes[start:]:
            changed[change.resource].add(change.id)
        return {name: len(ids) for name, ids in changed.items()}


def _advance_imagery(workspace: Workspace, deliver: Callable[[str], None]) -> None:
    keys = workspace.ids("archive_items")
    for key in workspace.rng.sample(keys, min(UPDATED_ITEMS, len(keys))):
        update_row(workspace, "archive_items", key)
    for _ in range(workspace.rng.randint(*NEW_ITEMS)):
        moment = timestamp_formats.now()
        workspace.insert("archive_items", {"properties": {"created": moment, "updated": moment}})
    if catalogs := workspace.ids("catalogs"):
        deliver(workspace.insert_copy("catalogs", workspace.rng.choice(catalogs)))


def _advance_order(workspace: Workspace) -> None:
    items = workspace.rows("order_items")
    if not items:
        return
    item = workspace.rng.choice(items)
    status = NEXT_STATUS.get(item.get("status", ""), "ACTIVE")
    workspace.update("order_items", item["id"], status=status)
    order = workspace.find("orders", item.get("order_id", ""))
    if isinstance(order, dict):
        status = NEXT_STATUS.get(order.get("status", ""), "UNPAID")
        workspace.update("orders", order["id"], status=status)


def _advance_delivery(workspace: Workspace, pending_deliveries: Container[str]) -> None:
    rows = workspace.rows("deliveries")
    deliveries = [row for row in rows if row["delivery_id"] not in pending_deliveries]
    unfinished = [row for row in deliveries if row.get("status") != "SUCCESS"]
    if deliveries:
        chosen = workspace.rng.choice(unfinished or deliveries)
        workspace.update("deliveries", chosen["delivery_id"], status="SUCCESS")


def _advance_analytics(workspace: Workspace) -> None:
    """Change an AOI and a workflow, and add an asset to the AOI.

    It has a random generator of its own, so that the changes of imagery and orders do not depend
    on it.
    """
    rng = workspace.analytics_rng
    if keys := workspace.ids("workflows"):
        update_row(workspace, "workflows", rng.choice(keys))
    if not (keys := workspace.ids("aois")):
        return
    key = rng.choice(keys)
    update_row(workspace, "aois", key)
    if assets := workspace.rows("aoi_assets"):
        new = workspace.insert_copy("aoi_assets", rng.choice(assets)["id"])
        workspace.update("aoi_assets", new, aoi_id=key)


def update_row(workspace: Workspace, resource: str, key: str) -> None:
    """Change a row's content and its update time."""
    workspace.update(resource, key, **CONTENT_CHANGES[resource](workspace.version))


def mutate_between_pages(
    workspace: Workspace,
    resource: str,
    rows: Sequence[ResourceRow],
    page_rows: Sequence[ResourceRow],
    behavior: Behavior,
) -> None:
    """Change a list after one of its pages was served, as the behavior sets.

    A new row is a copy of the list's first row, inserted before all others: it comes ahead of the
    next page in every order that does not depend on the copy's new id and times.

    Args:
        workspace: The workspace to change.
        resource: The resource that is listed.
        rows: All rows of the list.
        page_rows: The rows of the page that was served.
        behavior: Which changes to make.
    """
    keys = [row_key(resource, row) for row in rows]
    served = [row_key(resource, row) for row in page_rows]
    if behavior.insert_while_paging and served:
        workspace.insert_copy(resource, keys[0], first=True)
    if behavior.delete_while_paging and served:
        workspace.delete(resource, served.pop(workspace.rng.randrange(len(served))))
    remaining = [key for key in keys if workspace.find(resource, key) is not None]
    if behavior.update_while_paging and remaining:
        update_row(workspace, resource, workspace.rng.choice(remaining))


def set_future_timestamps(workspace: Workspace) -> None:
    """Set the update time of one row of each incremental resource to the year 2999."""
    for resource in INCREMENTAL:
        field = RESOURCES[resource].updated_field
        keys = workspace.ids(resource)
        if field and keys:
            workspace.update(
                resource, keys[len(keys) // 2], **{field: timestamp_formats.FAR_FUTURE}
            )
