"""Lists: pages, order, filters and limits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pixxel_sandbox.seed.timestamp_formats import parse_timestamp

from .api_client import find_item_ids, get, iter_rows, search_rows, send_request

if TYPE_CHECKING:
    from pixxel_sandbox import Sandbox

    from .conftest import StartSandbox


@pytest.mark.parametrize(
    ("path", "key"), [("/v0/orders", "orders"), ("/v0/order-items", "order_items")]
)
def test_orders_paged_by_offset_return_every_row_once_newest_first(
    shared_sandbox: Sandbox, path: str, key: str
) -> None:
    rows = list(iter_rows(shared_sandbox, path, key, limit=4))
    assert sorted(row["id"] for row in rows) == sorted(shared_sandbox.workspace.ids(key))
    moments = [parse_timestamp(row["created_at"]) for row in rows]
    assert moments == sorted(moments, key=str, reverse=True)
    page = get(shared_sandbox, path, offset=3, limit=2)
    assert page["pagination"] == {"limit": 2, "offset": 3, "total": len(rows)}
    assert page[key] == rows[3:5]


def test_archive_pages_have_no_total_and_end_with_empty_page(shared_sandbox: Sandbox) -> None:
    ids: list[str] = []
    while features := search_rows(shared_sandbox, "archives", offset=len(ids), limit=50)[
        "features"
    ]:
        ids += [feature["id"] for feature in features]
    assert ids == shared_sandbox.workspace.ids("archive_items")
    assert set(search_rows(shared_sandbox, "archives", limit=1)) == {"type", "features", "links"}
    path = "/v0/archives/collections/td1-l1c/items"
    of_collection = [item["id"] for item in iter_rows(shared_sandbox, path, "features", limit=30)]
    assert of_collection == find_item_ids(shared_sandbox, collections=["td1-l1c"])


def test_default_limits_equal_contract(shared_sandbox: Sandbox) -> None:
    assert len(search_rows(shared_sandbox, "archives")["features"]) == 10
    assert search_rows(shared_sandbox, "catalogs")["pagination"]["limit"] == 2
    assert len(search_rows(shared_sandbox, "catalogs")["catalogs"]) == 2


def test_projects_are_paged_by_page_number(shared_sandbox: Sandbox) -> None:
    first = get(shared_sandbox, "/v0/projects", page_num=1, page_size=3)
    second = get(shared_sandbox, "/v0/projects", page_num=2, page_size=3)
    assert first["count"] == second["count"] == 4
    assert [len(page["projects"]) for page in (first, second)] == [3, 1]
    assert get(shared_sandbox, "/v0/projects", page_num=3, page_size=3)["projects"] == []
    key = second["projects"][0]["id"]
    assert get(shared_sandbox, f"/v0/projects/{key}")["project"] == second["projects"][0]


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
def test_list_with_invalid_parameters_returns_400(
    shared_sandbox: Sandbox, path: str, params: dict[str, str]
) -> None:
    response = send_request(shared_sandbox, "GET", path, params=params)
    assert response.status_code == 400
    assert response.json()["error"]["code"] == "bad_request"


def test_order_items_with_documented_filter_returns_matching_rows(shared_sandbox: Sandbox) -> None:
    rows = get(shared_sandbox, "/v0/order-items", limit=1000)["order_items"]
    one, other = rows[1], rows[2]
    moment = one["created_at"]

    def ids(**params: Any) -> list[str]:
        response = get(shared_sandbox, "/v0/order-items", limit=1000, **params)
        return [row["id"] for row in response["order_items"]]

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
        ({"created_at": f"{moment}/.."}, lambda r: _created_at(r) >= _created_at(one)),
        (
            {"type": "TASKING", "area": "500/.."},
            lambda r: r["type"] == "TASKING" and r["area"] >= 500,
        ),
    ):
        assert ids(**params) == [row["id"] for row in rows if passes(row)], params


def _created_at(row: Any) -> Any:
    return parse_timestamp(row["created_at"])


def test_deliveries_with_documented_filter_returns_matching_rows(shared_sandbox: Sandbox) -> None:
    rows = get(shared_sandbox, "/v0/catalogs/deliveries")["deliveries"]
    one = next(row for row in rows if row["task_id"])
    for name in ("delivery_id", "catalog_id", "task_id"):
        response = get(shared_sandbox, "/v0/catalogs/deliveries", **{name: one[name]})
        assert response["deliveries"] == [row for row in rows if row[name] == one[name]]
    order_items = get(shared_sandbox, "/v0/order-items", limit=1000)["order_items"]
    owner = next(i for i in order_items if one["task_id"] in {t["id"] for t in i.get("tasks", ())})
    found_by_owner = get(shared_sandbox, "/v0/catalogs/deliveries", order_item_id=owner["id"])[
        "deliveries"
    ]
    assert one in found_by_owner
    assert len(found_by_owner) < len(rows)


def test_collections_with_ids_returns_those(shared_sandbox: Sandbox) -> None:
    response = get(shared_sandbox, "/v0/archives/collections", ids="td1-l1c,firefly-l1b")
    assert [row["id"] for row in response["collections"]] == ["td1-l1c", "firefly-l1b"]
    assert get(shared_sandbox, "/v0/archives/collections/firefly-l1b/items")["features"] == []


def test_max_limit_caps_page(start_sandbox: StartSandbox) -> None:
    sandbox = start_sandbox(max_limit=3)
    assert len(search_rows(sandbox, "archives", limit=50)["features"]) == 3
    assert get(sandbox, "/v0/orders", limit=50)["pagination"]["limit"] == 3
    assert len(get(sandbox, "/v0/projects", page_size=50)["projects"]) == 3


def test_max_offset_exceeded_returns_400(start_sandbox: StartSandbox) -> None:
    sandbox = start_sandbox(max_offset=20)
    assert search_rows(sandbox, "archives", offset=20, limit=1)["features"]
    response = send_request(sandbox, "POST", "/v0/archives/search", json={"offset": 21})
    assert response.status_code == 400
