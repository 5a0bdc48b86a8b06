"""Records of order requests, and the order items of the API."""

from __future__ import annotations

import json
from typing import Any

import pytest

from target_pixxel_store.errors import RecordError
from target_pixxel_store.purchases.kinds.order_requests import (
    ImagesKey,
    parse_orders,
    parse_price,
    read_order_request,
)
from target_pixxel_store.purchases.models import (
    MAX_NAME_LENGTH,
    Price,
    make_marker,
    mark_name,
)
from tests.target_pixxel_store.purchases.order_harness import TASKING, make_square

SQUARE = make_square(10, 50)
ARCHIVE = {
    "request_id": "field-7",
    "project_id": "P",
    "usecase": "mining",
    "geometry": SQUARE,
    "item_ids": ["a", "b", "a"],
}
NEW = {**ARCHIVE, "item_ids": None, "bandset_id": "visible", **TASKING}


def make_feature(geometry: Any) -> dict[str, Any]:
    return {"type": "Feature", "properties": {"crop": "rice"}, "geometry": geometry}


def test_read_whole_number_as_request_id_is_its_text() -> None:
    request = read_order_request({**ARCHIVE, "request_id": 7})
    assert (request.request_id, request.name) == ("7", "7")


def test_read_tasking_request_as_the_contract_names_it() -> None:
    request = read_order_request({**NEW, "store": "mine", "path": "/a//b/".strip("/")})
    item = request.to_order_item("name", "the id")
    assert item["bandset"] == {"bandset_id": "visible"}
    assert (item["start_date"], item["end_date"]) == (
        "2127-01-01T00:00:00Z",
        "2127-02-01T00:00:00Z",
    )
    assert (item["recurrence"], item["cloud_cover"], item["off_nadir"]) == ("ONCE", 20, 20)
    assert item["cloud_delivery"] == {"config": "the id", "path": "a/b/"}
    assert "item_ids" not in item


@pytest.mark.parametrize(
    "geometry",
    [
        SQUARE,
        json.dumps(SQUARE),
        make_feature(SQUARE),
        {"type": "MultiPolygon", "coordinates": [SQUARE["coordinates"]]},
        {"type": "FeatureCollection", "features": [make_feature(SQUARE)]},
        {"type": "Polygon", "coordinates": [SQUARE["coordinates"][0][::-1]]},
    ],
)
def test_read_geometry_in_any_form_is_a_collection_of_polygons(geometry: Any) -> None:
    request = read_order_request({**ARCHIVE, "geometry": geometry})
    collection = request.to_order_item("name", "")["geometry"]
    assert collection["type"] == "FeatureCollection"
    [feature] = collection["features"]
    assert feature["geometry"]["type"] == "Polygon"
    assert request.outline == read_order_request(ARCHIVE).outline


def test_read_geometry_of_several_polygons_keeps_each() -> None:
    other = make_square(11, 50)
    parts = [SQUARE["coordinates"], other["coordinates"]]
    request = read_order_request(
        {**ARCHIVE, "geometry": {"type": "MultiPolygon", "coordinates": parts}}
    )
    assert len(request.to_order_item("name", "")["geometry"]["features"]) == 2
    assert request.area == pytest.approx(2 * read_order_request(ARCHIVE).area)


def test_order_request_as_row_of_texts_equals_that_of_values() -> None:
    """CSV files have no other way to leave a field out, or to have a number."""
    blank = dict.fromkeys([*NEW.keys() - ARCHIVE.keys(), "no_of_occurrences", "reorder"], "")
    archive = read_order_request({**ARCHIVE, **blank, "item_ids": '["a", "b"]'})
    assert archive.content_digest == read_order_request(ARCHIVE).content_digest
    tasking = read_order_request({**NEW, "item_ids": " ", "cloud_cover": "7", "off_nadir": " 8.0 "})
    item = read_order_request({**NEW, "cloud_cover": 7, "off_nadir": 8}).to_order_item("name", "")
    assert tasking.to_order_item("name", "") == item


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"request_id": None}, "has no 'request_id'"),
        ({"project_id": ""}, "has no 'project_id'"),
        ({"usecase": None}, "has no 'usecase'"),
        ({"geometry": None}, "has no 'geometry'"),
        ({"geometry": {"type": "Point", "coordinates": [1, 2]}}, "must be a GeoJSON Polygon or"),
        ({"geometry": make_square(1, 2, 0)}, "'geometry' has no area"),
        ({"geometry": {"type": "MultiPolygon", "coordinates": []}}, "without polygons"),
        ({"geometry": {"type": "FeatureCollection", "features": []}}, "without features"),
        ({"geometry": {"type": "FeatureCollection", "features": [None]}}, "has no 'geometry'"),
        ({"request_id": 7.0}, """in a stream map, write "request_id": "str\\(id\\)\""""),
        ({"request_id": True}, "'request_id' must be a string or a whole number"),
        ({"item_ids": 7}, "'item_ids' must be a list of strings"),
        ({"item_ids": "[7]"}, "'item_ids' must be a list of strings"),
        ({"item_ids": "[a]"}, "'item_ids' is a string that is not JSON"),
        ({"item_ids": "[" * 100_000}, "'item_ids' is a string that is not JSON"),
        ({"item_ids": None}, "has neither 'item_ids' nor 'start_date'"),
        ({"item_ids": []}, "has neither 'item_ids' nor 'start_date'"),
        ({"start_date": "2127-01-01"}, "has both 'item_ids' and 'start_date'"),
        ({"name": "a [px:0123456789ab]"}, "must not contain a marker"),
        ({"path": "a"}, "has 'path', which requires 'store'"),
        ({"store": "s", "path": "/a"}, "'path' must be relative"),
        ({"reorder": "yes"}, "'reorder' must be true or false"),
    ],
)
def test_read_invalid_request_names_field(fields: dict[str, Any], reason: str) -> None:
    with pytest.raises(RecordError, match=reason):
        read_order_request({**ARCHIVE, **fields})


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"recurrence": None}, "has no 'recurrence'"),
        ({"recurrence": "DAILY"}, "'recurrence' must be one of ONCE, MONTHLY"),
        ({"start_date": None}, "has no 'start_date'"),
        ({"start_date": "soon"}, "'start_date' must be a date or a timestamp"),
        ({"end_date": "2127-01-01"}, "'end_date' must be after 'start_date'"),
        ({"end_date": None}, "must have 'end_date' and no 'no_of_occurrences'"),
        ({"no_of_occurrences": 2}, "must have 'end_date' and no 'no_of_occurrences'"),
        ({"recurrence": "MONTHLY", "no_of_occurrences": 2}, "must have either 'end_date' or"),
        ({"recurrence": "MONTHLY", "end_date": None}, "must have either 'end_date' or"),
        ({"bandset_id": None}, "has no 'bandset_id'"),
        ({"cloud_cover": -1}, "'cloud_cover' must be a whole number from 0 to 100"),
        ({"cloud_cover": 0.5}, "'cloud_cover' must be a whole number from 0 to 100"),
        ({"off_nadir": 91}, "'off_nadir' must be a whole number from 0 to 90"),
        ({"off_nadir": True}, "'off_nadir' must be a whole number from 0 to 90"),
        ({"delivery_speed": "FAST"}, "'delivery_speed' must be one of STANDARD"),
    ],
)
def test_read_invalid_tasking_request_names_field(fields: dict[str, Any], reason: str) -> None:
    with pytest.raises(RecordError, match=reason):
        read_order_request({**NEW, **fields})


def test_read_date_with_offset_is_in_utc() -> None:
    request = read_order_request({**NEW, "start_date": "2127-01-01T00:00:00+05:30"})
    assert request.tasking["start_date"] == "2126-12-31T18:30:00Z"


def test_content_digest_of_same_content_is_same() -> None:
    digest = read_order_request(ARCHIVE).content_digest
    whole = {"type": "Polygon", "coordinates": json.loads(json.dumps(SQUARE["coordinates"]))}
    assert read_order_request({**ARCHIVE, "geometry": whole}).content_digest == digest
    assert read_order_request({**ARCHIVE, "reorder": True}).content_digest == digest
    for change in ({"usecase": "x"}, {"item_ids": ["b"]}, {"store": "s"}, {"name": "n"}):
        assert read_order_request({**ARCHIVE, **change}).content_digest != digest


def test_name_keeps_marker_within_limit() -> None:
    marker = make_marker("workspace", "field-7")
    assert len(marker) == 12
    name = mark_name("n" * 200, marker)
    assert (len(name), name) == (MAX_NAME_LENGTH, f"{'n' * 82} [px:{marker}]")
    assert mark_name("wells", marker) == f"wells [px:{marker}]"
    assert marker != make_marker("workspace", "field-8") != make_marker("other", "field-8")


ITEM: dict[str, Any] = {
    "id": "i", "name": "x [px:0123456789ab]", "project_id": "P", "status": "active",
    "final_amount": 12.5, "base_amount": 10, "area": 5,
    "images": [{"item_id": "a", "geometry": SQUARE}],
}  # fmt: skip
ORDER: dict[str, Any] = {"id": "o", "total_amount": 12.5, "paid_at": "", "order_items": [ITEM]}


def test_parse_order_with_marker_images_and_area() -> None:
    [order] = parse_orders(ORDER)
    assert (order.purchase_id, order.item_id, order.markers) == ("o", "i", ["0123456789ab"])
    assert order.images == ImagesKey("p", frozenset({"a"}))
    assert order.outline == read_order_request(ARCHIVE).outline
    assert (order.amount, order.is_paid, order.has_ended) == (12.5, False, False)
    images = [*ITEM["images"], {"item_id": "b", "geometry": None}]
    [unknown] = parse_orders({**ORDER, "order_items": [{**ITEM, "images": images}]})
    assert unknown.outline is None, "it may be the same area"
    with pytest.raises(ValueError, match=r"^$"):
        list(parse_orders({**ORDER, "order_items": None}))


def test_parse_price_takes_the_larger_amount() -> None:
    price = parse_price({**ORDER, "total_amount": 14})
    assert price is not None
    assert (price.final_amount, price.base_amount, price.area) == (14, 10, 5)
    assert price.uplift_percent == pytest.approx(40)
    uplifts = [{"percentage": 25}, {"percentage": -10}, {"percentage": None}]
    price = parse_price({**ORDER, "total_amount": 10, "order_items": [
        {**ITEM, "final_amount": 10, "uplifts": uplifts}]})  # fmt: skip
    assert price is not None
    assert price.uplift_percent == 25


@pytest.mark.parametrize(
    ("final", "rows", "percent"),
    [
        (269, [("Demand", 20)], 20),  # 44.8 are rounded to 45
        (269, [("Demand", 20), ("Demand", 20)], 20),  # of two images
        (314, [("Demand", 20), ("Speed", 20)], 40),  # 89.6 are rounded to 90
        (270, [("Demand", 20)], 100 * 46 / 224),  # more than is rounded
        (268, [("Demand", 20)], 20),
        (269, [], 100 * 45 / 224),
        (269, [("Demand", None)], 100 * 45 / 224),
    ],
)
def test_uplift_percent_as_stated_if_only_its_amount_is_rounded(
    final: float, rows: list[tuple[str, Any]], percent: float
) -> None:
    uplifts = [{"title": title, "percentage": value} for title, value in rows]
    price = Price(5, 224, final, uplifts, "")
    assert price.uplift_percent == pytest.approx(percent, abs=1e-9)
    assert (price.uplift_percent > 20) is (percent > 20)


@pytest.mark.parametrize(
    "change",
    [
        {"order_items": []},
        {"order_items": [ITEM, ITEM]},
        {"order_items": [{**ITEM, "base_amount": None}]},
        {"total_amount": -1},
        {"total_amount": None, "order_items": [{**ITEM, "final_amount": "12"}]},
    ],
)
def test_parse_price_missing_is_none(change: dict[str, Any]) -> None:
    assert parse_price({**ORDER, **change}) is None


@pytest.mark.parametrize(
    ("order", "item"),
    [
        ({"paid_at": "2026-01-01"}, {}),
        ({"transaction_id": "t"}, {}),
        ({}, {"transaction_id": "t"}),
        ({}, {"tokens_used": 7}),
        ({}, {"tasks": [{"tokens_used": 7}]}),
    ],
)
def test_parse_paid_order(order: dict[str, Any], item: dict[str, Any]) -> None:
    [found] = parse_orders({**ORDER, **order, "order_items": [{**ITEM, **item}]})
    assert found.is_paid
