"""The endpoint that starts deliveries of catalogs into stores."""

from __future__ import annotations

from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from pixxel_sandbox.delivery.worker import start_delivery
from pixxel_sandbox.web.errors import bad_request, json_response, not_found
from pixxel_sandbox.web.search_params import decode_body, read_catalog_ids
from pixxel_sandbox.web.write_faults import PendingWrite, perform_write

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp

    from pixxel_sandbox.json_types import Json
    from pixxel_sandbox.runtime_state import SandboxState

STORE_REFERENCE_FIELDS = ("cloud_info", "cloud_delivery")
"""The name of the store reference in the API's contract, and in its guide."""


def create(state: SandboxState, request: Request) -> ASGIApp:
    """Start a delivery of each catalog in the request, given by its id or by its order item."""
    return perform_write(state, partial(_prepare_create, state, request.state.record.raw))


def _prepare_create(state: SandboxState, raw: bytes) -> PendingWrite:
    entries = decode_body(raw).get("deliveries")
    if not isinstance(entries, list) or not entries:
        raise bad_request("deliveries must be a non-empty list", field="deliveries")
    parts: list[Any] = []
    for number, entry in enumerate(entries):
        field = f"deliveries.{number}"
        if not isinstance(entry, dict):
            raise bad_request("a delivery must be an object", field=field)
        store = _parse_store_reference(state, entry, field)
        parts += [(key, store) for key in read_catalog_ids(state.workspace, entry, field)]
    return PendingWrite(parts, partial(_create, state))


def _parse_store_reference(state: SandboxState, entry: Json, field: str) -> Json:
    store = next((entry[name] for name in STORE_REFERENCE_FIELDS if name in entry), None)
    if not isinstance(store, dict) or not isinstance(store.get("config"), str):
        raise bad_request("cloud_info must have the id of a store as config", field=field)
    if not isinstance(store.get("path", ""), str):
        raise bad_request("path must be a string", field=field)
    if state.workspace.find("stores", store["config"]) is None:
        raise not_found("stores", store["config"])
    return {name: store[name] for name in ("config", "path") if name in store}


def _create(state: SandboxState, parts: list[Any]) -> Response:
    rows = [start_delivery(state, catalog_id, store) for catalog_id, store in parts]
    return json_response({"deliveries": rows}, HTTPStatus.CREATED)
