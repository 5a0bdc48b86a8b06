"""Assets as text: what stays text, and what is left to be read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from tap_pixxel.stac.assets.convert import AssetOptions, convert_assets
from tap_pixxel.stac.assets.templates import MAX_CACHED_BYTES, convert_raw_assets

if TYPE_CHECKING:
    from tap_pixxel.stac.result import ConversionNote

TIFF = {"href": "s3://images/1.tif", "type": "image/tiff"}
PNG = {"type": "image/png", "href": "https://a.invalid/2.png", "roles": ["overview"]}
BAND = TIFF | {"href": "s3://images/3.tif", "eo:bands": [{"center_wavelength": 493}], "gsd": 0}
BLUE = TIFF | {"href": "s3://images/4.tif", "eo:bands": [{"center_wavelength": 450}], "novel": 1}


def as_text(assets: Any) -> bytes:
    return msgspec.json.encode(assets)


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
def test_assets_as_text_are_what_they_are_as_objects(assets: Any, rules: AssetOptions) -> None:
    said: list[ConversionNote] = []
    found = convert_raw_assets(as_text(assets), rules, said)
    notes: list[ConversionNote] = []
    expected = convert_assets(assets, rules, str, notes)
    assert found is not None
    assert isinstance(found.assets, msgspec.Raw)
    made = msgspec.json.decode(found.assets)
    assert repr(made) == repr(expected.assets)
    assert (found.extensions, found.used_factors, said) == (
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
def test_what_does_not_fit_the_pattern_is_left_to_be_read(assets: Any) -> None:
    assert convert_raw_assets(as_text(assets), AssetOptions(), []) is None


@pytest.mark.parametrize(
    "text",
    [b"", b'{"one":', b'{"one": {"href": "s3://images/1.tif", "type": "image/tiff"}}', b"\xff"],
)
def test_text_of_another_form_is_left_to_be_read(text: bytes) -> None:
    assert convert_raw_assets(text, AssetOptions(), []) is None


def test_links_with_nothing_else_alike_do_not_share_their_places() -> None:
    """The same template, its links the other way round."""
    both = {"one": TIFF, "two": TIFF | {"href": "s3://images/2.tif"}}
    for assets in (both, {"one": both["two"], "two": both["one"]}):
        found = convert_raw_assets(as_text(assets), AssetOptions(), [])
        assert found is not None
        made = msgspec.json.decode(found.assets)  # type: ignore[arg-type]  # text, as tested above
        assert {key: each["href"] for key, each in made.items()} == {
            key: each["href"] for key, each in assets.items()
        }
