"""Synthesise the collections that items name but no record contains."""

from __future__ import annotations

from typing import TYPE_CHECKING

from target_stac.records import COLLECTION, METADATA_MEMBER, NO_COLLECTION, STAC_VERSION

if TYPE_CHECKING:
    from collections.abc import Iterable

    from target_stac.records import Json
    from target_stac.state.item_index import IndexRow

_HALF_TURN, _TURN = 180.0, 360.0
_WORLD = [-_HALF_TURN, -90.0, _HALF_TURN, 90.0]


def make_missing_collection(collection: str, rows: Iterable[IndexRow]) -> Json:
    """Return the document of a collection that no record contains, without links.

    Args:
        collection: Its id; `NO_COLLECTION` for the catalog of items that name no collection.
        rows: Its items.
    """
    if collection == NO_COLLECTION:
        return {
            "type": "Catalog",
            "id": "no-collection",
            "stac_version": STAC_VERSION,
            "title": "Items without a collection",
            "description": "Items that name no collection",
            "links": [],
        }
    return synthesise_collection(collection, rows)


def synthesise_collection(collection: str, rows: Iterable[IndexRow]) -> Json:
    """Return a collection with the extent of its items.

    Its license is `other`: an item that has a license states it in its properties.
    """
    union = BboxUnion()
    start = end = None
    for row in rows:
        summary = row.summary
        start = min(start or summary.start, summary.start, key=_time_key)
        end = max(end or summary.end, summary.end, key=_time_key)
        if summary.bbox is not None:
            union.add(summary.bbox)
    return {
        "type": "Collection",
        "id": collection,
        "stac_version": STAC_VERSION,
        "title": collection,
        "description": f"Items of {collection}",
        "license": "other",
        "extent": {
            "spatial": {"bbox": [union.bbox()]},
            "temporal": {"interval": [[start, end]]},
        },
        METADATA_MEMBER: {"synthesised": True},
        "links": [],
    }


def is_synthesised(collection: Json) -> bool:
    """Return whether a collection was synthesised from its items, and may be again."""
    return METADATA_MEMBER in collection and collection.get("type") == COLLECTION.capitalize()


def _time_key(timestamp: str) -> str:
    """Return a key that sorts by time even if only some timestamps have fractions of a second."""
    return timestamp.removesuffix("Z")


class BboxUnion:
    """Union of bboxes; its west is greater than its east if one crosses the antimeridian."""

    def __init__(self) -> None:
        self._is_empty = True
        self._crosses_antimeridian = self._contains_prime_meridian = False
        self._south, self._north = 90.0, -90.0
        # Longitudes in both ranges: from -180 to 180, and from 0 to 360.
        self._west, self._east = _HALF_TURN, -_HALF_TURN
        self._west_360, self._east_360 = _TURN, 0.0

    def add(self, bbox: tuple[float, float, float, float]) -> None:
        """Add a bbox: west, south, east, north in degrees."""
        west, south, east, north = bbox
        self._is_empty = False
        self._south, self._north = min(self._south, south), max(self._north, north)
        self._west, self._east = min(self._west, west), max(self._east, east)
        self._crosses_antimeridian |= west > east
        self._contains_prime_meridian |= (
            (west < 0 or east >= 0) if west > east else west < 0 <= east
        )
        self._west_360 = min(self._west_360, west if west >= 0 else west + _TURN)
        self._east_360 = max(self._east_360, east if east >= 0 else east + _TURN)

    def bbox(self) -> list[float]:
        """Return west, south, east, north in degrees; the world if no bbox was added."""
        if self._is_empty:
            return _WORLD
        if not self._crosses_antimeridian:
            return [self._west, self._south, self._east, self._north]
        if self._contains_prime_meridian:
            return [-_HALF_TURN, self._south, _HALF_TURN, self._north]
        west, east = self._west_360, self._east_360
        return [
            west if west <= _HALF_TURN else west - _TURN,
            self._south,
            east if east <= _HALF_TURN else east - _TURN,
            self._north,
        ]
