# ruff: noqa: E501 - tables, one case per line
"""Test the merging of band lists."""

from __future__ import annotations

from typing import Any

import pytest

from tests.tap_pixxel.stac.minimal_items import (
    ABSENT,
    assert_members,
    convert_one_asset,
)

HISTOGRAM = {"count": 3, "min": 0, "max": 9, "buckets": [1, 1, 1]}


BANDS: list[tuple[dict[str, Any], dict[str, Any], dict[str, str]]] = [
    ({"center_wavelength": 493}, {"eo:center_wavelength": 0.493}, {"center_wavelength": "converted"}),
    ({"center_wavelength": 0.493}, {"eo:center_wavelength": 0.493}, {}),
    ({"center_wavelength": 493, "fwhm": 5}, {"eo:center_wavelength": 0.493, "eo:full_width_half_max": 0.005}, {"center_wavelength": "converted", "fwhm": "converted"}),
    ({"fwhm": 0.005, "center_wavelength": 493}, {"eo:center_wavelength": 0.493, "eo:full_width_half_max": 0.005}, {"center_wavelength": "converted"}),
    ({"center_wavelength": 0.5, "fwhm": 5}, {"eo:center_wavelength": 0.5, "eo:full_width_half_max": 0.005}, {"fwhm": "converted"}),
    ({"center_wavelength": 0.25, "fwhm": 0.6}, {"eo:center_wavelength": 0.25, "eo:full_width_half_max": 0.0006}, {"fwhm": "converted"}),
    ({"center_wavelength": 50, "fwhm": 0.6}, {"eo:full_width_half_max": 0.6}, {"center_wavelength": "dropped"}),
    ({"common_name": "infra"}, {"pixxel:common_name": "infra"}, {"common_name": "kept as pixxel:"}),
    ({"solar_irradiance": 1965.25}, {"eo:solar_illumination": 1965.25}, {}),
    ({"scale": 2e-5, "offset": 0, "spatial_resolution": 30}, {"raster:scale": 2e-5, "raster:offset": 0, "raster:spatial_resolution": 30}, {}),
    ({"center_wavelength": "0.5", "fwhm": 0.4}, {"eo:center_wavelength": 0.5, "eo:full_width_half_max": 0.4}, {"center_wavelength": "converted"}),
    ({"center_wavelength": 500, "fwhm": 0.4}, {"eo:center_wavelength": 0.5, "eo:full_width_half_max": 0.0004}, {"center_wavelength": "converted", "fwhm": "converted"}),
    ({"full_width_half_max": 0.01, "solar_illumination": 1}, {"eo:full_width_half_max": 0.01, "eo:solar_illumination": 1}, {}),
    ({"bits_per_sample": 16, "sampling": "area", "histogram": HISTOGRAM}, {"raster:bits_per_sample": 16, "raster:sampling": "area", "raster:histogram": HISTOGRAM}, {}),
    ({"novel": 1}, {"pixxel:novel": 1}, {}),
]  # fmt: skip


@pytest.mark.parametrize(("raw", "expected", "actions"), BANDS)
def test_band_field_returns_expected(
    raw: dict[str, Any], expected: dict[str, Any], actions: dict[str, str]
) -> None:
    result, notes = convert_one_asset(**{"eo:bands": [raw]})
    assert result.get("bands", [{}]) == [expected]
    assert notes == {f"eo:bands.0.{name}": done for name, done in actions.items()}


LISTS: list[tuple[dict[str, Any], Any, dict[str, str]]] = [
    # band lists of an asset, expected bands, actions noted
    ({"eo:bands": [{}]}, ABSENT, {}),
    ({"eo:bands": [{}, {"name": "B2"}]}, [{}, {"name": "B2"}], {}),
    ({"eo:bands": [5, {"name": "B2"}]}, [{}, {"name": "B2"}], {"eo:bands.0": "dropped"}),
    ({"eo:bands": 5}, ABSENT, {"eo:bands": "kept as pixxel:"}),
    ({"eo:bands": {"name": "B1", "statistics": {"mean": 1}}}, [{"name": "B1", "statistics": {"mean": 1}}], {"eo:bands": "converted"}),
    ({"eo:bands": {}, "raster:bands": [{"scale": 2}]}, [{"raster:scale": 2}], {"eo:bands": "converted"}),
    ({"eo:bands": [{"name": "B1"}, {"name": "B2"}], "raster:bands": [{"scale": 2}]}, [{"name": "B1", "raster:scale": 2}, {"name": "B2"}], {"bands": "repaired"}),
    ({"eo:bands": [{"name": "B1"}], "bands": [{"name": "B2"}]}, [{"name": "B2", "pixxel:name": "B1"}], {"eo:bands.0.name": "kept as pixxel:"}),
]  # fmt: skip


@pytest.mark.parametrize(("lists", "expected", "actions"), LISTS)
def test_band_lists_are_merged(
    lists: dict[str, Any], expected: Any, actions: dict[str, str]
) -> None:
    result, notes = convert_one_asset(**lists)
    assert_members(result, {"bands": expected})
    assert notes == actions


def test_bands_unit_of_one_does_not_affect_the_next() -> None:
    listed = [{"center_wavelength": 493}, {"center_wavelength": 0.5, "fwhm": 0.4}]
    result, _ = convert_one_asset(**{"eo:bands": listed})
    assert result["bands"][1]["eo:full_width_half_max"] == 0.4


def test_band_fields_are_in_table_order() -> None:
    raw = {"scale": 2, "center_wavelength": 0.5, "unit": "1", "name": "B1"}
    result, _ = convert_one_asset(**{"eo:bands": [raw]})
    assert list(result["bands"][0]) == ["name", "unit", "eo:center_wavelength", "raster:scale"]
