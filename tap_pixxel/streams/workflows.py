"""Workflows, their jobs and the jobs' tasks; the blocks that workflows are built of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from pixxel_api.json_decoding import FieldPath
from pixxel_api.pagination.paging import SinglePage
from tap_pixxel.base import PixxelStream
from tap_pixxel.children import ChildStream
from tap_pixxel.filtered import FilteredStream
from tap_pixxel.schema import (
    INTEGER,
    JSON_TEXT,
    NUMBER,
    OBJECT,
    TEXT,
    TEXTS,
    TIMESTAMP,
    Column,
    Shape,
)

if TYPE_CHECKING:
    from pixxel_api.json_decoding import RawRow
    from pixxel_api.pagination.paging import Page
    from pixxel_api.response import JsonResponse
    from tap_pixxel.base import Fields

_BLOCK_NAME = FieldPath("spec", "name")
_BLOCK_VERSION = FieldPath("spec", "version")
_CHANGES = (
    Column("created_by", TEXT, "Id of the user who created it."),
    Column("created_at", TIMESTAMP, "When it was created, UTC."),
    Column("updated_at", TIMESTAMP, "When it was last updated, UTC; the replication key."),
)


class Workflows(FilteredStream):
    """GET /v0/workflows: analyses that can be run."""

    name = "workflows"
    path = "/v0/workflows"
    records_key = "workflows"
    place = "workflow_id"
    replication_key = "updated_at"
    selected_by_default = False
    shape = Shape(
        Column("id", TEXT, "Id of the workflow."),
        Column("project_id", TEXT, "Id of its project."),
        Column("legacy_project_id", TEXT, "Id of its project in earlier systems."),
        Column("name", TEXT, "Name."),
        Column("description", TEXT, "What it does."),
        *_CHANGES,
    )


class Jobs(ChildStream):
    """GET /v0/workflows/{workflow_id}/jobs: runs of a workflow."""

    name = "jobs"
    path = "/v0/workflows/{workflow_id}/jobs"
    records_key = "jobs"
    paging = SinglePage()
    parent = Workflows
    place = "job_id"
    replication_key = "updated_at"
    selected_by_default = False
    shape = Shape(
        Column("id", TEXT, "Id of the job."),
        Column("workflow_id", TEXT, "Id of its workflow."),
        Column("status", TEXT, "Status."),
        Column("progress", TEXT, "How much of it is done."),
        Column("cost", NUMBER, "Tokens that it costs."),
        Column("estimated_duration", NUMBER, "Seconds that it is expected to take."),
        Column("time_taken", TEXT, "How long it has taken."),
        Column("finished_at", TIMESTAMP, "When it was finished, UTC."),
        *_CHANGES,
    )


class JobTasks(ChildStream):
    """GET /v0/workflows/{workflow_id}/jobs/{job_id}: the tasks of a job, which its list lacks."""

    name = "job_tasks"
    path = "/v0/workflows/{workflow_id}/jobs/{job_id}"
    records_key = "tasks"
    paging = SinglePage()
    parent = Jobs
    replication_key = "updated_at"
    selected_by_default = False
    shape = Shape(
        Column("id", TEXT, "Id of the task."),
        Column("job_id", TEXT, "Id of its job."),
        Column("workflow_id", TEXT, "Id of its job's workflow."),
        Column("name", TEXT, "Name."),
        Column("status", TEXT, "Status."),
        Column("state_msg", TEXT, "More about the status."),
        Column("progress", NUMBER, "How much of it is done, in percent."),
        Column("block_info", OBJECT, "The block that it runs: id, name, version."),
        Column("depends_on", TEXTS, "Names of the tasks that come before it."),
        Column("inputs", JSON_TEXT, "What it was given, as JSON text."),
        Column("result", JSON_TEXT, "What came of it, as JSON text."),
        Column("info_logs", JSON_TEXT, "What it has logged."),
        Column("disclaimer", TEXTS, "What to mind."),
        Column("err_msg", TEXT, "What went wrong."),
        Column("failure_type", TEXT, "Kind of what went wrong."),
        Column("estimated_time_duration", NUMBER, "Seconds that it is expected to take."),
        Column("time_taken", TEXT, "How long it has taken."),
        Column("send_time", TIMESTAMP, "When it was sent out, UTC."),
        Column("recv_time", TIMESTAMP, "When it was received, UTC."),
        Column("block_inf_start_time", TIMESTAMP, "When its block began, UTC."),
        Column("block_inf_end_time", TIMESTAMP, "When its block was done, UTC."),
        Column("finished_at", TIMESTAMP, "When it was finished, UTC."),
        *_CHANGES[1:],
    )

    def page(self, offset: int, answer: JsonResponse) -> Page:
        """Take the tasks out of a job; one that was never started may have none."""
        answer.fields.setdefault(self.records_key, msgspec.Raw(b"null"))
        return super().page(offset, answer)


_BLOCK = Shape(
    Column("id", TEXT, "Id of the block."),
    Column("spec_id", TEXT, "Id that its specification states (spec.id)."),
    Column("name", TEXT, "Name, the same for all versions (spec.name)."),
    Column("version", TEXT, "Version (spec.version)."),
    Column("version_id", TEXT, "Id of the version (spec.version_id)."),
    Column("title", TEXT, "Name for people (spec.title)."),
    Column("description", TEXT, "What it does (spec.description)."),
    Column("kind", TEXT, "Kind (spec.kind)."),
    Column("type", TEXT, "Type (spec.type)."),
    Column("status", INTEGER, "Number of its status (spec.status)."),
    Column("block_status", TEXT, "Status."),
    Column("supported_collections_id", TEXTS, "Ids of the collections that it takes (spec)."),
    Column("inputs", JSON_TEXT, "What it takes, as JSON text (spec.inputs)."),
    Column("outputs", JSON_TEXT, "What it gives, as JSON text (spec.outputs)."),
    Column("catalog_content_url", TEXT, "Where more is said of it (spec.catalog_content_url)."),
    Column("created_at", TIMESTAMP, "When it was created, UTC."),
    Column("err", TEXT, "What is wrong with it."),
)


class _BlockStream(PixxelStream):
    """What both lists of blocks share."""

    records_key = "blocks"
    paging = SinglePage()
    place = "name"
    selected_by_default = False
    shape = _BLOCK

    def key_in_path(self, row: RawRow) -> str | int | None:
        """Give the name."""
        return _BLOCK_NAME(row)

    def columns(self, fields: Fields) -> Fields:
        """Lay the specification flat; what the block states otherwise, too, becomes `spec_...`.

        The name is the specification's, also where the path that led to the block has another.
        """
        spec = fields.get("spec")
        if not isinstance(spec, dict):
            return fields
        rest = {name: value for name, value in fields.items() if name != "spec"}
        if spec.get("name"):
            rest["name"] = spec["name"]
        twice = {
            f"spec_{name}": spec[name] for name in spec if spec[name] != rest.get(name, spec[name])
        }
        return {**spec, **rest, **twice, "spec_id": spec.get("id")}


class Blocks(_BlockStream):
    """GET /v0/blocks: the blocks that workflows and insights are built of."""

    name = "blocks"
    path = "/v0/blocks"


class BlockVersions(_BlockStream, ChildStream):
    """GET /v0/blocks/{name}: all versions of a block."""

    name = "block_versions"
    path = "/v0/blocks/{name}"
    parent = Blocks
    primary_keys = ("name", "version")

    def key_of(self, row: RawRow) -> str | int | None:
        """Give the version: all versions may have the id of their block."""
        return _BLOCK_VERSION(row)


STREAMS = (BlockVersions, Blocks, JobTasks, Jobs, Workflows)
