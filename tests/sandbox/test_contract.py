"""Every answer keeps to the provider's contract, but for what real answers are known to do."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft4Validator

from pixxel_sandbox import Behavior, Sandbox

from .client import everywhere, get, search, send
from .conftest import Start
from .contracts import (
    DEVIATIONS,
    Deviation,
    contract,
    request_validator,
    unexplained,
    validator,
)
from .writes import SECRETS, store_body

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


def seen_everywhere(sandbox: Sandbox, paging: str) -> Any:
    """Searches everywhere in one of the two ways of paging."""
    sandbox.behavior = Behavior(skip_paging=paging == "skip")
    answer = send(sandbox, "POST", "/v0/search", json=everywhere(sandbox)).json()
    sandbox.behavior = Behavior()
    for found in answer["items"].values():
        for item in found if paging == "skip" else [found]:
            without_most_assets(item)
    return answer


def without_most_assets(item: Any) -> Any:
    """Keeps three assets of an item: the rest differ only in their numbers."""
    item["assets"] = dict(list(item["assets"].items())[-3:])
    return item


@pytest.mark.parametrize(("path", "params"), LISTS)
def test_lists_keep_to_the_contract(sandbox: Sandbox, path: str, params: dict[str, int]) -> None:
    assert list(unexplained(validator("get", path), get(sandbox, path, **params))) == []


@pytest.mark.parametrize(("path", "resource"), ONES)
def test_single_rows_keep_to_the_contract(sandbox: Sandbox, path: str, resource: str) -> None:
    check = validator("get", path)
    for key in sandbox.workspace.ids(resource)[:10]:
        assert list(unexplained(check, single(sandbox, path, resource, key))) == []


def single(sandbox: Sandbox, path: str, resource: str, key: str, **params: Any) -> Any:
    """Gets what a path says of one row."""
    names = dict.fromkeys(("id", "cid", "aoi_id", "aoiId", "workflow_id", "job_id"), key)
    row = sandbox.workspace.get(resource, key)
    spec = row["spec"] if resource.startswith("block") else {}
    if resource == "workflows":
        params["project_id"] = row["project_id"]
    names |= {name: row[name] for name in ("workflow_id",) if name in row}
    names |= {name: spec[name] for name in ("name", "version") if name in spec}
    return get(sandbox, path.format(**names), **params)


def test_searches_keep_to_the_contract(sandbox: Sandbox) -> None:
    for name, key in (("archives", "features"), ("catalogs", "catalogs")):
        answer = search(sandbox, name, limit=1000)
        for row in answer[key]:
            without_most_assets(row.get("details", row))
        assert list(unexplained(validator("post", f"/v0/{name}/search"), answer)) == []
        assert len(answer[key]) == sandbox.counts()[{"archives": "archive_items"}.get(name, name)]


@pytest.mark.parametrize("paging", PAGINGS)
def test_searches_of_satellites_keep_to_the_contract(sandbox: Sandbox, paging: str) -> None:
    assert list(unexplained(request_validator("post", "/v0/search"), everywhere(sandbox))) == []
    answer = seen_everywhere(sandbox, paging)
    collections = 5
    images = ITEMS - 2 + sandbox.counts()["satellite_images"]
    assert len(answer["items"]) == (collections if paging == "skip" else images)
    assert list(unexplained(validator("post", "/v0/search"), answer)) == []


def test_items_of_a_collection_keep_to_the_contract(sandbox: Sandbox) -> None:
    path = "/v0/archives/collections/{cid}/items"
    answer = get(sandbox, path.format(cid="td1-l1c"), limit=3)
    assert list(unexplained(validator("get", path), answer)) == []
    item = answer["features"][0]
    one = get(sandbox, f"/v0/archives/collections/td1-l1c/items/{item['id']}")
    assert one == item
    assert list(unexplained(validator("get", path + "/{id}"), one)) == []


def test_errors_keep_to_the_contract(sandbox: Sandbox) -> None:
    answer = send(sandbox, "POST", "/v0/catalogs/search", json={"limit": 0})
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "bad_request"
    schema = contract()["components"]["schemas"]["clerk.Error"]
    assert Draft4Validator(schema).is_valid(answer.json()["error"])


@pytest.mark.parametrize("kind", SECRETS)
def test_stores_are_made_and_removed_by_the_contract(start: Start, kind: str) -> None:
    sandbox = start()
    body = store_body(kind, labels={"team": "data"})
    assert list(unexplained(request_validator("post", "/v0/stores"), body)) == []
    answer = send(sandbox, "POST", "/v0/stores", json=body)
    assert answer.status_code == 200
    assert list(unexplained(validator("post", "/v0/stores"), answer.json())) == []
    declared = contract()["components"]["schemas"]["courier.CreateStoreResponse"]["properties"]
    assert set(answer.json()) == set(declared)
    again = send(sandbox, "POST", "/v0/stores", json=body)
    assert list(unexplained(validator("post", "/v0/stores", "409"), again.json())) == []
    removed = send(sandbox, "DELETE", f"/v0/stores/{answer.json()['id']}")
    assert str(removed.status_code) in contract()["paths"]["/v0/stores/{id}"]["delete"]["responses"]


def test_deliveries_are_asked_for_by_the_contract(start: Start) -> None:
    sandbox = start()
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
    assert list(unexplained(request_validator("post", path), body)) == []
    answer = send(sandbox, "POST", path, json=body)
    assert answer.status_code == 201
    assert len(answer.json()["deliveries"]) >= 3
    assert list(unexplained(validator("post", path, "201"), answer.json())) == []
    declared = contract()["components"]["schemas"]["clerk.Delivery"]["properties"]
    assert set(declared) <= set(answer.json()["deliveries"][0])
    refused = send(sandbox, "POST", path, json={})
    assert list(unexplained(validator("post", path, "400"), refused.json())) == []


@pytest.mark.parametrize("end", ["success", "failed"])
def test_downloads_are_asked_for_by_the_contract(start: Start, end: str) -> None:
    sandbox = start(download_seconds=0.5, fail_downloads=end == "failed")
    path, one = "/v0/catalogs/download", "/v0/catalogs/download/{download_id}"
    body = {"catalog_ids": sandbox.workspace.ids("catalogs")[:2], "order_item_ids": []}
    assert list(unexplained(request_validator("post", path), body)) == []
    answer = send(sandbox, "POST", path, json=body)
    assert answer.status_code == 201
    assert list(unexplained(validator("post", path, "201"), answer.json())) == []
    declared = contract()["components"]["schemas"]["clerk.DownloadResponse"]["properties"]
    seen, shown = [answer.json()["status"]], answer.json()
    while seen[-1] != end:
        shown = get(sandbox, one.format(download_id=shown["id"]))
        assert list(unexplained(validator("get", one), shown)) == []
        seen.append(shown["status"])
    assert {"created", "in_progress"} < set(seen)
    assert set(shown) == set(declared) - ({"signed_url"} if end == "failed" else set())
    for bad, status in (({}, "400"), ({"catalog_ids": ["nonesuch"]}, "404")):
        refused = send(sandbox, "POST", path, json=bad)
        assert str(refused.status_code) == status
        assert list(unexplained(validator("post", path, "400"), refused.json())) == []
    missing = send(sandbox, "GET", one.format(download_id="nonesuch"))
    assert list(unexplained(validator("get", one, "404"), missing.json())) == []


def test_the_check_can_fail(sandbox: Sandbox) -> None:
    answer = get(sandbox, "/v0/stores")
    answer["stores"][0]["type"] = "FTP"
    answer["stores"][1]["configs"].pop("region")
    assert len(list(unexplained(validator("get", "/v0/stores"), answer))) == 2


def test_every_deviation_happens(shared: Sandbox) -> None:
    seen: set[Deviation] = set()
    answers = [
        ("post", "/v0/archives/search", search(shared, "archives", limit=1000)),
        ("post", "/v0/catalogs/search", search(shared, "catalogs", limit=1000)),
        ("get", "/v0/order-items", get(shared, "/v0/order-items", limit=1000)),
        ("get", "/v0/catalogs/deliveries", get(shared, "/v0/catalogs/deliveries")),
        ("get", "/v0/blocks", get(shared, "/v0/blocks")),
    ]
    answers += [("post", "/v0/search", seen_everywhere(shared, paging)) for paging in PAGINGS]
    answers += [
        ("get", path, single(shared, path, resource, key))
        for path, resource in ONES
        if resource in {"aois", "jobs"}
        for key in shared.workspace.ids(resource)
    ]
    for method, path, answer in answers:
        for row in (*answer.get("features", ()), *answer.get("catalogs", ())):
            row.get("details", row)["assets"].clear()
        for error in validator(method, path).iter_errors(answer):
            place = "/".join(map(str, error.absolute_path))
            seen |= {known for known in DEVIATIONS if re.search(f"(^|/){known.place}$", place)
                     and re.fullmatch(known.value, repr(error.instance))}  # fmt: skip
    assert seen == set(DEVIATIONS)
