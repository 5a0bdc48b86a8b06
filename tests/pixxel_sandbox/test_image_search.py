"""The image search: filters, order and the two kinds of paging."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pixxel_sandbox import Behavior, Sandbox
from pixxel_sandbox.seed.timestamp_formats import parse_timestamp

from .api_client import search_everywhere_body, send_request

if TYPE_CHECKING:
    from .conftest import StartSandbox


def search_images(sandbox: Sandbox, **changes: Any) -> Any:
    """Return the JSON of a search, of all images by default; the status must be 200."""
    response = send_request(
        sandbox, "POST", "/v0/search", json=search_everywhere_body(sandbox) | changes
    )
    assert response.status_code == 200, response.text
    return response.json()


def list_items(sandbox: Sandbox, **changes: Any) -> list[Any]:
    return list(search_images(sandbox, limit=10_000, **changes)["items"].values())


def image_source(sandbox: Sandbox, collection: str) -> dict[str, str]:
    return next(
        {"satellite_id": row["id"], "collection_id": collection}
        for row in sandbox.workspace.rows("satellites")
        if collection in {each["id"] for each in row["collections"]}
    )


def acquisition_time(item: Any) -> Any:
    props = item["properties"]
    return parse_timestamp(props["datetime"] or props["startdatetime"])


def test_image_search_returns_all_images_newest_first(shared_sandbox: Sandbox) -> None:
    response = search_images(shared_sandbox, limit=10_000)
    assert set(response) == {"items"}
    found = response["items"]
    placed = [
        key
        for key in shared_sandbox.workspace.ids("archive_items")
        if shared_sandbox.workspace.get("archive_items", key)["geometry"]
    ] + shared_sandbox.workspace.ids("satellite_images")
    assert sorted(item["id"] for item in found.values()) == sorted(placed)
    moments = [acquisition_time(item) for item in found.values()]
    assert moments == sorted(moments, reverse=True)
    satellites = {row["id"]: row for row in shared_sandbox.workspace.rows("satellites")}
    for name, item in found.items():
        satellite, collection, key = name.split("/")
        assert (collection, key) == (item["collection"], item["id"])
        assert collection in {each["id"] for each in satellites[satellite]["collections"]}


def test_image_search_filters_by_satellite_time_geometry_and_limits(
    shared_sandbox: Sandbox,
) -> None:
    whole = list_items(shared_sandbox)
    sentinel = image_source(shared_sandbox, "sentinel-2-l2a")
    external = list_items(shared_sandbox, satellites=[sentinel, sentinel])
    assert [item["id"] for item in external] == [
        item["id"] for item in whole if item["collection"] == "sentinel-2-l2a"
    ]
    assert external
    assert not any("updated" in item["properties"] for item in external)
    assert 10 <= len(external[0]["assets"]) <= 15
    early, late = whole[-5], whole[10]
    span = {
        "start_date": acquisition_time(early).isoformat(),
        "end_date": acquisition_time(late).isoformat(),
    }
    assert {item["id"] for item in list_items(shared_sandbox, **span)} >= {early["id"], late["id"]}
    assert {item["id"] for item in list_items(shared_sandbox, **span)} <= {
        item["id"] for item in whole[9:-3]
    }
    limits = [{"id": "eo:cloud_cover", "min": 20, "max": 60}]
    assert [item["id"] for item in list_items(shared_sandbox, filters=limits)] == [
        item["id"] for item in whole if 20 <= item["properties"]["eo:cloud_cover"] <= 60
    ]
    assert (
        list_items(shared_sandbox, filters=[*limits, {"id": "nonesuch", "min": 0, "max": 1}]) == []
    )
    here = list_items(shared_sandbox, geometry=external[0]["geometry"])
    assert external[0]["id"] in {item["id"] for item in here}
    assert len(here) < len(whole)


def test_image_search_by_token_with_inserts_returns_every_image_once(
    start_sandbox: StartSandbox,
) -> None:
    sandbox = start_sandbox()
    expected = [item["id"] for item in list_items(sandbox)]
    response = search_images(sandbox, limit=7)
    keys = [item["id"] for item in response["items"].values()]
    while token := response.get("next_token"):
        new = {"properties": {"datetime": "2025-12-31T23:00:00Z"}}
        sandbox.workspace.insert("archive_items", new)
        response = search_images(sandbox, limit=7, next_token=token, skip=3)
        keys += [item["id"] for item in response["items"].values()]
    assert keys == expected, "only the token sets the position"


def test_image_search_with_token_of_another_search_returns_400(shared_sandbox: Sandbox) -> None:
    token = search_images(shared_sandbox, limit=1)["next_token"]
    assert search_images(shared_sandbox, limit=2, next_token=token)["items"]
    changed = {"next_token": token, "end_date": "2025-01-01T00:00:00Z"}
    for wrong in ({"next_token": "2"}, {"next_token": 2}, changed):
        body = search_everywhere_body(shared_sandbox) | wrong
        assert send_request(shared_sandbox, "POST", "/v0/search", json=body).status_code == 400


def test_image_search_by_skip_groups_and_counts_images(start_sandbox: StartSandbox) -> None:
    sandbox = start_sandbox()
    expected = {item["id"] for item in list_items(sandbox)}
    sandbox.behavior = Behavior(skip_paging=True)
    seen: list[str] = []
    while True:
        response = search_images(sandbox, limit=7, skip=len(seen), next_token="any")
        assert response["pagination"] == {"limit": 7, "skip": len(seen), "total": len(expected)}
        if not response["items"]:
            break
        for name, rows in response["items"].items():
            assert {f"{name.split('/')[0]}/{row['collection']}" for row in rows} == {name}
            seen += [row["id"] for row in rows]
    assert len(seen) == len(expected)
    assert set(seen) == expected


def test_image_search_with_max_limit_or_forbid_is_capped_or_rejected(
    start_sandbox: StartSandbox,
) -> None:
    sandbox = start_sandbox(max_limit=3)
    assert len(search_images(sandbox, limit=50)["items"]) == 3
    sandbox.behavior = Behavior(forbid=frozenset({"satellite_images"}))
    assert (
        send_request(
            sandbox, "POST", "/v0/search", json=search_everywhere_body(sandbox)
        ).status_code
        == 403
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"start_date": None},
        {"end_date": "2025-01-01"},
        {"end_date": "2022-01-01T00:00:00Z"},
        {"satellites": []},
        {"satellites": [{"satellite_id": "nonesuch", "collection_id": "td1-l1c"}]},
        {"satellites": [{"collection_id": "td1-l1c"}]},
        {"geometry": None},
        {"geometry": {"type": "Circle", "coordinates": [1, 2]}},
        {"filters": {"eo:cloud_cover": 3}},
        {"filters": [{"min": 0, "max": 1}]},
        {"filters": [{"id": "gsd", "min": 0}]},
        {"limit": 0},
        {"limit": 10_001},
        {"skip": -1},
    ],
)
def test_image_search_with_invalid_body_returns_400(
    shared_sandbox: Sandbox, wrong: dict[str, Any]
) -> None:
    response = send_request(
        shared_sandbox, "POST", "/v0/search", json=search_everywhere_body(shared_sandbox) | wrong
    )
    assert (response.status_code, response.json()["error"]["code"]) == (400, "bad_request")


@pytest.mark.parametrize("name", ["start_date", "end_date", "satellites", "geometry"])
def test_image_search_without_required_field_returns_400(
    shared_sandbox: Sandbox, name: str
) -> None:
    body = search_everywhere_body(shared_sandbox)
    del body[name]
    assert send_request(shared_sandbox, "POST", "/v0/search", json=body).status_code == 400
