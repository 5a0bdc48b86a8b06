"""Assets: their media types, roles, bands and order."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from tap_pixxel.stac.bands import CENTRE, LISTS, bands, wavelength_of
from tap_pixxel.stac.draft import Draft, clear_name
from tap_pixxel.stac.extensions import READERS, prefixes
from tap_pixxel.stac.hrefs import absolute, is_plain
from tap_pixxel.stac.media import BY_SUFFIX, COG, GEOTIFF, media_type, suffix
from tap_pixxel.stac.notes import CONVERTED, DROPPED, REPAIRED, Note

if TYPE_CHECKING:
    from collections.abc import Callable

_READERS: Final = READERS["assets"] | {"type": media_type}
REMEMBERED: Final = 4096
"""Assets kept, converted: an archive repeats the few hundred of each kind of image."""
LONGEST: Final = 4096
"""Bytes of an asset, or of a few together, that are worth remembering."""
FEW: Final = 16
"""Assets that are remembered together: of more, one is likely to differ from item to item."""
_frozen: Final = msgspec.msgpack.Encoder().encode
"""Written fastest as MessagePack, where 1, 1.0, true differ, and so do null and NaN."""
_thawed: Final = msgspec.msgpack.decode
_NOT_FROZEN: Final = (ValueError, OverflowError, RecursionError, TypeError)
"""Half a surrogate pair, a number beyond 64 bits, nested too deep, or not JSON."""
OVERVIEW, THUMBNAIL, BAND, REST = range(4)


class Rules(NamedTuple):
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


class Asset(NamedTuple):
    """A converted asset without its href.

    Attributes:
        rank: its place among the others: overview, thumbnail, bands by micrometres, the rest.
        took: whether a band took the scale, and the offset, that apply to all.
    """

    fields: dict[str, Any]
    notes: tuple[Note, ...]
    extensions: frozenset[str]
    rank: tuple[int, float]
    took: tuple[bool, bool]


class Assets(NamedTuple):
    """The converted assets of an item, in order, and what they say of it.

    Attributes:
        assets: by key, or the JSON text of that.
    """

    assets: dict[str, dict[str, Any]] | msgspec.Raw
    extensions: frozenset[str]
    took: tuple[bool, bool]


class Ordered(NamedTuple):
    """The converted assets of an item, without their hrefs, by key and in order."""

    fields: tuple[tuple[str, dict[str, Any]], ...]
    notes: tuple[Note, ...]
    extensions: frozenset[str]
    took: tuple[bool, bool]


def to_assets(raw: object, rules: Rules, base: Callable[[], str], notes: list[Note]) -> Assets:
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
            notes.append(Note(rules.path[:-1], DROPPED, "not an object of assets"))
        return Assets({}, frozenset(), (False, False))
    hrefs: dict[str, str] = {}
    rests: list[tuple[str, dict[str, Any], str]] = []
    for key, asset in raw.items():
        href = asset.get("href") if type(asset) is dict else None
        if type(href) is str and not is_plain(href):
            href = _href(href, f"{rules.path}{key}.href", base, notes)
        if type(href) is not str or not (key.isascii() or key == clear_name(key)):
            if asset is not None:
                notes.append(Note(f"{rules.path}{key}", DROPPED, "not an asset with an href"))
            continue
        hrefs[key] = href
        rest = asset.copy()
        del rest["href"]
        kind = rest.get("type")
        rests.append((key, rest, "" if type(kind) is str and kind.strip() else suffix(href)))
    fields, said, extensions, took = _ordered(rests, rules)
    notes += said
    assets = {key: {"href": hrefs[key], **each} for key, each in fields}
    return Assets(assets, extensions, took)


def _ordered(rests: list[tuple[str, dict[str, Any], str]], rules: Rules) -> Ordered:
    """Convert the assets of an item, or remember how the few of one like it were converted."""
    if len(rests) <= FEW:
        try:
            frozen = _frozen((rests, rules))
            if len(frozen) <= LONGEST:
                return _remembered_order(frozen)
        except _NOT_FROZEN:
            pass
    return in_order(rests, rules)


@lru_cache(REMEMBERED)
def _remembered_order(frozen: bytes) -> Ordered:
    rests, rules = _thawed(frozen)
    return in_order(rests, Rules(*rules))


def in_order(rests: list[tuple[str, dict[str, Any], str]], rules: Rules) -> Ordered:
    """Convert assets and put them in order.

    Args:
        rests: key, asset without its href, and the suffix of that where no type is stated.
        rules: what applies to all of them.
    """
    found = [(key, converted(key, rest, ending, rules)) for key, rest, ending in rests]
    took = [asset.took for _, asset in found]
    return Ordered(
        tuple((key, asset.fields) for key, asset in sorted(found, key=_by_rank)),
        tuple(note for _, asset in found for note in asset.notes),
        frozenset().union(*(asset.extensions for _, asset in found)),
        (any(scaled for scaled, _ in took), any(shifted for _, shifted in took)),
    )


def _by_rank(found: tuple[str, Asset]) -> tuple[int, float]:
    return found[1].rank


def converted(key: str, rest: dict[str, Any], ending: str, rules: Rules) -> Asset:
    """Convert one asset without its href, or remember how one like it was converted."""
    try:
        frozen = _frozen((key, rest, ending, rules))
        if len(frozen) <= LONGEST:
            return _remembered(frozen)
    except _NOT_FROZEN:
        pass
    return _converted(key, rest, ending, rules)


@lru_cache(REMEMBERED)
def _remembered(frozen: bytes) -> Asset:
    key, rest, ending, rules = _thawed(frozen)
    return _converted(key, rest, ending, Rules(*rules))


def _converted(key: str, rest: dict[str, Any], ending: str, rules: Rules) -> Asset:
    notes: list[Note] = []
    draft = Draft(f"{rules.path}{key}.", notes)
    for name, value in rest.items():
        if value is None or name in LISTS:
            continue
        reader = _READERS.get(name)
        if reader is None:
            draft.keep(name, value)
        else:
            draft.read(name, name, value, reader)
    fields = draft.fields
    listed, taken = bands(rest, draft, _lacking(rules) if _is_data(fields) else None)
    _retype(draft, ending, assume_cog=rules.assume_cog)
    if listed:
        fields["bands"] = listed
    took = ("raster:scale" in taken, "raster:offset" in taken)
    extensions = prefixes(fields)
    for band in listed:
        extensions |= prefixes(band)
    centre = wavelength_of(listed) or fields.get(CENTRE)
    rank = _rank(key, fields.get("roles", []), centre)
    return Asset(draft.finish(), tuple(notes), frozenset(extensions), rank, took)


def _retype(draft: Draft, ending: str, *, assume_cog: bool) -> None:
    fields = draft.fields
    if ending:
        fields["type"] = BY_SUFFIX[ending]
        draft.note("type", REPAIRED, "told by the suffix of the link")
    if assume_cog and fields.get("type") == GEOTIFF:
        fields["type"] = COG


def _is_data(fields: dict[str, Any]) -> bool:
    return "data" in fields.get("roles", ["data"])


def _lacking(rules: Rules) -> dict[str, float]:
    stated = {"raster:scale": rules.scale, "raster:offset": rules.offset}
    return {name: value for name, value in stated.items() if value is not None}


def _rank(key: str, roles: list[str], centre: float | None) -> tuple[int, float]:
    if "overview" in roles or key == "overview":
        return OVERVIEW, 0.0
    if "thumbnail" in roles or key == "thumbnail":
        return THUMBNAIL, 0.0
    return (REST, 0.0) if centre is None else (BAND, float(centre))


def _href(href: str, path: str, base: Callable[[], str], notes: list[Note]) -> str | None:
    made = absolute(href, base())
    if made is not None and made != href:
        notes.append(Note(path, CONVERTED, "made absolute, without a signature, and escaped"))
    return made
