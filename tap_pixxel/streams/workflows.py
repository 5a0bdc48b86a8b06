"""Workflows, their jobs, the tasks of the jobs, and the blocks that workflows consist of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from pixxel_api.json_decoding import FieldPath
from pixxel_api.pagination.paging import SinglePage
from tap_pixxel.columns import (
    INTEGER,
    JSON_TEXT,
    NUMBER,
    OBJECT,
    TEXT,
    TEXTS,
    TIMESTAMP,
    Column,
    TableSchema,
)
from tap_pixxel.stream_types.base import PixxelStream
from tap_pixxel.stream_types.child import ChildStream
from tap_pixxel.stream_types.details import DetailedStream
from tap_pixxel.stream_types.incremental import ServerFilteredStream
from tap_pixxel.stream_types.refusals import REFUSALS_WITHOUT_404

if TYPE_CHECKING:
    from pixxel_api.json_decoding import RawRow
    from pixxel_api.pagination.paging import Page
    from pixxel_api.response import JsonResponse
    from tap_pixxel.columns import Fields

_BLOCK_NAME = FieldPath("spec", "name")
_BLOCK_VERSION = FieldPath("spec", "version")
_SPEC = Column("spec", JSON_TEXT, "Specification, as JSON text; with `workflow_details` only.")
_VAL_ERRORS = Column(
    "val_errors", JSON_TEXT, "Validation errors, as JSON text; with `workflow_details` only."
)
_CREATED_BY = Column("created_by", TEXT, "Id of the user who created it.")
_CREATED_AT = Column("created_at", TIMESTAMP, "When it was created, UTC.")
_UPDATED_AT = Column("updated_at", TIMESTAMP, "When it was last updated, UTC; the replication key.")


class Workflows(DetailedStream, ServerFilteredStream):
    """GET /v0/workflows: analyses that can be run."""

    name = "workflows"
    path = "/v0/workflows"
    records_key = "workflows"
    path_param = "workflow_id"
    detail_path = "/v0/workflows/{workflow_id}"
    detail_query = ("project_id",)
    detail_columns = frozenset({"estimated_cost", "spec", "val_errors"})
    replication_key = "updated_at"
    selected_by_default = False
    table_schema = TableSchema(
        Column("id", TEXT, "Id of the workflow."),
        Column("project_id", TEXT, "Id of its project."),
        Column("legacy_project_id", TEXT, "Id of its project in earlier systems."),
        Column("name", TEXT, "Name."),
        Column("description", TEXT, "Description."),
        Column("estimated_cost", NUMBER, "Estimated cost in tokens; with `workflow_details` only."),
        _SPEC,
        _VAL_ERRORS,
        _CREATED_BY,
        _CREATED_AT,
        _UPDATED_AT,
    )


class Jobs(DetailedStream, ChildStream):
    """GET /v0/workflows/{workflow_id}/jobs: runs of a workflow.

    A full table: the progress of a job changes `exec_updated_at`, which the list lacks.
    """

    name = "jobs"
    path = "/v0/workflows/{workflow_id}/jobs"
    records_key = "jobs"
    paging = SinglePage()
    parent = Workflows
    refusals = REFUSALS_WITHOUT_404
    path_param = "job_id"
    detail_path = "/v0/workflows/{workflow_id}/jobs/{job_id}"
    detail_columns = frozenset({"exec_created_at", "exec_updated_at", "spec", "val_errors"})
    fields_of_other_streams = frozenset({"tasks"})
    selected_by_default = False
    table_schema = TableSchema(
        Column("id", TEXT, "Id of the job."),
        Column("workflow_id", TEXT, "Id of its workflow."),
        Column("status", TEXT, "Status."),
        Column("progress", TEXT, "Progress."),
        Column("cost", NUMBER, "Cost in tokens."),
        Column("estimated_duration", NUMBER, "Expected duration in seconds."),
        Column("time_taken", TEXT, "Duration."),
        Column("finished_at", TIMESTAMP, "When it was finished, UTC."),
        _SPEC,
        _VAL_ERRORS,
        _CREATED_BY,
        _CREATED_AT,
        Column("updated_at", TIMESTAMP, "When it was last updated, not counting its run, UTC."),
        Column(
            "exec_created_at",
            TIMESTAMP,
            "When its run was created, UTC; with `workflow_details` only.",
        ),
        Column(
            "exec_updated_at",
            TIMESTAMP,
            "When its run was last updated, UTC; with `workflow_details` only.",
        ),
    )


class JobTasks(ChildStream):
    """GET /v0/workflows/{workflow_id}/jobs/{job_id}: the tasks of a job."""

    name = "job_tasks"
    path = Jobs.detail_path
    records_key = "tasks"
    paging = SinglePage()
    parent = Jobs
    refusals = REFUSALS_WITHOUT_404
    replication_key = "updated_at"
    selected_by_default = False
    table_schema = TableSchema(
        Column("id", TEXT, "Id of the task."),
        Column("job_id", TEXT, "Id of its job."),
        Column("workflow_id", TEXT, "Id of its job's workflow."),
        Column("name", TEXT, "Name."),
        Column("status", TEXT, "Status."),
        Column("state_msg", TEXT, "More about the status."),
        Column("progress", NUMBER, "Progress in percent."),
        Column("block_info", OBJECT, "The block that it runs: id, name, version."),
        Column("depends_on", TEXTS, "Names of the tasks that come before it."),
        Column("inputs", JSON_TEXT, "Inputs, as JSON text."),
        Column("result", JSON_TEXT, "Result, as JSON text."),
        Column("info_logs", JSON_TEXT, "Log lines, as text."),
        Column("disclaimer", TEXTS, "Disclaimers."),
        Column("err_msg", TEXT, "Error message."),
        Column("failure_type", TEXT, "Type of the failure."),
        Column("estimated_time_duration", NUMBER, "Expected duration in seconds."),
        Column("time_taken", TEXT, "Duration."),
        Column("send_time", TIMESTAMP, "When it was sent out, UTC."),
        Column("recv_time", TIMESTAMP, "When it was received, UTC."),
        Column("block_inf_start_time", TIMESTAMP, "When its block started, UTC."),
        Column("block_inf_end_time", TIMESTAMP, "When its block ended, UTC."),
        Column("finished_at", TIMESTAMP, "When it was finished, UTC."),
        _CREATED_AT,
        _UPDATED_AT,
    )

    def make_page(self, offset: int, response: JsonResponse) -> Page:
        """Return the tasks of a job; a job that has not started may have no list of them."""
        response.fields.setdefault(self.records_key, msgspec.Raw(b"null"))
        return super().make_page(offset, response)


_BLOCK_SCHEMA = TableSchema(
    Column("id", TEXT, "Id of the block."),
    Column("spec_id", TEXT, "Id that its specification states (spec.id)."),
    Column("name", TEXT, "Name, the same for all versions (spec.name)."),
    Column("version", TEXT, "Version (spec.version)."),
    Column("version_id", TEXT, "Id of the version (spec.version_id)."),
    Column("title", TEXT, "Display name (spec.title)."),
    Column("description", TEXT, "Description (spec.description)."),
    Column("kind", TEXT, "Kind (spec.kind)."),
    Column("type", TEXT, "Type (spec.type)."),
    Column("status", INTEGER, "Number of its status (spec.status)."),
    Column("block_status", TEXT, "Status."),
    Column("supported_collections_id", TEXTS, "Ids of the collections that it supports (spec)."),
    Column("inputs", JSON_TEXT, "Inputs that it accepts, as JSON text (spec.inputs)."),
    Column("outputs", JSON_TEXT, "Outputs, as JSON text (spec.outputs)."),
    Column("catalog_content_url", TEXT, "URL of its documentation (spec.catalog_content_url)."),
    Column("created_at", TIMESTAMP, "When it was created, UTC."),
    Column("err", TEXT, "Errors."),
)


class _BlockStream(PixxelStream):
    """The base of both lists of blocks."""

    records_key = "blocks"
    paging = SinglePage()
    path_param = "name"
    selected_by_default = False
    table_schema = _BLOCK_SCHEMA

    def path_value(self, row: RawRow) -> str | int | None:
        """Return the block's name."""
        return _BLOCK_NAME(row)

    def rename_fields(self, fields: Fields) -> Fields:
        """Flatten the specification; a member that conflicts with the block's is `spec_<name>`.

        The name is the specification's, even if the path to the block has another one.
        """
        spec = fields.get("spec")
        if not isinstance(spec, dict):
            return fields
        rest = {name: value for name, value in fields.items() if name != "spec"}
        if spec.get("name"):
            rest["name"] = spec["name"]
        conflicting = {
            f"spec_{name}": spec[name] for name in spec if spec[name] != rest.get(name, spec[name])
        }
        return {**spec, **rest, **conflicting, "spec_id": spec.get("id")}


class Blocks(_BlockStream):
    """GET /v0/blocks: the blocks that workflows and insights consist of."""

    name = "blocks"
    path = "/v0/blocks"


class BlockVersions(_BlockStream, ChildStream):
    """GET /v0/blocks/{name}: all versions of a block."""

    name = "block_versions"
    path = "/v0/blocks/{name}"
    parent = Blocks
    primary_keys = ("name", "version")

    def key_of(self, row: RawRow) -> str | int | None:
        """Return the version: all versions may have the id of their block."""
        return _BLOCK_VERSION(row)


STREAMS = (BlockVersions, Blocks, JobTasks, Jobs, Workflows)
