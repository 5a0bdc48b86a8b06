# ruff: noqa: E501 - tables, a case a line
from __future__ import annotations

from typing import Any

import pytest

from tap_pixxel.stac import to_item
from tests.stac.singles import GONE, TIME, assert_has, item, of_asset

HISTOGRAM = {"count": 3, "min": 0, "max": 9, "buckets": [1, 1, 1]}
BANDS: list[tuple[dict[str, Any], dict[str, Any], dict[str, str]]] = [
    ({"center_wavelength": 493}, {"eo:center_wavelength": 0.493}, {"center_wavelength": "converted"}),
    ({"center_wavelength": 0.493}, {"eo:center_wavelength": 0.493}, {}),
    ({"center_wavelength": 0}, {}, {"center_wavelength": "dropped"}),
    ({"center_wavelength": -1}, {}, {"center_wavelength": "dropped"}),
    ({"center_wavelength": 50}, {}, {"center_wavelength": "dropped"}),
    ({"center_wavelength": 493, "fwhm": 5}, {"eo:center_wavelength": 0.493, "eo:full_width_half_max": 0.005}, {"center_wavelength": "converted", "fwhm": "converted"}),
    ({"fwhm": 0.005, "center_wavelength": 493}, {"eo:center_wavelength": 0.493, "eo:full_width_half_max": 0.005}, {"center_wavelength": "converted"}),
    ({"center_wavelength": 0.5, "fwhm": 5}, {"eo:center_wavelength": 0.5, "eo:full_width_half_max": 0.005}, {"fwhm": "converted"}),
    ({"center_wavelength": 0.5, "fwhm": 0.6}, {"eo:center_wavelength": 0.5, "eo:full_width_half_max": 0.0006}, {"fwhm": "converted"}),
    ({"fwhm": 0}, {}, {"fwhm": "dropped"}),
    ({"fwhm": 5000}, {}, {"fwhm": "dropped"}),
    ({"common_name": "Blue"}, {"eo:common_name": "blue"}, {"common_name": "converted"}),
    ({"common_name": "infra"}, {"pixxel:common_name": "infra"}, {"common_name": "kept as pixxel:"}),
    ({"solar_irradiance": 1965.25}, {"eo:solar_illumination": 1965.25}, {}),
    ({"scale": 2e-5, "offset": 0, "spatial_resolution": 30}, {"raster:scale": 2e-5, "raster:offset": 0, "raster:spatial_resolution": 30}, {}),
    ({"data_type": "UInt16"}, {"data_type": "uint16"}, {"data_type": "converted"}),
    ({"nodata": "NaN"}, {"nodata": "nan"}, {"nodata": "converted"}),
    ({"nodata": float("nan")}, {"nodata": "nan"}, {"nodata": "converted"}),
    ({"nodata": 0}, {"nodata": 0}, {}),
    ({"nodata": 1.5}, {"nodata": 1.5}, {}),
    ({"statistics": {}}, {}, {"statistics": "dropped"}),
    ({"statistics": {"mean": "x", "maximum": 1}}, {"statistics": {"maximum": 1}}, {"statistics": "repaired"}),
    ({"description": ""}, {}, {"description": "dropped"}),
    ({"center_wavelength": 0.5, "fwhm": 0.4}, {"eo:center_wavelength": 0.5, "eo:full_width_half_max": 0.4}, {}),
    ({"center_wavelength": "0.5", "fwhm": 0.4}, {"eo:center_wavelength": 0.5, "eo:full_width_half_max": 0.4}, {"center_wavelength": "converted"}),
    ({"center_wavelength": 500, "fwhm": 0.4}, {"eo:center_wavelength": 0.5, "eo:full_width_half_max": 0.0004}, {"center_wavelength": "converted", "fwhm": "converted"}),
    ({"full_width_half_max": 0.01, "solar_illumination": 1}, {"eo:full_width_half_max": 0.01, "eo:solar_illumination": 1}, {}),
    ({"bits_per_sample": 16, "sampling": "area"}, {"raster:bits_per_sample": 16, "raster:sampling": "area"}, {}),
    ({"histogram": HISTOGRAM}, {"raster:histogram": HISTOGRAM}, {}),
    ({"novel": 1}, {"pixxel:novel": 1}, {}),
]  # fmt: skip


@pytest.mark.parametrize(("raw", "expected", "noted"), BANDS)
def test_a_band(raw: dict[str, Any], expected: dict[str, Any], noted: dict[str, str]) -> None:
    made, notes = of_asset(**{"eo:bands": [raw]})
    assert made.get("bands", [{}]) == [expected]
    assert notes == {f"eo:bands.0.{name}": done for name, done in noted.items()}


def test_reflectance_factors_go_to_the_data_bands_that_lack_them() -> None:
    factors = {"proj:reflectance_scaling_factor": 2, "proj:reflectance_addition_factor": 1}
    assets = {
        "B1": {"href": "https://a.invalid/1", "roles": ["data"], "eo:bands": [{"name": "B1"}]},
        "B2": {"href": "https://a.invalid/2", "raster:bands": [{"scale": 5}]},
        "M": {"href": "https://a.invalid/3", "roles": ["data-mask"], "eo:bands": [{"name": "M"}]},
    }
    stac, notes = to_item(item(properties={"datetime": TIME} | factors, assets=assets))
    assert notes == []
    assert [asset["bands"] for asset in stac["assets"].values()] == [
        [{"name": "B1", "raster:scale": 2, "raster:offset": 1}],
        [{"raster:scale": 5, "raster:offset": 1}],
        [{"name": "M"}],
    ]


def test_bands_of_values_that_are_equal_but_not_the_same_are_not_confused() -> None:
    for value, kind in ((1, int), (1.0, float), (1, int)):
        made, _ = of_asset(**{"raster:bands": [{"offset": value}]})
        assert type(made["bands"][0]["raster:offset"]) is kind
    assert "pixxel:offset" in of_asset(**{"raster:bands": [{"offset": True}]})[0]["bands"][0]


LISTS: list[tuple[dict[str, Any], Any, dict[str, str]]] = [
    # the lists of an asset, its bands, what is noted
    ({"eo:bands": [{}]}, GONE, {}),
    ({"eo:bands": [{}, {"name": "B2"}]}, [{}, {"name": "B2"}], {}),
    ({"eo:bands": [5, {"name": "B2"}]}, [{}, {"name": "B2"}], {"eo:bands.0": "dropped"}),
    ({"eo:bands": 5}, GONE, {"eo:bands": "kept as pixxel:"}),
    ({"eo:bands": {"name": "B1", "statistics": {"mean": 1}}}, [{"name": "B1", "statistics": {"mean": 1}}], {"eo:bands": "converted"}),
    ({"eo:bands": {}, "raster:bands": [{"scale": 2}]}, [{"raster:scale": 2}], {"eo:bands": "converted"}),
    ({"eo:bands": [{"name": "B1"}, {"name": "B2"}], "raster:bands": [{"scale": 2}]}, [{"name": "B1", "raster:scale": 2}, {"name": "B2"}], {"bands": "repaired"}),
    ({"eo:bands": [{"name": "B1"}], "bands": [{"name": "B2"}]}, [{"name": "B2", "pixxel:name": "B1"}], {"eo:bands.0.name": "kept as pixxel:"}),
]  # fmt: skip


@pytest.mark.parametrize(("lists", "expected", "noted"), LISTS)
def test_the_lists_of_an_asset_become_one(
    lists: dict[str, Any], expected: Any, noted: dict[str, str]
) -> None:
    made, notes = of_asset(**lists)
    assert_has(made, {"bands": expected})
    assert notes == noted


def test_the_unit_of_one_bands_wavelength_says_nothing_of_the_next_ones_width() -> None:
    listed = [{"center_wavelength": 493}, {"center_wavelength": 0.5, "fwhm": 0.4}]
    made, _ = of_asset(**{"eo:bands": listed})
    assert made["bands"][1]["eo:full_width_half_max"] == 0.4


def test_the_fields_of_a_band_come_in_the_order_of_the_table() -> None:
    raw = {"scale": 2, "center_wavelength": 0.5, "unit": "1", "name": "B1"}
    made, _ = of_asset(**{"eo:bands": [raw]})
    assert list(made["bands"][0]) == ["name", "unit", "eo:center_wavelength", "raster:scale"]
