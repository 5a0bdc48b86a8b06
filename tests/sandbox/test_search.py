"""Searches find what a reading of every item by hand would find, in the order asked for."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shapely.geometry import shape

from pixxel_sandbox import MISSING, Sandbox
from pixxel_sandbox.seed.timestamp_formats import parse_timestamp

from .client import found, get, search, send
from .conftest import Start

Row = dict[str, Any]
FEW = settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(scope="module")
def items(shared: Sandbox) -> list[Row]:
    listed: list[Row] = search(shared, "archives", limit=10_000)["features"]
    return listed


def on_globe(geometry: Row) -> Any:
    """Cuts a geometry at the antimeridian, so that plain shapes can be compared."""
    if geometry["type"] == "Point":
        return shape(geometry)
    ring = [(lon, lat) for lon, lat, *_ in geometry["coordinates"][0]]
    if max(lon for lon, _ in ring) - min(lon for lon, _ in ring) <= 180:
        return shapely.Polygon(ring)
    whole = shapely.Polygon([(lon % 360, lat) for lon, lat in ring])
    west = shapely.intersection(whole, shapely.box(0, -90, 180, 90))
    east = shapely.intersection(whole, shapely.box(180, -90, 360, 90))
    return shapely.union(west, shapely.affinity.translate(east, xoff=-360))


def in_box(item: Row, box: list[float]) -> bool:
    west, south, east, north = box
    halves = [(west, east)] if west <= east else [(west, 180), (-180, east)]
    return item["geometry"] is not None and any(
        on_globe(item["geometry"]).intersects(shapely.box(left, south, right, north))
        for left, right in halves
    )


longitudes = st.floats(-180, 180, width=32)
latitudes = st.floats(-90, 90, width=32)


@FEW
@given(lons=st.tuples(longitudes, longitudes), lats=st.tuples(latitudes, latitudes))
def test_bbox_finds_what_lies_in_it(
    shared: Sandbox, items: list[Row], lons: tuple[float, float], lats: tuple[float, float]
) -> None:
    box = [lons[0], min(lats), lons[1], max(lats)]
    assert found(shared, bbox=box) == [item["id"] for item in items if in_box(item, box)]


def test_bbox_over_the_antimeridian_finds_both_sides(shared: Sandbox, items: list[Row]) -> None:
    box = [170.0, -90.0, -170.0, 90.0]
    expected = [item["id"] for item in items if in_box(item, box)]
    assert len(expected) >= 4
    assert found(shared, bbox=box) == expected


@FEW
@given(lon=longitudes, lat=st.floats(-80, 80, width=32), size=st.floats(1, 40, width=32))
def test_intersects_finds_what_touches_it(
    shared: Sandbox, items: list[Row], lon: float, lat: float, size: float
) -> None:
    lon = min(lon, 180 - size)
    asked = shapely.Polygon([(lon, lat), (lon + size, lat), (lon, lat + size)])
    expected = [
        item["id"]
        for item in items
        if item["geometry"] and on_globe(item["geometry"]).intersects(asked)
    ]
    assert found(shared, intersects=shapely.geometry.mapping(asked)) == expected


def test_intersects_takes_every_kind_of_geometry(shared: Sandbox, items: list[Row]) -> None:
    target = next(item for item in items if (item["geometry"] or {}).get("type") == "Point")
    lon, lat = target["geometry"]["coordinates"]
    point = {"type": "Point", "coordinates": [lon, lat]}
    geometries: list[Row] = [
        point,
        {"type": "MultiPoint", "coordinates": [[lon, lat], [0, 0]]},
        {"type": "LineString", "coordinates": [[lon, lat], [lon, lat + 0.1]]},
        {"type": "MultiLineString", "coordinates": [[[lon, lat], [lon, lat + 0.1]]]},
        {"type": "GeometryCollection", "geometries": [point]},
    ]
    for geometry in geometries:
        assert target["id"] in found(shared, intersects=geometry), geometry["type"]


moments = st.datetimes(datetime(2022, 12, 1), datetime(2026, 2, 1)).map(
    lambda moment: moment.replace(tzinfo=UTC)
)


def taken_within(item: Row, first: datetime | None, last: datetime | None) -> bool:
    props = item["properties"]
    start = parse_timestamp(props["datetime"] or props["startdatetime"])
    end = parse_timestamp(props["datetime"] or props["enddatetime"])
    assert start
    assert end
    return (first is None or first <= end) and (last is None or start <= last)


@FEW
@given(one=st.none() | moments, other=st.none() | moments)
def test_datetime_finds_what_was_taken_in_it(
    shared: Sandbox, items: list[Row], one: datetime | None, other: datetime | None
) -> None:
    if one and other:
        one, other = sorted((one, other))
    if one is None and other is None:
        return
    ends = [end.isoformat() if end else ".." for end in (one, other)]
    expected = [item["id"] for item in items if taken_within(item, one, other)]
    assert found(shared, datetime="/".join(ends)) == expected


def test_an_instant_finds_what_was_taken_then(shared: Sandbox, items: list[Row]) -> None:
    dated = next(item for item in items if item["properties"]["datetime"])
    assert dated["id"] in found(shared, datetime=dated["properties"]["datetime"])
    spanning = next(item for item in items if not item["properties"]["datetime"])
    start = parse_timestamp(spanning["properties"]["startdatetime"])
    assert start
    middle = start + timedelta(seconds=9)
    assert found(shared, datetime=middle.isoformat()) == [spanning["id"]]


@FEW
@given(bound=st.floats(0, 100), operator=st.sampled_from(["gt", "lt"]))
def test_query_compares_numbers(
    shared: Sandbox, items: list[Row], bound: float, operator: str
) -> None:
    def passes(cover: float) -> bool:
        return cover > bound if operator == "gt" else cover < bound

    expected = [i["id"] for i in items if passes(i["properties"]["eo:cloud_cover"])]
    assert found(shared, query={"eo:cloud_cover": {operator: bound}}) == expected


@FEW
@given(bound=moments)
def test_query_compares_times_and_not_their_text(
    shared: Sandbox, items: list[Row], bound: datetime
) -> None:
    updated = {item["id"]: parse_timestamp(item["properties"].get("updated")) for item in items}
    expected = [key for key, moment in updated.items() if moment and moment > bound]
    assert (
        found(shared, query={"updated": {"gt": f"{bound:%Y-%m-%d %H:%M:%S.%f+00:00}"}}) == expected
    )


def test_query_eq_takes_a_value_or_several(shared: Sandbox, items: list[Row]) -> None:
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
        assert found(shared, query=query) == [i["id"] for i in items if passes(i["properties"])]


def test_ids_and_collections_narrow_together(shared: Sandbox, items: list[Row]) -> None:
    ids = [item["id"] for item in items[:6]]
    collection = items[2]["collection"]
    expected = [item["id"] for item in items[:6] if item["collection"] == collection]
    assert found(shared, ids=ids, collections=[collection]) == expected
    assert found(shared, ids=[]) == []


@pytest.mark.parametrize("field", ["properties->>'datetime'", "properties.datetime"])
@pytest.mark.parametrize("direction", ["asc", "DESC"])
def test_sort_orders_times_with_null_last_ascending(
    shared: Sandbox, items: list[Row], field: str, direction: str
) -> None:
    moments = {item["id"]: parse_timestamp(item["properties"]["datetime"]) for item in items}
    got = [moments[key] for key in found(shared, sortby=[{"field": field, "direction": direction}])]
    if direction == "DESC":
        got.reverse()
    dated = [moment for moment in got if moment]
    assert 0 < len(dated) < len(got) == len(items)
    assert got == [*sorted(dated), *[None] * (len(got) - len(dated))]


def test_sort_by_id_and_then_by_several(shared: Sandbox, items: list[Row]) -> None:
    ids = sorted(item["id"] for item in items)
    assert found(shared, sortby=[{"field": "id"}]) == ids
    twice = [{"field": "properties.gsd", "direction": "desc"}, {"field": "id", "direction": "asc"}]
    expected = sorted(items, key=lambda item: (-item["properties"]["gsd"], item["id"]))
    assert found(shared, sortby=twice) == [item["id"] for item in expected]


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
def test_a_malformed_search_answers_400_in_the_envelope(shared: Sandbox, body: Any) -> None:
    answer = send(shared, "POST", "/v0/archives/search", json=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "bad_request"
    assert answer.json()["error"]["message"]


def test_a_body_that_is_no_json_answers_400(shared: Sandbox) -> None:
    for data in (b"", b"{", b"\xff\xfe"):
        assert send(shared, "POST", "/v0/catalogs/search", data=data).status_code == 400


def test_catalogs_are_found_by_what_they_came_of(shared: Sandbox) -> None:
    catalogs = search(shared, "catalogs", limit=1000)["catalogs"]
    order_items = get(shared, "/v0/order-items", limit=1000)["order_items"]
    item = next(i for i in order_items if i["status"] == "FULFILLED")
    tasks = {task["id"] for task in item["tasks"]}
    expected = [catalog["id"] for catalog in catalogs if catalog["task_id"] in tasks]
    assert expected

    def ids(**body: Any) -> list[str]:
        answer = search(shared, "catalogs", limit=1000, **body)
        listed = [catalog["id"] for catalog in answer["catalogs"]]
        assert answer["pagination"] == {"limit": 1000, "offset": 0, "total": len(listed)}
        return listed

    assert ids(order_item_ids=[item["id"]]) == expected
    assert set(expected) <= set(ids(order_ids=[item["order_id"]]))
    image = catalogs[3]["details"]["id"]
    assert ids(item_ids=[image]) == [c["id"] for c in catalogs if c["details"]["id"] == image]
    assert ids(ids=[catalogs[5]["id"]]) == [catalogs[5]["id"]]


def test_changed_items_are_found_by_what_they_are_now(start: Start) -> None:
    sandbox = start()
    key = sandbox.workspace.ids("archive_items")[0]
    place = {"type": "Point", "coordinates": [10.0, 10.0]}
    sandbox.workspace.update(
        "archive_items", key, geometry=place, datetime="2031-01-01T00:00:00Z",
        properties={"eo:cloud_cover": -1},
    )  # fmt: skip
    assert found(sandbox, intersects=place) == [key]
    assert found(sandbox, datetime="2030-01-01T00:00:00Z/..") == [key]
    assert found(sandbox, query={"eo:cloud_cover": {"lt": 0}}) == [key]
    sandbox.workspace.update("archive_items", key, updated=MISSING)
    assert "updated" not in sandbox.workspace.get("archive_items", key)["properties"]
    assert key not in found(sandbox, query={"updated": {"gt": "1999-01-01T00:00:00Z"}})
