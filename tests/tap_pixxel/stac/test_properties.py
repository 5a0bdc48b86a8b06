# ruff: noqa: E501 - tables, one case per line
"""Test the conversion of properties."""

from __future__ import annotations

import math
from math import nan
from typing import Any

import pytest

from tap_pixxel.stac import to_item
from tests.tap_pixxel.stac.minimal_items import (
    ABSENT,
    TIME,
    assert_members,
    convert_properties,
    make_item,
)

EARLY = "2023-01-01T00:00:00Z"
ZERO = "0001-01-01T00:00:00Z"  # Go's time that is not set
KEPT = "kept as pixxel:"
LAT, LON = "view:scene_center_lat", "view:scene_center_lon"
AT = {"lat": 1, "lon": 2}
SCALE = "proj:reflectance_scaling_factor"
OFFSET, OTHER_OFFSET = "proj:reflectance_addition_factor", "proj:addition_factor"


WHOLE: list[tuple[dict[str, Any], dict[str, Any], list[tuple[str, str]]]] = [
    # the API's properties, STAC's properties except those of every item, actions noted
    ({"start_datetime": EARLY, "end_datetime": TIME}, {"start_datetime": EARLY, "end_datetime": TIME}, []),
    ({"startdatetime": EARLY, "enddatetime": TIME}, {"start_datetime": EARLY, "end_datetime": TIME}, []),
    ({"start_datetime": TIME, "startdatetime": TIME, "end_datetime": TIME}, {"start_datetime": TIME, "end_datetime": TIME}, []),
    ({"start_datetime": TIME, "startdatetime": EARLY, "end_datetime": TIME}, {"start_datetime": TIME, "end_datetime": TIME, "pixxel:start_datetime": EARLY}, [("startdatetime", KEPT)]),
    ({"start_datetime": TIME, "startdatetime": "soon", "end_datetime": TIME}, {"start_datetime": TIME, "end_datetime": TIME, "pixxel:start_datetime": "soon"}, [("startdatetime", KEPT)]),
    ({"start_datetime": "soon", "startdatetime": TIME, "end_datetime": TIME}, {"start_datetime": TIME, "end_datetime": TIME, "pixxel:start_datetime": "soon"}, [("start_datetime", KEPT)]),
    ({"startdatetime": TIME, "enddatetime": EARLY}, {"pixxel:start_datetime": TIME, "pixxel:end_datetime": EARLY}, [("startdatetime", KEPT), ("enddatetime", KEPT)]),
    ({"startdatetime": "soon"}, {"pixxel:start_datetime": "soon"}, [("startdatetime", KEPT)]),
    ({"datetime": None, "end_datetime": TIME}, {"pixxel:end_datetime": TIME}, [("end_datetime", KEPT)]),
    ({"datetime": "soon", "startdatetime": TIME}, {"pixxel:datetime": "soon", "pixxel:start_datetime": TIME}, [("datetime", KEPT), ("startdatetime", KEPT)]),
    ({"datetime": ZERO, "end_datetime": TIME}, {"pixxel:end_datetime": TIME}, [("datetime", "dropped"), ("end_datetime", KEPT)]),
    ({"created": ZERO, "updated": ZERO, "startdatetime": ZERO, "enddatetime": TIME}, {"pixxel:end_datetime": TIME}, [("startdatetime", "dropped"), ("created", "dropped"), ("updated", "dropped"), ("enddatetime", KEPT)]),
    ({"updated": "0001-05-01T00:00:00Z"}, {"pixxel:updated": "0001-05-01T00:00:00Z"}, [("updated", KEPT)]),
    ({LAT: 1, LON: 2}, {"proj:centroid": AT}, []),
    ({LAT: "1", LON: 2}, {"proj:centroid": AT}, [(LAT, "converted")]),
    ({LAT: 1, LON: "2"}, {"proj:centroid": AT}, [(LON, "converted")]),
    ({LAT: 1, LON: 2, "proj:centroid": AT}, {"proj:centroid": AT}, []),
    ({LAT: 1, LON: 3, "proj:centroid": AT}, {"proj:centroid": AT, "pixxel:scene_center_lat": 1, "pixxel:scene_center_lon": 3}, [(LAT, KEPT), (LON, KEPT)]),
    ({LAT: 91, LON: 2}, {"pixxel:scene_center_lat": 91, "pixxel:scene_center_lon": 2}, [(LAT, KEPT), (LON, KEPT)]),
    ({LAT: 1, LON: 180}, {"proj:centroid": {"lat": 1, "lon": 180}}, []),
    ({LAT: 1, LON: 180.3}, {"proj:centroid": {"lat": 1, "lon": -179.7}}, [(LON, "repaired")]),
    ({LAT: 1, LON: -180.5}, {"proj:centroid": {"lat": 1, "lon": 179.5}}, [(LON, "repaired")]),
    ({LAT: 1, LON: 400.1}, {"proj:centroid": {"lat": 1, "lon": 40.1}}, [(LON, "repaired")]),
    ({LAT: 1, LON: 540}, {"proj:centroid": {"lat": 1, "lon": 180}}, [(LON, "repaired")]),
    ({LAT: 1, LON: 540.5}, {"pixxel:scene_center_lat": 1, "pixxel:scene_center_lon": 540.5}, [(LAT, KEPT), (LON, KEPT)]),
    ({"license": 5}, {"pixxel:license": 5}, [("license", KEPT)]),
    ({"license": " "}, {}, [("license", "dropped")]),
    ({"license": " MIT "}, {"license": "MIT"}, [("license", "converted")]),
    ({"license": "a b"}, {"license": "other", "pixxel:license": "a b"}, [("license", KEPT)]),
    ({"order:status": "orderable"}, {}, []),
    ({"order:status": "pending"}, {"pixxel:order_status": "pending"}, [("order:status", KEPT)]),
    ({"file:x": [nan], "file:y": None}, {"file:x": [None]}, [("file:x", "repaired")]),
    ({"proj:epsg": None, "novel": None, "gsd": None, LAT: None, SCALE: None}, {}, []),
    ({SCALE: 2, OFFSET: 1, OTHER_OFFSET: 3}, {"pixxel:proj_reflectance_scaling_factor": 2, "pixxel:proj_reflectance_addition_factor": 1, "pixxel:proj_addition_factor": 3}, [(SCALE, KEPT), (OFFSET, KEPT), (OTHER_OFFSET, KEPT)]),
]  # fmt: skip


@pytest.mark.parametrize(("raw", "expected", "actions"), WHOLE)
def test_properties_dependent_fields_return_expected(
    raw: dict[str, Any], expected: dict[str, Any], actions: list[tuple[str, str]]
) -> None:
    stac, notes = to_item(make_item(properties={"datetime": TIME} | raw))
    assert stac["properties"] == {"datetime": TIME, "order:status": "orderable"} | expected
    assert [(note.field.removeprefix("properties."), note.action) for note in notes] == actions


FACTORS: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any], list[tuple[str, str]]]] = [
    # the API's properties, fields of the data band, other properties, actions noted
    ({SCALE: 2}, {"raster:scale": 2}, {}, []),
    ({SCALE: 1}, {"raster:scale": 1}, {}, []),
    ({SCALE: "2"}, {"raster:scale": 2}, {}, [(SCALE, "converted")]),
    ({SCALE: 0}, {}, {"pixxel:proj_reflectance_scaling_factor": 0}, [(SCALE, KEPT)]),
    ({OFFSET: 0}, {"raster:offset": 0}, {}, []),
    ({OTHER_OFFSET: 1}, {"raster:offset": 1}, {}, []),
    ({OFFSET: 1, OTHER_OFFSET: 3}, {"raster:offset": 1}, {"pixxel:proj_addition_factor": 3}, [(OTHER_OFFSET, KEPT)]),
    ({OFFSET: "x"}, {}, {"pixxel:proj_reflectance_addition_factor": "x"}, [(OFFSET, KEPT)]),
]  # fmt: skip


@pytest.mark.parametrize(("raw", "band", "left", "actions"), FACTORS)
def test_reflectance_factors_go_to_data_band_or_are_kept(
    raw: dict[str, Any],
    band: dict[str, Any],
    left: dict[str, Any],
    actions: list[tuple[str, str]],
) -> None:
    assets = {"x": {"href": "https://a.invalid/x", "bands": [{"name": "B1"}]}}
    stac, notes = to_item(make_item(properties={"datetime": TIME} | raw, assets=assets))
    assert stac["assets"]["x"]["bands"] == [{"name": "B1"} | band]
    assert stac["properties"] == {"datetime": TIME, "order:status": "orderable"} | left
    assert [(note.field.removeprefix("properties."), note.action) for note in notes] == actions


PROPERTIES: list[tuple[dict[str, Any], dict[str, Any], dict[str, str]]] = [
    # the API's field, STAC's fields (ABSENT: not in the output), actions noted
    ({"created": "soon"}, {"created": ABSENT, "pixxel:created": "soon"}, {"created": "kept as pixxel:"}),
    ({"platform": " TD1 ", "mission": " ", "constellation": None}, {"platform": "TD1", "mission": ABSENT, "constellation": ABSENT}, {"platform": "converted", "mission": "dropped"}),
    ({"license": "proprietary"}, {"license": "other", "pixxel:license": "proprietary"}, {"license": "kept as pixxel:"}),
    ({"gsd": 0}, {"gsd": ABSENT}, {"gsd": "dropped"}),
    ({"eo:cloud_cover": float("nan")}, {"eo:cloud_cover": ABSENT}, {"eo:cloud_cover": "dropped"}),
    ({"proj:epsg": 32643}, {"proj:code": "EPSG:32643", "proj:epsg": ABSENT}, {"proj:epsg": "converted"}),
    ({"proj:epsg": 32643, "proj:code": "EPSG:4326"}, {"proj:code": "EPSG:4326", "pixxel:proj_epsg": 32643}, {"proj:epsg": "kept as pixxel:"}),
    ({"proj:wkt2": 'GEOGCS["WGS 84"]'}, {"proj:wkt2": ABSENT}, {"proj:wkt2": "dropped"}),
    ({"view:scene_center_lat": 1}, {"proj:centroid": ABSENT, "pixxel:scene_center_lat": 1}, {"view:scene_center_lat": "kept as pixxel:"}),
    ({"altitude": 530000, "view:satellite_look_angle": 7}, {"pixxel:altitude": 530000, "pixxel:satellite_look_angle": 7}, {}),
    ({"altitude": 1, "view:altitude": 2}, {"pixxel:altitude": 1, "pixxel:altitude_2": 2}, {"view:altitude": "kept as pixxel:"}),
    ({"rd:product_level": "LV2A"}, {"processing:level": "L2A"}, {"rd:product_level": "converted"}),
    ({"rd:sat_id": "TD1", "eo:new": 1, "proj:projjson": {"a": 1}}, {"pixxel:sat_id": "TD1", "pixxel:eo_new": 1, "pixxel:proj_projjson": {"a": 1}}, {}),
    ({"novel": [1], "file:size": 5}, {"pixxel:novel": [1], "novel": ABSENT, "file:size": 5}, {}),
    ({"novel": {"s3://a": 1, "s3://a?X-Amz-Signature=s": 2}}, {"pixxel:novel": {"s3://a": 1}}, {"novel": "repaired"}),
    ({"enddatetime": TIME}, {"end_datetime": ABSENT, "pixxel:end_datetime": TIME}, {"enddatetime": "kept as pixxel:"}),
    ({"view:scene_center_lon": 1}, {"proj:centroid": ABSENT, "pixxel:scene_center_lon": 1}, {"view:scene_center_lon": "kept as pixxel:"}),
    ({"proj:epsg": 32643, "proj:code": "EPSG:32643"}, {"proj:code": "EPSG:32643", "pixxel:proj_epsg": ABSENT}, {"proj:epsg": "converted"}),
    ({"altitude": 1, "view:altitude": 1}, {"pixxel:altitude": 1, "pixxel:altitude_2": ABSENT}, {}),
    ({"novel": {"a": float("nan")}}, {"pixxel:novel": {"a": None}}, {"novel": "repaired"}),
    ({"gr\u00f6\u00dfe\ud800": 1}, {"pixxel:gr\u00f6\u00dfe\ufffd": 1}, {}),
    ({"proj:reflectance_scaling_factor": 2e-5}, {"pixxel:proj_reflectance_scaling_factor": 2e-5}, {"proj:reflectance_scaling_factor": "kept as pixxel:"}),
]  # fmt: skip


@pytest.mark.parametrize(("raw", "expected", "actions"), PROPERTIES)
def test_property_returns_expected(
    raw: dict[str, Any], expected: dict[str, Any], actions: dict[str, str]
) -> None:
    result, notes = convert_properties(**raw)
    assert_members(result, expected)
    assert notes == actions


def test_properties_start_alone_replaces_missing_datetime() -> None:
    result, notes = convert_properties(datetime=None, startdatetime=TIME)
    assert (result["datetime"], result["pixxel:start_datetime"]) == (TIME, TIME)
    assert notes == {"startdatetime": "kept as pixxel:"}
    result, _ = convert_properties(
        datetime=None, startdatetime=TIME, enddatetime="2023-01-01T00:00:00Z"
    )
    assert result["datetime"] == TIME
    assert "start_datetime" not in result


def test_notes_name_their_field_once() -> None:
    """A field that is kept under a suffixed name has one note only."""
    raw = make_item(novel=math.nan)
    raw["properties"] |= {"gsd": -5, "pixxel:gsd": 1}
    stac, notes = to_item(raw)
    assert_members(stac["properties"], {"pixxel:gsd": 1, "pixxel:gsd_2": -5})
    assert sorted((note.field, note.action) for note in notes) == [
        ("novel", "dropped"),
        ("properties.gsd", "kept as pixxel:"),
    ]
