"""Extent: where and when a collection's items are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tap_pixxel.stac.datetimes import is_chronological, parse_datetime
from tap_pixxel.stac.geometry.fast_path import MAX_LATITUDE, MAX_LONGITUDE
from tap_pixxel.stac.geometry.footprint import BBOX_LENGTHS, longitude_bounds
from tap_pixxel.stac.parsers import Repaired, mark_if_converted, parse_number_list
from tap_pixxel.stac.result import CONVERTED, DROPPED, REPAIRED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Say = Callable[[str, str, str], None]

WORLD_BBOX: Final = [-MAX_LONGITUDE, -MAX_LATITUDE, MAX_LONGITUDE, MAX_LATITUDE]
OPEN_ENDS: Final = frozenset({"", ".."})
"""Texts that stand for an end that is open; STAC writes null."""
PAIR: Final = 2
Bbox = list[float]
Interval = list[str | None]


def convert_extent(raw: object, items: Iterable[dict[str, Any]] | None, say: Say) -> dict[str, Any]:
    """Give a collection's extent.

    Args:
        raw: the API's extent, if it has any.
        items: the collection's STAC Items; they are looked at only when half of the extent or
            all of it is missing. Without them it is the world, at any time.
        say: takes a note: the field, what was done, why.
    """
    if raw is not None and not isinstance(raw, dict):
        say("extent", DROPPED, "not an object")
    stated: dict[str, Any] = raw if isinstance(raw, dict) else {}
    for name in sorted(stated.keys() - {"spatial", "temporal"}):
        say(f"extent.{name}", DROPPED, "not a member of extents")
    boxes = _convert_bboxes(_read_member(stated, "spatial", "bbox", say), say)
    intervals = _convert_intervals(_read_member(stated, "temporal", "interval", say), say)
    if not boxes or not intervals:
        of_items = _extent_of_items(items or ())
        boxes = boxes or [of_items[0]]
        intervals = intervals or [of_items[1]]
        say("extent", REPAIRED, "missing in part: that of the items, or the world")
    return {"spatial": {"bbox": boxes}, "temporal": {"interval": intervals}}


def _read_member(stated: dict[str, Any], half: str, name: str, say: Say) -> list[Any]:
    member = stated.get(half)
    if isinstance(member, dict):
        for other in sorted(member.keys() - {name}):
            say(f"extent.{half}.{other}", DROPPED, "not a member of extents")
        member = member.get(name)
    if member is None:
        return []
    if not isinstance(member, list):
        say(f"extent.{half}", DROPPED, "not a list")
        return []
    if member and not isinstance(member[0], list):
        say(f"extent.{half}", CONVERTED, "one where a list of them belongs")
        return [member]
    return member


def _convert_bboxes(raw: list[Any], say: Say) -> list[Bbox]:
    made: list[Bbox] = []
    for at, each in enumerate(raw):
        path = f"extent.spatial.bbox.{at}"
        read = parse_number_list(each, BBOX_LENGTHS)
        if read is None or not _is_on_globe(read):
            say(path, DROPPED, "not a bounding box in degrees")
            continue
        if type(mark_if_converted(each, read)) is Repaired:
            say(path, CONVERTED, "numbers written as text")
        made.append(read)
    if len(made) == PAIR:
        say("extent.spatial.bbox", REPAIRED, "two: STAC wants the whole before the parts")
        made.insert(0, union_bbox(made))
    return made


def _is_on_globe(box: Bbox) -> bool:
    half = len(box) // 2
    west, south, east, north = box[0], box[1], box[half], box[half + 1]
    return (
        max(abs(west), abs(east)) <= MAX_LONGITUDE
        and -MAX_LATITUDE <= south <= north <= MAX_LATITUDE
    )


def union_bbox(boxes: list[Bbox]) -> Bbox:
    """Give the bbox around others; its west is greater than its east if one of theirs is."""
    flat = [[*box[:2], *box[len(box) // 2 :][:2]] for box in boxes]
    spans: list[tuple[float, float]] = []
    for west, _, east, _ in flat:
        spans += [(west, east)] if west <= east else [(west, MAX_LONGITUDE), (-MAX_LONGITUDE, east)]
    left, right = longitude_bounds(spans)
    return [left, min(box[1] for box in flat), right, max(box[3] for box in flat)]


def _convert_intervals(raw: list[Any], say: Say) -> list[Interval]:
    made: list[Interval] = []
    for at, each in enumerate(raw):
        path = f"extent.temporal.interval.{at}"
        read = _parse_interval(each)
        if read is None:
            say(path, DROPPED, "not an interval of timestamps")
            continue
        if read != each:
            say(path, CONVERTED, "not RFC 3339 in UTC, or an open end that is not null")
        made.append(read)
    return made


def _parse_interval(raw: object) -> Interval | None:
    if not isinstance(raw, list) or len(raw) != PAIR:
        return None
    made: Interval = []
    for each in raw:
        if each is None or (isinstance(each, str) and each.strip() in OPEN_ENDS):
            made.append(None)
            continue
        read = parse_datetime(each)
        read = read.value if type(read) is Repaired else read
        if type(read) is not str:
            return None
        made.append(read)
    start, end = made
    return None if start and end and not is_chronological(start, end) else made


def _extent_of_items(items: Iterable[dict[str, Any]]) -> tuple[Bbox, Interval]:
    box: Bbox | None = None
    start: str | None = None
    end: str | None = None
    for item in items:
        other = item.get("bbox")
        if other:
            box = union_bbox([box, other]) if box else list(other)
        fields = item["properties"]
        begin = fields.get("start_datetime") or fields["datetime"]
        until = fields.get("end_datetime") or fields["datetime"]
        start = begin if start is None or not is_chronological(start, begin) else start
        end = until if end is None or not is_chronological(until, end) else end
    return box or list(WORLD_BBOX), [start, end]
