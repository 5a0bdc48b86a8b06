"""Archive searches return the same items as a test of each item, in the requested order."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shapely.geometry import shape

from pixxel_sandbox.seed.timestamp_formats import parse_timestamp

from .api_client import find_item_ids, get, search_everywhere_body, search_rows, send_request

if TYPE_CHECKING:
    from pixxel_sandbox import Sandbox


Row = dict[str, Any]
FEW = settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(scope="module")
def items(shared_sandbox: Sandbox) -> list[Row]:
    listed: list[Row] = search_rows(shared_sandbox, "archives", limit=10_000)["features"]
    return listed


def cut_at_antimeridian(geometry: Row) -> Any:
    """Cut a geometry at the antimeridian, so that planar shapes can be compared."""
    if geometry["type"] == "Point":
        return shape(geometry)
    ring = [(lon, lat) for lon, lat, *_ in geometry["coordinates"][0]]
    if max(lon for lon, _ in ring) - min(lon for lon, _ in ring) <= 180:
        return shapely.Polygon(ring)
    whole = shapely.Polygon([(lon % 360, lat) for lon, lat in ring])
    west = shapely.intersection(whole, shapely.box(0, -90, 180, 90))
    east = shapely.intersection(whole, shapely.box(180, -90, 360, 90))
    return shapely.union(west, shapely.affinity.translate(east, xoff=-360))


def intersects_bbox(item: Row, box: list[float]) -> bool:
    west, south, east, north = box
    halves = [(west, east)] if west <= east else [(west, 180), (-180, east)]
    return item["geometry"] is not None and any(
        cut_at_antimeridian(item["geometry"]).intersects(shapely.box(left, south, right, north))
        for left, right in halves
    )


longitudes = st.floats(-180, 180, width=32)
latitudes = st.floats(-90, 90, width=32)


@FEW
@given(lons=st.tuples(longitudes, longitudes), lats=st.tuples(latitudes, latitudes))
def test_bbox_returns_intersecting_items(
    shared_sandbox: Sandbox, items: list[Row], lons: tuple[float, float], lats: tuple[float, float]
) -> None:
    box = [lons[0], min(lats), lons[1], max(lats)]
    assert find_item_ids(shared_sandbox, bbox=box) == [
        item["id"] for item in items if intersects_bbox(item, box)
    ]


@FEW
@given(lon=longitudes, lat=st.floats(-80, 80, width=32), size=st.floats(1, 40, width=32))
def test_intersects_returns_intersecting_items(
    shared_sandbox: Sandbox, items: list[Row], lon: float, lat: float, size: float
) -> None:
    lon = min(lon, 180 - size)
    asked = shapely.Polygon([(lon, lat), (lon + size, lat), (lon, lat + size)])
    expected = [
        item["id"]
        for item in items
        if item["geometry"] and cut_at_antimeridian(item["geometry"]).intersects(asked)
    ]
    assert find_item_ids(shared_sandbox, intersects=shapely.geometry.mapping(asked)) == expected


moments = st.datetimes(datetime(2022, 12, 1), datetime(2026, 2, 1)).map(
    lambda moment: moment.replace(tzinfo=UTC)
)


def is_acquired_within(item: Row, first: datetime | None, last: datetime | None) -> bool:
    props = item["properties"]
    start = parse_timestamp(props["datetime"] or props["startdatetime"])
    end = parse_timestamp(props["datetime"] or props["enddatetime"])
    assert start
    assert end
    return (first is None or first <= end) and (last is None or start <= last)


@FEW
@given(one=st.none() | moments, other=st.none() | moments)
def test_datetime_range_returns_items_acquired_in_it(
    shared_sandbox: Sandbox, items: list[Row], one: datetime | None, other: datetime | None
) -> None:
    if one and other:
        one, other = sorted((one, other))
    if one is None and other is None:
        return
    ends = [end.isoformat() if end else ".." for end in (one, other)]
    expected = [item["id"] for item in items if is_acquired_within(item, one, other)]
    assert find_item_ids(shared_sandbox, datetime="/".join(ends)) == expected


@FEW
@given(bound=moments)
def test_query_with_timestamp_compares_times_not_text(
    shared_sandbox: Sandbox, items: list[Row], bound: datetime
) -> None:
    updated = {item["id"]: parse_timestamp(item["properties"].get("updated")) for item in items}
    expected = [key for key, moment in updated.items() if moment and moment > bound]
    assert (
        find_item_ids(
            shared_sandbox, query={"updated": {"gt": f"{bound:%Y-%m-%d %H:%M:%S.%f+00:00}"}}
        )
        == expected
    )


def test_query_eq_with_value_or_list_matches_any(shared_sandbox: Sandbox, items: list[Row]) -> None:
    one = items[0]["properties"]
    for query, passes in (
        ({"platform": {"eq": "TD1"}}, lambda p: p["platform"] == "TD1"),
        ({"platform": {"eq": ["TD1", "FF01"]}}, lambda p: p["platform"] in {"TD1", "FF01"}),
        ({"instruments": {"eq": "VNIR"}}, lambda _: True),
        ({"gsd": {"eq": 5}}, lambda p: p["gsd"] == 5),
        ({"updated": {"eq": one["updated"]}}, lambda p: p.get("updated") == one["updated"]),
        ({"nonesuch": {"eq": 1}}, lambda _: False),
        ({"gsd": {"gt": "5"}}, lambda _: False),
    ):
        assert find_item_ids(shared_sandbox, query=query) == [
            i["id"] for i in items if passes(i["properties"])
        ]


@pytest.mark.parametrize("field", ["properties->>'datetime'", "properties.datetime"])
@pytest.mark.parametrize("direction", ["asc", "DESC"])
def test_sort_by_time_ascending_puts_null_last(
    shared_sandbox: Sandbox, items: list[Row], field: str, direction: str
) -> None:
    moments = {item["id"]: parse_timestamp(item["properties"]["datetime"]) for item in items}
    got = [
        moments[key]
        for key in find_item_ids(shared_sandbox, sortby=[{"field": field, "direction": direction}])
    ]
    if direction == "DESC":
        got.reverse()
    dated = [moment for moment in got if moment]
    assert 0 < len(dated) < len(got) == len(items)
    assert got == [*sorted(dated), *[None] * (len(got) - len(dated))]


BAD_BODIES: tuple[Any, ...] = (
    [], None, "text", {"bbox": [1, 2, 3]}, {"bbox": [1, 2, 3, "4"]}, {"bbox": [0, 5, 1, 4]},
    {"bbox": [0, 0, 1, 91]}, {"bbox": [-181, 0, 1, 1]}, {"bbox": [0, 0, 1, 1, 2, 2]},
    {"intersects": 1}, {"intersects": {"type": "Circle", "coordinates": []}},
    {"intersects": {"type": "Polygon", "coordinates": [[1, 2]]}},
    {"intersects": {"type": "Polygon", "coordinates": []}},
    {"intersects": {"type": "Point", "coordinates": ["a", "b"]}},
    {"intersects": {"type": "GeometryCollection", "geometries": []}},
    {"intersects": {"type": "LineString", "coordinates": [[1, 2], [None, 3]]}},
    {"datetime": 5}, {"datetime": "yesterday"}, {"datetime": "../.."}, {"datetime": ""},
    {"datetime": "2024-01-01T00:00:00Z/2023-01-01T00:00:00Z"}, {"datetime": "2024-13-01T00:00:00Z"},
    {"query": 1}, {"query": {"gsd": 5}}, {"query": {"gsd": {"gte": 5}}},
    {"query": {"gsd": {"gt": None}}}, {"sortby": {}}, {"sortby": [{"direction": "asc"}]},
    {"sortby": [{"field": "datetime"}]}, {"sortby": [{"field": "id", "direction": "up"}]},
    {"sortby": [{"field": "properties->>'a' or '1'"}]},
    {"ids": "a"}, {"ids": [1]}, {"collections": "a"}, {"limit": 0}, {"limit": "10"},
    {"limit": True}, {"offset": -1}, {"offset": 1.5},
    {"offset": 10**20},
)  # fmt: skip


@pytest.mark.parametrize("body", BAD_BODIES, ids=str)
def test_search_with_invalid_body_returns_400(shared_sandbox: Sandbox, body: Any) -> None:
    response = send_request(shared_sandbox, "POST", "/v0/archives/search", json=body)
    assert response.status_code == 400
    assert response.json()["error"]["code"] == "bad_request"
    assert response.json()["error"]["message"]


def test_catalog_search_by_order_ids_returns_catalogs(shared_sandbox: Sandbox) -> None:
    catalogs = search_rows(shared_sandbox, "catalogs", limit=1000)["catalogs"]
    order_items = get(shared_sandbox, "/v0/order-items", limit=1000)["order_items"]
    item = next(i for i in order_items if i["status"] == "FULFILLED")
    tasks = {task["id"] for task in item["tasks"]}
    expected = [catalog["id"] for catalog in catalogs if catalog["task_id"] in tasks]
    assert expected

    def ids(**body: Any) -> list[str]:
        response = search_rows(shared_sandbox, "catalogs", limit=1000, **body)
        listed = [catalog["id"] for catalog in response["catalogs"]]
        assert response["pagination"] == {"limit": 1000, "offset": 0, "total": len(listed)}
        return listed

    assert ids(order_item_ids=[item["id"]]) == expected
    assert set(expected) <= set(ids(order_ids=[item["order_id"]]))
    image = catalogs[3]["details"]["id"]
    assert ids(item_ids=[image]) == [c["id"] for c in catalogs if c["details"]["id"] == image]
    assert ids(ids=[catalogs[5]["id"]]) == [catalogs[5]["id"]]


def test_image_search_pages_by_token_of_the_same_search(shared_sandbox: Sandbox) -> None:
    body = search_everywhere_body(shared_sandbox)

    def search(**changes: Any) -> Any:
        response = send_request(shared_sandbox, "POST", "/v0/search", json=body | changes)
        assert response.status_code == 200, response.text
        return response.json()

    whole, first = search()["items"], search(limit=7)
    token = {"next_token": first["next_token"]}
    second = search(limit=7, **token)
    assert [*first["items"], *second["items"]] == list(whole)[:14]
    for wrong in ({"next_token": "2"}, token | {"end_date": "2025-01-01T00:00:00Z"}):
        response = send_request(shared_sandbox, "POST", "/v0/search", json=body | wrong)
        assert response.json()["error"]["details"] == {"field": "next_token"}
    limits = [{"id": "eo:cloud_cover", "min": 20, "max": 60}]
    covers = [row["properties"]["eo:cloud_cover"] for row in whole.values()]
    found = search(filters=limits, limit=1000)["items"]
    assert 0 < sum(20 <= cover <= 60 for cover in covers) <= len(found)
    assert all(20 <= row["properties"]["eo:cloud_cover"] <= 60 for row in found.values())
