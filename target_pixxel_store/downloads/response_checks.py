"""Check responses to signed URLs: the name of the file, and whether the content is the file."""

from __future__ import annotations

import unicodedata
from contextlib import suppress
from email.message import Message
from pathlib import PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_FILENAME_BYTES = 200
"""Bytes of a file's name; most file systems allow 255, and a temporary name is longer."""
MAGIC_NUMBER_BYTES = 16
"""Bytes at the start of a file that identify its type."""
_RESERVED_CHARACTERS = str.maketrans(dict.fromkeys('/\\:*?"<>|', "_"))
_XML_SUFFIXES = (".xml", ".gml", ".kml", ".svg", ".vrt")
_JSON_SUFFIXES = (".json", ".geojson", ".jsonl", ".ndjson")
_TEXT_SUFFIXES = (*_XML_SUFFIXES, *_JSON_SUFFIXES, ".txt", ".csv", ".md", ".log", ".wkt", ".prj")
_JSON_STARTS = (b"{", b"[")
_TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_MAGIC_NUMBERS: dict[str, tuple[bytes, ...]] = {
    ".zip": (b"PK\3\4", b"PK\5\6"),
    ".tif": _TIFF_STARTS,
    ".tiff": _TIFF_STARTS,
    ".json": _JSON_STARTS,
    ".geojson": _JSON_STARTS,
}
"""How files start, by the extension of their name."""


def filename_from(headers: Mapping[str, str], url: str) -> str:
    """Return a safe name for a file; empty where there is none.

    Args:
        headers: The response headers; `Content-Disposition` takes precedence.
        url: The signed URL; else the last part of its path is the name.
    """
    disposition = Message()
    disposition["Content-Disposition"] = _decode_header(headers.get("Content-Disposition") or "")
    named = disposition.get_filename() or ""
    return safe_filename(named) or safe_filename(unquote(urlsplit(url).path.rpartition("/")[2]))


def safe_filename(name: str) -> str:
    """Return a name without a folder that is not hidden and valid in every file system."""
    last = name.replace("\\", "/").rpartition("/")[2]
    shown = "".join(each for each in unicodedata.normalize("NFC", last) if each.isprintable())
    made = shown.translate(_RESERVED_CHARACTERS).strip(" .")
    suffix = PurePosixPath(made).suffix
    if len(suffix.encode()) > MAX_FILENAME_BYTES // 2:
        suffix = ""
    stem = made[: len(made) - len(suffix)].encode()[: MAX_FILENAME_BYTES - len(suffix.encode())]
    return f"{stem.decode(errors='ignore')}{suffix}"


def _decode_header(header: str) -> str:
    """Decode a header that may be UTF-8, which HTTP does not define, into one line."""
    with suppress(UnicodeError):
        header = header.encode("latin-1").decode()
    return " ".join(header.split())


def content_type_error(name: str, content_type: str) -> str | None:
    """Return why a response cannot be the file, by its `Content-Type`; None where it may be.

    Some services return an HTML page, or an error in XML or JSON, with a status of success.
    """
    kind = content_type.partition(";")[0].strip().lower()
    suffix = PurePosixPath(name).suffix.lower()
    if kind in {"text/html", "application/xhtml+xml"}:
        return "the response is an HTML page"
    for ends, what, suffixes in (
        (("/xml", "+xml"), "XML", _XML_SUFFIXES),
        (("json",), "JSON", _JSON_SUFFIXES),
    ):
        if kind.endswith(ends):
            return None if suffix in suffixes else f"the response is {what}"
    if kind.startswith("text/") and suffix not in _TEXT_SUFFIXES:
        return "the response is text"
    return None


def magic_number_error(name: str, head: bytes) -> str | None:
    """Return why the first bytes cannot be the file, by its extension; None where they may be."""
    suffix = PurePosixPath(name).suffix.lower()
    wanted = _MAGIC_NUMBERS.get(suffix)
    if wanted is None or head.removeprefix(b"\xef\xbb\xbf").lstrip(b" \t\r\n").startswith(wanted):
        return None
    return f"the content does not start like a {suffix} file"
