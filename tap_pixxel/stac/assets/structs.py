"""Structs for the assets of an item: their types are the rules for the values of most members.

While msgspec decodes a text into structs, it checks the types and bounds of all values in C. The
structs are defined from the tables of parsers, for the names of members that occurred. They refuse
other members, and values that are not emitted as they are.
"""

from __future__ import annotations

import math
from itertools import chain, product
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import msgspec
from msgspec import UNSET, Meta, UnsetType

from tap_pixxel.stac.assets.bands import (
    BAND_ALIASES,
    BAND_LISTS,
    BAND_PARSERS,
    CENTER_WAVELENGTH,
    FWHM,
)
from tap_pixxel.stac.assets.forms import ASSET_PARSERS
from tap_pixxel.stac.extensions import used_extensions
from tap_pixxel.stac.object_builder import safe_prefixed_name
from tap_pixxel.stac.parsers import (
    MAX_FLOAT,
    MIN_FLOAT,
    NumberParser,
    TableParser,
    parse_text,
    parse_text_list,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tap_pixxel.stac.parsers import Parser

MAX_NAMES = 64
"""Names of members to know, of assets and of the bands in each list."""
ASSET_SLOTS = {
    "href": "href",
    "type": "type",
    "roles": "roles",
    "bands": "bands",
    "eo:bands": "eo_bands",
    "raster:bands": "raster_bands",
}
BAND_SLOTS = {
    CENTER_WAVELENGTH: "wavelength",
    FWHM: "width",
    "raster:scale": "scale",
    "raster:offset": "offset",
}
"""With `ASSET_SLOTS`, attributes that the structs always have, by the names of their members."""
_NOT_LEARNED = frozenset({*ASSET_SLOTS, CENTER_WAVELENGTH, FWHM})
"""Members that assets always have, and those that only bands may have."""
_MIN_INT, _MAX_INT = -(2**63), 2**63 - 1
_PLAIN_TYPE = (
    str
    | bool
    | Annotated[int, Meta(ge=_MIN_INT, le=_MAX_INT)]
    | Annotated[float, Meta(ge=MIN_FLOAT, le=MAX_FLOAT)]
)
_TEXT_TYPE = Annotated[str, Meta(min_length=1)]
_TEXT_LIST_TYPE = Annotated[list[_TEXT_TYPE], Meta(min_length=1)]
_LENGTH_TYPE = Annotated[int, Meta(ge=0, le=_MAX_INT)] | Annotated[float, Meta(ge=0, le=MAX_FLOAT)]
"""The type of wavelengths and widths; the reader parses those that are not in micrometres."""
_NEVER = Annotated[list[int], Meta(min_length=1, max_length=0)]
"""The type of members whose values no type describes."""


def find_type(parser: Parser | None) -> Any:  # noqa: ANN401 - a type
    """Return the type of values that a parser returns unchanged.

    The texts among the values must be ASCII, without whitespace around them and without a URL.

    Args:
        parser: A parser of a field; None for a member that STAC does not define.
    """
    if parser is None:
        return _PLAIN_TYPE
    if parser in (BAND_PARSERS[CENTER_WAVELENGTH], BAND_PARSERS[FWHM]):
        return _LENGTH_TYPE
    if isinstance(parser, NumberParser):
        low, high = max(parser.low, _MIN_INT), min(parser.high, _MAX_INT)
        integer = Annotated[int, Meta(ge=math.ceil(low), le=math.floor(high))]
        return integer | Annotated[float, Meta(ge=parser.low, le=parser.high)]
    if isinstance(parser, TableParser):
        return Literal[tuple(word for word, parsed in parser.table.items() if word == parsed)]
    if parser is parse_text:
        return _TEXT_TYPE
    return _TEXT_LIST_TYPE if parser is parse_text_list else _NEVER


class Member(NamedTuple):
    """A member of a struct.

    Attributes:
        source: Its name in the input.
        name: Its name in the output.
        type: The type of the values that are emitted as they are.
        is_extra: Whether STAC does not define it.
    """

    source: str
    name: str
    type: Any
    is_extra: bool


def find_members(
    sources: Iterable[str], aliases: Mapping[str, str], parsers: Mapping[str, Parser]
) -> list[Member]:
    """Return the members with some names in the input, extra ones last.

    Members with one name in the output may have no value: two values would have to be compared.

    Args:
        sources: Names in the input.
        aliases: Names of fields that they stand for.
        parsers: Parsers of the fields.
    """
    members: list[Member] = []
    for source in sources:
        parser = parsers.get(aliases.get(source, source))
        name = safe_prefixed_name(source) if parser is None else aliases.get(source, source)
        is_free = name not in {*ASSET_SLOTS, *(member.name for member in members)}
        is_free &= parser is not None or name not in parsers
        kind = find_type(parser) if is_free else _NEVER
        members.append(Member(source, name if is_free else source, kind, parser is None))
    return sorted(members, key=lambda member: member.is_extra)


class BandMerger:
    """How a band in each of some lists becomes one band of the output.

    Args:
        lists: The members of bands, by the name of their list.
        order: Names in the output, in its order.

    Attributes:
        slots: Attributes of assets for the lists.
        band: The struct of the bands of the output.
        places: Places of the values of the output among those of the lists; None for the same.
        paths: Names of the list and of the member, for the wavelength and the width.
        extensions: Attributes of the bands by prefix of the extension that defines them.
    """

    def __init__(self, lists: Mapping[str, list[Member]], order: list[str]) -> None:
        self.slots = [ASSET_SLOTS[name] for name in lists]
        found = [member.name for member in chain(*lists.values())]
        places = sorted(range(len(found)), key=lambda at: order.index(found[at]))
        self.places = places if places != sorted(places) else None
        names = dict.fromkeys([*(found[at] for at in places), *BAND_SLOTS])
        slots = {name: BAND_SLOTS.get(name, f"field{at}") for at, name in enumerate(names)}
        self.band = _define_struct("Band", {name: (slot, Any) for name, slot in slots.items()})
        self.extensions = _group_by_extension(slots)
        self.paths = {
            member.name: (name, member.source)
            for name, members in lists.items()
            for member in members
            if member.name in {CENTER_WAVELENGTH, FWHM}
        }


class AssetStructs:
    """The structs for assets whose members have known names.

    Args:
        asset_names: Names of members of assets.
        band_names: Names of members of bands, by the name of their list.

    Attributes:
        decode: Decodes an object of assets.
        mergers: How bands are merged, by whether an asset lacks each of `BAND_LISTS`. It has no
            entry for lists that define the same field: their values have to be compared.
        renames: Attributes of extra members with another name in the output: old and new.
        extensions: Attributes of assets by prefix of the extension that defines them.
    """

    def __init__(self, asset_names: Iterable[str], band_names: Mapping[str, Iterable[str]]) -> None:
        lists = {
            name: find_members(names, BAND_ALIASES, BAND_PARSERS)
            for name, names in band_names.items()
        }
        found = (member.name for member in chain(*lists.values()))
        order = [*dict.fromkeys([*BAND_PARSERS, *found])]
        for members in lists.values():
            members.sort(key=lambda member: order.index(member.name))
        self.mergers = _make_mergers(lists, order)

        learned = (name for name in asset_names if name not in _NOT_LEARNED)
        members = find_members(learned, {}, ASSET_PARSERS)
        slots = {member.source: f"field{at}" for at, member in enumerate(members)}
        fields: dict[str, tuple[str, Any]] = {"roles": ("roles", _TEXT_LIST_TYPE)}
        fields |= {e.source: (slots[e.source], e.type) for e in members if not e.is_extra}
        for name, each in lists.items():
            band: Any = _define_struct("Band", _number_slots(each))
            fields[name] = ASSET_SLOTS[name], list[band]
        fields |= {e.source: (slots[e.source], e.type) for e in members if e.is_extra}
        renamed = [member for member in members if member.name != member.source]
        fields |= {e.name: (f"new_{slots[e.source]}", e.type) for e in renamed}
        self.renames = [(slots[e.source], f"new_{slots[e.source]}") for e in renamed]
        self.extensions = _group_by_extension(slots)
        asset: Any = _define_struct("Asset", fields, ("href", str), ("type", str))
        object_of_assets: Any = dict[str, asset]
        self.decode = msgspec.json.Decoder(object_of_assets).decode


def _number_slots(members: list[Member]) -> dict[str, tuple[str, Any]]:
    return {member.source: (f"field{at}", member.type) for at, member in enumerate(members)}


def _make_mergers(
    lists: Mapping[str, list[Member]], order: list[str]
) -> dict[tuple[bool, ...], BandMerger]:
    mergers = {}
    for is_missing in product((False, True), repeat=len(BAND_LISTS)):
        stated = [name for name, lacks in zip(BAND_LISTS, is_missing, strict=True) if not lacks]
        names = [member.name for name in stated for member in lists[name]]
        if stated and len({*names}) == len(names):
            mergers[is_missing] = BandMerger({name: lists[name] for name in stated}, order)
    return mergers


def _define_struct(
    title: str, fields: Mapping[str, tuple[str, Any]], *required: tuple[str, Any]
) -> Any:  # noqa: ANN401 - a type
    """Define a struct by the attribute and the type of each member; it refuses other members."""
    optional = [
        (slot, kind if kind is Any else kind | UnsetType, msgspec.field(default=UNSET, name=name))
        for name, (slot, kind) in fields.items()
    ]
    return msgspec.defstruct(title, [*required, *optional], forbid_unknown_fields=True, gc=False)


def _group_by_extension(slots: Mapping[str, str]) -> dict[str, list[str]]:
    """Return the attributes of the fields of each extension, by its prefix."""
    groups: dict[str, list[str]] = {}
    for name, slot in slots.items():
        for prefix in used_extensions({name: None}):
            groups.setdefault(prefix, []).append(slot)
    return groups


class StructRegistry:
    """The structs for the names that occurred, while there is room.

    Attributes:
        structs: The structs for all names so far.
    """

    def __init__(self) -> None:
        self._asset_names: dict[str, None] = {}
        self._band_names: dict[str, dict[str, None]] = {name: {} for name in BAND_LISTS}
        self.structs = AssetStructs(self._asset_names, self._band_names)

    def learn_names(self, raw: dict[str, Any]) -> None:
        """Learn the names of the members of assets, which may be any JSON."""
        assets = _only_objects(raw.values())
        _learn(self._asset_names, assets)
        for name, known in self._band_names.items():
            lists = [each[name] for each in assets if isinstance(each.get(name), list)]
            _learn(known, _only_objects(chain(*lists)))
        self.structs = AssetStructs(self._asset_names, self._band_names)


def _only_objects(values: Iterable[object]) -> list[dict[str, Any]]:
    return [each for each in values if isinstance(each, dict)]


def _learn(known: dict[str, None], objects: list[dict[str, Any]]) -> None:
    for name in chain(*objects):
        if len(known) < MAX_NAMES:
            known[name] = None
