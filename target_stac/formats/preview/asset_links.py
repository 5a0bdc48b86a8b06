"""Make links of safe hrefs only, http(s) and relative ones; show other hrefs as text."""

from __future__ import annotations

import posixpath
import re
from typing import NamedTuple
from urllib.parse import quote, urlsplit

_URL_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_RESERVED_CHARACTERS = "%/?#:@!$&'()*+,;=~[]"  # reserved by RFC 3986, and % of encoded characters
_ENCODED_URL = re.compile(
    r"https?://[A-Za-z0-9][A-Za-z0-9.-]*(?::[0-9]+)?"
    rf"(?:[/?#][A-Za-z0-9_.~{re.escape(_RESERVED_CHARACTERS)}-]*)?"
)
"""A web URL with nothing to encode."""
_MAX_HREF_LENGTH = 4096  # characters; a signed URL has some 1,500


class PreviewLink(NamedTuple):
    """A link of the page, or an href that is not safe to follow.

    Attributes:
        text: The href, percent-encoded if it is safe.
        is_safe: Whether it may be followed.
    """

    text: str
    is_safe: bool


def make_file_link(path: str) -> PreviewLink:
    """Return a link to a file of the export, by its path, which is not percent-encoded."""
    if not _is_relative(path):
        return PreviewLink(_shorten(path), is_safe=False)
    return PreviewLink(
        "./" + quote(_strip_dot_slash(path), safe="/", errors="replace"), is_safe=True
    )


def make_asset_link(href: str, item_path: str | None) -> PreviewLink:
    """Return a link to an asset.

    Args:
        href: URI reference, relative to the item's file (STAC 1.1, Asset).
        item_path: Path of the item's file; None if it has none.
    """
    safe = _encode_web_url(href) or _resolve_relative(href, item_path)
    return PreviewLink(safe or _shorten(href), is_safe=safe is not None)


def _encode_web_url(href: str) -> str | None:
    if len(href) <= _MAX_HREF_LENGTH and _ENCODED_URL.fullmatch(href):
        return href
    try:
        parts = urlsplit(href)
        if parts.scheme.lower() not in {"http", "https"} or not parts.hostname:
            return None
    except ValueError:  # not a URL
        return None
    return _encode_href(href)


def _resolve_relative(href: str, item_path: str | None) -> str | None:
    """Resolve a relative href against the folder of the item's file; None if it has no file."""
    if item_path is None or not (_is_relative(item_path) and _is_relative(href)):
        return None
    folder = quote(posixpath.dirname(_strip_dot_slash(item_path)), safe="/", errors="replace")
    path = _encode_href(_strip_dot_slash(href))
    if path is None:
        return None
    return f"./{folder}/{path}" if folder else f"./{path}"


def _encode_href(reference: str) -> str | None:
    if len(reference) > _MAX_HREF_LENGTH:
        return None
    return quote(reference, safe=_RESERVED_CHARACTERS, errors="replace")


def _is_relative(path: str) -> bool:
    """Return whether a path has no scheme, names no host and does not start at the root."""
    # Browsers strip leading control characters and spaces, and read a backslash as a slash.
    return bool(path) and path[0] > " " and path[0] not in "/\\" and not _URL_SCHEME.match(path)


def _strip_dot_slash(path: str) -> str:
    return path.removeprefix("./")


def _shorten(text: str) -> str:
    return text if len(text) <= _MAX_HREF_LENGTH else text[:_MAX_HREF_LENGTH] + "…"
