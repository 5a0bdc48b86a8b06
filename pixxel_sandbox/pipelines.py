"""Pipelines: the blocks one can compute with, workflows made of blocks, and their jobs."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Final

from pixxel_sandbox import times
from pixxel_sandbox.bookings import Places
from pixxel_sandbox.chance import identifier, seldom
from pixxel_sandbox.footprints import Json
from pixxel_sandbox.rawjson import passed_on
from pixxel_sandbox.series import SERIES
from pixxel_sandbox.stamps import stamps

MODES: Final = ("insight", "workflow")
BLOCKS: Final = (
    ("land-cover", "Land cover", "insight", ("1.0.0", "1.1.0", "2.0.0")),
    ("crop-stress", "Crop stress", "insight", ("0.9.0", "0.10.0")),
    ("cloud-mask", "Cloud mask", "workflow", ("1.0.0",)),
    ("band-math", "Band math", "workflow", ("1.0.0", "1.0.1", "1.2.0", "3.0.0")),
    ("mosaic", "Mosaic", "workflow", ("2.1.0", "2.2.0")),
)
"""Name, title, mode and versions, the newest last; it need not be the last in the alphabet."""
FEWEST_WORKFLOWS: Final = 5
ITEMS_PER_WORKFLOW: Final = 20
PERIOD_SECONDS: Final = 1.9 * 365 * 86400
JOBS: Final = (4, 0, 2, 7, 1)
"""How many jobs the workflows have, in turns."""
TASKS: Final = (3, 1, 4)
JOB_STATUSES: Final = ("completed", "running", "completed", "failed", "queued")
SELDOM: Final = {
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
"""What only some rows have: one in so many, from which one on."""


@dataclass
class Works:
    """The rows of all pipelines."""

    blocks: list[Json] = field(default_factory=list)
    block_versions: list[Json] = field(default_factory=list)
    workflows: list[Json] = field(default_factory=list)
    jobs: list[Json] = field(default_factory=list)


def works(rng: Random, items: int, places: Places) -> Works:
    """Makes the blocks, the workflows and their jobs."""
    engineer = _Engineer(rng, places)
    for block in BLOCKS:
        engineer.publish(*block)
    for number in range(max(FEWEST_WORKFLOWS, items // ITEMS_PER_WORKFLOW)):
        engineer.plan(number)
    return engineer.works


class _Engineer:
    """Publishes blocks, and runs one workflow after the other."""

    def __init__(self, rng: Random, places: Places) -> None:
        self.works = Works()
        self._rng = rng
        self._places = places

    def publish(self, name: str, title: str, mode: str, versions: Sequence[str]) -> None:
        """Makes all versions of a block."""
        rng, works, key = self._rng, self.works, identifier(self._rng)
        first = times.since(2023, rng.uniform(0, 9e6))
        for turn, version in enumerate(versions):
            number = len(works.block_versions)
            write = times.FORMS[number % len(times.FORMS)]
            newest, version_id = version == versions[-1], identifier(rng)
            row: Json = {
                "id": version_id,
                "block_status": "active" if newest else "deprecated",
                "created_at": write(first + timedelta(days=90 * turn)),
                "err": None if seldom(SELDOM["no err"], number) else "",
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
                    "inputs": passed_on(number, [{"name": "image", "required": True}]),
                    "outputs": passed_on(number, [{"name": name, "format": "tiff"}]),
                    "supported_collections_id": [series.id for series in SERIES if series.weight],
                    "catalog_content_url": f"https://data.invalid/blocks/{name}/{version}",
                },
            }
            if seldom(SELDOM["licence"], number):
                row["spec"]["licence"] = "proprietary"
            if seldom(SELDOM["maintainer"], number):
                row["maintainer"] = "analytics"
            works.block_versions.append(row)
        works.blocks.append(works.block_versions[-1])

    def plan(self, number: int) -> None:
        """Makes a workflow, and its jobs."""
        rng, places = self._rng, self._places
        created = times.since(2024, rng.uniform(0, PERIOD_SECONDS))
        steps = [
            block["spec"] for block in rng.sample(self.works.blocks, TASKS[number % len(TASKS)])
        ]
        row: Json = {
            "id": identifier(rng),
            "project_id": rng.choice(places.projects),
            "legacy_project_id": identifier(rng),
            "name": f"{steps[0]['title']} chain {number + 1}",
            "description": f"runs {len(steps)} blocks",
            "created_by": rng.choice(places.users),
            **stamps(rng, number, created, form=1),
            "estimated_cost": rng.randint(5, 500),
            "spec": passed_on(number, {"steps": [step["name"] for step in steps]}),
            "val_errors": _complaints(steps[0]) if seldom(SELDOM["val_errors"], number) else [],
        }
        if seldom(SELDOM["no description"], number):
            row["description"] = None
        if seldom(SELDOM["no legacy_project_id"], number):
            del row["legacy_project_id"]
        if seldom(SELDOM["schedule"], number):
            row["schedule"] = "weekly"
        self.works.workflows.append(row)
        for turn in range(JOBS[number % len(JOBS)]):
            self._job(row, steps, created + timedelta(days=turn + 1))

    def _job(self, workflow: Json, steps: list[Json], created: datetime) -> None:
        rng, number = self._rng, len(self.works.jobs)
        status = JOB_STATUSES[number % len(JOB_STATUSES)]
        done = status in {"completed", "failed"}
        took = rng.randint(20, 900)
        finished = created + timedelta(seconds=took)
        row: Json = {
            "id": identifier(rng),
            "workflow_id": workflow["id"],
            "created_by": workflow["created_by"],
            "status": status,
            "cost": rng.randint(5, 500),
            "progress": "100" if done else str(rng.randint(0, 90)),
            "time_taken": f"{took // 60}m{took % 60}s" if done else "",
            "estimated_duration": rng.randint(20, 900),
            "finished_at": times.with_space(finished) if done else None,
            **stamps(rng, number, created, form=2),
            "exec_created_at": times.with_z(created),
            "exec_updated_at": times.with_z(finished),
            "spec": workflow["spec"],
            "val_errors": workflow["val_errors"],
            "tasks": [self._task(turn, steps, status, created) for turn in range(len(steps))],
        }
        if seldom(SELDOM["retries"], number):
            row["retries"] = 1
        if status == "queued":
            del row["finished_at"]
        self.works.jobs.append(row)

    def _task(self, turn: int, steps: list[Json], status: str, created: datetime) -> Json:
        rng, block = self._rng, steps[turn]
        number = len(self.works.jobs) + turn
        begun = created + timedelta(seconds=10 * turn + 1)
        done = status == "completed"
        row: Json = {
            "id": identifier(rng),
            "name": block["name"],
            "status": status,
            "progress": 100 if done else 12.5,
            "depends_on": [step["name"] for step in steps[:turn][-1:]],
            "inputs": passed_on(number, {"image": rng.randint(1, 99)}),
            "result": passed_on(number, {"tiles": rng.randint(1, 9)} if done else None),
            "info_logs": list(f"step {turn + 1}".encode()),
            "disclaimer": ["not for navigation"] if turn else [],
            "state_msg": "",
            "err_msg": "out of memory" if status == "failed" else "",
            "failure_type": "resources" if status == "failed" else "",
            "created_at": times.with_z(created),
            "updated_at": times.with_space(begun),
            "recv_time": times.with_z(begun),
            "send_time": times.with_z(begun),
            "block_inf_start_time": times.with_z(begun),
            "block_inf_end_time": times.with_z(begun + timedelta(seconds=9)) if done else None,
            "finished_at": times.with_z(begun + timedelta(seconds=9)) if done else None,
            "estimated_time_duration": rng.randint(5, 90),
            "time_taken": "9s" if done else "",
            "block_info": {name: block[name] for name in ("id", "name", "version")},
        }
        if seldom(SELDOM["machine"], number):
            row["machine"] = "gpu-small"
        return row


def _complaints(step: Json) -> list[Json]:
    return [
        {
            "from": step["name"],
            "to": "output",
            "err": "no such port",
            "reason": "the block has no output of this name",
            "component_name": step["name"],
        }
    ]
