"""The archive: its collections and their items, which may be ordered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from pixxel_api.errors import Forbidden
from pixxel_api.json_decoding import FieldPath
from pixxel_api.pagination.paging import SinglePage
from pixxel_api.pagination.window_scan import WINDOW_ROWS, TimeWindowScan
from tap_pixxel.base import PixxelStream
from tap_pixxel.filtered import FilteredStream, stamp_in
from tap_pixxel.items import ItemStream
from tap_pixxel.schema import (
    ANY_LIST,
    OBJECT,
    OBJECTS,
    TEXT,
    TEXTS,
    TIMESTAMP,
    Column,
    Shape,
)
from tap_pixxel.search import COLLECTIONS, SearchStream
from tap_pixxel.stac_columns import STAC_COLLECTION, CarriesStac

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pixxel_api.pagination.paging import FetchPage
    from tap_pixxel.base import Fields
    from tap_pixxel.bookmarks import Bookmark
    from tap_pixxel.stac import ConversionResult

_DATETIME = FieldPath("properties", "datetime")


class Collections(CarriesStac, PixxelStream):
    """GET /v0/archives/collections: the archive's collections."""

    column = "stac_collection"

    name = "collections"
    path = COLLECTIONS
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
        Column("providers", OBJECTS, "Who made it, licenses it, hosts it."),
        Column("summaries", OBJECT, "Values that its items have."),
        Column("stac_version", TEXT, "STAC version, as the API states it."),
        Column("stac_extensions", ANY_LIST, "STAC extensions, as the API states them."),
        Column("links", OBJECTS, "Links."),
    )
    consumed = frozenset(column.name for column in _raw)
    raw_shape = Shape(*_columns, *_raw)
    stac_shape = Shape(*_columns, *STAC_COLLECTION)

    def convert(self, raw: Fields) -> ConversionResult:
        """Convert a collection."""
        from tap_pixxel.stac import to_collection  # noqa: PLC0415 - takes long to import

        return to_collection(raw, api_url=self.settings.url)

    def flat(self, stac: Fields) -> Fields:
        """Give none: a collection's columns are its own."""
        del stac
        return {}


class ArchiveItems(ItemStream, FilteredStream, SearchStream):
    """POST /v0/archives/search: the archive's images, a bookmark for each collection."""

    name = "archive_items"
    path = "/v0/archives/search"
    records_key = "features"
    sort_key = "sortby"
    updated = FieldPath("properties", "updated")
    window_rows: ClassVar[int] = WINDOW_ROWS
    _collections: list[str] | None = None

    @property
    def partitions(self) -> list[dict[str, Any]]:
        """A partition for each collection, those of the settings or all that the archive has."""
        if self._collections is None:
            self._collections = []
            self._collections = self._existing_collections()
        return [{"collection": name} for name in self._collections]

    def filters(self) -> dict[str, Any]:
        """Give the filters, but collections: each has a bookmark of its own."""
        return super().filters() | {"collections": None}

    def may_filter(self) -> bool:
        """Tell whether the setting `query` leaves the field to the bookmark."""
        return self.replication_key not in self.settings.query

    def get_records(self, context: Mapping[str, Any] | None) -> Iterator[dict[str, Any]]:
        """Read a collection's items: those updated since the bookmark, or all of them."""
        if context is None:  # the archive has no collection
            return
        yield from super().get_records(context)

    def swept(
        self,
        context: Mapping[str, Any] | None,
        options: dict[str, Any],
        bookmark: Bookmark | None,
        bound: str | None,
    ) -> TimeWindowScan:
        """Give the sweep of a collection, in windows of the time of acquisition."""
        acquired = self.settings.acquired
        more: dict[str, Any] = {"collections": [(context or {})["collection"]]}
        if bound:
            more["query"] = {**self.settings.query, self.replication_key: {"gt": bound}}

        def between(start: str | None, end: str | None) -> FetchPage:
            span = {"datetime": f"{start or '..'}/{end or '..'}"} if start or end else {}
            return lambda offset, limit: self.search(offset, limit, more | span)

        return TimeWindowScan(
            between,
            lambda row: stamp_in(row, _DATETIME),
            ordered=bool(self.order),
            low=(bookmark.resume() if bookmark else None) or acquired.start,
            high=acquired.end,
            window_rows=self.window_rows,
            **options,
        )

    def _existing_collections(self) -> list[str]:
        """Name the collections to read, warning of those that the archive does not have."""
        wanted = list(self.settings.collections)
        try:
            there = self.listed_collections()
        except Forbidden:
            if not wanted:
                raise
            return wanted
        return wanted or list(dict.fromkeys(there))


STREAMS = (ArchiveItems, Collections)
