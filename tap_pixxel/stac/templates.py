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

from tap_pixxel.stac.assets import Assets, Rules, in_order
from tap_pixxel.stac.hrefs import PLAIN

if TYPE_CHECKING:
    from tap_pixxel.stac.notes import Note

KINDS: Final = 64
"""Templates that are remembered, one for each kind of image."""
LONGEST: Final = 1 << 18
"""Bytes of a text that is worth remembering."""
_PLACE: Final = b'"href":""'
_HREF: Final = re.compile(b'"href":"(' + PLAIN.encode() + b')"')
_write: Final = msgspec.json.Encoder().encode
_UNREADABLE: Final = (ValueError, RecursionError, TypeError)


class _Template(NamedTuple):
    """What a text without hrefs becomes.

    Attributes:
        pieces: JSON before, between and behind the hrefs.
        order: which of the text's hrefs stands where, in the order of the converted assets.
    """

    pieces: tuple[bytes, ...]
    order: tuple[int, ...]
    notes: tuple[Note, ...]
    extensions: frozenset[str]
    took: tuple[bool, bool]


def in_text(text: bytes, rules: Rules, notes: list[Note]) -> Assets | None:
    """Convert the JSON text of an item's assets.

    Args:
        text: the object of assets.
        rules: what applies to all of them.
        notes: where to say what was done.

    Returns:
        The assets as text (`msgspec.Raw`); None when they do not fit the pattern: every asset has
        a plain absolute href and a type, and none is nested in another.
    """
    if len(text) > LONGEST:
        return None
    parts = _HREF.split(text)
    hrefs = parts[1::2]
    template = _template(_PLACE.join(parts[::2]), rules)
    if template is None or len(template.order) != len(hrefs):
        return None
    placed = [hrefs[at] for at in template.order]
    notes += template.notes
    made = chain.from_iterable(zip(template.pieces, placed, strict=False))
    whole = b"".join((*made, template.pieces[-1]))
    return Assets(msgspec.Raw(whole), template.extensions, template.took)


@lru_cache(KINDS)
def _template(text: bytes, rules: Rules) -> _Template | None:
    try:
        raw = msgspec.json.decode(text)
        rests = _rests(raw) if isinstance(raw, dict) else None
        if not rests or len(rests) != text.count(b'"href"'):
            return None
        found = in_order([(key, rest, "") for key, rest in rests], rules)
        parts = [_piece(key, fields) for key, fields in found.fields]
    except _UNREADABLE:
        return None
    places = {key: at for at, (key, _) in enumerate(rests)}
    heads, tails = zip(*parts, strict=True)
    between = (b"%s,%s" % each for each in zip(tails, heads[1:], strict=False))
    return _Template(
        (b"{" + heads[0], *between, tails[-1] + b"}"),
        tuple(places[key] for key, _ in found.fields),
        found.notes,
        found.extensions,
        found.took,
    )


def _rests(raw: dict[str, Any]) -> list[tuple[str, dict[str, Any]]] | None:
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


def _piece(key: str, fields: dict[str, Any]) -> tuple[bytes, bytes]:
    """Give what stands before and behind the href of an asset."""
    rest = b"," + _write(fields)[1:]  # there is a type at least
    return _write(key) + b':{"href":"', b'"' + rest
