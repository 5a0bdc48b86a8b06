"""Flows: the endpoints of workflows and their jobs, and of the blocks they are made of."""

from typing import Final

from starlette.requests import Request

from pixxel_sandbox.complaints import malformed, unknown
from pixxel_sandbox.footprints import Json
from pixxel_sandbox.front import Desk
from pixxel_sandbox.pipelines import MODES
from pixxel_sandbox.rowfilters import RUN_FILTERS, WORKFLOW_FILTERS
from pixxel_sandbox.showing import Listing, entire, known

WORKFLOWS: Final = Listing("workflows", WORKFLOW_FILTERS, limit=50)
JOBS: Final = Listing("jobs", RUN_FILTERS)
IN_LISTS: Final = "legacy_project_id"
"""The field of a workflow that only lists show."""


def workflow(desk: Desk, request: Request) -> object:
    """Shows one workflow of the project that the request has to name."""
    project = request.query_params.get("project_id")
    if not project:
        raise malformed("project_id is missing", field="project_id")
    shown = known(desk, "workflows", request.path_params["workflow_id"], project_id=project)
    return {name: value for name, value in shown.items() if name != IN_LISTS}


def estimate(desk: Desk, request: Request) -> object:
    """Says what a run of a workflow would cost."""
    shown = known(desk, "workflows", request.path_params["workflow_id"])
    return {"estimated_cost": shown.get("estimated_cost")}


def jobs(desk: Desk, request: Request) -> object:
    """Lists the jobs of a workflow in one answer, without their tasks."""
    key = request.path_params["workflow_id"]
    known(desk, "workflows", key)
    return entire(JOBS, desk, request, workflow_id=key)


def job(desk: Desk, request: Request) -> object:
    """Shows one job of a workflow, with its tasks."""
    key = request.path_params["workflow_id"]
    known(desk, "workflows", key)
    return known(desk, "jobs", request.path_params["job_id"], workflow_id=key)


def blocks(desk: Desk, request: Request) -> object:
    """Lists the newest version of each block, of one mode or of both."""
    mode = request.query_params.get("mode")
    if mode is not None and mode not in MODES:
        raise malformed(f"mode is none of {', '.join(MODES)}", field="mode")
    rows = desk.workspace.rows("blocks")
    return {"blocks": [row for row in rows if mode is None or row["spec"]["kind"] == mode]}


def block_versions(desk: Desk, request: Request) -> object:
    """Lists all versions of a block."""
    return {"blocks": _versions(desk, request.path_params["name"])}


def block_version(desk: Desk, request: Request) -> object:
    """Shows one version of a block."""
    version = request.path_params["version"]
    for row in _versions(desk, request.path_params["name"]):
        if row["spec"]["version"] == version:
            return row
    raise unknown("block_versions", version)


def _versions(desk: Desk, name: str) -> list[Json]:
    rows = desk.workspace.rows("block_versions")
    if not (found := [row for row in rows if row["spec"]["name"] == name]):
        raise unknown("blocks", name)
    return found
