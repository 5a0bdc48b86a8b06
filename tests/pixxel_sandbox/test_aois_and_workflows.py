"""The lists of AOIs, workflows and of what belongs to them: filters, paging and single rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from pixxel_sandbox import Behavior, Sandbox
from pixxel_sandbox.seed.timestamp_formats import parse_timestamp

from .api_client import get, iter_rows, send_request

if TYPE_CHECKING:
    from collections.abc import Callable

    from .conftest import StartSandbox


def aoi_with(sandbox: Sandbox, resource: str, count: int) -> str:
    """Return the id of an AOI with a number of rows of a resource."""
    rows = sandbox.workspace.rows(resource)
    return next(
        key
        for key in sandbox.workspace.ids("aois")
        if sum(row["aoi_id"] == key for row in rows) == count
    )


@pytest.mark.parametrize(
    ("path", "key", "resource", "limit"),
    [
        ("/v0/indices", "indices", "indices", 10),
        ("/v0/aois", "aois", "aois", 10),
        ("/v0/aois/{}/assets", "assets", "aoi_assets", 10),
        ("/v0/aois/{}/visualizations", "visualization", "visualizations", 10),
        ("/v0/workflows", "workflows", "workflows", 50),
    ],
)
def test_list_paged_by_offset_returns_every_row_once(
    start_sandbox: StartSandbox, path: str, key: str, resource: str, limit: int
) -> None:
    sandbox = start_sandbox()
    name = "aoi_id" if resource == "aois" else "id"
    parent = aoi_with(sandbox, resource, 12) if resource == "visualizations" else None
    parent = aoi_with(sandbox, resource, 25) if resource == "aoi_assets" else parent
    path = path.format(parent)
    rows = list(iter_rows(sandbox, path, key, limit=4))
    assert sorted(row[name] for row in rows) == sorted(
        row[name] for row in sandbox.workspace.rows(resource) if parent in {None, row.get("aoi_id")}
    )
    page = get(sandbox, path)
    assert page["pagination"] == {"limit": limit, "offset": 0, "total": len(rows)}
    sandbox.behavior.max_limit = 2
    assert len(get(sandbox, path, limit=50)[key]) == 2
    sandbox.behavior = Behavior(insert_while_paging=True)
    first = get(sandbox, path, limit=3)[key]
    second = get(sandbox, path, limit=3, offset=3)[key]
    assert second[0][name] == first[-1][name], "a row was inserted ahead of the next page"
    sandbox.behavior = Behavior(update_while_paging=True)
    get(sandbox, path, limit=3)
    assert sandbox.workspace.changes[-1][:2] == ("update", resource)


def list_ids(sandbox: Sandbox, path: str, list_key: str, **params: Any) -> list[str]:
    rows = get(sandbox, path, **params)[list_key]
    return [row.get("id", row.get("aoi_id")) for row in rows]


class Filter(NamedTuple):
    """A filter of a list, its value as taken from one row, and the test of the rows that match."""

    path: str
    name: str
    value: Callable[[Any], str]
    passes: Callable[[Any, Any], bool]


FILTERS = (
    Filter("/v0/indices", "satellite_id", lambda one: one["satellite_id"],
     lambda row, one: row["satellite_id"] == one["satellite_id"]),
    Filter("/v0/indices", "type", lambda _: "custom", lambda row, _: row["type"] == "custom"),
    Filter("/v0/indices", "expression_type", lambda _: "composite",
     lambda row, _: row["expression_type"] == "composite"),
    Filter("/v0/indices", "index_id", lambda one: one["id"],
     lambda row, one: row["id"] == one["id"]),
    Filter("/v0/aois", "aoi_id", lambda one: one["aoi_id"],
     lambda row, one: row["aoi_id"] == one["aoi_id"]),
    Filter("/v0/aois", "aoi_name", lambda one: one["name"],
     lambda row, one: row["name"] == one["name"]),
    Filter("/v0/aois", "project_ids", lambda one: one["project_id"] + ",nonesuch",
     lambda row, one: row["project_id"] == one["project_id"]),
    Filter("/v0/aois", "created_at", lambda one: "../" + one["created_at"],
     lambda row, one: timestamp(row, "created_at") <= timestamp(one, "created_at")),
    Filter("/v0/aois", "updated_at", lambda one: one["updated_at"] + "/..",
     lambda row, one: "updated_at" in row
     and timestamp(row, "updated_at") >= timestamp(one, "updated_at")),
    Filter("/v0/aois", "updated_at", lambda one: one["updated_at"],
     lambda row, one: row["aoi_id"] == one["aoi_id"]),
    Filter("/v0/workflows", "project_id", lambda one: one["project_id"],
     lambda row, one: row["project_id"] == one["project_id"]),
    Filter("/v0/workflows", "id", lambda one: one["id"],
     lambda row, one: row["id"] == one["id"]),
    Filter("/v0/workflows", "name", lambda one: one["name"],
     lambda row, one: row["name"] == one["name"]),
    Filter("/v0/workflows", "created_by", lambda one: one["created_by"],
     lambda row, one: row["created_by"] == one["created_by"]),
    Filter("/v0/workflows", "created_on", lambda one: one["created_at"] + "/..",
     lambda row, one: timestamp(row, "created_at") >= timestamp(one, "created_at")),
    Filter("/v0/workflows", "updated_at", lambda one: one["updated_at"] + "/..",
     lambda row, one: "updated_at" in row
     and timestamp(row, "updated_at") >= timestamp(one, "updated_at")),
)  # fmt: skip


def timestamp(row: Any, name: str) -> Any:
    return parse_timestamp(row[name])


@pytest.mark.parametrize("of", FILTERS, ids=[f"{of.path} {of.name}" for of in FILTERS])
def test_list_with_documented_filter_returns_matching_rows(
    shared_sandbox: Sandbox, of: Filter
) -> None:
    key = of.path.removeprefix("/v0/")
    rows = get(shared_sandbox, of.path, limit=1000)[key]
    one = next(row for row in rows[1:] if "updated_at" in row)
    expected = [row.get("id", row.get("aoi_id")) for row in rows if of.passes(row, one)]
    assert 0 < len(expected) < len(rows)
    assert (
        list_ids(shared_sandbox, of.path, key, limit=1000, **{of.name: of.value(one)}) == expected
    )


def test_visualizations_with_documented_filter_returns_matching_rows(
    shared_sandbox: Sandbox,
) -> None:
    path = f"/v0/aois/{aoi_with(shared_sandbox, 'visualizations', 12)}/visualizations"
    rows = get(shared_sandbox, path, limit=100)["visualization"]
    indices = {row["id"]: row for row in shared_sandbox.workspace.rows("indices")}
    one = rows[0]
    index = indices[one["index_id"]]
    cases: list[tuple[dict[str, str], Callable[[Any], bool]]] = [
        ({"user_id": one["user_id"]}, lambda row: row["user_id"] == one["user_id"]),
        ({"index_id": one["index_id"]}, lambda row: row["index_id"] == one["index_id"]),
        ({"visualization_id": one["id"]}, lambda row: row["id"] == one["id"]),
        ({"type": "custom"}, lambda row: indices[row["index_id"]]["type"] == "custom"),
        (
            {"expression_type": index["expression_type"]},
            lambda row: indices[row["index_id"]]["expression_type"] == index["expression_type"],
        ),
    ]
    for params, passes in cases:
        expected = [row["id"] for row in rows if passes(row)]
        assert len(expected) < len(rows)
        assert list_ids(shared_sandbox, path, "visualization", limit=100, **params) == expected


def test_insights_and_jobs_are_unpaged_and_filtered(shared_sandbox: Sandbox) -> None:
    area = aoi_with(shared_sandbox, "insights", 3)
    flow = shared_sandbox.workspace.rows("jobs")[-1]["workflow_id"]
    for path, key in (
        (f"/v0/aoi/{area}/insights", "insights"),
        (f"/v0/workflows/{flow}/jobs", "jobs"),
    ):
        response = get(shared_sandbox, path, limit=1)
        assert set(response) == {key}
        rows = response[key]
        one = rows[0]
        assert list_ids(shared_sandbox, path, key, id=one["id"]) == [one["id"]]
        assert list_ids(shared_sandbox, path, key, status="nonesuch") == []
        expected = [row["id"] for row in rows if row["status"] == one["status"]]
        assert list_ids(shared_sandbox, path, key, status=one["status"]) == expected
        assert list_ids(shared_sandbox, path, key, created_on=one["created_at"]) == [one["id"]]
        expected = [row["id"] for row in rows if row["created_by"] == one["created_by"]]
        assert list_ids(shared_sandbox, path, key, created_by=one["created_by"]) == expected
        assert (
            send_request(shared_sandbox, "GET", path, params={"created_on": "today"}).status_code
            == 400
        )


@pytest.mark.parametrize(("path", "key"), [("/v0/aois", "aois"), ("/v0/workflows", "workflows")])
def test_updated_at_filter_with_query_options_is_ignored_empty_or_rejected(
    start_sandbox: StartSandbox, path: str, key: str
) -> None:
    sandbox = start_sandbox()
    since = {"updated_at": "2999-01-01T00:00:00Z/.."}
    everything = list_ids(sandbox, path, key)
    sandbox.workspace.update(key, everything[0], updated_at="2999-01-01T00:00:00Z")
    assert list_ids(sandbox, path, key, **since) == everything[:1]
    sandbox.behavior = Behavior(ignore_query=True)
    assert list_ids(sandbox, path, key, **since) == everything
    sandbox.behavior = Behavior(empty_query=True)
    assert list_ids(sandbox, path, key, **since) == []
    assert list_ids(sandbox, path, key) == everything
    sandbox.behavior = Behavior(reject_query=True)
    assert send_request(sandbox, "GET", path, params=since).status_code == 400
    assert list_ids(sandbox, path, key) == everything


def test_single_job_has_tasks_that_list_omits(shared_sandbox: Sandbox) -> None:
    whole = shared_sandbox.workspace.rows("jobs")[0]
    path = f"/v0/workflows/{whole['workflow_id']}/jobs"
    [listed] = get(shared_sandbox, path, id=whole["id"])["jobs"]
    alone = get(shared_sandbox, f"{path}/{whole['id']}")
    assert alone["tasks"]
    assert {name: alone[name] for name in listed} == listed
    assert not {"tasks", "spec", "val_errors"} & set(listed)


def test_single_workflow_requires_project_and_has_estimate(shared_sandbox: Sandbox) -> None:
    [listed, other, *_] = get(shared_sandbox, "/v0/workflows")["workflows"]
    path = f"/v0/workflows/{listed['id']}"
    alone = get(shared_sandbox, path, project_id=listed["project_id"])
    assert "estimated_cost" not in listed
    assert get(shared_sandbox, path + "/estimate") == {"estimated_cost": alone["estimated_cost"]}
    assert send_request(shared_sandbox, "GET", path).status_code == 400
    assert (
        send_request(shared_sandbox, "GET", path, params={"project_id": "nonesuch"}).status_code
        == 404
    )
    job = shared_sandbox.workspace.rows("jobs")[0]
    wrong = next(row["id"] for row in (listed, other) if row["id"] != job["workflow_id"])
    assert (
        send_request(shared_sandbox, "GET", f"/v0/workflows/{wrong}/jobs/{job['id']}").status_code
        == 404
    )


def test_blocks_list_newest_versions_and_block_lists_all(shared_sandbox: Sandbox) -> None:
    blocks = get(shared_sandbox, "/v0/blocks")["blocks"]
    modes = [
        get(shared_sandbox, "/v0/blocks", mode=mode)["blocks"] for mode in ("insight", "workflow")
    ]
    assert sorted(row["id"] for rows in modes for row in rows) == sorted(b["id"] for b in blocks)
    assert (
        send_request(shared_sandbox, "GET", "/v0/blocks", params={"mode": "batch"}).status_code
        == 400
    )
    block = next(row for row in blocks if row["spec"]["name"] == "crop-stress")
    assert block["spec"]["version"] == "0.10.0", "the newest version is not the last alphabetically"
    versions = get(shared_sandbox, "/v0/blocks/crop-stress")["blocks"]
    assert [row["spec"]["version"] for row in versions] == ["0.9.0", "0.10.0"]
    assert get(shared_sandbox, "/v0/blocks/crop-stress/versions/0.10.0") == block


@pytest.mark.parametrize(
    "path",
    [
        "/v0/aoi/nonesuch",
        "/v0/aois/nonesuch/assets",
        "/v0/aois/nonesuch/visualizations",
        "/v0/aoi/nonesuch/insights",
        "/v0/workflows/nonesuch?project_id=any",
        "/v0/workflows/nonesuch/estimate",
        "/v0/workflows/nonesuch/jobs",
        "/v0/workflows/nonesuch/jobs/any",
        "/v0/blocks/nonesuch",
        "/v0/blocks/mosaic/versions/nonesuch",
    ],
)
def test_unknown_aoi_workflow_or_block_returns_404(shared_sandbox: Sandbox, path: str) -> None:
    response = send_request(shared_sandbox, "GET", path)
    assert (response.status_code, response.json()["error"]["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("resource", "path"),
    [
        ("satellites", "/v0/satellites"),
        ("indices", "/v0/indices"),
        ("aois", "/v0/aois"),
        ("aoi_assets", "/v0/aois/{aoi}/assets"),
        ("visualizations", "/v0/aois/{aoi}/visualizations"),
        ("insights", "/v0/aoi/{aoi}/insights"),
        ("workflows", "/v0/workflows"),
        ("jobs", "/v0/workflows/{workflow}/jobs"),
        ("blocks", "/v0/blocks"),
        ("block_versions", "/v0/blocks/mosaic"),
    ],
)
def test_forbidden_analytics_resource_returns_403(
    start_sandbox: StartSandbox, resource: str, path: str
) -> None:
    sandbox = start_sandbox(forbid={resource})
    workspace = sandbox.workspace
    path = path.format(aoi=workspace.ids("aois")[0], workflow=workspace.ids("workflows")[0])
    assert send_request(sandbox, "GET", path).status_code == 403
    sandbox.behavior.forbid = frozenset({"stores"})
    assert send_request(sandbox, "GET", path).status_code == 200


def test_path_with_forbidden_id_returns_403(start_sandbox: StartSandbox) -> None:
    sandbox = start_sandbox()
    area, other = sandbox.workspace.ids("aois")[:2]
    flow = sandbox.workspace.ids("workflows")[0]
    sandbox.behavior = Behavior(forbid_id=frozenset({area, flow}))
    for path in (f"/v0/aois/{area}/assets", f"/v0/aoi/{area}", f"/v0/workflows/{flow}/jobs"):
        response = send_request(sandbox, "GET", path)
        assert (response.status_code, response.json()["error"]["code"]) == (
            403,
            "permission_denied",
        )
    assert get(sandbox, f"/v0/aois/{other}/assets")["pagination"]["total"]
    assert area in {row["aoi_id"] for row in get(sandbox, "/v0/aois", limit=100)["aois"]}
