"""The tables of fields: where each may stand, and how far its values go."""

from __future__ import annotations

from math import inf, nan
from typing import Any

import pytest

from tap_pixxel.stac import to_collection, to_item
from tap_pixxel.stac.common_metadata import parse_license, parse_nodata, parse_statistics
from tap_pixxel.stac.extensions import PARSERS, _parse_histogram, parse_doi, parse_level
from tap_pixxel.stac.parsers import Dropped, Invalid
from tests.stac.singles import TIME, assert_reads, item, mended, of_asset
from tests.stac.validation import needs_schemas, schema_errors

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


def test_every_field_stands_among_an_items_properties() -> None:
    stac, notes = to_item(item(properties={"datetime": TIME} | COMMON | EXTENSIONS))
    assert stac["properties"] == {"datetime": TIME} | COMMON | EXTENSIONS
    assert stac["stac_extensions"] == SCHEMAS
    assert notes == []


IN_ASSETS = EO | PROJ | RASTER | VIEW
IN_BANDS = EO | RASTER


@pytest.mark.parametrize("name", EXTENSIONS)
def test_a_field_stands_in_assets_and_bands_and_collections_where_its_schema_takes_it(
    name: str,
) -> None:
    kept = f"pixxel:{name.replace(':', '_')}"
    given = {name: EXTENSIONS[name]}
    asset, notes = of_asset(**given)
    assert (name in asset, kept in asset) == (name in IN_ASSETS, name not in IN_ASSETS)
    bands, _ = of_asset(bands=[given])
    assert [*bands["bands"][0]] == [name if name in IN_BANDS else kept]
    collection, _ = to_collection({"id": "c"} | given)
    assert (name in collection, kept in collection) == (name in SCI, name not in SCI)
    assert notes == {}


def test_common_fields_stand_everywhere() -> None:
    asset, noted = of_asset(**COMMON, bands=[{"name": "B1"} | COMMON])
    assert {name: asset[name] for name in COMMON} == COMMON
    assert asset["bands"] == [{"name": "B1"} | COMMON]
    collection, notes = to_collection({"id": "c"} | COMMON)
    assert {name: collection[name] for name in COMMON} == COMMON
    assert noted == {}
    assert [note.field for note in notes] == ["extent"]


def test_an_items_extensions_are_those_of_all_its_parts() -> None:
    assets = {
        "x": {"href": "https://a.invalid/x", "view:azimuth": 5, "bands": [{"raster:scale": 2}]}
    }
    stac, _ = to_item(item(properties={"datetime": TIME, "sat:orbit_cycle": 5}, assets=assets))
    assert [url.split("/")[3] for url in stac["stac_extensions"]] == [
        "order",
        "raster",
        "sat",
        "view",
    ]


@needs_schemas
def test_an_item_with_every_field_is_valid() -> None:
    assets = {
        "x": {"href": "https://a.invalid/x", "bands": [COMMON | IN_BANDS]} | COMMON | IN_ASSETS
    }
    fields = {"datetime": TIME} | COMMON | EXTENSIONS
    assert schema_errors(to_item(item(properties=fields, assets=assets)).stac) == []


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


@pytest.mark.parametrize("name", WORDS)
def test_each_word_that_stac_knows_is_passed_on(name: str) -> None:
    read = PARSERS["properties"][name]
    assert [read(word) for word in WORDS[name]] == [*WORDS[name]]
    assert type(read("mauve")) is Invalid


LIMITS: list[tuple[str, list[Any], list[Any]]] = [
    # field, values that pass, values that do not
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
def test_a_number_goes_as_far_as_its_field(name: str, good: list[Any], bad: list[Any]) -> None:
    read = PARSERS["properties"][name]
    assert [read(value) for value in good] == good
    assert {type(read(value)) for value in bad} == {Invalid}


READINGS: list[tuple[Any, Any, Any]] = [
    # reader, value, what comes out
    (PARSERS["properties"]["view:off_nadir"], -90, mended(90)),
    (PARSERS["properties"]["view:off_nadir"], "-5", mended(5)),
    (PARSERS["properties"]["view:azimuth"], -360, mended(0)),
    (PARSERS["properties"]["view:azimuth"], -0.5, mended(359.5)),
    (parse_doi, "10.1234/a\u200bc", Invalid),
    (parse_level, "L2A", "L2A"),
    (parse_level, "raw", "raw"),
    (parse_level, " Level-2a ", mended("L2A")),
    (parse_level, " raw ", mended("raw")),
    (parse_level, 5, Invalid),
    (_parse_histogram, [*HISTOGRAM], Invalid),
    (_parse_histogram, HISTOGRAM | {"buckets": [1, 1, None]}, Invalid),
    (parse_license, " MIT ", mended("MIT")),
    (parse_license, "various", Invalid),
    (parse_license, " proprietary ", Invalid),
    (parse_license, 5, Invalid),
    (parse_nodata, "nan", "nan"),
    (parse_nodata, "inf", "inf"),
    (parse_nodata, "-inf", "-inf"),
    (parse_nodata, "+inf", mended("inf")),
    (parse_nodata, " Infinity ", mended("inf")),
    (parse_nodata, "-infinity", mended("-inf")),
    (parse_nodata, nan, mended("nan")),
    (parse_nodata, inf, mended("inf")),
    (parse_nodata, -inf, mended("-inf")),
    (parse_nodata, 0.5, 0.5),
    (parse_nodata, "5", mended(5)),
    (parse_nodata, "none", Invalid),
    (parse_statistics, STATISTICS, STATISTICS),
    (parse_statistics, {"valid_percent": 0}, {"valid_percent": 0}),
    (parse_statistics, {"odd": "x"}, {"odd": "x"}),
    (parse_statistics, {"mean": "5"}, mended({"mean": 5})),
    (parse_statistics, {"mean": 1, "odd": None}, mended({"mean": 1})),
    (parse_statistics, {"mean": 1, "count": -1}, mended({"mean": 1})),
    (parse_statistics, {"mean": 1, "valid_percent": -0.1}, mended({"mean": 1})),
    (parse_statistics, {"mean": 1, "valid_percent": 100.1}, mended({"mean": 1})),
    (parse_statistics, {"minimum": "x", "maximum": "x", "stddev": "x"}, Dropped),
    (parse_statistics, {}, Dropped),
    (parse_statistics, [1], Invalid),
]


@pytest.mark.parametrize(("read", "value", "expected"), READINGS)
def test_a_reading(read: Any, value: Any, expected: Any) -> None:
    assert_reads(read, value, expected)


def test_the_buckets_of_a_histogram_become_whole_numbers() -> None:
    assert repr(_parse_histogram(HISTOGRAM | {"buckets": [1.0, 1, 1.0]})["buckets"]) == "[1, 1, 1]"
