"""The writes of the API that create one thing each, as a table, and their bodies."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .api_client import send_request
from .order_requests import archive_order_item

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    import requests

    from pixxel_sandbox import Sandbox

SQUARE = [[77.0, 12.0], [77.1, 12.0], [77.1, 12.1], [77.0, 12.1], [77.0, 12.0]]
INSTANT = {"order_seconds": 0, "delivery_seconds": 0, "download_seconds": 0, "analysis_seconds": 0}
"""The behavior with which nothing takes time."""


@dataclass(frozen=True)
class WriteRequest:
    """The body, the placeholders of the path and the query string of a write."""

    body: Any = None
    places: dict[str, str] = field(default_factory=dict)
    query: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Write:
    """A write.

    Attributes:
        method: The HTTP method.
        path: The path with placeholders, as the contract writes it.
        make: Makes the request of a number; each number makes another thing.
        keys: The ids of what such requests make.
        status: The status of the response.
    """

    method: str
    path: str
    make: Callable[[Sandbox, int], WriteRequest]
    keys: Callable[[Sandbox], Collection[str]]
    status: int = 201

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    def send(self, sandbox: Sandbox, number: int = 0, **changes: Any) -> requests.Response:
        """Send the request of a number, with changes of its body."""
        made = self.make(sandbox, number)
        body = {**made.body, **changes} if isinstance(made.body, dict) else made.body
        path = self.path.format(**made.places)
        return send_request(sandbox, self.method, path, json=body, params=made.query)


def aoi_body(sandbox: Sandbox, **changes: Any) -> dict[str, Any]:
    """Return the body of a request for an AOI."""
    body = {
        "name": "mine",
        "description": "",
        "satellite_id": sandbox.workspace.ids("satellites")[0],
        "provider": "pixxel",
        "project_id": sandbox.workspace.ids("projects")[0],
        "geometry": {"type": "Polygon", "coordinates": [SQUARE]},
        "item_ids": sandbox.workspace.ids("archive_items")[:2],
    }
    return {**body, **changes}


def index_body(sandbox: Sandbox, **changes: Any) -> dict[str, Any]:
    """Return the body of a request for an index."""
    body = {
        "name": "mine",
        "description": "",
        "satellite_id": sandbox.workspace.ids("satellites")[0],
        "expression": "(B004 - B001) / (B004 + B001)",
        "expression_type": "index",
        "rescale": [-1, 1],
        "colormap": "viridis",
    }
    return {**body, **changes}


def insight_body(**changes: Any) -> dict[str, Any]:
    """Return the body of a request for an insight, with the input as the contract shows it."""
    body = {
        "name": "mine",
        "block": {"name": "land-cover", "version": "2.0.0"},
        "input": list(b'{"threshold": 0.5}'),
        "metadata": {"team": "data"},
    }
    return {**body, **changes}


def first_aoi(sandbox: Sandbox) -> str:
    """Return the id of the first AOI, which has assets, visualizations and a completed insight."""
    return sandbox.workspace.ids("aois")[0]


def _ids(resource: str) -> Callable[[Sandbox], list[str]]:
    return lambda sandbox: sandbox.workspace.ids(resource)


def _download_ids(sandbox: Sandbox) -> list[str]:
    return list(sandbox._state.downloads.by_id)


def _visualization(sandbox: Sandbox, number: int) -> WriteRequest:
    aoi = sandbox.workspace.get("aois", first_aoi(sandbox))
    unused = [
        row["id"]
        for row in sandbox.workspace.rows("indices")
        if row["satellite_id"] != aoi["satellite_id"]
    ]
    assets = [row["id"] for row in sandbox.workspace.rows("aoi_assets")]
    body = {"index_id": unused[number], "src_asset_ids": assets[:2], "resolution": 10}
    return WriteRequest(body, {"aoi_id": aoi["aoi_id"]})


def _insight(sandbox: Sandbox, number: int) -> WriteRequest:
    return WriteRequest(insight_body(name=f"insight {number}"), {"aoi_id": first_aoi(sandbox)})


def _job(sandbox: Sandbox, _number: int) -> WriteRequest:
    workflow = sandbox.workspace.rows("workflows")[0]
    query = {"project_id": workflow["project_id"]}
    return WriteRequest(places={"workflow_id": workflow["id"]}, query=query)


def _aoi_download(sandbox: Sandbox, number: int) -> WriteRequest:
    assets = sandbox.workspace.rows("aoi_assets")
    ids = [row["id"] for row in assets if row["aoi_id"] == first_aoi(sandbox)]
    return WriteRequest({"asset_ids": ids[: number + 1]}, {"aoi_id": first_aoi(sandbox)})


def _insight_package(sandbox: Sandbox, number: int) -> WriteRequest:
    row = next(each for each in sandbox.workspace.rows("insights") if each["status"] == "completed")
    bodies: tuple[dict[str, list[str]], ...] = (
        {},
        {"inputs": ["threshold"]},
        {"inputs": ["aoi_id"]},
        {"outputs": ["share"]},
    )
    return WriteRequest(bodies[number], {"aoi_id": row["aoi_id"], "insight_id": row["id"]})


def _job_package(sandbox: Sandbox, number: int) -> WriteRequest:
    jobs = [row for row in sandbox.workspace.rows("jobs") if row["status"] == "completed"]
    job = jobs[number]
    places = {"job_id": job["id"], "workflow_id": job["workflow_id"]}
    return WriteRequest(places={**places, "task_id": job["tasks"][0]["id"]})


AOI = Write(
    "POST",
    "/v0/aois",
    lambda sandbox, number: WriteRequest(aoi_body(sandbox, name=f"aoi {number}")),
    _ids("aois"),
)
INDEX = Write(
    "POST",
    "/v0/indices",
    lambda sandbox, number: WriteRequest(index_body(sandbox, name=f"index {number}")),
    _ids("indices"),
)
VISUALIZATION = Write(
    "POST", "/v0/aois/{aoi_id}/visualizations", _visualization, _ids("visualizations")
)
INSIGHT = Write("POST", "/v0/aoi/{aoi_id}/insights", _insight, _ids("insights"))
JOB = Write("POST", "/v0/workflows/{workflow_id}/jobs", _job, _ids("jobs"), 200)
ORDER = Write(
    "POST",
    "/v0/orders",
    lambda sandbox, _: WriteRequest({"order_items": [archive_order_item(sandbox)]}),
    _ids("orders"),
)
CATALOG_DOWNLOAD = Write(
    "POST",
    "/v0/catalogs/download",
    lambda sandbox, _: WriteRequest(
        {"catalog_ids": sandbox.workspace.ids("catalogs")[:2], "order_item_ids": []}
    ),
    _download_ids,
)
AOI_DOWNLOAD = Write("POST", "/v0/aois/{aoi_id}/downloads", _aoi_download, _download_ids)
INSIGHT_PACKAGE = Write(
    "PUT", "/v0/aoi/{aoi_id}/insights/{insight_id}/download", _insight_package, _download_ids, 200
)
JOB_PACKAGE = Write(
    "PUT", "/v0/workflows/{workflow_id}/jobs/{job_id}/download", _job_package, _download_ids, 200
)
TASK_PACKAGE = Write(
    "PUT",
    "/v0/workflows/{workflow_id}/jobs/{job_id}/tasks/{task_id}/download",
    _job_package,
    _download_ids,
    200,
)
PACKAGES = (INSIGHT_PACKAGE, JOB_PACKAGE, TASK_PACKAGE)
ANALYSES = (INDEX, VISUALIZATION, INSIGHT, JOB)
WRITES = (AOI, *ANALYSES, ORDER, CATALOG_DOWNLOAD, AOI_DOWNLOAD, *PACKAGES)
