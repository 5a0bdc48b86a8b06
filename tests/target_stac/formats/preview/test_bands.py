"""Tests of the bands that are found in items of all versions of STAC."""

from __future__ import annotations

from typing import Any

import pytest

from target_stac.formats.preview.bands import find_bands, read_centre


def make_band(centre: Any, width: Any = None) -> dict[str, Any]:
    return {"eo:center_wavelength": centre, "eo:full_width_half_max": width}


@pytest.mark.parametrize(
    ("item", "bands"),
    [
        ({}, []),
        ({"assets": {"a": {"bands": [make_band(0.47, 0.005)]}}}, [4700, 50]),
        ({"assets": {"a": {"bands": [make_band(0.9), make_band(0.47)]}}}, [4700, 0, 9000, 0]),
        ({"assets": {"a": {"eo:bands": [{"center_wavelength": 2.2}]}}}, [22000, 0]),
        (
            {
                "assets": {
                    "a": {"eo:bands": [{"center_wavelength": 1, "full_width_half_max": 0.02}]}
                }
            },
            [10000, 200],
        ),
        ({"properties": {"bands": [make_band(0.5)]}, "assets": None}, [5000, 0]),
        (
            {
                "assets": {
                    "cube": {"bands": [make_band(0.5)]},
                    "b": {"bands": [make_band(0.5, 0.1)]},
                }
            },
            [5000, 1000],
        ),
        ({"assets": {"a": {"bands": [make_band("0.5"), make_band(-1), make_band(10**400)]}}}, []),
        ({"assets": {"a": {"bands": [make_band([]), make_band(0.5, "wide"), 7]}}}, [5000, 0]),
        ({"assets": {"a": 1, "b": {"bands": {}}, "c": {"bands": None}}, "properties": []}, []),
    ],
)
def test_bands_have_centre_and_width_in_tenths_of_nanometres(
    item: dict[str, Any], bands: list[int]
) -> None:
    assert find_bands(item) == bands


def test_bands_of_many_wavelengths_are_bounded() -> None:
    bands = [make_band(0.4 + number / 1000) for number in range(3000)]
    assert len(find_bands({"properties": {"bands": bands}})) == 2 * 2000


def test_centre_of_asset_with_one_band_is_read() -> None:
    assert read_centre({"bands": [make_band(0.705)]}) == 7050
    assert read_centre({"bands": [make_band(0.705), make_band(0.8)]}) is None
    assert read_centre({"bands": [{}]}) is None
    assert read_centre({}) is None
