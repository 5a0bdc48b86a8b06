"""Convert the JSON text of assets by templates, without making objects of the assets.

The assets of an image mostly differ from those of the previous image of its kind only in their
hrefs. Their text without the hrefs is a template. The result of a template is cached as pieces of
JSON, and the hrefs are inserted between the pieces. Text that does not fit is not converted here.
"""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from tap_pixxel.stac.assets.convert import AssetOptions, ConvertedAssets, convert_sorted
from tap_pixxel.stac.hrefs import PLAIN_URL

if TYPE_CHECKING:
    from tap_pixxel.stac.result import ConversionNote

CACHE_SIZE = 64
"""Templates to keep, one for each kind of image."""
MAX_CACHED_BYTES = 1 << 18
"""Size of a text up to which it is cached."""
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
    used_factors: tuple[bool, bool]


def convert_raw_assets(
    text: bytes, options: AssetOptions, notes: list[ConversionNote]
) -> ConvertedAssets | None:
    """Convert the JSON text of an item's assets.

    Args:
        text: the object of assets.
        options: options for all of them.
        notes: list to which notes are added.

    Returns:
        The assets as text (`msgspec.Raw`); None when the text does not fit: every asset must have
        a plain absolute href and a type, and no href may be in a nested object.
    """
    if len(text) > MAX_CACHED_BYTES:
        return None
    parts = _HREF.split(text)
    hrefs = parts[1::2]
    template = _make_template(_EMPTY_HREF.join(parts[::2]), options)
    if template is None or len(template.href_order) != len(hrefs):
        return None
    ordered_hrefs = [hrefs[index] for index in template.href_order]
    notes += template.notes
    pieces = chain.from_iterable(zip(template.pieces, ordered_hrefs, strict=False))
    assets = b"".join((*pieces, template.pieces[-1]))
    return ConvertedAssets(msgspec.Raw(assets), template.extensions, template.used_factors)


@lru_cache(CACHE_SIZE)
def _make_template(text: bytes, options: AssetOptions) -> _Template | None:
    try:
        raw = msgspec.json.decode(text)
        assets_without_href = _assets_without_href(raw) if isinstance(raw, dict) else None
        if not assets_without_href or len(assets_without_href) != text.count(b'"href"'):
            return None
        converted = convert_sorted([(key, rest, "") for key, rest in assets_without_href], options)
        parts = [_split_at_href(key, fields) for key, fields in converted.fields]
    except _DECODE_ERRORS:
        return None
    indexes = {key: index for index, (key, _) in enumerate(assets_without_href)}
    heads, tails = zip(*parts, strict=True)
    between = (b"%s,%s" % each for each in zip(tails, heads[1:], strict=False))
    return _Template(
        (b"{" + heads[0], *between, tails[-1] + b"}"),
        tuple(indexes[key] for key, _ in converted.fields),
        converted.notes,
        converted.extensions,
        converted.used_factors,
    )


def _assets_without_href(raw: dict[str, Any]) -> list[tuple[str, dict[str, Any]]] | None:
    """Return the assets without their emptied hrefs; None when one does not fit."""
    assets_without_href = []
    for key, asset in raw.items():
        if type(asset) is not dict or asset.pop("href", None) != "" or not key.isascii():
            return None
        kind = asset.get("type")  # a missing type would be inferred from the href
        if type(kind) is not str or not kind.strip():
            return None
        assets_without_href.append((key, asset))
    return assets_without_href


def _split_at_href(key: str, fields: dict[str, Any]) -> tuple[bytes, bytes]:
    """Return the JSON before and after the href of an asset."""
    rest = b"," + _encode(fields)[1:]  # fields has at least a type
    return _encode(key) + b':{"href":"', b'"' + rest
