"""The archive: its collections, and their items, which can be ordered."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from pixxel_api.errors import BadRequest, PixxelError
from pixxel_api.json_decoding import FieldPath
from pixxel_api.pagination.paging import Page, SinglePage
from pixxel_api.pagination.window_scan import WINDOW_ROWS, TimeWindowScan, UntimedScan
from pixxel_api.timestamps import TIME_RANGE_NAMES
from tap_pixxel.columns import (
    ANY_LIST,
    OBJECT,
    OBJECTS,
    TEXT,
    TEXTS,
    TIMESTAMP,
    Column,
    TableSchema,
)
from tap_pixxel.settings import UNDATED, Interval
from tap_pixxel.stream_types.base import PixxelStream
from tap_pixxel.stream_types.incremental import EPOCH, ServerFilteredStream, read_timestamp
from tap_pixxel.stream_types.search import (
    COLLECTIONS_PATH,
    SearchStream,
    reverse_sort_by_prose,
)
from tap_pixxel.stream_types.stac import STAC_COLLECTION_COLUMNS, StacStreamMixin
from tap_pixxel.stream_types.stac_items import StacItemStream

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from singer_sdk.tap_base import Tap

    from pixxel_api.json_decoding import RawRow
    from pixxel_api.pagination.list_scan import RecentKeys
    from pixxel_api.pagination.paging import FetchPage
    from tap_pixxel.bookmarks import Bookmark
    from tap_pixxel.columns import Fields
    from tap_pixxel.stac import ConversionResult
    from tap_pixxel.stream_types.scan_report import RowBatch
    from tap_pixxel.stream_types.sdk_stream import StreamContext

_DATETIME = FieldPath("properties", "datetime")
_STARTS, _ENDS = ([FieldPath("properties", each) for each in names] for names in TIME_RANGE_NAMES)
_MAX_LOGGED_IDS = 5


def read_acquisition_time(row: RawRow) -> str | None:
    """Return the time by which a range owns an item: its `datetime`, else its start.

    Returns:
        The time in the fixed-width UTC form; None without a time that a window of the search can
        match: a `datetime`, or a start and an end in their order.
    """
    time = read_timestamp(row, _DATETIME)
    if time is not None:
        return time
    start, end = (
        next(filter(None, (read_timestamp(row, field) for field in fields)), None)
        for fields in (_STARTS, _ENDS)
    )
    return start if start and end and start <= end else None


class Collections(StacStreamMixin, PixxelStream):
    """GET /v0/archives/collections: the archive's collections."""

    stac_column = "stac_collection"

    name = "collections"
    path = COLLECTIONS_PATH
    records_key = "collections"
    paging = SinglePage()
    _columns = (
        Column("id", TEXT, "Id of the collection."),
        Column("title", TEXT, "Title."),
        Column("description", TEXT, "Description."),
        Column("license", TEXT, "License."),
        Column("created_at", TIMESTAMP, "When it was created, UTC."),
        Column("updated_at", TIMESTAMP, "When it was last updated, UTC."),
    )
    _raw = (
        Column("type", TEXT, "Always Collection."),
        Column("keywords", TEXTS, "Keywords."),
        Column("extent", OBJECT, "Extent in space and time."),
        Column("providers", OBJECTS, "Producers, licensors and hosts."),
        Column("summaries", OBJECT, "Values of its items' properties."),
        Column("stac_version", TEXT, "STAC version, as the API states it."),
        Column("stac_extensions", ANY_LIST, "STAC extensions, as the API states them."),
        Column("links", OBJECTS, "Links."),
    )
    replaced_columns = frozenset(column.name for column in _raw)
    raw_table_schema = TableSchema(*_columns, *_raw)
    stac_table_schema = TableSchema(*_columns, *STAC_COLLECTION_COLUMNS)

    def convert(self, raw: Fields) -> ConversionResult:
        """Convert a collection."""
        from tap_pixxel.stac import to_collection  # noqa: PLC0415 - takes long to import

        return to_collection(raw, api_url=self.settings.url)

    def read_summary_columns(self, stac: Fields) -> Fields:
        """Return none: collections have no summary columns."""
        del stac
        return {}


class ArchiveItems(StacItemStream, ServerFilteredStream, SearchStream):
    """POST /v0/archives/search: the archive's images, a bookmark for each collection."""

    name = "archive_items"
    path = "/v0/archives/search"
    records_key = "features"
    primary_keys = ("id", "collection")  # STAC: an id is unique within its collection
    sort_param = "sortby"
    updated_field = FieldPath("properties", "updated")
    tests_filter_first = False
    window_rows: ClassVar[int] = WINDOW_ROWS
    _collection_ids: list[str] | None = None

    def __init__(self, tap: Tap, context: StreamContext) -> None:
        super().__init__(tap, context)
        self.undated_ids: list[str] = []
        """Ids of the items without any time that the sync has read, with `owned_range` only."""

    @property
    def partitions(self) -> list[dict[str, Any]]:
        """A partition for each collection of the settings, or of the archive."""
        if self._collection_ids is None:
            self._collection_ids = []
            self._collection_ids = self._find_collections()
        return [{"collection": name} for name in self._collection_ids]

    def filters(self) -> dict[str, Any]:
        """Return the filters without `collections`: each collection has its own bookmark."""
        return super().filters() | {"collections": None}

    def uses_filter(self) -> bool:
        """Return whether the setting `query` does not filter on the replication key itself."""
        return self.replication_key not in self.settings.query

    def finds_rows_since_epoch(self, context: Mapping[str, Any] | None) -> bool:
        """Return whether the API finds an item of the collection updated since 1970."""
        body = self.make_body(self._make_filters(context, EPOCH)) | self.paging.query_for(0, 1)
        return self.has_rows("POST", body=body)

    def make_scan(
        self,
        context: Mapping[str, Any] | None,
        bookmark: Bookmark | None,
        updated_after: str | None,
    ) -> TimeWindowScan | UntimedScan:
        """Return the scan of a collection in windows of acquisition time."""
        interval, owned = self.settings.datetime, self.settings.owned_range
        filters = self._make_filters(context, updated_after)
        if owned and owned.is_undated:
            return self._make_untimed_scan(filters, both_ends=True)
        if owned:
            interval = interval.overlap(owned)

        def fetch_between(start: str | None, end: str | None) -> FetchPage:
            window = {"datetime": f"{start or '..'}/{end or '..'}"} if start or end else {}
            return lambda offset, limit: self.search_page(offset, limit, filters | window)

        return TimeWindowScan(
            fetch_between,
            lambda row: read_timestamp(row, _DATETIME),
            self.scan_options(),
            ordered=self.has_stable_order,
            low=(bookmark.resume_from() if bookmark else None) or interval.start,
            high=interval.end,
            window_rows=self.window_rows,
            make_untimed_scan=(
                # An ascending scan that begins without a bound has read the other end.
                partial(self._make_untimed_scan, filters)
                if owned is None and interval == Interval(None, None)
                else None
            ),
        )

    def _make_untimed_scan(
        self,
        filters: dict[str, Any],
        recent_keys: RecentKeys | None = None,
        *,
        both_ends: bool = False,
    ) -> UntimedScan:
        """Return the scan of the items without any time, at the end of the list or at both ends."""
        descending = {self.sort_param: list(reverse_sort_by_prose(self.sort_order))}

        def fetch_from(order: dict[str, Any]) -> FetchPage:
            return lambda offset, limit: self.search_page(offset, limit, filters | order)

        def fetch_if_sorted(offset: int, limit: int) -> Page:
            try:
                return fetch_from(descending)(offset, limit)
            except BadRequest:
                self.logger.warning(
                    "%s: the API rejects the descending order, so items of a large collection that "
                    "have no acquisition time may be missing",
                    self.name,
                )
                return Page(offset, [])

        orders = [descending] if self.has_stable_order else []
        fetches = [fetch_from(order) for order in (*orders, {})]
        return UntimedScan(
            fetches if both_ends else [fetch_if_sorted if orders else fetches[0]],
            lambda row: read_timestamp(row, _DATETIME),
            lambda row: read_acquisition_time(row) is None,
            self.scan_options(),
            ordered=self.has_stable_order,
            recent_keys=recent_keys,
        )

    def make_records(self, batch: RowBatch, bookmark: Bookmark | None) -> Iterator[dict[str, Any]]:
        """Yield the records of the rows that the setting `owned_range` owns; without it, of all."""
        if owned := self.settings.owned_range:
            pairs = [(row, read_acquisition_time(row)) for row in batch.rows]
            self.undated_ids += [str(self.key_of(row)) for row, time in pairs if time is None]
            batch = batch._replace(rows=[row for row, time in pairs if owned.owns(time)])
        return super().make_records(batch, bookmark)

    def log_summary(self) -> None:
        """Log also the items that no range of times owns."""
        super().log_summary()
        owned = self.settings.owned_range
        if self.undated_ids and owned and not owned.is_undated:
            self.logger.warning(
                "%s: %d items have no acquisition time, so that no owned_range has them but '%s': "
                "%s",
                self.name,
                len(self.undated_ids),
                UNDATED,
                ", ".join(self.undated_ids[:_MAX_LOGGED_IDS])
                + ", ..." * (len(self.undated_ids) > _MAX_LOGGED_IDS),
            )

    def _make_filters(
        self, context: Mapping[str, Any] | None, updated_after: str | None
    ) -> dict[str, Any]:
        filters: dict[str, Any] = {"collections": [(context or {})["collection"]]}
        if updated_after:
            filters["query"] = {**self.settings.query, self.replication_key: {"gt": updated_after}}
        return filters

    def _find_collections(self) -> list[str]:
        """Return the collections to read; log those of the settings that do not exist.

        If the settings name them, the list of collections need not be readable.
        """
        wanted = list(self.settings.collections)
        try:
            existing = self.fetch_collection_ids()
        except PixxelError as error:
            if error.affects_all_requests or not wanted:
                raise
            return wanted
        return wanted or list(dict.fromkeys(existing))


STREAMS = (ArchiveItems, Collections)
