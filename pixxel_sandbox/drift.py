"""Drift: how the workspace moves on, at a word from outside or between two pages of a list."""

from collections.abc import Callable, Container
from typing import Final

from pixxel_sandbox import times
from pixxel_sandbox.habits import Habits
from pixxel_sandbox.listings import Page, key_of
from pixxel_sandbox.resources import INCREMENTAL, RESOURCES
from pixxel_sandbox.workspace import Workspace

UPDATED_ITEMS: Final = 3
NEW_ITEMS: Final = (2, 3)
NEXT_STATUS: Final = {
    "DRAFT": "ACTIVE",
    "ACTIVE": "FULFILLED",
    "UNPAID": "PAYMENT_IN_PROGRESS",
    "PAYMENT_IN_PROGRESS": "PAID",
    "PAID": "REFUND",
}
"""What comes after a status of an order or order item; what has no successor starts again."""

CONTENT: Final[dict[str, Callable[[int], dict[str, object]]]] = {
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
"""The content that changes when a row of a paged list is updated."""


def advance(
    workspace: Workspace, deliver: Callable[[str], None], moving: Container[str]
) -> dict[str, int]:
    """Lets the workspace move on by a day's work.

    Args:
        workspace: what moves on.
        deliver: told of each new catalog, by its id.
        moving: the ids of deliveries that move on their own.

    Returns:
        How many rows of each resource were changed or are new.
    """
    with workspace.lock:
        start = len(workspace.log)
        _imagery(workspace, deliver)
        _order(workspace)
        _delivery(workspace, moving)
        _analyses(workspace)
        changed: dict[str, set[str]] = {name: set() for name in INCREMENTAL}
        for change in workspace.log[start:]:
            changed[change.resource].add(change.id)
        return {name: len(ids) for name, ids in changed.items()}


def _imagery(workspace: Workspace, deliver: Callable[[str], None]) -> None:
    known = workspace.ids("archive_items")
    for key in workspace.rng.sample(known, min(UPDATED_ITEMS, len(known))):
        update(workspace, "archive_items", key)
    for _ in range(workspace.rng.randint(*NEW_ITEMS)):
        moment = times.now()
        stamps = {"created": moment, "updated": moment}
        workspace.insert("archive_items", {"properties": stamps})
    if catalogs := workspace.ids("catalogs"):
        deliver(workspace.insert_twin("catalogs", workspace.rng.choice(catalogs)))


def _order(workspace: Workspace) -> None:
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


def _delivery(workspace: Workspace, moving: Container[str]) -> None:
    rows = workspace.rows("deliveries")
    deliveries = [row for row in rows if row["delivery_id"] not in moving]
    open_ones = [row for row in deliveries if row.get("status") != "SUCCESS"]
    if deliveries:
        chosen = workspace.rng.choice(open_ones or deliveries)
        workspace.update("deliveries", chosen["delivery_id"], status="SUCCESS")


def _analyses(workspace: Workspace) -> None:
    """Changes an area and a workflow, and gives the area an asset.

    It draws from a stream of its own: what becomes of imagery and orders does not depend on it.
    """
    rng = workspace.analyses
    if keys := workspace.ids("workflows"):
        update(workspace, "workflows", rng.choice(keys))
    if not (keys := workspace.ids("aois")):
        return
    key = rng.choice(keys)
    update(workspace, "aois", key)
    if assets := workspace.rows("aoi_assets"):
        new = workspace.insert_twin("aoi_assets", rng.choice(assets)["id"])
        workspace.update("aoi_assets", new, aoi_id=key)


def update(workspace: Workspace, resource: str, key: str) -> None:
    """Updates a row: its content, and with it its time."""
    workspace.update(resource, key, **CONTENT[resource](workspace.version))


def page_was_served(workspace: Workspace, resource: str, page: Page, habits: Habits) -> None:
    """Changes a list between two of its pages, as the habits want it.

    A new row is a twin of the listing's first, put before all others: it comes ahead of the
    next page in every order that the twin's new id and times do not put elsewhere.
    """
    listed = [key_of(resource, row) for row in page.rows]
    served = [key_of(resource, row) for row in page.shown]
    if habits.insert_while_paging and served:
        workspace.insert_twin(resource, listed[0], first=True)
    if habits.delete_while_paging and served:
        workspace.delete(resource, served.pop(workspace.rng.randrange(len(served))))
    left = [key for key in listed if workspace.find(resource, key) is not None]
    if habits.update_while_paging and left:
        update(workspace, resource, workspace.rng.choice(left))


def date_into_the_future(workspace: Workspace) -> None:
    """Dates one row of every incremental resource as a wrong clock would."""
    for resource in INCREMENTAL:
        stamp = RESOURCES[resource].updated
        keys = workspace.ids(resource)
        if stamp and keys:
            workspace.update(resource, keys[len(keys) // 2], **{stamp: times.FAR_FUTURE})
