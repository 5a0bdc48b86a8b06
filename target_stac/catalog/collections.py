"""Derive from items what no record states: whole collections, and their temporal extents."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from target_stac.links import make_link
from target_stac.records import COLLECTION, METADATA_MEMBER, NO_COLLECTION, STAC_VERSION

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from target_stac.item_links import ItemSummary
    from target_stac.records import Json

_HALF_TURN, _TURN = 180.0, 360.0
_WORLD = [-_HALF_TURN, -90.0, _HALF_TURN, 90.0]
_OTHER_LICENSE = "other"
_SYNTHESISED = {"synthesised": True}
_TEMPORAL_FROM_ITEMS = {"temporal_extent": "items"}
"""Values of `METADATA_MEMBER`: all of the collection is derived from its items, or its extent."""


def is_derived(collection: Json) -> bool:
    """Return whether a collection, or its temporal extent, must be derived from its items.

    The derived part has a mark, so that it is derived anew whenever the items change.
    """
    if collection.get("type") != COLLECTION.capitalize():
        return False
    mark = collection.get(METADATA_MEMBER)
    return mark in (_SYNTHESISED, _TEMPORAL_FROM_ITEMS) or not _states_interval(collection)


def derive_collection(
    name: str,
    known: Json | None,
    items: Iterable[ItemSummary],
    collections: Mapping[str, Json],
    make_href: Callable[[str, str], str],
) -> Json:
    """Return a collection with what is derived from its items.

    Args:
        name: Its id; `NO_COLLECTION` for the catalog of items that name no collection.
        known: What records state of it, for which `is_derived` is true.
        items: Its items.
        collections: All collections by id, of which its items may be derived.
        make_href: Returns the href from the file of one collection to that of another.
    """
    if name == NO_COLLECTION:
        return {
            "type": "Catalog",
            "id": "no-collection",
            "stac_version": STAC_VERSION,
            "title": "Items without a collection",
            "description": "Items that name no collection",
            "links": [],
        }
    summary = _summarize_items(items)
    if known is not None and known.get(METADATA_MEMBER) != _SYNTHESISED:
        return _add_interval(known, summary)
    return _synthesise_collection(name, summary, collections, make_href)


def _states_interval(collection: Json) -> bool:
    """Return whether a collection states when its items begin or end (STAC Collection, extent)."""
    match collection.get("extent"):
        case {"temporal": {"interval": [[start, end], *_]}}:
            return start is not None or end is not None
        case _:
            return False


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


@dataclass
class _ItemsSummary:
    """The extents of a collection's items, and the collections that they are derived from."""

    start: str = ""
    end: str = ""
    bboxes: BboxUnion = field(default_factory=BboxUnion)
    origins: Counter[str] = field(default_factory=Counter)

    def extent(self) -> Json:
        """Return the extent (STAC Collection, extent)."""
        return {"spatial": {"bbox": [self.bboxes.bbox()]}, "temporal": self.temporal_extent()}

    def temporal_extent(self) -> Json:
        """Return the temporal extent: the first start and the last end."""
        return {"interval": [[self.start, self.end]]}


def _summarize_items(items: Iterable[ItemSummary]) -> _ItemsSummary:
    found = _ItemsSummary()
    for summary in items:
        found.start = min(found.start or summary.start, summary.start, key=_time_key)
        found.end = max(found.end, summary.end, key=_time_key)
        if summary.bbox is not None:
            found.bboxes.add(summary.bbox)
        if summary.origin is not None:
            found.origins[summary.origin[0]] += 1
    return found


def _time_key(timestamp: str) -> str:
    """Return a key that sorts by time even if only some timestamps have fractions of a second."""
    return timestamp.removesuffix("Z")


def _add_interval(collection: Json, summary: _ItemsSummary) -> Json:
    """Return a collection with the temporal extent of its items, and the spatial if it has none."""
    extent = collection.get("extent")
    stated = extent if isinstance(extent, dict) else {}
    return {
        **collection,
        "extent": {**summary.extent(), **stated, "temporal": summary.temporal_extent()},
        METADATA_MEMBER: _TEMPORAL_FROM_ITEMS,
    }


def _synthesise_collection(
    name: str,
    summary: _ItemsSummary,
    collections: Mapping[str, Json],
    make_href: Callable[[str, str], str],
) -> Json:
    """Return a collection that no record contains.

    If its items are derived from those of other collections, it has their providers and license,
    and links to them. If its id is the id of the only one with a suffix, so is its title. Without
    them, its license is `other`: an item that has a license states it in its properties.
    """
    origins = {
        origin: collections[origin]
        for origin in sorted(summary.origins)
        if origin in collections and origin != name
    }
    titles = {origin: _read_title(origin, document) for origin, document in origins.items()}
    description = f"Items of {name}"
    if titles:
        description += f", derived from items of {'; '.join(titles.values())}"
    related = [
        {**make_link("related", make_href(name, key)), "title": titles[key]} for key in origins
    ]
    return {
        "type": "Collection",
        "id": name,
        "stac_version": STAC_VERSION,
        "title": _make_title(name, titles),
        "description": description,
        **_merge_rights(origins.values()),
        "extent": summary.extent(),
        METADATA_MEMBER: _SYNTHESISED,
        "links": [*related, *_find_license_links(origins.values())],
    }


def _read_title(name: str, collection: Json) -> str:
    title = collection.get("title")
    return title if isinstance(title, str) and title else name


def _make_title(name: str, titles: Mapping[str, str]) -> str:
    """Return the title, such as `Firefly, L1C, owned` of `firefly-l1c-owned`."""
    if len(titles) == 1:
        [(origin, title)] = titles.items()
        suffix = name.removeprefix(f"{origin}-")
        if suffix != name:
            return f"{title}, {suffix}"
    return name


def _merge_rights(origins: Collection[Json]) -> Json:
    """Return the license that collections have in common, and the providers of all of them."""
    licenses = [origin.get("license") for origin in origins]
    is_common = all(each == licenses[0] for each in licenses)
    rights: Json = {"license": (licenses and is_common and licenses[0]) or _OTHER_LICENSE}
    providers = _list_distinct(origin.get("providers") for origin in origins)
    return {**rights, "providers": providers} if providers else rights


def _find_license_links(origins: Collection[Json]) -> list[Any]:
    links = _list_distinct(origin.get("links") for origin in origins)
    return [link for link in links if link.get("rel") == "license"]


def _list_distinct(lists: Iterable[object]) -> list[Any]:
    """Return the distinct members of all lists, in their order; what is no list is left out."""
    found: list[Any] = []
    for each in lists:
        found += [x for x in (each if isinstance(each, list) else ()) if x not in found]
    return found
