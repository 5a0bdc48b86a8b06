# ruff: noqa: E501 - tables, a case a line
"""Properties that depend on each other: times, centres, licenses, factors."""

from __future__ import annotations

from math import nan
from typing import Any

import pytest

from tap_pixxel.stac import to_item
from tests.stac.singles import TIME, item

EARLY = "2023-01-01T00:00:00Z"
KEPT = "kept as pixxel:"
LAT, LON = "view:scene_center_lat", "view:scene_center_lon"
AT = {"lat": 1, "lon": 2}
SCALE = "proj:reflectance_scaling_factor"
OFFSET, OTHER_OFFSET = "proj:reflectance_addition_factor", "proj:addition_factor"

WHOLE: list[tuple[dict[str, Any], dict[str, Any], list[tuple[str, str]]]] = [
    # properties of the API, all of STAC's but those that every item has, what is noted
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


@pytest.mark.parametrize(("raw", "expected", "noted"), WHOLE)
def test_properties(
    raw: dict[str, Any], expected: dict[str, Any], noted: list[tuple[str, str]]
) -> None:
    stac, notes = to_item(item(properties={"datetime": TIME} | raw))
    assert stac["properties"] == {"datetime": TIME, "order:status": "orderable"} | expected
    assert [(note.field.removeprefix("properties."), note.action) for note in notes] == noted


FACTORS: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any], list[tuple[str, str]]]] = [
    # properties of the API, the data band's fields, the properties left, what is noted
    ({SCALE: 2}, {"raster:scale": 2}, {}, []),
    ({SCALE: 1}, {"raster:scale": 1}, {}, []),
    ({SCALE: "2"}, {"raster:scale": 2}, {}, [(SCALE, "converted")]),
    ({SCALE: 0}, {}, {"pixxel:proj_reflectance_scaling_factor": 0}, [(SCALE, KEPT)]),
    ({OFFSET: 0}, {"raster:offset": 0}, {}, []),
    ({OTHER_OFFSET: 1}, {"raster:offset": 1}, {}, []),
    ({OFFSET: 1, OTHER_OFFSET: 3}, {"raster:offset": 1}, {"pixxel:proj_addition_factor": 3}, [(OTHER_OFFSET, KEPT)]),
    ({OFFSET: "x"}, {}, {"pixxel:proj_reflectance_addition_factor": "x"}, [(OFFSET, KEPT)]),
]  # fmt: skip


@pytest.mark.parametrize(("raw", "band", "left", "noted"), FACTORS)
def test_factors_go_to_the_data_band_or_stay(
    raw: dict[str, Any],
    band: dict[str, Any],
    left: dict[str, Any],
    noted: list[tuple[str, str]],
) -> None:
    assets = {"x": {"href": "https://a.invalid/x", "bands": [{"name": "B1"}]}}
    stac, notes = to_item(item(properties={"datetime": TIME} | raw, assets=assets))
    assert stac["assets"]["x"]["bands"] == [{"name": "B1"} | band]
    assert stac["properties"] == {"datetime": TIME, "order:status": "orderable"} | left
    assert [(note.field.removeprefix("properties."), note.action) for note in notes] == noted
