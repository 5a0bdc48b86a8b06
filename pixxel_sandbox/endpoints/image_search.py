"""The endpoint that searches images of all satellites, with two kinds of paging."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from pixxel_sandbox.runtime_state import SandboxState, SearchCursor
from pixxel_sandbox.seed.archive_items import ItemRow
from pixxel_sandbox.seed.footprints import build_shape
from pixxel_sandbox.seed.timestamp_formats import parse_timestamp
from pixxel_sandbox.web.errors import bad_request
from pixxel_sandbox.web.item_filters import Searchable, matches_search
from pixxel_sandbox.web.search_params import (
    PageParams,
    Range,
    Search,
    decode_body,
    page_params_from_body,
    parse_geometry,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shapely.geometry.base import BaseGeometry
    from starlette.requests import Request

    from pixxel_sandbox.json_types import Json
    from pixxel_sandbox.seed.generate import ResourceRow
    from pixxel_sandbox.workspace import Workspace

DEFAULT_LIMIT = 10
MAX_LIMIT = 10_000
PAGING_FIELDS = frozenset({"limit", "skip", "next_token"})
"""The fields of a search's body that select a page."""


@dataclass(frozen=True)
class ExternalImage:
    """An image of an external satellite."""

    item: Json

    def get_property(self, name: str) -> object:
        """Return a property, None if the image does not have it."""
        value: object = self.item["properties"].get(name)
        return value

    def shape(self) -> BaseGeometry | None:
        """Return the geometry as a shape for spatial filters."""
        geometry = self.item.get("geometry")
        return build_shape(geometry) if geometry else None


class ImageSource(NamedTuple):
    """A collection of a satellite's images."""

    satellite: str
    collection: str


class ImageHit(NamedTuple):
    """An image that a search found, and its sort key; the newest image is the first."""

    sort_key: tuple[float, str]
    source: ImageSource
    row: ResourceRow


@dataclass(frozen=True)
class ImageQuery:
    """A parsed search."""

    sources: tuple[ImageSource, ...]
    search: Search
    limits: tuple[tuple[str, Range], ...]


def search_images(state: SandboxState, request: Request) -> object:
    """Search the images of satellites; the newest image is the first."""
    body = decode_body(request.state.record.raw)
    query = _parse_query(state.workspace, body)
    page_params = _page_params(body)
    cap = state.behavior.max_limit or page_params.limit
    page_params = PageParams(page_params.offset, min(page_params.limit, cap))
    search_key = msgspec.json.encode(
        {n: value for n, value in body.items() if n not in PAGING_FIELDS}
    )
    hits = state.workspace.cached(
        ("satellite_images", search_key), lambda: _find_hits(state.workspace, query)
    )
    if state.behavior.skip_paging:
        return _page_by_skip(state.workspace, hits, page_params)
    return _page_by_token(state, hits, page_params.limit, search_key, body.get("next_token"))


def _page_params(body: Json) -> PageParams:
    page_params = page_params_from_body({**body, "offset": body.get("skip", 0)}, DEFAULT_LIMIT)
    if page_params.limit > MAX_LIMIT:
        raise bad_request(f"limit must be at most {MAX_LIMIT}", field="limit")
    return page_params


def _parse_query(workspace: Workspace, body: Json) -> ImageQuery:
    if "geometry" not in body:
        raise bad_request("geometry is missing", field="geometry")
    search = Search(
        shapes=(parse_geometry(body["geometry"], "geometry"),),
        datetime=Range(_parse_date(body, "start_date"), _parse_date(body, "end_date")),
    )
    if search.datetime and search.datetime.last < search.datetime.first:
        raise bad_request("end_date is before start_date", field="end_date")
    return ImageQuery(_parse_sources(workspace, body), search, _parse_limits(body))


def _parse_date(body: Json, name: str) -> object:
    moment = parse_timestamp(body.get(name))
    if moment is None:
        raise bad_request(f"{name} must be a timestamp", field=name)
    return moment


def _parse_sources(workspace: Workspace, body: Json) -> tuple[ImageSource, ...]:
    entries = body.get("satellites")
    if not isinstance(entries, list) or not entries:
        raise bad_request("satellites must be a non-empty list", field="satellites")
    known = {
        ImageSource(row["id"], collection["id"])
        for row in workspace.rows("satellites")
        for collection in row["collections"]
    }
    sources = {_parse_source(entry): None for entry in entries}
    if not known.issuperset(sources):
        raise bad_request("no such satellite, or it has no such collection", field="satellites")
    return tuple(sources)


def _parse_source(entry: object) -> ImageSource:
    names = ("satellite_id", "collection_id")
    if not isinstance(entry, dict) or not all(isinstance(entry.get(n), str) for n in names):
        raise bad_request(f"each of satellites must have {' and '.join(names)}",
                        field="satellites")  # fmt: skip
    return ImageSource(*(entry[name] for name in names))


def _parse_limits(body: Json) -> tuple[tuple[str, Range], ...]:
    filters = body.get("filters", [])
    if not isinstance(filters, list):
        raise bad_request("filters must be a list", field="filters")
    return tuple(_parse_limit(entry) for entry in filters)


def _parse_limit(entry: object) -> tuple[str, Range]:
    if not isinstance(entry, dict) or not isinstance(entry.get("id"), str):
        raise bad_request("each of filters must have an id", field="filters")
    ends = [entry.get("min"), entry.get("max")]
    if not all(_is_number(end) for end in ends):
        raise bad_request("min and max must be numbers", field="filters")
    return entry["id"], Range(*ends)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _find_hits(workspace: Workspace, query: ImageQuery) -> Sequence[ImageHit]:
    images: list[tuple[str, str, ResourceRow, Searchable]] = [
        (row.collection, row.id, row, row)
        for row in workspace.image_rows("archive_items")
        if isinstance(row, ItemRow)
    ]
    images += [
        (row["collection"], row["id"], row, ExternalImage(row))
        for row in workspace.rows("satellite_images")
    ]
    return sorted(
        (
            ImageHit(
                (-_acquisition_time(image), f"{source.satellite}/{collection}/{key}"), source, row
            )
            for source in query.sources
            for collection, key, row, image in images
            if collection == source.collection and _matches(image, query)
        ),
        key=lambda hit: hit.sort_key,
    )


def _acquisition_time(image: Searchable) -> float:
    moment = parse_timestamp(image.get_property("datetime")) or parse_timestamp(
        image.get_property("startdatetime")
    )
    return moment.timestamp() if moment else 0.0


def _matches(image: Searchable, query: ImageQuery) -> bool:
    for name, limit in query.limits:
        value = image.get_property(name)
        if not _is_number(value) or not limit.overlaps(value, value):
            return False
    return matches_search(image, query.search)


def _page_by_token(
    state: SandboxState, hits: Sequence[ImageHit], limit: int, search_key: bytes, token: object
) -> Json:
    """Return items by their full names, and a token if there are more.

    A token refers to the last item of its page, so that new items do not shift the next page.
    """
    start = 0
    if token is not None:
        cursor = state.cursors.get(token) if isinstance(token, str) else None
        if cursor is None or cursor.query != search_key:
            raise bad_request("next_token is unknown", field="next_token")
        start = bisect_right(hits, cursor.position, key=lambda hit: hit.sort_key)
    page = hits[start : start + limit]
    items = {hit.sort_key[1]: state.workspace.render(hit.row) for hit in page}
    if start + limit >= len(hits):
        return {"items": items}
    cursor = SearchCursor(search_key, page[-1].sort_key)
    token = sha256(search_key + repr(cursor.position).encode()).hexdigest()[:32]
    state.cursors[token] = cursor
    return {"items": items, "next_token": token}


def _page_by_skip(workspace: Workspace, hits: Sequence[ImageHit], page_params: PageParams) -> Json:
    """Return lists of items by satellite and collection, and the total."""
    items: dict[str, list[Json]] = {}
    for hit in hits[page_params.offset : page_params.offset + page_params.limit]:
        items.setdefault("/".join(hit.source), []).append(workspace.render(hit.row))
    pagination = {"limit": page_params.limit, "skip": page_params.offset, "total": len(hits)}
    return {"items": items, "pagination": pagination}
