"""Collections: those that records bring, and those made from the items that name them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from target_stac.existing import OURS
from target_stac.index import NO_COLLECTION
from target_stac.tree import STAC_VERSION

if TYPE_CHECKING:
    from collections.abc import Iterable

    from target_stac.index import Row
    from target_stac.records import Json

_HALF_TURN, _TURN = 180.0, 360.0
_WORLD = [-_HALF_TURN, -90.0, _HALF_TURN, 90.0]


def synthesised(collection: str, rows: Iterable[Row]) -> Json:
    """Make a collection of its items, with the extent that they have.

    Its license is `other`: the items' own, if they state one, is in their properties.
    """
    reach = Reach()
    start = end = None
    for row in rows:
        facts = row.facts
        start = min(start or facts.start, facts.start, key=_moment)
        end = max(end or facts.end, facts.end, key=_moment)
        if facts.bbox is not None:
            reach.add(facts.bbox)
    return {
        "type": "Collection",
        "id": collection,
        "stac_version": STAC_VERSION,
        "title": collection,
        "description": f"Items of {collection}",
        "license": "other",
        "extent": {
            "spatial": {"bbox": [reach.bbox()]},
            "temporal": {"interval": [[start, end]]},
        },
        OURS: {"synthesised": True},
        "links": [],
    }


def _moment(stamp: str) -> str:
    """Give what sorts by time, also where only some stamps have fractions of a second."""
    return stamp.removesuffix("Z")


def uncollected() -> Json:
    """Make the catalog of the items that name no collection."""
    return {
        "type": "Catalog",
        "id": "no-collection",
        "stac_version": STAC_VERSION,
        "title": "Items without a collection",
        "description": "Items that name no collection",
        "links": [],
    }


def made_of(collection: str, rows: Iterable[Row]) -> Json:
    """Make what stands for a collection that no record has brought."""
    return uncollected() if collection == NO_COLLECTION else synthesised(collection, rows)


class Reach:
    """The box around many boxes; `west` > `east` where one of them crosses the antimeridian."""

    def __init__(self) -> None:
        self._empty = True
        self._crosses = self._holds_meridian = False
        self._south, self._north = 90.0, -90.0
        # Both ways to count longitudes: from -180 to 180, and from 0 to 360.
        self._west, self._east = _HALF_TURN, -_HALF_TURN
        self._west_of_all, self._east_of_all = _TURN, 0.0

    def add(self, bbox: tuple[float, float, float, float]) -> None:
        """Take in a box: west, south, east, north in degrees."""
        west, south, east, north = bbox
        self._empty = False
        self._south, self._north = min(self._south, south), max(self._north, north)
        self._west, self._east = min(self._west, west), max(self._east, east)
        self._crosses |= west > east
        self._holds_meridian |= (west < 0 or east >= 0) if west > east else west < 0 <= east
        self._west_of_all = min(self._west_of_all, west if west >= 0 else west + _TURN)
        self._east_of_all = max(self._east_of_all, east if east >= 0 else east + _TURN)

    def bbox(self) -> list[float]:
        """Give west, south, east, north; the world when there was nothing."""
        if self._empty:
            return _WORLD
        if not self._crosses:
            return [self._west, self._south, self._east, self._north]
        if self._holds_meridian:
            return [-_HALF_TURN, self._south, _HALF_TURN, self._north]
        west, east = self._west_of_all, self._east_of_all
        return [
            west if west <= _HALF_TURN else west - _TURN,
            self._south,
            east if east <= _HALF_TURN else east - _TURN,
            self._north,
        ]
