"""Convert the spatial and temporal extent of a collection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_pixxel.stac.datetimes import is_chronological, parse_datetime
from tap_pixxel.stac.geometry.footprint import BBOX_LENGTHS
from tap_pixxel.stac.geometry.longitude import MAX_LATITUDE, MAX_LONGITUDE, longitude_bounds
from tap_pixxel.stac.parsers import (
    Repaired,
    mark_if_converted,
    parse_number_list,
    unwrap_repaired,
)
from tap_pixxel.stac.result import CONVERTED, DROPPED, REPAIRED

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tap_pixxel.stac.result import AddNote

WORLD_BBOX = [-MAX_LONGITUDE, -MAX_LATITUDE, MAX_LONGITUDE, MAX_LATITUDE]
OPEN_ENDS = frozenset({"", ".."})
"""Texts for an open end of an interval; STAC writes null."""
PAIR = 2
Bbox = list[float]
Interval = list[str | None]


def convert_extent(
    raw: object, items: Iterable[dict[str, Any]] | None, add_note: AddNote
) -> dict[str, Any]:
    """Convert a collection's extent.

    Args:
        raw: the API's extent, or null.
        items: the collection's STAC Items; they are read only when the extent is incomplete.
            Without them, the missing part is the world, or any time.
        add_note: takes a note: field, action, reason.
    """
    if raw is not None and not isinstance(raw, dict):
        add_note("extent", DROPPED, "not an object")
    extent: dict[str, Any] = raw if isinstance(raw, dict) else {}
    for name in sorted(extent.keys() - {"spatial", "temporal"}):
        add_note(f"extent.{name}", DROPPED, "not a member of extents")
    bboxes = _convert_bboxes(_read_member(extent, "spatial", "bbox", add_note), add_note)
    intervals = _convert_intervals(_read_member(extent, "temporal", "interval", add_note), add_note)
    if not bboxes or not intervals:
        bbox_of_items, interval_of_items = _extent_of_items(items or ())
        bboxes = bboxes or [bbox_of_items]
        intervals = intervals or [interval_of_items]
        add_note("extent", REPAIRED, "incomplete: set to that of the items, or the world")
    return {"spatial": {"bbox": bboxes}, "temporal": {"interval": intervals}}


def _read_member(extent: dict[str, Any], half: str, name: str, add_note: AddNote) -> list[Any]:
    member = extent.get(half)
    if isinstance(member, dict):
        for other in sorted(member.keys() - {name}):
            add_note(f"extent.{half}.{other}", DROPPED, "not a member of extents")
        member = member.get(name)
    if member is None:
        return []
    if not isinstance(member, list):
        add_note(f"extent.{half}", DROPPED, "not a list")
        return []
    if member and not isinstance(member[0], list):
        add_note(f"extent.{half}", CONVERTED, "one value instead of a list of them")
        return [member]
    return member


def _convert_bboxes(raw: list[Any], add_note: AddNote) -> list[Bbox]:
    bboxes: list[Bbox] = []
    for index, each in enumerate(raw):
        path = f"extent.spatial.bbox.{index}"
        bbox = parse_number_list(each, BBOX_LENGTHS)
        if bbox is None or not _is_on_globe(bbox):
            add_note(path, DROPPED, "not a bounding box in degrees")
            continue
        if type(mark_if_converted(each, bbox)) is Repaired:
            add_note(path, CONVERTED, "numbers written as text")
        bboxes.append(bbox)
    if len(bboxes) == PAIR:
        add_note("extent.spatial.bbox", REPAIRED, "two boxes: their union comes first in STAC")
        bboxes.insert(0, union_bbox(bboxes))
    return bboxes


def _is_on_globe(bbox: Bbox) -> bool:
    half = len(bbox) // 2
    west, south, east, north = bbox[0], bbox[1], bbox[half], bbox[half + 1]
    return (
        max(abs(west), abs(east)) <= MAX_LONGITUDE
        and -MAX_LATITUDE <= south <= north <= MAX_LATITUDE
    )


def union_bbox(bboxes: list[Bbox]) -> Bbox:
    """Return the bbox around others; its west is greater than its east if one of theirs is."""
    flat = [[*bbox[:2], *bbox[len(bbox) // 2 :][:2]] for bbox in bboxes]
    spans: list[tuple[float, float]] = []
    for west, _, east, _ in flat:
        if west <= east:
            spans.append((west, east))
        else:
            spans += [(west, MAX_LONGITUDE), (-MAX_LONGITUDE, east)]
    left, right = longitude_bounds(spans)
    return [left, min(bbox[1] for bbox in flat), right, max(bbox[3] for bbox in flat)]


def _convert_intervals(raw: list[Any], add_note: AddNote) -> list[Interval]:
    intervals: list[Interval] = []
    for index, each in enumerate(raw):
        path = f"extent.temporal.interval.{index}"
        interval = _parse_interval(each)
        if interval is None:
            add_note(path, DROPPED, "not an interval of timestamps")
            continue
        if interval != each:
            add_note(path, CONVERTED, "not RFC 3339 in UTC, or an open end that is not null")
        intervals.append(interval)
    return intervals


def _parse_interval(raw: object) -> Interval | None:
    if not isinstance(raw, list) or len(raw) != PAIR:
        return None
    interval: Interval = []
    for each in raw:
        if each is None or (isinstance(each, str) and each.strip() in OPEN_ENDS):
            interval.append(None)
            continue
        timestamp = unwrap_repaired(parse_datetime(each))
        if type(timestamp) is not str:
            return None
        interval.append(timestamp)
    start, end = interval
    return None if start and end and not is_chronological(start, end) else interval


def _extent_of_items(items: Iterable[dict[str, Any]]) -> tuple[Bbox, Interval]:
    bbox: Bbox | None = None
    start: str | None = None
    end: str | None = None
    for item in items:
        item_bbox = item.get("bbox")
        if item_bbox:
            bbox = union_bbox([bbox, item_bbox]) if bbox else list(item_bbox)
        fields = item["properties"]
        item_start = fields.get("start_datetime") or fields["datetime"]
        item_end = fields.get("end_datetime") or fields["datetime"]
        start = item_start if start is None or not is_chronological(start, item_start) else start
        end = item_end if end is None or not is_chronological(item_end, end) else end
    return bbox or list(WORLD_BBOX), [start, end]
