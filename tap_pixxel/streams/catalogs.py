"""What the workspace owns: catalogs, and where they were delivered."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pixxel_api.errors import Forbidden
from pixxel_api.pagination.paging import SinglePage
from tap_pixxel.base import PixxelStream
from tap_pixxel.schema import NUMBER, OBJECT, TEXT, TIMESTAMP, Column, Shape
from tap_pixxel.search import SearchStream
from tap_pixxel.stac_columns import FLAT, GEOMETRY, NAMES, STAC_ITEM, CarriesStac
from tap_pixxel.streams.workspace import Stores

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pixxel_api.response import JsonResponse
    from tap_pixxel.base import Fields
    from tap_pixxel.bookmarks import Bookmark
    from tap_pixxel.stac import ConversionResult
    from tap_pixxel.stac.assets.delivered import DeliveredObject
    from tap_pixxel.tap import TapPixxel

_WITH_DELIVERIES = (
    Column(
        "updated_at",
        TIMESTAMP,
        "When it or one of its deliveries in stac_item was last updated, the later, UTC; the "
        "replication key.",
    ),
    Column("catalog_updated_at", TIMESTAMP, "When the catalog itself was last updated, UTC."),
)
"""Columns with the setting `delivered_assets`; the first takes the place of the one without."""


class Catalogs(CarriesStac, SearchStream):
    """POST /v0/catalogs/search: the images that the workspace owns, one catalog each."""

    column = "stac_item"

    name = "catalogs"
    path = "/v0/catalogs/search"
    records_key = "catalogs"
    sort_key = "sort_by"
    replication_key = "updated_at"
    _columns = (
        Column("id", TEXT, "Id of the catalog."),
        Column("task_id", TEXT, "Id of the task that made it; order_tasks leads on to the order."),
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
        *FLAT,
        GEOMETRY,
    )
    consumed = frozenset({"details"})
    raw_shape = Shape(*_columns, Column("details", OBJECT, "The API's STAC Item, raw."))
    stac_shape = Shape(*_columns, *STAC_ITEM)
    delivered_shape = Shape(*_columns, *_WITH_DELIVERIES, *STAC_ITEM)

    def __init__(self, tap: TapPixxel) -> None:
        self._with_deliveries = (
            tap.config.get("delivered_assets") is True and tap.config.get("stac", True) is not False
        )
        if self._with_deliveries:
            self.stac_shape = self.delivered_shape
        self._delivered: Mapping[str, tuple[DeliveredObject, ...]] = {}
        self._left_out: Mapping[str, int] = {}
        self._bookmark_stays = False
        super().__init__(tap)

    @property
    def delivers(self) -> bool:
        """Whether this sync adds assets to the items, out of the deliveries."""
        return self._with_deliveries and self.column not in self.dropped

    def made_of(self) -> dict[str, Any]:
        """Give the filters, and what the assets of deliveries are made with."""
        settings = self.settings
        urls = settings.store_urls if self.delivers else None
        return super().made_of() | {"delivered_assets": self.delivers, "store_urls": urls}

    def prepare(self, bookmark: Bookmark | None) -> None:
        """Read the deliveries, and then their stores: all that the deliveries name are there.

        The sweep began, for the bookmark, before the deliveries were read: what is delivered from
        then on is met by the next sync. Where they may not be read, the bookmark stays, since
        the records lack what they should have.
        """
        if not self.delivers:
            if self.settings.delivered_assets:
                self.logger.warning(
                    "%s: the setting 'delivered_assets' has no effect without the column %s",
                    self.name,
                    self.column,
                )
            return
        began = datetime.now(UTC)
        answers: list[JsonResponse] = []
        for stream in (Deliveries, Stores):
            try:
                answers.append(self.ask("GET", path=stream.path))
            except Forbidden as error:
                self._bookmark_stays = True
                self._pixxel.unreadable[stream.name] = str(error)
                self.logger.error(  # noqa: TRY400 - one line
                    "%s: delivered assets are left out, and the bookmark stays: %s; ask for the "
                    "role, or switch the setting 'delivered_assets' off",
                    self.name,
                    error,
                )
                return
        deliveries, stores = answers
        if bookmark:
            bookmark.begin(deliveries.requested_at or began)
        self._find_delivered(deliveries, stores)

    def _find_delivered(self, deliveries: JsonResponse, stores: JsonResponse) -> None:
        from tap_pixxel.stac.assets.delivered import find_delivered_objects  # noqa: PLC0415 - takes long to import

        urls = self.settings.store_urls
        there = [self.parsed(row) for row in stores.rows(Stores.records_key)]
        for name in sorted(urls.keys() - {str(store.get("name")).strip() for store in there}):
            self.logger.warning(
                "%s: the workspace has no store '%s'; check the setting 'store_urls'",
                self.name,
                name,
            )
        rows = deliveries.rows(Deliveries.records_key)
        self._delivered, self._left_out = find_delivered_objects(
            map(self.parsed, rows), there, urls
        )

    def finish(self, bookmark: Bookmark | None, *, whole: bool) -> None:
        """Move the bookmark, unless the deliveries could not be read."""
        super().finish(None if self._bookmark_stays else bookmark, whole=whole)

    def remark(self) -> None:
        """Say also what was delivered and makes no asset."""
        super().remark()
        self._delivered = {}
        if self._left_out:
            told = (f"{count:,} {why}" for why, count in sorted(self._left_out.items()))
            self.logger.warning(
                "%s: successful deliveries that make no asset: %s", self.name, ", ".join(told)
            )

    def sweep_options(self) -> dict[str, Any]:
        """Sort, so that nothing moves while it is read."""
        return super().sweep_options() | {"ordered": bool(self.order)}

    def columns(self, fields: Fields) -> Fields:
        """Add what people filter on beside `details`."""
        columns = super().columns(fields)
        if self._with_deliveries:
            columns = columns | self._times(fields)
        details = fields.get("details")
        if not isinstance(details, dict):
            return columns
        found = {"item_id": details.get("id"), "collection": details.get("collection")}
        match details.get("properties"):
            case {"datetime": when}:
                found["datetime"] = when
        return columns | found

    def _times(self, fields: Fields) -> Fields:
        """Give the replication value, and the catalog's own time."""
        key, own = fields.get("id"), fields.get("updated_at")
        delivered = self._delivered.get(key) if isinstance(key, str) else None
        if not delivered:
            return {"updated_at": own, "catalog_updated_at": own}
        from tap_pixxel.stac.assets.delivered import last_updated  # noqa: PLC0415 - takes long to import

        return {"updated_at": last_updated(own, delivered), "catalog_updated_at": own}

    def convert(self, raw: Fields) -> ConversionResult:
        """Convert a catalog, its `details` being the item."""
        from tap_pixxel.stac import catalog_to_item  # noqa: PLC0415 - takes long to import

        settings = self.settings
        made = catalog_to_item(
            raw,
            api_url=settings.url,
            collection=settings.catalog_collection,
            assume_cog=settings.assume_cog,
        )
        delivered = self._delivered.get(raw["id"]) if self._delivered else None
        if not delivered:
            return made
        from tap_pixxel.stac.assets.delivered import add_delivery_assets  # noqa: PLC0415 - takes long to import

        stac = add_delivery_assets(made.stac, delivered, assume_cog=settings.assume_cog)
        return made._replace(stac=stac)

    def outline(self, raw: Fields) -> Fields:
        """Give the outline of the item that a catalog's `details` are."""
        from tap_pixxel.stac import catalog_to_partial_item  # noqa: PLC0415 - takes long to import

        return catalog_to_partial_item(raw, NAMES)


class Deliveries(PixxelStream):
    """GET /v0/catalogs/deliveries: catalogs copied to stores, by hand or by order."""

    name = "deliveries"
    path = "/v0/catalogs/deliveries"
    records_key = "deliveries"
    paging = SinglePage()
    primary_keys = ("delivery_id",)
    row_key = "delivery_id"
    replication_key = "updated_at"
    shape = Shape(
        Column("delivery_id", TEXT, "Id of the delivery."),
        Column("catalog_id", TEXT, "Id of the catalog delivered."),
        Column("task_id", TEXT, "Id of the task; set on automated deliveries only."),
        Column("status", TEXT, "CREATED, IN_PROGRESS, SUCCESS or FAILED."),
        Column("store_id", TEXT, "Id of the store (cloud_delivery.config)."),
        Column("cloud_delivery", OBJECT, "Store (config) and path."),
        Column("target_path", TEXT, "Path of the object below the store's and the delivery's."),
        Column("created_at", TIMESTAMP, "When it was created, UTC."),
        Column("created_by", TEXT, "Id of the user who asked for it."),
        Column("updated_at", TIMESTAMP, "When it was last updated, UTC; the replication key."),
        Column("updated_by", TEXT, "Id of the user who last updated it."),
    )

    def columns(self, fields: Fields) -> Fields:
        """Add the store's id, to join on."""
        match fields.get("cloud_delivery"):
            case {"config": store_id}:
                return fields | {"store_id": store_id}
            case _:
                return fields


STREAMS = (Catalogs, Deliveries)
