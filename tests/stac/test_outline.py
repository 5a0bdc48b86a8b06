"""An outline says what the whole STAC Item says, and is refused for the same reasons."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings

from tap_pixxel.stac import (
    ConversionError,
    catalog_to_item,
    catalog_to_partial_item,
    to_item,
    to_partial_item,
)
from tests.stac import strategies

if TYPE_CHECKING:
    from collections.abc import Callable

TIMES = {"datetime", "start_datetime", "end_datetime"}
NAMES = frozenset(
    {"proj:code", "platform", "gsd", "eo:cloud_cover", "view:off_nadir", "processing:level"}
)


def made_of(make: Callable[[Any], Any], raw: Any) -> Any:
    """Give what is made of an input, or the reason why nothing is."""
    try:
        return make(raw)
    except ConversionError as error:
        return str(error)


def part_of(stac: dict[str, Any]) -> dict[str, Any]:
    properties = {n: v for n, v in stac["properties"].items() if n in NAMES | TIMES}
    return {n: v for n, v in stac.items() if n in {"geometry", "bbox"}} | {"properties": properties}


@settings(deadline=None)
@given(strategies.ITEMS)
def test_an_items_outline_is_part_of_the_item(raw: dict[str, Any]) -> None:
    assert repr(sorted_in(made_of(lambda each: to_partial_item(each, NAMES), raw))) == repr(
        sorted_in(made_of(lambda each: part_of(to_item(each).stac), raw))
    )


@settings(deadline=None)
@given(strategies.RECORDS)
def test_a_catalogs_outline_is_part_of_its_item(raw: dict[str, Any]) -> None:
    assert repr(sorted_in(made_of(lambda each: catalog_to_partial_item(each, NAMES), raw))) == repr(
        sorted_in(made_of(lambda each: part_of(catalog_to_item(each).stac), raw))
    )


@pytest.mark.parametrize(
    "raw",
    [
        None,
        [],
        {},
        {"id": "a"},
        {"id": "a", "details": {}},
        {"id": "a", "details": {"id": "b"}},
    ],
)
def test_what_is_no_item_has_no_outline(raw: Any) -> None:
    for outlined, whole in (
        (lambda each: to_partial_item(each, NAMES), to_item),
        (lambda each: catalog_to_partial_item(each, NAMES), catalog_to_item),
    ):
        reason = made_of(outlined, raw)
        assert isinstance(reason, str)
        assert reason == made_of(whole, raw)


def sorted_in(made: Any) -> Any:
    """Put members in order, whose order does not matter."""
    if isinstance(made, dict):
        return {name: sorted_in(made[name]) for name in sorted(made)}
    return made


def test_an_outline_says_what_it_is_asked_for_wherever_that_was_stated() -> None:
    early, late = "2024-01-01T00:00:00Z", "2024-01-02T00:00:00Z"
    point = {"type": "Point", "coordinates": [1, 2]}
    stated = {
        "datetime": late, "startdatetime": early, "enddatetime": late, "gsd": "5",
        "platform": "FF01", "proj:epsg": 4326, "rd:product_level": "LV2A", "order:status": "x",
    }  # fmt: skip
    raw = {"id": "a", "geometry": point, "properties": stated}
    times = {"datetime": late, "start_datetime": early, "end_datetime": late}
    names = frozenset({"gsd", "proj:code"})
    asked = {"gsd": 5, "proj:code": "EPSG:4326"}
    assert to_partial_item(raw, names) == {
        "geometry": point,
        "bbox": [1, 2, 1, 2],
        "properties": times | asked,
    }
    record = {"id": "k", "details": raw}
    assert catalog_to_partial_item(record, names) == to_partial_item(raw, names)
    bare = to_partial_item({"id": "a", "properties": stated}, frozenset())
    assert bare == {"geometry": None, "properties": times}
