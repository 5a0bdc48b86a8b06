"""Summarize an item in its catalog's link, so that later runs need not open the item's file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from target_stac.links import ITEM_MEDIA_TYPE, find_origin
from target_stac.records import read_acquisition_time

if TYPE_CHECKING:
    from target_stac.records import Json

_SHA256_MEMBER = "sha256"
_ORIGIN_MEMBER = "derived_from"


@dataclass(frozen=True, slots=True)
class ItemSummary:
    """The facts about an item that its catalog's link and its collection's extent need.

    Attributes:
        title: Title of the item, or its id.
        day: Day that the item is filed under, `YYYY-MM-DD`.
        start: Start of the acquisition, RFC 3339 in UTC.
        end: End of the acquisition, RFC 3339 in UTC; equal to `start` for an instant.
        bbox: West, south, east, north in degrees; None without a geometry.
        origin: Collection and id of the item that it is derived from.
    """

    title: str
    day: str
    start: str
    end: str
    bbox: tuple[float, float, float, float] | None
    origin: tuple[str, str] | None


def summarize_item(item: Json, links: list[Json]) -> ItemSummary:
    """Summarize an item that `records.validate_minimal` accepts.

    Args:
        item: The item.
        links: Its links without structural links.

    Raises:
        InvalidStacError: It has no usable acquisition time.
    """
    title = item["properties"].get("title")
    time = read_acquisition_time(item)
    return ItemSummary(
        title=title if isinstance(title, str) and title else item["id"],
        day=time.day,
        start=time.start,
        end=time.end,
        bbox=_drop_heights(item["bbox"]) if item.get("geometry") is not None else None,
        origin=find_origin(links),
    )


def make_item_link(identifier: str, summary: ItemSummary, href: str, sha256: str) -> Json:
    """Return the link of a catalog to an item.

    Beside the members that STAC defines, the link has the item's id if the title differs, its
    times, bbox and origin, and the SHA-256 of its file.
    """
    link: Json = {"rel": "item", "href": href, "type": ITEM_MEDIA_TYPE, "title": summary.title}
    if identifier != summary.title:
        link["id"] = identifier
    if summary.start == summary.end:
        link["datetime"] = summary.start
    else:
        link |= {"start_datetime": summary.start, "end_datetime": summary.end}
    if summary.bbox is not None:
        link["bbox"] = summary.bbox
    if summary.origin is not None:
        link[_ORIGIN_MEMBER] = summary.origin
    link[_SHA256_MEMBER] = sha256
    return link


def parse_item_link(link: Json) -> tuple[str, ItemSummary, str]:
    """Parse a link that `make_item_link` made.

    Returns:
        The item's id, its summary, and the SHA-256 of its file.

    Raises:
        KeyError, TypeError, IndexError: The link lacks a member, or one has the wrong type.
    """
    start = link.get("datetime") or link["start_datetime"]
    end = link.get("datetime") or link["end_datetime"]
    bbox, origin = link.get("bbox"), link.get(_ORIGIN_MEMBER)
    summary = ItemSummary(
        title=link["title"],
        day=start[:10],
        start=start,
        end=end,
        bbox=None if bbox is None else _drop_heights(bbox),
        origin=None if origin is None else (str(origin[0]), str(origin[1])),
    )
    return str(link.get("id", link["title"])), summary, str(link[_SHA256_MEMBER])


def _drop_heights(bbox: list[Any]) -> tuple[float, float, float, float]:
    half = len(bbox) // 2
    return bbox[0], bbox[1], bbox[half], bbox[half + 1]
