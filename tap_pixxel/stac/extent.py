"""Extent: where and when a collection's items are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tap_pixxel.stac.geometry import FOUR_OR_SIX, edges
from tap_pixxel.stac.notes import CONVERTED, DROPPED, REPAIRED
from tap_pixxel.stac.quads import EDGE, POLE
from tap_pixxel.stac.times import in_order, moment
from tap_pixxel.stac.values import Mended, as_it_was, numbers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Say = Callable[[str, str, str], None]

WORLD: Final = [-EDGE, -POLE, EDGE, POLE]
OPEN: Final = frozenset({"", ".."})
"""Texts that stand for an end that is open; STAC writes null."""
TWO: Final = 2
Box = list[float]
Interval = list[str | None]


def to_extent(raw: object, items: Iterable[dict[str, Any]] | None, say: Say) -> dict[str, Any]:
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
    boxes = _boxes(_member(stated, "spatial", "bbox", say), say)
    intervals = _intervals(_member(stated, "temporal", "interval", say), say)
    if not boxes or not intervals:
        of_items = _extent_of(items or ())
        boxes = boxes or [of_items[0]]
        intervals = intervals or [of_items[1]]
        say("extent", REPAIRED, "missing in part: that of the items, or the world")
    return {"spatial": {"bbox": boxes}, "temporal": {"interval": intervals}}


def _member(stated: dict[str, Any], half: str, name: str, say: Say) -> list[Any]:
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


def _boxes(raw: list[Any], say: Say) -> list[Box]:
    made: list[Box] = []
    for at, each in enumerate(raw):
        path = f"extent.spatial.bbox.{at}"
        read = numbers(each, FOUR_OR_SIX)
        if read is None or not _on_globe(read):
            say(path, DROPPED, "not a bounding box in degrees")
            continue
        if type(as_it_was(each, read)) is Mended:
            say(path, CONVERTED, "numbers written as text")
        made.append(read)
    if len(made) == TWO:
        say("extent.spatial.bbox", REPAIRED, "two: STAC wants the whole before the parts")
        made.insert(0, union(made))
    return made


def _on_globe(box: Box) -> bool:
    half = len(box) // 2
    west, south, east, north = box[0], box[1], box[half], box[half + 1]
    return max(abs(west), abs(east)) <= EDGE and -POLE <= south <= north <= POLE


def union(boxes: list[Box]) -> Box:
    """Give the bbox around others; its west is greater than its east if one of theirs is."""
    flat = [[*box[:2], *box[len(box) // 2 :][:2]] for box in boxes]
    spans: list[tuple[float, float]] = []
    for west, _, east, _ in flat:
        spans += [(west, east)] if west <= east else [(west, EDGE), (-EDGE, east)]
    left, right = edges(spans)
    return [left, min(box[1] for box in flat), right, max(box[3] for box in flat)]


def _intervals(raw: list[Any], say: Say) -> list[Interval]:
    made: list[Interval] = []
    for at, each in enumerate(raw):
        path = f"extent.temporal.interval.{at}"
        read = _interval(each)
        if read is None:
            say(path, DROPPED, "not an interval of timestamps")
            continue
        if read != each:
            say(path, CONVERTED, "not RFC 3339 in UTC, or an open end that is not null")
        made.append(read)
    return made


def _interval(raw: object) -> Interval | None:
    if not isinstance(raw, list) or len(raw) != TWO:
        return None
    made: Interval = []
    for each in raw:
        if each is None or (isinstance(each, str) and each.strip() in OPEN):
            made.append(None)
            continue
        read = moment(each)
        read = read.value if type(read) is Mended else read
        if type(read) is not str:
            return None
        made.append(read)
    start, end = made
    return None if start and end and not in_order(start, end) else made


def _extent_of(items: Iterable[dict[str, Any]]) -> tuple[Box, Interval]:
    box: Box | None = None
    start: str | None = None
    end: str | None = None
    for item in items:
        other = item.get("bbox")
        if other:
            box = union([box, other]) if box else list(other)
        fields = item["properties"]
        begin = fields.get("start_datetime") or fields["datetime"]
        until = fields.get("end_datetime") or fields["datetime"]
        start = begin if start is None or not in_order(start, begin) else start
        end = until if end is None or not in_order(until, end) else end
    return box or list(WORLD), [start, end]
