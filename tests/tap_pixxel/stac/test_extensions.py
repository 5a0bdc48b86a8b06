"""Test the tables of fields: the scopes of each field, and the limits of its values."""

from __future__ import annotations

from typing import Any

import pytest

from tap_pixxel.stac import to_collection, to_item
from tap_pixxel.stac.extensions import (
    PARSERS,
    _parse_histogram,
    _parse_nonzero,
    _parse_software,
    parse_doi,
    parse_level,
)
from tap_pixxel.stac.parsers import EMPTY, Invalid
from tests.tap_pixxel.stac.minimal_items import (
    TIME,
    assert_parses,
    convert_one_asset,
    make_item,
    repaired,
)
from tests.tap_pixxel.stac.validation import needs_schemas, schema_errors

HISTOGRAM = {"count": 3, "min": 0, "max": 9, "buckets": [1, 1, 1]}


STATISTICS = {
    "minimum": 0,
    "maximum": 9,
    "mean": 4.5,
    "stddev": 1,
    "count": 0,
    "valid_percent": 100,
}


COMMON: dict[str, Any] = {
    "title": "T", "description": "D", "keywords": ["k"], "roles": ["data"], "created": TIME,
    "updated": TIME, "platform": "FF01", "instruments": ["i"], "constellation": "c", "mission": "m",
    "gsd": 5, "license": "MIT", "providers": [{"name": "P"}], "data_type": "uint16", "nodata": 0,
    "statistics": STATISTICS, "unit": "1",
}  # fmt: skip


EO = {
    "eo:cloud_cover": 5, "eo:snow_cover": 5, "eo:common_name": "pan", "eo:center_wavelength": 0.5,
    "eo:full_width_half_max": 0.01, "eo:solar_illumination": 1.5,
}  # fmt: skip


PROJ = {
    "proj:code": "EPSG:4326", "proj:wkt2": 'GEOGCRS["a"]', "proj:shape": [1, 2],
    "proj:transform": [1, 0, 0, 0, -1, 0], "proj:centroid": {"lat": 1, "lon": 2},
    "proj:bbox": [1, 2, 3, 4],
}  # fmt: skip


RASTER = {
    "raster:scale": 2, "raster:offset": 0, "raster:spatial_resolution": 5,
    "raster:bits_per_sample": 16, "raster:sampling": "area", "raster:histogram": HISTOGRAM,
}  # fmt: skip


VIEW = {
    "view:off_nadir": 5, "view:incidence_angle": 5, "view:azimuth": 5, "view:sun_azimuth": 5,
    "view:sun_elevation": 5, "view:moon_azimuth": 5, "view:moon_elevation": 5,
}  # fmt: skip


SAT = {
    "sat:platform_international_designator": "a", "sat:orbit_state": "ascending",
    "sat:absolute_orbit": 5, "sat:relative_orbit": 5, "sat:anx_datetime": TIME,
    "sat:orbit_cycle": 5, "sat:acquisition_station": "s",
}  # fmt: skip


SCI = {"sci:doi": "10.1234/abc", "sci:citation": "c"}


PROCESSING = {
    "processing:level": "L2A", "processing:lineage": "l", "processing:facility": "f",
    "processing:version": "v", "processing:datetime": TIME, "processing:software": {"s": "1"},
}  # fmt: skip


ORDER = {
    "order:status": "orderable", "order:id": "o", "order:date": TIME, "order:expiration_date": TIME,
}  # fmt: skip


EXTENSIONS = EO | PROJ | RASTER | VIEW | SAT | SCI | PROCESSING | ORDER


SCHEMAS = [
    f"https://stac-extensions.github.io/{name}/schema.json"
    for name in (
        "eo/v2.0.0", "order/v1.1.0", "processing/v1.2.0", "projection/v2.0.0", "raster/v2.0.0",
        "sat/v1.2.0", "scientific/v1.0.0", "view/v1.1.0",
    )
]  # fmt: skip


def test_properties_every_field_is_kept() -> None:
    stac, notes = to_item(make_item(properties={"datetime": TIME} | COMMON | EXTENSIONS))
    assert stac["properties"] == {"datetime": TIME} | COMMON | EXTENSIONS
    assert stac["stac_extensions"] == SCHEMAS
    assert notes == []


IN_ASSETS = EO | PROJ | RASTER | VIEW


IN_BANDS = EO | RASTER


@pytest.mark.parametrize("name", EXTENSIONS)
def test_field_scope_is_that_of_its_schema(
    name: str,
) -> None:
    kept = f"pixxel:{name.replace(':', '_')}"
    given = {name: EXTENSIONS[name]}
    asset, notes = convert_one_asset(**given)
    assert (name in asset, kept in asset) == (name in IN_ASSETS, name not in IN_ASSETS)
    bands, _ = convert_one_asset(bands=[given])
    assert [*bands["bands"][0]] == [name if name in IN_BANDS else kept]
    collection, _ = to_collection({"id": "c"} | given)
    assert (name in collection, kept in collection) == (name in SCI, name not in SCI)
    assert notes == {}


@needs_schemas
def test_item_with_every_field_is_valid() -> None:
    assets = {
        "x": {"href": "https://a.invalid/x", "bands": [COMMON | IN_BANDS]} | COMMON | IN_ASSETS
    }
    fields = {"datetime": TIME} | COMMON | EXTENSIONS
    assert schema_errors(to_item(make_item(properties=fields, assets=assets)).stac) == []


WORDS = {
    "eo:common_name": (
        "pan", "coastal", "blue", "green", "green05", "yellow", "red", "rededge", "rededge071",
        "rededge075", "rededge078", "nir", "nir08", "nir09", "cirrus", "swir16", "swir22", "lwir",
        "lwir11", "lwir12",
    ),
    "sat:orbit_state": ("ascending", "descending", "geostationary", "crossing"),
    "raster:sampling": ("area", "point"),
    "data_type": (
        "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16",
        "float32", "float64", "cint16", "cint32", "cfloat32", "cfloat64", "other",
    ),
}  # fmt: skip


LIMITS: list[tuple[str, list[Any], list[Any]]] = [
    # field, valid values, values out of range
    ("eo:cloud_cover", [0, 0.5, 100], [-0.1, 100.1]),
    ("eo:snow_cover", [0, 0.5, 100], [-0.1, 100.1]),
    ("eo:solar_illumination", [0, 0.5], [-0.1]),
    ("raster:scale", [0.5, -1], [0]),
    ("raster:bits_per_sample", [1], [0, 1.5]),
    ("raster:offset", [0, -1.5], ["x"]),
    ("view:off_nadir", [0, 0.5, 90], [-90.1, 90.1, "x"]),
    ("view:incidence_angle", [0, 0.5, 90], [-0.1, 90.1]),
    ("view:azimuth", [0, 0.5, 360], [-360.1, 360.1]),
    ("view:sun_azimuth", [0, 0.5, 360], [-360.1, 360.1]),
    ("view:moon_azimuth", [0, 0.5, 360], [-360.1, 360.1]),
    ("view:sun_elevation", [-90, 0.5, 90], [-90.1, 90.1]),
    ("view:moon_elevation", [0, 0.5, 90], [-0.1, 90.1]),
    ("sat:absolute_orbit", [1], [0, 1.5]),
    ("sat:relative_orbit", [1], [0, 1.5]),
    ("sat:orbit_cycle", [1], [0, 1.5]),
]


@pytest.mark.parametrize(("name", "good", "bad"), LIMITS)
def test_number_parser_limits_are_those_of_the_field(
    name: str, good: list[Any], bad: list[Any]
) -> None:
    read = PARSERS["properties"][name]
    assert [read(value) for value in good] == good
    assert {type(read(value)) for value in bad} == {Invalid}


MIXED_HISTOGRAM = {"count": 3, "min": 0, "max": 9, "buckets": [1, 1.0, 1]}


PARSED: list[tuple[Any, Any, Any]] = [
    # parser, value, expected result
    (PARSERS["properties"]["view:off_nadir"], -90, repaired(90)),
    (PARSERS["properties"]["view:off_nadir"], "-5", repaired(5)),
    (PARSERS["properties"]["view:azimuth"], -360, repaired(0)),
    (PARSERS["properties"]["view:azimuth"], -0.5, repaired(359.5)),
    (parse_doi, "10.1234/a\u200bc", Invalid),
    (parse_level, "L2A", "L2A"),
    (parse_level, "raw", "raw"),
    (parse_level, " Level-2a ", repaired("L2A")),
    (parse_level, " raw ", repaired("raw")),
    (parse_level, 5, Invalid),
    (_parse_histogram, [*HISTOGRAM], Invalid),
    (_parse_histogram, HISTOGRAM | {"buckets": [1, 1, None]}, Invalid),
    (parse_doi, "10.1234/abc", "10.1234/abc"),
    (_parse_software, {"a": "1"}, {"a": "1"}),
    (_parse_histogram, MIXED_HISTOGRAM, {**MIXED_HISTOGRAM, "buckets": [1, 1, 1]}),
    (_parse_nonzero, -1, -1),
    (parse_doi, " doi:10.1234/abc ", repaired("10.1234/abc")),
    (parse_doi, 5, Invalid),
    (parse_doi, "", EMPTY),
    (parse_doi, "11.1234/abc", Invalid),
    (_parse_software, ["a"], Invalid),
    (_parse_software, {"a": 1}, Invalid),
    (_parse_software, {"\u00e4": "1"}, Invalid),
    (_parse_software, {}, EMPTY),
    (_parse_histogram, [], Invalid),
    (_parse_histogram, {**MIXED_HISTOGRAM, "more": 1}, Invalid),
    (_parse_histogram, {**MIXED_HISTOGRAM, "buckets": [1, 1]}, Invalid),
    (_parse_histogram, {**MIXED_HISTOGRAM, "buckets": 3}, Invalid),
    (_parse_histogram, {**MIXED_HISTOGRAM, "buckets": [1, 1, 1.5]}, Invalid),
    (_parse_histogram, {**MIXED_HISTOGRAM, "min": "0"}, Invalid),
    (_parse_histogram, {**MIXED_HISTOGRAM, "max": None}, Invalid),
    (_parse_nonzero, 0, Invalid),
]  # fmt: skip


@pytest.mark.parametrize(("parse", "value", "expected"), PARSED)
def test_extension_parser_value_returns_expected(parse: Any, value: Any, expected: Any) -> None:
    assert_parses(parse, value, expected)
