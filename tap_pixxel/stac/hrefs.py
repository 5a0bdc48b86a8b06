"""Hrefs: absolute links, without signatures, that every reader of STAC takes."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final
from urllib.parse import quote, urljoin

from tap_pixxel.stac.signed_urls import strip_signature

_PORT: Final = (
    r"(?:[0-9]{1,4}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
)
"""Up to 65535: a link with a higher one is no URL to validators."""
PLAIN_URL: Final = (
    rf"[a-z][a-z0-9+.-]*://[A-Za-z0-9_.-]+(?::{_PORT})?"
    r"(?:/[A-Za-z0-9\-._~!$&'()*+,;=:@/]*)?"
)
"""An absolute link with no query, no escapes and nothing else to look at twice, as a pattern."""
is_plain_url: Final = re.compile(PLAIN_URL).fullmatch
"""Tell whether a link can be passed on at a glance."""
_ABSOLUTE_URL: Final = re.compile(
    r"[A-Za-z][A-Za-z0-9+.-]*:"
    r"(?://(?:[A-Za-z0-9_.~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*"
    rf"(?::{_PORT}?)?(?=[/?#]|$)|(?!//))"
    r"(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/]|%[0-9A-Fa-f]{2})*"
    r"(?:\?(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/?]|%[0-9A-Fa-f]{2})*)?"
    r"(?:\#(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/?]|%[0-9A-Fa-f]{2})*)?"
)
_UNRESERVED: Final = re.compile(r"[A-Za-z0-9_.~-]+")
_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")
_STRAY_PERCENT: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_SAFE_IN_PATH: Final = "-._~!$&'()*+,;=:/"
_SAFE_IN_URL: Final = f"{_SAFE_IN_PATH}@?%#"


@lru_cache(1024)
def make_absolute(href: str, base: str | None = None) -> str | None:
    """Give a link as an absolute one without its signature, characters escaped as URLs want it.

    Args:
        href: a link, perhaps a relative one.
        base: an absolute link to resolve it against.

    Returns:
        The link, or None when there is none in the text.
    """
    if is_plain_url(href):
        return href
    href = href.strip()
    if not href:
        return None
    if base and not _SCHEME.match(href):
        href = _resolve(base, href)
    head, mark, fragment = strip_signature(href).partition("#")
    href = head + (mark + fragment.replace("#", "%23"))
    # Half a surrogate pair as the digits it has: a ? would begin a query.
    href = quote(_STRAY_PERCENT.sub("%25", href), safe=_SAFE_IN_URL, errors="backslashreplace")
    return href if _ABSOLUTE_URL.fullmatch(href) else None


def _resolve(base: str, href: str) -> str:
    # The library joins only schemes that it knows to have paths, and s3 is not among them.
    scheme, _, rest = base.partition(":")
    try:
        return f"{scheme}:{urljoin(f'http:{rest}', href).removeprefix('http:')}"
    except ValueError:  # such as a host in brackets that is no address
        return ""


def quote_segment(part: str) -> str:
    """Escape an id for its place in a path."""
    return part if _UNRESERVED.fullmatch(part) else quote(part, safe="", errors="replace")


def quote_path(path: str) -> str:
    """Escape a path of which every character is meant: a % is no escape, a ? begins no query.

    An @ is escaped too, so that nothing in it looks like a user's name.
    """
    return quote(path, safe=_SAFE_IN_PATH, errors="replace")
