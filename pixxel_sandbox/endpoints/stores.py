"""The endpoints that create and delete stores; responses never contain secrets."""

from __future__ import annotations

from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from pixxel_sandbox.delivery.worker import FINISHED_STATUSES
from pixxel_sandbox.seed import timestamp_formats
from pixxel_sandbox.web.errors import (
    RequestRejected,
    bad_request,
    conflict,
    json_response,
    not_found,
)
from pixxel_sandbox.web.search_params import decode_body
from pixxel_sandbox.web.write_faults import PendingWrite, perform_write

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import ASGIApp

    from pixxel_sandbox.json_types import Json
    from pixxel_sandbox.runtime_state import SandboxState

SECRET_NAMES = {
    "S3": frozenset({"access_key_id", "secret_access_key"}),
    "AZBLOB": frozenset({"account_name", "tenant_id", "client_id", "client_secret"}),
    "GCS": frozenset({"project_id", "service_account_credentials"}),
}
"""The names of a store's credentials, by its type."""
CONFIG_NAMES = frozenset({"bucket", "region"})
OPTIONAL_CONFIG_NAMES = frozenset({"path_prefix"})
CLOSED_STATUSES = frozenset({"FULFILLED", "COMPLETED", "CANCELLED", "FAILED"})
"""Statuses of order items that have no more deliveries."""


def create(state: SandboxState, request: Request) -> ASGIApp:
    """Create a store."""
    return perform_write(state, partial(_prepare_create, state, request.state.record.raw))


def delete(state: SandboxState, request: Request) -> ASGIApp:
    """Delete a store that no delivery or order item needs."""
    return perform_write(state, partial(_prepare_delete, state, request.path_params["id"]))


def _prepare_create(state: SandboxState, raw: bytes) -> PendingWrite:
    body = decode_body(raw)
    name, store_type = body.get("name"), body.get("type")
    if not isinstance(name, str) or not name:
        raise bad_request("name must be a non-empty string", field="name")
    if not isinstance(store_type, str) or store_type not in SECRET_NAMES:
        raise bad_request(f"type must be one of {', '.join(SECRET_NAMES)}", field="type")
    _check_strings(body, "configs", CONFIG_NAMES, OPTIONAL_CONFIG_NAMES)
    _check_strings(body, "secrets", SECRET_NAMES[store_type])
    labels = body.get("labels", {})
    if not isinstance(labels, dict) or not all(isinstance(each, str) for each in labels.values()):
        raise bad_request("labels must be an object of strings", field="labels")
    if any(row["name"] == name for row in state.workspace.rows("stores")):
        raise conflict("a store with this name exists", field="name")
    return PendingWrite([body], partial(_create, state))


def _check_strings(
    body: Json, name: str, required: frozenset[str], optional: frozenset[str] = frozenset()
) -> None:
    """Check an object of strings; the errors contain neither its values nor unknown keys."""
    fields = body.get(name)
    if not isinstance(fields, dict):
        raise bad_request(f"{name} must be an object", field=name)
    if missing := sorted(required - set(fields)):
        raise bad_request(f"{name} lacks {', '.join(missing)}", field=name)
    if set(fields) - required - optional:
        allowed = ", ".join(sorted(required | optional))
        raise bad_request(f"{name} has fields other than {allowed}", field=name)
    if not all(isinstance(value, str) for value in fields.values()):
        raise bad_request(f"{name} must hold strings", field=name)
    if not all(fields[each] for each in required):
        raise bad_request(f"{name} has an empty field", field=name)


def _create(state: SandboxState, parts: list[Any]) -> Response:
    [body] = parts
    workspace, moment = state.workspace, timestamp_formats.now()
    key = workspace.insert(
        "stores",
        {
            **{name: body[name] for name in ("name", "type", "configs")},
            "labels": body.get("labels", {}),
            "created_by": workspace.user_id,
            "created_at": moment,
            "updated_at": moment,
        },
    )
    state.secrets[key] = body["secrets"]
    state.hide_from_lists(key)
    return json_response(workspace.find("stores", key))


def _prepare_delete(state: SandboxState, key: str) -> PendingWrite:
    workspace = state.workspace
    if workspace.find("stores", key) is None:
        raise not_found("stores", key)
    if error := _find_use(state, key):
        raise error
    return PendingWrite([key], partial(_delete, state))


def _find_use(state: SandboxState, key: str) -> RequestRejected | None:
    """Return the error of deleting a store that is needed, None for another one."""
    for row in state.workspace.rows("deliveries"):
        if _refers_to(row, key) and row.get("status") not in FINISHED_STATUSES:
            return conflict("a delivery to the store is unfinished", delivery=row["delivery_id"])
    for row in state.workspace.rows("order_items"):
        if _refers_to(row, key) and row.get("status") not in CLOSED_STATUSES:
            return conflict("an open order item refers to the store", order_item=row["id"])
    return None


def _refers_to(row: Json, key: str) -> bool:
    store = row.get("cloud_delivery")
    return isinstance(store, dict) and store.get("config") == key


def _delete(state: SandboxState, parts: list[Any]) -> Response:
    [key] = parts
    state.workspace.delete("stores", key)
    state.secrets.pop(key, None)
    return Response(status_code=HTTPStatus.NO_CONTENT)
