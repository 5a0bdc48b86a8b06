"""STAC in a stream: the columns it adds, and what fills them."""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from pixxel_api.timestamps import normalize_timestamp
from tap_pixxel.base import PixxelStream
from tap_pixxel.schema import EXTRA, INTEGER, NUMBER, OBJECT, TEXT, TIMESTAMP, Column, Shape

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tap_pixxel.base import Fields
    from tap_pixxel.stac import ConversionNote, ConversionResult
    from tap_pixxel.tap import TapPixxel

ERROR = "stac_error"
WKT = "geometry_wkt"
GEOMETRY = Column("geometry", OBJECT, "Footprint, GeoJSON in WGS84; null when unknown.")
_PROPERTIES = (
    ("start_datetime", "start_datetime", TIMESTAMP, "Begin of the acquisition, UTC."),
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
_STAMPS = tuple((name, source) for name, source, kind, _ in _PROPERTIES if kind is TIMESTAMP)
_PLAIN = tuple((name, source) for name, source, kind, _ in _PROPERTIES if kind is not TIMESTAMP)
_EPSG = "EPSG:"
_NUMBER = re.compile(r"[0-9]{1,10}").fullmatch
NAMES = frozenset({"proj:code", *(source for _, source, _, _ in _PROPERTIES)})
"""Properties of the STAC Item that become columns."""
_EDGES = ("west", "south", "east", "north")
_BOUNDS = tuple(f"bbox_{edge}" for edge in _EDGES)

FLAT = (
    *(Column(name, kind, text) for name, _, kind, text in _PROPERTIES),
    Column("epsg", INTEGER, "EPSG code of the coordinate reference system of the assets."),
    *(
        Column(f"bbox_{edge}", NUMBER, f"Bound of the footprint in the {edge}, in degrees.")
        for edge in _EDGES
    ),
    Column(WKT, TEXT, "Footprint, WKT in WGS84."),
)
"""What people filter items on, read off the STAC Item."""
STAC_ITEM = (
    Column("stac_item", OBJECT, "The whole as a STAC 1.1 Item; null when it cannot be one."),
    Column(ERROR, TEXT, "Why it cannot be a STAC Item; what came of it is in extra."),
)
STAC_COLLECTION = (
    Column("stac_collection", OBJECT, "The whole as a STAC 1.1 Collection."),
    Column(ERROR, TEXT, "Why it cannot be a STAC Collection; what came of it is in extra."),
)


class CarriesStac(PixxelStream):
    """A stream with a column for the STAC object; put it before the stream's base.

    It names its columns with and without STAC, and what raw members the STAC object stands for.
    The flat columns are read off the STAC Item in either case, so that they are normalised alike;
    no more is made of it than they need unless its column is selected.
    """

    column: str
    stac_shape: Shape
    raw_shape: Shape
    consumed: frozenset[str]

    def __init__(self, tap: TapPixxel) -> None:
        self._with_stac = tap.config.get("stac", True) is not False
        self.shape = self.stac_shape if self._with_stac else self.raw_shape
        self._noted: Counter[tuple[str, str, str]] = Counter()
        self._not_stac = 0
        super().__init__(tap)

    def convert(self, raw: Fields) -> ConversionResult:
        """Convert raw fields; raises NotAnItem."""
        raise NotImplementedError

    def outline(self, raw: Fields) -> Fields:
        """Give what the flat columns need of the STAC object; raises as `convert`."""
        return self.convert(raw).stac

    def columns(self, fields: Fields) -> Fields:
        """Leave out what the STAC object stands for."""
        if not self._with_stac:
            return fields
        return {name: value for name, value in fields.items() if name not in self.consumed}

    def complete(self, record: dict[str, Any], fields: Fields) -> dict[str, Any]:
        """Add the STAC object, and what people filter on."""
        from tap_pixxel.stac import ConversionError  # noqa: PLC0415 - shapely takes long to import

        whole = self._with_stac and self.column not in self.dropped
        try:
            stac, notes = self.convert(fields) if whole else (self.outline(fields), ())
        except ConversionError as error:
            self._not_stac += 1
            if not self._with_stac:
                return record
            lost = {name: fields[name] for name in self.consumed & fields.keys()}
            extra = record.get(EXTRA, {}) | lost
            return {**record, self.column: None, ERROR: str(error), EXTRA: extra}
        more = self.flat(stac)
        if not self._with_stac:
            return {**more, **record}
        if whole:
            self._note(notes)
            more[self.column] = stac
        return {**record, **more}

    def flat(self, stac: Fields) -> Fields:
        """Read the flat columns off a STAC Item, whose values are of their types already."""
        properties = stac["properties"]
        flat = {name: properties.get(source) for name, source in _PLAIN}
        for name, source in _STAMPS:
            stamp = properties.get(source)
            flat[name] = stamp and normalize_timestamp(stamp)
        code = properties.get("proj:code")
        if code and code.startswith(_EPSG):
            number = code.removeprefix(_EPSG)
            flat["epsg"] = int(number) if _NUMBER(number) else None
        flat |= zip(_BOUNDS, stac.get("bbox", ()), strict=False)
        geometry = flat["geometry"] = stac["geometry"]
        if geometry is not None and WKT not in self.dropped:
            from tap_pixxel.stac.geometry.wkt import (  # noqa: PLC0415 - takes long to import
                format_wkt,
            )

            flat[WKT] = format_wkt(geometry)
        return flat

    def remark(self) -> None:
        """Say once what the conversion has done, by kind of field, and what it could not do."""
        super().remark()
        if self._noted:
            told = ", ".join(
                f"{field} {done} ({why}): {count:,}"
                for (field, done, why), count in sorted(self._noted.items())
            )
            self.logger.info("%s: in STAC: %s", self.name, told)
        if self._not_stac:
            self.logger.warning(
                "%s: %d records cannot be STAC; their %s says why", self.name, self._not_stac, ERROR
            )

    def _note(self, notes: Iterable[ConversionNote]) -> None:
        for field, done, why in notes:
            self._noted[_kind_of(field), done, why] += 1


@lru_cache(4096)  # the bands of an image, and their notes, are those of the one before
def _kind_of(field: str) -> str:
    """Leave the names of assets and the numbers of bands out of a field's path."""
    parts = field.split(".")
    if "assets" in parts:
        asset = parts.index("assets") + 1
        parts[asset : asset + 1] = "*" * (asset < len(parts))
    return ".".join("*" if part.isdigit() else part for part in parts)
