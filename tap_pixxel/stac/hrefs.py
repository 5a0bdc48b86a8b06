"""Make hrefs absolute, escaped and free of signatures, so that every STAC reader accepts them."""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import quote, urljoin

from tap_pixxel.stac.signed_urls import is_signature, strip_signature

_PORT = r"(?:[0-9]{1,4}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
"""Up to 65535: validators reject URLs with a higher port."""
PLAIN_URL = (
    rf"[a-z][a-z0-9+.-]*+://[A-Za-z0-9_.-]++(?::{_PORT})?"
    r"(?:/[A-Za-z0-9\-._~!$&'()*+,;:@/]*+)?"
)
"""Pattern of an absolute URL without parameters, fragment, escapes and user: it stays unchanged."""
is_plain_url = re.compile(PLAIN_URL).fullmatch
"""Return whether an href is a `PLAIN_URL`."""
_ABSOLUTE_URL = re.compile(
    r"[A-Za-z][A-Za-z0-9+.-]*:"
    r"(?://(?:[A-Za-z0-9_.~!$&'()*+,;=-]++|%[0-9A-Fa-f]{2})*+"
    rf"(?::{_PORT}?)?(?=[/?#]|$)|(?!//))"
    r"(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/]++|%[0-9A-Fa-f]{2})*+"
    r"(?:\?(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/?]++|%[0-9A-Fa-f]{2})*+)?"
    r"(?:\#(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/?]++|%[0-9A-Fa-f]{2})*+)?"
)
_SEGMENT = r"[A-Za-z0-9_~-][A-Za-z0-9_.~-]*"
_PLAIN_RELATIVE = re.compile(rf"(?:\.?/)?{_SEGMENT}(?:/{_SEGMENT})*")
_PLAIN_BASE = re.compile(
    rf"(?P<folder>(?P<origin>[a-z][a-z0-9+.-]*://[A-Za-z0-9_.:-]+)/(?:{_SEGMENT}/)*)(?:{_SEGMENT})?"
)
_UNRESERVED = re.compile(r"[A-Za-z0-9_.~-]+")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")
_STRAY_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_SAFE_IN_PATH = "-._~!$&'()*+,;=:/"
_SAFE_IN_URL = f"{_SAFE_IN_PATH}@?%#"


def make_absolute(href: str, base: str | None = None) -> str | None:
    """Return an href as an absolute URL, escaped and without its signature.

    Args:
        href: an absolute or relative href.
        base: an absolute URL to resolve it against.

    Returns:
        The URL, or None when the text is not a valid href.
    """
    if base and _PLAIN_RELATIVE.fullmatch(href) and (parts := _split_plain_base(base)):
        origin, folder = parts
        return origin + href if href[0] == "/" else folder + href.removeprefix("./")
    path, has_query, query = href.partition("?")
    if is_plain_url(path) and (not has_query or is_signature(query)):
        return path
    href = href.strip()
    if not href:
        return None
    if base and not _SCHEME.match(href):
        href = _resolve(base, href)
    href = strip_signature(href)
    if _ABSOLUTE_URL.fullmatch(href):
        return href
    head, mark, fragment = href.partition("#")
    href = head + (mark + fragment.replace("#", "%23"))
    # A lone surrogate is written as its digits: a ? would begin a query.
    href = quote(_STRAY_PERCENT.sub("%25", href), safe=_SAFE_IN_URL, errors="backslashreplace")
    return href if _ABSOLUTE_URL.fullmatch(href) else None


@lru_cache(16)
def _split_plain_base(base: str) -> tuple[str, str] | None:
    """Return the origin and the folder of a base, to which plain hrefs are appended; else None."""
    if "/" not in base.partition("://")[2]:
        base += "/"
    match = _PLAIN_BASE.fullmatch(base)
    return (match["origin"], match["folder"]) if match and is_plain_url(base) else None


def _resolve(base: str, href: str) -> str:
    # urljoin resolves only schemes that it knows to have paths, and s3 is not among them.
    scheme, _, rest = base.partition(":")
    try:
        return f"{scheme}:{urljoin(f'http:{rest}', href).removeprefix('http:')}"
    except ValueError:  # such as a host in brackets that is not an IP address
        return ""


def quote_segment(segment: str) -> str:
    """Escape an id for use as a segment of a path."""
    return segment if _UNRESERVED.fullmatch(segment) else quote(segment, safe="", errors="replace")


def quote_path(path: str) -> str:
    """Escape a path in which every character is literal: % is no escape, ? begins no query.

    @ is escaped too, so that no part of the path looks like a user name.
    """
    return quote(path, safe=_SAFE_IN_PATH, errors="replace")
