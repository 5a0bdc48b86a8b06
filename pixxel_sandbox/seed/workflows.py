"""Generate blocks, workflows of those blocks, and their jobs."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from pixxel_sandbox.seed import timestamp_formats
from pixxel_sandbox.seed.archive_collections import COLLECTIONS
from pixxel_sandbox.seed.audit_fields import make_audit_fields
from pixxel_sandbox.seed.raw_json import as_bytes_or_json
from pixxel_sandbox.seed.rng import draw_uuid, every_nth

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    from pixxel_sandbox.json_types import Json
    from pixxel_sandbox.seed.workspace_resources import WorkspaceIds

MODES = ("insight", "workflow")
BLOCKS = (
    ("land-cover", "Land cover", "insight", ("1.0.0", "1.1.0", "2.0.0")),
    ("crop-stress", "Crop stress", "insight", ("0.9.0", "0.10.0")),
    ("cloud-mask", "Cloud mask", "workflow", ("1.0.0",)),
    ("band-math", "Band math", "workflow", ("1.0.0", "1.0.1", "1.2.0", "3.0.0")),
    ("mosaic", "Mosaic", "workflow", ("2.1.0", "2.2.0")),
)
"""Name, title, mode and versions, the newest last, which need not be the last alphabetically."""
MIN_WORKFLOWS = 5
ITEMS_PER_WORKFLOW = 20
PERIOD_SECONDS = 1.9 * 365 * 86400
JOB_COUNTS = (4, 0, 2, 7, 1)
"""The number of jobs of the workflows, in turns."""
TASK_COUNTS = (3, 1, 4)
JOB_STATUSES = ("completed", "running", "completed", "failed", "queued")
RARE = {
    "no err": (2, 1),
    "licence": (5, 3),
    "maintainer": (5, 4),
    "no description": (4, 0),
    "no legacy_project_id": (3, 1),
    "val_errors": (5, 2),
    "schedule": (4, 2),
    "retries": (6, 2),
    "machine": (5, 1),
}
"""The rules of what only some rows have, see `every_nth`."""


@dataclass
class WorkflowData:
    """The rows of blocks, workflows and jobs."""

    blocks: list[Json] = field(default_factory=list)
    block_versions: list[Json] = field(default_factory=list)
    workflows: list[Json] = field(default_factory=list)
    jobs: list[Json] = field(default_factory=list)


def generate_workflows(rng: Random, items: int, ids: WorkspaceIds) -> WorkflowData:
    """Generate blocks, workflows and their jobs."""
    generator = _WorkflowGenerator(rng, ids)
    for block in BLOCKS:
        generator.add_block(*block)
    for number in range(max(MIN_WORKFLOWS, items // ITEMS_PER_WORKFLOW)):
        generator.add_workflow(number)
    return generator.data


class _WorkflowGenerator:
    """A generator of blocks and workflows, which adds one after the other to `data`."""

    def __init__(self, rng: Random, ids: WorkspaceIds) -> None:
        self.data = WorkflowData()
        self._rng = rng
        self._ids = ids

    def add_block(self, name: str, title: str, mode: str, versions: Sequence[str]) -> None:
        """Add all versions of a block."""
        rng, data, key = self._rng, self.data, draw_uuid(self._rng)
        first = timestamp_formats.time_in_year(2023, rng.uniform(0, 9e6))
        for turn, version in enumerate(versions):
            number = len(data.block_versions)
            write = timestamp_formats.FORMATTERS[number % len(timestamp_formats.FORMATTERS)]
            newest, version_id = version == versions[-1], draw_uuid(rng)
            row: Json = {
                "id": version_id,
                "block_status": "active" if newest else "deprecated",
                "created_at": write(first + timedelta(days=90 * turn)),
                "err": None if every_nth(RARE["no err"], number) else "",
                "spec": {
                    "id": key,
                    "version_id": version_id,
                    "name": name,
                    "title": title,
                    "description": f"{title}, version {version}",
                    "kind": mode,
                    "type": "model" if mode == "insight" else "operator",
                    "status": int(newest),
                    "version": version,
                    "inputs": as_bytes_or_json(number, [{"name": "image", "required": True}]),
                    "outputs": as_bytes_or_json(number, [{"name": name, "format": "tiff"}]),
                    "supported_collections_id": [spec.id for spec in COLLECTIONS if spec.weight],
                    "catalog_content_url": f"https://data.invalid/blocks/{name}/{version}",
                },
            }
            if every_nth(RARE["licence"], number):
                row["spec"]["licence"] = "proprietary"
            if every_nth(RARE["maintainer"], number):
                row["maintainer"] = "analytics"
            data.block_versions.append(row)
        data.blocks.append(data.block_versions[-1])

    def add_workflow(self, number: int) -> None:
        """Add a workflow and its jobs."""
        rng, ids = self._rng, self._ids
        created = timestamp_formats.time_in_year(2024, rng.uniform(0, PERIOD_SECONDS))
        steps = [
            block["spec"]
            for block in rng.sample(self.data.blocks, TASK_COUNTS[number % len(TASK_COUNTS)])
        ]
        row: Json = {
            "id": draw_uuid(rng),
            "project_id": rng.choice(ids.projects),
            "legacy_project_id": draw_uuid(rng),
            "name": f"{steps[0]['title']} chain {number + 1}",
            "description": f"runs {len(steps)} blocks",
            "created_by": rng.choice(ids.users),
            **make_audit_fields(rng, number, created, format_offset=1),
            "estimated_cost": rng.randint(5, 500),
            "spec": as_bytes_or_json(number, {"steps": [step["name"] for step in steps]}),
            "val_errors": _validation_errors(steps[0])
            if every_nth(RARE["val_errors"], number)
            else [],
        }
        if every_nth(RARE["no description"], number):
            row["description"] = None
        if every_nth(RARE["no legacy_project_id"], number):
            del row["legacy_project_id"]
        if every_nth(RARE["schedule"], number):
            row["schedule"] = "weekly"
        self.data.workflows.append(row)
        for turn in range(JOB_COUNTS[number % len(JOB_COUNTS)]):
            self._add_job(row, steps, created + timedelta(days=turn + 1))

    def _add_job(self, workflow: Json, steps: list[Json], created: datetime) -> None:
        number = len(self.data.jobs)
        status = JOB_STATUSES[number % len(JOB_STATUSES)]
        self.data.jobs.append(
            make_job(self._rng, number, workflow, steps, status=status, created=created)
        )


def make_job(
    rng: Random,
    number: int,
    workflow: Json,
    steps: Sequence[Json],
    *,
    status: str,
    created: datetime,
) -> Json:
    """Return a job of a workflow.

    Args:
        rng: Draws the ids, the times and the cost.
        number: The job's number among all jobs.
        workflow: The workflow that it runs.
        steps: The specs of the workflow's blocks, in their order.
        status: The status of the job and of its tasks.
        created: The time of the creation.
    """
    done = status in {"completed", "failed"}
    took = rng.randint(20, 900)
    finished = created + timedelta(seconds=took)
    row: Json = {
        "id": draw_uuid(rng),
        "workflow_id": workflow["id"],
        "created_by": workflow["created_by"],
        "status": status,
        "cost": rng.randint(5, 500),
        "progress": "100" if done else str(rng.randint(0, 90)),
        "time_taken": f"{took // 60}m{took % 60}s" if done else "",
        "estimated_duration": rng.randint(20, 900),
        "finished_at": timestamp_formats.format_with_space(finished) if done else None,
        **make_audit_fields(rng, number, created, format_offset=2),
        "exec_created_at": timestamp_formats.format_with_z(created),
        "exec_updated_at": timestamp_formats.format_with_z(finished),
        "spec": workflow["spec"],
        "val_errors": workflow["val_errors"],
        "tasks": [
            _make_task(rng, number, turn, steps, status=status, created=created)
            for turn in range(len(steps))
        ],
    }
    if every_nth(RARE["retries"], number):
        row["retries"] = 1
    if status == "queued":
        del row["finished_at"]
    return row


def _make_task(
    rng: Random,
    job_number: int,
    turn: int,
    steps: Sequence[Json],
    *,
    status: str,
    created: datetime,
) -> Json:
    block, number = steps[turn], job_number + turn
    begun = created + timedelta(seconds=10 * turn + 1)
    done = status == "completed"
    row: Json = {
        "id": draw_uuid(rng),
        "name": block["name"],
        "status": status,
        "progress": 100 if done else 12.5,
        "depends_on": [step["name"] for step in steps[:turn][-1:]],
        "inputs": as_bytes_or_json(number, {"image": rng.randint(1, 99)}),
        "result": as_bytes_or_json(number, {"tiles": rng.randint(1, 9)} if done else None),
        "info_logs": list(f"step {turn + 1}".encode()),
        "disclaimer": ["not for navigation"] if turn else [],
        "state_msg": "",
        "err_msg": "out of memory" if status == "failed" else "",
        "failure_type": "resources" if status == "failed" else "",
        "created_at": timestamp_formats.format_with_z(created),
        "updated_at": timestamp_formats.format_with_space(begun),
        "recv_time": timestamp_formats.format_with_z(begun),
        "send_time": timestamp_formats.format_with_z(begun),
        "block_inf_start_time": timestamp_formats.format_with_z(begun),
        "block_inf_end_time": timestamp_formats.format_with_z(begun + timedelta(seconds=9))
        if done
        else None,
        "finished_at": timestamp_formats.format_with_z(begun + timedelta(seconds=9))
        if done
        else None,
        "estimated_time_duration": rng.randint(5, 90),
        "time_taken": "9s" if done else "",
        "block_info": {name: block[name] for name in ("id", "name", "version")},
    }
    if every_nth(RARE["machine"], number):
        row["machine"] = "gpu-small"
    return row


def _validation_errors(step: Json) -> list[Json]:
    return [
        {
            "from": step["name"],
            "to": "output",
            "err": "no such port",
            "reason": "the block has no output of this name",
            "component_name": step["name"],
        }
    ]
