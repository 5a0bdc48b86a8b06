"""Check responses to signed URLs: the name of the file, and whether the content is the file."""

from __future__ import annotations

import hashlib
import lzma
import os
import re
import struct
import unicodedata
import zipfile
import zlib
from base64 import b64decode, b64encode
from contextlib import suppress
from pathlib import PurePosixPath
from typing import IO, TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote, urlsplit

import google_crc32c

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MAX_FILENAME_BYTES = 200  # most file systems allow 255, and a temporary name is longer
_CHUNK_BYTES = 1 << 20
_END_RECORD_BYTES = 22  # of a zip, without its comment
_MAX_EXPANSION = 100  # the bytes of a zip's members that are read for each byte of the zip
_RESERVED_CHARACTERS = str.maketrans(dict.fromkeys('/\\:*?"<>|', "_"))
_TEXT_SUFFIXES = (
    *(".json", ".geojson", ".jsonl", ".ndjson", ".xml", ".gml", ".kml", ".svg", ".vrt"),
    *(".txt", ".csv", ".md", ".log", ".hdr", ".wkt", ".prj"),
)
_MAGIC_NUMBERS: dict[str, tuple[bytes, ...]] = {
    ".zip": (b"PK\3\4", b"PK\5\6"),
    **dict.fromkeys((".tif", ".tiff"), (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")),
    **dict.fromkeys((".json", ".geojson"), (b"{", b"[")),
    ".xml": (b"<",),
}
"""How files start, by the extension of their name."""
_PARAMETER = re.compile(r';\s*([^\s=;"]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^;]*)')
_EXTENDED_VALUE = re.compile(r"(utf-8|iso-8859-1)'[^']*'([^\s\"]*)", re.IGNORECASE)
_MD5_ETAG = re.compile(r'"([0-9a-f]{32})"', re.IGNORECASE)
_HIDES_MD5 = re.compile(
    r"x-amz-server-side-encryption(: aws:kms.*|-customer-algorithm: .*)", re.IGNORECASE
)
"""Headers of an S3 object whose ETag is no MD5: SSE-KMS and SSE-C."""
_DIGEST_BYTES = {"md5": 16, "crc32c": 4}
_HASHERS: dict[str, Callable[[], Any]] = {
    "md5": lambda: hashlib.md5(usedforsecurity=False),
    "crc32c": google_crc32c.Checksum,
}
_ZIP_ZSTANDARD = 93
"""Compression that Python decodes from 3.14 on only, with errors of its own."""
_ZIP_ERRORS = (  # what zipfile raises for damaged zips
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error),
    *(OSError, EOFError, ValueError, OverflowError, NotImplementedError),
)


class Checksum(NamedTuple):
    """A checksum of a whole file, and the header that states it."""

    header: str
    algorithm: str
    digest: bytes


def filename_from(headers: Mapping[str, str], url: str) -> str:
    """Return a safe name for a file; empty where there is none.

    Args:
        headers: The response headers; `Content-Disposition` takes precedence, and in it
            `filename*` (RFC 6266, 4.3).
        url: The signed URL; else the last part of its path is the name.
    """
    header = headers.get("Content-Disposition") or ""
    with suppress(UnicodeError):  # HTTP does not define it as UTF-8, but it often is
        header = header.encode("latin-1").decode()
    stated: dict[str, str] = {}
    for name, value in _PARAMETER.findall(" ".join(header.split())):
        stated.setdefault(name.lower(), value)
    plain = stated.get("filename", "").strip()
    if plain.startswith('"'):
        plain = re.sub(r"\\(.)", r"\1", plain[1:].removesuffix('"'))
    names = (
        _decode_extended_value(stated.get("filename*", "")),
        plain,
        unquote(urlsplit(url).path.rpartition("/")[2]),
    )
    return next(filter(None, map(safe_filename, names)), "")


def _decode_extended_value(value: str) -> str:
    """Decode the value of `filename*` (RFC 8187); empty where it is invalid."""
    found = _EXTENDED_VALUE.fullmatch(value.strip().strip('"'))
    with suppress(UnicodeError):
        return unquote(found[2], found[1], errors="strict") if found else ""
    return ""


def safe_filename(name: str) -> str:
    """Return a name without a folder, not hidden, and without characters that are reserved."""
    last = name.replace("\\", "/").rpartition("/")[2]
    shown = "".join(each for each in unicodedata.normalize("NFC", last) if each.isprintable())
    made = shown.translate(_RESERVED_CHARACTERS).strip(" .")
    suffix = PurePosixPath(made).suffix
    if len(suffix.encode()) > MAX_FILENAME_BYTES // 2:
        suffix = ""
    stem = made[: len(made) - len(suffix)].encode()[: MAX_FILENAME_BYTES - len(suffix.encode())]
    return f"{stem.decode(errors='ignore')}{suffix}"


def content_type_error(name: str, content_type: str) -> str | None:
    """Return why a response cannot be the file, by its `Content-Type`; None where it may be.

    Some services return an HTML page, or an error in XML or JSON, with a status of success.
    """
    kind = content_type.partition(";")[0].strip().lower()
    is_text = kind.startswith("text/") or kind.endswith(("/xml", "+xml", "json"))
    if "html" in kind or (is_text and PurePosixPath(name).suffix.lower() not in _TEXT_SUFFIXES):
        return f"the response is {kind}"
    return None


def read_checksums(headers: Mapping[str, str]) -> tuple[Checksum, ...]:
    """Return the checksums of the whole file that a response states."""
    stated = [("Content-MD5", "md5", headers.get("Content-MD5") or "")]
    # Google states the checksums of an object before it decodes it.
    if (headers.get("x-goog-stored-content-encoding") or "identity") == "identity":
        for each in (headers.get("x-goog-hash") or "").split(","):
            algorithm, _, value = each.strip().partition("=")
            stated.append(("x-goog-hash", algorithm, value))
        etag = _MD5_ETAG.fullmatch(headers.get("ETag") or "")
        if etag and not any(map(_HIDES_MD5.fullmatch, map(": ".join, headers.items()))):
            stated.append(("ETag", "md5", b64encode(bytes.fromhex(etag[1])).decode()))
    checksums: list[Checksum] = []
    for header, algorithm, value in stated:
        with suppress(ValueError):
            digest = b64decode(value, validate=True)
            if len(digest) == _DIGEST_BYTES.get(algorithm):
                checksums.append(Checksum(header, algorithm, digest))
    return tuple(checksums)


def find_content_error(
    file: IO[bytes], name: str, checksums: tuple[Checksum, ...], check: Callable[[], None]
) -> str | None:
    """Return why a content is not the whole file; None where nothing shows that.

    Args:
        file: The content.
        name: The name of the file; its extension says how the content begins.
        checksums: The checksums of the file. The members of a zip are checked where there are none.
        check: Called between reads; raises to stop.
    """
    suffix = PurePosixPath(name).suffix.lower()
    head = file.read(16).removeprefix(b"\xef\xbb\xbf").lstrip(b" \t\r\n")
    if not head.startswith(_MAGIC_NUMBERS.get(suffix, b"")):
        return f"the content does not start like a {suffix} file"
    if reason := find_checksum_error(file, checksums, check):
        return reason
    return _find_zip_error(file, check, reads_all=not checksums) if suffix == ".zip" else None


def find_checksum_error(
    file: IO[bytes], checksums: tuple[Checksum, ...], check: Callable[[], None]
) -> str | None:
    """Return which checksum differs from that of a content; None where all are the same."""
    hashers = {each.algorithm: _HASHERS[each.algorithm]() for each in checksums}
    file.seek(0)
    while hashers and (piece := file.read(_CHUNK_BYTES)):
        check()
        for hasher in hashers.values():
            hasher.update(piece)
    for header, algorithm, digest in checksums:
        if hashers[algorithm].digest() != digest:
            return f"the content differs from its {header}"
    return None


def _find_zip_error(file: IO[bytes], check: Callable[[], None], *, reads_all: bool) -> str | None:
    try:
        with zipfile.ZipFile(file) as archive:
            comment = archive.comment
            size = file.seek(0, os.SEEK_END)
            file.seek(size - _END_RECORD_BYTES - len(comment))
            record = file.read(_END_RECORD_BYTES)
            if record[:4] != b"PK\5\6" or record[20:] != len(comment).to_bytes(2, "little"):
                return "the zip does not end with its end record"
            members = archive.infolist()
            if sum(each.file_size for each in members) > _MAX_EXPANSION * size:
                return None  # to read them may take days
            for member in members if reads_all else ():
                if member.compress_type == _ZIP_ZSTANDARD:
                    continue
                # RuntimeError: the member is encrypted, or its compression is unknown.
                with suppress(RuntimeError), archive.open(member) as content:
                    while content.read(_CHUNK_BYTES):
                        check()
    except _ZIP_ERRORS:
        return "the zip is damaged or has no end record"
    return None
