"""Answers to signed URLs: the name of the file, and whether what comes is the file at all."""

from __future__ import annotations

import unicodedata
from contextlib import suppress
from email.message import Message
from pathlib import PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

LONGEST = 200
"""Bytes of a file's name; most file systems take 255, and a temporary name is longer."""
HEAD = 16
"""Bytes at the beginning of a file that tell what it is."""
_RESERVED = str.maketrans(dict.fromkeys('/\\:*?"<>|', "_"))
_XML = (".xml", ".gml", ".kml", ".svg", ".vrt")
_JSON = (".json", ".geojson", ".jsonl", ".ndjson")
_TEXT = (*_XML, *_JSON, ".txt", ".csv", ".md", ".log", ".wkt", ".prj")
_OBJECT = (b"{", b"[")
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_BEGINNINGS: dict[str, tuple[bytes, ...]] = {
    ".zip": (b"PK\3\4", b"PK\5\6"),
    ".tif": _TIFF,
    ".tiff": _TIFF,
    ".json": _OBJECT,
    ".geojson": _OBJECT,
}
"""How a file of a type begins, by the extension of its name."""


def name_of(headers: Mapping[str, str], url: str) -> str:
    """Give the name under which a file may be saved; empty when it has none that is safe.

    Args:
        headers: Of the answer, of which `Content-Disposition` is looked at first.
        url: The signed URL, the last part of whose path is the name otherwise.
    """
    disposition = Message()
    disposition["Content-Disposition"] = _text(headers.get("Content-Disposition") or "")
    named = disposition.get_filename() or ""
    return safe(named) or safe(unquote(urlsplit(url).path.rpartition("/")[2]))


def safe(name: str) -> str:
    """Make a name that stays in its folder, is not hidden, and that every file system takes."""
    last = name.replace("\\", "/").rpartition("/")[2]
    shown = "".join(each for each in unicodedata.normalize("NFC", last) if each.isprintable())
    made = shown.translate(_RESERVED).strip(" .")
    suffix = PurePosixPath(made).suffix
    if len(suffix.encode()) > LONGEST // 2:
        suffix = ""
    stem = made[: len(made) - len(suffix)].encode()[: LONGEST - len(suffix.encode())]
    return f"{stem.decode(errors='ignore')}{suffix}"


def _text(header: str) -> str:
    """Read a header, which may be in UTF-8 though HTTP knows no such thing, in one line."""
    with suppress(UnicodeError):
        header = header.encode("latin-1").decode()
    return " ".join(header.split())


def wrong_type(name: str, content_type: str) -> str | None:
    """Say why an answer cannot be the file, by its `Content-Type`; None when it may be.

    Services answer with a page of HTML, or an error in XML or JSON, where they should fail.
    """
    kind = content_type.partition(";")[0].strip().lower()
    suffix = PurePosixPath(name).suffix.lower()
    if kind in {"text/html", "application/xhtml+xml"}:
        return "the answer is a page of HTML"
    for ends, what, suffixes in (
        (("/xml", "+xml"), "XML", _XML),
        (("json",), "JSON", _JSON),
    ):
        if kind.endswith(ends):
            return None if suffix in suffixes else f"the answer is {what}"
    if kind.startswith("text/") and suffix not in _TEXT:
        return "the answer is a text"
    return None


def wrong_beginning(name: str, head: bytes) -> str | None:
    """Say why what begins like this is not the file, by its name's extension; None if it may be."""
    suffix = PurePosixPath(name).suffix.lower()
    wanted = _BEGINNINGS.get(suffix)
    if wanted is None or head.removeprefix(b"\xef\xbb\xbf").lstrip(b" \t\r\n").startswith(wanted):
        return None
    return f"what comes does not begin as a {suffix} does"
