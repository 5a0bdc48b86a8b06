"""Render the asset map of an image, a single-band asset for each band."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Literal

import msgspec

if TYPE_CHECKING:
    from pixxel_sandbox.json_types import Json

WavelengthUnit = Literal["um", "nm"]
ItemStyle = Literal["archive", "catalog"]

PLACEHOLDER = "@IMAGE@"
FIRST_NM = 470.0
LAST_NM = 900.0
COMMON_NAMES = ((520.0, "blue"), (600.0, "green"), (690.0, "red"), (LAST_NM + 1, "nir"))
OTHER_ASSETS = (
    ("thumbnail", "image/jpeg", "thumbnail", "jpeg"),
    ("mask", "image/tiff", "data-mask", "mask.tif"),
)


def band_wavelength(number: int, count: int) -> float:
    """Return the wavelength of one of `count` evenly spaced bands, in nanometres."""
    return FIRST_NM + (LAST_NM - FIRST_NM) * number / max(1, count - 1)


def _make_band(number: int, count: int, unit: WavelengthUnit, style: ItemStyle) -> Json:
    middle = band_wavelength(number, count)
    colour = next(name for bound, name in COMMON_NAMES if middle < bound)
    micrometres = unit == "um"
    band: Json = {
        "name": f"B{number + 1:03d}",
        "center_wavelength": round(middle / 1000, 4) if micrometres else round(middle),
        "fwhm": 0.005 if micrometres and number % 2 else 0,
        "common_name": colour,
    }
    if style == "archive":
        band["solar_irradiance"] = round(1400 + (LAST_NM - middle) * 1.4, 2)
    return band


def _make_asset(
    number: int, count: int, unit: WavelengthUnit, resolution: int, style: ItemStyle
) -> Json:
    band = _make_band(number, count, unit, style)
    name = band["name"]
    asset: Json = {
        "href": f"https://data.invalid/{PLACEHOLDER}/{name}.tif",
        "type": "image/tiff",
        "roles": ["data"],
        "title": name,
        "eo:bands": [band],
    }
    if style == "archive":
        asset["raster:bands"] = [
            {"scale": 0.00002, "nodata": 0, "offset": 0, "spatial_resolution": resolution}
        ]
    return asset


@lru_cache
def _encode_parts(
    count: int, unit: WavelengthUnit, resolution: int, style: ItemStyle
) -> tuple[bytes, ...]:
    """Return the encoded asset map, split where the image's name belongs."""
    assets = {
        asset["title"]: asset
        for asset in (_make_asset(n, count, unit, resolution, style) for n in range(count))
    }
    for key, media_type, role, suffix in OTHER_ASSETS:
        assets[key] = {
            "href": f"https://data.invalid/{PLACEHOLDER}/{PLACEHOLDER}.{suffix}",
            "type": media_type,
            "roles": [role],
            "title": key,
        }
    return tuple(msgspec.json.encode(assets).split(PLACEHOLDER.encode()))


def encode_assets(
    image: str, count: int, unit: WavelengthUnit, resolution: int, style: ItemStyle
) -> msgspec.Raw:
    """Return the encoded asset map of an image.

    Args:
        image: The image's name, which is part of every link.
        count: The number of single-band assets.
        unit: The unit of `center_wavelength` and `fwhm`: micrometres as documented, or nanometres.
        resolution: The resolution of the bands, in metres.
        style: Archive items have raster bands and irradiance, catalogs do not.
    """
    return msgspec.Raw(image.encode().join(_encode_parts(count, unit, resolution, style)))
