"""Streams of images in the form of the API's searches, which resembles a STAC Item."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from singer_sdk.mapper import SameRecordTransform

from tap_pixxel.columns import (
    ANY_LIST,
    NUMBERS,
    OBJECT,
    OBJECTS,
    TEXT,
    TIMESTAMP,
    Column,
    TableSchema,
)
from tap_pixxel.stream_types.stac import (
    GEOMETRY_COLUMN,
    STAC_ITEM_COLUMNS,
    STAC_SUMMARY_COLUMNS,
    STAC_SUMMARY_PROPERTIES,
    StacStreamMixin,
)

if TYPE_CHECKING:
    from pixxel_api.json_decoding import RawRow
    from tap_pixxel.columns import Fields
    from tap_pixxel.stac import ConversionResult

_OPENING_BRACE = ord("{")
ITEM_COLUMNS = (
    Column("id", TEXT, "Id of the item: the image's name."),
    Column("collection", TEXT, "Id of its collection."),
    Column("datetime", TIMESTAMP, "When it was acquired, UTC (properties.datetime)."),
    Column("created", TIMESTAMP, "When it was created, UTC (properties.created)."),
    Column("updated", TIMESTAMP, "When it was last updated, UTC; the replication key."),
    *STAC_SUMMARY_COLUMNS,
    GEOMETRY_COLUMN,
)
RAW_ITEM_COLUMNS = (
    Column("bbox", NUMBERS, "West, south, east, north in degrees, raw."),
    Column("properties", OBJECT, "The API's STAC properties, raw."),
    Column("assets", OBJECT, "Asset by name, most of them one band each, raw."),
    Column("links", OBJECTS, "Links."),
    Column("type", TEXT, "Always Feature."),
    Column("stac_version", TEXT, "STAC version, as the API states it."),
    Column("stac_extensions", ANY_LIST, "STAC extensions, as the API states them."),
)


class StacItemStream(StacStreamMixin):
    """A stream of images; must precede the stream's base class."""

    stac_column = "stac_item"
    replication_key = "updated"
    replaced_columns = frozenset(column.name for column in RAW_ITEM_COLUMNS)
    raw_table_schema = TableSchema(*ITEM_COLUMNS, *RAW_ITEM_COLUMNS)
    stac_table_schema = TableSchema(*ITEM_COLUMNS, *STAC_ITEM_COLUMNS)
    is_archive = True
    """Whether the images are those of the archive."""

    @cached_property
    def keeps_raw_assets(self) -> bool:
        """Whether assets may stay JSON text: no stream map reads the records."""
        return all(
            type(each) is SameRecordTransform and not each.flattening_enabled
            for each in self.stream_maps
        )

    def parse_row(self, row: RawRow) -> Fields:
        """Decode a row except for its assets, which are most of it."""
        assets = row.get("assets")
        if assets is None or not self.keeps_raw_assets or memoryview(assets)[0] != _OPENING_BRACE:
            return super().parse_row(row)
        fields = super().parse_row({name: row[name] for name in row if name != "assets"})
        if fields:
            fields["assets"] = assets
        return fields

    def rename_fields(self, fields: Fields) -> Fields:
        """Add the columns that repeat members of `properties`."""
        columns = super().rename_fields(fields)
        properties = fields.get("properties")
        if not isinstance(properties, dict):
            return columns
        return columns | {name: properties.get(name) for name in ("datetime", "created", "updated")}

    def convert(self, raw: Fields) -> ConversionResult:
        """Convert an item."""
        from tap_pixxel.stac import to_item  # noqa: PLC0415 - takes long to import

        settings = self.settings
        return to_item(
            raw,
            api_url=settings.url,
            assume_cog=settings.assume_cog,
            in_archive=self.is_archive,
        )

    def summarize(self, raw: Fields) -> Fields:
        """Return the part of an item that the summary columns need."""
        from tap_pixxel.stac import to_partial_item  # noqa: PLC0415 - takes long to import

        return to_partial_item(raw, STAC_SUMMARY_PROPERTIES)
