"""Convert the JSON text of assets by templates, without making objects of the assets.

The assets of an image mostly differ from those of the previous image of its kind only in their
hrefs. Their text without the hrefs is a template. The result of a template is cached as pieces of
JSON, and the hrefs are inserted between the pieces. Text that does not fit is not converted here.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from tap_pixxel.stac.assets.convert import AssetOptions, ConvertedAssets, RawAsset, convert_sorted
from tap_pixxel.stac.hrefs import PLAIN_URL

if TYPE_CHECKING:
    from tap_pixxel.stac.result import ConversionNote

CACHE_SIZE = 64
"""Templates to keep, one for each kind of image."""
MAX_CACHED_BYTES = 1 << 18
"""Size of a text up to which it is cached."""
MIN_CACHED_BYTES = 1 << 12
"""Size of a text from which a template is faster than the forms of its assets."""
_HEAD_BYTES = 2048
_MAX_KNOWN = 8 * CACHE_SIZE
_EMPTY_HREF = b'"href":""'
_HREF = re.compile(b'"href":"(' + PLAIN_URL.encode() + b')"')
_encode = msgspec.json.Encoder().encode
_DECODE_ERRORS = (ValueError, RecursionError, TypeError)


class _Template(NamedTuple):
    """The result of a text without hrefs.

    Attributes:
        pieces: JSON before, between and after the hrefs.
        href_order: for each converted asset, in order, the index of its href in the text.
        notes: the notes on the assets.
        extensions: prefixes of the extensions that the assets use.
        used_factors: as in `ConvertedAssets`.
    """

    pieces: tuple[bytes, ...]
    href_order: tuple[int, ...]
    notes: tuple[ConversionNote, ...]
    extensions: frozenset[str]
    used_factors: frozenset[str]


def convert_raw_assets(
    text: bytes, options: AssetOptions, notes: list[ConversionNote]
) -> ConvertedAssets | None:
    """Convert the JSON text of an item's assets, if the text without hrefs occurred before.

    A template is made when its text occurs for the second time. The beginning of a text is looked
    up first, so that a text which occurs once costs little.

    Args:
        text: The object of assets.
        options: Options for all of them.
        notes: List to which notes are added.

    Returns:
        The assets as text (`msgspec.Raw`); None when the text is new or does not fit: every asset
        must have a plain absolute href and a type, and no href may be in a nested object.
    """
    if not MIN_CACHED_BYTES <= len(text) <= MAX_CACHED_BYTES:
        return None
    head = text[: text.rfind(b'"href"', 0, _HEAD_BYTES)]
    if not _is_repeated(_HREF.sub(_EMPTY_HREF, head)):
        return None
    parts = _HREF.split(text)
    hrefs = parts[1::2]
    shape = _EMPTY_HREF.join(parts[::2])
    if not _is_repeated(shape):
        return None
    template = _make_template(shape, options)
    if template is None or len(template.href_order) != len(hrefs):
        return None
    placed = [hrefs[at] for at in template.href_order]
    notes += template.notes
    made = chain.from_iterable(zip(template.pieces, placed, strict=False))
    whole = b"".join((*made, template.pieces[-1]))
    return ConvertedAssets(msgspec.Raw(whole), template.extensions, template.used_factors)


_known: OrderedDict[int, None] = OrderedDict()
"""Hashes of the most recent texts, and of their beginnings."""


def _is_repeated(text: bytes) -> bool:
    """Return whether a text occurred before, and remember it."""
    key = hash(text)
    if key in _known:
        _known.move_to_end(key)
        return True
    _known[key] = None
    if len(_known) > _MAX_KNOWN:
        _known.popitem(last=False)
    return False


@lru_cache(CACHE_SIZE)
def _make_template(text: bytes, options: AssetOptions) -> _Template | None:
    notes: list[ConversionNote] = []
    try:
        raw = msgspec.json.decode(text)
        found = _find_assets(raw) if isinstance(raw, dict) else None
        if not found or len(found) != text.count(b'"href"'):
            return None
        converted = convert_sorted(found, options, notes)
        assets: dict[str, Any] = converted.assets  # type: ignore[assignment]  # not text here
        parts = [_split_at_href(key, fields) for key, fields in assets.items()]
    except _DECODE_ERRORS:
        return None
    places = {key: at for at, (key, *_) in enumerate(found)}
    heads, tails = zip(*parts, strict=True)
    between = (b"%s,%s" % each for each in zip(tails, heads[1:], strict=False))
    return _Template(
        (b"{" + heads[0], *between, tails[-1] + b"}"),
        tuple(places[key] for key in assets),
        tuple(notes),
        converted.extensions,
        converted.used_factors,
    )


def _find_assets(raw: dict[str, Any]) -> list[RawAsset] | None:
    """Return the assets, whose hrefs are empty; None when one does not fit."""
    found = []
    for key, asset in raw.items():
        if type(asset) is not dict or asset.get("href") != "" or not key.isascii():
            return None
        media_type = asset.get("type")  # a missing type would be inferred from the href
        if type(media_type) is not str or not media_type.strip():
            return None
        found.append((key, asset, "", ""))
    return found


def _split_at_href(key: str, fields: dict[str, Any]) -> tuple[bytes, bytes]:
    """Return the text before and behind the href of an asset."""
    head, _, tail = _encode(fields).partition(_EMPTY_HREF)  # the href is the first member
    return _encode(key) + b":" + head + b'"href":"', b'"' + tail
