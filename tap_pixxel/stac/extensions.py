"""Extensions: a table of those that items use, their schemas, and how each field is read."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Final, NamedTuple

from tap_pixxel.stac import projection, spectra
from tap_pixxel.stac.common import COMMON
from tap_pixxel.stac.notes import CONVERTED, REPAIRED
from tap_pixxel.stac.times import moment
from tap_pixxel.stac.values import (
    EMPTY,
    Mended,
    Reader,
    Unusable,
    between,
    checked,
    number,
    one_of,
    positive,
    text,
    whole,
)

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
_HISTOGRAM: Final = frozenset({"count", "min", "max", "buckets"})
_BUCKETS: Final = 3


def _off_nadir(value: object) -> Any:  # noqa: ANN401 - see values.Reader
    return _moved(value, lambda angle: -angle, 90, "negative: seen to the other side")


def _azimuth(value: object) -> Any:  # noqa: ANN401 - see values.Reader
    return _moved(value, lambda angle: angle + FULL_TURN, FULL_TURN, "negative: counted westward")


def _moved(value: object, turn: Any, high: float, why: str) -> Any:  # noqa: ANN401 - see values.Reader
    read = number(value)
    stated = read.value if type(read) is Mended else read
    if type(read) is Unusable or 0 <= stated <= high:
        return read
    if -high <= stated < 0:
        return Mended(turn(stated), REPAIRED, why)
    return Unusable("out of range")


def doi(value: object) -> Any:  # noqa: ANN401 - see values.Reader
    """Read a DOI, without the address of a resolver."""
    if not isinstance(value, str):
        return Unusable("not a text")
    if not (stripped := value.strip()):
        return EMPTY
    match = _DOI.fullmatch(stripped)
    if not match or not match[1].isprintable():
        return Unusable("not a DOI")
    return value if match[1] == value else Mended(match[1], CONVERTED, "more than the DOI")


def level(value: object) -> Any:  # noqa: ANN401 - see values.Reader
    """Read a processing level: ``L2A`` out of ``Level-2A`` or ``LV2A``; other words stay."""
    if isinstance(value, str) and (match := _LEVEL.fullmatch(value.strip())):
        read = f"L{match[1]}{match[2].upper()}"
        return read if read == value else Mended(read, CONVERTED, "a level in another spelling")
    return text(value)


def _nonzero(value: object) -> Any:  # noqa: ANN401 - see values.Reader
    return checked(value, lambda found: found != 0)


def _software(value: object) -> Any:  # noqa: ANN401 - see values.Reader
    if not isinstance(value, dict) or not all(
        isinstance(each, str) and each.isascii() for pair in value.items() for each in pair
    ):
        return Unusable("not an object of texts")
    return dict(value) or EMPTY


def _histogram(value: object) -> Any:  # noqa: ANN401 - see values.Reader
    wrong = Unusable("not a histogram as the extension has it")
    if not isinstance(value, dict) or set(value) != _HISTOGRAM:
        return wrong
    buckets = value["buckets"]
    if not isinstance(buckets, list) or len(buckets) < _BUCKETS:
        return wrong
    edges = [value["count"], value["min"], value["max"]]
    if any(isinstance(each, str) or type(number(each)) is Unusable for each in edges + buckets):
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
    fields: dict[str, Reader]
    places: frozenset[str]


def _schema(name: str, version: str) -> str:
    return f"https://stac-extensions.github.io/{name}/v{version}/schema.json"


def _places(*names: str) -> frozenset[str]:
    return frozenset(names)


EXTENSIONS: Final[dict[str, Extension]] = {
    "eo": Extension(
        _schema("eo", "2.0.0"),
        {
            "cloud_cover": between(0, 100),
            "snow_cover": between(0, 100),
            "common_name": one_of(COMMON_NAMES),
            "center_wavelength": spectra.wavelength,
            "full_width_half_max": spectra.width,
            "solar_illumination": lambda value: checked(value, lambda found: found >= 0),
        },
        _places("properties", "assets", "bands"),
    ),
    "proj": Extension(
        _schema("projection", "2.0.0"),
        {
            "code": projection.code,
            "wkt2": projection.wkt2,
            "shape": projection.shape,
            "transform": projection.transform,
            "centroid": projection.centroid,
            "bbox": projection.extent,
        },
        _places("properties", "assets"),
    ),
    "raster": Extension(
        _schema("raster", "2.0.0"),
        {
            "scale": _nonzero,
            "offset": number,
            "spatial_resolution": positive,
            "bits_per_sample": whole(1),
            "sampling": one_of(frozenset({"area", "point"})),
            "histogram": _histogram,
        },
        _places("properties", "assets", "bands"),
    ),
    "view": Extension(
        _schema("view", "1.1.0"),
        {
            "off_nadir": _off_nadir,
            "incidence_angle": between(0, 90),
            "azimuth": _azimuth,
            "sun_azimuth": _azimuth,
            "sun_elevation": between(-90, 90),
            "moon_azimuth": _azimuth,
            "moon_elevation": between(0, 90),
        },
        _places("properties", "assets"),
    ),
    "sat": Extension(
        _schema("sat", "1.2.0"),
        {
            "platform_international_designator": text,
            "orbit_state": one_of(ORBIT_STATES),
            "absolute_orbit": whole(1),
            "relative_orbit": whole(1),
            "anx_datetime": moment,
            "orbit_cycle": whole(1),
            "acquisition_station": text,
        },
        _places("properties"),
    ),
    "sci": Extension(
        _schema("scientific", "1.0.0"),
        {"doi": doi, "citation": text},
        _places("properties", "collection"),
    ),
    "processing": Extension(
        _schema("processing", "1.2.0"),
        {
            "level": level,
            "lineage": text,
            "facility": text,
            "version": text,
            "datetime": moment,
            "software": _software,
        },
        _places("properties"),
    ),
    "order": Extension(
        _schema("order", "1.1.0"),
        {"status": text, "id": text, "date": moment, "expiration_date": moment},
        _places("properties"),
    ),
}


def _readers(place: str) -> dict[str, Reader]:
    made = dict(COMMON)
    for prefix, extension in EXTENSIONS.items():
        if place in extension.places:
            made |= {f"{prefix}:{name}": read for name, read in extension.fields.items()}
    return made


READERS: Final = {
    place: _readers(place) for place in ("properties", "assets", "bands", "collection")
}
"""Reader by field, for each place where fields stand."""


_PREFIXES: Final = {
    f"{prefix}:{name}": prefix
    for prefix, extension in EXTENSIONS.items()
    for name in extension.fields
}


_NO_PREFIX: Final = frozenset({None})


def prefixes(names: dict[str, Any]) -> set[str]:
    """Give the extensions, by prefix, whose fields are among these."""
    return {*map(_PREFIXES.get, names)} - _NO_PREFIX  # type: ignore[return-value]  # no None is left


def schemas(used: set[str]) -> list[str]:
    """Give the schemas of the extensions used, in order of their addresses."""
    return list(_schemas(frozenset(used)))


def schemas_with(fields: dict[str, Any], used: frozenset[str]) -> list[str]:
    """Give the schemas of the extensions used, by these fields among others, in order."""
    return list(_schemas_with(used, *fields))


@lru_cache(256)
def _schemas_with(used: frozenset[str], *names: str) -> list[str]:
    return schemas({*used} | prefixes(dict.fromkeys(names)))


@lru_cache(1024)
def _schemas(used: frozenset[str]) -> list[str]:
    return sorted(EXTENSIONS[prefix].schema for prefix in used)
