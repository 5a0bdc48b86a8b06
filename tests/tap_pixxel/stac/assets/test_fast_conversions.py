"""Test that each fast conversion of assets gives what the careful conversion gives."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tap_pixxel.stac.assets import convert, form_reader, forms, struct_reader, templates
from tap_pixxel.stac.assets.bands import (
    BAND_ALIASES,
    BAND_LISTS,
    BAND_PARSERS,
    CENTER_WAVELENGTH,
    FWHM,
)
from tap_pixxel.stac.assets.convert import AssetOptions, ConvertedAssets, convert_assets
from tap_pixxel.stac.assets.form_reader import FormReader, ValueReader
from tap_pixxel.stac.assets.forms import ASSET_PARSERS
from tap_pixxel.stac.assets.struct_reader import convert_plain_assets
from tap_pixxel.stac.assets.structs import MAX_NAMES, StructRegistry, find_type
from tap_pixxel.stac.assets.templates import convert_raw_assets
from tap_pixxel.stac.parsers import MARKERS, NumberParser, TableParser

if TYPE_CHECKING:
    from tap_pixxel.stac.parsers import Parser
    from tap_pixxel.stac.result import ConversionNote

BASE = "https://api.invalid/items/1"
OCCURRENCES = 3
"""A text is noticed, remembered and converted by a template at these occurrences."""
HREFS = st.sampled_from(
    ["./1.tif", "s3://images/a?X-Amz-Signature=1&X-Amz-Date=2", "a b", " ", "", None, 5,
     "https://data.invalid/x?u=s3://b/1", "https://data.invalid/https://b", 's3://b/a"b']
)  # fmt: skip
TEXTS = st.sampled_from(
    ["data", " data ", "B 1", "red", "RED", "image/tiff", "IMAGE/TIFF", "image/png", "uint16", "5",
     "", "a&b", "\u00e9", "\ud800", "s3://b/1?sig=1", "2024-01-01T00:00:00Z", "nan",
     'with "href":"s3://a/b" in it']
)  # fmt: skip
NUMBERS = st.one_of(
    st.floats(),
    st.integers(-(2**70), 2**70),
    st.sampled_from([0, -0.0, 0.47, 470, 0.005, 5, 20, 19.99, 90, 360, 1e-9, 2**63, 2**64, 5e-324]),
)
SCALARS = st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS)
VALUES = st.one_of(
    SCALARS,
    st.lists(SCALARS, max_size=6),
    st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=6),
    st.dictionaries(
        st.sampled_from(["minimum", "maximum", "mean", "name", "lat", "href"]), SCALARS
    ),
)
EXTRAS = ["file:size", "novel", "pixxel:novel", "eo:novel", "name", "scale", "\ud800", "alternate"]
ASSET_NAMES = st.one_of(st.sampled_from([*ASSET_PARSERS]), st.sampled_from(EXTRAS))
BAND_NAMES = st.one_of(st.sampled_from([*BAND_PARSERS, *BAND_ALIASES]), st.sampled_from([*EXTRAS]))
BANDS = st.fixed_dictionaries(
    {"name": st.sampled_from(["B1", "B2"])},
    optional={
        "center_wavelength": st.one_of(
            st.floats(0.2, 2.5), st.sampled_from([0, 400, 470, 52.5, 20])
        ),
        "fwhm": st.sampled_from([0, 0.0, 0.0002, 0.005, 0.8, 1, 5, 900]),
        "common_name": st.sampled_from(["red", "nir"]),
        "novel": st.integers(0, 3),
    },
)
FACTORS = st.fixed_dictionaries(
    {}, optional={"scale": st.just(2e-5), "offset": st.just(0), "nodata": st.just(0)}
)
ODD_BANDS = st.dictionaries(BAND_NAMES, VALUES, max_size=4)


@st.composite
def draw_assets(draw: st.DrawFn) -> dict[str, Any]:
    """Draw an object of assets, in most of which nothing has to be repaired."""
    assets = {}
    is_odd = st.integers(0, draw(st.sampled_from([2, 8, 99]))).map(lambda number: number == 1)
    for number in range(draw(st.integers(1, 4))):
        asset: dict[str, Any] = {
            "href": draw(HREFS) if draw(is_odd) else f"https://data.invalid/{number}.tif",
            "type": draw(st.sampled_from(["image/tiff", "image/png"])),
            "title": f"image {number}",
        }
        if draw(st.booleans()):
            asset["roles"] = draw(st.sampled_from([["data"], ["overview"], ["data", "thumbnail"]]))
        if draw(st.booleans()):
            asset["eo:bands"] = draw(st.lists(BANDS, max_size=2))
            if draw(st.booleans()):
                asset["raster:bands"] = draw(st.lists(FACTORS, min_size=1, max_size=2))
        if draw(st.booleans()):
            asset["novel"] = draw(VALUES if draw(is_odd) else st.integers(0, 9))
        if draw(is_odd):
            asset |= draw(st.dictionaries(ASSET_NAMES, VALUES, min_size=1, max_size=3))
        if draw(is_odd):
            odd = st.one_of(st.lists(ODD_BANDS, max_size=2), VALUES)
            asset[draw(st.sampled_from(BAND_LISTS))] = draw(odd)
        if draw(is_odd):
            asset.pop(draw(st.sampled_from(["type", "title"])), None)
            asset = {name: asset[name] for name in draw(st.permutations(list(asset)))}
        keys = ["novel", "scale", "eo:bands", "thumbnail", "href", "\u00e9", 'a"b', f"B{number}"]
        assets[draw(st.sampled_from(keys)) if draw(is_odd) else f"B{number}"] = asset
    return assets


@pytest.fixture(autouse=True)
def _only_what_this_test_makes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget the forms and names of other tests, whose numbers are limited; convert short texts."""
    monkeypatch.setattr(forms, "_functions", {})
    bands = {each: forms.BandForms(each) for each in forms.band_forms}
    monkeypatch.setattr(forms, "band_forms", bands)
    monkeypatch.setattr(form_reader, "asset_forms", forms._Forms())
    monkeypatch.setattr(struct_reader, "registry", StructRegistry())
    monkeypatch.setattr(struct_reader, "MIN_BYTES", 0)
    monkeypatch.setattr(templates, "MIN_CACHED_BYTES", 0)


Outcome = tuple[str, frozenset[str], frozenset[str], list["ConversionNote"]]


def describe(found: ConvertedAssets, notes: list[ConversionNote], *, sort: bool = False) -> Outcome:
    """Return what a conversion made; sorted: without the order of the members of assets."""
    assets = found.assets
    objects = msgspec.json.decode(assets) if isinstance(assets, msgspec.Raw) else assets
    if sort:
        text = str([(key, json.dumps(each, sort_keys=True)) for key, each in objects.items()])
    else:
        text = json.dumps(objects)
    return text, found.extensions, found.used_factors, notes


def convert_objects(assets: Any, options: AssetOptions, **order: bool) -> Outcome:
    notes: list[ConversionNote] = []
    return describe(convert_assets(assets, options, lambda: BASE, notes), notes, **order)


def convert_carefully(assets: Any, options: AssetOptions) -> Outcome:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FormReader, "read", lambda *_: None)
        return convert_objects(assets, options)


def encode(assets: Any) -> bytes | None:
    """Encode JSON as Go does, with escaped ampersands; None for what JSON cannot have."""
    try:
        return msgspec.json.encode(assets).replace(b"&", b"\\u0026")
    except UnicodeEncodeError:
        return None


def convert_by_structs(
    text: bytes, options: AssetOptions, notes: list[ConversionNote]
) -> ConvertedAssets | None:
    """Convert a text as if an earlier item had had its names, too."""
    convert_plain_assets(text, options, lambda: BASE, [])
    return convert_plain_assets(text, options, lambda: BASE, notes)


def convert_by_template(
    text: bytes, options: AssetOptions, notes: list[ConversionNote]
) -> ConvertedAssets | None:
    """Convert a text as if earlier items had had it, too."""
    for _ in range(OCCURRENCES - 1):
        convert_raw_assets(text, options, [])
    return convert_raw_assets(text, options, notes)


OPTIONS = [AssetOptions(), AssetOptions("a.", 2.0, 0.5), AssetOptions("a.", 2.0, assume_cog=True)]


def assert_equals_careful_conversion(assets: dict[str, Any], options: AssetOptions) -> None:
    """Convert assets in each way, and once more with other hrefs at the same keys."""
    hrefs = [each.get("href") for each in reversed(assets.values())]
    moved = {
        key: each | {"href": href} for (key, each), href in zip(assets.items(), hrefs, strict=True)
    }
    for each in (assets, moved):
        assert convert_objects(each, options) == convert_carefully(each, options)
        text = encode(each)
        if text is None:
            continue
        known = msgspec.json.decode(text)  # numbers beyond 64 bits are floats, for one
        notes: list[ConversionNote] = []
        if by_template := convert_by_template(text, options, notes):
            assert describe(by_template, notes) == convert_objects(known, options)
        notes = []
        if by_structs := convert_by_structs(text, options, notes):
            result = describe(by_structs, notes, sort=True)
            assert result == convert_objects(known, options, sort=True)
        else:
            assert notes == []


@settings(max_examples=200, deadline=None)
@given(draw_assets(), st.sampled_from(OPTIONS))
def test_assets_any_way_equal_careful_conversion(
    assets: dict[str, Any], options: AssetOptions
) -> None:
    assert_equals_careful_conversion(assets, options)


PLAIN = {"href": "https://data.invalid/1.tif", "type": "image/tiff", "title": "one"}
BAND = {"name": "B1", "center_wavelength": 470, "fwhm": 5}


@pytest.mark.parametrize(
    "asset",
    [
        PLAIN | {"novel": 1, "file:size": 2, "eo:bands": [], "roles": ["data", "overview"]},
        PLAIN | {"eo:bands": [BAND, BAND]},
        PLAIN
        | {"eo:bands": [{"center_wavelength": 50, "fwhm": 0}], "raster:bands": [{"scale": 2}]},
        PLAIN | {"bands": [{"name": "B1", "eo:common_name": "red", "full_width_half_max": 0.1}]},
    ],
)
def test_plain_assets_are_converted_fast(asset: dict[str, Any]) -> None:
    text = encode({"one": asset, "two": PLAIN})
    assert text
    for convert_text in (convert_by_structs, convert_by_template):
        found = convert_text(text, AssetOptions(), [])
        assert found is not None
        assert isinstance(found.assets, msgspec.Raw)


ODD_ASSETS: list[dict[str, Any]] = [
    *(
        {"title": each}
        for each in (" one", "one ", "\tone", "", None, "gr\u00f6\u00dfe", 'a "quoted" word')
    ),
    *({name: "see s3://b/?sig=1"} for name in ("title", "novel")),
    *({"novel": each} for each in (2**64, -0.0, False, math.nan, {"a": 1}, "\ud800")),
    {"novel": 1, "pixxel:novel": 2},
    *({"type": each} for each in ("image/novel", " ", 5)),
    *({"roles": each} for each in ([], ["data", 5], "data")),
    {"nodata": "unknown"},
    {"proj:shape": [1, 2]},
    {"alternate": {"href": "s3://b/2"}},
    *({"eo:bands": [each]} for each in ({}, 5, {"fwhm": 0}, {"offset": True}, {"novel": 2**70})),
    {"eo:bands": [{"fwhm": 0.1, "full_width_half_max": 0.2}]},
    *(
        {"eo:bands": [{"center_wavelength": center, "fwhm": width}]}
        for center, width in ((0.39, 0.8), (0.9, 1.5), (20, 0.1))
    ),
    {"eo:bands": [{"name": "B1"}, {"name": "B2", "center_wavelength": 0.5}]},
    {"eo:bands": [BAND], "raster:bands": [{"scale": 2}] * 2},
    {"eo:bands": [BAND], "raster:bands": [{"name": "B2"}]},
]


@pytest.mark.parametrize("odd", ODD_ASSETS)
def test_odd_assets_any_way_equal_careful_conversion(odd: dict[str, Any]) -> None:
    for options in OPTIONS:
        assert_equals_careful_conversion({"one": PLAIN, "two": PLAIN | odd}, options)


@pytest.mark.parametrize("value", ["1e400", "[" * 100_000 + "]" * 100_000, '"'])
def test_text_that_cannot_be_decoded_is_left_to_its_caller(value: str) -> None:
    text = b'{"one":{"href":"s3://b/1","type":"image/tiff","novel":%s}}' % value.encode()
    assert convert_by_structs(text, AssetOptions(), []) is None
    assert convert_by_template(text, AssetOptions(), []) is None


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
        fields = form.read({name: value}, reader, None, "s3://b/1")
    assert fields is not None
    return fields[name]


def draw_near_bounds(parser: Parser) -> st.SearchStrategy[Any]:
    """Draw the bounds of numbers and the words of a table, what is beyond, and any JSON."""
    if isinstance(parser, NumberParser):
        beyond = [math.nextafter(parser.low, -math.inf), math.nextafter(parser.high, math.inf)]
        return st.one_of(st.sampled_from([parser.low, parser.high, *beyond]), VALUES)
    if isinstance(parser, TableParser):
        return st.one_of(st.sampled_from([*parser.table]), VALUES)
    return VALUES


@settings(max_examples=1000, deadline=None)
@given(st.sampled_from(FIELDS), st.data())
def test_value_that_passes_its_test_is_what_its_parser_returns(
    field: tuple[bool, str], data: st.DataObject
) -> None:
    """A test may only be narrower than its parser, and the result may share no list with it."""
    in_band, name = field
    parser = (BAND_PARSERS if in_band else ASSET_PARSERS)[name]
    value = data.draw(draw_near_bounds(parser))
    try:
        found = read_by_test(name, value, in_band=in_band)
    except _Refused:
        pass
    else:
        parsed = parser(value)
        assert type(parsed) not in MARKERS
        assert repr(found) == repr(parsed)
        assert not isinstance(found, list) or found is not value
        again = parser(parsed)  # two members of a field are compared with that of the first
        assert repr(again) == repr(parsed)
    try:
        found = msgspec.convert(value, find_type(parser))
    except (msgspec.ValidationError, UnicodeEncodeError):
        return
    texts = [
        each for each in (value if isinstance(value, list) else [value]) if isinstance(each, str)
    ]
    is_plain = all(each.isascii() and each.strip() == each and "://" not in each for each in texts)
    if is_plain and name not in {CENTER_WAVELENGTH, FWHM}:
        assert repr(found) == repr(parser(value)) == repr(value)


def test_functions_are_limited_and_further_assets_are_converted_carefully(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(forms, "MAX_FUNCTIONS", 2)
    convert.asset_counts.clear()
    for name in ("title", "description", "gsd", "mission"):
        convert_objects({"B1": {"href": "s3://b/1", name: "x"}}, AssetOptions())
    assert convert.asset_counts == {convert.TOTAL: 4, convert.CAREFULLY: 2}


def test_names_are_learned_up_to_a_limit() -> None:
    def is_plain(name: str) -> bool:
        text = encode({"one": PLAIN | {name: 1}})
        assert text
        return convert_by_structs(text, AssetOptions(), []) is not None

    converted = [is_plain(f"novel{number}") for number in range(MAX_NAMES)]
    assert converted == [True] * (MAX_NAMES - len(PLAIN)) + [False] * len(PLAIN)


def test_memory_of_templates_is_bounded() -> None:
    long = encode({"one": PLAIN | {"title": "x" * templates.MAX_CACHED_BYTES}})
    assert long
    assert convert_by_template(long, AssetOptions(), []) is None
    for number in range(2 * templates._MAX_KNOWN):
        text = encode({"one": PLAIN | {"title": f"t{number}"}})
        assert text
        convert_raw_assets(text, AssetOptions(), [])
    assert len(templates._known) == templates._MAX_KNOWN
