# ruff: noqa: E501 - tables, a case a line
from __future__ import annotations

import math
from typing import Any

import pytest

from tap_pixxel.stac import ConversionError, to_item
from tests.stac.singles import GONE, TIME, assert_has, item, of_properties

PROPERTIES: list[tuple[dict[str, Any], dict[str, Any], dict[str, str]]] = [
    # field of the API, fields of STAC (GONE: not there), what is noted
    ({"created": "20231101T173451.024Z"}, {"created": "2023-11-01T17:34:51.024000Z"}, {"created": "converted"}),
    ({"created": "2022-11-14 12:55:49.125928+00:00"}, {"created": "2022-11-14T12:55:49.125928Z"}, {"created": "converted"}),
    ({"created": "2022-11-14T05:30:00+05:30"}, {"created": "2022-11-14T00:00:00.000000Z"}, {"created": "converted"}),
    ({"created": "2022-11-14T00:00:00.123456789"}, {"created": "2022-11-14T00:00:00.123456Z"}, {"created": "converted"}),
    ({"created": "soon"}, {"created": GONE, "pixxel:created": "soon"}, {"created": "kept as pixxel:"}),
    ({"startdatetime": "2024-01-01T00:00:00Z", "enddatetime": TIME}, {"start_datetime": "2024-01-01T00:00:00Z", "end_datetime": TIME, "startdatetime": GONE}, {}),
    ({"startdatetime": TIME}, {"start_datetime": GONE, "pixxel:start_datetime": TIME}, {"startdatetime": "kept as pixxel:"}),
    ({"platform": " TD1 ", "mission": " ", "constellation": None}, {"platform": "TD1", "mission": GONE, "constellation": GONE}, {"platform": "converted", "mission": "dropped"}),
    ({"license": "CC-BY-4.0"}, {"license": "CC-BY-4.0", "pixxel:license": GONE}, {}),
    ({"license": "All rights reserved"}, {"license": "other", "pixxel:license": "All rights reserved"}, {"license": "kept as pixxel:"}),
    ({"license": "proprietary"}, {"license": "other", "pixxel:license": "proprietary"}, {"license": "kept as pixxel:"}),
    ({"gsd": 0}, {"gsd": GONE}, {"gsd": "dropped"}),
    ({"gsd": -5}, {"gsd": GONE, "pixxel:gsd": -5}, {"gsd": "kept as pixxel:"}),
    ({"gsd": "30"}, {"gsd": 30}, {"gsd": "converted"}),
    ({"gsd": "1e999"}, {"gsd": GONE, "pixxel:gsd": "1e999"}, {"gsd": "kept as pixxel:"}),
    ({"gsd": True}, {"gsd": GONE, "pixxel:gsd": True}, {"gsd": "kept as pixxel:"}),
    ({"eo:cloud_cover": 101}, {"pixxel:eo_cloud_cover": 101}, {"eo:cloud_cover": "kept as pixxel:"}),
    ({"eo:cloud_cover": float("nan")}, {"eo:cloud_cover": GONE}, {"eo:cloud_cover": "dropped"}),
    ({"proj:epsg": 32643}, {"proj:code": "EPSG:32643", "proj:epsg": GONE}, {"proj:epsg": "converted"}),
    ({"proj:code": "32643"}, {"proj:code": "EPSG:32643"}, {"proj:code": "converted"}),
    ({"proj:code": "epsg:32643"}, {"proj:code": "EPSG:32643"}, {"proj:code": "converted"}),
    ({"proj:code": "urn:ogc:def:crs:EPSG::32643"}, {"proj:code": "EPSG:32643"}, {"proj:code": "converted"}),
    ({"proj:epsg": 32643, "proj:code": "EPSG:4326"}, {"proj:code": "EPSG:4326", "pixxel:proj_epsg": 32643}, {"proj:epsg": "kept as pixxel:"}),
    ({"proj:wkt2": 'GEOGCRS["WGS 84"]'}, {"proj:wkt2": 'GEOGCRS["WGS 84"]'}, {}),
    ({"proj:wkt2": 'GEOGCS["WGS 84"]'}, {"proj:wkt2": GONE}, {"proj:wkt2": "dropped"}),
    ({"proj:shape": ["10", 20]}, {"proj:shape": [10, 20]}, {"proj:shape": "converted"}),
    ({"proj:shape": [0, 20]}, {"proj:shape": GONE, "pixxel:proj_shape": [0, 20]}, {"proj:shape": "kept as pixxel:"}),
    ({"proj:transform": [10, 0, 5e5, 0, -10, 1e6]}, {"proj:transform": [10, 0, 5e5, 0, -10, 1e6]}, {}),
    ({"proj:transform": [5e5, 10, 0, 1e6, 0, -10]}, {"proj:transform": [10, 0, 5e5, 0, -10, 1e6]}, {"proj:transform": "repaired"}),
    ({"proj:transform": [0, 10, 500000, 0, -10, 1000000]}, {"proj:transform": GONE, "pixxel:proj_transform": [0, 10, 500000, 0, -10, 1000000]}, {"proj:transform": "kept as pixxel:"}),
    ({"view:off_nadir": -12.5}, {"view:off_nadir": 12.5}, {"view:off_nadir": "repaired"}),
    ({"view:sun_azimuth": -90}, {"view:sun_azimuth": 270}, {"view:sun_azimuth": "repaired"}),
    ({"view:sun_elevation": 91}, {"pixxel:view_sun_elevation": 91}, {"view:sun_elevation": "kept as pixxel:"}),
    ({"view:scene_center_lat": 1, "view:scene_center_lon": 2}, {"proj:centroid": {"lat": 1, "lon": 2}}, {}),
    ({"view:scene_center_lat": 1}, {"proj:centroid": GONE, "pixxel:scene_center_lat": 1}, {"view:scene_center_lat": "kept as pixxel:"}),
    ({"view:scene_center_lat": 1, "view:scene_center_lon": 180.5}, {"proj:centroid": {"lat": 1, "lon": -179.5}}, {"view:scene_center_lon": "repaired"}),
    ({"view:scene_center_lat": 1, "view:scene_center_lon": 2, "proj:centroid": {"lat": 5, "lon": 6}}, {"proj:centroid": {"lat": 5, "lon": 6}, "pixxel:scene_center_lat": 1, "pixxel:scene_center_lon": 2}, {"view:scene_center_lat": "kept as pixxel:", "view:scene_center_lon": "kept as pixxel:"}),
    ({"altitude": 530000, "view:satellite_look_angle": 7}, {"pixxel:altitude": 530000, "pixxel:satellite_look_angle": 7}, {}),
    ({"altitude": 1, "view:altitude": 2}, {"pixxel:altitude": 1, "pixxel:altitude_2": 2}, {"view:altitude": "kept as pixxel:"}),
    ({"sat:orbit_state": "DESCENDING"}, {"sat:orbit_state": "descending"}, {"sat:orbit_state": "converted"}),
    ({"sat:relative_orbit": 0}, {"sat:relative_orbit": GONE, "pixxel:sat_relative_orbit": 0}, {"sat:relative_orbit": "kept as pixxel:"}),
    ({"sci:doi": "https://doi.org/10.1234/abc"}, {"sci:doi": "10.1234/abc"}, {"sci:doi": "converted"}),
    ({"rd:product_level": "Level-2A"}, {"processing:level": "L2A", "rd:product_level": GONE}, {"rd:product_level": "converted"}),
    ({"rd:product_level": "LV2A"}, {"processing:level": "L2A"}, {"rd:product_level": "converted"}),
    ({"rd:sat_id": "TD1", "eo:new": 1, "proj:projjson": {"a": 1}}, {"pixxel:sat_id": "TD1", "pixxel:eo_new": 1, "pixxel:proj_projjson": {"a": 1}}, {}),
    ({"novel": [1], "file:size": 5}, {"pixxel:novel": [1], "novel": GONE, "file:size": 5}, {}),
    ({"novel": None, "proj:epsg": None}, {"pixxel:novel": GONE, "proj:code": GONE, "pixxel:proj_epsg": GONE}, {}),
    ({"novel": {"s3://a": 1, "s3://a?X-Amz-Signature=s": 2}}, {"pixxel:novel": {"s3://a": 1}}, {"novel": "repaired"}),
    ({"order:status": "pending"}, {"order:status": "orderable", "pixxel:order_status": "pending"}, {"order:status": "kept as pixxel:"}),
    ({"enddatetime": TIME}, {"end_datetime": GONE, "pixxel:end_datetime": TIME}, {"enddatetime": "kept as pixxel:"}),
    ({"view:scene_center_lon": 1}, {"proj:centroid": GONE, "pixxel:scene_center_lon": 1}, {"view:scene_center_lon": "kept as pixxel:"}),
    ({"proj:epsg": 32643, "proj:code": "EPSG:32643"}, {"proj:code": "EPSG:32643", "pixxel:proj_epsg": GONE}, {"proj:epsg": "converted"}),
    ({"altitude": 1, "view:altitude": 1}, {"pixxel:altitude": 1, "pixxel:altitude_2": GONE}, {}),
    ({"novel": {"a": float("nan")}}, {"pixxel:novel": {"a": None}}, {"novel": "repaired"}),
    ({"gr\u00f6\u00dfe\ud800": 1}, {"pixxel:gr\u00f6\u00dfe\ufffd": 1}, {}),
    ({"proj:reflectance_scaling_factor": 2e-5}, {"pixxel:proj_reflectance_scaling_factor": 2e-5}, {"proj:reflectance_scaling_factor": "kept as pixxel:"}),
]  # fmt: skip


@pytest.mark.parametrize(("raw", "expected", "noted"), PROPERTIES)
def test_a_property(raw: dict[str, Any], expected: dict[str, Any], noted: dict[str, str]) -> None:
    made, notes = of_properties(**raw)
    assert_has(made, expected)
    assert notes == noted


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        ([], "item without an id: not an object"),
        ({}, "item without an id: no id"),
        ({"id": True}, "item without an id: no id"),
        ({"id": "a\nb"}, "item 'a\\nb': no datetime, start or end that can be read"),
        (
            item(id="a" * 101, properties=[]),
            f"item '{'a' * 100}': no datetime, start or end that can be read",
        ),
        (item(properties=[]), "item 'a': no datetime, start or end that can be read"),
        (
            item(properties={"datetime": "x"}),
            "item 'a': no datetime, start or end that can be read",
        ),
    ],
)
def test_what_can_be_no_item_is_refused_with_its_id_and_the_reason(raw: Any, why: str) -> None:
    with pytest.raises(ConversionError) as refused:
        to_item(raw)
    assert str(refused.value) == why


def test_a_start_alone_stands_in_for_a_missing_datetime() -> None:
    made, notes = of_properties(datetime=None, startdatetime=TIME)
    assert (made["datetime"], made["pixxel:start_datetime"]) == (TIME, TIME)
    assert notes == {"startdatetime": "kept as pixxel:"}
    made, _ = of_properties(datetime=None, startdatetime=TIME, enddatetime="2023-01-01T00:00:00Z")
    assert made["datetime"] == TIME
    assert "start_datetime" not in made


def test_a_note_names_the_member_that_it_is_about_and_comes_once() -> None:
    """What is kept under a name that is taken has been told of already."""
    raw = item(novel=math.nan)
    raw["properties"] |= {"gsd": -5, "pixxel:gsd": 1}
    stac, notes = to_item(raw)
    assert_has(stac["properties"], {"pixxel:gsd": 1, "pixxel:gsd_2": -5})
    assert sorted((note.field, note.action) for note in notes) == [
        ("novel", "dropped"),
        ("properties.gsd", "kept as pixxel:"),
    ]
