"""The search of satellites finds images by time, place and limits, and pages in two ways."""

from typing import Any

import pytest

from pixxel_sandbox import Behavior, Sandbox
from pixxel_sandbox.seed.timestamp_formats import parse_timestamp

from .client import everywhere, send
from .conftest import Start


def ask(sandbox: Sandbox, **changes: Any) -> Any:
    """Searches, everywhere unless something else is said; the search has to answer 200."""
    answer = send(sandbox, "POST", "/v0/search", json=everywhere(sandbox) | changes)
    assert answer.status_code == 200, answer.text
    return answer.json()


def items(sandbox: Sandbox, **changes: Any) -> list[Any]:
    return list(ask(sandbox, limit=10_000, **changes)["items"].values())


def source(sandbox: Sandbox, collection: str) -> dict[str, str]:
    return next(
        {"satellite_id": row["id"], "collection_id": collection}
        for row in sandbox.workspace.rows("satellites")
        if collection in {each["id"] for each in row["collections"]}
    )


def taken(item: Any) -> Any:
    props = item["properties"]
    return parse_timestamp(props["datetime"] or props["startdatetime"])


def test_it_finds_every_image_that_is_somewhere_the_newest_first(shared: Sandbox) -> None:
    answer = ask(shared, limit=10_000)
    assert set(answer) == {"items"}
    found = answer["items"]
    placed = [
        key
        for key in shared.workspace.ids("archive_items")
        if shared.workspace.get("archive_items", key)["geometry"]
    ] + shared.workspace.ids("satellite_images")
    assert sorted(item["id"] for item in found.values()) == sorted(placed)
    moments = [taken(item) for item in found.values()]
    assert moments == sorted(moments, reverse=True)
    satellites = {row["id"]: row for row in shared.workspace.rows("satellites")}
    for name, item in found.items():
        satellite, collection, key = name.split("/")
        assert (collection, key) == (item["collection"], item["id"])
        assert collection in {each["id"] for each in satellites[satellite]["collections"]}


def test_images_are_found_by_satellite_time_place_and_limits(shared: Sandbox) -> None:
    whole = items(shared)
    sentinel = source(shared, "sentinel-2-l2a")
    external = items(shared, satellites=[sentinel, sentinel])
    assert [item["id"] for item in external] == [
        item["id"] for item in whole if item["collection"] == "sentinel-2-l2a"
    ]
    assert external
    assert not any("updated" in item["properties"] for item in external)
    assert 10 <= len(external[0]["assets"]) <= 15
    early, late = whole[-5], whole[10]
    span = {"start_date": taken(early).isoformat(), "end_date": taken(late).isoformat()}
    assert {item["id"] for item in items(shared, **span)} >= {early["id"], late["id"]}
    assert {item["id"] for item in items(shared, **span)} <= {item["id"] for item in whole[9:-3]}
    limits = [{"id": "eo:cloud_cover", "min": 20, "max": 60}]
    assert [item["id"] for item in items(shared, filters=limits)] == [
        item["id"] for item in whole if 20 <= item["properties"]["eo:cloud_cover"] <= 60
    ]
    assert items(shared, filters=[*limits, {"id": "nonesuch", "min": 0, "max": 1}]) == []
    here = items(shared, geometry=external[0]["geometry"])
    assert external[0]["id"] in {item["id"] for item in here}
    assert len(here) < len(whole)


def test_tokens_reach_every_image_once_although_new_ones_come(start: Start) -> None:
    sandbox = start()
    expected = [item["id"] for item in items(sandbox)]
    answer = ask(sandbox, limit=7)
    keys = [item["id"] for item in answer["items"].values()]
    while token := answer.get("next_token"):
        new = {"properties": {"datetime": "2025-12-31T23:00:00Z"}}
        sandbox.workspace.insert("archive_items", new)
        answer = ask(sandbox, limit=7, next_token=token, skip=3)
        keys += [item["id"] for item in answer["items"].values()]
    assert keys == expected, "only the token says where to go on"


def test_a_token_that_is_not_of_this_search_answers_400(shared: Sandbox) -> None:
    token = ask(shared, limit=1)["next_token"]
    assert ask(shared, limit=2, next_token=token)["items"]
    changed = {"next_token": token, "end_date": "2025-01-01T00:00:00Z"}
    for wrong in ({"next_token": "2"}, {"next_token": 2}, changed):
        body = everywhere(shared) | wrong
        assert send(shared, "POST", "/v0/search", json=body).status_code == 400


def test_by_skip_the_answer_groups_images_and_counts_them(start: Start) -> None:
    sandbox = start()
    expected = {item["id"] for item in items(sandbox)}
    sandbox.behavior = Behavior(skip_paging=True)
    seen: list[str] = []
    while True:
        answer = ask(sandbox, limit=7, skip=len(seen), next_token="any")
        assert answer["pagination"] == {"limit": 7, "skip": len(seen), "total": len(expected)}
        if not answer["items"]:
            break
        for name, rows in answer["items"].items():
            assert {f"{name.split('/')[0]}/{row['collection']}" for row in rows} == {name}
            seen += [row["id"] for row in rows]
    assert len(seen) == len(expected)
    assert set(seen) == expected


def test_the_server_may_cap_the_limit_or_forbid_the_search(start: Start) -> None:
    sandbox = start(max_limit=3)
    assert len(ask(sandbox, limit=50)["items"]) == 3
    sandbox.behavior = Behavior(forbid=frozenset({"satellite_images"}))
    assert send(sandbox, "POST", "/v0/search", json=everywhere(sandbox)).status_code == 403


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
def test_a_wrong_search_answers_400(shared: Sandbox, wrong: dict[str, Any]) -> None:
    answer = send(shared, "POST", "/v0/search", json=everywhere(shared) | wrong)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_request")


@pytest.mark.parametrize("name", ["start_date", "end_date", "satellites", "geometry"])
def test_what_is_required_is_missed(shared: Sandbox, name: str) -> None:
    body = everywhere(shared)
    del body[name]
    assert send(shared, "POST", "/v0/search", json=body).status_code == 400
