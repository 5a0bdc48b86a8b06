"""State the types that STAC's own tables give to fields of items, assets, bands and links."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum, auto
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class Kind(StrEnum):
    """Kind of the values in a column."""

    BOOLEAN = auto()
    INTEGER = auto()
    NUMBER = auto()
    TEXT = auto()
    TIME = auto()
    GEOMETRY = auto()
    LIST = auto()
    OBJECT = auto()


@dataclass(frozen=True)
class FieldType:
    """Type of a field.

    Attributes:
        kind: Kind of its values.
        element: Type of a list's elements; None if the tables state none.
        members: Types of an object's members, by name.
        other: Type of the members that `members` lacks; None if the tables state none.
    """

    kind: Kind
    element: FieldType | None = None
    members: Mapping[str, FieldType] = field(default_factory=dict)
    other: FieldType | None = None

    def member(self, name: str) -> FieldType | None:
        """Return the type of an object's member, None if the tables state none."""
        return self.members.get(name, self.other)


_BOOLEAN, _INTEGER, _NUMBER = map(FieldType, (Kind.BOOLEAN, Kind.INTEGER, Kind.NUMBER))
_TEXT, _TIME, _GEOMETRY = map(FieldType, (Kind.TEXT, Kind.TIME, Kind.GEOMETRY))


def _list_of(element: FieldType | None) -> FieldType:
    return FieldType(Kind.LIST, element)


def _object(members: Mapping[str, FieldType], other: FieldType | None = None) -> FieldType:
    return FieldType(Kind.OBJECT, members=members, other=other)


def _fields(type_: FieldType, names: str, prefix: str = "") -> dict[str, FieldType]:
    return {f"{prefix}{name}": type_ for name in names.split()}


_TEXTS, _NUMBERS, _INTEGERS = map(_list_of, (_TEXT, _NUMBER, _INTEGER))
_LINK = _object(_fields(_TEXT, "href rel type title method"))
_PROVIDER = _object({**_fields(_TEXT, "name description url"), "roles": _TEXTS})
_STATISTICS = _object(
    {
        **_fields(_NUMBER, "minimum maximum mean stddev valid_percent"),
        "count": _INTEGER,
    }
)
_HISTOGRAM = _object({"count": _INTEGER, "min": _NUMBER, "max": _NUMBER, "buckets": _INTEGERS})

_COMMON_METADATA = {
    **_fields(_TEXT, "title description license platform constellation mission data_type unit"),
    **_fields(_TEXTS, "instruments keywords roles"),
    **_fields(_NUMBER, "gsd"),
    # Text, except as an item's property: readers restore only those (`_ITEM_TIMES`).
    **_fields(_TEXT, "created updated"),
    "providers": _list_of(_PROVIDER),
    "statistics": _STATISTICS,
}
"""STAC 1.1, commons/common-metadata.md."""

_EXTENSION_FIELDS = {
    **_fields(_NUMBER, "cloud_cover snow_cover center_wavelength full_width_half_max", "eo:"),
    **_fields(_NUMBER, "solar_illumination", "eo:"),
    **_fields(_TEXT, "common_name", "eo:"),
    **_fields(_NUMBER, "off_nadir incidence_angle azimuth sun_azimuth sun_elevation", "view:"),
    **_fields(_NUMBER, "moon_azimuth moon_elevation", "view:"),
    **_fields(_TEXT, "code wkt2", "proj:"),
    **_fields(_INTEGER, "epsg", "proj:"),
    **_fields(_NUMBERS, "bbox transform", "proj:"),
    **_fields(_INTEGERS, "shape", "proj:"),
    "proj:centroid": _object(_fields(_NUMBER, "lat lon")),
    "proj:geometry": _GEOMETRY,
    **_fields(_TEXT, "sampling unit data_type", "raster:"),
    **_fields(_INTEGER, "bits_per_sample", "raster:"),
    **_fields(_NUMBER, "spatial_resolution scale offset", "raster:"),
    "raster:histogram": _HISTOGRAM,
    **_fields(_TEXT, "orbit_state platform_international_designator anx_datetime", "sat:"),
    **_fields(_INTEGER, "absolute_orbit relative_orbit orbit_cycle", "sat:"),
    **_fields(_TEXT, "instrument_mode frequency_band observation_direction", "sar:"),
    **_fields(_TEXTS, "polarizations", "sar:"),
    **_fields(_NUMBER, "center_frequency bandwidth resolution_range resolution_azimuth", "sar:"),
    **_fields(_NUMBER, "pixel_spacing_range pixel_spacing_azimuth", "sar:"),
    **_fields(_NUMBER, "looks_equivalent_number", "sar:"),
    **_fields(_INTEGER, "looks_range looks_azimuth", "sar:"),
    **_fields(_TEXT, "level facility version lineage datetime", "processing:"),
    "processing:expression": _object(_fields(_TEXT, "format")),
    "processing:software": _object({}, _TEXT),
    **_fields(_TEXT, "doi citation", "sci:"),
    "sci:publications": _list_of(_object(_fields(_TEXT, "doi citation"))),
    **_fields(_TEXT, "status id date expiration_date", "order:"),
    **_fields(_TEXT, "checksum byte_order local_path", "file:"),
    **_fields(_INTEGER, "size header_size", "file:"),
    **_fields(_TEXT, "code", "grid:"),
    **_fields(_TEXT, "grid_square latitude_band", "mgrs:"),
    **_fields(_INTEGER, "utm_zone", "mgrs:"),
    **_fields(_BOOLEAN, "deprecated"),
    **_fields(_TEXT, "version"),
}
"""The official extensions (stac-extensions.github.io), latest versions."""

_OLD_EO_BAND = _object(
    {
        **_fields(_TEXT, "name common_name description"),
        **_fields(_NUMBER, "center_wavelength full_width_half_max solar_illumination"),
    }
)
"""Electro-optical extension before 2.0."""
_OLD_RASTER_BAND = _object(
    {
        **_fields(_TEXT, "sampling data_type unit"),
        **_fields(_INTEGER, "bits_per_sample"),
        **_fields(_NUMBER, "spatial_resolution scale offset"),
        "statistics": _STATISTICS,
        "histogram": _HISTOGRAM,
    }
)
"""Raster extension before 2.0."""

_FIELDS = {
    **_COMMON_METADATA,
    **_EXTENSION_FIELDS,
    "eo:bands": _list_of(_OLD_EO_BAND),
    "raster:bands": _list_of(_OLD_RASTER_BAND),
}
_BAND = _object({**_FIELDS, "name": _TEXT})
_ASSET = _object({**_fields(_TEXT, "href type"), **_FIELDS, "bands": _list_of(_BAND)})
_ITEM_TIMES = "datetime start_datetime end_datetime created updated expires published unpublished"
"""Properties whose times stac-geoparquet turns back to text; it leaves all others as they are."""

ITEM_TYPE = _object(
    {
        **_FIELDS,
        **_fields(_TIME, _ITEM_TIMES),
        "bands": _list_of(_BAND),
        **_fields(_TEXT, "stac_version id collection"),
        "stac_extensions": _TEXTS,
        "links": _list_of(_LINK),
        "assets": _object({}, _ASSET),
    }
)
"""An item whose properties are members of the item itself."""
