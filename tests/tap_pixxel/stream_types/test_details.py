"""Details of workflows and jobs: a request for each record that is emitted, and only then."""

from __future__ import annotations

import json
import logging
import re
from typing import Any

import pytest

from pixxel_sandbox import Behavior, RequestRecord, Sandbox, Workspace
from pixxel_singer.exit_codes import ExitCode
from tap_pixxel.tap import TapPixxel
from tests.pixxel_api.scripted import ScriptedServer, answer
from tests.tap_pixxel.syncs import MessageCollector, make_catalog, make_config, sync

DETAIL_PATHS = {
    "workflows": re.compile(r"/v0/workflows/[^/]+"),
    "jobs": re.compile(r"/v0/workflows/[^/]+/jobs/[^/]+"),
}
DETAIL_COLUMNS = {
    "workflows": {"estimated_cost", "spec", "val_errors"},
    "jobs": {"exec_created_at", "exec_updated_at", "spec", "val_errors"},
}
STREAMS = tuple(DETAIL_PATHS)

detailed = pytest.mark.parametrize("name", STREAMS)


def list_detail_requests(sandbox: Sandbox, name: str) -> list[str]:
    return [each.path for each in sandbox.requests if DETAIL_PATHS[name].fullmatch(each.path)]


def read_json(value: Any) -> Any:
    """Return what a field holds: JSON, or the bytes of JSON."""
    is_bytes = isinstance(value, list) and value and all(isinstance(each, int) for each in value)
    return json.loads(bytes(value)) if is_bytes else value


@detailed
def test_workflow_details_give_spec_and_errors_of_each_record(sandbox: Sandbox, name: str) -> None:
    synced = sync(sandbox, name, workflow_details=True)
    rows = {row["id"]: row for row in sandbox.workspace.rows(name)}
    assert synced.ids(name) == sync(sandbox, name).ids(name)
    assert set(synced.ids(name)) == rows.keys()
    for record in synced.records[name]:
        row = rows[record["id"]]
        assert json.loads(record["spec"]) == read_json(row["spec"])
        assert json.loads(record["val_errors"]) == row["val_errors"]
        assert all(record[column] is not None for column in DETAIL_COLUMNS[name])
        assert not {"tasks", *DETAIL_COLUMNS[name]} & (record["extra"] or {}).keys()
    assert {type(row["spec"]) for row in rows.values()} == {list, dict}
    requested = list_detail_requests(sandbox, name)
    assert sorted(path.rpartition("/")[2] for path in requested) == sorted(rows)


@detailed
def test_workflow_details_off_request_nothing_and_keep_schema(sandbox: Sandbox, name: str) -> None:
    """A table of a warehouse must not change when the setting does."""
    off = sync(sandbox, name)
    assert not list_detail_requests(sandbox, name)
    assert {record[column] for record in off.records[name] for column in DETAIL_COLUMNS[name]} == {
        None
    }
    on = sync(sandbox, name, workflow_details=True)
    assert on.messages[0] == off.messages[0]
    assert [list(record) for record in on.records[name]] == [
        list(record) for record in off.records[name]
    ]


def test_workflow_details_of_later_sync_are_read_for_changed_workflows_only(
    sandbox: Sandbox,
) -> None:
    first = sync(sandbox, "workflows", workflow_details=True)
    key = sandbox.workspace.ids("workflows")[0]
    sandbox.workspace.update("workflows", key, spec={"steps": ["new"]})
    before = len(list_detail_requests(sandbox, "workflows"))
    second = sync(sandbox, "workflows", state=first.state, workflow_details=True)
    requested = list_detail_requests(sandbox, "workflows")[before:]
    assert [path.rpartition("/")[2] for path in requested] == second.ids("workflows")
    assert key in second.ids("workflows")
    assert len(second.ids("workflows")) < before
    specs = {each["id"]: each["spec"] for each in second.records["workflows"]}
    assert specs[key] == '{"steps":["new"]}'


@pytest.mark.parametrize(
    ("status", "reason"), [("403", "1 forbidden (403)"), ("404", "1 not found (404)")]
)
def test_record_without_readable_details_keeps_null_and_is_logged_once(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture, status: str, reason: str
) -> None:
    lost = sandbox.workspace.ids("workflows")[1]
    if status == "403":
        sandbox.behavior = Behavior(forbid_id=frozenset({lost}))
    else:
        sandbox.on_request = lambda request, workspace: (
            workspace.delete("workflows", lost)
            if request.path.endswith(lost) and workspace.find("workflows", lost)
            else None
        )
    with caplog.at_level(logging.WARNING):
        synced = sync(sandbox, "workflows", workflow_details=True)
    assert synced.status is ExitCode.OK
    without = [each["id"] for each in synced.records["workflows"] if each["spec"] is None]
    assert without == [lost]
    [line] = [each for each in caplog.messages if lost in each or "details" in each]
    assert line.startswith("workflows: 1 records are emitted without details")
    assert reason in line
    assert f"GET /v0/workflows/{lost} returned {status}" in line


def test_workflow_without_project_has_no_details(caplog: pytest.LogCaptureFixture) -> None:
    """The API requires the project."""
    rows = b'{"workflows": [{"id": "a", "name": "n"}], "pagination": {"total": 1}}'
    with ScriptedServer(answer(body=rows)) as server, caplog.at_level(logging.WARNING):
        synced = sync(server, "workflows", workflow_details=True)
        assert len(server.requests) == 1
    assert synced.ids("workflows") == ["a"]
    assert any("1 without an id that the request needs" in each for each in caplog.messages)


def make_list(*ids: str, updated: str = "2025-01-01T00:00:00Z") -> bytes:
    rows = [{"id": key, "project_id": "p", "updated_at": updated} for key in ids]
    return json.dumps({"workflows": rows, "pagination": {"total": len(rows)}}).encode()


def test_details_that_fail_keep_bookmark_though_list_was_read() -> None:
    """The list is read ahead of the details, here to its end."""
    broken = answer(200, body=b'{"id": ')
    with ScriptedServer(answer(body=make_list("a")), answer(409), broken) as server:
        synced = sync(server, "workflows", workflow_details=True)
    assert synced.status is ExitCode.INCOMPLETE
    assert "replication_key_value" not in json.dumps(synced.state)


def test_rejected_details_of_some_records_are_null_and_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """By the contract, a workflow or a job that is deleted or broken answers 400, never 404."""
    rejected, details = answer(400, body=b"{}"), answer(body=b'{"spec": "s"}')
    rows = answer(body=make_list("a", "b", "c", "d"))
    with ScriptedServer(rows, rejected, rejected, details, rejected) as server:
        synced = sync(server, "workflows", workflow_details=True, concurrency=1)
    assert synced.status is ExitCode.OK
    found = [(each["id"], each["spec"]) for each in synced.records["workflows"]]
    assert found == [("a", None), ("b", None), ("c", "s"), ("d", None)]
    [line] = [each for each in caplog.messages if "details" in each]
    assert "3 records are emitted without details" in line
    assert "3 rejected (400); the first: GET /v0/workflows/a returned 400" in line


def test_details_that_are_all_rejected_fail_stream_and_emit_no_nulls() -> None:
    """The request is wrong then, and null would replace what a loader has."""
    rows = answer(body=make_list("a", "b"))
    with ScriptedServer(rows, answer(400), answer(400), rows) as server:
        synced = sync(server, "workflows", workflow_details=True, concurrency=1)
    assert synced.status is ExitCode.INCOMPLETE
    assert not synced.ids("workflows")
    assert "replication_key_value" not in json.dumps(synced.state)


def test_only_changed_record_with_rejected_details_does_not_fail_later_syncs() -> None:
    """The details of another record, which has not changed, show that the request is right."""
    details = answer(body=b'{"spec": "s"}')
    both, changed = answer(body=make_list("a", "b")), answer(body=make_list("b"))
    with ScriptedServer(both, details, details) as server:
        first = sync(server, "workflows", workflow_details=True, concurrency=1)
    with ScriptedServer(both, changed, answer(400), both, details) as server:
        second = sync(server, "workflows", state=first.state, workflow_details=True, concurrency=1)
        assert server.requests[-1].startswith(b"GET /v0/workflows/a?")
    assert second.status is ExitCode.OK
    assert [(each["id"], each["spec"]) for each in second.records["workflows"]] == [("b", None)]


def test_unknown_field_of_details_goes_to_extra(
    caplog: pytest.LogCaptureFixture,
) -> None:
    listed = b'{"id": "a", "project_id": "p", "team": "x"}'
    rows = b'{"workflows": [%s], "pagination": {"total": 1}}' % listed
    details = (
        b'{"id": "a", "name": "other", "created_by": 7, "spec": "{}", "owner": "o", "team": "y"}'
    )
    with (
        ScriptedServer(answer(body=rows), answer(body=details)) as server,
        caplog.at_level(logging.INFO),
    ):
        [record] = sync(server, "workflows", workflow_details=True).records["workflows"]
    assert record["extra"] == {"owner": "o", "team": "x"}
    assert (record["name"], record["spec"], record["val_errors"]) == (None, "{}", None)
    assert any("owner" in each and "'extra'" in each for each in caplog.messages)


def test_token_expiring_before_details_fails_stream_and_keeps_bookmark(sandbox: Sandbox) -> None:
    """Otherwise, null would replace what a loader has, and the next sync would not correct it."""
    first = sync(sandbox, "workflows", workflow_details=True)
    for key in sandbox.workspace.ids("workflows"):
        sandbox.workspace.update("workflows", key, description="changed")

    def expire(request: RequestRecord, _: Workspace) -> None:
        if DETAIL_PATHS["workflows"].fullmatch(request.path):
            sandbox.behavior = Behavior(forbid=frozenset({"workflows"}))

    sandbox.on_request = expire
    second = sync(sandbox, "workflows", state=first.state, workflow_details=True)
    assert second.status is ExitCode.INCOMPLETE
    assert second.bookmark("workflows") == first.bookmark("workflows")


def test_response_with_an_error_is_no_details() -> None:
    rows = b'{"workflows": [{"id": "a", "project_id": "p"}], "pagination": {"total": 1}}'
    error = b'{"error": {"code": "internal", "message": "no"}}'
    with ScriptedServer(answer(body=rows), answer(body=error)) as server:
        synced = sync(server, "workflows", workflow_details=True)
    assert synced.status is ExitCode.INCOMPLETE


def test_workflow_details_deselected_columns_request_nothing(sandbox: Sandbox) -> None:
    config = make_config(sandbox, workflow_details=True)
    catalog = make_catalog(config, "workflows")
    for entry in catalog["streams"]:
        for part in entry["metadata"]:
            if part["breadcrumb"][1:] and part["breadcrumb"][1] in DETAIL_COLUMNS["workflows"]:
                part["metadata"]["selected"] = False
    writer = MessageCollector()
    TapPixxel(config=config, catalog=catalog, message_writer=writer).run()
    assert any(message["type"] == "RECORD" for message in writer.messages)
    assert not list_detail_requests(sandbox, "workflows")


def test_connection_test_requests_few_details(sandbox: Sandbox) -> None:
    config = make_config(sandbox, workflow_details=True)
    tap = TapPixxel(config=config, message_writer=MessageCollector())
    tap.run_sync_dry_run(streams=[tap.streams["workflows"]])
    assert 1 <= len(list_detail_requests(sandbox, "workflows")) <= 2
