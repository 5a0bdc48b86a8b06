"""Test that reading assets by their form gives what the careful conversion gives."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tap_pixxel.stac.assets import convert, form_reader, forms
from tap_pixxel.stac.assets.bands import BAND_ALIASES, BAND_LISTS, BAND_PARSERS, FWHM
from tap_pixxel.stac.assets.convert import AssetOptions, convert_assets, convert_sorted
from tap_pixxel.stac.assets.form_reader import FormReader, ValueReader
from tap_pixxel.stac.assets.forms import ASSET_PARSERS
from tap_pixxel.stac.parsers import MARKERS, NumberParser, TableParser

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_pixxel.stac.assets.convert import ConvertedAssets
    from tap_pixxel.stac.parsers import Parser
    from tap_pixxel.stac.result import ConversionNote

HREF = "https://data.invalid/1.tif"
TEXTS = st.sampled_from(
    ["data", " data ", "B1", "red", "RED", "image/tiff", "IMAGE/TIFF", "image/png", "uint16", "5",
     "", "\u00e9", "\ud800", "https://a.invalid/x?sig=1", "2024-01-01T00:00:00Z", "nan"]
)  # fmt: skip
NUMBERS = st.one_of(
    st.floats(),
    st.integers(-(2**70), 2**70),
    st.sampled_from([0, -0.0, 0.47, 470, 0.005, 5, 20, 19.99, 90, 360, 1e-9, 2**64, 5e-324]),
)
SCALARS = st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS)
VALUES = st.one_of(
    SCALARS,
    st.lists(SCALARS, max_size=6),
    st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=6),
    st.dictionaries(st.sampled_from(["minimum", "maximum", "mean", "name", "lat"]), SCALARS),
)
EXTRAS = ["file:size", "file:checksum", "novel", "pixxel:novel", "sat:orbit_state", "\ud800"]
ASSET_NAMES = st.sampled_from([*ASSET_PARSERS, *EXTRAS, "alternate"])
BAND_NAMES = st.sampled_from([*BAND_PARSERS, *BAND_ALIASES, *EXTRAS])
BANDS = st.dictionaries(BAND_NAMES, VALUES, max_size=8)
BAND_LISTS_VALUES = st.one_of(st.lists(BANDS, min_size=1, max_size=2), VALUES)
USUAL_BAND = st.fixed_dictionaries(
    {
        "name": TEXTS,
        "center_wavelength": st.one_of(st.floats(0.4, 2.5), st.floats(400, 2500)),
        "fwhm": st.sampled_from([0, 0.005, 5, 0.8]),
        "common_name": st.sampled_from(["red", "nir"]),
    }
)


@pytest.fixture(autouse=True)
def _forms_of_this_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget the forms of other tests in this process, as the number of functions is limited."""
    monkeypatch.setattr(forms, "_functions", {})
    monkeypatch.setattr(
        forms, "band_forms", {each: forms.BandForms(each) for each in forms.band_forms}
    )
    monkeypatch.setattr(form_reader, "asset_forms", forms._Forms())


@st.composite
def draw_assets(draw: st.DrawFn) -> dict[str, Any]:
    """Draw an object of assets, most of them of a usual form."""
    assets = {}
    for number in range(draw(st.integers(1, 5))):
        asset: dict[str, Any] = {"href": HREF, "type": "image/tiff", "roles": ["data"]}
        if draw(st.booleans()):
            asset["eo:bands"] = [draw(USUAL_BAND)]
            asset["raster:bands"] = [{"scale": 2e-5, "offset": draw(NUMBERS)}]
        asset |= draw(st.dictionaries(ASSET_NAMES, VALUES, max_size=3))
        for name in draw(st.sets(st.sampled_from(BAND_LISTS), max_size=1)):
            asset[name] = draw(BAND_LISTS_VALUES)
        names = draw(st.permutations(list(asset)))
        assets[f"B{number}"] = {name: asset[name] for name in names}
    return assets


def convert_both_ways(
    assets: dict[str, Any], options: AssetOptions
) -> Iterator[tuple[str, frozenset[str], frozenset[str], list[ConversionNote]]]:
    """Convert assets by their forms, then carefully."""
    for is_careful in (False, True):
        notes: list[ConversionNote] = []
        with pytest.MonkeyPatch.context() as patch:
            if is_careful:
                patch.setattr(FormReader, "read", lambda *_: None)
            found: ConvertedAssets = convert_assets(assets, options, str, notes)
        yield repr(found.assets), found.extensions, found.used_factors, notes


@settings(max_examples=200, deadline=None)
@given(draw_assets(), st.sampled_from([AssetOptions(), AssetOptions("a.", 2.0, assume_cog=True)]))
def test_assets_by_form_equal_careful_conversion(
    assets: dict[str, Any], options: AssetOptions
) -> None:
    by_form, carefully = convert_both_ways(assets, options)
    assert by_form == carefully


class _Refused(Exception):
    """A value failed its test."""


class _RefusingReader(ValueReader):
    def _refuse(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ARG002 - any of the three
        raise _Refused

    parse = parse_wavelength = parse_fwhm = unwrap = _refuse


FIELDS = [(False, name) for name in ASSET_PARSERS] + [(True, name) for name in BAND_PARSERS]


def read_by_test(name: str, value: object, *, in_band: bool) -> Any:
    """Return what a form makes of a value that passes its test.

    Raises:
        _Refused: It does not pass.
    """
    reader = _RefusingReader("assets.", [])
    if in_band:
        form = forms.BandForms(("eo:bands",)).make((name,))
        assert form is not None
        fields = form.read({name: value}, reader)
    else:
        form = forms._Forms().make((name,))
        assert form is not None
        fields = form.read({name: value}, reader, None, HREF)
    assert fields is not None
    return fields[name]


@pytest.mark.parametrize(("in_band", "name"), FIELDS)
@settings(max_examples=50, deadline=None)
@given(value=VALUES)
def test_value_that_passes_its_test_is_what_its_parser_returns(
    *, value: object, in_band: bool, name: str
) -> None:
    """A test may only be narrower than its parser, and the result may share no list with it."""
    try:
        found = read_by_test(name, value, in_band=in_band)
    except _Refused:
        return
    parser: Parser = (BAND_PARSERS if in_band else ASSET_PARSERS)[name]
    parsed = parser(value)
    assert type(parsed) not in MARKERS
    assert repr(found) == repr(parsed)
    assert not isinstance(found, list) or found is not value
    again = parser(parsed)  # two members of a field are compared with what was parsed of the first
    assert repr(again) == repr(parsed)


@pytest.mark.parametrize("table", [ASSET_PARSERS, BAND_PARSERS])
def test_parsers_bounds_pass_and_what_is_beyond_goes_to_the_parser(
    table: dict[str, Parser],
) -> None:
    tested = 0
    for name, parser in table.items():
        in_band = table is BAND_PARSERS
        if isinstance(parser, NumberParser):
            for bound in (parser.low, parser.high):
                assert repr(read_by_test(name, bound, in_band=in_band)) == repr(parser.parse(bound))
            for value in (math.nextafter(parser.low, -math.inf), math.nan, True, str(parser.low)):
                with pytest.raises(_Refused):
                    read_by_test(name, value, in_band=in_band)
        elif isinstance(parser, TableParser):
            for word, result in parser.table.items():
                assert result == parser.parse(word)
                if type(result) is str:
                    assert read_by_test(name, word, in_band=in_band) == result
                else:
                    with pytest.raises(_Refused):
                        read_by_test(name, word, in_band=in_band)
        else:
            continue
        tested += 1
    assert tested > 5


@pytest.mark.parametrize(("width", "center"), [(0.8, 0.39), (0.0002, 0.7), (1.5, None)])
def test_width_beyond_its_limits_goes_to_the_parser(width: float, center: float | None) -> None:
    band = {"eo:center_wavelength": center, FWHM: width} if center else {FWHM: width}
    form = forms.BandForms(("bands",)).make(tuple(band))
    assert form is not None
    with pytest.raises(_Refused):
        form.read(band, _RefusingReader("assets.", []))


def test_functions_are_limited_and_further_assets_are_converted_carefully(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(forms, "MAX_FUNCTIONS", 2)
    convert.asset_counts.clear()
    names = ["title", "description", "gsd", "mission"]
    for name in names:
        found = convert_sorted([("B1", {"href": HREF, name: "x"}, HREF, "")], AssetOptions(), [])
        assert not isinstance(found.assets, bytes)
    assert convert.asset_counts == {convert.TOTAL: 4, convert.CAREFULLY: 2}
    assert len(forms._functions) == 2
