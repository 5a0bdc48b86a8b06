"""Tests of the order along the Hilbert curve."""

from __future__ import annotations

import numpy as np

from target_stac.formats.geoparquet.hilbert import (
    compute_hilbert_distances,
    sort_along_hilbert_curve,
)
from target_stac.formats.item_lines import ItemLines


def make_lines(*bboxes: tuple[float, float, float, float] | None) -> ItemLines:
    lines = ItemLines({})
    for bbox in bboxes:
        lines.append(0, 0, 1, bbox)
    return lines


def test_hilbert_distances_visit_each_quadrant_once_from_neighbour_to_neighbour() -> None:
    longitudes = np.array([-90, -90, 90, 90], dtype=np.float32)
    latitudes = np.array([-45, 45, 45, -45], dtype=np.float32)
    assert compute_hilbert_distances(longitudes, latitudes).argsort().tolist() == [0, 1, 2, 3]


def test_hilbert_distances_of_grid_join_neighbouring_cells() -> None:
    side = 16
    x, y = np.meshgrid(np.arange(side), np.arange(side))
    longitudes = ((x.ravel() + 0.5) / side * 360 - 180).astype(np.float32)
    latitudes = ((y.ravel() + 0.5) / side * 180 - 90).astype(np.float32)
    order = compute_hilbert_distances(longitudes, latitudes).argsort()
    steps = abs(np.diff(x.ravel()[order])) + abs(np.diff(y.ravel()[order]))
    assert steps.tolist() == [1] * (side * side - 1)


def test_sort_puts_items_without_bbox_last_and_keeps_order_at_same_place() -> None:
    place = (10.0, 10.0, 11.0, 11.0)
    lines = make_lines(None, place, (-180.0, -90.0, -180.0, -90.0), place, None)
    assert sort_along_hilbert_curve(lines).tolist() == [2, 1, 3, 0, 4]


def test_centre_of_bbox_across_antimeridian_is_at_antimeridian() -> None:
    lines = make_lines((170.0, 0.0, -160.0, 10.0), (160.0, 0.0, -170.0, 10.0))
    assert list(lines.longitudes) == [-175.0, 175.0]


def test_points_beyond_globe_count_as_at_its_edge() -> None:
    far, edge = np.array([1e9, 180], dtype=np.float32), np.array([-1e9, -90], dtype=np.float32)
    distances = compute_hilbert_distances(far, edge)
    assert distances[0] == distances[1]
