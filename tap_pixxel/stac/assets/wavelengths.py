"""Parse wavelengths and widths of bands as micrometres, in whichever unit they are stated.

The API documents micrometres, but its own examples are nanometres.
"""

from __future__ import annotations

from typing import Any

from tap_pixxel.stac.parsers import NUMBER_TYPES, Dropped, Invalid, Repaired, parse_number
from tap_pixxel.stac.result import CONVERTED

MIN_NANOMETRES = 100
"""A wavelength of at least this number is stated in nanometres."""
MAX_MICROMETRES = 20
"""An optical band has a shorter wavelength than this, in micrometres."""
NANOMETRES_PER_MICROMETRE = 1000
MIN_FWHM = 0.0003
MAX_FWHM = 1.0
"""With `MIN_FWHM`, limits of the full width at half maximum of an optical band, in micrometres."""
MAX_RELATIVE_FWHM = 2
"""A width is at most this multiple of its band's wavelength (eo's own example has 0.7 at 0.47)."""
STATED_IN_NANOMETRES = "stated in nanometres"
UNKNOWN_FWHM = Dropped("0 means unknown")
_NOT_A_WAVELENGTH = Dropped("not a wavelength in micrometres or nanometres")
_NOT_A_FWHM = Dropped("not a width of a band in micrometres or nanometres")


def parse_wavelength(value: object) -> Any:  # noqa: ANN401 - see parsers.Parser
    """Parse a centre wavelength as micrometres (STAC: `eo:center_wavelength`)."""
    parsed = parse_number(value)
    if type(parsed) is Invalid:
        return parsed
    number = parsed.value if type(parsed) is Repaired else parsed
    if 0 < number < MAX_MICROMETRES:
        return parsed
    if MIN_NANOMETRES <= number < MAX_MICROMETRES * NANOMETRES_PER_MICROMETRE:
        return Repaired(number / NANOMETRES_PER_MICROMETRE, CONVERTED, STATED_IN_NANOMETRES)
    return _NOT_A_WAVELENGTH


def parse_fwhm(value: object, centre: float | None = None, *, in_nanometres: bool = False) -> Any:  # noqa: ANN401 - see parsers.Parser
    """Parse a full width at half maximum as micrometres (STAC: `eo:full_width_half_max`).

    Args:
        value: what the API states; 0 when it is unknown.
        centre: the band's wavelength in micrometres. The width has the unit in which the
            wavelength was stated, unless it were more than `MAX_RELATIVE_FWHM` times as large.
        in_nanometres: whether the wavelength was stated in nanometres.
    """
    if value == 0 and type(value) in NUMBER_TYPES:
        return UNKNOWN_FWHM
    parsed = parse_number(value)
    if type(parsed) is Invalid:
        return parsed
    number = parsed.value if type(parsed) is Repaired else parsed
    if number == 0:
        return UNKNOWN_FWHM
    units = (NANOMETRES_PER_MICROMETRE, 1) if in_nanometres else (1, NANOMETRES_PER_MICROMETRE)
    limit = MAX_FWHM if centre is None else min(MAX_FWHM, MAX_RELATIVE_FWHM * centre)
    for unit in units:
        fwhm = number / unit
        if MIN_FWHM <= fwhm <= limit:
            return parsed if unit == 1 else Repaired(fwhm, CONVERTED, STATED_IN_NANOMETRES)
    return _NOT_A_FWHM
