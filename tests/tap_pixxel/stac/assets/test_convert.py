# ruff: noqa: E501 - tables, one case per line
"""Test the conversion of assets and their order."""

from __future__ import annotations

from typing import Any

import pytest

from tap_pixxel.stac import to_item
from tests.tap_pixxel.stac.minimal_items import (
    ABSENT,
    TIME,
    assert_members,
    convert_one_asset,
    make_item,
)

ASSETS: list[tuple[dict[str, Any], dict[str, Any], dict[str, str]]] = [
    ({"type": "image/tiff"}, {"type": "image/tiff; application=geotiff"}, {"type": "converted"}),
    ({"href": "https://a.invalid/x.tif"}, {"type": "image/tiff; application=geotiff"}, {"type": "repaired"}),
    ({"href": "https://a.invalid/x.tif", "type": " "}, {"type": "image/tiff; application=geotiff"}, {"type": "repaired"}),
    ({"href": "https://a.invalid/x.tif", "type": "image/png"}, {"type": "image/png"}, {}),
    ({"novel": 1, "odd": None}, {"pixxel:novel": 1, "odd": ABSENT}, {}),
    ({"href": "/x.tif", "type": "a/b"}, {"href": "https://api.pixxel.space/x.tif"}, {"href": "converted"}),
    ({"href": "https://a.invalid/x?X-Amz-Signature=s&X-Amz-Date=d"}, {"href": "https://a.invalid/x"}, {"href": "converted"}),
    ({"eo:bands": {"name": "B1"}}, {"bands": [{"name": "B1"}]}, {"eo:bands": "converted"}),
    ({"eo:bands": {"B1": {"fwhm": 0.01}}}, {"bands": [{"name": "B1", "eo:full_width_half_max": 0.01}]}, {"eo:bands": "converted"}),
    ({"eo:bands": [{}], "raster:bands": [{"scale": 2}]}, {"bands": [{"raster:scale": 2}]}, {}),
]  # fmt: skip


@pytest.mark.parametrize(("raw", "expected", "actions"), ASSETS)
def test_asset_field_returns_expected(
    raw: dict[str, Any], expected: dict[str, Any], actions: dict[str, str]
) -> None:
    result, notes = convert_one_asset(**raw)
    assert_members(result, expected)
    assert notes == actions


def test_assets_any_order_are_overview_then_wavelength_then_rest() -> None:
    def asset(centre: float | None = None, *roles: str) -> dict[str, Any]:
        bands = {"eo:bands": [{"center_wavelength": centre}]} if centre else {}
        return {"href": "https://a.invalid/x", "roles": list(roles)} | bands

    raw = {
        "meta": asset(), "B9": asset(900), "mask": asset(None, "mask"), "B2": asset(0.5),
        "thumbnail": asset(), "B6": asset() | {"eo:center_wavelength": 0.6}, "overview": asset(),
        "small": asset(None, "thumbnail"), "big": asset(None, "overview"), "B1": asset(470),
    }  # fmt: skip
    stac, _ = to_item(make_item(assets=raw))
    assert list(stac["assets"]) == [
        "overview", "big", "thumbnail", "small", "B1", "B2", "B6", "B9", "meta", "mask",
    ]  # fmt: skip


def test_assets_assume_cog_declares_cloud_optimized() -> None:
    png = {"href": "https://a.invalid/y.png", "type": "image/png"}
    raw = make_item(
        assets={"x": {"href": "https://a.invalid/x.tif", "type": "image/tiff"}, "y": png}
    )
    cog = to_item(raw, assume_cog=True).stac
    assert cog["assets"]["x"]["type"].endswith("profile=cloud-optimized")
    assert cog["assets"]["y"] == png
    assert to_item(cog).stac == cog
    assert "cloud" not in str(to_item(raw).stac)


def test_assets_without_href_are_dropped_and_noted() -> None:
    raw = {"x": {"type": "image/png"}, "y": None, "z": {"href": " "}}
    stac, notes = to_item(make_item(assets=raw))
    assert stac["assets"] == {}
    assert [(note.field, note.action) for note in notes] == [
        ("assets.x", "dropped"),
        ("assets.z", "dropped"),
    ]


def test_assets_key_with_lone_surrogate_is_dropped() -> None:
    asset = {"href": "https://a.invalid/x"}
    stac, notes = to_item(make_item(assets={"gr\u00f6\u00dfe": asset, "\ud800": asset}))
    assert list(stac["assets"]) == ["gr\u00f6\u00dfe"]
    assert [(note.field, note.action) for note in notes] == [("assets.\ud800", "dropped")]


def test_reflectance_factors_without_assets_are_kept() -> None:
    factors = {"proj:reflectance_scaling_factor": 2, "proj:reflectance_addition_factor": 1}
    stac, _ = to_item(make_item(properties={"datetime": TIME} | factors, assets=5))
    kept = {"pixxel:proj_reflectance_scaling_factor", "pixxel:proj_reflectance_addition_factor"}
    assert kept < stac["properties"].keys()
