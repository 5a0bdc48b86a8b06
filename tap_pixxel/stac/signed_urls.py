"""Signatures: what in a link gives access to whoever holds it, and changes with every call."""

from __future__ import annotations

import re
from typing import Final

SIGNATURE_PARAMS: Final = (
    re.compile(r"x-amz-.*"),
    re.compile(r"x-goog-.*"),
    re.compile(r"sig|signature|token|access_token|api_key|apikey"),
    re.compile(r"awsaccesskeyid|googleaccessid|key-pair-id|policy"),
)
"""Parameters, in lower case, that sign a link."""
COMPANION_PARAMS: Final = re.compile(
    r"s[vtepr]|ss|srt|spr|sip|sk(?:oid|tid|t|e|s|v)|s(?:igx?|du?)|expires"
)
"""Parameters that belong to a signature where there is one, and may mean anything elsewhere."""
_URL_PARTS: Final = re.compile(r"([^?#]*)(?:\?([^#]*))?(#.*)?", re.DOTALL)
_USERINFO: Final = re.compile(r"(?<=://)[^/@\s]*@")


def strip_signature(href: str) -> str:
    """Give a link without its signature and without a user's name; other parameters stay."""
    parts = _URL_PARTS.fullmatch(href)
    if not parts:  # pragma: no cover - the pattern takes every text
        return href
    path, query, fragment = parts.groups()
    bare = _USERINFO.sub("", path)
    if query is None:
        return bare + (fragment or "")
    pairs = query.split("&")
    names = [pair.partition("=")[0].lower().strip() for pair in pairs]
    if any(_is_signature_param(name) for name in names):
        pairs = [
            pair
            for name, pair in zip(names, pairs, strict=True)
            if not _is_signature_param(name) and not COMPANION_PARAMS.fullmatch(name)
        ]
    query = "&".join(pairs)
    return bare + (f"?{query}" if query else "") + (fragment or "")


def _is_signature_param(name: str) -> bool:
    return any(pattern.fullmatch(name) for pattern in SIGNATURE_PARAMS)
