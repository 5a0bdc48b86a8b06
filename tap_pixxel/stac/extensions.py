"""The STAC extensions that items use: their schemas, and a parser for each field."""

from __future__ import annotations

import math
import re
from functools import lru_cache
from typing import Any, NamedTuple

from tap_pixxel.stac import projection
from tap_pixxel.stac.assets import wavelengths
from tap_pixxel.stac.common_metadata import COMMON_PARSERS
from tap_pixxel.stac.datetimes import parse_datetime
from tap_pixxel.stac.parsers import (
    EMPTY,
    MAX_FLOAT,
    MIN_FLOAT,
    MIN_POSITIVE,
    OUT_OF_RANGE,
    Invalid,
    NumberParser,
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

COMMON_NAMES = frozenset(
    {"pan", "coastal", "blue", "green", "green05", "yellow", "red", "rededge", "rededge071",
     "rededge075", "rededge078", "nir", "nir08", "nir09", "cirrus", "swir16", "swir22", "lwir",
     "lwir11", "lwir12"}
)  # fmt: skip
ORBIT_STATES = frozenset({"ascending", "descending", "geostationary", "crossing"})
FULL_CIRCLE = 360
_DOI = re.compile(
    r"(?:(?:https?://)?(?:dx\.|www\.)?doi\.org/|doi:\s*)?(10\.[0-9a-zA-Z]{4,}/[^\s]+)",
    re.IGNORECASE,
)
_LEVEL = re.compile(r"(?:level|lv|l)?[-_ ]*([0-9])[-_ ]*([a-z]?)", re.IGNORECASE)
_HISTOGRAM_MEMBERS = frozenset({"count", "min", "max", "buckets"})
_MIN_BUCKETS = 3


def _parse_off_nadir(value: object) -> Any:  # noqa: ANN401 - see parsers.Parser
    return _wrap_angle(value, lambda angle: -angle, 90, "negative angle: sign removed")


def _parse_azimuth(value: object) -> Any:  # noqa: ANN401 - see parsers.Parser
    return _wrap_angle(
        value, lambda angle: angle + FULL_CIRCLE, FULL_CIRCLE, "negative angle: 360 added"
    )


def _wrap_angle(value: object, wrap: Any, high: float, reason: str) -> Any:  # noqa: ANN401 - see parsers.Parser
    parsed = parse_number(value)
    angle = parsed.value if type(parsed) is Repaired else parsed
    if type(parsed) is Invalid or 0 <= angle <= high:
        return parsed
    if -high <= angle < 0:
        return Repaired(wrap(angle), REPAIRED, reason)
    return OUT_OF_RANGE


def parse_doi(value: object) -> Any:  # noqa: ANN401 - see parsers.Parser
    """Parse a DOI, without the address of a resolver."""
    if not isinstance(value, str):
        return Invalid("not text")
    if not (text := value.strip()):
        return EMPTY
    match = _DOI.fullmatch(text)
    if not match or not match[1].isprintable():
        return Invalid("not a DOI")
    if match[1] == value:
        return value
    return Repaired(match[1], CONVERTED, "a DOI with a prefix or whitespace")


def parse_level(value: object) -> Any:  # noqa: ANN401 - see parsers.Parser
    """Parse a processing level: `Level-2A` and `LV2A` become `L2A`, other words stay."""
    if isinstance(value, str) and (match := _LEVEL.fullmatch(value.strip())):
        level = f"L{match[1]}{match[2].upper()}"
        return level if level == value else Repaired(level, CONVERTED, "another spelling")
    return parse_text(value)


def _parse_nonzero(value: object) -> Any:  # noqa: ANN401 - see parsers.Parser
    return parse_checked_number(value, lambda number: number != 0)


def _parse_solar_illumination(value: object) -> Any:  # noqa: ANN401 - see parsers.Parser
    return parse_checked_number(value, lambda number: number >= 0)


def _parse_software(value: object) -> Any:  # noqa: ANN401 - see parsers.Parser
    if not isinstance(value, dict) or not all(
        isinstance(each, str) and each.isascii() for pair in value.items() for each in pair
    ):
        return Invalid("not an object of texts")
    return dict(value) or EMPTY


def _parse_histogram(value: object) -> Any:  # noqa: ANN401 - see parsers.Parser
    not_a_histogram = Invalid("not a histogram of the raster extension")
    if not isinstance(value, dict) or set(value) != _HISTOGRAM_MEMBERS:
        return not_a_histogram
    buckets = value["buckets"]
    if not isinstance(buckets, list) or len(buckets) < _MIN_BUCKETS:
        return not_a_histogram
    numbers = [value["count"], value["min"], value["max"], *buckets]
    if any(isinstance(each, str) or type(parse_number(each)) is Invalid for each in numbers):
        return not_a_histogram
    if any(each != int(each) for each in buckets):
        return not_a_histogram
    return {**value, "buckets": [int(each) for each in buckets]}


class Extension(NamedTuple):
    """A STAC extension.

    Attributes:
        schema: URL of its schema, which an object that uses the extension states.
        fields: parser by field, without the prefix. A field of the extension without a parser is
            treated as unknown, because the extensions' schemas reject unknown fields.
        scopes: objects whose fields the schema allows: item properties, assets, bands, and
            collections.
    """

    schema: str
    fields: dict[str, Parser]
    scopes: frozenset[str]


def _schema_url(name: str, version: str) -> str:
    return f"https://stac-extensions.github.io/{name}/v{version}/schema.json"


EXTENSIONS: dict[str, Extension] = {
    "eo": Extension(
        _schema_url("eo", "2.0.0"),
        {
            "cloud_cover": make_range_parser(0, 100),
            "snow_cover": make_range_parser(0, 100),
            "common_name": make_enum_parser(COMMON_NAMES),
            "center_wavelength": NumberParser(
                MIN_POSITIVE,
                math.nextafter(wavelengths.MAX_MICROMETRES, 0),
                wavelengths.parse_wavelength,
            ),
            "full_width_half_max": wavelengths.parse_fwhm,
            "solar_illumination": NumberParser(
                0,
                MAX_FLOAT,
                lambda value: parse_checked_number(value, lambda number: number >= 0),
            ),
        },
        frozenset({"properties", "assets", "bands"}),
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
        frozenset({"properties", "assets"}),
    ),
    "raster": Extension(
        _schema_url("raster", "2.0.0"),
        {
            "scale": NumberParser(MIN_POSITIVE, MAX_FLOAT, _parse_nonzero),
            "offset": NumberParser(MIN_FLOAT, MAX_FLOAT, parse_number),
            "spatial_resolution": NumberParser(MIN_POSITIVE, MAX_FLOAT, parse_positive_number),
            "bits_per_sample": make_integer_parser(1),
            "sampling": make_enum_parser(frozenset({"area", "point"})),
            "histogram": _parse_histogram,
        },
        frozenset({"properties", "assets", "bands"}),
    ),
    "view": Extension(
        _schema_url("view", "1.1.0"),
        {
            "off_nadir": NumberParser(0, 90, _parse_off_nadir),
            "incidence_angle": make_range_parser(0, 90),
            "azimuth": NumberParser(0, FULL_CIRCLE, _parse_azimuth),
            "sun_azimuth": NumberParser(0, FULL_CIRCLE, _parse_azimuth),
            "sun_elevation": make_range_parser(-90, 90),
            "moon_azimuth": NumberParser(0, FULL_CIRCLE, _parse_azimuth),
            "moon_elevation": make_range_parser(0, 90),
        },
        frozenset({"properties", "assets"}),
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
        frozenset({"properties"}),
    ),
    "sci": Extension(
        _schema_url("scientific", "1.0.0"),
        {"doi": parse_doi, "citation": parse_text},
        frozenset({"properties", "collection"}),
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
        frozenset({"properties"}),
    ),
    "order": Extension(
        _schema_url("order", "1.1.0"),
        {
            "status": parse_text,
            "id": parse_text,
            "date": parse_datetime,
            "expiration_date": parse_datetime,
        },
        frozenset({"properties"}),
    ),
}


def _parsers_in_scope(scope: str) -> dict[str, Parser]:
    parsers = dict(COMMON_PARSERS)
    for prefix, extension in EXTENSIONS.items():
        if scope in extension.scopes:
            parsers |= {f"{prefix}:{name}": parser for name, parser in extension.fields.items()}
    return parsers


PARSERS = {
    scope: _parsers_in_scope(scope) for scope in ("properties", "assets", "bands", "collection")
}
"""Parser by field, for each scope."""
_PREFIX_BY_FIELD = {
    f"{prefix}:{name}": prefix
    for prefix, extension in EXTENSIONS.items()
    for name in extension.fields
}
_NO_EXTENSION = frozenset({None})


def used_extensions(fields: dict[str, Any]) -> set[str]:
    """Return the prefixes of the extensions that define some of these fields."""
    return {*map(_PREFIX_BY_FIELD.get, fields)} - _NO_EXTENSION  # type: ignore[return-value]  # no None is left


def schema_urls(prefixes: set[str]) -> list[str]:
    """Return the sorted schema URLs of extensions."""
    return list(_schema_urls(frozenset(prefixes)))


def schema_urls_with(fields: dict[str, Any], prefixes: frozenset[str]) -> list[str]:
    """Return the sorted schema URLs of extensions, and of those that define these fields."""
    return list(_schema_urls_with(prefixes, *fields))


@lru_cache(256)
def _schema_urls_with(prefixes: frozenset[str], *names: str) -> list[str]:
    return schema_urls({*prefixes} | used_extensions(dict.fromkeys(names)))


@lru_cache(1024)
def _schema_urls(prefixes: frozenset[str]) -> list[str]:
    return sorted(EXTENSIONS[prefix].schema for prefix in prefixes)
