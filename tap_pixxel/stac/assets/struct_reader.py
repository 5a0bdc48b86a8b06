"""Convert the JSON text of assets through structs: what their types do not do.

Texts are checked in the whole text of an item at once. Media types, hrefs, wavelengths, widths and
factors of reflectance are converted here. Any other value that is not emitted as it is leaves the
item to the forms of its assets.
"""

from __future__ import annotations

import re
from contextlib import suppress
from functools import partial, reduce
from itertools import chain, starmap
from operator import add, attrgetter, itemgetter
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from msgspec import UNSET

from tap_pixxel.stac.assets.bands import BAND_LISTS, CENTER_WAVELENGTH, FWHM
from tap_pixxel.stac.assets.convert import (
    OTHER,
    OVERVIEW,
    THUMBNAIL,
    TOTAL,
    ConvertedAssets,
    asset_counts,
    default_factors,
    resolve_href,
)
from tap_pixxel.stac.assets.media_types import COG, GEOTIFF, parse_asset_type
from tap_pixxel.stac.assets.structs import BAND_SLOTS, StructRegistry
from tap_pixxel.stac.assets.wavelengths import (
    MAX_FWHM,
    MAX_MICROMETRES,
    MAX_RELATIVE_FWHM,
    MIN_FWHM,
    MIN_NANOMETRES,
    parse_fwhm,
    parse_wavelength,
)
from tap_pixxel.stac.hrefs import PLAIN_URL, is_plain_url
from tap_pixxel.stac.parsers import MARKERS
from tap_pixxel.stac.result import ConversionNote

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from tap_pixxel.stac.assets.convert import AssetOptions
    from tap_pixxel.stac.assets.structs import AssetStructs, BandMerger

MIN_BYTES = 1 << 12
"""Size of a text from which structs are faster than the forms of its assets."""
_AMPERSAND = b"\\u0026"
"""How Go's JSON encoder, for one, writes an ampersand; no other escape is accepted."""
_QUOTE_SPACE_SLASH = b'" /'
_COLON = ord(":")
_RANKS = {"overview": OVERVIEW, "thumbnail": THUMBNAIL}
_DATA = ("data",)
_NO_BANDS = (True,) * len(BAND_LISTS)
_are_plain_urls = re.compile(rf"(?:{PLAIN_URL}\n)*").fullmatch
_encode = msgspec.json.Encoder().encode
_to_tuple = msgspec.structs.astuple
registry = StructRegistry()


class _NotPlain(Exception):
    """An item has to be converted by the forms of its assets."""


def convert_plain_assets(
    text: bytes,
    options: AssetOptions,
    resolve_base: Callable[[], str],
    notes: list[ConversionNote],
) -> ConvertedAssets | None:
    """Convert the JSON text of an item's assets, if nearly all values are emitted as they are.

    Args:
        text: The object of assets.
        options: Options for all of them.
        resolve_base: Returns the URL to resolve relative hrefs against.
        notes: List to which notes are added.

    Returns:
        The assets as text (`msgspec.Raw`); None if they have to be converted by their forms.
    """
    if len(text) < MIN_BYTES or not text.isascii():
        return None
    if b"\\" in text and text.count(b"\\") != text.count(_AMPERSAND):
        return None
    try:
        assets = registry.structs.decode(text)
        reader = _AssetReader(registry.structs, options, resolve_base)
        return reader.convert(assets, text, notes)
    except msgspec.ValidationError as error:
        if "unknown field" in str(error):
            with suppress(msgspec.DecodeError, RecursionError):  # the caller decodes it, too
                registry.learn_names(msgspec.json.decode(text))
    except _NotPlain:
        pass
    return None


class _AssetReader:
    """A converter of the decoded assets of one item, in place.

    Each method raises `_NotPlain` for assets that have to be converted by their forms.
    """

    def __init__(
        self, structs: AssetStructs, options: AssetOptions, resolve_base: Callable[[], str]
    ) -> None:
        self._structs = structs
        self._options = options
        self._resolve_base = resolve_base
        self._type_notes: dict[str, ConversionNote] = {}
        self._band_notes: dict[str, list[ConversionNote]] = {}
        self._extensions: set[str] = set()
        self._used_factors: set[str] = set()

    def convert(
        self, assets: dict[str, Any], text: bytes, notes: list[ConversionNote]
    ) -> ConvertedAssets:
        """Convert the assets of a text."""
        href_notes: list[ConversionNote] = []
        urls = self._convert_hrefs(assets, href_notes)
        if not _is_plain(text, urls):
            raise _NotPlain
        self._convert_types(assets)
        self._rename_extras(assets)
        ranks = self._convert_bands(assets)
        self._extensions |= _find_used(self._structs.extensions, assets.values())
        asset_counts[TOTAL] += len(assets)
        notes += href_notes
        notes += self._type_notes.values() if not self._band_notes else self._join_notes(assets)
        whole = msgspec.Raw(_encode(_sort(assets, ranks)))
        return ConvertedAssets(whole, frozenset(self._extensions), frozenset(self._used_factors))

    def _convert_hrefs(self, assets: dict[str, Any], notes: list[ConversionNote]) -> int:
        """Make hrefs absolute; return the number of URLs in them."""
        lines = "\n".join([asset.href for asset in assets.values()])
        if not _are_plain_urls(lines + "\n"):
            for key, asset in assets.items():
                if not is_plain_url(asset.href):
                    path = self._options.path + key
                    asset.href = resolve_href(asset.href, path, self._resolve_base, notes)
                    if asset.href is None:
                        raise _NotPlain
        return lines.count("://")

    def _convert_types(self, assets: dict[str, Any]) -> None:
        """Convert media types."""
        parsed = {
            name: parse_asset_type.table.get(name) for name in {a.type for a in assets.values()}
        }
        changed = {name: each for name, each in parsed.items() if type(each) is not str}
        if None in changed.values():
            raise _NotPlain
        if changed:
            prefix = self._options.path
            for key, asset in assets.items():
                repaired = changed.get(asset.type)
                if repaired is not None:
                    self._type_notes[key] = ConversionNote(
                        f"{prefix}{key}.type", repaired.action, repaired.reason
                    )
                    asset.type = repaired.value
        if self._options.assume_cog:
            for asset in assets.values():
                if asset.type == GEOTIFF:
                    asset.type = COG

    def _rename_extras(self, assets: dict[str, Any]) -> None:
        """Give members that STAC does not define their names in the output."""
        for old, new in self._structs.renames:
            for asset in assets.values():
                value = getattr(asset, old)
                if value is not UNSET:
                    if getattr(asset, new) is not UNSET:
                        raise _NotPlain
                    setattr(asset, new, value)
                    setattr(asset, old, UNSET)

    def _convert_bands(self, assets: dict[str, Any]) -> dict[str, float]:
        """Merge and complete the bands of each asset; return the positions of those with some."""
        ranks: dict[str, float] = {}
        for missing, group in _group_by_lists(assets).items():
            merger = self._structs.mergers.get(missing)
            if merger is None:
                raise _NotPlain
            bands = _merge_bands(group.values(), merger)
            self._convert_lengths(group, bands, merger.paths)
            for key, asset in group.items():
                if asset.bands is not UNSET:
                    first = asset.bands[0].wavelength
                    ranks[key] = _find_first(asset.bands) if first is UNSET else first
            self._add_factors(group)
            if merger.band() in bands:
                raise _NotPlain  # whether a band without members stays depends on the others
            self._extensions |= _find_used(merger.extensions, bands)
        return ranks

    def _convert_lengths(
        self, assets: dict[str, Any], bands: list[Any], paths: Mapping[str, tuple[str, str]]
    ) -> None:
        """Convert the wavelengths and widths that are not emitted as they are."""
        if odd := _find_odd_lengths(bands):
            places = [(key, at) for key in assets for at in range(len(assets[key].bands or ()))]
            for at in odd:
                self._convert_band(bands[at], *places[at], paths)

    def _convert_band(
        self,
        band: Any,  # noqa: ANN401 - a struct
        key: str,
        index: int,
        paths: Mapping[str, tuple[str, str]],
    ) -> None:
        """Convert the wavelength and the width of a band of an asset."""
        center, width = band.wavelength, band.width
        in_nanometres = center is not UNSET and center >= MIN_NANOMETRES
        if center is not UNSET:
            path = paths[CENTER_WAVELENGTH]
            center = band.wavelength = self._unwrap(parse_wavelength(center), key, index, path)
        if width is not UNSET:
            known = None if center is UNSET else center
            parsed = parse_fwhm(width, known, in_nanometres=in_nanometres)
            band.width = self._unwrap(parsed, key, index, paths[FWHM])

    def _unwrap(self, parsed: Any, key: str, index: int, path: tuple[str, str]) -> Any:  # noqa: ANN401 - see Parser
        """Return the value of a parser's result for a band, and note what differs."""
        if type(parsed) not in MARKERS:
            return parsed
        field = f"{self._options.path}{key}.{path[0]}.{index}.{path[1]}"
        note = ConversionNote(field, parsed.action, parsed.reason)
        self._band_notes.setdefault(key, []).append(note)
        return UNSET if parsed.value is None else parsed.value

    def _add_factors(self, assets: dict[str, Any]) -> None:
        """Add the factors of reflectance that bands with data lack."""
        factors = default_factors(self._options)
        if not factors:
            return
        with_data = [each for each in assets.values() if "data" in (each.roles or _DATA)]
        for name, value in factors.items():
            slot = BAND_SLOTS[name]
            for band in chain.from_iterable(each.bands or () for each in with_data):
                if getattr(band, slot) is UNSET:
                    setattr(band, slot, value)
                    self._used_factors.add(name)

    def _join_notes(self, assets: dict[str, Any]) -> Iterator[ConversionNote]:
        """Return the notes, asset by asset."""
        for key in assets:
            if key in self._type_notes:
                yield self._type_notes[key]
            yield from self._band_notes.get(key, ())


def _group_by_lists(assets: dict[str, Any]) -> dict[tuple[bool, ...], dict[str, Any]]:
    """Group the assets with bands by which lists they lack."""
    groups: dict[tuple[bool, ...], dict[str, Any]] = {}
    for key, asset in assets.items():
        missing = asset.bands is UNSET, asset.eo_bands is UNSET, asset.raster_bands is UNSET
        groups.setdefault(missing, {})[key] = asset
    groups.pop(_NO_BANDS, None)
    return groups


def _merge_bands(assets: Collection[Any], merger: BandMerger) -> list[Any]:
    """Merge the lists of bands of assets into one list of each, and return all bands."""
    lists = [[*map(attrgetter(slot), assets)] for slot in merger.slots]
    sizes = [*map(len, lists[0])]
    if any([*map(len, each)] != sizes for each in lists):
        raise _NotPlain
    columns = (map(_to_tuple, chain.from_iterable(each)) for each in lists)
    values: Iterator[Any] = reduce(partial(map, add), columns)
    if merger.places:
        values = map(itemgetter(*merger.places), values)
    bands = [*starmap(merger.band, values)]
    start = 0
    for asset, size in zip(assets, sizes, strict=True):
        asset.bands = bands[start : start + size] or UNSET
        asset.eo_bands = asset.raster_bands = UNSET
        start += size
    return bands


def _find_odd_lengths(bands: list[Any]) -> list[int]:
    """Return the places of bands whose wavelength or width may not be emitted as it is."""
    lengths = [(band.wavelength, band.width) for band in bands]
    return [
        at
        for at, (center, width) in enumerate(lengths)
        if (center is not UNSET and not 0 < center < MAX_MICROMETRES)
        or (width is not UNSET and not MIN_FWHM <= width <= MAX_FWHM)
        or (width and center and width > MAX_RELATIVE_FWHM * center)
    ]


def _find_first(bands: list[Any]) -> float:
    """Return the first wavelength of bands."""
    return next((band.wavelength for band in bands if band.wavelength is not UNSET), OTHER)


def _sort(assets: dict[str, Any], ranks: dict[str, float]) -> dict[str, Any]:
    """Sort assets: overview, thumbnail, those with wavelengths, others."""
    ranks = dict.fromkeys(assets, OTHER) | ranks
    names = _RANKS.keys()
    for key, asset in assets.items():
        roles = asset.roles
        if key in names or (roles is not UNSET and not names.isdisjoint(roles)):
            ranks[key] = min(_RANKS[each] for each in (key, *(roles or ())) if each in _RANKS)
    return {key: assets[key] for key in sorted(ranks, key=ranks.__getitem__)}


def _find_used(slots: Mapping[str, list[str]], structs: Collection[Any]) -> set[str]:
    """Return the extensions of which some struct has a field."""
    return {
        prefix
        for prefix, names in slots.items()
        if any([*map(attrgetter(name), structs)].count(UNSET) < len(structs) for name in names)
    }


def _is_plain(text: bytes, urls: int) -> bool:
    """Return whether a JSON text has this number of `://`, and no text with spaces around it.

    A text with spaces between its members is not plain either.
    """
    characters = np.frombuffer(text, np.uint8)
    quotes, spaces, slashes = (characters == each for each in _QUOTE_SPACE_SLASH)
    has_padding = (quotes[1:] & spaces[:-1]).any() or (quotes[:-1] & spaces[1:]).any()
    found = np.count_nonzero((characters[:-2] == _COLON) & slashes[1:-1] & slashes[2:])
    return not has_padding and found == urls
