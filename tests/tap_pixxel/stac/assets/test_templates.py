"""Test which assets are converted as text, and that the result is the same."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tap_pixxel.stac import ConversionError, to_item
from tap_pixxel.stac.assets import templates
from tap_pixxel.stac.assets.convert import AssetOptions, ConvertedAssets, convert_assets
from tap_pixxel.stac.assets.templates import MAX_CACHED_BYTES, _make_template, convert_raw_assets
from tests.tap_pixxel.stac.minimal_items import TIME

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_pixxel.stac.result import ConversionNote

TIFF = {"href": "s3://images/1.tif", "type": "image/tiff"}


PNG = {"type": "image/png", "href": "https://a.invalid/2.png", "roles": ["overview"]}


BAND = TIFF | {"href": "s3://images/3.tif", "eo:bands": [{"center_wavelength": 493}], "gsd": 0}


BLUE = TIFF | {"href": "s3://images/4.tif", "eo:bands": [{"center_wavelength": 450}], "novel": 1}


@pytest.fixture(autouse=True, scope="module")
def _short_texts_too() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(templates, "MIN_CACHED_BYTES", 0)
        yield


OCCURRENCES = 3
"""A text is noticed, remembered and converted by a template at these occurrences."""


def encode(assets: Any) -> bytes:
    return msgspec.json.encode(assets)


def convert_repeatedly(
    text: bytes, options: AssetOptions, notes: list[ConversionNote]
) -> ConvertedAssets | None:
    """Convert a text as if earlier items had had it, too."""
    for _ in range(OCCURRENCES - 1):
        convert_raw_assets(text, options, [])
    return convert_raw_assets(text, options, notes)


@pytest.mark.parametrize(
    "assets",
    [
        {"one": TIFF},
        {"one": TIFF, "two": PNG},
        {"one": BAND, "two": TIFF, "three": PNG, "four": BLUE},
        {"one": {"href": "s3://images/1.tif", "type": " image/tiff "}},
    ],
)
@pytest.mark.parametrize("rules", [AssetOptions(), AssetOptions("a.", scale=2.0, assume_cog=True)])
def test_convert_raw_assets_equals_convert_assets(assets: Any, rules: AssetOptions) -> None:
    text_notes: list[ConversionNote] = []
    found = convert_repeatedly(encode(assets), rules, text_notes)
    notes: list[ConversionNote] = []
    expected = convert_assets(assets, rules, str, notes)
    assert found is not None
    assert isinstance(found.assets, msgspec.Raw)
    converted = msgspec.json.decode(found.assets)
    assert repr(converted) == repr(expected.assets)
    assert (found.extensions, found.used_factors, text_notes) == (
        expected.extensions,
        expected.used_factors,
        notes,
    )


@pytest.mark.parametrize(
    "assets",
    [
        {},
        [TIFF],
        5,
        {"one": 5},
        {"one": TIFF, "two": {"type": "image/png"}},
        {"one": {"href": "images/1.tif", "type": "image/tiff"}},
        {"one": {"href": "s3://images/1.tif?sig=1", "type": "image/tiff"}},
        {"one": {"href": "", "type": "image/tiff"}},
        {"one": {"href": None, "type": "image/tiff"}},
        {"one": {"href": "s3://images/1.tif"}},
        {"one": TIFF | {"type": " "}},
        {"one": TIFF | {"type": 5}},
        {"gr\u00f6\u00dfe": TIFF},
        {"one": TIFF | {"alternate": {"href": "s3://images/2.tif"}}},
        {"one": TIFF | {"alternate": {"href": 5}}},
        {"one": TIFF, "href": TIFF},
        {"one": TIFF | {"title": 'has "href" in it'}, "href": PNG},
        {"one": TIFF | {"title": "x" * MAX_CACHED_BYTES}},
    ],
)
def test_convert_raw_assets_other_assets_return_none(assets: Any) -> None:
    assert convert_repeatedly(encode(assets), AssetOptions(), []) is None


@pytest.mark.parametrize(
    "text",
    [b"", b'{"one":', b'{"one": {"href": "s3://images/1.tif", "type": "image/tiff"}}', b"\xff"],
)
def test_convert_raw_assets_other_text_returns_none(text: bytes) -> None:
    assert convert_repeatedly(text, AssetOptions(), []) is None


def test_convert_raw_assets_swapped_hrefs_stay_with_their_keys() -> None:
    """Both objects have the same template, with swapped hrefs."""
    both = {"one": TIFF, "two": TIFF | {"href": "s3://images/2.tif"}}
    for assets in (both, {"one": both["two"], "two": both["one"]}):
        found = convert_repeatedly(encode(assets), AssetOptions(), [])
        assert found is not None
        converted = msgspec.json.decode(found.assets)  # type: ignore[arg-type]  # text, as tested above
        assert {key: each["href"] for key, each in converted.items()} == {
            key: each["href"] for key, each in assets.items()
        }


HREFS = st.sampled_from(
    [
        "https://data.invalid/7/B001.tif",
        "https://data.invalid/8/B001.tif?sig=s3cret",
        "../B001.tif",
        "",
        'https://data.invalid/a"b',
        None,
        5,
    ]
)


PLAIN_HREFS = st.integers(0, 99).map(lambda number: f"s3://images/{number}/B001.tif")


KEYS = st.sampled_from(["B001", "B002", "thumbnail", "mask", "größe", 'a"b', "href"])


BODIES = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["image/tiff", "image/jpeg", " ", None]),
        "title": st.sampled_from(["B1", "größe", 'with "href":"s3://a/b" in it', ""]),
        "roles": st.sampled_from([["data"], ["overview"], "data"]),
        "eo:bands": st.sampled_from(
            [[{"name": "B1", "center_wavelength": 493}], [{"center_wavelength": 0.8}], [], {}]
        ),
        "alternate": st.just({"s3": {"href": "s3://images/other.tif"}}),
    },
)


@st.composite
def two_images(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Draw the assets of two images that differ mostly in their hrefs."""
    bodies = draw(st.dictionaries(KEYS, BODIES, min_size=1, max_size=6))
    hrefs = draw(st.sampled_from([PLAIN_HREFS, st.one_of(PLAIN_HREFS, HREFS)]))
    first = draw(st.booleans())

    def asset(body: dict[str, Any]) -> dict[str, Any]:
        href = {"href": draw(hrefs)}
        return href | body if first else body | href

    return [{key: asset(body) for key, body in bodies.items()} for _ in range(2)]


@settings(max_examples=200, deadline=None)
@given(two_images())
def test_raw_assets_any_convert_like_objects(both: list[dict[str, Any]]) -> None:
    for assets in both:
        item = {"id": "a", "collection": "c", "properties": {"datetime": TIME}, "assets": assets}
        text = msgspec.Raw(msgspec.json.encode(assets))
        expected, notes = to_item(item)
        for _ in range(OCCURRENCES):
            found, text_notes = to_item({**item, "assets": text})
            encoded = msgspec.json.encode(found)
            assert json.dumps(msgspec.json.decode(encoded)) == json.dumps(expected)
            assert text_notes == notes


def test_raw_assets_differing_texts_keep_memory_bounded() -> None:
    before = _make_template.cache_info().currsize
    for number in range(2 * templates._MAX_KNOWN):
        convert_raw_assets(encode({"one": TIFF | {"title": f"t{number}"}}), AssetOptions(), [])
    assert len(templates._known) == templates._MAX_KNOWN
    assert _make_template.cache_info().currsize == before


def test_raw_assets_invalid_json_raises() -> None:
    item = {"id": "a", "properties": {"datetime": TIME}, "assets": msgspec.Raw(b'{"a": {"href"')}
    with pytest.raises(ConversionError, match="assets that cannot be read"):
        to_item(item)
