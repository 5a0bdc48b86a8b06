"""Run new deliveries: CREATED, IN_PROGRESS, then SUCCESS or FAILED."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from pixxel_sandbox.delivery.bucket_upload import (
    Upload,
    UploadDestination,
    make_object_key,
    upload_object,
)
from pixxel_sandbox.generated_zip import make_zip
from pixxel_sandbox.seed import timestamp_formats
from pixxel_sandbox.seed.orders import CatalogRow
from pixxel_sandbox.seed.rng import draw_uuid

if TYPE_CHECKING:
    from pixxel_sandbox.json_types import Json
    from pixxel_sandbox.runtime_state import SandboxState
    from pixxel_sandbox.workspace import Workspace

FINISHED_STATUSES = frozenset({"SUCCESS", "FAILED", "SUCCESSFUL", "COMPLETED"})


def start_delivery(
    state: SandboxState, catalog_id: str, cloud_delivery: Json, task_id: str | None = None
) -> Json:
    """Insert a new delivery into the workspace and schedule its progress.

    Args:
        state: The sandbox's state.
        catalog_id: The id of the catalog to deliver.
        cloud_delivery: The store's id as `config`, and optionally a `path`.
        task_id: The id of the task; None for a delivery that was requested by the API.

    Returns:
        The delivery's row as inserted.
    """
    workspace, behavior = state.workspace, state.behavior
    image, moment = workspace.find("catalogs", catalog_id), timestamp_formats.now()
    name = image.item.id if isinstance(image, CatalogRow) else catalog_id
    row: Json = {
        "delivery_id": draw_uuid(workspace.rng),
        "catalog_id": catalog_id,
        "task_id": task_id,
        "cloud_delivery": cloud_delivery,
        "target_path": f"{catalog_id}/{name}.zip",
        "status": "CREATED",
        "created_at": moment,
        "created_by": workspace.user_id,
        "updated_at": moment,
        "updated_by": workspace.user_id,
    }
    key = workspace.insert("deliveries", row)
    state.hide_from_lists(key)
    _schedule(state, key, cloud_delivery["config"], fails=state.happens(behavior.fail_deliveries))
    return row


def start_automatic_delivery(state: SandboxState, catalog_id: str) -> None:
    """Deliver a new catalog if its order item has `cloud_delivery`."""
    workspace = state.workspace
    row = workspace.find("catalogs", catalog_id)
    item = workspace.find("order_items", workspace.order_item_of_catalog(catalog_id))
    if isinstance(row, CatalogRow) and isinstance(item, dict) and "cloud_delivery" in item:
        workspace.update("catalogs", catalog_id, delivery_status="CREATED")
        start_delivery(state, catalog_id, item["cloud_delivery"], row.fields["task_id"])


def _schedule(state: SandboxState, key: str, store_id: str, *, fails: bool) -> None:
    """Schedule a delivery's progress; complete it now if it takes no time and uploads nothing."""
    seconds = state.behavior.delivery_seconds
    state.pending_deliveries.add(key)
    if not seconds and (fails or not _has_bucket(state, store_id)):
        _complete(state, key, fails=fails)
        return
    state.scheduler.call_later(seconds / 2, partial(_set_status, state, key, "IN_PROGRESS"))
    state.scheduler.call_later(seconds, partial(_complete, state, key, fails=fails))


def _has_bucket(state: SandboxState, store_id: str) -> bool:
    row = state.workspace.find("stores", store_id)
    return isinstance(row, dict) and row["type"] in state.endpoints and store_id in state.secrets


def _complete(state: SandboxState, key: str, *, fails: bool) -> None:
    """Upload and end a delivery; the workspace is not locked during the upload."""
    try:
        succeeded = not fails and (
            (upload := _make_upload(state, key)) is None or upload_object(upload)
        )
    except KeyError:
        succeeded = False
    with state.workspace.lock:
        _set_status(state, key, "SUCCESS" if succeeded else "FAILED")
        state.pending_deliveries.discard(key)


def _make_upload(state: SandboxState, key: str) -> Upload | None:
    """Make the upload of a delivery, None if its store has no bucket in the sandbox.

    Raises:
        KeyError: The delivery, its store or its catalog was deleted.
    """
    delivery = _get_row(state, "deliveries", key)
    store_id = delivery["cloud_delivery"]["config"]
    store = _get_row(state, "stores", store_id)
    if not _has_bucket(state, store_id):
        return None
    catalog = _get_row(state, "catalogs", delivery["catalog_id"])
    destination = UploadDestination(
        store_type=store["type"],
        endpoint=state.endpoints[store["type"]],
        bucket=store["configs"]["bucket"],
        region=store["configs"]["region"],
        secrets=frozenset(state.secrets[store_id].items()),
    )
    content = make_zip({f"{delivery['catalog_id']}.json": catalog["details"]})
    return Upload(destination, make_object_key(store, delivery), content)


def _get_row(state: SandboxState, resource: str, key: str) -> Json:
    row = state.workspace.find(resource, key)
    if row is None:
        raise KeyError(key)
    return state.workspace.render(row)


def _set_status(state: SandboxState, key: str, status: str) -> None:
    """Change the status of a delivery, and of the catalog of an automatic one."""
    workspace = state.workspace
    with workspace.lock:
        row = workspace.find("deliveries", key)
        if not isinstance(row, dict):
            return
        workspace.update("deliveries", key, status=status)
        if row["task_id"] is not None and workspace.find("catalogs", row["catalog_id"]):
            workspace.update("catalogs", row["catalog_id"], delivery_status=status)
            _end_task_delivery(workspace, row["catalog_id"], row["task_id"])


def _end_task_delivery(workspace: Workspace, catalog_id: str, task_id: str) -> None:
    """Change the delivery status of a pending task once all of its catalogs are delivered."""
    key = workspace.order_item_of_catalog(catalog_id)
    item = workspace.find("order_items", key)
    catalogs = [row for row in workspace.image_rows("catalogs") if isinstance(row, CatalogRow)]
    statuses = {
        row.fields.get("delivery_status")
        for row in catalogs
        if row.fields.get("task_id") == task_id
    }
    if not isinstance(item, dict) or not statuses <= FINISHED_STATUSES:
        return
    status = "FAILED" if "FAILED" in statuses else "SUCCESSFUL"
    tasks = [
        {**task, "delivery_status": status} if _awaits_delivery(task, task_id) else task
        for task in item["tasks"]
    ]
    if tasks != item["tasks"]:
        workspace.update("order_items", key, tasks=tasks)


def _awaits_delivery(task: Json, task_id: str) -> bool:
    return bool(task["id"] == task_id and task.get("delivery_status") == "PENDING")
