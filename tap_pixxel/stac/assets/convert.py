"""Convert the assets of an item: media types, roles, bands and order."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from tap_pixxel.stac.assets.bands import (
    BAND_LISTS,
    CENTER_WAVELENGTH,
    first_wavelength,
    merge_bands,
)
from tap_pixxel.stac.assets.media_types import (
    COG,
    GEOTIFF,
    MEDIA_TYPE_BY_SUFFIX,
    find_suffix,
    parse_media_type,
)
from tap_pixxel.stac.extensions import PARSERS, used_extensions
from tap_pixxel.stac.hrefs import is_plain_url, make_absolute
from tap_pixxel.stac.object_builder import ObjectBuilder
from tap_pixxel.stac.parsers import replace_lone_surrogates
from tap_pixxel.stac.result import CONVERTED, DROPPED, REPAIRED, ConversionNote

if TYPE_CHECKING:
    from collections.abc import Callable

_ASSET_PARSERS = PARSERS["assets"] | {"type": parse_media_type}
CACHE_SIZE = 4096
"""Converted assets to keep: an archive repeats the few hundred assets of each kind of image."""
MAX_CACHED_BYTES = 4096
"""Packed size of an asset, or of a few together, up to which it is cached."""
MAX_CACHED_TOGETHER = 16
"""Assets that are cached together: among more, one probably differs from item to item."""
_pack = msgspec.msgpack.Encoder().encode
"""MessagePack is the fastest to write, and distinguishes 1, 1.0 and true, and null and NaN."""
_unpack = msgspec.msgpack.decode
_PACK_ERRORS = (ValueError, OverflowError, RecursionError, TypeError)
"""A lone surrogate, a number of more than 64 bits, nested too deeply, or not JSON."""
OVERVIEW, THUMBNAIL, BAND, REST = range(4)


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
        fields: the members of the asset.
        notes: what was done with its fields.
        extensions: prefixes of the extensions it uses.
        rank: its position among the others: overview, thumbnail, bands by micrometres, the rest.
        used_factors: whether a band got the scale, and the offset, of the options.
    """

    fields: dict[str, Any]
    notes: tuple[ConversionNote, ...]
    extensions: frozenset[str]
    rank: tuple[int, float]
    used_factors: tuple[bool, bool]


class ConvertedAssets(NamedTuple):
    """The converted assets of an item, in order.

    Attributes:
        assets: assets by key, or the JSON text of that object.
        extensions: prefixes of the extensions they use.
        used_factors: whether a band got the scale, and the offset, of the options.
    """

    assets: dict[str, dict[str, Any]] | msgspec.Raw
    extensions: frozenset[str]
    used_factors: tuple[bool, bool]


class SortedAssets(NamedTuple):
    """The converted assets of an item without their hrefs, by key and in order."""

    fields: tuple[tuple[str, dict[str, Any]], ...]
    notes: tuple[ConversionNote, ...]
    extensions: frozenset[str]
    used_factors: tuple[bool, bool]


def convert_assets(
    raw: object,
    options: AssetOptions,
    resolve_base: Callable[[], str],
    notes: list[ConversionNote],
) -> ConvertedAssets:
    """Convert an item's assets.

    Args:
        raw: object by asset key; each asset must have an `href`.
        options: options for all of them.
        resolve_base: returns the URL to resolve relative hrefs against.
        notes: list to which notes are added.

    Returns:
        The assets in order. They share objects with other items' assets: read-only.
    """
    if not isinstance(raw, dict):
        if raw is not None:
            notes.append(ConversionNote(options.path[:-1], DROPPED, "not an object of assets"))
        return ConvertedAssets({}, frozenset(), (False, False))
    hrefs: dict[str, str] = {}
    assets_without_href: list[tuple[str, dict[str, Any], str]] = []
    for key, asset in raw.items():
        href = asset.get("href") if type(asset) is dict else None
        if type(href) is str and not is_plain_url(href):
            href = _resolve_href(href, f"{options.path}{key}.href", resolve_base, notes)
        if type(href) is not str or not (key.isascii() or key == replace_lone_surrogates(key)):
            if asset is not None:
                notes.append(
                    ConversionNote(f"{options.path}{key}", DROPPED, "not an asset with an href")
                )
            continue
        hrefs[key] = href
        rest = asset.copy()
        del rest["href"]
        kind = rest.get("type")
        suffix = "" if type(kind) is str and kind.strip() else find_suffix(href)
        assets_without_href.append((key, rest, suffix))
    fields, asset_notes, extensions, used_factors = _convert_sorted_if_few(
        assets_without_href, options
    )
    notes += asset_notes
    assets = {key: {"href": hrefs[key], **each} for key, each in fields}
    return ConvertedAssets(assets, extensions, used_factors)


def _convert_sorted_if_few(
    assets_without_href: list[tuple[str, dict[str, Any], str]], options: AssetOptions
) -> SortedAssets:
    """Convert the assets of an item; take few small ones from the cache."""
    if len(assets_without_href) <= MAX_CACHED_TOGETHER:
        try:
            packed = _pack((assets_without_href, options))
            if len(packed) <= MAX_CACHED_BYTES:
                return _convert_sorted_cached(packed)
        except _PACK_ERRORS:
            pass
    return convert_sorted(assets_without_href, options)


@lru_cache(CACHE_SIZE)
def _convert_sorted_cached(packed: bytes) -> SortedAssets:
    assets_without_href, options = _unpack(packed)
    return convert_sorted(assets_without_href, AssetOptions(*options))


def convert_sorted(
    assets_without_href: list[tuple[str, dict[str, Any], str]], options: AssetOptions
) -> SortedAssets:
    """Convert assets and sort them.

    Args:
        assets_without_href: key, asset without its href, and the href's suffix when the asset has
            no type.
        options: options for all of them.
    """
    found = [
        (key, convert_asset(key, rest, suffix, options))
        for key, rest, suffix in assets_without_href
    ]
    used_factors = [asset.used_factors for _, asset in found]
    return SortedAssets(
        tuple((key, asset.fields) for key, asset in sorted(found, key=_rank_of)),
        tuple(note for _, asset in found for note in asset.notes),
        frozenset().union(*(asset.extensions for _, asset in found)),
        (any(scale for scale, _ in used_factors), any(offset for _, offset in used_factors)),
    )


def _rank_of(found: tuple[str, ConvertedAsset]) -> tuple[int, float]:
    return found[1].rank


def convert_asset(
    key: str, rest: dict[str, Any], suffix: str, options: AssetOptions
) -> ConvertedAsset:
    """Convert one asset without its href, or take it from the cache."""
    try:
        packed = _pack((key, rest, suffix, options))
        if len(packed) <= MAX_CACHED_BYTES:
            return _convert_cached(packed)
    except _PACK_ERRORS:
        pass
    return _convert(key, rest, suffix, options)


@lru_cache(CACHE_SIZE)
def _convert_cached(packed: bytes) -> ConvertedAsset:
    key, rest, suffix, options = _unpack(packed)
    return _convert(key, rest, suffix, AssetOptions(*options))


def _convert(key: str, rest: dict[str, Any], suffix: str, options: AssetOptions) -> ConvertedAsset:
    notes: list[ConversionNote] = []
    builder = ObjectBuilder(f"{options.path}{key}.", notes)
    for name, value in rest.items():
        if value is None or name in BAND_LISTS:
            continue
        parser = _ASSET_PARSERS.get(name)
        if parser is None:
            builder.keep_as_extra(name, value)
        else:
            builder.parse_field(name, name, value, parser)
    fields = builder.fields
    defaults = _default_factors(options) if _has_data_role(fields) else None
    bands, used_defaults = merge_bands(rest, builder, defaults)
    _set_media_type(builder, suffix, assume_cog=options.assume_cog)
    if bands:
        fields["bands"] = bands
    used_factors = ("raster:scale" in used_defaults, "raster:offset" in used_defaults)
    extensions = used_extensions(fields)
    for band in bands:
        extensions |= used_extensions(band)
    wavelength = first_wavelength(bands) or fields.get(CENTER_WAVELENGTH)
    rank = _rank(key, fields.get("roles", []), wavelength)
    return ConvertedAsset(builder.build(), tuple(notes), frozenset(extensions), rank, used_factors)


def _set_media_type(builder: ObjectBuilder, suffix: str, *, assume_cog: bool) -> None:
    fields = builder.fields
    if suffix:
        fields["type"] = MEDIA_TYPE_BY_SUFFIX[suffix]
        builder.add_note("type", REPAIRED, "inferred from the suffix of the href")
    if assume_cog and fields.get("type") == GEOTIFF:
        fields["type"] = COG


def _has_data_role(fields: dict[str, Any]) -> bool:
    return "data" in fields.get("roles", ["data"])


def _default_factors(options: AssetOptions) -> dict[str, float]:
    factors = {"raster:scale": options.scale, "raster:offset": options.offset}
    return {name: value for name, value in factors.items() if value is not None}


def _rank(key: str, roles: list[str], wavelength: float | None) -> tuple[int, float]:
    if "overview" in roles or key == "overview":
        return OVERVIEW, 0.0
    if "thumbnail" in roles or key == "thumbnail":
        return THUMBNAIL, 0.0
    return (REST, 0.0) if wavelength is None else (BAND, float(wavelength))


def _resolve_href(
    href: str, path: str, resolve_base: Callable[[], str], notes: list[ConversionNote]
) -> str | None:
    url = make_absolute(href, resolve_base())
    if url is not None and url != href:
        notes.append(
            ConversionNote(path, CONVERTED, "made absolute, without a signature, and escaped")
        )
    return url
