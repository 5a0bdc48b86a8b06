"""Filters: which images a search finds, and in what order."""

import operator
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Final, Protocol, TypeAlias

from shapely.geometry.base import BaseGeometry

from pixxel_sandbox.bookings import Catalog
from pixxel_sandbox.criteria import Condition, Search, Sorting, Span
from pixxel_sandbox.footprints import meet
from pixxel_sandbox.imagery import Scene
from pixxel_sandbox.times import instant

Comparable: TypeAlias = tuple[int, float | datetime | str]
Image: TypeAlias = Scene | Catalog


def comparable(value: object) -> Comparable | None:
    """Ranks a value among its kind: numbers, then times in whatever form, then texts.

    Returns:
        None for null, objects and lists, which have no order.
    """
    if isinstance(value, (bool, int, float)):
        return (0, float(value))
    if isinstance(value, str):
        moment = instant(value)
        return (2, value) if moment is None else (1, moment)
    return None


def _ordered(compare: Callable[[Comparable, Comparable], bool]) -> Callable[[object, object], bool]:
    def test(found: object, asked: object) -> bool:
        one, other = comparable(found), comparable(asked)
        return one is not None and other is not None and one[0] == other[0] and compare(one, other)

    return test


def _equal(found: object, asked: object) -> bool:
    """Compares with a value, or with any of a list; a property that is a list needs one in it."""
    if found is None:
        return False
    if isinstance(asked, list):
        return found == asked or any(_equal(found, one) for one in asked)
    if isinstance(found, list):
        return any(_equal(one, asked) for one in found)
    one, other = comparable(found), comparable(asked)
    return found == asked if one is None else one == other


TESTS: Final[dict[str, Callable[[object, object], bool]]] = {
    "gt": _ordered(operator.gt),
    "lt": _ordered(operator.lt),
    "eq": _equal,
}


class Picture(Protocol):
    """What is searched: an image's properties, and where it lies."""

    def value(self, name: str) -> object:
        """Returns one of the image's properties, None when it has not got it."""

    def shape(self) -> BaseGeometry | None:
        """Returns where the image lies, None when nobody knows."""


def acquired(scene: Picture, span: Span) -> bool:
    """Tells whether an image was taken in a time span.

    An image whose ``datetime`` is null is matched by its start and end instead.
    """
    moment = instant(scene.value("datetime"))
    if moment is not None:
        return span.holds(moment, moment)
    start, end = instant(scene.value("startdatetime")), instant(scene.value("enddatetime"))
    return start is not None and end is not None and span.holds(start, end)


def meets(scene: Picture, condition: Condition) -> bool:
    """Tells whether a property of an image passes a comparison; one it has not got does not."""
    return TESTS[condition.operator](scene.value(condition.name), condition.value)


def found(scene: Picture, search: Search) -> bool:
    """Tells whether an image passes a search's time, query and place, the cheap tests first."""
    if search.datetime is not None and not acquired(scene, search.datetime):
        return False
    if not all(meets(scene, condition) for condition in search.conditions):
        return False
    if not search.shapes:
        return True
    shape = scene.shape()
    return shape is not None and all(meet(shape, asked) for asked in search.shapes)


def arrange(images: list[Image], sorting: tuple[Sorting, ...]) -> list[Image]:
    """Sorts images by several fields: null last, or first where a field descends.

    Images that are equal in every field keep their order.
    """
    arranged = list(images)
    for sort in reversed(sorting):
        arranged.sort(key=partial(_place, field=sort.field), reverse=sort.descending)
    return arranged


def _place(image: Image, field: str) -> tuple[bool, Comparable]:
    value = id_of(image) if field == "id" else scene_of(image).value(_property(field))
    rank = comparable(value)
    return (True, (0, 0.0)) if rank is None else (False, rank)


def _property(field: str) -> str:
    return field.removeprefix("properties.")


def scene_of(image: Image) -> Scene:
    """Returns the image that a catalog holds, or the archive item itself."""
    return image.scene if isinstance(image, Catalog) else image


def id_of(image: Image) -> str:
    """Returns a catalog's own id, or the archive item's."""
    return str(image.fields["id"]) if isinstance(image, Catalog) else image.id
