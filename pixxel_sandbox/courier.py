"""The courier: takes new deliveries along, CREATED, IN_PROGRESS, SUCCESS or FAILED."""

from functools import partial
from typing import Final

from pixxel_sandbox import times
from pixxel_sandbox.bookings import Catalog
from pixxel_sandbox.chance import identifier
from pixxel_sandbox.footprints import Json
from pixxel_sandbox.front import Desk
from pixxel_sandbox.listings import order_item_of_catalog
from pixxel_sandbox.parcels import Destination, Parcel, object_key, packed, put
from pixxel_sandbox.unpaged import hold_back

FINISHED: Final = frozenset({"SUCCESS", "FAILED", "SUCCESSFUL", "COMPLETED"})


def dispatch(desk: Desk, catalog: str, cloud: Json, task: str | None = None) -> Json:
    """Enters a new delivery into the workspace and sends it on its way.

    Args:
        desk: of the sandbox.
        catalog: the id of the catalog that is delivered.
        cloud: the store's id as ``config``, and perhaps a ``path``.
        task: the id of the task; None for a delivery that was asked for by hand.

    Returns:
        The delivery's row as it is at first.
    """
    workspace, habits = desk.workspace, desk.habits
    image, moment = workspace.find("catalogs", catalog), times.now()
    name = image.scene.id if isinstance(image, Catalog) else catalog
    row: Json = {
        "delivery_id": identifier(workspace.rng),
        "catalog_id": catalog,
        "task_id": task,
        "cloud_delivery": cloud,
        "target_path": f"{catalog}/{name}.zip",
        "status": "CREATED",
        "created_at": moment,
        "created_by": workspace.user,
        "updated_at": moment,
        "updated_by": workspace.user,
    }
    key = workspace.insert("deliveries", row)
    hold_back(desk, key)
    _send(desk, key, cloud["config"], fails=desk.chances(habits.fail_deliveries))
    return row


def automatic(desk: Desk, catalog: str) -> None:
    """Delivers a new catalog where its order item was placed with ``cloud_delivery``."""
    workspace = desk.workspace
    row = workspace.find("catalogs", catalog)
    item = workspace.find("order_items", order_item_of_catalog(workspace, catalog))
    if isinstance(row, Catalog) and isinstance(item, dict) and "cloud_delivery" in item:
        workspace.update("catalogs", catalog, delivery_status="CREATED")
        dispatch(desk, catalog, item["cloud_delivery"], row.fields["task_id"])


def _send(desk: Desk, key: str, store: str, *, fails: bool) -> None:
    """Plans a delivery's way; one that takes no time and carries nothing is there at once."""
    seconds = desk.habits.delivery_seconds
    desk.moving.add(key)
    if not seconds and (fails or not _has_bucket(desk, store)):
        _arrive(desk, key, fails=fails)
        return
    desk.agenda.after(seconds / 2, partial(_move, desk, key, "IN_PROGRESS"))
    desk.agenda.after(seconds, partial(_arrive, desk, key, fails=fails))


def _has_bucket(desk: Desk, store: str) -> bool:
    row = desk.workspace.find("stores", store)
    return isinstance(row, dict) and row["type"] in desk.endpoints and store in desk.secrets


def _arrive(desk: Desk, key: str, *, fails: bool) -> None:
    """Ends a delivery; the workspace is not locked while its object is packed and sent."""
    try:
        arrived = not fails and ((parcel := _parcel(desk, key)) is None or put(parcel))
    except KeyError:
        arrived = False
    with desk.workspace.lock:
        _move(desk, key, "SUCCESS" if arrived else "FAILED")
        desk.moving.discard(key)


def _parcel(desk: Desk, key: str) -> Parcel | None:
    """Makes what a delivery carries, None where its store has no bucket here.

    Raises:
        KeyError: the delivery, its store or its catalog is gone.
    """
    delivery = _row(desk, "deliveries", key)
    store_id = delivery["cloud_delivery"]["config"]
    store = _row(desk, "stores", store_id)
    if not _has_bucket(desk, store_id):
        return None
    catalog = _row(desk, "catalogs", delivery["catalog_id"])
    destination = Destination(
        kind=store["type"],
        endpoint=desk.endpoints[store["type"]],
        bucket=store["configs"]["bucket"],
        region=store["configs"]["region"],
        secrets=frozenset(desk.secrets[store_id].items()),
    )
    content = packed({f"{delivery['catalog_id']}.json": catalog["details"]})
    return Parcel(destination, object_key(store, delivery), content)


def _row(desk: Desk, resource: str, key: str) -> Json:
    row = desk.workspace.find(resource, key)
    if row is None:
        raise KeyError(key)
    return desk.workspace.render(row)


def _move(desk: Desk, key: str, status: str) -> None:
    """Changes a delivery's status, and what an automated one's catalog says of it."""
    workspace = desk.workspace
    with workspace.lock:
        row = workspace.find("deliveries", key)
        if not isinstance(row, dict):
            return
        workspace.update("deliveries", key, status=status)
        if row["task_id"] is not None and workspace.find("catalogs", row["catalog_id"]):
            workspace.update("catalogs", row["catalog_id"], delivery_status=status)
