"""The endpoint that estimates the cost of insights, and creates them."""

from __future__ import annotations

from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import msgspec

from pixxel_sandbox.prices import price_insight
from pixxel_sandbox.seed import timestamp_formats
from pixxel_sandbox.seed.raw_json import as_bytes_or_json, decode_bytes_or_json
from pixxel_sandbox.web.errors import bad_request, forbidden, json_response
from pixxel_sandbox.web.responses import get_or_404
from pixxel_sandbox.web.search_params import decode_body
from pixxel_sandbox.web.write_faults import PendingWrite, perform_write

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp

    from pixxel_sandbox.json_types import Json
    from pixxel_sandbox.runtime_state import SandboxState

SQUARE_METRES_PER_KM2 = 1e6
MODE = "insight"
"""The mode of the blocks that insights consist of."""
OPTIONAL_TYPES = {"name": str, "project_id": str, "metadata": dict, "estimate": bool}
MINUTES_PER_INSIGHT = 5


def create(state: SandboxState, request: Request) -> ASGIApp:
    """Create an insight of an AOI, or estimate its cost."""
    key, raw = request.path_params["aoi_id"], request.state.record.raw
    body = _parse_body(state, key, raw)
    if body.get("estimate") and not state.behavior.dry_run_ignored:
        return json_response({"estimate": _price(state, key, body, placed=False)})
    return perform_write(state, partial(_prepare_create, state, key, raw))


def _prepare_create(state: SandboxState, aoi_id: str, raw: bytes) -> PendingWrite:
    return PendingWrite([_parse_body(state, aoi_id, raw)], partial(_create, state, aoi_id))


def _parse_body(state: SandboxState, aoi_id: str, raw: bytes) -> Json:
    get_or_404(state, "aois", aoi_id)
    body = decode_body(raw)
    for name, kind in OPTIONAL_TYPES.items():
        if name in body and not isinstance(body[name], kind):
            raise bad_request(f"{name} has a wrong type", field=name)
    if not all(isinstance(value, str) for value in body.get("metadata", {}).values()):
        raise bad_request("metadata must have strings", field="metadata")
    if "input" not in body:
        raise bad_request("input is missing", field="input")
    body["block"] = _find_block(state, body.get("block"))
    project = body.get("project_id")
    if project is not None and state.workspace.find("projects", project) is None:
        raise forbidden("the token may not use this project", field="project_id")
    return body


def _find_block(state: SandboxState, block: object) -> Json:
    """Return the name and version of a block that the request gives by its name or id."""
    if not isinstance(block, dict) or not isinstance(block.get("version"), str):
        raise bad_request("block must have a version", field="block")
    if not {"name", "string"} & set(block):
        raise bad_request("block must have a name, or an id as string", field="block")
    wanted = {"id" if name == "string" else name: value for name, value in block.items()}
    for row in state.workspace.rows("block_versions"):
        if row["spec"]["kind"] == MODE and wanted.items() <= row["spec"].items():
            return {name: row["spec"][name] for name in ("name", "version")}
    raise bad_request("no such version of a block for insights", field="block")


def _price(state: SandboxState, aoi_id: str, body: Json, *, placed: bool) -> int:
    area = state.workspace.get("aois", aoi_id)["area_in_sq_m"] / SQUARE_METRES_PER_KM2
    return state.price_analysis(price_insight(body["block"]["name"], area), placed=placed)


def _create(state: SandboxState, aoi_id: str, parts: list[Any]) -> Response:
    """Insert an insight, which is running in the lists until it is complete."""
    [body] = parts
    workspace, number = state.workspace, len(state.workspace.rows("insights"))
    key = workspace.insert(
        "insights",
        {
            "aoi_id": aoi_id,
            "name": ("" if state.behavior.rename_orders else body.get("name"))
            or f"insight {number + 1}",
            "status": "running",
            "created_at": timestamp_formats.now(),
            "created_by": workspace.user_id,
            "deleted_at": None,
            "err_msg": "",
            "estimated_time_in_min": MINUTES_PER_INSIGHT,
            "input": list(msgspec.json.encode(decode_bytes_or_json(body["input"]))),
            "output": as_bytes_or_json(number, None),
            "metadata": body.get("metadata", {}),
            "cost": _price(state, aoi_id, body, placed=True),
            "progress": 0.0,
        },
    )
    state.placed_ids.add(key)
    state.hide_from_lists(key)
    output = as_bytes_or_json(number, {"share": 0.5, "block": body["block"]["name"]})
    state.complete_later("insights", key, status="completed", progress=100.0, output=output)
    return json_response({"id": key, "message": "the insight was created"}, HTTPStatus.CREATED)
