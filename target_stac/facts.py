"""What a catalog's link says of an item, read off the item and off the link."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from target_stac.index import Facts
from target_stac.links import ITEM_TYPE, origin
from target_stac.records import times

if TYPE_CHECKING:
    from target_stac.index import Row
    from target_stac.records import Json

_HASH = "sha256"
_ORIGIN = "derived_from"


def facts_of(item: Json, links: list[Json]) -> Facts:
    """Read an item that `records.check` has passed.

    Args:
        item: The item.
        links: Its bare links.

    Raises:
        NotStacError: It has no usable time.
    """
    title = item["properties"].get("title")
    when = times(item)
    return Facts(
        title=title if isinstance(title, str) and title else item["id"],
        day=when.day,
        start=when.start,
        end=when.end,
        bbox=_flat(item["bbox"]) if item.get("geometry") is not None else None,
        origin=origin(links),
    )


def link_to(row: Row, href: str, sha256: str) -> Json:
    """Write the link of a catalog to an item, so that a later run need not open the item.

    Beside what STAC defines it has the item's id where the title differs, its times and bbox, what
    it is derived from, and the SHA-256 of its file.
    """
    facts = row.facts
    link: Json = {"rel": "item", "href": href, "type": ITEM_TYPE, "title": facts.title}
    if row.id != facts.title:
        link["id"] = row.id
    if facts.start == facts.end:
        link["datetime"] = facts.start
    else:
        link |= {"start_datetime": facts.start, "end_datetime": facts.end}
    if facts.bbox is not None:
        link["bbox"] = facts.bbox
    if facts.origin is not None:
        link[_ORIGIN] = facts.origin
    link[_HASH] = sha256
    return link


def from_link(link: Json) -> tuple[str, Facts, str]:
    """Read a link that `link_to` has written.

    Returns:
        The item's id, its facts, and the SHA-256 of its file.

    Raises:
        KeyError, TypeError: The link is none of those.
    """
    start = link.get("datetime") or link["start_datetime"]
    end = link.get("datetime") or link["end_datetime"]
    bbox, came_from = link.get("bbox"), link.get(_ORIGIN)
    west_to_north = None if bbox is None else _flat(bbox)
    from_where = None if came_from is None else (str(came_from[0]), str(came_from[1]))
    facts = Facts(link["title"], start[:10], start, end, west_to_north, from_where)
    return str(link.get("id", link["title"])), facts, str(link[_HASH])


def _flat(bbox: list[Any]) -> tuple[float, float, float, float]:
    """Leave out the heights of a bbox."""
    half = len(bbox) // 2
    return bbox[0], bbox[1], bbox[half], bbox[half + 1]
