"""Image search: images of all satellites by time, place and limits, with two kinds of paging."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, NamedTuple

import msgspec
from shapely.geometry.base import BaseGeometry
from starlette.requests import Request

from pixxel_sandbox.complaints import malformed
from pixxel_sandbox.criteria import Search, Span, Window, body_of, shape, window_of_body
from pixxel_sandbox.filters import Picture, found
from pixxel_sandbox.footprints import Json, unrolled
from pixxel_sandbox.front import Cursor, Desk
from pixxel_sandbox.imagery import Scene
from pixxel_sandbox.times import instant
from pixxel_sandbox.workspace import Row, Workspace

DEFAULT_LIMIT: Final = 10
LARGEST_LIMIT: Final = 10_000
PAGING: Final = frozenset({"limit", "skip", "next_token"})
"""What says which part of a search's answer is asked for, and not what it searches."""


@dataclass(frozen=True)
class External:
    """An image that others describe, to be tested as one of the archive is."""

    item: Json

    def value(self, name: str) -> object:
        """Returns one of the item's properties, None when it has not got it."""
        value: object = self.item["properties"].get(name)
        return value

    def shape(self) -> BaseGeometry | None:
        """Returns the geometry as a shape to test against."""
        geometry = self.item.get("geometry")
        return unrolled(geometry) if geometry else None


class Source(NamedTuple):
    """A collection of a satellite's images."""

    satellite: str
    collection: str


class Hit(NamedTuple):
    """An image that was found, and its place in the answer: the newest is the first."""

    place: tuple[float, str]
    source: Source
    row: Row


@dataclass(frozen=True)
class Quest:
    """A search as it was understood."""

    sources: tuple[Source, ...]
    search: Search
    limits: tuple[tuple[str, Span], ...]


def search(desk: Desk, request: Request) -> object:
    """Searches the images of satellites, the newest first."""
    body = body_of(request.state.record.raw)
    quest = _quest(desk.workspace, body)
    window = _window(body)
    cap = desk.habits.max_limit or window.limit
    window = Window(window.offset, min(window.limit, cap))
    asked = msgspec.json.encode({n: value for n, value in body.items() if n not in PAGING})
    hits = desk.workspace.memoised(
        ("satellite_images", asked), lambda: _hits(desk.workspace, quest)
    )
    if desk.habits.skip_paging:
        return _by_skip(desk.workspace, hits, window)
    return _by_token(desk, hits, window.limit, asked, body.get("next_token"))


def _window(body: Json) -> Window:
    window = window_of_body({**body, "offset": body.get("skip", 0)}, DEFAULT_LIMIT)
    if window.limit > LARGEST_LIMIT:
        raise malformed(f"limit is larger than {LARGEST_LIMIT}", field="limit")
    return window


def _quest(workspace: Workspace, body: Json) -> Quest:
    if "geometry" not in body:
        raise malformed("geometry is missing", field="geometry")
    search = Search(
        shapes=(shape(body["geometry"], "geometry"),),
        datetime=Span(_moment(body, "start_date"), _moment(body, "end_date")),
    )
    if search.datetime and search.datetime.last < search.datetime.first:
        raise malformed("end_date is before start_date", field="end_date")
    return Quest(_sources(workspace, body), search, _limits(body))


def _moment(body: Json, name: str) -> object:
    moment = instant(body.get(name))
    if moment is None:
        raise malformed(f"{name} is not a time", field=name)
    return moment


def _sources(workspace: Workspace, body: Json) -> tuple[Source, ...]:
    asked = body.get("satellites")
    if not isinstance(asked, list) or not asked:
        raise malformed("satellites is not a list with something in it", field="satellites")
    known = {
        Source(row["id"], collection["id"])
        for row in workspace.rows("satellites")
        for collection in row["collections"]
    }
    sources = {_source(entry): None for entry in asked}
    if not known.issuperset(sources):
        raise malformed("no such satellite, or it has no such collection", field="satellites")
    return tuple(sources)


def _source(entry: object) -> Source:
    names = ("satellite_id", "collection_id")
    if not isinstance(entry, dict) or not all(isinstance(entry.get(n), str) for n in names):
        raise malformed(f"satellites holds something without {' or '.join(names)}",
                        field="satellites")  # fmt: skip
    return Source(*(entry[name] for name in names))


def _limits(body: Json) -> tuple[tuple[str, Span], ...]:
    filters = body.get("filters", [])
    if not isinstance(filters, list):
        raise malformed("filters is not a list", field="filters")
    return tuple(_limit(entry) for entry in filters)


def _limit(entry: object) -> tuple[str, Span]:
    if not isinstance(entry, dict) or not isinstance(entry.get("id"), str):
        raise malformed("filters holds something without an id", field="filters")
    ends = [entry.get("min"), entry.get("max")]
    if not all(_is_number(end) for end in ends):
        raise malformed("min and max are not both numbers", field="filters")
    return entry["id"], Span(*ends)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _hits(workspace: Workspace, quest: Quest) -> Sequence[Hit]:
    pictures: list[tuple[str, str, Row, Picture]] = [
        (row.collection, row.id, row, row)
        for row in workspace.images("archive_items")
        if isinstance(row, Scene)
    ]
    pictures += [
        (row["collection"], row["id"], row, External(row))
        for row in workspace.rows("satellite_images")
    ]
    return sorted(
        (
            Hit((-_taken(picture), f"{source.satellite}/{collection}/{key}"), source, row)
            for source in quest.sources
            for collection, key, row, picture in pictures
            if collection == source.collection and _passes(picture, quest)
        ),
        key=lambda hit: hit.place,
    )


def _taken(picture: Picture) -> float:
    moment = instant(picture.value("datetime")) or instant(picture.value("startdatetime"))
    return moment.timestamp() if moment else 0.0


def _passes(picture: Picture, quest: Quest) -> bool:
    for name, span in quest.limits:
        value = picture.value(name)
        if not _is_number(value) or not span.holds(value, value):
            return False
    return found(picture, quest.search)


def _by_token(desk: Desk, hits: Sequence[Hit], limit: int, asked: bytes, token: object) -> Json:
    """Answers with a map of items by their full names, and a token while there are more.

    A token stands for the last item of its page: what comes ahead of it does not shift the next.
    """
    start = 0
    if token is not None:
        cursor = desk.cursors.get(token) if isinstance(token, str) else None
        if cursor is None or cursor.asked != asked:
            raise malformed("next_token is unknown", field="next_token")
        start = bisect_right(hits, cursor.place, key=lambda hit: hit.place)
    shown = hits[start : start + limit]
    items = {hit.place[1]: desk.workspace.render(hit.row) for hit in shown}
    if start + limit >= len(hits):
        return {"items": items}
    cursor = Cursor(asked, shown[-1].place)
    token = sha256(asked + repr(cursor.place).encode()).hexdigest()[:32]
    desk.cursors[token] = cursor
    return {"items": items, "next_token": token}


def _by_skip(workspace: Workspace, hits: Sequence[Hit], window: Window) -> Json:
    """Answers with lists of items by their satellite and collection, and how many there are."""
    items: dict[str, list[Json]] = {}
    for hit in hits[window.offset : window.offset + window.limit]:
        items.setdefault("/".join(hit.source), []).append(workspace.render(hit.row))
    place = {"limit": window.limit, "skip": window.offset, "total": len(hits)}
    return {"items": items, "pagination": place}
