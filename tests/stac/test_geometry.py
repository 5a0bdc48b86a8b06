from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from shapely.geometry import Point, shape

from tap_pixxel.stac import to_item

TIME = "2024-01-02T03:04:05Z"
SQUARE = [[0, 0], [2, 0], [2, 2], [0, 2], [0, 0]]
BOX = [0, 0, 2, 2]


def made(geometry: Any, bbox: Any = None) -> tuple[Any, Any, set[tuple[str, str]]]:
    raw = {"id": "a", "properties": {"datetime": TIME}, "geometry": geometry, "bbox": bbox}
    stac, notes = to_item(raw)
    again = to_item(stac).stac
    assert again == stac
    return stac["geometry"], stac.get("bbox"), {(note.field, note.action) for note in notes}


def polygon(*rings: Any) -> dict[str, Any]:
    return {"type": "Polygon", "coordinates": list(rings)}


def test_a_good_polygon_passes_as_it_is_and_bbox_texts_become_numbers() -> None:
    geometry = polygon(SQUARE)
    assert made(geometry, ["0", "0", "2", "2.0"]) == (geometry, BOX, {("bbox", "converted")})
    assert made(geometry, BOX) == (geometry, BOX, set())
    assert made(geometry, [9, 9, 10, 10])[1:] == (BOX, {("bbox", "repaired")})


@pytest.mark.parametrize(
    "ring",
    [
        pytest.param(SQUARE[::-1], id="clockwise"),
        pytest.param(SQUARE[:-1], id="unclosed"),
        pytest.param([[*each, 412.5] for each in SQUARE], id="three-dimensional"),
        pytest.param([[str(x), y] for x, y in SQUARE], id="texts"),
    ],
)
def test_a_ring_is_flat_closed_and_counter_clockwise(ring: Any) -> None:
    geometry, bbox, notes = made(polygon(ring), BOX)
    assert sorted(geometry["coordinates"][0]) == sorted(SQUARE)
    assert (bbox, notes) == (BOX, {("geometry", "repaired")})


@pytest.mark.parametrize("last", [[0, 1], [1, 0], [0.5, 0.5]])
def test_a_ring_that_ends_elsewhere_is_closed(last: list[float]) -> None:
    geometry, _, _ = made(polygon([*SQUARE[:-1], last]))
    ring = geometry["coordinates"][0]
    assert ring[0] == ring[-1]


def test_a_bowtie_becomes_its_two_halves() -> None:
    geometry, bbox, notes = made(polygon([[0, 0], [2, 2], [2, 0], [0, 2], [0, 0]]))
    assert geometry["type"] == "MultiPolygon"
    assert len(geometry["coordinates"]) == 2
    assert (bbox, notes) == (BOX, {("geometry", "repaired")})


@pytest.mark.parametrize(
    "ring",
    [
        pytest.param([[179, 0], [181, 0], [181, 2], [179, 2], [179, 0]], id="past 180"),
        pytest.param([[179, 0], [-179, 0], [-179, 2], [179, 2], [179, 0]], id="jumping"),
        pytest.param([[-181, 0], [-179, 0], [-179, 2], [-181, 2], [-181, 0]], id="below -180"),
        pytest.param([[179, 0], [179, 2], [-179, 2], [-179, 0], [179, 0]], id="clockwise"),
    ],
)
def test_a_footprint_over_the_antimeridian_is_cut_and_its_bbox_says_so(ring: Any) -> None:
    geometry, bbox, _ = made(polygon(ring), ["179", "0", "-179", "2"])
    assert geometry["type"] == "MultiPolygon"
    halves = sorted(
        (min(x for x, _ in part[0]), max(x for x, _ in part[0])) for part in geometry["coordinates"]
    )
    assert halves == [(-180, -179), (179, 180)]
    assert bbox == [179, 0, -179, 2]


def test_parts_that_do_not_meet_at_the_antimeridian_have_a_plain_bbox() -> None:
    east = [[[x + 170, y] for x, y in SQUARE]]
    west = [[[x - 170, y] for x, y in SQUARE]]
    _, bbox, _ = made({"type": "MultiPolygon", "coordinates": [east, west]})
    assert bbox == [-170, 0, 172, 2]


def test_a_collection_becomes_the_union_of_its_polygons() -> None:
    members = [
        polygon(SQUARE),
        polygon([[x + 1, y] for x, y in SQUARE]),
        {"type": "Point", "coordinates": [9, 9]},
    ]
    geometry, bbox, _ = made({"type": "GeometryCollection", "geometries": members})
    assert (geometry["type"], bbox) == ("Polygon", [0, 0, 3, 2])


def test_a_point_stays_a_point() -> None:
    point = {"type": "Point", "coordinates": [1.5, 2.5]}
    assert made(point, ["1.5", "2.5", "1.5", "2.5"])[:2] == (point, [1.5, 2.5, 1.5, 2.5])


def test_a_line_becomes_flat_and_lies_within_half_a_turn() -> None:
    line = {"type": "LineString", "coordinates": [["0", 0, 9], [190, 1]]}
    geometry, bbox, notes = made(line)
    assert geometry == {"type": "LineString", "coordinates": [[0, 0], [-170, 1]]}
    assert (bbox, notes) == ([-170, 0, 0, 1], {("geometry", "repaired")})


def test_what_a_geometry_cannot_have_is_left_out_of_one_that_is_repaired() -> None:
    geometry, _, notes = made(polygon(SQUARE[::-1]) | {"crs": 1})
    assert geometry.keys() == {"type", "coordinates"}
    assert notes == {("geometry", "repaired"), ("geometry", "dropped")}
    geometry, _, _ = made({"type": "GeometryCollection", "geometries": [5, polygon(SQUARE)]})
    assert geometry == polygon(SQUARE)


def test_a_ring_round_a_pole_holds_the_pole() -> None:
    geometry, bbox, _ = made(polygon([[-170, 80], [-60, 80], [60, 80], [170, 80], [-170, 80]]))
    assert bbox == [-180, 80, 180, 90]
    assert shape(geometry).contains(Point(0, 85))


def test_a_bbox_of_texts_that_are_no_numbers_is_repaired() -> None:
    assert made(polygon(SQUARE), ["x", "0", "2", "2"])[1:] == (BOX, {("bbox", "repaired")})


def test_json_text_is_read() -> None:
    texts = polygon(SQUARE) | {"coordinates": json.dumps([SQUARE])}
    for given in (texts, json.dumps(polygon(SQUARE))):
        assert made(given)[:2] == (polygon(SQUARE), BOX)


UNUSABLE: list[Any] = [
    "nothing", [], 5, {}, {"type": "Polygon"}, polygon(), polygon([]), polygon([[0, 0], [1, 1]]),
    polygon([[0, 0], [1, 1], [2, 2], [0, 0]]), polygon([[0, 0], [float("nan"), 1], [1, 1]]),
    polygon([[0], [2, 0], [2, 2], [0, 2], [0, 0]]), {"type": "LineString", "coordinates": [[0, 0]]},
    polygon([[0, 0], [0, 91], [1, 1]]), polygon([[0, 0], [True, 1], [1, 1]]),
    {"type": "Circle", "coordinates": [1, 2]}, {"type": ["Polygon"], "coordinates": [SQUARE]},
    {"type": "Polygon", "coordinates": "[[["},
]  # fmt: skip


@pytest.mark.parametrize("geometry", UNUSABLE)
def test_an_unusable_geometry_gives_way_to_the_bbox_or_to_null(geometry: Any) -> None:
    assert made(geometry)[:2] == (None, None)
    assert ("geometry", "dropped") in made(geometry)[2]
    found, bbox, notes = made(geometry, ["0", "0", "2", "2"])
    assert (found, bbox) == (polygon(SQUARE), BOX)
    assert {("geometry", "dropped"), ("bbox", "repaired")} <= notes


@pytest.mark.parametrize("bbox", [[0, 0, 0, 0], [0, 2, 2, 0], [0, 0, 200, 2], [1, 2], {"a": 1}])
def test_without_a_geometry_a_bbox_that_encloses_nothing_goes_too(bbox: Any) -> None:
    assert made(None, bbox) == (None, None, {("bbox", "dropped")})


def test_a_bbox_over_the_antimeridian_makes_two_boxes() -> None:
    geometry, bbox, _ = made(None, [170, 0, -170, 2])
    assert (geometry["type"], bbox) == ("MultiPolygon", [170, 0, -170, 2])


def test_a_bbox_that_begins_at_the_antimeridian_is_one_box() -> None:
    geometry, bbox, _ = made(None, [180, 0, -170, 2])
    assert (geometry["type"], bbox) == ("Polygon", [-180, 0, -170, 2])


def test_good_polygons_do_not_load_what_repairs_them() -> None:
    raw = {"id": "a", "properties": {"datetime": TIME}, "geometry": polygon(SQUARE)}
    code = (
        "import sys, tap_pixxel.stac as s\n"
        f"s.to_item({raw!r})\n"
        "print(sorted({'shapely', 'antimeridian', 'pystac', 'singer_sdk'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
