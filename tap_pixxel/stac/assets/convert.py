"""Convert the assets of an item: media types, roles, bands and order."""

from __future__ import annotations

from collections import Counter
from math import inf
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from tap_pixxel.stac.assets.bands import (
    BAND_LISTS,
    CENTER_WAVELENGTH,
    merge_bands,
)
from tap_pixxel.stac.assets.form_reader import FormReader
from tap_pixxel.stac.assets.forms import ASSET_PARSERS
from tap_pixxel.stac.assets.media_types import find_suffix, set_media_type
from tap_pixxel.stac.extensions import used_extensions
from tap_pixxel.stac.hrefs import is_plain_url, make_absolute
from tap_pixxel.stac.object_builder import ObjectBuilder
from tap_pixxel.stac.parsers import replace_lone_surrogates
from tap_pixxel.stac.result import CONVERTED, DROPPED, ConversionNote
from tap_pixxel.stac.signed_urls import is_signature

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import msgspec

OVERVIEW, THUMBNAIL, OTHER = -2.0, -1.0, inf
"""Positions of assets without a wavelength, among those with one, in micrometres."""
TOTAL, CAREFULLY = "assets", "converted carefully"
asset_counts: Counter[str] = Counter()
"""How many assets this process has converted, and how many of them not by their form."""
_HREF_REASON = "made absolute, without a signature, and escaped"


class AssetOptions(NamedTuple):
    """Options that apply to all assets of an item.

    Attributes:
        path: prefix of the paths of the assets, ending in a dot.
        scale: `raster:scale` for data bands without one.
        offset: `raster:offset` for data bands without one.
        assume_cog: declare every GeoTIFF cloud-optimized.
    """

    path: str = "assets."
    scale: float | None = None
    offset: float | None = None
    assume_cog: bool = False


class ConvertedAsset(NamedTuple):
    """A converted asset without its href.

    Attributes:
        fields: The members of the asset.
        notes: What was done with its fields.
        extensions: Prefixes of the extensions it uses.
        used_factors: Which of `raster:scale` and `raster:offset` a band got from the options.
    """

    fields: dict[str, Any]
    notes: list[ConversionNote]
    extensions: set[str]
    used_factors: set[str]


class ConvertedAssets(NamedTuple):
    """The converted assets of an item, in order.

    Attributes:
        assets: Assets by key, or the JSON text of that object.
        extensions: Prefixes of the extensions they use.
        used_factors: Which of `raster:scale` and `raster:offset` a band got from the options.
    """

    assets: dict[str, dict[str, Any]] | msgspec.Raw
    extensions: frozenset[str] = frozenset()
    used_factors: frozenset[str] = frozenset()


RawAsset = tuple[str, dict[str, Any], str, str]
"""Key of an asset, the asset, its href in the output, and the suffix of that if the asset has no
media type, else an empty text."""


def convert_assets(
    raw: object,
    options: AssetOptions,
    resolve_base: Callable[[], str],
    notes: list[ConversionNote],
) -> ConvertedAssets:
    """Convert an item's assets.

    Args:
        raw: Object by asset key; each asset must have an `href`.
        options: Options for all of them.
        resolve_base: Returns the URL to resolve relative hrefs against.
        notes: List to which notes are added.

    Returns:
        The assets in order.
    """
    if not isinstance(raw, dict):
        if raw is not None:
            notes.append(ConversionNote(options.path[:-1], DROPPED, "not an object of assets"))
        return ConvertedAssets({})
    asset_notes: list[ConversionNote] = []
    found = _find_assets(raw, options.path, resolve_base, notes)
    converted = convert_sorted(found, options, asset_notes)
    notes += asset_notes
    return converted


def _find_assets(
    raw: dict[str, Any], prefix: str, resolve_base: Callable[[], str], notes: list[ConversionNote]
) -> Iterator[RawAsset]:
    """Find the assets with an href."""
    for key, asset in raw.items():
        href = asset.get("href") if type(asset) is dict else None
        if type(href) is str and ("?" in href or not is_plain_url(href)):
            href = resolve_href(href, f"{prefix}{key}", resolve_base, notes)
        if type(href) is not str or not (key.isascii() or key == replace_lone_surrogates(key)):
            if asset is not None:
                notes.append(ConversionNote(f"{prefix}{key}", DROPPED, "not an asset with an href"))
            continue
        media_type = asset.get("type")
        has_type = type(media_type) is str and media_type.strip()
        yield key, asset, href, "" if has_type else find_suffix(href)


def resolve_href(
    stated: str, path: str, resolve_base: Callable[[], str], notes: list[ConversionNote]
) -> str | None:
    """Return an href that is no plain URL as one; None if it is not valid.

    Args:
        stated: The href of the input.
        path: The path of its asset, for notes.
        resolve_base: Returns the URL to resolve relative hrefs against.
        notes: List to which notes are added.
    """
    base, _, query = stated.partition("?")
    if query and is_plain_url(base) and is_signature(query):
        href: str | None = base
    else:
        href = make_absolute(stated, resolve_base())
    if href is not None and href != stated:
        notes.append(ConversionNote(f"{path}.href", CONVERTED, _HREF_REASON))
    return href


def convert_sorted(
    found: Iterable[RawAsset], options: AssetOptions, notes: list[ConversionNote]
) -> ConvertedAssets:
    """Convert assets, each by its form or else carefully, and sort them.

    Args:
        found: The assets.
        options: Options for all of them.
        notes: List to which notes are added.
    """
    factors = default_factors(options)
    reader = FormReader(options.path, notes, factors, assume_cog=options.assume_cog)
    assets: dict[str, dict[str, Any]] = {}
    ranks = []
    for key, raw, href, suffix in found:
        before = len(notes)
        fields = reader.read(key, raw, href, suffix)
        if fields is None:
            del notes[before:]
            asset_counts[CAREFULLY] += 1
            asset = convert_asset(key, raw, suffix, options)
            fields = {"href": href, **asset.fields}
            notes += asset.notes
            reader.extensions.add(frozenset(asset.extensions))
            reader.used_factors |= asset.used_factors
        assets[key] = fields
        ranks.append(_rank(key, fields))
    asset_counts[TOTAL] += len(assets)
    in_order = sorted(zip(ranks, assets, strict=True), key=itemgetter(0))
    return ConvertedAssets(
        {key: assets[key] for _, key in in_order},
        frozenset().union(*reader.extensions),
        frozenset(reader.used_factors),
    )


def convert_asset(
    key: str, raw: dict[str, Any], suffix: str, options: AssetOptions
) -> ConvertedAsset:
    """Convert one asset without its href, whatever its members are.

    Args:
        key: Key of the asset.
        raw: The asset, with or without its href.
        suffix: Suffix of the href if the asset has no media type; else empty.
        options: Options for the asset.
    """
    notes: list[ConversionNote] = []
    builder = ObjectBuilder(f"{options.path}{key}.", notes)
    for name, value in raw.items():
        if value is None or name == "href" or name in BAND_LISTS:
            continue
        parser = ASSET_PARSERS.get(name)
        if parser is None:
            builder.keep_as_extra(name, value)
        else:
            builder.parse_field(name, name, value, parser)
    fields = builder.fields
    bands, used_factors = merge_bands(
        raw, builder, default_factors(options) if _has_data_role(fields) else None
    )
    set_media_type(builder, suffix, assume_cog=options.assume_cog)
    if bands:
        fields["bands"] = bands
    extensions = used_extensions(fields).union(*map(used_extensions, bands))
    return ConvertedAsset(builder.build(), notes, extensions, used_factors)


def _has_data_role(fields: dict[str, Any]) -> bool:
    return "data" in fields.get("roles", ["data"])


def default_factors(options: AssetOptions) -> dict[str, float]:
    """Return the factors of reflectance for data bands without them, by their fields."""
    stated = {"raster:scale": options.scale, "raster:offset": options.offset}
    return {name: value for name, value in stated.items() if value is not None}


def _rank(key: str, fields: dict[str, Any]) -> float:
    """Return an asset's position: overview, thumbnail, bands by micrometres, the rest."""
    roles = fields.get("roles", ())
    if "overview" in roles or key == "overview":
        return OVERVIEW
    if "thumbnail" in roles or key == "thumbnail":
        return THUMBNAIL
    for band in fields.get("bands", ()):
        if CENTER_WAVELENGTH in band:
            return band[CENTER_WAVELENGTH]  # type: ignore[no-any-return]  # a number
    return fields.get(CENTER_WAVELENGTH, OTHER)  # type: ignore[no-any-return]  # a number
