"""The creation of indices, visualizations, insights and jobs: prices, progress, and errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pixxel_sandbox import Behavior, Sandbox
from pixxel_sandbox.seed.raw_json import decode_bytes_or_json

from .api_client import get, send_request
from .download_requests import collect_scheduled_calls
from .write_table import (
    AOI,
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


def test_same_aoi_index_or_visualization_returns_409(sandbox: Sandbox) -> None:
    for write in (AOI, INDEX, VISUALIZATION):
        assert write.send(sandbox).status_code == 201
        again = write.send(sandbox)
        assert (again.status_code, again.json()["error"]["code"]) == (409, "conflict")
    made = get(sandbox, "/v0/aois", aoi_name="aoi 0")["aois"]
    assert [(row["status"], row["progress"]) for row in made] == [("success", 100)]
    assert AOI.send(sandbox, project_id=sandbox.workspace.ids("projects")[1]).ok
    assert INDEX.send(sandbox, name=" index 0 ").status_code == 409
    assert INDEX.send(sandbox, expression="B001").status_code == 201
    assert INDEX.send(sandbox, satellite_id=sandbox.workspace.ids("satellites")[1]).ok


def test_insight_without_input_or_job_of_other_project_is_rejected(sandbox: Sandbox) -> None:
    path = f"/v0/aoi/{first_aoi(sandbox)}/insights"
    response = send_request(sandbox, "POST", path, json={"block": BLOCK})
    assert response.json()["error"]["details"] == {"field": "input"}
    workflow = sandbox.workspace.rows("workflows")[0]
    keys = sandbox.workspace.ids("projects")
    other = next(key for key in keys if key != workflow["project_id"])
    for query, status in (({}, 400), ({"project_id": other}, 404)):
        path = f"/v0/workflows/{workflow['id']}/jobs"
        assert send_request(sandbox, "POST", path, params=query).status_code == status


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
        (AOI, {"name": ""}, 400),
        (AOI, {"satellite_id": "nonesuch"}, 400),
        (AOI, {"provider": "nonesuch"}, 400),
        (AOI, {"project_id": "nonesuch"}, 403),
        (AOI, {"item_ids": ["nonesuch"]}, 400),
        (AOI, {"geometry": {"type": "Point", "coordinates": [77, 12]}}, 400),
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
