"""Stores: where the workspace's deliveries go; made and removed, their secrets never shown."""

from functools import partial
from http import HTTPStatus
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from pixxel_sandbox import times
from pixxel_sandbox.complaints import Complaint, answer, conflict, malformed, unknown
from pixxel_sandbox.courier import FINISHED
from pixxel_sandbox.criteria import body_of
from pixxel_sandbox.footprints import Json
from pixxel_sandbox.front import Desk
from pixxel_sandbox.mishaps import Write, written
from pixxel_sandbox.unpaged import hold_back

SECRETS: Final = {
    "S3": frozenset({"access_key_id", "secret_access_key"}),
    "AZBLOB": frozenset({"account_name", "tenant_id", "client_id", "client_secret"}),
    "GCS": frozenset({"project_id", "service_account_credentials"}),
}
"""The credentials of a store, by its type."""
CONFIGS: Final = frozenset({"bucket", "region"})
OPTIONAL_CONFIGS: Final = frozenset({"path_prefix"})
CLOSED: Final = frozenset({"FULFILLED", "COMPLETED", "CANCELLED", "FAILED"})
"""Statuses of order items for which nothing more is delivered."""


def create(desk: Desk, request: Request) -> ASGIApp:
    """Makes a store."""
    return written(desk, partial(_creation, desk, request.state.record.raw))


def delete(desk: Desk, request: Request) -> ASGIApp:
    """Removes a store that nothing is on its way to."""
    return written(desk, partial(_removal, desk, request.path_params["id"]))


def _creation(desk: Desk, raw: bytes) -> Write:
    body = body_of(raw)
    name, kind = body.get("name"), body.get("type")
    if not isinstance(name, str) or not name:
        raise malformed("name is not a text", field="name")
    if not isinstance(kind, str) or kind not in SECRETS:
        raise malformed(f"type is none of {', '.join(SECRETS)}", field="type")
    _texts(body, "configs", CONFIGS, OPTIONAL_CONFIGS)
    _texts(body, "secrets", SECRETS[kind])
    labels = body.get("labels", {})
    if not isinstance(labels, dict) or not all(isinstance(each, str) for each in labels.values()):
        raise malformed("labels is not an object of texts", field="labels")
    if any(row["name"] == name for row in desk.workspace.rows("stores")):
        raise conflict("a store has this name already", field="name")
    return Write([body], partial(_enter, desk))


def _texts(
    body: Json, name: str, needed: frozenset[str], optional: frozenset[str] = frozenset()
) -> None:
    """Checks an object of texts; neither its values nor keys that do not belong are repeated."""
    found = body.get(name)
    if not isinstance(found, dict):
        raise malformed(f"{name} is not an object", field=name)
    if missing := sorted(needed - set(found)):
        raise malformed(f"{name} lacks {', '.join(missing)}", field=name)
    if set(found) - needed - optional:
        allowed = ", ".join(sorted(needed | optional))
        raise malformed(f"{name} holds more than {allowed}", field=name)
    if not all(isinstance(value, str) for value in found.values()):
        raise malformed(f"{name} holds something that is not a text", field=name)
    if not all(found[each] for each in needed):
        raise malformed(f"{name} holds an empty text", field=name)


def _enter(desk: Desk, parts: list[Any]) -> Response:
    [body] = parts
    workspace, moment = desk.workspace, times.now()
    key = workspace.insert(
        "stores",
        {
            **{name: body[name] for name in ("name", "type", "configs")},
            "labels": body.get("labels", {}),
            "created_by": workspace.user,
            "created_at": moment,
            "updated_at": moment,
        },
    )
    desk.secrets[key] = body["secrets"]
    hold_back(desk, key)
    return answer(workspace.find("stores", key))


def _removal(desk: Desk, key: str) -> Write:
    workspace = desk.workspace
    if workspace.find("stores", key) is None:
        raise unknown("stores", key)
    if refusal := _use(desk, key):
        raise refusal
    return Write([key], partial(_remove, desk))


def _use(desk: Desk, key: str) -> Complaint | None:
    """Says what still needs a store."""
    for row in desk.workspace.rows("deliveries"):
        if _names(row, key) and row.get("status") not in FINISHED:
            return conflict("a delivery to the store is not finished", delivery=row["delivery_id"])
    for row in desk.workspace.rows("order_items"):
        if _names(row, key) and row.get("status") not in CLOSED:
            return conflict("an open order item names the store", order_item=row["id"])
    return None


def _names(row: Json, key: str) -> bool:
    cloud = row.get("cloud_delivery")
    return isinstance(cloud, dict) and cloud.get("config") == key


def _remove(desk: Desk, parts: list[Any]) -> Response:
    [key] = parts
    desk.workspace.delete("stores", key)
    desk.secrets.pop(key, None)
    return Response(status_code=HTTPStatus.NO_CONTENT)
