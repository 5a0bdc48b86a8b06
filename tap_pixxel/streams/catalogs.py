"""What the workspace owns: catalogs, and where they were delivered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pixxel_api.pages import Single
from tap_pixxel.base import PixxelStream
from tap_pixxel.schema import NUMBER, OBJECT, TEXT, TIMESTAMP, Column, Shape
from tap_pixxel.search import SearchStream
from tap_pixxel.stac_columns import FLAT, GEOMETRY, STAC_ITEM, CarriesStac

if TYPE_CHECKING:
    from tap_pixxel.base import Fields
    from tap_pixxel.stac import Converted


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

    def sweep_options(self) -> dict[str, Any]:
        """Sort, so that nothing moves while it is read."""
        return super().sweep_options() | {"ordered": bool(self.order)}

    def columns(self, fields: Fields) -> Fields:
        """Add what people filter on beside `details`."""
        columns = super().columns(fields)
        details = fields.get("details")
        if not isinstance(details, dict):
            return columns
        found = {"item_id": details.get("id"), "collection": details.get("collection")}
        match details.get("properties"):
            case {"datetime": when}:
                found["datetime"] = when
        return columns | found

    def convert(self, raw: Fields) -> Converted:
        """Convert a catalog, its `details` being the item."""
        from tap_pixxel.stac import catalog_to_item  # noqa: PLC0415 - takes long to import

        settings = self.settings
        return catalog_to_item(
            raw,
            api_url=settings.url,
            collection=settings.catalog_collection,
            assume_cog=settings.assume_cog,
        )

    def without_assets(self, raw: Fields) -> Fields:
        """Leave out the assets."""
        details = raw.get("details")
        return {**raw, "details": {**details, "assets": {}}} if isinstance(details, dict) else raw


class Deliveries(PixxelStream):
    """GET /v0/catalogs/deliveries: catalogs copied to stores, by hand or by order."""

    name = "deliveries"
    path = "/v0/catalogs/deliveries"
    records_key = "deliveries"
    paging = Single()
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
