"""Make the assets of items differ from item to item, in the ways in which real archives differ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

Asset = dict[str, Any]


def _vary_title(rng: Random, name: str, asset: Asset) -> None:
    asset["title"] = f"{name} of image {rng.getrandbits(48):012X}"


def _vary_size(rng: Random, _name: str, asset: Asset) -> None:
    asset["file:size"] = rng.randrange(10**9)


def _vary_checksum(rng: Random, _name: str, asset: Asset) -> None:
    asset["file:checksum"] = f"1220{rng.getrandbits(256):064x}"


def _vary_statistics(rng: Random, _name: str, asset: Asset) -> None:
    for band in asset.get("raster:bands", []):
        names = ("minimum", "maximum", "mean", "stddev")
        band["statistics"] = {name: round(rng.uniform(0, 1000), 3) for name in names}


def _vary_grid(rng: Random, _name: str, asset: Asset) -> None:
    asset["proj:shape"] = [rng.randrange(1, 20_000), rng.randrange(1, 20_000)]
    west, north = round(rng.uniform(1e5, 9e5), 2), round(rng.uniform(1e5, 9e6), 2)
    asset["proj:transform"] = [5.0, 0, west, 0, -5.0, north]


def _sign_href(rng: Random, _name: str, asset: Asset) -> None:
    query = f"X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature={rng.getrandbits(256):064x}"
    asset["href"] = f"{asset['href']}?{query}"


def _relativize_href(rng: Random, name: str, asset: Asset) -> None:
    asset["href"] = f"./{rng.getrandbits(48):012x}/{name}.tif"


def _state_nanometres(rng: Random, name: str, asset: Asset) -> None:
    _vary_title(rng, name, asset)
    for band in asset.get("eo:bands", []):
        band["center_wavelength"] = round(rng.uniform(470, 900), 2)
        band["fwhm"] = round(rng.uniform(4, 6), 2)


def _make_unusable(rng: Random, name: str, asset: Asset) -> None:
    _vary_title(rng, name, asset)
    asset["nodata"] = "unknown"


DIFFERENCES: dict[str, Callable[[Random, str, Asset], None]] = {
    "title": _vary_title,
    "file:size": _vary_size,
    "file:checksum": _vary_checksum,
    "statistics": _vary_statistics,
    "proj:shape and proj:transform": _vary_grid,
    "signed hrefs": _sign_href,
    "relative hrefs": _relativize_href,
}
"""What may differ in every asset, by its label."""
DIFFERING = ["title", "file:size", "file:checksum"]
"""What differs in each asset of the benchmarks of programs."""
NANOMETRES = "title, with two notes per band (nanometres)"
UNUSABLE = "title, with an unusable member in each asset"
VARIATIONS = DIFFERENCES | {NANOMETRES: _state_nanometres, UNUSABLE: _make_unusable}


def vary_assets(assets: dict[str, Asset], variations: list[str], rng: Random) -> None:
    """Change each asset, in place, in the ways that labels of `VARIATIONS` name."""
    for name, asset in assets.items():
        for label in variations:
            VARIATIONS[label](rng, name, asset)
