"""Streams of images as the API's searches write them: STAC Items of its own kind."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from singer_sdk.mapper import SameRecordTransform

from tap_pixxel.schema import (
    ANY_LIST,
    NUMBERS,
    OBJECT,
    OBJECTS,
    TEXT,
    TIMESTAMP,
    Column,
    Shape,
)
from tap_pixxel.stac_columns import FLAT, GEOMETRY, NAMES, STAC_ITEM, CarriesStac

if TYPE_CHECKING:
    from pixxel_api.json_decoding import RawRow
    from tap_pixxel.base import Fields
    from tap_pixxel.stac import ConversionResult

_BRACE = ord("{")
COLUMNS = (
    Column("id", TEXT, "Id of the item: the image's name."),
    Column("collection", TEXT, "Id of its collection."),
    Column("datetime", TIMESTAMP, "When it was acquired, UTC (properties.datetime)."),
    Column("created", TIMESTAMP, "When it was created, UTC (properties.created)."),
    Column("updated", TIMESTAMP, "When it was last updated, UTC; the replication key."),
    *FLAT,
    GEOMETRY,
)
RAW = (
    Column("bbox", NUMBERS, "West, south, east, north in degrees, raw."),
    Column("properties", OBJECT, "The API's STAC properties, raw."),
    Column("assets", OBJECT, "Asset by name, most of them one band each, raw."),
    Column("links", OBJECTS, "Links."),
    Column("type", TEXT, "Always Feature."),
    Column("stac_version", TEXT, "STAC version, as the API states it."),
    Column("stac_extensions", ANY_LIST, "STAC extensions, as the API states them."),
)


class ItemStream(CarriesStac):
    """A stream of images; put it before the stream's base."""

    column = "stac_item"
    replication_key = "updated"
    consumed = frozenset(column.name for column in RAW)
    raw_shape = Shape(*COLUMNS, *RAW)
    stac_shape = Shape(*COLUMNS, *STAC_ITEM)
    archived = True
    """Whether its images are those of the archive."""

    @cached_property
    def leaves_text(self) -> bool:
        """Whether assets may stay JSON text: nobody but the loader looks into the records."""
        return all(
            type(each) is SameRecordTransform and not each.flattening_enabled
            for each in self.stream_maps
        )

    def parsed(self, row: RawRow) -> Fields:
        """Make objects of a row, but of its assets, which are most of it."""
        assets = row.get("assets")
        if assets is None or not self.leaves_text or memoryview(assets)[0] != _BRACE:
            return super().parsed(row)
        fields = super().parsed({name: row[name] for name in row if name != "assets"})
        if fields:
            fields["assets"] = assets
        return fields

    def columns(self, fields: Fields) -> Fields:
        """Add what people filter on beside `properties`."""
        columns = super().columns(fields)
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
            in_archive=self.archived,
        )

    def outline(self, raw: Fields) -> Fields:
        """Give an item's outline."""
        from tap_pixxel.stac import to_partial_item  # noqa: PLC0415 - takes long to import

        return to_partial_item(raw, NAMES)
