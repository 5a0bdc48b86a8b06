"""Spectra: wavelengths and widths of bands in micrometres, whichever unit they came in.

The API documents micrometres and its own examples are nanometres.
"""

from __future__ import annotations

from typing import Any, Final

from tap_pixxel.stac.parsers import Dropped, Invalid, Repaired, parse_number
from tap_pixxel.stac.result import CONVERTED

MIN_NANOMETRES: Final = 100
"""A wavelength of this or more is stated in nanometres."""
MAX_MICROMETRES: Final = 20
"""Micrometres: above it a wavelength is no optical band's."""
NANOMETRES_PER_MICROMETRE: Final = 1000
MIN_FWHM: Final = 0.0003
MAX_FWHM: Final = 1.0
"""Micrometres: between these lies the full width at half maximum of an optical band."""
_STATED_IN_NANOMETRES: Final = "stated in nanometres"
_NOT_A_WAVELENGTH: Final = Dropped("not a wavelength in micrometres or nanometres")
_NOT_A_FWHM: Final = Dropped("not a width of a band in micrometres or nanometres")


def parse_wavelength(value: object) -> Any:  # noqa: ANN401 - see values.Reader
    """Read a centre wavelength, in micrometres (STAC: ``eo:center_wavelength``)."""
    read = parse_number(value)
    if type(read) is Invalid:
        return read
    stated = read.value if type(read) is Repaired else read
    if 0 < stated < MAX_MICROMETRES:
        return read
    if MIN_NANOMETRES <= stated < MAX_MICROMETRES * NANOMETRES_PER_MICROMETRE:
        return Repaired(stated / NANOMETRES_PER_MICROMETRE, CONVERTED, _STATED_IN_NANOMETRES)
    return _NOT_A_WAVELENGTH


def parse_fwhm(value: object, centre: float | None = None, *, in_nanometres: bool = False) -> Any:  # noqa: ANN401 - see values.Reader
    """Read a full width at half maximum, in micrometres (STAC: ``eo:full_width_half_max``).

    Args:
        value: what the API states; 0 where it does not know.
        centre: the band's wavelength in micrometres, which its width cannot reach.
        in_nanometres: the wavelength was in nanometres, so that unit is tried first.
    """
    read = parse_number(value)
    if type(read) is Invalid:
        return read
    stated = read.value if type(read) is Repaired else read
    if stated == 0:
        return Dropped("0 is no value")
    units = (NANOMETRES_PER_MICROMETRE, 1) if in_nanometres else (1, NANOMETRES_PER_MICROMETRE)
    for unit in units:
        found = stated / unit
        if MIN_FWHM <= found <= MAX_FWHM and (centre is None or found < centre):
            return read if unit == 1 else Repaired(found, CONVERTED, _STATED_IN_NANOMETRES)
    return _NOT_A_FWHM
