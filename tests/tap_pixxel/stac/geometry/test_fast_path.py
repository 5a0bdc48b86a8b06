"""Test that the fast path returns what shapely returns, or leaves the geometry to it."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tap_pixxel.stac.geometry import fast_path, repair
from tap_pixxel.stac.geometry.footprint import normalize_footprint
from tests.tap_pixxel.stac.geometry.shapes import SQUARE, polygon

SLANTED = [[178.3, -10.1], [181.2, -9.7], [180.6, 3.3], [178.9, 2.1]]
"""Counter-clockwise, without an edge along a meridian or a parallel."""


def close_ring(corners: list[Any]) -> list[Any]:
    return [*corners, corners[0]]


def shift(lon: float, lat: float = 0.0, corners: list[list[float]] = SLANTED) -> list[list[float]]:
    return [[x + lon, y + lat] for x, y in corners]


def wrap(corners: list[list[float]]) -> list[list[float]]:
    """Wrap longitudes to -180 to 180."""
    return [[x - 360 if x > 180 else x, y] for x, y in corners]


HANDLED: dict[str, list[list[float]]] = {
    "past 180": SLANTED,
    "jumping": wrap(SLANTED),
    "below -180": shift(-360),
    "more of it in the east": shift(-1.1),
    "clockwise": shift(-100)[::-1],
    "clockwise, to the edge": [[179, 0], [179, 1], [180, 1], [180, 0]],
    "clockwise, from the edge": [[-180, 0], [-180, 1], [-179, 1], [-179, 0]],
    "clockwise, on the pole": [[0, 89], [0, 90], [1, 90], [1, 89]],
    "three-dimensional": [[*corner, 412.5] for corner in shift(-100)],
    "of the maximum span": [[0, 0, 1], [90, 0, 1], [90, 1, 1], [0, 1, 1]],
    "integers": [[179, 0], [181, 0], [181, 2], [179, 2]],
    "integers and floats": [[179, 0.0], [181.0, 0], [181, 2], [179, 2.0]],
}


@pytest.mark.parametrize("corners", HANDLED.values(), ids=HANDLED)
def test_repair_quadrilateral_simple_equals_repair_geometry(corners: Any) -> None:
    for start in range(4):
        geometry = polygon(close_ring(corners[start:] + corners[:start]))
        result = fast_path.repair_quadrilateral(geometry)
        assert result is not None
        assert repr(result) == repr(repair.repair_geometry(geometry, lambda *_: None))


NOT_HANDLED: dict[str, Any] = {
    "wider than the maximum span": [[0, 0, 1], [90.5, 0, 1], [90.5, 1, 1], [0, 1, 1]],
    "around a pole": [[0, 80], [90, 80], [180, 80], [-90, 80]],
    "clockwise over 180": SLANTED[::-1],
    "clockwise and jumping": wrap(SLANTED)[::-1],
    "clockwise below -180": shift(-360)[::-1],
    "in another turn": shift(100),
    "in the turn before": shift(-500),
    "a corner on 180": [[179, 0], [180, 0], [181, 1], [179, 1]],
    "a corner next to 180": [[179, 0], [180.0000005, 0], [181, 1], [179, 1]],
    "barely past 180": [[170, -1], [180.000002, 0], [170, 1], [160, 0]],
    "a bowtie": [[0, 0], [2, 2], [2, 0], [0, 2]],
    "a bowtie over 180": [[179, 0], [181, 2], [181, 0], [179, 2]],
    "bent": [[0, 0], [2, 0], [0.5, 0.5], [0, 2]],
    "bent over 180": [[179, 0], [182, 0], [179.5, 0.5], [179, 2]],
    "barely bent over 180": [[179, 0], [180.5, -1e-6], [182, 0], [180.5, 2]],
    "a turn apart": [[-160, 0], [201, 0], [201, 1], [-160, 1]],
    "farther than a turn": shift(359.5),
    "farther than a turn in the west": shift(-719.5),
    "beyond the pole": [[179, 89], [181, 89], [181, 90.1], [179, 90.1]],
    "beyond the other pole": [[179, -90.1], [181, -90.1], [181, -89], [179, -89]],
    "texts": [["179", 0], [181, 0], [181, 2], [179, 2]],
    "a text for a latitude": [[179, 0], [181, 0], [181, "2"], [179, 2]],
    "a boolean": [[179, True], [181, 0], [181, 2], [179, 2]],
    "not a position": [[179, 0], [181], [181, 2], [179, 2]],
    "tuples": [(179, 0), (181, 0), (181, 2), (179, 2)],
    "not a list": [[179, 0], "ab", [181, 2], [179, 2]],
}  # fmt: skip


OTHER_GEOMETRIES: dict[str, Any] = {
    "open": polygon([*SLANTED, [0, 0]]),
    "open in one direction": polygon([*SQUARE[:4], [0, 1]]),
    "open in the other direction": polygon([*SQUARE[:4], [1, 0]]),
    "a corner on an edge": polygon(close_ring([[0, 0], [1, 0], [2, 0], [1, 1]])),
    "half a turn wide": polygon(close_ring([[-90, 0], [90, 0], [90, 1], [-90, 1]])),
    "wider than half a turn": polygon(close_ring([[-90, 0], [90.1, 0], [90.1, 1], [-90, 1]])),
    "a quarter of the globe": polygon(close_ring([[-180, -90], [0, -90], [0, 90], [-180, 90]])),
    "south of the pole": polygon(close_ring([[0, -90.1], [1, -90.1], [1, 0], [0, 0]])),
    "north of the pole": polygon(close_ring([[0, 0], [1, 0], [1, 90.1], [0, 90.1]])),
    "valid with a bbox": polygon(SQUARE) | {"bbox": [0, 0, 2, 2]},
    "with a bbox": polygon(close_ring(SLANTED)) | {"bbox": [0, 0, 1, 1]},
    "two rings": polygon(SQUARE, SQUARE),
    "three corners": polygon(close_ring(SLANTED[:3])),
    "of another type": {"type": "MultiPoint", "coordinates": [SQUARE]},
    "without coordinates": {"type": "Polygon", "odd": 5},
    "numbers for corners": polygon([5, 5, 5, 5, 5]),
    "null": None,
}


def find_footprints(geometry: Any) -> list[Any]:
    """Return a footprint and its notes, then those that are made without any fast path."""
    found = []
    with pytest.MonkeyPatch.context() as patch:
        for _ in range(2):
            actions: list[tuple[str, str]] = []
            footprint = normalize_footprint(
                geometry, None, lambda *note, actions=actions: actions.append(note[:2])
            )
            found.append((footprint, actions))
            patch.setattr("tap_pixxel.stac.geometry.footprint._convex_bbox", lambda _: None)
            patch.setattr("tap_pixxel.stac.geometry.footprint.repair_quadrilateral", lambda _: None)
    return found


@pytest.mark.parametrize(
    "geometry",
    [polygon(close_ring(corners)) for corners in NOT_HANDLED.values()]
    + [*OTHER_GEOMETRIES.values()],
    ids=[*NOT_HANDLED, *OTHER_GEOMETRIES],
)
def test_footprint_complex_equals_repaired_geometry(geometry: Any) -> None:
    fast, slow = find_footprints(geometry)
    assert fast == slow
    assert fast_path.repair_quadrilateral(geometry) is None


DIGITS = st.sampled_from([0, 1, 2, 6, 12])


MIDDLES = st.one_of(
    st.sampled_from([-540.0, -180.0, 0.0, 179.9, 180.0, -179.5, 540.0]), st.floats(-190, 190)
)


@st.composite
def four_corners(draw: st.DrawFn) -> list[list[float]]:
    """Draw corners on an ellipse, sorted or not, at longitudes of any turn."""
    lon, lat, size = draw(MIDDLES), draw(st.floats(-90, 90)), draw(st.floats(1e-3, 45))
    angles = draw(st.lists(st.floats(0, math.tau), min_size=4, max_size=4))
    if draw(st.integers(0, 3)):
        angles.sort(reverse=draw(st.booleans()))
    digits, wraps, high = draw(DIGITS), draw(st.booleans()), draw(st.booleans())
    ring = []
    for angle in angles:
        x, y = lon + size * math.cos(angle), lat + size * math.sin(angle) / 2
        x = (x + 180) % 360 - 180 if wraps else x
        ring.append([round(x, digits), round(y, digits), *([412.5] if high else [])])
    return [*ring, ring[0]]


@settings(max_examples=200, deadline=None)
@given(four_corners())
def test_footprint_any_corners_equals_repaired_geometry(ring: list[list[float]]) -> None:
    fast, slow = find_footprints(polygon(ring))
    assert fast == slow
