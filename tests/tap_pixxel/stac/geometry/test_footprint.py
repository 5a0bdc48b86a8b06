"""Test the normalization of footprints and their bounding boxes."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from tap_pixxel.stac import to_item
from tap_pixxel.stac.geometry.footprint import (
    bbox_polygon,
    normalize_footprint,
    parse_bbox,
)
from tests.tap_pixxel.stac.geometry.shapes import BOX, SQUARE, polygon
from tests.tap_pixxel.stac.minimal_items import TIME


def normalize(geometry: Any, bbox: Any = None) -> tuple[Any, Any, set[tuple[str, str]]]:
    raw = {"id": "a", "properties": {"datetime": TIME}, "geometry": geometry, "bbox": bbox}
    stac, notes = to_item(raw)
    again = to_item(stac).stac
    assert again == stac
    return stac["geometry"], stac.get("bbox"), {(note.field, note.action) for note in notes}


@pytest.mark.parametrize("geometry", ["nothing", 5, {}, polygon([]), polygon([[0, 0], [1, 1]])])
def test_footprint_invalid_is_replaced_by_bbox_or_null(geometry: Any) -> None:
    assert normalize(geometry)[:2] == (None, None)
    assert ("geometry", "dropped") in normalize(geometry)[2]
    found, bbox, notes = normalize(geometry, ["0", "0", "2", "2"])
    assert (found, bbox) == (polygon(SQUARE), BOX)
    assert {("geometry", "dropped"), ("bbox", "repaired")} <= notes


@pytest.mark.parametrize("bbox", [[0, 0, 0, 0], [0, 2, 2, 0], [0, 0, 200, 2], [1, 2], {"a": 1}])
def test_footprint_missing_with_empty_bbox_has_no_bbox(bbox: Any) -> None:
    assert normalize(None, bbox) == (None, None, {("bbox", "dropped")})


def test_footprint_valid_polygon_does_not_import_shapely() -> None:
    raw = {"id": "a", "properties": {"datetime": TIME}, "geometry": polygon(SQUARE)}
    code = (
        "import sys, tap_pixxel.stac as s\n"
        f"s.to_item({raw!r})\n"
        "print(sorted({'shapely', 'antimeridian', 'pystac', 'singer_sdk'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


OFFSETS = [(0, 0), (100, 50), (-100, -50), (100, -50), (-100, 50)]


def box_ring(west: float, south: float, east: float, north: float) -> list[list[float]]:
    return [[west, south], [east, south], [east, north], [west, north], [west, south]]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([-180, -90, 180, 90], [-180, -90, 180, 90]),
        (["0", 0, 1, 1], [*BOX[:2], 1, 1]),
        ([0, 1, 500, 2, 3, 600], [0, 1, 2, 3]),
        ([180, 0, -179, 1], [180, 0, -179, 1]),
        ([179, 0, -180, 1], [179, 0, -180, 1]),
        ([180, 0, -180, 1], None),
        ([5, 0, 5, 1], None),
        ([0, 5, 1, 5], None),
        ([-181, 0, 0, 1], None),
        ([181, 0, 0, 1], None),
        ([0, 0, 181, 1], None),
        ([0, 0, -181, 1], None),
        ([0, -91, 1, 1], None),
        ([0, 0, 1, 91], None),
        ([0, 0, 1], None),
    ],
)
def test_parse_bbox_without_area_returns_none(value: Any, expected: Any) -> None:
    assert parse_bbox(value) == expected


def test_bbox_polygon_steps_are_at_most_half_a_turn() -> None:
    assert bbox_polygon([0, 0, 180, 1]) == polygon(box_ring(0, 0, 180, 1))
    wide = [[-90, 0], [5, 0], [100, 0], [100, 1], [5, 1], [-90, 1], [-90, 0]]
    assert bbox_polygon([-90, 0, 100, 1]) == polygon(wide)


def test_bbox_polygon_at_antimeridian_has_one_or_two_parts() -> None:
    halves = [[box_ring(170, 0, 180, 1)], [box_ring(-180, 0, -170, 1)]]
    assert bbox_polygon([170, 0, -170, 1]) == {"type": "MultiPolygon", "coordinates": halves}
    assert bbox_polygon([170, 0, -180, 1]) == polygon(*halves[0])
    assert bbox_polygon([180, 0, -170, 1]) == polygon(*halves[1])


@pytest.mark.parametrize(
    ("bbox", "done"),
    [
        (BOX, []),
        (["0", "0", "2", "2.0"], ["converted"]),
        ([0, "0", 2, 2], ["converted"]),
        ([0, 0, 2, 2.0000000001], ["converted"]),
        ([0, 0, 2, 2.1], ["repaired"]),
        (["0", "0", "2", "3"], ["repaired"]),
        (["0", "0", "2", "x"], ["repaired"]),
        ([0, 0, 2, None], ["repaired"]),
        ([0, 0, 5, 2, 2, 5], ["repaired"]),
        (5, ["repaired"]),
        ({"west": 0, "south": 0, "east": 2, "north": 2}, ["repaired"]),
    ],
)
def test_normalize_footprint_other_bbox_is_noted(bbox: Any, done: list[str]) -> None:
    actions: list[str] = []
    result, found = normalize_footprint(
        polygon(SQUARE), bbox, lambda _, what, __: actions.append(what)
    )
    assert (result, found) == (polygon(SQUARE), BOX)
    assert actions == done
