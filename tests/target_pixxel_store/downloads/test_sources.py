"""Downloads of areas' assets, insights, jobs and tasks: each is one file, as a catalog is."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pixxel_sandbox import Behavior, Sandbox
from tests.target_pixxel_store.download_checks import list_files
from tests.target_pixxel_store.downloads.source_cases import (
    KINDS,
    SourceCase,
    find_assets,
    make_case,
)
from tests.target_pixxel_store.intercepting_proxy import ProxiedResponse
from tests.target_pixxel_store.target_harness import record, state

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pixxel_sandbox import RequestRecord, Workspace
    from tests.target_pixxel_store.intercepting_proxy import InterceptingProxy
    from tests.target_pixxel_store.target_harness import Json, TargetHarness

REPEATED = ("insight", "job", "task")
"""The kinds whose requests are repeated, as the API gives their packages no ids."""
ID_FIELDS = ("catalog_id", "aoi_id", "insight_id", "workflow_id", "job_id", "task_id", "asset_ids")


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """Start a small sandbox, as its archive is not read."""
    with Sandbox(items=10) as started_sandbox:
        yield started_sandbox


@pytest.mark.parametrize("kind", KINDS)
def test_source_downloaded_once_with_its_ids_in_the_outcome(
    harness: TargetHarness, download_folder: Path, kind: str
) -> None:
    case = make_case(harness.sandbox, kind)
    result = harness.run(case.message, state(1))
    assert (result.kinds, result.states, result.reasons) == (["created"], [{"upto": 1}], [""])
    assert "unknown fields" not in result.log
    [line] = result.outcomes
    assert case.is_complete(harness.sandbox, line)
    assert {name: line[name] for name in ID_FIELDS if line[name] is not None} == case.ids
    assert (line["download_id"] is None) == (case.request[0] == "PUT")
    [name] = list_files(download_folder)
    assert line["object"] == str(download_folder / name)
    assert name.startswith(case.folder)
    sent = len(harness.sandbox.requests)
    again = harness.run(case.message, state(1))
    assert (again.kinds, again.states) == (["exists"], [{"upto": 1}])
    assert again.outcomes[0]["object"] == line["object"]
    new = harness.sandbox.requests[sent:]
    assert not [each for each in new if "download" in each.path], "nothing is requested again"
    assert len(harness.sandbox.fetches) == 1


def test_assets_in_another_order_and_repeated_are_the_same_download(
    harness: TargetHarness, download_folder: Path
) -> None:
    aoi_id, [first, second, _] = find_assets(harness.sandbox)
    orders: list[Any] = [[first, second], [second, first, second], f'["{second}", "{first}"]']
    requests = [record("download_requests", aoi_id=aoi_id, asset_ids=each) for each in orders]
    result = harness.run(*requests)
    assert sorted(result.kinds) == ["created", "exists", "exists"]
    assert harness.posted_bodies(f"/v0/aois/{aoi_id}/downloads") == [{"asset_ids": [first, second]}]
    keys = {json.dumps(line["key"]) for line in result.outcomes}
    assert json.dumps({"aoi_id": aoi_id, "asset_ids": f"{first}, {second}"}) in keys
    other = harness.run(record("download_requests", aoi_id=aoi_id, asset_ids=first))
    assert other.kinds == ["created"]
    assert len(list_files(download_folder)) == 2


def test_assets_of_one_area_listed_once_unless_one_is_missing(
    harness: TargetHarness, download_folder: Path
) -> None:
    aoi_id, assets = find_assets(harness.sandbox)
    path = f"/v0/aois/{aoi_id}/assets"
    messages = [record("download_requests", aoi_id=aoi_id, asset_ids=each) for each in assets]
    assert harness.run(*messages, download_concurrency=3).kinds == ["created"] * 3
    assert sum(each.path == path for each in harness.sandbox.requests) == 1
    harness.sandbox.requests.clear()
    template = harness.sandbox.workspace.get("aoi_assets", assets[0])
    new: list[str] = []

    def add_asset(request: RequestRecord, workspace: Workspace) -> None:
        if request.method == "POST" and not new:
            new.append("new")
            workspace.insert("aoi_assets", template | {"id": "new"})

    harness.sandbox.on_request = add_asset
    messages = [
        record("download_requests", aoi_id=aoi_id, asset_ids=[*assets[:2]]),
        record("download_requests", aoi_id=aoi_id, asset_ids="new"),
    ]
    assert harness.run(*messages, download_concurrency=1).kinds == ["created"] * 2
    assert sum(each.path == path for each in harness.sandbox.requests) == 2
    assert len(list_files(download_folder)) == 5


@pytest.mark.parametrize(
    ("template", "path", "folder"),
    [
        ("{aoi_id}/{day:%Y}", None, "AOI/2025"),
        ("{aoi_id}/{catalog_id}", None, "aois/AOI/insights/INSIGHT"),
        ("everything", None, "everything"),
        ("{aoi_id}", "mine//now/", "mine/now"),
    ],
)
def test_path_is_that_of_the_record_else_of_the_template_else_of_the_kind(
    harness: TargetHarness, download_folder: Path, template: str, path: str | None, folder: str
) -> None:
    case = make_case(harness.sandbox, "insight")
    message = record("download_requests", **case.fields, day="2025-03-01", path=path)
    result = harness.run(message, path_template=template)
    ids = case.fields["aoi_id"], case.fields["insight_id"]
    expected = folder.replace("AOI", ids[0]).replace("INSIGHT", ids[1])
    assert result.reasons == [""]
    assert str(Path(list_files(download_folder)[0]).parent) == expected


UNKNOWN: dict[str, tuple[str, Json, str]] = {
    "area of assets": ("assets", {"aoi_id": "no"}, "the area of interest does not exist in this"),
    "asset": ("assets", {"asset_ids": ["no", "none"]}, "2 of its 2 'asset_ids' are not assets"),
    "area of insight": ("insight", {"aoi_id": "no"}, "the insight does not exist in this"),
    "insight": ("insight", {"insight_id": "no"}, "the insight does not exist in this workspace"),
    "output": ("insight", {"outputs": ["no"]}, "returned 400"),
    "workflow": ("job", {"workflow_id": "no"}, "the job does not exist in this workspace; check"),
    "job": ("job", {"job_id": "no"}, "the job does not exist in this workspace; check"),
    "job of task": ("task", {"job_id": "no"}, "the job does not exist in this workspace; check"),
    "task": ("task", {"task_id": "no"}, "the task does not exist in this workspace; check"),
}  # fmt: skip


@pytest.mark.parametrize("case", UNKNOWN)
def test_unknown_source_fails_with_what_to_check(
    harness: TargetHarness, download_folder: Path, case: str, capsys: pytest.CaptureFixture[str]
) -> None:
    kind, change, reason = UNKNOWN[case]
    fields = make_case(harness.sandbox, kind).fields | change
    message = record("download_requests", **fields)
    result = harness.run(message, state(1))
    assert (result.status, result.kinds, result.states) == (1, ["failed"], [])
    assert reason in result.reasons[0]
    assert list_files(download_folder) == []
    if "returned" not in reason:  # only the request itself shows it
        harness.run(message, dry_run=True)
        table = " ".join(capsys.readouterr().err.split())
        assert "would fail" in table
        assert "would download" not in table


ROWS = {"assets": "aoi_assets", "insight": "insights", "job": "jobs"}


def set_row(harness: TargetHarness, case: SourceCase, kind: str, **fields: Any) -> None:
    """Change the last row of a source, or its task."""
    workspace = harness.sandbox.workspace
    if kind != "task":
        workspace.update(ROWS[kind], case.keys[-1], **fields)
        return
    tasks = workspace.get("jobs", case.keys[0])["tasks"]
    changed = [each | (fields if each["id"] == case.keys[1] else {}) for each in tasks]
    workspace.update("jobs", case.keys[0], tasks=changed)


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("assets", "creating"),
        ("assets", "partial_success"),
        ("insight", "Running"),
        ("job", "never seen"),
        ("task", "queued"),
    ],
)
def test_unfinished_source_is_pending_until_a_later_run(
    harness: TargetHarness, download_folder: Path, kind: str, status: str
) -> None:
    case = make_case(harness.sandbox, kind)
    set_row(harness, case, kind, status=status)
    result = harness.run(case.message, case.message, state(1))
    assert (result.status, result.kinds, result.states) == (3, ["pending"] * 2, [])
    is_unclear = status in {"never seen", "partial_success"}
    reason = "may be unfinished ({}); later" if is_unclear else "is not finished ({}); a"
    assert reason.format(status.upper()) in result.reasons[0]
    assert case.count_requests(harness.sandbox) == 0, "a package of it could be incomplete"
    assert (list_files(download_folder), result.summary["downloads"]) == ([], 0)
    set_row(harness, case, kind, status="success" if kind == "assets" else "completed")
    again = harness.run(case.message, state(1))
    assert (again.kinds, again.states, again.reasons) == (["created"], [{"upto": 1}], [""])


@pytest.mark.parametrize("tasks", [None, []], ids=str)
def test_task_of_unfinished_job_that_has_none_yet_is_pending(
    harness: TargetHarness, download_folder: Path, tasks: list[Json] | None
) -> None:
    case = make_case(harness.sandbox, "task")
    harness.sandbox.workspace.update("jobs", case.keys[0], status="queued", tasks=tasks)
    result = harness.run(case.message, state(1))
    assert (result.status, result.kinds, result.states) == (3, ["pending"], [])
    assert "the job is not finished (QUEUED); a later run" in result.reasons[0]
    harness.sandbox.workspace.update("jobs", case.keys[0], status="completed")
    assert harness.run(case.message).kinds == ["failed"], "a finished job gets no more tasks"
    assert list_files(download_folder) == []


@pytest.mark.parametrize(("kind", "status"), [("assets", "failed"), ("task", "Cancelled")])
def test_failed_source_fails(
    harness: TargetHarness, download_folder: Path, kind: str, status: str
) -> None:
    case = make_case(harness.sandbox, kind)
    set_row(harness, case, kind, status=status)
    result = harness.run(case.message, state(1))
    assert (result.status, result.kinds, result.states) == (1, ["failed"], [])
    assert f"has failed ({status.upper()}) and cannot be downloaded" in result.reasons[0]
    assert list_files(download_folder) == []


@pytest.mark.parametrize("kind", REPEATED)
def test_request_repeated_until_it_has_a_url(
    harness: TargetHarness, download_folder: Path, proxy: InterceptingProxy, kind: str
) -> None:
    case = make_case(harness.sandbox, kind)
    answers: list[Json | int] = [
        {"status": "CREATED"}, {"status": "never seen"}, {"status": ""}, {"signed_url": None},
        {"status": "In progress", "signed_url": "http://x.invalid/a.zip"},
        {"status": "PartialSuccess", "signed_url": "http://x.invalid/a.zip"},
        {"status": "success"}, {"status": "In_Progress", "signed_url": ""},
        {}, 202, 409, 425,
    ]  # fmt: skip
    count = len(answers)
    proxy.intercept = lambda request, forward: (
        _to_response(answers.pop(0)) if request.method == "PUT" and answers else forward()
    )
    result = harness.run(case.message)
    assert (result.reasons, answers) == ([""], [])
    assert result.outcomes[0]["attempts"] >= count + 2, "the one with a URL, and the file's"
    assert len(list_files(download_folder)) == 1


@pytest.mark.parametrize(
    ("kind", "response", "reason"),
    [
        (
            "insight",
            ProxiedResponse(200, {"id": "x", "status": "never\nseen"}),
            "0.05 s; see 'download_timeout', and run again; its last status was NEVER SEEN",
        ),
        (
            "job",
            ProxiedResponse(200, {"id": "x", "status": "FAILED"}),
            "failed to prepare the download (FAILED)",
        ),
        ("task", ProxiedResponse(200, {"status": "Expired", "signed_url": "x"}), "(EXPIRED)"),
        ("task", ProxiedResponse(200, {"status": "Cancelled"}), "(CANCELLED)"),
        ("task", ProxiedResponse(409), "its last status was 409"),
        ("insight", ProxiedResponse(400), "returned 400: the API does not make the download"),
        ("job", ProxiedResponse(404), "check the record's fields (job_id, workflow_id)"),
    ],
)
@pytest.mark.usefixtures("download_folder")
def test_request_without_url_fails_record(
    harness: TargetHarness,
    proxy: InterceptingProxy,
    kind: str,
    response: ProxiedResponse,
    reason: str,
) -> None:
    case = make_case(harness.sandbox, kind)
    proxy.intercept = lambda request, forward: response if request.method == "PUT" else forward()
    result = harness.run(case.message, state(1), download_timeout=0.05)
    assert (result.status, result.kinds, result.states) == (1, ["failed"], [])
    assert reason in result.reasons[0]
    assert "api_url" not in result.reasons[0]
    assert list_files(harness.folder / "images") == []


@pytest.mark.parametrize("kind", [*REPEATED, "assets"])
def test_url_with_unknown_status_word_is_downloaded(
    harness: TargetHarness, download_folder: Path, proxy: InterceptingProxy, kind: str
) -> None:
    """The contract lists no words; the file is verified whatever the word is."""
    case = make_case(harness.sandbox, kind)

    def rename_status(request: Any, forward: Any) -> Any:
        response = forward()
        if "/download" in request.path and response.body.get("signed_url"):
            return ProxiedResponse(response.status, {**response.body, "status": "Available"})
        return response

    proxy.intercept = rename_status
    result = harness.run(case.message, download_timeout=5)
    assert result.reasons == [""]
    assert case.is_complete(harness.sandbox, result.outcomes[0])
    assert len(list_files(download_folder)) == 1


@pytest.mark.parametrize(
    "answer",
    [{"status": "expired"}, {"status": "success"}, {"status": "never seen"}, {}, 400, 404, 409],
    ids=str,
)
def test_download_of_earlier_run_that_is_not_in_progress_requested_again(
    harness: TargetHarness, download_folder: Path, proxy: InterceptingProxy, answer: Json | int
) -> None:
    """Otherwise each run would wait for it in vain."""
    case = make_case(harness.sandbox, "assets")
    harness.sandbox.behavior = Behavior(download_seconds=1000)
    [line] = harness.run(case.message, download_timeout=0).outcomes
    harness.sandbox.behavior = Behavior(download_seconds=0)
    old = line["download_id"]
    proxy.intercept = lambda request, forward: (
        _to_response(answer, download_id=old) if old in request.path else forward()
    )
    again = harness.run(case.message, download_timeout=5)
    assert again.reasons == [""]
    assert again.outcomes[0]["download_id"] != old
    assert case.count_requests(harness.sandbox) == 2
    assert len(list_files(download_folder)) == 1


def _to_response(answer: Json | int, **more: str) -> ProxiedResponse:
    if isinstance(answer, int):
        return ProxiedResponse(answer)
    return ProxiedResponse(200, {"id": "x", **more, **answer})


@pytest.mark.parametrize("kind", KINDS)
def test_refused_signed_url_renewed_and_interrupted_fetch_continued(
    harness: TargetHarness, download_folder: Path, kind: str
) -> None:
    case = make_case(harness.sandbox, kind)
    sandbox = harness.sandbox
    # The first URL has expired when it is fetched; later ones break off twice.
    good = Behavior(download_seconds=0, download_bytes=40_000, interrupt_fetches=2)
    sandbox.behavior = replace(good, url_seconds=0)
    harness.sandbox.on_request = lambda *_: (
        setattr(sandbox, "behavior", good) if sandbox.fetches else None
    )
    result = harness.run(case.message)
    assert result.reasons == [""]
    assert case.is_complete(sandbox, result.outcomes[0])
    assert [each.status for each in sandbox.fetches] == [403, 200, 206, 206]
    assert len(list_files(download_folder)) == 1


def test_forbidden_source_fails_only_its_record(
    harness: TargetHarness, download_folder: Path
) -> None:
    insight, job = (make_case(harness.sandbox, kind) for kind in ("insight", "job"))
    forbidden = frozenset({insight.fields["aoi_id"]})
    harness.sandbox.behavior = replace(harness.sandbox.behavior, forbid_id=forbidden)
    result = harness.run(insight.message, job.message, on_error="continue")
    assert (result.error, sorted(result.kinds)) == (None, ["created", "failed"])
    assert any("returned 403: the token may not use" in reason for reason in result.reasons)
    assert len(list_files(download_folder)) == 1


INVALID: dict[str, tuple[Json, str]] = {
    "nothing": ({"aoi_id": "a"}, "none of catalog_id, order_item_id, asset_ids, insight_id,"),
    "two": ({"catalog_id": "c", "insight_id": "i"}, "has both 'catalog_id' and 'insight_id'; send"),
    "assets without area": ({"asset_ids": ["a"]}, "has no 'aoi_id'"),
    "insight without area": ({"insight_id": "a"}, "has no 'aoi_id'"),
    "job without workflow": ({"job_id": "a"}, "has no 'workflow_id'"),
    "task without job": ({"workflow_id": "w", "task_id": "a"}, "has none of catalog_id"),
    "inputs of a job": ({"workflow_id": "w", "job_id": "a", "inputs": ["x"]},
                        "has 'inputs', which requires 'insight_id'"),
    "no list": ({"aoi_id": "a", "asset_ids": {"x": "y"}}, "'asset_ids' must be a list of strings"),
    "empty id": ({"aoi_id": "a", "asset_ids": ["x", " "]}, "has no 'asset_ids'"),
    "id upwards": ({"aoi_id": "..", "insight_id": "x"}, "'aoi_id' must not be . or .."),
    "path upwards": ({"aoi_id": "a", "insight_id": "x", "path": "../x"}, "'path' must not contain"),
}  # fmt: skip


@pytest.mark.parametrize("case", INVALID)
@pytest.mark.usefixtures("download_folder")
def test_invalid_download_request_fails_with_the_field(harness: TargetHarness, case: str) -> None:
    fields, reason = INVALID[case]
    result = harness.run(record("download_requests", **fields), state(1))
    assert (result.status, result.kinds, result.states) == (1, ["failed"], [])
    assert reason in result.reasons[0]
    assert not [each for each in harness.sandbox.requests if "download" in each.path]


def test_insights_of_the_tap_downloaded_by_a_stream_map(
    harness: TargetHarness, download_folder: Path
) -> None:
    """The how-to has this map."""
    rows = harness.sandbox.workspace.rows("insights")
    done = [row for row in rows if row["status"] == "completed"]
    properties = {name: {"type": ["string", "null"]} for name in ("id", "aoi_id", "status")}
    messages = [
        {"type": "SCHEMA", "stream": "insights", "key_properties": ["id"],
         "schema": {"properties": properties}},
        *(record("insights", **{name: row[name] for name in properties}) for row in rows),
    ]  # fmt: skip
    result = harness.run(*messages, stream_maps=INSIGHTS_MAP)
    assert result.kinds == ["created"] * len(done)
    assert {line["insight_id"] for line in result.outcomes} == {row["id"] for row in done}
    assert len(list_files(download_folder)) == len(done)


INSIGHTS_MAP = {
    "insights": {
        "__alias__": "download_requests",
        "__filter__": "status == 'completed'",
        "__key_properties__": ["insight_id"],
        "insight_id": "id",
        "aoi_id": "aoi_id",
        "__else__": None,
    }
}


def test_deleted_insight_fails(harness: TargetHarness, download_folder: Path) -> None:
    case = make_case(harness.sandbox, "insight")
    set_row(harness, case, "insight", deleted_at="2025-01-01T00:00:00Z")
    result = harness.run(case.message)
    assert result.kinds == ["failed"]
    assert "the insight was deleted" in result.reasons[0]
    assert list_files(download_folder) == []
    for time in ("0001-01-01T00:00:00Z", "no time"):
        set_row(harness, case, "insight", deleted_at=time)
        assert harness.run(case.message).kinds == ["created" if time[0] == "0" else "exists"]


def test_sources_of_all_kinds_in_one_run_have_folders_of_their_own(
    harness: TargetHarness, download_folder: Path
) -> None:
    cases = [make_case(harness.sandbox, kind) for kind in KINDS]
    result = harness.run(*(each.message for each in cases), state(1), download_concurrency=4)
    assert (result.kinds, result.states) == (["created"] * len(KINDS), [{"upto": 1}])
    folders = {str(Path(name).parent) for name in list_files(download_folder)}
    assert len(folders) == len(KINDS)
    assert all(any(each.startswith(case.folder) for each in folders) for case in cases)


@pytest.mark.usefixtures("download_folder")
def test_sources_of_one_insight_downloaded_one_after_the_other(
    harness: TargetHarness, proxy: InterceptingProxy
) -> None:
    """The API identifies its package by the insight only, so a request may replace the other's."""
    whole, parts = (make_case(harness.sandbox, kind) for kind in ("insight", "insight parts"))
    package: list[Any] = [None]

    def keep_one_package(request: Any, forward: Any) -> Any:
        response = forward()
        if request.method == "PUT" and request.body != package[0]:
            package[0] = request.body
            return ProxiedResponse(200, {"status": "created"})
        return response

    proxy.intercept = keep_one_package
    result = harness.run(whole.message, parts.message, download_concurrency=2, download_timeout=10)
    assert result.reasons == ["", ""]
    bodies = [each.body for each in harness.sandbox.requests if each.method == "PUT"]
    changes = sum(one != other for one, other in pairwise(bodies))
    assert changes == 1, "no request replaced the package of the other one"
