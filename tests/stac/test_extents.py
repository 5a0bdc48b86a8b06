# ruff: noqa: E501 - tables, a case a line
"""The extent of a collection: boxes and intervals, stated or those of its items."""

from __future__ import annotations

from typing import Any

import pytest

from tap_pixxel.stac import to_collection, to_item

WORLD = [-180, -90, 180, 90]
PLAIN = {"id": "c", "description": "D", "license": "MIT"}
BOX = [0, 0, 1, 1]
EARLY, TIME, LATE = (f"{year}-01-01T00:00:00Z" for year in (2023, 2024, 2025))
ANY = [None, None]
MISSING = ("extent", "repaired")


def extent(boxes: Any, intervals: Any) -> dict[str, Any]:
    return {"spatial": {"bbox": boxes}, "temporal": {"interval": intervals}}


def made(raw: Any, items: Any = None) -> tuple[Any, list[tuple[str, str]]]:
    stac, notes = to_collection(PLAIN | {"extent": raw}, items)
    again = to_collection(stac)
    assert again.stac == stac
    assert again.notes == []
    return stac["extent"], [(note.field.removeprefix("extent."), note.action) for note in notes]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ([[0, 0, 1, 1], [2, 2, 3, 3]], [[0, 0, 3, 3], [0, 0, 1, 1], [2, 2, 3, 3]]),
        ([["170", 0, 180, 1], [-180, 0, -170, 1]], [[170, 0, -170, 1], [170, 0, 180, 1], [-180, 0, -170, 1]]),
        ([170, 0, -170, 1], [[170, 0, -170, 1]]),
        ([[170, 0, -170, 1], [160, 0, 175, 1]], [[160, 0, -170, 1], [170, 0, -170, 1], [160, 0, 175, 1]]),
        ([[0, 0, 5, 1, 1, 6], [2, 2, 5, 3, 3, 6]], [[0, 0, 3, 3], [0, 0, 5, 1, 1, 6], [2, 2, 5, 3, 3, 6]]),
        ([[0, 0, 1, 1], "x"], [[0, 0, 1, 1]]),
        ([], [WORLD]),
        ("x", [WORLD]),
    ],
)  # fmt: skip
def test_bounding_boxes(raw: Any, expected: Any) -> None:
    assert made(extent(raw, [[None, None]]))[0]["spatial"]["bbox"] == expected


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ([["2023-01-01T00:00:00Z", ".."]], [["2023-01-01T00:00:00Z", None]]),
        ([["", "2023-01-01 00:00:00+00:00"]], [[None, "2023-01-01T00:00:00.000000Z"]]),
        (["2023-01-01T00:00:00Z", None], [["2023-01-01T00:00:00Z", None]]),
        ([["2024-01-01T00:00:00Z", "2023-01-01T00:00:00Z"]], [[None, None]]),
    ],
)
def test_intervals(raw: Any, expected: Any) -> None:
    assert made(extent([WORLD], raw))[0]["temporal"]["interval"] == expected


NOTED: list[tuple[Any, Any, list[tuple[str, str]]]] = [
    # the API's extent, STAC's, what is noted
    (extent([BOX], [[TIME, None]]), extent([BOX], [[TIME, None]]), []),
    (extent([BOX], [[TIME, LATE]]), extent([BOX], [[TIME, LATE]]), []),
    (extent([BOX], [[TIME, TIME]]), extent([BOX], [[TIME, TIME]]), []),
    ({"spatial": [BOX], "temporal": [[TIME, None]]}, extent([BOX], [[TIME, None]]), []),
    (None, extent([WORLD], [ANY]), [MISSING]),
    (5, extent([WORLD], [ANY]), [("extent", "dropped"), MISSING]),
    ({"spatial": {}, "temporal": None}, extent([WORLD], [ANY]), [MISSING]),
    (extent([BOX], None), extent([BOX], [ANY]), [MISSING]),
    (extent(None, [[TIME, None]]), extent([WORLD], [[TIME, None]]), [MISSING]),
    (extent([BOX], [ANY]) | {"z": 1, "y": 2, "x": 3, "w": 4}, extent([BOX], [ANY]), [(name, "dropped") for name in "wxyz"]),
    ({"spatial": {"bbox": [BOX], "z": 1, "y": 2, "x": 3, "w": 4}, "temporal": [ANY]}, extent([BOX], [ANY]), [(f"spatial.{name}", "dropped") for name in "wxyz"]),
    (extent(5, [ANY]), extent([WORLD], [ANY]), [("spatial", "dropped"), MISSING]),
    (extent([BOX], 5), extent([BOX], [ANY]), [("temporal", "dropped"), MISSING]),
    (extent(BOX, [TIME, None]), extent([BOX], [[TIME, None]]), [("spatial", "converted"), ("temporal", "converted")]),
    (extent([["0", 0, 1, 1]], [ANY]), extent([BOX], [ANY]), [("spatial.bbox.0", "converted")]),
    (extent([BOX, WORLD], [ANY]), extent([WORLD, BOX, WORLD], [ANY]), [("spatial.bbox", "repaired")]),
    (extent([BOX, BOX, BOX], [ANY]), extent([BOX, BOX, BOX], [ANY]), []),
    (extent([BOX, 5], [ANY]), extent([BOX], [ANY]), [("spatial.bbox.1", "dropped")]),
    (extent([[0, 0, 500, 1, 1, 600]], [ANY]), extent([[0, 0, 500, 1, 1, 600]], [ANY]), []),
    (extent([[0, 1, 1, 1]], [ANY]), extent([[0, 1, 1, 1]], [ANY]), []),
    (extent([[0, 0, 181, 1], BOX], [ANY]), extent([BOX], [ANY]), [("spatial.bbox.0", "dropped")]),
    (extent([[-181, 0, 0, 1], BOX], [ANY]), extent([BOX], [ANY]), [("spatial.bbox.0", "dropped")]),
    (extent([[0, 0, -181, 1], BOX], [ANY]), extent([BOX], [ANY]), [("spatial.bbox.0", "dropped")]),
    (extent([[0, -91, 1, 1], BOX], [ANY]), extent([BOX], [ANY]), [("spatial.bbox.0", "dropped")]),
    (extent([[0, 0, 1, 91], BOX], [ANY]), extent([BOX], [ANY]), [("spatial.bbox.0", "dropped")]),
    (extent([[0, 1, 1, 0], BOX], [ANY]), extent([BOX], [ANY]), [("spatial.bbox.0", "dropped")]),
    (extent([BOX], [["", " .. "]]), extent([BOX], [ANY]), [("temporal.interval.0", "converted")]),
    (extent([BOX], [ANY, ["soon", None]]), extent([BOX], [ANY]), [("temporal.interval.1", "dropped")]),
    (extent([BOX], [ANY, [5, None]]), extent([BOX], [ANY]), [("temporal.interval.1", "dropped")]),
    (extent([BOX], [ANY, [TIME]]), extent([BOX], [ANY]), [("temporal.interval.1", "dropped")]),
    (extent([BOX], [ANY, {"": 1, "..": 2}]), extent([BOX], [ANY]), [("temporal.interval.1", "dropped")]),
    (extent([BOX], [ANY, [LATE, TIME]]), extent([BOX], [ANY]), [("temporal.interval.1", "dropped")]),
]  # fmt: skip


@pytest.mark.parametrize(("raw", "expected", "noted"), NOTED)
def test_what_is_no_extent_is_told_of(
    raw: Any, expected: Any, noted: list[tuple[str, str]]
) -> None:
    assert made(raw) == (expected, noted)


def item(lon: float | None, **times: str) -> dict[str, Any]:
    point = None if lon is None else {"type": "Point", "coordinates": [lon, 5]}
    return to_item({"id": "i", "geometry": point, "properties": times}).stac


ITEMS = [
    item(7, datetime=TIME, start_datetime=EARLY, end_datetime=TIME),
    item(None, datetime=TIME, start_datetime=TIME, end_datetime=LATE),
    item(3, datetime=TIME),
]


def test_a_missing_extent_is_that_of_the_items() -> None:
    assert made(None, iter(ITEMS)) == (extent([[3, 5, 7, 5]], [[EARLY, LATE]]), [MISSING])
    assert made(None, ITEMS[::-1])[0] == extent([[3, 5, 7, 5]], [[EARLY, LATE]])


def test_half_of_an_extent_stays_as_it_is_stated() -> None:
    assert made(extent([BOX], []), ITEMS)[0] == extent([BOX], [[EARLY, LATE]])
    assert made(extent([], [ANY]), ITEMS)[0] == extent([[3, 5, 7, 5]], [ANY])


def test_items_are_not_looked_at_for_an_extent_that_is_stated() -> None:
    unread = iter(ITEMS)
    made(extent([BOX], [ANY]), unread)
    assert list(unread) == ITEMS
