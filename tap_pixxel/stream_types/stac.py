"""STAC in a stream: the columns that it adds, and the conversion that fills them."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any

from pixxel_api.timestamps import normalize_timestamp
from pixxel_singer.log_setup import align_columns
from tap_pixxel.columns import EXTRA, INTEGER, NUMBER, OBJECT, TEXT, TIMESTAMP, Column, TableSchema
from tap_pixxel.stream_types.base import PixxelStream

if TYPE_CHECKING:
    from collections.abc import Iterable

    from singer_sdk.tap_base import Tap

    from tap_pixxel.columns import Fields
    from tap_pixxel.stac import ConversionNote, ConversionResult
    from tap_pixxel.stream_types.sdk_stream import StreamContext

MAX_COUNTED_NOTES = 4096
"""Notes that are counted by their exact field; beyond, they are counted by kind of field."""
ERROR_COLUMN = "stac_error"
WKT_COLUMN = "geometry_wkt"
GEOMETRY_COLUMN = Column("geometry", OBJECT, "Footprint, GeoJSON in WGS84; null when unknown.")
_PROPERTY_COLUMNS = (
    ("start_datetime", "start_datetime", TIMESTAMP, "Start of the acquisition, UTC."),
    ("end_datetime", "end_datetime", TIMESTAMP, "End of the acquisition, UTC."),
    ("platform", "platform", TEXT, "Satellite."),
    ("constellation", "constellation", TEXT, "Constellation of the satellite."),
    ("gsd", "gsd", NUMBER, "Ground sampling distance in metres."),
    ("cloud_cover", "eo:cloud_cover", NUMBER, "Cloud cover in percent."),
    ("off_nadir", "view:off_nadir", NUMBER, "Angle off nadir in degrees, from 0."),
    ("sun_azimuth", "view:sun_azimuth", NUMBER, "Azimuth of the sun in degrees, from north."),
    ("sun_elevation", "view:sun_elevation", NUMBER, "Elevation of the sun in degrees."),
    ("processing_level", "processing:level", TEXT, "Processing level, such as L2A."),
)
"""Column, property of the STAC Item, type and description."""
_TIMESTAMP_COLUMNS = tuple(
    (name, source) for name, source, kind, _ in _PROPERTY_COLUMNS if kind is TIMESTAMP
)
_PLAIN_COLUMNS = tuple(
    (name, source) for name, source, kind, _ in _PROPERTY_COLUMNS if kind is not TIMESTAMP
)
MAX_LOGGED_NOTES = 12
"""Kinds of conversion notes that the log names, of each stream."""
_EPSG_PREFIX = "EPSG:"
_match_code = re.compile(r"[0-9]{1,10}").fullmatch
STAC_SUMMARY_PROPERTIES = frozenset(
    {"proj:code", *(source for _, source, _, _ in _PROPERTY_COLUMNS)}
)
"""Properties of the STAC Item that become columns."""
_EDGES = ("west", "south", "east", "north")
_BBOX_COLUMNS = tuple(f"bbox_{edge}" for edge in _EDGES)

STAC_SUMMARY_COLUMNS = (
    *(Column(name, kind, text) for name, _, kind, text in _PROPERTY_COLUMNS),
    Column("epsg", INTEGER, "EPSG code of the coordinate reference system of the assets."),
    *(
        Column(f"bbox_{edge}", NUMBER, f"Bound of the footprint in the {edge}, in degrees.")
        for edge in _EDGES
    ),
    Column(WKT_COLUMN, TEXT, "Footprint, WKT in WGS84."),
)
"""Columns to filter items by, which are read from the STAC Item."""
STAC_ITEM_COLUMNS = (
    Column("stac_item", OBJECT, "The record as a STAC 1.1 Item; null if it cannot be converted."),
    Column(ERROR_COLUMN, TEXT, "Why it cannot be converted; its raw fields are in extra."),
)
STAC_COLLECTION_COLUMNS = (
    Column("stac_collection", OBJECT, "The record as a STAC 1.1 Collection."),
    Column(ERROR_COLUMN, TEXT, "Why it cannot be converted; its raw fields are in extra."),
)


class StacStreamMixin(PixxelStream):
    """A stream with a column for the STAC object; must precede the stream's base class.

    It declares its columns with and without STAC, and the raw columns that the STAC object
    replaces. The summary columns are read from the STAC Item in both cases, so that their values
    are the same. If the STAC column is deselected, only what they need is converted.
    """

    stac_column: str
    stac_table_schema: TableSchema
    raw_table_schema: TableSchema
    replaced_columns: frozenset[str]

    def __init__(self, tap: Tap, context: StreamContext) -> None:
        self._emits_stac = tap.config.get("stac", True) is not False
        self.table_schema = self.stac_table_schema if self._emits_stac else self.raw_table_schema
        self._note_counts: Counter[ConversionNote] = Counter()
        self._failed_conversions = 0
        super().__init__(tap, context)

    def convert(self, raw: Fields) -> ConversionResult:
        """Convert raw fields to the STAC object.

        Raises:
            ConversionError: It cannot be one.
        """
        raise NotImplementedError

    def summarize(self, raw: Fields) -> Fields:
        """Return the part of the STAC object that the summary columns need; raise as `convert`."""
        return self.convert(raw).stac

    def rename_fields(self, fields: Fields) -> Fields:
        """Leave out the columns that the STAC object replaces."""
        if not self._emits_stac:
            return fields
        return {name: value for name, value in fields.items() if name not in self.replaced_columns}

    def enrich(self, record: dict[str, Any], fields: Fields) -> dict[str, Any]:
        """Add the STAC object and the summary columns."""
        from tap_pixxel.stac import ConversionError  # noqa: PLC0415 - shapely takes long to import

        needs_object = self._emits_stac and self.stac_column not in self.deselected
        try:
            stac, notes = self.convert(fields) if needs_object else (self.summarize(fields), ())
        except ConversionError as error:
            self._failed_conversions += 1
            if not self._emits_stac:
                return record
            lost = {name: fields[name] for name in self.replaced_columns & fields.keys()}
            extra = (record[EXTRA] or {}) | lost
            return {**record, self.stac_column: None, ERROR_COLUMN: str(error), EXTRA: extra}
        columns = self.read_summary_columns(stac)
        if not self._emits_stac:  # the API's own values take precedence
            record.update((n, value) for n, value in columns.items() if record.get(n) is None)
            return record
        if needs_object:
            self._count_notes(notes)
            columns[self.stac_column] = stac
        return {**record, **columns}

    def read_summary_columns(self, stac: Fields) -> Fields:
        """Return the summary columns of a STAC Item, whose values have their types already."""
        properties = stac["properties"]
        columns = {name: properties.get(source) for name, source in _PLAIN_COLUMNS}
        for name, source in _TIMESTAMP_COLUMNS:
            value = properties.get(source)
            columns[name] = value and normalize_timestamp(value)
        code = properties.get("proj:code")
        if code and code.startswith(_EPSG_PREFIX):
            number = code.removeprefix(_EPSG_PREFIX)
            columns["epsg"] = int(number) if _match_code(number) else None
        columns |= zip(_BBOX_COLUMNS, stac.get("bbox", ()), strict=False)
        geometry = columns["geometry"] = stac["geometry"]
        if geometry is not None and WKT_COLUMN not in self.deselected:
            from tap_pixxel.stac.geometry.wkt import (  # noqa: PLC0415 - takes long to import
                format_wkt,
            )

            columns[WKT_COLUMN] = format_wkt(geometry)
        return columns

    def log_summary(self) -> None:
        """Log also what the conversion changed, by kind of field, and what it could not convert."""
        from tap_pixxel.stac.assets import convert  # noqa: PLC0415 - as in `enrich`

        super().log_summary()
        if total := convert.asset_counts.pop(convert.TOTAL, 0):
            careful = convert.asset_counts.pop(convert.CAREFULLY, 0)
            self.logger.debug(
                "%s: converted %d assets, %d of them not by their form", self.name, total, careful
            )
        for row in format_note_table(_generalize_notes(self._note_counts)):
            self.logger.info("%s: STAC conversion: %s", self.name, row)
        if self._failed_conversions:
            self.logger.warning(
                "%s: %d records cannot be converted to STAC; see their column %s",
                self.name,
                self._failed_conversions,
                ERROR_COLUMN,
            )

    def _count_notes(self, notes: Iterable[ConversionNote]) -> None:
        self._note_counts.update(notes)
        if len(self._note_counts) > MAX_COUNTED_NOTES:
            self._note_counts = _generalize_notes(self._note_counts)


def _generalize_notes(counts: Counter[ConversionNote]) -> Counter[ConversionNote]:
    """Add up the counts of notes on the same kind of field."""
    generalized: Counter[ConversionNote] = Counter()
    for note, count in counts.items():
        path = _generalize_path(note.field)
        generalized[type(note)(path, note.action, note.reason)] += count
    return generalized


def format_note_table(counts: Counter[ConversionNote]) -> list[str]:
    """Return the rows of a table of conversion notes, the most frequent first; [] without notes.

    Args:
        counts: The number of each note.
    """
    if not counts:
        return []
    notes = sorted(counts.items(), key=lambda each: (-each[1], str(each[0])))
    rows = [("notes", "action", "field", "reason")]
    rows += [
        (f"{count:,}", note.action, note.field, note.reason)
        for note, count in notes[:MAX_LOGGED_NOTES]
    ]
    table = align_columns(rows, "><<<")
    rest = notes[MAX_LOGGED_NOTES:]
    if rest:
        table.append(f"{sum(count for _, count in rest):,} notes of {len(rest):,} other kinds")
    return table


def _generalize_path(field: str) -> str:
    """Replace the names of assets and the numbers of bands in a field's path by *."""
    parts = field.split(".")
    if "assets" in parts:
        asset = parts.index("assets") + 1
        parts[asset : asset + 1] = "*" * (asset < len(parts))
    return ".".join("*" if part.isdigit() else part for part in parts)
