"""Which hrefs of an export may become links: http(s) and relative ones; others stay text."""

from __future__ import annotations

import posixpath
import re
from typing import NamedTuple
from urllib.parse import quote, urlsplit

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_RESERVED = "%/?#:@!$&'()*+,;=~[]"  # what RFC 3986 gives a meaning, and what is encoded already
_LONGEST = 4096  # characters; a signed URL has some 1,500


class Link(NamedTuple):
    """A line under an item's properties.

    Attributes:
        label: What it leads to.
        href: Where, when that is safe to follow.
        text: What to show of an href that is not.
    """

    label: str
    href: str | None
    text: str


def file_link(label: str, path: str) -> Link:
    """Link a file of the export by its path, which is not percent-encoded."""
    href = "./" + quote(_plain(path), safe="/", errors="replace") if _is_relative(path) else None
    return Link(label, href, _short(path))


def asset_link(label: str, href: str, item_path: str | None) -> Link:
    """Link an asset by its href, a URI reference relative to its item's JSON (STAC 1.1, Asset)."""
    return Link(label, _absolute(href) or _beside(href, item_path), _short(href))


def _absolute(href: str) -> str | None:
    try:
        parts = urlsplit(href)
        if parts.scheme.lower() not in {"http", "https"} or not parts.hostname:
            return None
    except ValueError:  # no URL at all
        return None
    return _encoded(href)


def _beside(href: str, item_path: str | None) -> str | None:
    """Resolve a relative href against the item's folder; None where there is no such folder."""
    if item_path is None or not (_is_relative(item_path) and _is_relative(href)):
        return None
    folder = quote(posixpath.dirname(_plain(item_path)), safe="/", errors="replace")
    rest = _encoded(_plain(href))
    if rest is None:
        return None
    return f"./{folder}/{rest}" if folder else f"./{rest}"


def _encoded(reference: str) -> str | None:
    if len(reference) > _LONGEST:
        return None
    return quote(reference, safe=_RESERVED, errors="replace")


def _is_relative(path: str) -> bool:
    """Tell a path inside the export from a scheme, another host and the file system's root."""
    # A browser drops control characters and spaces in front, and reads a backslash as a slash.
    return bool(path) and path[0] > " " and path[0] not in "/\\" and not _SCHEME.match(path)


def _plain(path: str) -> str:
    return path.removeprefix("./")


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"
