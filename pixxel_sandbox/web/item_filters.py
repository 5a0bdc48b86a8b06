"""Test whether images match a search, and sort them."""

from __future__ import annotations

import operator
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeAlias

from pixxel_sandbox.seed.footprints import intersects_on_globe
from pixxel_sandbox.seed.orders import ImageRow, image_id, item_of
from pixxel_sandbox.seed.timestamp_formats import parse_timestamp

if TYPE_CHECKING:
    from collections.abc import Callable

    from shapely.geometry.base import BaseGeometry

    from pixxel_sandbox.web.search_params import Condition, Range, Search, Sorting

RankedValue: TypeAlias = tuple[int, float | datetime | str]


def rank_value(value: object) -> RankedValue | None:
    """Return a sort key: numbers come first, then timestamps of any format, then other strings.

    Returns:
        The sort key; None for null, objects and lists, which have no order.
    """
    if isinstance(value, (bool, int, float)):
        return (0, float(value))
    if isinstance(value, str):
        moment = parse_timestamp(value)
        return (2, value) if moment is None else (1, moment)
    return None


def _compare_ranked(
    compare: Callable[[RankedValue, RankedValue], bool],
) -> Callable[[object, object], bool]:
    def test(found: object, expected: object) -> bool:
        left, right = rank_value(found), rank_value(expected)
        return (
            left is not None and right is not None and left[0] == right[0] and compare(left, right)
        )

    return test


def _equal(found: object, expected: object) -> bool:
    """Return whether a value, or any value of a list, equals the expected one or any of a list."""
    if found is None:
        return False
    if isinstance(expected, list):
        return found == expected or any(_equal(found, each) for each in expected)
    if isinstance(found, list):
        return any(_equal(each, expected) for each in found)
    left, right = rank_value(found), rank_value(expected)
    return found == expected if left is None else left == right


OPERATOR_TESTS: dict[str, Callable[[object, object], bool]] = {
    "gt": _compare_ranked(operator.gt),
    "lt": _compare_ranked(operator.lt),
    "eq": _equal,
}


class Searchable(Protocol):
    """An image that is searched by its properties and its geometry."""

    def get_property(self, name: str) -> object:
        """Return a property, None if the image does not have it."""

    def shape(self) -> BaseGeometry | None:
        """Return the geometry as a shape, None if the image does not have it."""


def is_acquired_within(image: Searchable, time_range: Range) -> bool:
    """Return whether an image was acquired in a range of time.

    An image whose `datetime` is null is matched by its start and end instead.
    """
    moment = parse_timestamp(image.get_property("datetime"))
    if moment is not None:
        return time_range.overlaps(moment, moment)
    start, end = (
        parse_timestamp(image.get_property("startdatetime")),
        parse_timestamp(image.get_property("enddatetime")),
    )
    return start is not None and end is not None and time_range.overlaps(start, end)


def meets_condition(image: Searchable, condition: Condition) -> bool:
    """Return whether a property passes a comparison; a missing property does not."""
    return OPERATOR_TESTS[condition.operator](image.get_property(condition.name), condition.value)


def matches_search(image: Searchable, search: Search) -> bool:
    """Return whether an image matches the time, the conditions and the geometry of a search."""
    if search.datetime is not None and not is_acquired_within(image, search.datetime):
        return False
    if not all(meets_condition(image, condition) for condition in search.conditions):
        return False
    if not search.shapes:
        return True
    shape = image.shape()
    return shape is not None and all(
        intersects_on_globe(shape, expected) for expected in search.shapes
    )


def sort_images(images: list[ImageRow], sorting: tuple[Sorting, ...]) -> list[ImageRow]:
    """Sort images by several fields; null comes last, or first in descending order.

    Images that are equal in every field keep their order.
    """
    result = list(images)
    for sort in reversed(sorting):
        result.sort(key=partial(_sort_key, field=sort.field), reverse=sort.descending)
    return result


def _sort_key(image: ImageRow, field: str) -> tuple[bool, RankedValue]:
    value = image_id(image) if field == "id" else item_of(image).get_property(_property_name(field))
    rank = rank_value(value)
    return (True, (0, 0.0)) if rank is None else (False, rank)


def _property_name(field: str) -> str:
    return field.removeprefix("properties.")
