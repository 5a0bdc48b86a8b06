"""Test the parsers of wavelengths and widths of bands."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from tap_pixxel.stac.assets.wavelengths import parse_fwhm, parse_wavelength
from tap_pixxel.stac.parsers import Dropped, Invalid
from tests.tap_pixxel.stac.minimal_items import assert_parses, repaired

PARSED: list[tuple[Any, Any, Any]] = [
    # parser, value, expected result
    (parse_wavelength, 0.0001, 0.0001),
    (parse_wavelength, 0, Dropped),
    (parse_wavelength, 19.9, 19.9),
    (parse_wavelength, "0.5", repaired(0.5)),
    (parse_wavelength, 100, repaired(0.1)),
    (parse_wavelength, "493", repaired(0.493)),
    (parse_wavelength, 19999, repaired(19.999)),
    (parse_wavelength, 20, Dropped),
    (parse_wavelength, 99.9, Dropped),
    (parse_wavelength, 20000, Dropped),
    (parse_wavelength, "x", Invalid),
    (parse_fwhm, 0.0003, 0.0003),
    (parse_fwhm, 1.0, 1.0),
    (parse_fwhm, "0.5", repaired(0.5)),
    (parse_fwhm, 1.5, repaired(0.0015)),
    (parse_fwhm, 0, Dropped("0 means unknown")),
    (parse_fwhm, 0.0002, Dropped),
    (parse_fwhm, 1000.1, Dropped),
    (parse_fwhm, -1, Dropped),
    (parse_fwhm, "x", Invalid),
    (partial(parse_fwhm, in_nanometres=True), 5, repaired(0.005)),
    (partial(parse_fwhm, in_nanometres=True), 0.5, repaired(0.0005)),
    (partial(parse_fwhm, in_nanometres=True), 0.01, 0.01),
    (partial(parse_fwhm, centre=0.5), 0.4, 0.4),
    (partial(parse_fwhm, centre=0.47), 0.7, 0.7),
    (partial(parse_fwhm, centre=0.25), 0.5, 0.5),
    (partial(parse_fwhm, centre=0.25), 0.51, repaired(0.00051)),
    (partial(parse_fwhm, centre=0.493), 5.5, repaired(0.0055)),
]  # fmt: skip


@pytest.mark.parametrize(("parse", "value", "expected"), PARSED)
def test_wavelength_parser_value_returns_expected(parse: Any, value: Any, expected: Any) -> None:
    assert_parses(parse, value, expected)
