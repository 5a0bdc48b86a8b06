"""Lists: pages, order, filters and limits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .api_client import find_item_ids, get, iter_rows, search_rows, send_request

if TYPE_CHECKING:
    from pixxel_sandbox import Sandbox

    from .conftest import StartSandbox


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


def test_projects_are_paged_by_page_number(shared_sandbox: Sandbox) -> None:
    first = get(shared_sandbox, "/v0/projects", page_num=1, page_size=3)
    second = get(shared_sandbox, "/v0/projects", page_num=2, page_size=3)
    assert first["count"] == second["count"] == 4
    assert [len(page["projects"]) for page in (first, second)] == [3, 1]
    assert get(shared_sandbox, "/v0/projects", page_num=3, page_size=3)["projects"] == []
    key = second["projects"][0]["id"]
    assert get(shared_sandbox, f"/v0/projects/{key}")["project"] == second["projects"][0]


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
