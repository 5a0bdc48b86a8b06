"""Assets as the text that came: what is the same in many images is converted once, as text.

The assets of an image mostly differ from those of the last one of its kind in their hrefs alone.
Their text without the hrefs is a template; what a template becomes is remembered as pieces of
JSON, between which the hrefs are put back. So no object is made of an asset. Whatever does not fit
the pattern is not converted here.
"""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from tap_pixxel.stac.assets.convert import AssetOptions, ConvertedAssets, convert_sorted
from tap_pixxel.stac.hrefs import PLAIN_URL

if TYPE_CHECKING:
    from tap_pixxel.stac.result import ConversionNote

CACHE_SIZE: Final = 64
"""Templates that are remembered, one for each kind of image."""
MAX_CACHED_BYTES: Final = 1 << 18
"""Bytes of a text that is worth remembering."""
_EMPTY_HREF: Final = b'"href":""'
_HREF: Final = re.compile(b'"href":"(' + PLAIN_URL.encode() + b')"')
_encode: Final = msgspec.json.Encoder().encode
_DECODE_ERRORS: Final = (ValueError, RecursionError, TypeError)


class _Template(NamedTuple):
    """What a text without hrefs becomes.

    Attributes:
        pieces: JSON before, between and behind the hrefs.
        order: which of the text's hrefs stands where, in the order of the converted assets.
    """

    pieces: tuple[bytes, ...]
    href_order: tuple[int, ...]
    notes: tuple[ConversionNote, ...]
    extensions: frozenset[str]
    used_factors: tuple[bool, bool]


def convert_raw_assets(
    text: bytes, rules: AssetOptions, notes: list[ConversionNote]
) -> ConvertedAssets | None:
    """Convert the JSON text of an item's assets.

    Args:
        text: the object of assets.
        rules: what applies to all of them.
        notes: where to say what was done.

    Returns:
        The assets as text (`msgspec.Raw`); None when they do not fit the pattern: every asset has
        a plain absolute href and a type, and none is nested in another.
    """
    if len(text) > MAX_CACHED_BYTES:
        return None
    parts = _HREF.split(text)
    hrefs = parts[1::2]
    template = _make_template(_EMPTY_HREF.join(parts[::2]), rules)
    if template is None or len(template.href_order) != len(hrefs):
        return None
    placed = [hrefs[at] for at in template.href_order]
    notes += template.notes
    made = chain.from_iterable(zip(template.pieces, placed, strict=False))
    whole = b"".join((*made, template.pieces[-1]))
    return ConvertedAssets(msgspec.Raw(whole), template.extensions, template.used_factors)


@lru_cache(CACHE_SIZE)
def _make_template(text: bytes, rules: AssetOptions) -> _Template | None:
    try:
        raw = msgspec.json.decode(text)
        rests = _assets_without_href(raw) if isinstance(raw, dict) else None
        if not rests or len(rests) != text.count(b'"href"'):
            return None
        found = convert_sorted([(key, rest, "") for key, rest in rests], rules)
        parts = [_split_at_href(key, fields) for key, fields in found.fields]
    except _DECODE_ERRORS:
        return None
    places = {key: at for at, (key, _) in enumerate(rests)}
    heads, tails = zip(*parts, strict=True)
    between = (b"%s,%s" % each for each in zip(tails, heads[1:], strict=False))
    return _Template(
        (b"{" + heads[0], *between, tails[-1] + b"}"),
        tuple(places[key] for key, _ in found.fields),
        found.notes,
        found.extensions,
        found.used_factors,
    )


def _assets_without_href(raw: dict[str, Any]) -> list[tuple[str, dict[str, Any]]] | None:
    """Give the assets without their places for hrefs; None where one does not fit."""
    rests = []
    for key, asset in raw.items():
        if type(asset) is not dict or asset.pop("href", None) != "" or not key.isascii():
            return None
        kind = asset.get("type")  # without one it would be told by the href
        if type(kind) is not str or not kind.strip():
            return None
        rests.append((key, asset))
    return rests


def _split_at_href(key: str, fields: dict[str, Any]) -> tuple[bytes, bytes]:
    """Give what stands before and behind the href of an asset."""
    rest = b"," + _encode(fields)[1:]  # there is a type at least
    return _encode(key) + b':{"href":"', b'"' + rest
