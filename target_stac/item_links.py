"""Summarize an item for its catalog's link, its collection and the index."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from target_stac.links import ITEM_MEDIA_TYPE, find_origin
from target_stac.records import read_acquisition_time

if TYPE_CHECKING:
    from target_stac.records import Json


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


def make_item_link(summary: ItemSummary, href: str) -> Json:
    """Return the link of a catalog to an item."""
    return {"rel": "item", "href": href, "type": ITEM_MEDIA_TYPE, "title": summary.title}


def _drop_heights(bbox: list[Any]) -> tuple[float, float, float, float]:
    half = len(bbox) // 2
    return bbox[0], bbox[1], bbox[half], bbox[half + 1]
