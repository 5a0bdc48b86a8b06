"""Quads: which footprints go the quick way, and that they come out as by the library."""

from __future__ import annotations

from typing import Any

import pytest

from tap_pixxel.stac.geometry import fast_path, repair
from tests.stac.test_geometry import polygon

SLANTED = [[178.3, -10.1], [181.2, -9.7], [180.6, 3.3], [178.9, 2.1]]
"""Counter-clockwise, and no edge along a meridian or a parallel."""


def closed(corners: list[Any]) -> list[Any]:
    return [*corners, corners[0]]


def moved(lon: float, lat: float = 0.0, corners: list[list[float]] = SLANTED) -> list[list[float]]:
    return [[x + lon, y + lat] for x, y in corners]


def turned(corners: list[list[float]]) -> list[list[float]]:
    """Write longitudes between -180 and 180."""
    return [[x - 360 if x > 180 else x, y] for x, y in corners]


QUICK: dict[str, list[list[float]]] = {
    "past 180": SLANTED,
    "jumping": turned(SLANTED),
    "below -180": moved(-360),
    "more of it in the east": moved(-1.1),
    "clockwise": moved(-100)[::-1],
    "clockwise, to the edge": [[179, 0], [179, 1], [180, 1], [180, 0]],
    "clockwise, from the edge": [[-180, 0], [-180, 1], [-179, 1], [-179, 0]],
    "clockwise, on the pole": [[0, 89], [0, 90], [1, 90], [1, 89]],
    "high": [[*corner, 412.5] for corner in moved(-100)],
    "as wide as any": [[0, 0, 1], [90, 0, 1], [90, 1, 1], [0, 1, 1]],
    "whole numbers": [[179, 0], [181, 0], [181, 2], [179, 2]],
    "whole numbers and others": [[179, 0.0], [181.0, 0], [181, 2], [179, 2.0]],
}


@pytest.mark.parametrize("corners", QUICK.values(), ids=QUICK)
def test_what_goes_the_quick_way_comes_out_as_the_library_has_it(corners: Any) -> None:
    for start in range(4):
        geometry = polygon(closed(corners[start:] + corners[:start]))
        made = fast_path.repair_quadrilateral(geometry)
        assert made is not None
        assert repr(made) == repr(repair.repair_geometry(geometry, lambda *_: None))


LEFT: dict[str, Any] = {
    "wider than any footprint": [[0, 0, 1], [90.5, 0, 1], [90.5, 1, 1], [0, 1, 1]],
    "round a pole": [[0, 80], [90, 80], [180, 80], [-90, 80]],
    "clockwise over 180": SLANTED[::-1],
    "clockwise and jumping": turned(SLANTED)[::-1],
    "clockwise below -180": moved(-360)[::-1],
    "in another turn": moved(100),
    "in the turn before": moved(-500),
    "a corner on 180": [[179, 0], [180, 0], [181, 1], [179, 1]],
    "a corner a hair off 180": [[179, 0], [180.0000005, 0], [181, 1], [179, 1]],
    "hardly over 180": [[170, -1], [180.000002, 0], [170, 1], [160, 0]],
    "a bowtie": [[0, 0], [2, 2], [2, 0], [0, 2]],
    "a bowtie over 180": [[179, 0], [181, 2], [181, 0], [179, 2]],
    "bent": [[0, 0], [2, 0], [0.5, 0.5], [0, 2]],
    "bent over 180": [[179, 0], [182, 0], [179.5, 0.5], [179, 2]],
    "hardly bent over 180": [[179, 0], [180.5, -1e-6], [182, 0], [180.5, 2]],
    "a turn apart": [[-160, 0], [201, 0], [201, 1], [-160, 1]],
    "farther than a turn": moved(359.5),
    "farther than a turn in the west": moved(-719.5),
    "beyond the pole": [[179, 89], [181, 89], [181, 90.1], [179, 90.1]],
    "beyond the other pole": [[179, -90.1], [181, -90.1], [181, -89], [179, -89]],
    "texts": [["179", 0], [181, 0], [181, 2], [179, 2]],
    "a text for a latitude": [[179, 0], [181, 0], [181, "2"], [179, 2]],
    "a truth": [[179, True], [181, 0], [181, 2], [179, 2]],
    "no position": [[179, 0], [181], [181, 2], [179, 2]],
    "pairs": [(179, 0), (181, 0), (181, 2), (179, 2)],
    "no list": [[179, 0], "ab", [181, 2], [179, 2]],
}  # fmt: skip


@pytest.mark.parametrize("corners", LEFT.values(), ids=LEFT)
def test_what_is_not_as_simple_is_left_to_the_library(corners: Any) -> None:
    assert fast_path.repair_quadrilateral(polygon(closed(corners))) is None


@pytest.mark.parametrize(
    "geometry",
    [
        polygon([*SLANTED, [0, 0]]),
        polygon(closed(SLANTED)) | {"bbox": [0, 0, 1, 1]},
        polygon(closed(SLANTED), closed(SLANTED)),
        polygon(closed(SLANTED[:3])),
        {"type": "MultiPoint", "coordinates": [closed(SLANTED)]},
        {"type": "Polygon"},
        None,
    ],
)
def test_what_is_no_quadrilateral_is_left_to_the_library(geometry: Any) -> None:
    assert fast_path.repair_quadrilateral(geometry) is None
