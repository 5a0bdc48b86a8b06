"""Strip credentials (signatures, tokens, keys, user names and passwords) from URLs.

They give access to whoever holds the URL, and signatures change with every request.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, unquote_plus

if TYPE_CHECKING:
    from collections.abc import Callable

SECRET_PARAMS = {
    "word for a secret": (
        r"(?:.*[^a-z0-9])?(?:key|o?auth|authorization|authentication|pwd|sig|sign|otp|ticket|bearer)",
        r".*(?:token|jwt|hmac|password|passwd|passphrase|secret|signature|credentials?)",
        r".*(?:api|access|account|app|auth|client|license|private|secret|shared|signing|user)key",
        r".*sess(?:ion)?[-_.]?id",
    ),
    "AWS": (r"x-amz-.*", r"awsaccesskeyid"),
    "Amazon CloudFront": (r"key-pair-id", r"policy"),
    "Google Cloud": (r"x-goog-.*", r"googleaccessid"),
    "Alibaba and Huawei Cloud": (
        r"x-oss-(?:credential|date|expires|additional-headers|signature-version)",
        r"(?:oss)?accesskeyid",
    ),
    "Tencent Cloud": (r"q-(?:ak|sign-.*|key-time|header-list|url-param-list)",),
    "Akamai": (r"hdn(?:ts|ea|tl)", r"__(?:token|gda)__"),
    "Maxar": (r"connectid",),
}
"""Patterns of the names, in lower case, of parameters with a secret, by where they are used."""
ORDINARY_PARAMS = (
    r"(?:.*[^a-z0-9])?(?:page|pagination|cursor|continuation|next|prev|previous|skip|sync)[-_.]?token",
    r".*(?:sort|order|group|partition|primary|foreign|row|object|cache|color|legend)[-_.]key",
    r".*spectral[-_.]?signature",
)
"""Patterns of the names of parameters that hold none, although they match `SECRET_PARAMS`."""
COMPANION_PARAMS = (
    r"s[vtepr]|ss|srt|spr|sip|si|sdd|scid|ses|saoid|suoid|sk(?:oid|tid|t|e|s|v)|sigx|sdu?",
    r"expires|urlprefix|keyname|token[-_]path",
)
"""Patterns of the names of parameters that accompany a secret, and else have other meanings."""

_MAX_DEPTH = 20  # of values in values, encoded or not
_SECRET_PATTERN = "|".join(pattern for patterns in SECRET_PARAMS.values() for pattern in patterns)
_is_secret = re.compile(
    rf"(?!(?:{'|'.join(ORDINARY_PARAMS)})\Z)(?:{_SECRET_PATTERN})", re.DOTALL
).fullmatch
_is_companion = re.compile("|".join(COMPANION_PARAMS)).fullmatch
_URL_PARTS = re.compile(r"([^?#]*)(?:\?([^#]*))?(?:#(.*))?", re.DOTALL)
_SPLIT_PATH = re.compile(r"([/;&])")
_SPLIT_PAIRS = re.compile(r"(&)")
_NAMES = re.compile(r"([^/?&#;=]*)=")
_SEPARATORS = re.compile(r"[/?&#;]")
_NESTED_ESCAPE = re.compile(r"%(?:25)+")
_USERINFO = re.compile(r"\A([a-z][a-z0-9+.-]*://)[^/?#]*@|(?<=://)[^/?#&\s]*@", re.IGNORECASE)
_URL_IN_TEXT = re.compile(r"[^\s\"<>]*://[^\s\"<>]*(?:\s+[?&#;][^\s\"<>]*)*")
_SECRET, _COMPANION, _ORDINARY = range(3)  # kinds of parameters; the hash of an Enum is slow


def is_signature(query: str) -> bool:
    """Return whether a query consists of a signature alone; False also for unusual ones."""
    if query.startswith("X-Amz-") and query.count("&") == query.count("&X-Amz-"):
        return query.isprintable() and "#" not in query
    if "#" in query:
        return False
    kinds = {_classify(pair.partition("=")[0]) for pair in query.split("&")}
    return _SECRET in kinds and _ORDINARY not in kinds


def strip_signatures(text: str) -> str:
    """Return a text whose URLs hold no secrets."""
    return _URL_IN_TEXT.sub(lambda match: strip_signature(match[0]), text)


def strip_signature(href: str, depth: int = 0) -> str:
    """Return an href without user name, password and parameters that hold a secret.

    A parameter is a `name=value` in the query or the fragment, after a semicolon, or a segment of
    the path; also in a URL in the href, percent-encoded or not. Other parameters stay.

    Args:
        href: A URL, absolute or relative.
        depth: The number of URLs around it. A URL with a secret inside of too many is removed.
    """
    if "%" not in href and "@" not in href and not _names_secret(href):
        return href
    if depth > _MAX_DEPTH:
        return "" if _names_secret(_unquote_all(href)) else href
    parts = _URL_PARTS.fullmatch(_USERINFO.sub(r"\1", href))
    if not parts:  # pragma: no cover - the pattern matches every text
        return href
    path, query, fragment = parts.groups()
    stripped = _strip_section(path, depth, is_path=True)
    for mark, section in ("?", query), ("#", fragment):
        if section is not None:
            rest = _strip_section(section, depth)
            stripped += mark + rest if rest or not section else ""
    return stripped


def _strip_section(section: str, depth: int, *, is_path: bool = False) -> str:
    """Strip the path, the query or the fragment of a URL."""
    pieces = (_SPLIT_PATH if is_path else _SPLIT_PAIRS).split(section)
    texts = pieces[::2]
    kinds = [_classify(text.partition("=")[0]) if "=" in text else _ORDINARY for text in texts]
    removed = {_SECRET, _COMPANION} if _SECRET in kinds else set()
    decode = unquote if is_path else unquote_plus
    kept: list[str] = []
    for separator, text, kind in zip(["", *pieces[1::2]], texts, kinds, strict=True):
        stripped = "" if kind in removed else _strip_nested(text, decode, depth)
        if stripped or not text:
            kept += separator if kept else "", stripped
    return "".join(kept)


def _strip_nested(text: str, decode: Callable[[str], str], depth: int) -> str:
    """Strip the URL in a parameter's value, or in a text that is no parameter."""
    name, equals, value = text.partition("=")
    if equals and not _SEPARATORS.search(_unquote_all(name)):
        return name + equals + strip_signature(value, depth + 1)
    if _SEPARATORS.search(text):
        return strip_signature(text, depth + 1)
    decoded = decode(text)
    if decoded == text:
        return text
    stripped = strip_signature(decoded, depth + 1)
    return text if stripped == decoded else quote(stripped, safe="", errors="replace")


def _names_secret(text: str) -> bool:
    """Return whether a URL that is not percent-encoded has a parameter that holds a secret."""
    return _SECRET in map(_classify, _NAMES.findall(text))


def _unquote_all(text: str) -> str:
    """Decode a text that was percent-encoded any number of times."""
    return unquote(_NESTED_ESCAPE.sub("%", text)) if "%" in text else text


@lru_cache(1024)
def _classify(name: str) -> int:
    """Classify a parameter by its name; a name with a separator is that of a nested URL."""
    name = _unquote_all(name).lower().replace("[", ".").replace("]", "")
    if _SEPARATORS.search(name):
        return _ORDINARY
    name = "".join(name.split())
    if _is_secret(name):
        return _SECRET
    return _COMPANION if _is_companion(name) else _ORDINARY
