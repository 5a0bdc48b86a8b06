"""Bands: the asset map of an image, one single-band asset each, built once per kind of image."""

from functools import lru_cache
from typing import Final, Literal

import msgspec

from pixxel_sandbox.footprints import Json

Unit = Literal["um", "nm"]
Style = Literal["archive", "catalog"]

IMAGE: Final = "@IMAGE@"
FIRST_NM: Final = 470.0
LAST_NM: Final = 900.0
COLOURS: Final = ((520.0, "blue"), (600.0, "green"), (690.0, "red"), (LAST_NM + 1, "nir"))
OTHER_ASSETS: Final = (
    ("thumbnail", "image/jpeg", "thumbnail", "jpeg"),
    ("mask", "image/tiff", "data-mask", "mask.tif"),
)


def wavelength(number: int, count: int) -> float:
    """Returns the wavelength of one of so many evenly spaced bands, in nanometres."""
    return FIRST_NM + (LAST_NM - FIRST_NM) * number / max(1, count - 1)


def _band(number: int, count: int, unit: Unit, style: Style) -> Json:
    middle = wavelength(number, count)
    colour = next(name for bound, name in COLOURS if middle < bound)
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


def _asset(number: int, count: int, unit: Unit, resolution: int, style: Style) -> Json:
    band = _band(number, count, unit, style)
    name = band["name"]
    asset: Json = {
        "href": f"https://data.invalid/{IMAGE}/{name}.tif",
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
def _pieces(count: int, unit: Unit, resolution: int, style: Style) -> tuple[bytes, ...]:
    """Encodes the asset map once, cut wherever the image's name belongs."""
    assets = {
        asset["title"]: asset
        for asset in (_asset(n, count, unit, resolution, style) for n in range(count))
    }
    for key, media_type, role, suffix in OTHER_ASSETS:
        assets[key] = {
            "href": f"https://data.invalid/{IMAGE}/{IMAGE}.{suffix}",
            "type": media_type,
            "roles": [role],
            "title": key,
        }
    return tuple(msgspec.json.encode(assets).split(IMAGE.encode()))


def assets(image: str, count: int, unit: Unit, resolution: int, style: Style) -> msgspec.Raw:
    """Returns the encoded asset map of an image.

    Args:
        image: the image's name, part of every link.
        count: how many single-band assets.
        unit: of ``center_wavelength`` and ``fwhm``: micrometres as documented, or nanometres.
        resolution: of the bands, in metres.
        style: archive items carry raster bands and irradiance, catalogs do not.
    """
    return msgspec.Raw(image.encode().join(_pieces(count, unit, resolution, style)))
