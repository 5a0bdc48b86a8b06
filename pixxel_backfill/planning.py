"""Divide the archive into shards: by month, or by the number of items."""

from __future__ import annotations

import bisect
import json
import logging
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from pixxel_api.errors import BadRequest, PixxelError
from pixxel_api.json_decoding import FieldPath
from pixxel_api.pagination.window_scan import WINDOW_ROWS
from pixxel_api.timestamps import format_timestamp, parse_timestamp, subtract
from pixxel_backfill.plan import Plan, Shard
from pixxel_singer.errors import InputError
from pixxel_singer.log_setup import join_names
from pixxel_singer.redaction import select_public
from tap_pixxel.stac import ConversionError
from tap_pixxel.stream_types.incremental import read_timestamp
from tap_pixxel.streams.archive import ArchiveItems, Collections

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pixxel_api.json_decoding import RawRow
    from tap_pixxel.tap import TapPixxel

MONTH = "month"
AUTO = "auto"
SHARD_ROWS = 10_000
"""Items after which `auto` begins the next shard."""
_FIRST_MONTH = 1957 * 12 + 9
"""Month of the first satellite, since the year 0: nothing was acquired before."""
_IMPOSSIBLE_WINDOW = ("0001-01-01T00:00:00.000000Z", "0001-01-02T00:00:00.000000Z")
_WHOLE = "all"
"""Name of the window of a collection that is not divided."""
_DATETIME = FieldPath("properties", "datetime")
_MICROSECOND = timedelta(microseconds=1)

logger = logging.getLogger(__name__)


class Split(NamedTuple):
    """The beginning of a window.

    Attributes:
        name: The window's name, unique in its collection.
        start: Its first time, in the fixed-width UTC form; None for the first window.
    """

    name: str
    start: str | None


@dataclass(frozen=True)
class CollectionSearch:
    """Searches for single items of a collection, by the filters of the tap's settings.

    Args:
        items: The tap's stream of archive items.
        collection: Id of the collection.
    """

    items: ArchiveItems
    collection: str

    def find_row(self, start: str | None, end: str | None, offset: int = 0) -> RawRow | None:
        """Return one of the items in a window, in the order in which the tap reads them.

        Args:
            start: The first time of the window; None is unbounded.
            end: The last time of the window; None is unbounded.
            offset: Number of items to skip.

        Returns:
            The item; None if there are no more than those to skip.
        """
        interval = self.items.settings.datetime
        start = max((each for each in (start, interval.start) if each), default=None)
        end = min((each for each in (end, interval.end) if each), default=None)
        if start and end and start > end:
            return None
        filters: dict[str, Any] = {"collections": [self.collection]}
        if start or end:
            filters["datetime"] = f"{start or '..'}/{end or '..'}"
        body = self.items.make_body(filters) | self.items.paging.query_for(offset, 1)
        try:
            response = self.items.send_request("POST", body=body)
        except BadRequest as error:
            raise error.add_hint("pass a smaller --shard-rows") if offset else error from None
        return next(iter(response.rows(self.items.records_key)), None)

    def warn_undivided(self, reason: str) -> list[Split]:
        """Log that the collection is not divided, and return its only window."""
        logger.warning("%s: one shard, because the API %s", self.collection, reason)
        return [Split(_WHOLE, None)]


def make_plan(
    tap: TapPixxel,
    *,
    window: str,
    shard_rows: int = SHARD_ROWS,
    loader: list[str] | None = None,
) -> Plan:
    """Make a plan for the collections that the tap's settings select.

    Args:
        tap: A tap with the settings.
        window: `MONTH` or `AUTO`.
        shard_rows: Number of items after which `AUTO` begins the next shard.
        loader: The command of a Singer target; None to write GeoParquet.

    Raises:
        InputError: The settings do not fit the output.
        PixxelError: The API cannot be read.
    """
    if loader is None and not tap.settings.stac:
        raise InputError("Setting 'stac' must be true to write GeoParquet; or pass --loader")
    if tap.settings.owned_range is not None:
        raise InputError("Setting 'owned_range' is that of a shard; remove it, or set 'datetime'")
    started_at, collections, listed = read_collections(tap)
    unknown = [each for each in tap.settings.collections if listed and each not in listed]
    if unknown:
        raise InputError(
            f"Setting 'collections': the archive has no {join_names(unknown)}; it has "
            f"{join_names(sorted(listed), 20)}"
        )
    items = tap.get_stream(ArchiveItems)
    names = [each["collection"] for each in items.partitions]
    shards: list[Shard] = []
    for name in names:
        search = CollectionSearch(items, name)
        if window == MONTH:
            splits = split_by_month(search, parse_timestamp(started_at))
        else:
            splits = split_by_rows(search, shard_rows)
        shards += make_shards(name, splits)
    settings = select_public(tap.config_jsonschema, tap.config)
    if area := tap.settings.intersects:  # the setting may be the path of a file
        settings["intersects"] = json.dumps(area)
    return Plan(
        id=secrets.token_hex(6),
        started_at=started_at,
        settings=settings,
        shards=shards,
        collections={name: collections[name] for name in names if name in collections},
        loader=loader,
    )


def read_collections(tap: TapPixxel) -> tuple[str, dict[str, dict[str, Any]], set[str]]:
    """Return the server's time, the archive's collections as STAC, by id, and all of their ids.

    The list of collections need not be readable if the settings name those to read.

    Raises:
        PixxelError: It cannot be read, and the settings name none.
    """
    stream = tap.get_stream(Collections)
    now = datetime.now(UTC)
    try:
        response = stream.send_request("GET")
        rows = response.rows(stream.records_key)
    except PixxelError as error:
        if error.affects_all_requests or not tap.settings.collections:
            raise
        logger.warning("the plan has no STAC Collections, because they cannot be read: %s", error)
        return format_timestamp(_read_server_time(tap) or now), {}, set()
    documents = {}
    listed = set()
    for row in rows:
        fields = stream.parse_row(row)
        listed.add(str(fields.get("id")))
        try:
            document = dict(stream.convert(fields).stac)
        except ConversionError as error:
            logger.warning("the plan lacks a STAC Collection: %s", error)
            continue
        documents[document["id"]] = document
    return format_timestamp(response.requested_at or now), documents, listed


def _read_server_time(tap: TapPixxel) -> datetime | None:
    """Return the server's time as a search states it."""
    items = tap.get_stream(ArchiveItems)
    filters = {"collections": list(tap.settings.collections)}
    body = items.make_body(filters) | items.paging.query_for(0, 1)
    return items.send_request("POST", body=body).requested_at


def split_by_month(search: CollectionSearch, now: datetime) -> list[Split]:
    """Return the months from the first to the last one that has items.

    They are found by bisection: whether a window has an item depends on no order, and items that
    have a time range instead of a time count, too.

    Args:
        search: The search of the collection.
        now: The server's time; later months are not considered.
    """
    if search.find_row(*_IMPOSSIBLE_WINDOW) is not None:
        return search.warn_undivided("does not filter by acquisition time")
    months = range(_FIRST_MONTH, now.year * 12 + now.month)
    first = bisect.bisect_left(
        months, x=True, key=lambda each: search.find_row(None, _end_of(each)) is not None
    )
    last = bisect.bisect_left(
        months, x=True, lo=first, key=lambda each: search.find_row(_start_of(each), None) is None
    )
    names = [_start_of(month)[:7] for month in months[first:last]]
    if not names:
        return [Split(_WHOLE, None)]
    return [
        Split(names[0], None),
        *(Split(each, f"{each}-01T00:00:00.000000Z") for each in names[1:]),
    ]


def _start_of(month: int) -> str:
    """Return the first time of a month since the year 0."""
    return f"{month // 12:04}-{month % 12 + 1:02}-01T00:00:00.000000Z"


def _end_of(month: int) -> str:
    """Return the last time of a month since the year 0."""
    return subtract(_start_of(month + 1), _MICROSECOND)


def split_by_rows(search: CollectionSearch, shard_rows: int) -> list[Split]:
    """Return windows of about a number of items each.

    The item at an offset is the first one of the next window, so a window costs a request for each
    5,000 items: servers reject offsets beyond about 10,000.

    Args:
        search: The search of the collection.
        shard_rows: Number of items after which the next window begins.
    """
    if not search.items.has_stable_order:
        return search.warn_undivided("does not sort by acquisition time")
    step = min(shard_rows, WINDOW_ROWS)
    starts: list[str] = []
    counted = 0
    first = search.find_row(None, None)
    low = _read_time(first)
    while low is not None and (row := search.find_row(low, None, step)) is not None:
        if first is not None and search.items.key_of(row) == search.items.key_of(first):
            return search.warn_undivided("ignores offsets")
        time = _read_time(row)
        if time is not None and time <= low:  # a step of items at one instant
            time = _read_time(search.find_row(_next_instant(low), None))
        if time is None or time <= low:  # items without a time come last
            break
        low = time
        counted += step
        if counted >= shard_rows:
            starts.append(low)
            counted = 0
    digits = max(4, len(str(len(starts))))
    names = [f"{number:0{digits}}-{start[:10]}" for number, start in enumerate(starts, start=2)]
    return [Split("1".zfill(digits), None), *map(Split, names, starts)]


def _read_time(row: RawRow | None) -> str | None:
    return None if row is None else read_timestamp(row, _DATETIME)


def _next_instant(time: str) -> str:
    return format_timestamp(parse_timestamp(time) + _MICROSECOND)


def make_shards(collection: str, splits: Sequence[Split]) -> list[Shard]:
    """Return the shards of a collection, which leave no gap and are open at both outer ends."""
    ends = [*(split.start for split in splits[1:]), None]
    return [
        Shard(f"{collection}/{split.name}", collection, split.start, end)
        for split, end in zip(splits, ends, strict=True)
    ]
