"""The endpoints of workflows, their jobs, and the blocks that workflows consist of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixxel_sandbox.seed.workflows import MODES
from pixxel_sandbox.web.errors import bad_request, not_found
from pixxel_sandbox.web.responses import ListEndpoint, get_or_404, list_all
from pixxel_sandbox.web.row_filters import RUN_FILTERS, WORKFLOW_FILTERS

if TYPE_CHECKING:
    from starlette.requests import Request

    from pixxel_sandbox.json_types import Json
    from pixxel_sandbox.runtime_state import SandboxState

WORKFLOWS = ListEndpoint("workflows", WORKFLOW_FILTERS, limit=50)
JOBS = ListEndpoint("jobs", RUN_FILTERS)
LIST_ONLY_FIELD = "legacy_project_id"
"""The field of a workflow that only lists have."""


def get_workflow(state: SandboxState, request: Request) -> object:
    """Return one workflow; the request must have its project's id."""
    row = find_workflow(state, request)
    return {name: value for name, value in row.items() if name != LIST_ONLY_FIELD} | {
        "estimated_cost": state.price_analysis(row["estimated_cost"], placed=False)
    }


def find_workflow(state: SandboxState, request: Request) -> Json:
    """Return the workflow of a request that must also have its project's id.

    Raises:
        RequestRejected: The id is missing, or the project has no such workflow.
    """
    project = request.query_params.get("project_id")
    if not project:
        raise bad_request("project_id is missing", field="project_id")
    return get_or_404(state, "workflows", request.path_params["workflow_id"], project_id=project)


def get_estimate(state: SandboxState, request: Request) -> object:
    """Return the estimated cost of running a workflow."""
    row = get_or_404(state, "workflows", request.path_params["workflow_id"])
    return {"estimated_cost": state.price_analysis(row["estimated_cost"], placed=False)}


def list_jobs(state: SandboxState, request: Request) -> object:
    """List all jobs of a workflow, without their tasks."""
    key = request.path_params["workflow_id"]
    get_or_404(state, "workflows", key)
    return list_all(JOBS, state, request, workflow_id=key)


def get_job(state: SandboxState, request: Request) -> object:
    """Return one job of a workflow, with its tasks."""
    key = request.path_params["workflow_id"]
    get_or_404(state, "workflows", key)
    return get_or_404(state, "jobs", request.path_params["job_id"], workflow_id=key)


def list_blocks(state: SandboxState, request: Request) -> object:
    """List the newest version of each block, for one mode or for all."""
    mode = request.query_params.get("mode")
    if mode is not None and mode not in MODES:
        raise bad_request(f"mode must be one of {', '.join(MODES)}", field="mode")
    rows = state.workspace.rows("blocks")
    return {"blocks": [row for row in rows if mode is None or row["spec"]["kind"] == mode]}


def list_block_versions(state: SandboxState, request: Request) -> object:
    """List all versions of a block."""
    return {"blocks": _find_versions(state, request.path_params["name"])}


def get_block_version(state: SandboxState, request: Request) -> object:
    """Return one version of a block."""
    version = request.path_params["version"]
    for row in _find_versions(state, request.path_params["name"]):
        if row["spec"]["version"] == version:
            return row
    raise not_found("block_versions", version)


def _find_versions(state: SandboxState, name: str) -> list[Json]:
    rows = state.workspace.rows("block_versions")
    if not (versions := [row for row in rows if row["spec"]["name"] == name]):
        raise not_found("blocks", name)
    return versions
