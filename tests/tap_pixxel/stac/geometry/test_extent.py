# ruff: noqa: E501 - tables, one case per line
"""Test the extent of a collection: bounding boxes and intervals."""

from __future__ import annotations

from typing import Any

import pytest

from tap_pixxel.stac import to_collection, to_item

WORLD = [-180, -90, 180, 90]


MINIMAL = {"id": "c", "description": "D", "license": "MIT"}


BOX = [0, 0, 1, 1]


EARLY, TIME, LATE = (f"{year}-01-01T00:00:00Z" for year in (2023, 2024, 2025))


ANY = [None, None]


MISSING = ("extent", "repaired")


def make_extent(boxes: Any, intervals: Any) -> dict[str, Any]:
    return {"spatial": {"bbox": boxes}, "temporal": {"interval": intervals}}


def convert(raw: Any, items: Any = None) -> tuple[Any, list[tuple[str, str]]]:
    stac, notes = to_collection(MINIMAL | {"extent": raw}, items)
    again = to_collection(stac)
    assert again.stac == stac
    assert again.notes == []
    return stac["extent"], [(note.field.removeprefix("extent."), note.action) for note in notes]


EXTENTS: list[tuple[Any, Any, list[tuple[str, str]]]] = [
    # the API's extent, STAC's extent, actions noted
    (make_extent([BOX], [[TIME, None]]), make_extent([BOX], [[TIME, None]]), []),
    (make_extent([BOX], [[TIME, LATE]]), make_extent([BOX], [[TIME, LATE]]), []),
    (make_extent([BOX], [[TIME, TIME]]), make_extent([BOX], [[TIME, TIME]]), []),
    ({"spatial": [BOX], "temporal": [[TIME, None]]}, make_extent([BOX], [[TIME, None]]), []),
    (None, make_extent([WORLD], [ANY]), [MISSING]),
    (5, make_extent([WORLD], [ANY]), [("extent", "dropped"), MISSING]),
    ({"spatial": {}, "temporal": None}, make_extent([WORLD], [ANY]), [MISSING]),
    (make_extent([BOX], None), make_extent([BOX], [ANY]), [MISSING]),
    (make_extent(None, [[TIME, None]]), make_extent([WORLD], [[TIME, None]]), [MISSING]),
    (make_extent([BOX], [ANY]) | {"z": 1, "y": 2, "x": 3, "w": 4}, make_extent([BOX], [ANY]), [(name, "dropped") for name in "wxyz"]),
    ({"spatial": {"bbox": [BOX], "z": 1, "y": 2, "x": 3, "w": 4}, "temporal": [ANY]}, make_extent([BOX], [ANY]), [(f"spatial.{name}", "dropped") for name in "wxyz"]),
    (make_extent(5, [ANY]), make_extent([WORLD], [ANY]), [("spatial", "dropped"), MISSING]),
    (make_extent([BOX], 5), make_extent([BOX], [ANY]), [("temporal", "dropped"), MISSING]),
    (make_extent(BOX, [TIME, None]), make_extent([BOX], [[TIME, None]]), [("spatial", "converted"), ("temporal", "converted")]),
    (make_extent([["0", 0, 1, 1]], [ANY]), make_extent([BOX], [ANY]), [("spatial.bbox.0", "converted")]),
    (make_extent([BOX, WORLD], [ANY]), make_extent([WORLD, BOX, WORLD], [ANY]), [("spatial.bbox", "repaired")]),
    (make_extent([BOX, BOX, BOX], [ANY]), make_extent([BOX, BOX, BOX], [ANY]), []),
    (make_extent([["170", 0, 180, 1], [-180, 0, -170, 1]], [ANY]), make_extent([[170, 0, -170, 1], [170, 0, 180, 1], [-180, 0, -170, 1]], [ANY]), [("spatial.bbox.0", "converted"), ("spatial.bbox", "repaired")]),
    (make_extent([[170, 0, -170, 1], [160, 0, 175, 1]], [ANY]), make_extent([[160, 0, -170, 1], [170, 0, -170, 1], [160, 0, 175, 1]], [ANY]), [("spatial.bbox", "repaired")]),
    (make_extent([[0, 0, 5, 1, 1, 6], [2, 2, 5, 3, 3, 6]], [ANY]), make_extent([[0, 0, 3, 3], [0, 0, 5, 1, 1, 6], [2, 2, 5, 3, 3, 6]], [ANY]), [("spatial.bbox", "repaired")]),
    (make_extent([], []), make_extent([WORLD], [ANY]), [MISSING]),
    (make_extent([BOX], [["", "2023-01-01 00:00:00+00:00"]]), make_extent([BOX], [[None, "2023-01-01T00:00:00.000000Z"]]), [("temporal.interval.0", "converted")]),
    (make_extent([BOX, 5], [ANY]), make_extent([BOX], [ANY]), [("spatial.bbox.1", "dropped")]),
    (make_extent([[0, 0, 500, 1, 1, 600]], [ANY]), make_extent([[0, 0, 500, 1, 1, 600]], [ANY]), []),
    (make_extent([[0, 1, 1, 1]], [ANY]), make_extent([[0, 1, 1, 1]], [ANY]), []),
    (make_extent([[0, 0, 181, 1], BOX], [ANY]), make_extent([BOX], [ANY]), [("spatial.bbox.0", "dropped")]),
    (make_extent([[-181, 0, 0, 1], BOX], [ANY]), make_extent([BOX], [ANY]), [("spatial.bbox.0", "dropped")]),
    (make_extent([[0, 0, -181, 1], BOX], [ANY]), make_extent([BOX], [ANY]), [("spatial.bbox.0", "dropped")]),
    (make_extent([[0, -91, 1, 1], BOX], [ANY]), make_extent([BOX], [ANY]), [("spatial.bbox.0", "dropped")]),
    (make_extent([[0, 0, 1, 91], BOX], [ANY]), make_extent([BOX], [ANY]), [("spatial.bbox.0", "dropped")]),
    (make_extent([[0, 1, 1, 0], BOX], [ANY]), make_extent([BOX], [ANY]), [("spatial.bbox.0", "dropped")]),
    (make_extent([BOX], [["", " .. "]]), make_extent([BOX], [ANY]), [("temporal.interval.0", "converted")]),
    (make_extent([BOX], [ANY, ["soon", None]]), make_extent([BOX], [ANY]), [("temporal.interval.1", "dropped")]),
    (make_extent([BOX], [ANY, [5, None]]), make_extent([BOX], [ANY]), [("temporal.interval.1", "dropped")]),
    (make_extent([BOX], [ANY, [TIME]]), make_extent([BOX], [ANY]), [("temporal.interval.1", "dropped")]),
    (make_extent([BOX], [ANY, {"": 1, "..": 2}]), make_extent([BOX], [ANY]), [("temporal.interval.1", "dropped")]),
    (make_extent([BOX], [ANY, [LATE, TIME]]), make_extent([BOX], [ANY]), [("temporal.interval.1", "dropped")]),
]  # fmt: skip


@pytest.mark.parametrize(("raw", "expected", "actions"), EXTENTS)
def test_extent_invalid_parts_are_noted(
    raw: Any, expected: Any, actions: list[tuple[str, str]]
) -> None:
    assert convert(raw) == (expected, actions)


def make_item(lon: float | None, **times: str) -> dict[str, Any]:
    point = None if lon is None else {"type": "Point", "coordinates": [lon, 5]}
    return to_item({"id": "i", "geometry": point, "properties": times}).stac


ITEMS = [
    make_item(7, datetime=TIME, start_datetime=EARLY, end_datetime=TIME),
    make_item(None, datetime=TIME, start_datetime=TIME, end_datetime=LATE),
    make_item(3, datetime=TIME),
]


def test_extent_missing_is_that_of_items() -> None:
    assert convert(None, iter(ITEMS)) == (make_extent([[3, 5, 7, 5]], [[EARLY, LATE]]), [MISSING])
    assert convert(None, ITEMS[::-1])[0] == make_extent([[3, 5, 7, 5]], [[EARLY, LATE]])


def test_extent_half_missing_keeps_the_other_half() -> None:
    assert convert(make_extent([BOX], []), ITEMS)[0] == make_extent([BOX], [[EARLY, LATE]])
    assert convert(make_extent([], [ANY]), ITEMS)[0] == make_extent([[3, 5, 7, 5]], [ANY])


def test_extent_complete_does_not_read_items() -> None:
    unread = iter(ITEMS)
    convert(make_extent([BOX], [ANY]), unread)
    assert list(unread) == ITEMS
