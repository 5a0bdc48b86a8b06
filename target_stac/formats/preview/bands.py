"""Find the spectral bands of an item: where they are centred, and how wide they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from target_stac.formats.preview.values import as_mapping

if TYPE_CHECKING:
    from collections.abc import Mapping

_TENTHS_OF_NANOMETRES = 10_000  # in a micrometre
_MAX_WAVELENGTH = 1000.0  # micrometres; longer waves are microwaves
_MAX_BANDS = 2000
_NUMBER = float | int
_NAMES = (  # of a list of bands, a centre and a width
    ("bands", "eo:center_wavelength", "eo:full_width_half_max"),  # STAC 1.1, EO extension 2
    ("eo:bands", "center_wavelength", "full_width_half_max"),  # EO extension 1
)


def find_bands(item: Mapping[str, Any]) -> list[int]:
    """Return the centre and full width at half maximum of each band, in tenths of a nanometre.

    They are those of assets and of the item, in one flat list by increasing centre. A width that
    no band states is 0; bands with the same centre are one.
    """
    widths: dict[int, int] = {}
    for holder in (item.get("properties"), *as_mapping(item.get("assets")).values()):
        if isinstance(holder, dict):
            _add_widths(holder, widths)
    return [number for pair in sorted(widths.items())[:_MAX_BANDS] for number in pair]


def _add_widths(holder: Mapping[str, Any], widths: dict[int, int]) -> None:
    """Add the widths of the bands of an item's properties, or of an asset, by their centres."""
    for name, centre_name, width_name in _NAMES:
        bands = holder.get(name)
        for band in bands if isinstance(bands, list) else ():
            if isinstance(band, dict) and (centre := _to_tenths(band.get(centre_name))):
                width = _to_tenths(band[width_name]) if width_name in band else 0
                if width >= widths.get(centre, 0):
                    widths[centre] = width


def read_centre(asset: Mapping[str, Any]) -> int | None:
    """Return the centre of an asset's bands in tenths of a nanometre, if they have the same."""
    widths: dict[int, int] = {}
    _add_widths(asset, widths)
    return next(iter(widths)) if len(widths) == 1 else None


def _to_tenths(micrometres: object) -> int:
    """Return a length in tenths of a nanometre; 0 for what is no length of a light wave."""
    if isinstance(micrometres, _NUMBER) and 0 < micrometres < _MAX_WAVELENGTH:
        return round(micrometres * _TENTHS_OF_NANOMETRES)
    return 0
