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

MAX_FILENAME_BYTES = 200
"""Bytes of a file's name; most file systems take 255, and a temporary name is longer."""
MAGIC_NUMBER_BYTES = 16
"""Bytes at the beginning of a file that tell what it is."""
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
"""How a file of a type begins, by the extension of its name."""


def filename_from(headers: Mapping[str, str], url: str) -> str:
    """Give the name under which a file may be saved; empty when it has none that is safe.

    Args:
        headers: Of the answer, of which `Content-Disposition` is looked at first.
        url: The signed URL, the last part of whose path is the name otherwise.
    """
    disposition = Message()
    disposition["Content-Disposition"] = _decode_header(headers.get("Content-Disposition") or "")
    named = disposition.get_filename() or ""
    return safe_filename(named) or safe_filename(unquote(urlsplit(url).path.rpartition("/")[2]))


def safe_filename(name: str) -> str:
    """Make a name that stays in its folder, is not hidden, and that every file system takes."""
    last = name.replace("\\", "/").rpartition("/")[2]
    shown = "".join(each for each in unicodedata.normalize("NFC", last) if each.isprintable())
    made = shown.translate(_RESERVED_CHARACTERS).strip(" .")
    suffix = PurePosixPath(made).suffix
    if len(suffix.encode()) > MAX_FILENAME_BYTES // 2:
        suffix = ""
    stem = made[: len(made) - len(suffix)].encode()[: MAX_FILENAME_BYTES - len(suffix.encode())]
    return f"{stem.decode(errors='ignore')}{suffix}"


def _decode_header(header: str) -> str:
    """Read a header, which may be in UTF-8 though HTTP knows no such thing, in one line."""
    with suppress(UnicodeError):
        header = header.encode("latin-1").decode()
    return " ".join(header.split())


def content_type_error(name: str, content_type: str) -> str | None:
    """Say why an answer cannot be the file, by its `Content-Type`; None when it may be.

    Services answer with a page of HTML, or an error in XML or JSON, where they should fail.
    """
    kind = content_type.partition(";")[0].strip().lower()
    suffix = PurePosixPath(name).suffix.lower()
    if kind in {"text/html", "application/xhtml+xml"}:
        return "the answer is a page of HTML"
    for ends, what, suffixes in (
        (("/xml", "+xml"), "XML", _XML_SUFFIXES),
        (("json",), "JSON", _JSON_SUFFIXES),
    ):
        if kind.endswith(ends):
            return None if suffix in suffixes else f"the answer is {what}"
    if kind.startswith("text/") and suffix not in _TEXT_SUFFIXES:
        return "the answer is a text"
    return None


def magic_number_error(name: str, head: bytes) -> str | None:
    """Say why what begins like this is not the file, by its name's extension; None if it may be."""
    suffix = PurePosixPath(name).suffix.lower()
    wanted = _MAGIC_NUMBERS.get(suffix)
    if wanted is None or head.removeprefix(b"\xef\xbb\xbf").lstrip(b" \t\r\n").startswith(wanted):
        return None
    return f"what comes does not begin as a {suffix} does"
