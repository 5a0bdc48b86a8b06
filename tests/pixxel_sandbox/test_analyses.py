"""The creation of indices, visualizations, insights and jobs: prices, progress, and errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pixxel_sandbox import Behavior, Sandbox
from pixxel_sandbox.seed.raw_json import decode_bytes_or_json

from .api_client import get, send_request
from .download_requests import collect_scheduled_calls
from .write_table import (
    ANALYSES,
    AOI_DOWNLOAD,
    INDEX,
    INSIGHT,
    INSIGHT_PACKAGE,
    JOB,
    VISUALIZATION,
    Write,
    first_aoi,
)

if TYPE_CHECKING:
    from .conftest import StartSandbox

BLOCK = {"name": "land-cover", "version": "2.0.0"}


@pytest.fixture
def sandbox(start_sandbox: StartSandbox) -> Sandbox:
    return start_sandbox(analysis_seconds=0)


def estimate(sandbox: Sandbox, **changes: Any) -> int:
    """Return the estimated cost of an insight."""
    response = INSIGHT.send(sandbox, estimate=True, **changes)
    assert (response.status_code, list(response.json())) == (200, ["estimate"])
    cost: int = response.json()["estimate"]
    return cost


def estimate_job(sandbox: Sandbox) -> int:
    """Return the estimated cost of a job of the first workflow."""
    key = sandbox.workspace.ids("workflows")[0]
    cost: int = get(sandbox, f"/v0/workflows/{key}/estimate")["estimated_cost"]
    return cost


def list_insights(sandbox: Sandbox) -> list[Any]:
    rows: list[Any] = get(sandbox, f"/v0/aoi/{first_aoi(sandbox)}/insights")["insights"]
    return rows


def test_estimate_depends_on_area_and_block_and_creates_nothing(sandbox: Sandbox) -> None:
    before = sandbox.workspace.ids("insights")
    area = sandbox.workspace.get("aois", first_aoi(sandbox))["area_in_sq_m"] / 1e6
    assert estimate(sandbox) == round(2 * area)
    assert estimate(sandbox, block={"name": "crop-stress", "version": "0.10.0"}) == round(
        3.5 * area
    )
    sandbox.workspace.update("aois", first_aoi(sandbox), area_in_sq_m=10)
    assert estimate(sandbox) == 1
    for fault in ("drop_accepted", "fail_accepted", "accept_late"):
        sandbox.behavior = Behavior(**{fault: 1})  # type: ignore[arg-type]  # a name of a table
        estimate(sandbox)
    assert (sandbox.workspace.ids("insights"), sandbox.placed_analyses()) == (before, [])


def test_insight_costs_its_estimate_and_completes(
    start_sandbox: StartSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox = start_sandbox()
    calls = collect_scheduled_calls(monkeypatch)
    cost = estimate(sandbox)
    key = INSIGHT.send(sandbox, input={"threshold": [1, 2]}, estimate=False).json()["id"]
    [row] = sandbox.placed_analyses()
    assert row == list_insights(sandbox)[-1]
    assert (row["id"], row["cost"], row["status"], row["progress"]) == (key, cost, "running", 0)
    assert (row["name"], row["metadata"]) == ("insight 0", {"team": "data"})
    assert decode_bytes_or_json(row["input"]) == {"threshold": [1, 2]}
    assert sandbox.spent_tokens() == cost
    [complete] = calls
    complete()
    row = list_insights(sandbox)[-1]
    assert (row["status"], row["progress"]) == ("completed", 100)
    assert decode_bytes_or_json(row["output"])["block"] == "land-cover"


@pytest.mark.parametrize("value", [None, 7, "text", [1, 300], [1, 2, 3], {"a": [{}]}])
def test_input_of_insight_may_be_any_json(sandbox: Sandbox, value: object) -> None:
    for _ in range(3):
        assert INSIGHT.send(sandbox, input=value).status_code == 201
        assert decode_bytes_or_json(list_insights(sandbox)[-1]["input"]) == value


def test_job_costs_its_estimate_and_completes(
    start_sandbox: StartSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox = start_sandbox()
    calls = collect_scheduled_calls(monkeypatch)
    job = JOB.send(sandbox).json()
    assert sandbox.placed_analyses() == [job]
    assert sandbox.spent_tokens() == job["cost"] == estimate_job(sandbox)
    assert job["progress"] == "0"
    assert {job["status"], *(task["status"] for task in job["tasks"])} == {"running"}
    steps = decode_bytes_or_json(job["spec"])["steps"]
    assert [task["name"] for task in job["tasks"]] == steps
    [complete] = calls
    complete()
    path = f"/v0/workflows/{job['workflow_id']}/jobs"
    done = get(sandbox, f"{path}/{job['id']}")
    assert {done["status"], *(task["status"] for task in done["tasks"])} == {"completed"}
    assert done["progress"] == "100"
    assert job["id"] in {row["id"] for row in get(sandbox, path)["jobs"]}


def test_visualization_of_new_index_completes(
    start_sandbox: StartSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox = start_sandbox()
    calls = collect_scheduled_calls(monkeypatch)
    index = INDEX.send(sandbox).json()
    assert index["bands"] == ["B004", "B001"]
    assert get(sandbox, "/v0/indices", index_id=index["id"])["indices"] == [index]
    made = VISUALIZATION.send(sandbox, index_id=index["id"]).json()
    assert (made["status"], made["index_name"]) == ("creating", index["name"])
    path = f"/v0/aois/{first_aoi(sandbox)}/visualizations"
    [complete] = calls
    complete()
    [listed] = get(sandbox, path, index_id=index["id"])["visualization"]
    assert (listed["id"], listed["status"], listed["progress"]) == (made["id"], "success", 100)


@pytest.mark.parametrize("write", ANALYSES, ids=str)
def test_completion_of_deleted_row_is_ignored(
    start_sandbox: StartSandbox, monkeypatch: pytest.MonkeyPatch, write: Write
) -> None:
    sandbox = start_sandbox()
    calls = collect_scheduled_calls(monkeypatch)
    write.send(sandbox)
    resource = sandbox.workspace.changes[-1].resource
    key = sandbox.workspace.ids(resource)[-1]
    sandbox.workspace.delete(resource, key)
    for complete in calls:
        complete()
    assert sandbox.workspace.find(resource, key) is None


def test_price_increase_raises_cost_but_not_estimate(sandbox: Sandbox) -> None:
    usual = estimate(sandbox), estimate_job(sandbox)
    sandbox.behavior = Behavior(price_increase=100, analysis_seconds=0)
    assert (estimate(sandbox), estimate_job(sandbox)) == usual
    INSIGHT.send(sandbox)
    JOB.send(sandbox)
    assert [row["cost"] for row in sandbox.placed_analyses()] == [2 * each for each in usual]
    sandbox.behavior = Behavior(order_uplift=200)
    assert (estimate(sandbox), estimate_job(sandbox)) == tuple(3 * each for each in usual)
    workflow = sandbox.workspace.rows("workflows")[0]
    shown = get(sandbox, f"/v0/workflows/{workflow['id']}", project_id=workflow["project_id"])
    assert shown["estimated_cost"] == 3 * usual[1]


def test_dry_run_ignored_creates_insight_to_estimate(sandbox: Sandbox) -> None:
    sandbox.behavior = Behavior(dry_run_ignored=True)
    response = INSIGHT.send(sandbox, estimate=True)
    assert (response.status_code, set(response.json())) == (201, {"id", "message"})
    assert [row["id"] for row in sandbox.placed_analyses()] == [response.json()["id"]]


def test_rename_orders_replaces_name_of_insight(sandbox: Sandbox) -> None:
    sandbox.behavior = Behavior(rename_orders=True)
    INSIGHT.send(sandbox, name="mine")
    assert list_insights(sandbox)[-1]["name"].startswith("insight ")


def test_block_of_insight_may_be_given_by_id(sandbox: Sandbox) -> None:
    block = get(sandbox, "/v0/blocks/land-cover/versions/1.1.0")["spec"]
    assert estimate(sandbox, block={"string": block["id"], "version": "1.1.0"}) == estimate(sandbox)
    wrong = {"string": block["id"], "name": "crop-stress", "version": "1.1.0"}
    assert INSIGHT.send(sandbox, block=wrong).status_code == 400


def test_same_index_or_visualization_returns_409(sandbox: Sandbox) -> None:
    for write in (INDEX, VISUALIZATION):
        assert write.send(sandbox).status_code == 201
        again = write.send(sandbox)
        assert (again.status_code, again.json()["error"]["code"]) == (409, "conflict")
    body = INDEX.make(sandbox, 0).body
    assert INDEX.send(sandbox, name=f" {body['name']} ").status_code == 409
    assert INDEX.send(sandbox, expression="B001").status_code == 201
    assert INDEX.send(sandbox, expression=" B001 ").status_code == 409
    assert INDEX.send(sandbox, expression=" B002 ").status_code == 201
    assert INDEX.send(sandbox, expression="B002").status_code == 409
    assert INDEX.send(sandbox, satellite_id=sandbox.workspace.ids("satellites")[1]).ok


@pytest.mark.parametrize(
    ("write", "wrong", "status"),
    [
        *((INDEX, {name: None}, 400) for name in ("name", "description", "expression", "rescale")),
        *((INDEX, {name: ""}, 400) for name in ("name", "expression", "expression_type")),
        (INDEX, {"rescale": [0.5, 1]}, 400),
        (INDEX, {"rescale": [False, 1]}, 400),
        (INDEX, {"satellite_id": "nonesuch"}, 400),
        (VISUALIZATION, {"index_id": None}, 400),
        (VISUALIZATION, {"index_id": "nonesuch"}, 404),
        (VISUALIZATION, {"resolution": 0}, 400),
        (VISUALIZATION, {"resolution": True}, 400),
        (VISUALIZATION, {"src_asset_ids": "one"}, 400),
        (VISUALIZATION, {"src_asset_ids": ["nonesuch"]}, 404),
        (INSIGHT, {"name": 7}, 400),
        (INSIGHT, {"metadata": []}, 400),
        (INSIGHT, {"metadata": {"n": 1}}, 400),
        (INSIGHT, {"estimate": "true"}, 400),
        (INSIGHT, {"project_id": "nonesuch"}, 403),
        (INSIGHT, {"block": "land-cover"}, 400),
        (INSIGHT, {"block": {"name": "land-cover"}}, 400),
        (INSIGHT, {"block": {"version": "2.0.0"}}, 400),
        (INSIGHT, {"block": {**BLOCK, "version": "2.0.1"}}, 400),
        (INSIGHT, {"block": {"name": "mosaic", "version": "2.2.0"}}, 400),
        (AOI_DOWNLOAD, {"asset_ids": []}, 400),
        (AOI_DOWNLOAD, {"asset_ids": None}, 400),
        (AOI_DOWNLOAD, {"asset_ids": ["nonesuch"]}, 404),
        (INSIGHT_PACKAGE, {"inputs": "threshold"}, 400),
        (INSIGHT_PACKAGE, {"outputs": ["nonesuch"]}, 400),
    ],
    ids=str,
)
def test_invalid_write_is_rejected_whatever_the_fault(
    shared_sandbox: Sandbox, write: Write, wrong: dict[str, Any], status: int
) -> None:
    before = list(write.keys(shared_sandbox))
    response = write.send(shared_sandbox, **wrong)
    assert response.status_code == status, response.text
    details = response.json()["error"]["details"]
    assert status == 404 or details["field"] == next(iter(wrong))
    assert list(write.keys(shared_sandbox)) == before


def test_insight_without_input_is_rejected(shared_sandbox: Sandbox) -> None:
    path = f"/v0/aoi/{first_aoi(shared_sandbox)}/insights"
    response = send_request(shared_sandbox, "POST", path, json={"block": BLOCK})
    assert response.json()["error"]["details"] == {"field": "input"}


def test_job_of_unknown_project_or_workflow_is_rejected(shared_sandbox: Sandbox) -> None:
    workflow = shared_sandbox.workspace.rows("workflows")[0]
    other = next(
        key for key in shared_sandbox.workspace.ids("projects") if key != workflow["project_id"]
    )

    def status(key: str, **query: str) -> int:
        path = f"/v0/workflows/{key}/jobs"
        return send_request(shared_sandbox, "POST", path, params=query).status_code

    assert status(workflow["id"]) == 400
    assert status(workflow["id"], project_id=other) == 404
    assert status("nonesuch", project_id=workflow["project_id"]) == 404


@pytest.mark.parametrize("write", ANALYSES, ids=str)
def test_write_to_unknown_or_forbidden_resource_is_rejected(sandbox: Sandbox, write: Write) -> None:
    made = write.make(sandbox, 0)
    resource = write.path.rpartition("/")[2]
    if made.places:
        path = write.path.format(**dict.fromkeys(made.places, "nonesuch"))
        unknown = send_request(sandbox, "POST", path, json=made.body, params=made.query)
        assert unknown.status_code == 404
    sandbox.behavior = Behavior(forbid=frozenset({resource}))
    assert write.send(sandbox).status_code == 403
