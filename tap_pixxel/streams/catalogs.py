"""The images that the workspace owns, as catalogs, and their deliveries to stores."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pixxel_api.errors import ApiError, PixxelError
from pixxel_api.pagination.paging import SinglePage
from tap_pixxel.bookmarks import latest_change
from tap_pixxel.columns import NUMBER, OBJECT, TEXT, TIMESTAMP, Column, TableSchema
from tap_pixxel.stream_types.base import PixxelStream
from tap_pixxel.stream_types.search import (
    SearchStream,
    format_sort_by_prose,
    format_sort_by_schema,
)
from tap_pixxel.stream_types.stac import (
    GEOMETRY_COLUMN,
    STAC_ITEM_COLUMNS,
    STAC_SUMMARY_COLUMNS,
    STAC_SUMMARY_PROPERTIES,
    StacStreamMixin,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from singer_sdk.tap_base import Tap

    from pixxel_api.response import JsonResponse
    from tap_pixxel.bookmarks import Bookmark
    from tap_pixxel.columns import Fields
    from tap_pixxel.stac import ConversionResult
    from tap_pixxel.stac.assets.delivered import DeliveredObject
    from tap_pixxel.stream_types.scan_report import ScanReport
    from tap_pixxel.stream_types.sdk_stream import StreamContext

STORES_PATH = "/v0/stores"
_DELIVERY_COLUMNS = (
    Column(
        "updated_at",
        TIMESTAMP,
        "When it or one of its deliveries in stac_item was last updated, whichever is later, "
        "UTC; the replication key.",
    ),
    Column("catalog_updated_at", TIMESTAMP, "When the catalog itself was last updated, UTC."),
)
"""Columns with the setting `delivered_assets`; the first replaces the column of that name."""


class Catalogs(StacStreamMixin, SearchStream):
    """POST /v0/catalogs/search: the images that the workspace owns, one catalog each."""

    stac_column = "stac_item"

    name = "catalogs"
    path = "/v0/catalogs/search"
    records_key = "catalogs"
    sort_param = "sort_by"
    sort_forms = (format_sort_by_schema, format_sort_by_prose)
    replication_key = "updated_at"
    _columns = (
        Column("id", TEXT, "Id of the catalog."),
        Column("task_id", TEXT, "Id of the task that created it; see order_tasks for the order."),
        Column("item_id", TEXT, "Id of its archive item (details.id)."),
        Column("collection", TEXT, "Id of its archive collection (details.collection)."),
        Column("datetime", TIMESTAMP, "When it was acquired, UTC (details.properties.datetime)."),
        Column("bandset_id", TEXT, "Id of the bandset."),
        Column("area", NUMBER, "Area in km²."),
        Column("delivery_status", TEXT, "Status of the automated delivery."),
        Column("org_id", TEXT, "Id of the workspace."),
        Column("created_at", TIMESTAMP, "When it was created, UTC."),
        Column("created_by", TEXT, "Id of the user who created it."),
        Column("updated_at", TIMESTAMP, "When it was last updated, UTC; the replication key."),
        Column("updated_by", TEXT, "Id of the user who last updated it."),
        *STAC_SUMMARY_COLUMNS,
        GEOMETRY_COLUMN,
    )
    replaced_columns = frozenset({"details"})
    raw_table_schema = TableSchema(
        *_columns, Column("details", OBJECT, "The API's STAC Item, raw.")
    )
    stac_table_schema = TableSchema(*_columns, *STAC_ITEM_COLUMNS)
    delivery_table_schema = TableSchema(*_columns, *_DELIVERY_COLUMNS, *STAC_ITEM_COLUMNS)

    def __init__(self, tap: Tap, context: StreamContext) -> None:
        self._delivery_columns_enabled = (
            tap.config.get("delivered_assets") is True and tap.config.get("stac", True) is not False
        )
        if self._delivery_columns_enabled:
            self.stac_table_schema = self.delivery_table_schema
        self._delivered_objects: Mapping[str, tuple[DeliveredObject, ...]] = {}
        self._unusable_deliveries: Mapping[str, int] = {}
        super().__init__(tap, context)

    @property
    def adds_delivery_assets(self) -> bool:
        """Whether this sync adds assets for the deliveries to the items."""
        return self._delivery_columns_enabled and self.stac_column not in self.deselected

    def fingerprint_inputs(self) -> dict[str, Any]:
        """Return the filters, and the settings that the assets of deliveries depend on."""
        settings = self.settings
        urls = settings.store_urls if self.adds_delivery_assets else None
        return super().fingerprint_inputs() | {
            "delivered_assets": self.adds_delivery_assets,
            "store_urls": urls,
        }

    def prepare(self, bookmark: Bookmark | None, report: ScanReport) -> None:
        """Check the setting `collections`, and read the deliveries and then their stores.

        Read in this order, all stores of the deliveries are known. The bookmark never passes the
        time of the first request: the next sync emits what is delivered later. If they cannot
        be read, the bookmark stays, since the records lack their delivery assets.
        """
        self._check_collections()
        if not self.adds_delivery_assets:
            if self.settings.delivered_assets:
                self.logger.warning(
                    "%s: the setting 'delivered_assets' has no effect without the column %s",
                    self.name,
                    self.stac_column,
                )
            return
        now = datetime.now(UTC)
        try:
            deliveries, stores = (
                self.send_request("GET", path=path) for path in (Deliveries.path, STORES_PATH)
            )
            self._load_delivered_objects(deliveries, stores)
        except PixxelError as error:
            report.keep_bookmark = True
            self.fail(error, effect="no delivered assets (setting 'delivered_assets')")
            return
        if bookmark:
            bookmark.set_start(deliveries.requested_at or now)

    def _check_collections(self) -> None:
        """Log the collections of the settings that the archive does not have."""
        if self.settings.collections:
            try:
                self.fetch_collection_ids()
            except ApiError as error:  # catalogs may be readable all the same
                self.logger.info("%s: setting 'collections' not checked: %s", self.name, error)

    def _load_delivered_objects(self, deliveries: JsonResponse, stores: JsonResponse) -> None:
        from tap_pixxel.stac.assets.delivered import find_delivered_objects  # noqa: PLC0415 - takes long to import

        urls = self.settings.store_urls
        existing = [self.parse_row(row) for row in stores.rows("stores")]
        for name in sorted(urls.keys() - {str(store.get("name")).strip() for store in existing}):
            self.logger.warning(
                "%s: the workspace has no store '%s'; check the setting 'store_urls'",
                self.name,
                name,
            )
        rows = deliveries.rows(Deliveries.records_key)
        self._delivered_objects, self._unusable_deliveries = find_delivered_objects(
            map(self.parse_row, rows), existing, urls
        )

    def log_summary(self) -> None:
        """Log also which deliveries have no asset."""
        super().log_summary()
        self._delivered_objects = {}
        if self._unusable_deliveries:
            counts = sorted(self._unusable_deliveries.items())
            self.logger.warning(
                "%s: successful deliveries without an asset: %s",
                self.name,
                ", ".join(f"{count:,} {reason}" for reason, count in counts),
            )

    def rename_fields(self, fields: Fields) -> Fields:
        """Add the columns that repeat members of `details`."""
        columns = super().rename_fields(fields)
        if self._delivery_columns_enabled:
            columns = columns | self._read_update_times(fields)
        details = fields.get("details")
        if not isinstance(details, dict):
            return columns
        found = {"item_id": details.get("id"), "collection": details.get("collection")}
        match details.get("properties"):
            case {"datetime": value}:
                found["datetime"] = value
        return columns | found

    def _read_update_times(self, fields: Fields) -> Fields:
        """Return the replication value, and the catalog's own update time."""
        key, own = fields.get("id"), fields.get("updated_at")
        delivered = self._delivered_objects.get(key) if isinstance(key, str) else None
        if not delivered:
            return {"updated_at": own, "catalog_updated_at": own}
        from tap_pixxel.stac.assets.delivered import last_updated  # noqa: PLC0415 - takes long to import

        return {"updated_at": last_updated(own, delivered), "catalog_updated_at": own}

    def read_change_time(self, record: dict[str, Any], fields: Fields) -> str | None:
        """Return when the catalog, its deliveries or its image last changed."""
        changed_at = super().read_change_time(record, fields)
        match fields.get("details"):
            case {"properties": {"updated": image_updated}}:
                return latest_change(changed_at, [image_updated])
            case _:
                return changed_at

    def convert(self, raw: Fields) -> ConversionResult:
        """Convert a catalog, whose `details` are the item."""
        from tap_pixxel.stac import catalog_to_item  # noqa: PLC0415 - takes long to import

        settings = self.settings
        made = catalog_to_item(
            raw,
            api_url=settings.url,
            collection=settings.catalog_collection,
            assume_cog=settings.assume_cog,
        )
        delivered = self._delivered_objects.get(raw["id"]) if self._delivered_objects else None
        if not delivered:
            return made
        from tap_pixxel.stac.assets.delivered import add_delivery_assets  # noqa: PLC0415 - takes long to import

        stac = add_delivery_assets(made.stac, delivered, assume_cog=settings.assume_cog)
        return made._replace(stac=stac)

    def summarize(self, raw: Fields) -> Fields:
        """Return the part of the item in `details` that the summary columns need."""
        from tap_pixxel.stac import catalog_to_partial_item  # noqa: PLC0415 - takes long to import

        return catalog_to_partial_item(raw, STAC_SUMMARY_PROPERTIES)


class Deliveries(PixxelStream):
    """GET /v0/catalogs/deliveries: copies of catalogs to stores, requested or by order."""

    name = "deliveries"
    path = "/v0/catalogs/deliveries"
    records_key = "deliveries"
    paging = SinglePage()
    primary_keys = ("delivery_id",)
    row_key_field = "delivery_id"
    replication_key = "updated_at"
    table_schema = TableSchema(
        Column("delivery_id", TEXT, "Id of the delivery."),
        Column("catalog_id", TEXT, "Id of the catalog delivered."),
        Column("task_id", TEXT, "Id of the task; set on automated deliveries only."),
        Column("status", TEXT, "CREATED, IN_PROGRESS, SUCCESS or FAILED."),
        Column("store_id", TEXT, "Id of the store (cloud_delivery.config)."),
        Column("cloud_delivery", OBJECT, "Store (config) and path."),
        Column("target_path", TEXT, "Path of the object below the store's and the delivery's."),
        Column("created_at", TIMESTAMP, "When it was created, UTC."),
        Column("created_by", TEXT, "Id of the user who requested it."),
        Column("updated_at", TIMESTAMP, "When it was last updated, UTC; the replication key."),
        Column("updated_by", TEXT, "Id of the user who last updated it."),
    )

    def rename_fields(self, fields: Fields) -> Fields:
        """Add the store's id as a column."""
        match fields.get("cloud_delivery"):
            case {"config": store_id}:
                return fields | {"store_id": store_id}
            case _:
                return fields


STREAMS = (Catalogs, Deliveries)
