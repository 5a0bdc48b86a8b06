"""Assets: their media types, roles, bands and order."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

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
from tap_pixxel.stac.object_builder import ObjectBuilder, replace_lone_surrogates
from tap_pixxel.stac.result import CONVERTED, DROPPED, REPAIRED, ConversionNote

if TYPE_CHECKING:
    from collections.abc import Callable

_ASSET_PARSERS: Final = PARSERS["assets"] | {"type": parse_media_type}
CACHE_SIZE: Final = 4096
"""Assets kept, converted: an archive repeats the few hundred of each kind of image."""
MAX_CACHED_BYTES: Final = 4096
"""Bytes of an asset, or of a few together, that are worth remembering."""
MAX_CACHED_TOGETHER: Final = 16
"""Assets that are remembered together: of more, one is likely to differ from item to item."""
_pack: Final = msgspec.msgpack.Encoder().encode
"""Written fastest as MessagePack, where 1, 1.0, true differ, and so do null and NaN."""
_unpack: Final = msgspec.msgpack.decode
_PACK_ERRORS: Final = (ValueError, OverflowError, RecursionError, TypeError)
"""Half a surrogate pair, a number beyond 64 bits, nested too deep, or not JSON."""
OVERVIEW, THUMBNAIL, BAND, REST = range(4)


class AssetOptions(NamedTuple):
    """What applies to all assets of an item.

    Attributes:
        path: what the paths of the assets begin with, with the dot.
        scale: ``raster:scale`` for data bands that lack one.
        offset: ``raster:offset`` for data bands that lack one.
        assume_cog: call every TIFF a cloud-optimised one.
    """

    path: str = "assets."
    scale: float | None = None
    offset: float | None = None
    assume_cog: bool = False


class ConvertedAsset(NamedTuple):
    """A converted asset without its href.

    Attributes:
        rank: its place among the others: overview, thumbnail, bands by micrometres, the rest.
        took: whether a band took the scale, and the offset, that apply to all.
    """

    fields: dict[str, Any]
    notes: tuple[ConversionNote, ...]
    extensions: frozenset[str]
    rank: tuple[int, float]
    used_factors: tuple[bool, bool]


class ConvertedAssets(NamedTuple):
    """The converted assets of an item, in order, and what they say of it.

    Attributes:
        assets: by key, or the JSON text of that.
    """

    assets: dict[str, dict[str, Any]] | msgspec.Raw
    extensions: frozenset[str]
    used_factors: tuple[bool, bool]


class SortedAssets(NamedTuple):
    """The converted assets of an item, without their hrefs, by key and in order."""

    fields: tuple[tuple[str, dict[str, Any]], ...]
    notes: tuple[ConversionNote, ...]
    extensions: frozenset[str]
    used_factors: tuple[bool, bool]


def convert_assets(
    raw: object, rules: AssetOptions, base: Callable[[], str], notes: list[ConversionNote]
) -> ConvertedAssets:
    """Convert an item's assets.

    Args:
        raw: object by asset key; each asset needs an ``href``.
        rules: what applies to all of them.
        base: gives the link that relative ones are resolved against.
        notes: where to say what was done.

    Returns:
        The assets, ordered. They share objects with other items' assets: read-only.
    """
    if not isinstance(raw, dict):
        if raw is not None:
            notes.append(ConversionNote(rules.path[:-1], DROPPED, "not an object of assets"))
        return ConvertedAssets({}, frozenset(), (False, False))
    hrefs: dict[str, str] = {}
    rests: list[tuple[str, dict[str, Any], str]] = []
    for key, asset in raw.items():
        href = asset.get("href") if type(asset) is dict else None
        if type(href) is str and not is_plain_url(href):
            href = _resolve_href(href, f"{rules.path}{key}.href", base, notes)
        if type(href) is not str or not (key.isascii() or key == replace_lone_surrogates(key)):
            if asset is not None:
                notes.append(
                    ConversionNote(f"{rules.path}{key}", DROPPED, "not an asset with an href")
                )
            continue
        hrefs[key] = href
        rest = asset.copy()
        del rest["href"]
        kind = rest.get("type")
        rests.append((key, rest, "" if type(kind) is str and kind.strip() else find_suffix(href)))
    fields, said, extensions, took = _convert_sorted_if_few(rests, rules)
    notes += said
    assets = {key: {"href": hrefs[key], **each} for key, each in fields}
    return ConvertedAssets(assets, extensions, took)


def _convert_sorted_if_few(
    rests: list[tuple[str, dict[str, Any], str]], rules: AssetOptions
) -> SortedAssets:
    """Convert the assets of an item, or remember how the few of one like it were converted."""
    if len(rests) <= MAX_CACHED_TOGETHER:
        try:
            frozen = _pack((rests, rules))
            if len(frozen) <= MAX_CACHED_BYTES:
                return _convert_sorted_cached(frozen)
        except _PACK_ERRORS:
            pass
    return convert_sorted(rests, rules)


@lru_cache(CACHE_SIZE)
def _convert_sorted_cached(frozen: bytes) -> SortedAssets:
    rests, rules = _unpack(frozen)
    return convert_sorted(rests, AssetOptions(*rules))


def convert_sorted(
    rests: list[tuple[str, dict[str, Any], str]], rules: AssetOptions
) -> SortedAssets:
    """Convert assets and put them in order.

    Args:
        rests: key, asset without its href, and the suffix of that where no type is stated.
        rules: what applies to all of them.
    """
    found = [(key, convert_asset(key, rest, ending, rules)) for key, rest, ending in rests]
    took = [asset.used_factors for _, asset in found]
    return SortedAssets(
        tuple((key, asset.fields) for key, asset in sorted(found, key=_rank_of)),
        tuple(note for _, asset in found for note in asset.notes),
        frozenset().union(*(asset.extensions for _, asset in found)),
        (any(scaled for scaled, _ in took), any(shifted for _, shifted in took)),
    )


def _rank_of(found: tuple[str, ConvertedAsset]) -> tuple[int, float]:
    return found[1].rank


def convert_asset(
    key: str, rest: dict[str, Any], ending: str, rules: AssetOptions
) -> ConvertedAsset:
    """Convert one asset without its href, or remember how one like it was converted."""
    try:
        frozen = _pack((key, rest, ending, rules))
        if len(frozen) <= MAX_CACHED_BYTES:
            return _convert_cached(frozen)
    except _PACK_ERRORS:
        pass
    return _convert(key, rest, ending, rules)


@lru_cache(CACHE_SIZE)
def _convert_cached(frozen: bytes) -> ConvertedAsset:
    key, rest, ending, rules = _unpack(frozen)
    return _convert(key, rest, ending, AssetOptions(*rules))


def _convert(key: str, rest: dict[str, Any], ending: str, rules: AssetOptions) -> ConvertedAsset:
    notes: list[ConversionNote] = []
    draft = ObjectBuilder(f"{rules.path}{key}.", notes)
    for name, value in rest.items():
        if value is None or name in BAND_LISTS:
            continue
        reader = _ASSET_PARSERS.get(name)
        if reader is None:
            draft.keep_as_extra(name, value)
        else:
            draft.parse_field(name, name, value, reader)
    fields = draft.fields
    listed, taken = merge_bands(
        rest, draft, _default_factors(rules) if _has_data_role(fields) else None
    )
    _set_media_type(draft, ending, assume_cog=rules.assume_cog)
    if listed:
        fields["bands"] = listed
    took = ("raster:scale" in taken, "raster:offset" in taken)
    extensions = used_extensions(fields)
    for band in listed:
        extensions |= used_extensions(band)
    centre = first_wavelength(listed) or fields.get(CENTER_WAVELENGTH)
    rank = _rank(key, fields.get("roles", []), centre)
    return ConvertedAsset(draft.build(), tuple(notes), frozenset(extensions), rank, took)


def _set_media_type(draft: ObjectBuilder, ending: str, *, assume_cog: bool) -> None:
    fields = draft.fields
    if ending:
        fields["type"] = MEDIA_TYPE_BY_SUFFIX[ending]
        draft.add_note("type", REPAIRED, "told by the suffix of the link")
    if assume_cog and fields.get("type") == GEOTIFF:
        fields["type"] = COG


def _has_data_role(fields: dict[str, Any]) -> bool:
    return "data" in fields.get("roles", ["data"])


def _default_factors(rules: AssetOptions) -> dict[str, float]:
    stated = {"raster:scale": rules.scale, "raster:offset": rules.offset}
    return {name: value for name, value in stated.items() if value is not None}


def _rank(key: str, roles: list[str], centre: float | None) -> tuple[int, float]:
    if "overview" in roles or key == "overview":
        return OVERVIEW, 0.0
    if "thumbnail" in roles or key == "thumbnail":
        return THUMBNAIL, 0.0
    return (REST, 0.0) if centre is None else (BAND, float(centre))


def _resolve_href(
    href: str, path: str, base: Callable[[], str], notes: list[ConversionNote]
) -> str | None:
    made = make_absolute(href, base())
    if made is not None and made != href:
        notes.append(
            ConversionNote(path, CONVERTED, "made absolute, without a signature, and escaped")
        )
    return made
