"""Spectra: wavelengths and widths of bands in micrometres, whichever unit they came in.

The API documents micrometres and its own examples are nanometres.
"""

from __future__ import annotations

from typing import Any, Final

from tap_pixxel.stac.notes import CONVERTED
from tap_pixxel.stac.values import Dropped, Mended, Unusable, number

NANOMETRES: Final = 100
"""A wavelength of this or more is stated in nanometres."""
LONGEST: Final = 20
"""Micrometres: above it a wavelength is no optical band's."""
PER_MICROMETRE: Final = 1000
NARROWEST: Final = 0.0003
WIDEST: Final = 1.0
"""Micrometres: between these lies the full width at half maximum of an optical band."""
_IN_NM: Final = "stated in nanometres"
_NO_WAVELENGTH: Final = Dropped("not a wavelength in micrometres or nanometres")
_NO_WIDTH: Final = Dropped("not a width of a band in micrometres or nanometres")


def wavelength(value: object) -> Any:  # noqa: ANN401 - see values.Reader
    """Read a centre wavelength, in micrometres (STAC: ``eo:center_wavelength``)."""
    read = number(value)
    if type(read) is Unusable:
        return read
    stated = read.value if type(read) is Mended else read
    if 0 < stated < LONGEST:
        return read
    if NANOMETRES <= stated < LONGEST * PER_MICROMETRE:
        return Mended(stated / PER_MICROMETRE, CONVERTED, _IN_NM)
    return _NO_WAVELENGTH


def width(value: object, centre: float | None = None, *, in_nanometres: bool = False) -> Any:  # noqa: ANN401 - see values.Reader
    """Read a full width at half maximum, in micrometres (STAC: ``eo:full_width_half_max``).

    Args:
        value: what the API states; 0 where it does not know.
        centre: the band's wavelength in micrometres, which its width cannot reach.
        in_nanometres: the wavelength was in nanometres, so that unit is tried first.
    """
    read = number(value)
    if type(read) is Unusable:
        return read
    stated = read.value if type(read) is Mended else read
    if stated == 0:
        return Dropped("0 is no value")
    units = (PER_MICROMETRE, 1) if in_nanometres else (1, PER_MICROMETRE)
    for unit in units:
        found = stated / unit
        if NARROWEST <= found <= WIDEST and (centre is None or found < centre):
            return read if unit == 1 else Mended(found, CONVERTED, _IN_NM)
    return _NO_WIDTH
