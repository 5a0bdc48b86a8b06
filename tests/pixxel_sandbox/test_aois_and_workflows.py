"""The lists of AOIs, workflows and of what belongs to them: filters, paging and single rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pixxel_sandbox import Behavior, Sandbox
from pixxel_sandbox.seed.timestamp_formats import parse_timestamp

from .api_client import get, send_request

if TYPE_CHECKING:
    from .conftest import StartSandbox


def list_ids(sandbox: Sandbox, path: str, list_key: str, **params: Any) -> list[str]:
    rows = get(sandbox, path, **params)[list_key]
    return [row.get("id", row.get("aoi_id")) for row in rows]


def timestamp(row: Any, name: str) -> Any:
    return parse_timestamp(row[name])


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
