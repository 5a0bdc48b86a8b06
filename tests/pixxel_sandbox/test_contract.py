"""Every response matches the provider's contract, except for known deviations of real responses."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from pixxel_sandbox import Behavior, Sandbox

from .api_client import get, search_everywhere_body, search_rows, send_request
from .contract_checks import (
    DEVIATIONS,
    Deviation,
    load_contract,
    request_validator,
    response_validator,
    unexplained_violations,
)
from .download_requests import collect_scheduled_calls
from .order_requests import PATH, archive_order_item, tasking_order_item
from .write_requests import SECRETS, store_body
from .write_table import ANALYSES, AOI_DOWNLOAD, INSTANT, PACKAGES, Write

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .conftest import StartSandbox

SEEDS = (1, 2, 3)
ITEMS = 45
PAGINGS = ("token", "skip")


LISTS: tuple[tuple[str, dict[str, int]], ...] = (
    ("/ping", {}),
    ("/v0/archives/collections", {}),
    ("/v0/orders", {"limit": 1000}),
    ("/v0/order-items", {"limit": 1000}),
    ("/v0/catalogs/deliveries", {}),
    ("/v0/stores", {}),
    ("/v0/bandsets", {}),
    ("/v0/projects", {"page_size": 100}),
    ("/v0/satellites", {}),
    ("/v0/indices", {"limit": 1000}),
    ("/v0/aois", {"limit": 1000}),
    ("/v0/workflows", {"limit": 1000}),
    ("/v0/blocks", {}),
)

ONES = (
    ("/v0/archives/collections/{cid}", "collections"),
    ("/v0/orders/{id}", "orders"),
    ("/v0/order-items/{id}", "order_items"),
    ("/v0/catalogs/{id}", "catalogs"),
    ("/v0/projects/{id}", "projects"),
    ("/v0/aoi/{aoi_id}", "aois"),
    ("/v0/aois/{aoi_id}/assets", "aois"),
    ("/v0/aois/{aoi_id}/visualizations", "aois"),
    ("/v0/aoi/{aoiId}/insights", "aois"),
    ("/v0/workflows/{workflow_id}", "workflows"),
    ("/v0/workflows/{workflow_id}/estimate", "workflows"),
    ("/v0/workflows/{workflow_id}/jobs", "workflows"),
    ("/v0/workflows/{workflow_id}/jobs/{job_id}", "jobs"),
    ("/v0/blocks/{name}", "blocks"),
    ("/v0/blocks/{name}/versions/{version}", "block_versions"),
)


@pytest.fixture(scope="module", params=SEEDS)
def sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    with Sandbox(seed=request.param, items=ITEMS) as started:
        yield started


def search_everywhere(sandbox: Sandbox, paging: str) -> Any:
    """Return the response of a search of all images with one kind of paging."""
    sandbox.behavior = Behavior(skip_paging=paging == "skip")
    response = send_request(
        sandbox, "POST", "/v0/search", json=search_everywhere_body(sandbox)
    ).json()
    sandbox.behavior = Behavior()
    for found in response["items"].values():
        for item in found if paging == "skip" else [found]:
            drop_most_assets(item)
    return response


def drop_most_assets(item: Any) -> Any:
    """Keep three assets of an item, since the others differ only in their numbers."""
    item["assets"] = dict(list(item["assets"].items())[-3:])
    return item


@pytest.mark.parametrize(("path", "params"), LISTS)
def test_lists_match_contract(sandbox: Sandbox, path: str, params: dict[str, int]) -> None:
    assert (
        list(unexplained_violations(response_validator("get", path), get(sandbox, path, **params)))
        == []
    )


@pytest.mark.parametrize(("path", "resource"), ONES)
def test_single_rows_match_contract(sandbox: Sandbox, path: str, resource: str) -> None:
    check = response_validator("get", path)
    for key in sandbox.workspace.ids(resource)[:10]:
        assert list(unexplained_violations(check, get_single(sandbox, path, resource, key))) == []


def get_single(sandbox: Sandbox, path: str, resource: str, key: str, **params: Any) -> Any:
    """Get the JSON of a path of one row."""
    names = dict.fromkeys(("id", "cid", "aoi_id", "aoiId", "workflow_id", "job_id"), key)
    row = sandbox.workspace.get(resource, key)
    spec = row["spec"] if resource.startswith("block") else {}
    if resource == "workflows":
        params["project_id"] = row["project_id"]
    names |= {name: row[name] for name in ("workflow_id",) if name in row}
    names |= {name: spec[name] for name in ("name", "version") if name in spec}
    return get(sandbox, path.format(**names), **params)


def test_searches_match_contract(sandbox: Sandbox) -> None:
    for name, key in (("archives", "features"), ("catalogs", "catalogs")):
        response = search_rows(sandbox, name, limit=1000)
        for row in response[key]:
            drop_most_assets(row.get("details", row))
        assert (
            list(unexplained_violations(response_validator("post", f"/v0/{name}/search"), response))
            == []
        )
        assert len(response[key]) == sandbox.counts()[{"archives": "archive_items"}.get(name, name)]


@pytest.mark.parametrize("paging", PAGINGS)
def test_image_search_matches_contract(sandbox: Sandbox, paging: str) -> None:
    assert (
        list(
            unexplained_violations(
                request_validator("post", "/v0/search"), search_everywhere_body(sandbox)
            )
        )
        == []
    )
    response = search_everywhere(sandbox, paging)
    collections = 5
    images = ITEMS - 2 + sandbox.counts()["satellite_images"]
    assert len(response["items"]) == (collections if paging == "skip" else images)
    assert list(unexplained_violations(response_validator("post", "/v0/search"), response)) == []


@pytest.mark.parametrize("kind", SECRETS)
def test_store_creation_and_deletion_match_contract(start_sandbox: StartSandbox, kind: str) -> None:
    sandbox = start_sandbox()
    body = store_body(kind, labels={"team": "data"})
    assert list(unexplained_violations(request_validator("post", "/v0/stores"), body)) == []
    response = send_request(sandbox, "POST", "/v0/stores", json=body)
    assert response.status_code == 200
    assert (
        list(unexplained_violations(response_validator("post", "/v0/stores"), response.json()))
        == []
    )
    declared = load_contract()["components"]["schemas"]["courier.CreateStoreResponse"]["properties"]
    assert set(response.json()) == set(declared)
    again = send_request(sandbox, "POST", "/v0/stores", json=body)
    assert (
        list(unexplained_violations(response_validator("post", "/v0/stores", "409"), again.json()))
        == []
    )
    removed = send_request(sandbox, "DELETE", f"/v0/stores/{response.json()['id']}")
    assert (
        str(removed.status_code)
        in load_contract()["paths"]["/v0/stores/{id}"]["delete"]["responses"]
    )


def test_delivery_creation_matches_contract(start_sandbox: StartSandbox) -> None:
    sandbox = start_sandbox()
    cloud = {"config": sandbox.workspace.ids("stores")[0], "path": "a/"}
    fulfilled = next(
        row["id"] for row in sandbox.workspace.rows("order_items") if row["status"] == "FULFILLED"
    )
    entries: list[dict[str, Any]] = [
        {"catalog_ids": sandbox.workspace.ids("catalogs")[:2], "order_item_ids": []},
        {"catalog_ids": [], "order_item_ids": [fulfilled]},
    ]
    body = {"deliveries": [{**entry, "cloud_info": cloud} for entry in entries]}
    path = "/v0/catalogs/deliveries"
    assert list(unexplained_violations(request_validator("post", path), body)) == []
    response = send_request(sandbox, "POST", path, json=body)
    assert response.status_code == 201
    assert len(response.json()["deliveries"]) >= 3
    assert (
        list(unexplained_violations(response_validator("post", path, "201"), response.json())) == []
    )
    declared = load_contract()["components"]["schemas"]["clerk.Delivery"]["properties"]
    assert set(declared) <= set(response.json()["deliveries"][0])
    refused = send_request(sandbox, "POST", path, json={})
    assert (
        list(unexplained_violations(response_validator("post", path, "400"), refused.json())) == []
    )


@pytest.mark.parametrize("dry_run", [True, False])
def test_order_creation_matches_contract(start_sandbox: StartSandbox, *, dry_run: bool) -> None:
    sandbox = start_sandbox(order_uplift=25, order_seconds=0, delivery_seconds=0)
    cloud = {"config": sandbox.workspace.ids("stores")[0], "path": "a/"}
    items = [
        archive_order_item(sandbox, cloud_delivery=cloud),
        tasking_order_item(sandbox, cloud_cover=5),
        tasking_order_item(
            sandbox, recurrence="QUARTERLY", no_of_occurrences=2, cloud_delivery=cloud
        ),
    ]
    del items[2]["end_date"]
    body = {"dry_run": dry_run, "order_items": items}
    assert list(unexplained_violations(request_validator("post", PATH), body)) == []
    response = send_request(sandbox, "POST", PATH, json=body)
    assert response.status_code == 201
    assert (
        list(unexplained_violations(response_validator("post", PATH, "201"), response.json())) == []
    )
    schemas = load_contract()["components"]["schemas"]
    paid = set() if dry_run else {"transaction_id"}
    declared = set(schemas["clerk.Order"]["properties"])
    assert set(response.json()) == declared - {"transaction_id"} | paid
    shown = {name for item in response.json()["order_items"] for name in item}
    declared = set(schemas["clerk.OrderItem"]["properties"])
    assert shown == declared - {"transaction_id"} | paid
    for bad, status in (({}, "400"), ({"order_items": [{**items[0], "project_id": "x"}]}, "403")):
        refused = send_request(sandbox, "POST", PATH, json=bad)
        assert str(refused.status_code) == status
        violations = unexplained_violations(
            response_validator("post", PATH, status), refused.json()
        )
        assert list(violations) == []
    for path in (PATH, "/v0/order-items", "/v0/catalogs/deliveries"):
        listed = get(sandbox, path, **dict(LISTS)[path])
        assert list(unexplained_violations(response_validator("get", path), listed)) == []
    found = search_rows(sandbox, "catalogs", limit=1000)
    for row in found["catalogs"]:
        drop_most_assets(row["details"])
    assert (
        list(unexplained_violations(response_validator("post", "/v0/catalogs/search"), found)) == []
    )


@pytest.mark.parametrize("write", [*ANALYSES, AOI_DOWNLOAD, *PACKAGES], ids=str)
def test_write_of_one_thing_matches_contract(start_sandbox: StartSandbox, write: Write) -> None:
    sandbox = start_sandbox(**INSTANT)
    method, made = write.method.lower(), write.make(sandbox, 0)
    if made.body is not None:
        check = request_validator(method, write.path)
        assert list(unexplained_violations(check, made.body)) == []
    response = write.send(sandbox)
    assert response.status_code == write.status, response.text
    check = response_validator(method, write.path, str(write.status))
    assert list(unexplained_violations(check, response.json())) == []
    content = load_contract()["paths"][write.path][method]["responses"][str(write.status)]
    reference = content["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
    declared = set(load_contract()["components"]["schemas"][reference]["properties"])
    # A download that was only created has no URL yet.
    assert declared - set(response.json()) == ({"signed_url"} if write is AOI_DOWNLOAD else set())


@pytest.mark.parametrize("end", ["success", "failed"])
def test_download_creation_matches_contract(
    start_sandbox: StartSandbox, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    sandbox = start_sandbox(download_seconds=1, fail_downloads=end == "failed")
    calls = collect_scheduled_calls(monkeypatch)
    path, one = "/v0/catalogs/download", "/v0/catalogs/download/{download_id}"
    body = {"catalog_ids": sandbox.workspace.ids("catalogs")[:2], "order_item_ids": []}
    assert list(unexplained_violations(request_validator("post", path), body)) == []
    response = send_request(sandbox, "POST", path, json=body)
    assert response.status_code == 201
    assert (
        list(unexplained_violations(response_validator("post", path, "201"), response.json())) == []
    )
    declared = load_contract()["components"]["schemas"]["clerk.DownloadResponse"]["properties"]
    for call, status in zip((lambda: None, *calls), ("created", "in_progress", end), strict=True):
        call()
        shown = get(sandbox, one.format(download_id=response.json()["id"]))
        assert list(unexplained_violations(response_validator("get", one), shown)) == []
        assert shown["status"] == status
    assert set(shown) == set(declared) - ({"signed_url"} if end == "failed" else set())
    for bad, status in (({}, "400"), ({"catalog_ids": ["nonesuch"]}, "404")):
        refused = send_request(sandbox, "POST", path, json=bad)
        assert str(refused.status_code) == status
        assert (
            list(unexplained_violations(response_validator("post", path, "400"), refused.json()))
            == []
        )
    missing = send_request(sandbox, "GET", one.format(download_id="nonesuch"))
    assert list(unexplained_violations(response_validator("get", one, "404"), missing.json())) == []


def test_every_deviation_occurs(shared_sandbox: Sandbox) -> None:
    seen: set[Deviation] = set()
    responses = [
        ("post", "/v0/archives/search", search_rows(shared_sandbox, "archives", limit=1000)),
        ("post", "/v0/catalogs/search", search_rows(shared_sandbox, "catalogs", limit=1000)),
        ("get", "/v0/order-items", get(shared_sandbox, "/v0/order-items", limit=1000)),
        ("get", "/v0/catalogs/deliveries", get(shared_sandbox, "/v0/catalogs/deliveries")),
        ("get", "/v0/blocks", get(shared_sandbox, "/v0/blocks")),
    ]
    responses += [
        ("post", "/v0/search", search_everywhere(shared_sandbox, paging)) for paging in PAGINGS
    ]
    responses += [
        ("get", path, get_single(shared_sandbox, path, resource, key))
        for path, resource in ONES
        if resource in {"aois", "jobs"}
        for key in shared_sandbox.workspace.ids(resource)
    ]
    for method, path, response in responses:
        for row in (*response.get("features", ()), *response.get("catalogs", ())):
            row.get("details", row)["assets"].clear()
        for error in response_validator(method, path).iter_errors(response):
            place = "/".join(map(str, error.absolute_path))
            seen |= {known for known in DEVIATIONS if re.search(f"(^|/){known.path}$", place)
                     and re.fullmatch(known.value, repr(error.instance))}  # fmt: skip
    assert seen == set(DEVIATIONS)
