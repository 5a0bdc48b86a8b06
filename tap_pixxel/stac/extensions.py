"""Extensions: a table of those that items use, their schemas, and how each field is read."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Final, NamedTuple

from tap_pixxel.stac import projection
from tap_pixxel.stac.assets import wavelengths
from tap_pixxel.stac.common_metadata import COMMON_PARSERS
from tap_pixxel.stac.datetimes import parse_datetime
from tap_pixxel.stac.parsers import (
    EMPTY,
    Invalid,
    Parser,
    Repaired,
    make_enum_parser,
    make_integer_parser,
    make_range_parser,
    parse_checked_number,
    parse_number,
    parse_positive_number,
    parse_text,
)
from tap_pixxel.stac.result import CONVERTED, REPAIRED

COMMON_NAMES: Final = frozenset(
    {"pan", "coastal", "blue", "green", "green05", "yellow", "red", "rededge", "rededge071",
     "rededge075", "rededge078", "nir", "nir08", "nir09", "cirrus", "swir16", "swir22", "lwir",
     "lwir11", "lwir12"}
)  # fmt: skip
ORBIT_STATES: Final = frozenset({"ascending", "descending", "geostationary", "crossing"})
FULL_TURN: Final = 360
_DOI: Final = re.compile(
    r"(?:(?:https?://)?(?:dx\.|www\.)?doi\.org/|doi:\s*)?(10\.[0-9a-zA-Z]{4,}/[^\s]+)",
    re.IGNORECASE,
)
_LEVEL: Final = re.compile(r"(?:level|lv|l)?[-_ ]*([0-9])[-_ ]*([a-z]?)", re.IGNORECASE)
_HISTOGRAM_MEMBERS: Final = frozenset({"count", "min", "max", "buckets"})
_MIN_BUCKETS: Final = 3


def _parse_off_nadir(value: object) -> Any:  # noqa: ANN401 - see values.Reader
    return _wrap_angle(value, lambda angle: -angle, 90, "negative: seen to the other side")


def _parse_azimuth(value: object) -> Any:  # noqa: ANN401 - see values.Reader
    return _wrap_angle(
        value, lambda angle: angle + FULL_TURN, FULL_TURN, "negative: counted westward"
    )


def _wrap_angle(value: object, turn: Any, high: float, why: str) -> Any:  # noqa: ANN401 - see values.Reader
    read = parse_number(value)
    stated = read.value if type(read) is Repaired else read
    if type(read) is Invalid or 0 <= stated <= high:
        return read
    if -high <= stated < 0:
        return Repaired(turn(stated), REPAIRED, why)
    return Invalid("out of range")


def parse_doi(value: object) -> Any:  # noqa: ANN401 - see values.Reader
    """Read a DOI, without the address of a resolver."""
    if not isinstance(value, str):
        return Invalid("not a text")
    if not (stripped := value.strip()):
        return EMPTY
    match = _DOI.fullmatch(stripped)
    if not match or not match[1].isprintable():
        return Invalid("not a DOI")
    return value if match[1] == value else Repaired(match[1], CONVERTED, "more than the DOI")


def parse_level(value: object) -> Any:  # noqa: ANN401 - see values.Reader
    """Read a processing level: ``L2A`` out of ``Level-2A`` or ``LV2A``; other words stay."""
    if isinstance(value, str) and (match := _LEVEL.fullmatch(value.strip())):
        read = f"L{match[1]}{match[2].upper()}"
        return read if read == value else Repaired(read, CONVERTED, "a level in another spelling")
    return parse_text(value)


def _parse_nonzero(value: object) -> Any:  # noqa: ANN401 - see values.Reader
    return parse_checked_number(value, lambda found: found != 0)


def _parse_software(value: object) -> Any:  # noqa: ANN401 - see values.Reader
    if not isinstance(value, dict) or not all(
        isinstance(each, str) and each.isascii() for pair in value.items() for each in pair
    ):
        return Invalid("not an object of texts")
    return dict(value) or EMPTY


def _parse_histogram(value: object) -> Any:  # noqa: ANN401 - see values.Reader
    wrong = Invalid("not a histogram as the extension has it")
    if not isinstance(value, dict) or set(value) != _HISTOGRAM_MEMBERS:
        return wrong
    buckets = value["buckets"]
    if not isinstance(buckets, list) or len(buckets) < _MIN_BUCKETS:
        return wrong
    edges = [value["count"], value["min"], value["max"]]
    if any(
        isinstance(each, str) or type(parse_number(each)) is Invalid for each in edges + buckets
    ):
        return wrong
    if any(each != int(each) for each in buckets):
        return wrong
    return {**value, "buckets": [int(each) for each in buckets]}


class Extension(NamedTuple):
    """One extension of STAC.

    Attributes:
        schema: where its schema is published; an object that uses it says so by this.
        fields: reader by field, without the prefix. A field of the extension that is not here
            is treated as an unknown one: the extensions reject those.
        places: where the schema takes its fields: item properties, assets, bands, and members
            of a collection itself.
    """

    schema: str
    fields: dict[str, Parser]
    scopes: frozenset[str]


def _schema_url(name: str, version: str) -> str:
    return f"https://stac-extensions.github.io/{name}/v{version}/schema.json"


def _places(*names: str) -> frozenset[str]:
    return frozenset(names)


EXTENSIONS: Final[dict[str, Extension]] = {
    "eo": Extension(
        _schema_url("eo", "2.0.0"),
        {
            "cloud_cover": make_range_parser(0, 100),
            "snow_cover": make_range_parser(0, 100),
            "common_name": make_enum_parser(COMMON_NAMES),
            "center_wavelength": wavelengths.parse_wavelength,
            "full_width_half_max": wavelengths.parse_fwhm,
            "solar_illumination": lambda value: parse_checked_number(
                value, lambda found: found >= 0
            ),
        },
        _places("properties", "assets", "bands"),
    ),
    "proj": Extension(
        _schema_url("projection", "2.0.0"),
        {
            "code": projection.parse_code,
            "wkt2": projection.parse_wkt2,
            "shape": projection.parse_shape,
            "transform": projection.parse_transform,
            "centroid": projection.parse_centroid,
            "bbox": projection.parse_projected_bbox,
        },
        _places("properties", "assets"),
    ),
    "raster": Extension(
        _schema_url("raster", "2.0.0"),
        {
            "scale": _parse_nonzero,
            "offset": parse_number,
            "spatial_resolution": parse_positive_number,
            "bits_per_sample": make_integer_parser(1),
            "sampling": make_enum_parser(frozenset({"area", "point"})),
            "histogram": _parse_histogram,
        },
        _places("properties", "assets", "bands"),
    ),
    "view": Extension(
        _schema_url("view", "1.1.0"),
        {
            "off_nadir": _parse_off_nadir,
            "incidence_angle": make_range_parser(0, 90),
            "azimuth": _parse_azimuth,
            "sun_azimuth": _parse_azimuth,
            "sun_elevation": make_range_parser(-90, 90),
            "moon_azimuth": _parse_azimuth,
            "moon_elevation": make_range_parser(0, 90),
        },
        _places("properties", "assets"),
    ),
    "sat": Extension(
        _schema_url("sat", "1.2.0"),
        {
            "platform_international_designator": parse_text,
            "orbit_state": make_enum_parser(ORBIT_STATES),
            "absolute_orbit": make_integer_parser(1),
            "relative_orbit": make_integer_parser(1),
            "anx_datetime": parse_datetime,
            "orbit_cycle": make_integer_parser(1),
            "acquisition_station": parse_text,
        },
        _places("properties"),
    ),
    "sci": Extension(
        _schema_url("scientific", "1.0.0"),
        {"doi": parse_doi, "citation": parse_text},
        _places("properties", "collection"),
    ),
    "processing": Extension(
        _schema_url("processing", "1.2.0"),
        {
            "level": parse_level,
            "lineage": parse_text,
            "facility": parse_text,
            "version": parse_text,
            "datetime": parse_datetime,
            "software": _parse_software,
        },
        _places("properties"),
    ),
    "order": Extension(
        _schema_url("order", "1.1.0"),
        {
            "status": parse_text,
            "id": parse_text,
            "date": parse_datetime,
            "expiration_date": parse_datetime,
        },
        _places("properties"),
    ),
}


def _parsers_in_scope(place: str) -> dict[str, Parser]:
    made = dict(COMMON_PARSERS)
    for prefix, extension in EXTENSIONS.items():
        if place in extension.scopes:
            made |= {f"{prefix}:{name}": read for name, read in extension.fields.items()}
    return made


PARSERS: Final = {
    place: _parsers_in_scope(place) for place in ("properties", "assets", "bands", "collection")
}
"""Reader by field, for each place where fields stand."""


_PREFIX_BY_FIELD: Final = {
    f"{prefix}:{name}": prefix
    for prefix, extension in EXTENSIONS.items()
    for name in extension.fields
}


_NO_EXTENSION: Final = frozenset({None})


def used_extensions(names: dict[str, Any]) -> set[str]:
    """Give the extensions, by prefix, whose fields are among these."""
    return {*map(_PREFIX_BY_FIELD.get, names)} - _NO_EXTENSION  # type: ignore[return-value]  # no None is left


def schema_urls(used: set[str]) -> list[str]:
    """Give the schemas of the extensions used, in order of their addresses."""
    return list(_schema_urls(frozenset(used)))


def schema_urls_with(fields: dict[str, Any], used: frozenset[str]) -> list[str]:
    """Give the schemas of the extensions used, by these fields among others, in order."""
    return list(_schema_urls_with(used, *fields))


@lru_cache(256)
def _schema_urls_with(used: frozenset[str], *names: str) -> list[str]:
    return schema_urls({*used} | used_extensions(dict.fromkeys(names)))


@lru_cache(1024)
def _schema_urls(used: frozenset[str]) -> list[str]:
    return sorted(EXTENSIONS[prefix].schema for prefix in used)
