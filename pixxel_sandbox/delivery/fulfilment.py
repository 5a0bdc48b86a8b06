"""Fulfil new order items: SUBMITTED tasks, IN_PROGRESS, then catalogs and their deliveries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from pixxel_sandbox.delivery.worker import start_automatic_delivery
from pixxel_sandbox.seed import timestamp_formats
from pixxel_sandbox.seed.archive_items import ItemRow

if TYPE_CHECKING:
    from pixxel_sandbox.json_types import Json
    from pixxel_sandbox.runtime_state import SandboxState

ImagesOfTasks: TypeAlias = Mapping[str, Sequence[ItemRow]]
"""The images that each task brings, by the task's id."""


def start_fulfilment(
    state: SandboxState, order_item_id: str, images: ImagesOfTasks, *, fails: bool
) -> None:
    """Schedule the progress of an order item's tasks; end them now if they take no time."""
    seconds = state.behavior.order_seconds
    end = partial(_end, state, order_item_id, {} if fails else images)
    if not seconds:
        end()
        return
    state.scheduler.call_later(
        seconds / 2, partial(_set_status, state, order_item_id, "ACTIVE", "IN_PROGRESS")
    )
    state.scheduler.call_later(seconds, end)


def _end(state: SandboxState, order_item_id: str, images: ImagesOfTasks) -> None:
    """Insert the catalogs of an order item and start their deliveries; it fails without any."""
    workspace = state.workspace
    with workspace.lock:
        row = workspace.find("order_items", order_item_id)
        if not isinstance(row, dict):
            return
        catalogs = [
            workspace.insert("catalogs", _make_catalog(row, task_id, image))
            for task_id, items in images.items()
            for image in items
        ]
        status = "FULFILLED" if catalogs else "FAILED"
        _set_status(state, order_item_id, status, status)
        for catalog_id in catalogs:
            start_automatic_delivery(state, catalog_id)


def _make_catalog(order_item: Json, task_id: str, image: ItemRow) -> Json:
    moment, author = timestamp_formats.now(), order_item["user_id"]
    row: Json = {
        "org_id": order_item["org_id"],
        "task_id": task_id,
        "bandset_id": order_item["bandset"]["bandset_id"],
        "area": order_item["area"],
        "created_at": moment,
        "created_by": author,
        "updated_at": moment,
        "updated_by": author,
        "details": image,
    }
    return {**row, "delivery_status": "CREATED"} if "cloud_delivery" in order_item else row


def _set_status(state: SandboxState, order_item_id: str, status: str, task_status: str) -> None:
    """Change the status of an order item and of its tasks."""
    workspace = state.workspace
    with workspace.lock:
        row = workspace.find("order_items", order_item_id)
        if isinstance(row, dict):
            changes = {"status": task_status, "updated_at": timestamp_formats.now()}
            tasks = [{**task, **changes} for task in row["tasks"]]
            workspace.update("order_items", order_item_id, status=status, tasks=tasks)
