"""The endpoints that create indices, and visualizations of an area by an index."""

from __future__ import annotations

import re
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from pixxel_sandbox.seed import timestamp_formats
from pixxel_sandbox.web.errors import bad_request, conflict, json_response
from pixxel_sandbox.web.responses import get_or_404
from pixxel_sandbox.web.search_params import check_texts, decode_body, parse_texts
from pixxel_sandbox.web.write_faults import PendingWrite, perform_write

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp

    from pixxel_sandbox.json_types import Json
    from pixxel_sandbox.runtime_state import SandboxState

TEXT_FIELDS = ("name", "description", "expression", "colormap", "satellite_id", "expression_type")
EXPRESSION_TYPES = ("composite", "index", "grayscale")
INDEX_IDENTITY = ("satellite_id", "name", "expression")
VISUALIZATION_TYPE = "custom"
"""The only type in the contract, even of a visualization by a preset index."""
BAND_NAME = re.compile(r"\w+")


def create_index(state: SandboxState, request: Request) -> ASGIApp:
    """Create an index."""
    raw = request.state.record.raw
    return perform_write(state, partial(_prepare_index, state, raw))


def _prepare_index(state: SandboxState, raw: bytes) -> PendingWrite:
    body = decode_body(raw)
    check_texts(body, TEXT_FIELDS)
    for name in ("name", "expression"):
        if not body[name].strip():
            raise bad_request(f"{name} is empty", field=name)
    if body["expression_type"] not in EXPRESSION_TYPES:
        raise bad_request(
            f"expression_type must be one of {', '.join(EXPRESSION_TYPES)}", field="expression_type"
        )
    rescale = body.get("rescale")
    if not isinstance(rescale, list) or not all(type(each) is int for each in rescale):
        raise bad_request("rescale must be a list of integers", field="rescale")
    if state.workspace.find("satellites", body["satellite_id"]) is None:
        raise bad_request("no such satellite", field="satellite_id")
    if _find_same(state, "indices", body, INDEX_IDENTITY):
        raise conflict("the satellite has an index with this name and expression", field="name")
    return PendingWrite([body], partial(_create_index, state))


def _find_same(
    state: SandboxState, resource: str, wanted: Json, names: tuple[str, ...]
) -> Json | None:
    """Return the row whose identity is the same, except for blanks around it."""
    identity = [wanted[name].strip() for name in names]
    rows = state.workspace.rows(resource)
    return next((row for row in rows if [row[name].strip() for name in names] == identity), None)


def _create_index(state: SandboxState, parts: list[Any]) -> Response:
    [body] = parts
    workspace, moment = state.workspace, timestamp_formats.now()
    known = {band["name"] for band in workspace.get("satellites", body["satellite_id"])["bands"]}
    used = dict.fromkeys(BAND_NAME.findall(body["expression"]))
    key = workspace.insert(
        "indices",
        {
            **{name: body[name] for name in (*TEXT_FIELDS, "rescale")},
            "type": "custom",
            "bands": [name for name in used if name in known],
            "created_at": moment,
            "updated_at": moment,
        },
    )
    state.hide_from_lists(key)
    return json_response(workspace.find("indices", key), HTTPStatus.CREATED)


def create_visualization(state: SandboxState, request: Request) -> ASGIApp:
    """Create a visualization of an AOI by an index."""
    key, raw = request.path_params["aoi_id"], request.state.record.raw
    return perform_write(state, partial(_prepare_visualization, state, key, raw))


def _prepare_visualization(state: SandboxState, aoi_id: str, raw: bytes) -> PendingWrite:
    get_or_404(state, "aois", aoi_id)
    body = {**decode_body(raw), "aoi_id": aoi_id}
    index_id, resolution = body.get("index_id"), body.get("resolution", 1)
    if not isinstance(index_id, str):
        raise bad_request("index_id must be a string", field="index_id")
    get_or_404(state, "indices", index_id)
    if isinstance(resolution, bool) or not isinstance(resolution, (int, float)) or resolution <= 0:
        raise bad_request("resolution must be a positive number", field="resolution")
    parse_asset_ids(state, aoi_id, body.get("src_asset_ids", []), "src_asset_ids")
    if _find_same(state, "visualizations", body, ("aoi_id", "index_id")):
        raise conflict("the AOI has a visualization by this index", field="index_id")
    return PendingWrite([body], partial(_create_visualization, state))


def _create_visualization(state: SandboxState, parts: list[Any]) -> Response:
    """Insert a visualization, which is `creating` in the response until it is complete."""
    [body] = parts
    workspace, moment = state.workspace, timestamp_formats.now()
    aoi = workspace.get("aois", body["aoi_id"])
    index = workspace.get("indices", body["index_id"])
    row: Json = {
        "aoi_id": body["aoi_id"],
        "index_id": body["index_id"],
        "tenant_id": workspace.get("projects", aoi["project_id"]).get("org_id"),
        "user_id": workspace.user_id,
        "progress": 0,
        "status": "creating",
        "created_at": moment,
        "updated_at": moment,
    }
    key = workspace.insert("visualizations", row)
    state.hide_from_lists(key)
    state.complete_later("visualizations", key, status="success", progress=100)
    detail = {
        **row,
        "id": key,
        "type": VISUALIZATION_TYPE,
        "index_name": index["name"],
        **{name: index[name] for name in ("expression", "expression_type", "rescale")},
        "assets": [],
        "metadata": {"legend": {}},
    }
    return json_response(detail, HTTPStatus.CREATED)


def parse_asset_ids(state: SandboxState, aoi_id: str, value: object, field: str) -> list[str]:
    """Parse a list of the ids of an AOI's assets."""
    asset_ids = parse_texts(value, field)
    for key in asset_ids:
        get_or_404(state, "aoi_assets", key, aoi_id=aoi_id)
    return asset_ids
