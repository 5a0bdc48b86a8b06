"""Lists come in pages: bounded, ordered, and cut short where the server wants it."""

from typing import Any

import pytest

from pixxel_sandbox import Sandbox
from pixxel_sandbox.seed.timestamp_formats import parse_timestamp

from .client import found, get, search, send, sweep
from .conftest import Start


@pytest.mark.parametrize(
    ("path", "key"), [("/v0/orders", "orders"), ("/v0/order-items", "order_items")]
)
def test_offsets_reach_every_row_once_newest_first(shared: Sandbox, path: str, key: str) -> None:
    rows = list(sweep(shared, path, key, limit=4))
    assert sorted(row["id"] for row in rows) == sorted(shared.workspace.ids(key))
    moments = [parse_timestamp(row["created_at"]) for row in rows]
    assert moments == sorted(moments, key=str, reverse=True)
    page = get(shared, path, offset=3, limit=2)
    assert page["pagination"] == {"limit": 2, "offset": 3, "total": len(rows)}
    assert page[key] == rows[3:5]


def test_archive_pages_have_no_total_and_end_empty(shared: Sandbox) -> None:
    ids: list[str] = []
    while features := search(shared, "archives", offset=len(ids), limit=50)["features"]:
        ids += [feature["id"] for feature in features]
    assert ids == shared.workspace.ids("archive_items")
    assert set(search(shared, "archives", limit=1)) == {"type", "features", "links"}
    path = "/v0/archives/collections/td1-l1c/items"
    of_collection = [item["id"] for item in sweep(shared, path, "features", limit=30)]
    assert of_collection == found(shared, collections=["td1-l1c"])


def test_default_limits_are_the_contracts(shared: Sandbox) -> None:
    assert len(search(shared, "archives")["features"]) == 10
    assert search(shared, "catalogs")["pagination"]["limit"] == 2
    assert len(search(shared, "catalogs")["catalogs"]) == 2


def test_projects_are_paged_by_number(shared: Sandbox) -> None:
    first = get(shared, "/v0/projects", page_num=1, page_size=3)
    second = get(shared, "/v0/projects", page_num=2, page_size=3)
    assert first["count"] == second["count"] == 4
    assert [len(page["projects"]) for page in (first, second)] == [3, 1]
    assert get(shared, "/v0/projects", page_num=3, page_size=3)["projects"] == []
    key = second["projects"][0]["id"]
    assert get(shared, f"/v0/projects/{key}")["project"] == second["projects"][0]


@pytest.mark.parametrize(
    ("path", "params"),
    [
        ("/v0/orders", {"offset": "-1"}),
        ("/v0/orders", {"limit": "0"}),
        ("/v0/order-items", {"limit": "ten"}),
        ("/v0/order-items", {"created_at": "yesterday"}),
        ("/v0/order-items", {"area": "9/1"}),
        ("/v0/order-items", {"area": "wide"}),
        ("/v0/projects", {"page_num": "0"}),
        ("/v0/archives/collections/td1-l1c/items", {"offset": "--1"}),
    ],
)
def test_bad_parameters_answer_400(shared: Sandbox, path: str, params: dict[str, str]) -> None:
    answer = send(shared, "GET", path, params=params)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "bad_request"


def test_order_items_pass_their_documented_filters(shared: Sandbox) -> None:
    rows = get(shared, "/v0/order-items", limit=1000)["order_items"]
    one, other = rows[1], rows[2]
    moment = one["created_at"]

    def ids(**params: Any) -> list[str]:
        answer = get(shared, "/v0/order-items", limit=1000, **params)
        return [row["id"] for row in answer["order_items"]]

    for params, passes in (
        ({"type": "TASKING"}, lambda r: r["type"] == "TASKING"),
        ({"status": "COMPLETED"}, lambda r: r["status"] == "COMPLETED"),
        ({"order_ids": one["order_id"]}, lambda r: r["order_id"] == one["order_id"]),
        ({"ids": f"{one['id']},{other['id']}"}, lambda r: r["id"] in {one["id"], other["id"]}),
        ({"ids": [one["id"], other["id"]]}, lambda r: r["id"] in {one["id"], other["id"]}),
        ({"project_ids": one["project_id"]}, lambda r: r["project_id"] == one["project_id"]),
        ({"created_by": one["created_by"]}, lambda r: r["created_by"] == one["created_by"]),
        ({"user_id": "nobody"}, lambda _: False),
        ({"area": "100/900"}, lambda r: 100 <= r["area"] <= 900),
        ({"area": "../900"}, lambda r: r["area"] <= 900),
        ({"created_at": f"{moment}/.."}, lambda r: _at(r) >= _at(one)),
        (
            {"type": "TASKING", "area": "500/.."},
            lambda r: r["type"] == "TASKING" and r["area"] >= 500,
        ),
    ):
        assert ids(**params) == [row["id"] for row in rows if passes(row)], params


def _at(row: Any) -> Any:
    return parse_timestamp(row["created_at"])


def test_deliveries_pass_their_documented_filters(shared: Sandbox) -> None:
    rows = get(shared, "/v0/catalogs/deliveries")["deliveries"]
    one = next(row for row in rows if row["task_id"])
    for name in ("delivery_id", "catalog_id", "task_id"):
        answer = get(shared, "/v0/catalogs/deliveries", **{name: one[name]})
        assert answer["deliveries"] == [row for row in rows if row[name] == one[name]]
    order_items = get(shared, "/v0/order-items", limit=1000)["order_items"]
    owner = next(i for i in order_items if one["task_id"] in {t["id"] for t in i.get("tasks", ())})
    found_by_owner = get(shared, "/v0/catalogs/deliveries", order_item_id=owner["id"])["deliveries"]
    assert one in found_by_owner
    assert len(found_by_owner) < len(rows)


def test_collections_are_picked_by_id(shared: Sandbox) -> None:
    answer = get(shared, "/v0/archives/collections", ids="td1-l1c,firefly-l1b")
    assert [row["id"] for row in answer["collections"]] == ["td1-l1c", "firefly-l1b"]
    assert get(shared, "/v0/archives/collections/firefly-l1b/items")["features"] == []


def test_a_server_may_cap_the_limit(start: Start) -> None:
    sandbox = start(max_limit=3)
    assert len(search(sandbox, "archives", limit=50)["features"]) == 3
    assert get(sandbox, "/v0/orders", limit=50)["pagination"]["limit"] == 3
    assert len(get(sandbox, "/v0/projects", page_size=50)["projects"]) == 3


def test_a_server_may_refuse_far_offsets(start: Start) -> None:
    sandbox = start(max_offset=20)
    assert search(sandbox, "archives", offset=20, limit=1)["features"]
    answer = send(sandbox, "POST", "/v0/archives/search", json={"offset": 21})
    assert answer.status_code == 400
