"""The endpoint that runs a workflow, which is a job."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from pixxel_sandbox.endpoints.workflows import find_workflow
from pixxel_sandbox.seed import timestamp_formats
from pixxel_sandbox.seed.raw_json import as_bytes_or_json, decode_bytes_or_json
from pixxel_sandbox.seed.workflows import make_job
from pixxel_sandbox.web.errors import json_response
from pixxel_sandbox.web.write_faults import PendingWrite, perform_write

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp

    from pixxel_sandbox.json_types import Json
    from pixxel_sandbox.runtime_state import SandboxState


def create(state: SandboxState, request: Request) -> ASGIApp:
    """Create a job of a workflow; the request must have its project's id."""
    return perform_write(state, partial(_prepare_create, state, request))


def _prepare_create(state: SandboxState, request: Request) -> PendingWrite:
    return PendingWrite([find_workflow(state, request)], partial(_create, state))


def _create(state: SandboxState, parts: list[Any]) -> Response:
    """Insert a job, which is running in the response until it is complete."""
    [workflow] = parts
    workspace, moment = state.workspace, datetime.now(UTC)
    stamp = timestamp_formats.format_with_z(moment)
    steps = _find_steps(state, workflow)
    number = len(workspace.rows("jobs"))
    job: Json = {
        **make_job(
            workspace.analytics_rng, number, workflow, steps, status="running", created=moment
        ),
        "created_by": workspace.user_id,
        "cost": state.price_analysis(workflow["estimated_cost"], placed=True),
        "progress": "0",
        **dict.fromkeys(("created_at", "updated_at", "exec_created_at", "exec_updated_at"), stamp),
    }
    key = workspace.insert("jobs", job)
    state.placed_ids.add(key)
    state.hide_from_lists(key)
    response = json_response(job)
    state.complete_later("jobs", key, **_completed_fields(state, job, number, moment))
    return response


def _find_steps(state: SandboxState, workflow: Json) -> list[Json]:
    """Return the specs of a workflow's blocks, in their order."""
    specs = {row["spec"]["name"]: row["spec"] for row in state.workspace.rows("blocks")}
    return [specs[name] for name in decode_bytes_or_json(workflow["spec"])["steps"]]


def _completed_fields(state: SandboxState, job: Json, number: int, created: datetime) -> Json:
    """Return the fields of a job that change when it is complete."""
    seconds = state.behavior.analysis_seconds
    finished = timestamp_formats.format_with_z(created + timedelta(seconds=seconds))
    ended = {
        "status": "completed",
        "finished_at": finished,
        "time_taken": f"{seconds:.0f}s",
        "updated_at": finished,
    }
    of_task = {
        **ended,
        "progress": 100,
        "block_inf_end_time": finished,
        "result": as_bytes_or_json(number, {"tiles": 1}),
    }
    return {
        **ended,
        "progress": "100",
        "exec_updated_at": finished,
        "tasks": [{**task, **of_task} for task in job["tasks"]],
    }
