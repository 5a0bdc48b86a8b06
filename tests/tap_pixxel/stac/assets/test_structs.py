"""Test that assets converted through structs are what their forms make of them."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tap_pixxel.stac.assets import struct_reader, structs
from tap_pixxel.stac.assets.bands import (
    BAND_ALIASES,
    BAND_LISTS,
    BAND_PARSERS,
    CENTER_WAVELENGTH,
    FWHM,
)
from tap_pixxel.stac.assets.convert import AssetOptions, convert_assets
from tap_pixxel.stac.assets.forms import ASSET_PARSERS
from tap_pixxel.stac.assets.struct_reader import convert_plain_assets
from tap_pixxel.stac.assets.structs import MAX_NAMES, StructRegistry, find_type
from tap_pixxel.stac.parsers import MARKERS, NumberParser
from tests.tap_pixxel.stac.assets.test_forms import VALUES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_pixxel.stac.assets.convert import ConvertedAssets
    from tap_pixxel.stac.parsers import Parser
    from tap_pixxel.stac.result import ConversionNote

BASE = "https://api.invalid/items/1"
HREFS = st.sampled_from(
    ["https://data.invalid/1.tif", "./1.tif", "s3://images/a?X-Amz-Signature=1&X-Amz-Date=2", "a b",
     "https://data.invalid/x?u=s3://b/1", "https://data.invalid/https://b", " "]
)  # fmt: skip
TEXTS = st.sampled_from(
    ["data", "B 1", "red", "a&b", "5", "overview", "", " b", "\u00e9", "s3://b/1?sig=1"]
)
NUMBERS = st.sampled_from(
    [0, 0.0, 0.47, 0.9, 1, 2, 0.005, 1.5, 19, 20.0, 470, -1, 2**63, 2**64, True]
)
EXTRAS = ["file:size", "novel", "pixxel:novel", "eo:novel", "name", "scale", "bands"]
PLAIN_BAND = st.fixed_dictionaries(
    {"name": st.sampled_from(["B1", "B2"])},
    optional={
        "center_wavelength": st.one_of(st.floats(0.4, 2.5), st.sampled_from([0, 470, 52.5, 20])),
        "fwhm": st.sampled_from([0, 0.0, 0.005, 0.8, 1, 5, 900]),
        "common_name": st.sampled_from(["red", "nir"]),
        "novel": st.integers(0, 3),
    },
)
FACTORS = st.fixed_dictionaries(
    {}, optional={"scale": st.just(2e-5), "offset": st.just(0), "nodata": st.just(0)}
)
ODD_BAND = st.dictionaries(
    st.sampled_from([*BAND_PARSERS, *BAND_ALIASES, *EXTRAS]), st.one_of(NUMBERS, TEXTS), max_size=3
)


@st.composite
def draw_assets(draw: st.DrawFn) -> dict[str, Any]:
    """Draw an object of assets, most of them with nothing to repair."""
    assets = {}
    is_odd = st.sampled_from([False, False, False, False, False, True])
    for number in range(draw(st.integers(1, 4))):
        asset: dict[str, Any] = {
            "href": draw(HREFS) if draw(is_odd) else f"https://data.invalid/{number}.tif",
            "type": draw(st.sampled_from(["image/tiff", "image/png"])),
            "title": f"image {number}",
        }
        if draw(st.booleans()):
            asset["roles"] = draw(st.sampled_from([["data"], ["overview"], ["data", "thumbnail"]]))
        if draw(st.booleans()):
            asset["eo:bands"] = draw(st.lists(PLAIN_BAND, max_size=2))
            if draw(st.booleans()):
                asset["raster:bands"] = draw(st.lists(FACTORS, min_size=1, max_size=2))
        if draw(st.booleans()):
            asset["novel"] = draw(st.integers(0, 9))
        if draw(is_odd):
            asset[draw(st.sampled_from([*ASSET_PARSERS, *EXTRAS]))] = draw(
                st.one_of(NUMBERS, TEXTS)
            )
        if draw(is_odd):
            asset[draw(st.sampled_from(BAND_LISTS))] = draw(st.lists(ODD_BAND, max_size=2))
        if draw(is_odd):
            del asset[draw(st.sampled_from(["type", "title"]))]
        assets[draw(st.sampled_from(["novel", "scale", "eo:bands", "thumbnail", f"B{number}"]))] = (
            asset
        )
    return assets


def encode_escaped(assets: Any) -> bytes:
    """Encode JSON as Go does: with escaped ampersands."""
    return msgspec.json.encode(assets).replace(b"&", b"\\u0026")


NO_OPTIONS = AssetOptions()


@pytest.fixture(autouse=True, scope="module")
def _short_texts_too() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(struct_reader, "MIN_BYTES", 0)
        yield


def convert_last(
    *items: dict[str, Any], options: AssetOptions = NO_OPTIONS
) -> tuple[ConvertedAssets | None, list[ConversionNote]]:
    """Convert the assets of the last of some items, when the names in all of them are known."""
    notes: list[ConversionNote] = []
    found = None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(struct_reader, "registry", StructRegistry())
        for assets in (*items, *items):
            notes.clear()
            found = convert_plain_assets(encode_escaped(assets), options, lambda: BASE, notes)
    return found, notes


def sort_members(value: Any) -> str:
    """Return JSON with sorted members, in which 1 and 1.0 differ."""
    return json.dumps(value, sort_keys=True)


def assert_equals_forms(*items: dict[str, Any], options: AssetOptions = NO_OPTIONS) -> bool:
    """Assert that the last item is not converted through structs, or like this by its forms."""
    found, notes = convert_last(*items, options=options)
    if found is None:
        assert notes == []
        return False
    expected_notes: list[ConversionNote] = []
    expected = convert_assets(items[-1], options, lambda: BASE, expected_notes)
    assert isinstance(found.assets, msgspec.Raw)
    converted = msgspec.json.decode(found.assets)
    assert sort_members(converted) == sort_members(expected.assets)
    assert [*converted] == [*expected.assets]
    assert notes == expected_notes
    assert (found.extensions, found.used_factors) == (expected.extensions, expected.used_factors)
    return True


@settings(max_examples=200, deadline=None)
@given(
    st.lists(draw_assets(), min_size=1, max_size=3),
    st.sampled_from([AssetOptions(), AssetOptions("a.", 2.0, 0.5), AssetOptions(assume_cog=True)]),
)
def test_assets_through_structs_equal_assets_by_form(
    items: list[dict[str, Any]], options: AssetOptions
) -> None:
    assert_equals_forms(*items, options=options)


PLAIN = {"href": "https://data.invalid/1.tif", "type": "image/tiff", "title": "one"}


@pytest.mark.parametrize(
    "asset",
    [
        PLAIN,
        PLAIN | {"href": "./1.tif"},
        PLAIN | {"href": "https://data.invalid/1?X-Amz-Signature=1&X-Amz-Date=2"},
        PLAIN | {"novel": 1, "file:size": 2},
        PLAIN | {"eo:bands": []},
        PLAIN | {"eo:bands": [{"name": "B1", "center_wavelength": 0.5, "fwhm": 0}] * 2},
        PLAIN | {"eo:bands": [{"center_wavelength": 470, "fwhm": 5, "name": "B1"}]},
        PLAIN | {"eo:bands": [{"center_wavelength": 0.4, "fwhm": 0.9}]},
        PLAIN | {"eo:bands": [{"center_wavelength": 50, "fwhm": 9}]},
        PLAIN | {"eo:bands": [{"name": "B1"}], "raster:bands": [{"scale": 2, "nodata": 0}]},
        PLAIN | {"raster:bands": [{"scale": 2}], "roles": ["data", "overview"]},
        PLAIN | {"bands": [{"name": "B1", "eo:common_name": "red", "full_width_half_max": 0.1}]},
    ],
)
def test_plain_assets_are_converted_through_structs(asset: dict[str, Any]) -> None:
    other = PLAIN | {"eo:bands": [{"center_wavelength": 0.4}], "type": "image/png"}
    assert assert_equals_forms({"one": asset, "two": other, "thumbnail": asset})


@pytest.mark.parametrize(
    "asset",
    [
        {"href": "s3://a/1.tif"},
        PLAIN | {"title": " one"},
        PLAIN | {"title": "one "},
        PLAIN | {"title": ""},
        PLAIN | {"title": None},
        PLAIN | {"title": "gr\u00f6\u00dfe"},
        PLAIN | {"title": 'a "quoted" word'},
        PLAIN | {"title": "see https://data.invalid/?sig=1"},
        PLAIN | {"novel": "https://data.invalid/?sig=1"},
        PLAIN | {"novel": 2**64},
        PLAIN | {"novel": {"a": 1}},
        PLAIN | {"novel": 1, "pixxel:novel": 2},
        PLAIN | {"type": "image/novel"},
        PLAIN | {"roles": []},
        PLAIN | {"nodata": "unknown"},
        PLAIN | {"eo:bands": [{}]},
        PLAIN | {"eo:bands": [{"fwhm": 0}]},
        PLAIN | {"eo:bands": [{"fwhm": 0.1, "full_width_half_max": 0.2}]},
        PLAIN | {"eo:bands": [{"name": "B1"}], "raster:bands": [{"scale": 2}] * 2},
        PLAIN | {"eo:bands": [{"name": "B1"}], "raster:bands": [{"name": "B2"}]},
        PLAIN | {"proj:shape": [1, 2]},
    ],
)
def test_other_assets_are_left_to_their_forms(asset: dict[str, Any]) -> None:
    assert convert_last({"one": PLAIN, "two": asset}) == (None, [])


@pytest.mark.parametrize("value", ["1e400", "[" * 100_000 + "]" * 100_000])
def test_text_that_cannot_be_decoded_is_left_to_its_caller(value: str) -> None:
    text = encode_escaped({"one": PLAIN | {"unheard": 0}}).replace(b":0}", b":%s}" % value.encode())
    assert convert_plain_assets(text, NO_OPTIONS, str, []) is None


def test_text_with_spaces_is_left_to_forms() -> None:
    text = json.dumps({"one": PLAIN}).encode()
    assert [convert_plain_assets(text, AssetOptions(), str, []) for _ in range(2)] == [None, None]


FIELDS = [
    each
    for each in (*ASSET_PARSERS.items(), *BAND_PARSERS.items())
    if each[0] not in {CENTER_WAVELENGTH, FWHM}
]


@pytest.mark.parametrize(("_name", "parser"), FIELDS)
@settings(max_examples=50, deadline=None)
@given(value=VALUES)
def test_value_of_its_type_is_what_its_parser_returns(
    *, value: object, _name: str, parser: Parser
) -> None:
    """A type may only be narrower than its parser, for texts that are plain."""
    try:
        found = msgspec.convert(value, find_type(parser))
    except (msgspec.ValidationError, UnicodeEncodeError):
        return
    texts = [
        each for each in (value if isinstance(value, list) else [value]) if isinstance(each, str)
    ]
    if all(each.isascii() and each.strip() == each and "://" not in each for each in texts):
        parsed = parser(value)
        assert type(parsed) not in MARKERS
        assert repr(found) == repr(parsed) == repr(value)


def test_bounds_of_numbers_are_those_of_their_parsers() -> None:
    tested = 0
    for _, parser in FIELDS:
        if isinstance(parser, NumberParser):
            kind = find_type(parser)
            for bound in map(float, (parser.low, parser.high)):
                assert msgspec.convert(bound, kind) == bound
            for beyond in (
                math.nextafter(parser.low, -math.inf),
                math.nextafter(parser.high, math.inf),
            ):
                with pytest.raises(msgspec.ValidationError):
                    msgspec.convert(beyond, kind)
            tested += 1
    assert tested > 5


def test_names_are_learned_up_to_a_limit_and_those_without_a_type_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = []
    original = structs.AssetStructs.__init__

    def count(self: structs.AssetStructs, *args: Any) -> None:
        made.append(args)
        original(self, *args)

    monkeypatch.setattr(structs.AssetStructs, "__init__", count)
    registry = StructRegistry()
    monkeypatch.setattr(struct_reader, "registry", registry)

    def convert(member: str, value: object) -> bool:
        text = encode_escaped({"one": PLAIN | {member: value}})
        return [convert_plain_assets(text, NO_OPTIONS, str, []) for _ in range(2)][-1] is not None

    assert not convert("proj:shape", [1, 2])
    assert not convert("proj:shape", [1, 2])
    assert len(made) == 2  # without names, and with these
    converted = [convert(f"novel{number}", 1) for number in range(2 * MAX_NAMES)]
    assert converted == [True] * sum(converted) + [False] * (2 * MAX_NAMES - sum(converted))
    assert sum(converted) == MAX_NAMES - len(PLAIN) - 1
    assert convert("title", "one")
