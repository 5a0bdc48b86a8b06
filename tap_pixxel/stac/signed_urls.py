"""Strip credentials (SigV4, SAS, user names and passwords) from URLs.

A signature gives access to whoever holds the URL, and it changes with every request.
"""

from __future__ import annotations

import re

SIGNATURE_PARAMS = (
    re.compile(r"x-amz-.*"),
    re.compile(r"x-goog-.*"),
    re.compile(r"sig|signature|token|access_token|api_key|apikey"),
    re.compile(r"awsaccesskeyid|googleaccessid|key-pair-id|policy"),
)
"""Query parameters, in lower case, that sign a URL."""
COMPANION_PARAMS = re.compile(
    r"s[vtepr]|ss|srt|spr|sip|sk(?:oid|tid|t|e|s|v)|s(?:igx?|du?)|expires"
)
"""Query parameters that belong to a signature, and have another meaning in unsigned URLs."""
_SIGNING = "|".join(param.pattern for param in SIGNATURE_PARAMS).replace(".*", r"[^=&#\s]*")
_SIGNING_OR_COMPANION = f"{_SIGNING}|{COMPANION_PARAMS.pattern}"
_SIGNATURE = re.compile(
    rf"(?:(?:{_SIGNING_OR_COMPANION})=[^&#]*&)*(?:{_SIGNING})=[^&#]*"
    rf"(?:&(?:{_SIGNING_OR_COMPANION})=[^&#]*)*",
    re.ASCII | re.IGNORECASE,
)
_URL_PARTS = re.compile(r"([^?#]*)(?:\?([^#]*))?(#.*)?", re.DOTALL)
_USERINFO = re.compile(r"(?<=://)[^/@\s]*@")


def is_signature(query: str) -> bool:
    """Return whether a query consists of a signature alone; False also for unusual ones."""
    if query.startswith("X-Amz-") and query.count("&") == query.count("&X-Amz-"):
        return query.isprintable() and "#" not in query
    return _SIGNATURE.fullmatch(query) is not None


def strip_signature(href: str) -> str:
    """Return an href without signature, user name and password; other parameters stay."""
    parts = _URL_PARTS.fullmatch(href)
    if not parts:  # pragma: no cover - the pattern matches every text
        return href
    path, query, fragment = parts.groups()
    stripped = _USERINFO.sub("", path)
    if query is None:
        return stripped + (fragment or "")
    pairs = query.split("&")
    names = [pair.partition("=")[0].lower().strip() for pair in pairs]
    if any(_is_signature_param(name) for name in names):
        pairs = [
            pair
            for name, pair in zip(names, pairs, strict=True)
            if not _is_signature_param(name) and not COMPANION_PARAMS.fullmatch(name)
        ]
    query = "&".join(pairs)
    return stripped + (f"?{query}" if query else "") + (fragment or "")


def _is_signature_param(name: str) -> bool:
    return any(pattern.fullmatch(name) for pattern in SIGNATURE_PARAMS)
