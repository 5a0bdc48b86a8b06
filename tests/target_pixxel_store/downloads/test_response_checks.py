"""Checks of responses to signed URLs: names of files, and what their content must be."""

from __future__ import annotations

import io
import re
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixxel_sandbox.seed.rng import rng_for
from target_pixxel_store.downloads.response_checks import (
    MAX_FILENAME_BYTES,
    content_type_error,
    filename_from,
    find_content_error,
    read_checksums,
    safe_filename,
)
from tests.target_pixxel_store.downloads.object_server import SIZE, make_zip

ZIP = make_zip(1)
EMPTY_ZIP = b"PK\5\6" + bytes(18)


def make_bomb(ratio: int) -> bytes:
    """Return a zip with a damaged member that is larger by about this ratio."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a", bytes(1000 * ratio) + rng_for(0, "a").randbytes(900))
    made = content.getvalue()
    return made[:50] + bytes(1) + made[51:]


@pytest.mark.parametrize(
    ("disposition", "path", "name"),
    [
        (None, "images/a%20b.zip", "a b.zip"), ('attachment; filename="c.zip"', "a.zip", "c.zip"),
        ("attachment; filename=c.zip", "a.zip", "c.zip"),
        ('attachment;FILENAME = "c\\"d; filename=e.zip"', "a.zip", "c_d; filename=e.zip"),
        ("attachment; filename*=UTF-8''gr%C3%BCn.zip", "a.zip", "grün.zip"),
        ("attachment; filename=c.zip; filename*=utf-8'de'd.zip", "a.zip", "d.zip"),
        ("attachment; filename*=UTF-8''d.zip; filename=c.zip", "a.zip", "d.zip"),
        ("attachment; filename*=iso-8859-1''%FC.zip", "a.zip", "ü.zip"),
        ("attachment; filename*=UTF-8''%FC.zip; filename=c.zip", "a.zip", "c.zip"),
        ("attachment; filename*0*=UTF-8''x; filename*1*=%00.zip", "a.zip", "a.zip"),
        ("attachment; filename*=UTF-8''d.zip; filename*=UTF-8''e.zip", "a.zip", "d.zip"),
        ('attachment; filename="grün.zip"', "a.zip", "grün.zip"),
        ('attachment; filename="../../etc/cron.d/x.zip"', "a.zip", "x.zip"),
        ("attachment; filename*=UTF-8''..%2F..%2Fx.zip", "a.zip", "x.zip"),
        ('attachment; filename="..\\\\..\\\\x.zip"', "a.zip", "x.zip"),
        ('attachment; filename=".."', "a.zip", "a.zip"),
        ('attachment; filename="b.zip', "a.zip", "b.zip"),
        ('attachment; filename="/"', "a.zip", "a.zip"),
        ('attachment; filename=".hidden.zip"', "a.zip", "hidden.zip"),
        ("inline", "%2e%2e%2f%2e%2e%2fa.zip", "a.zip"), (None, "a%00%07b.zip", "ab.zip"),
        (None, "a:b*.zip", "a_b_.zip"), (None, "", ""), (None, "..", ""),
    ],
)  # fmt: skip
def test_filename_from_headers_in_folder(disposition: str | None, path: str, name: str) -> None:
    headers = {"Content-Disposition": disposition} if disposition else {}
    as_sent = {key: value.encode().decode("latin-1") for key, value in headers.items()}
    assert filename_from(as_sent, f"https://host/{path}?sig=x/y.tif") == name


@given(st.text(st.characters(max_codepoint=255)) | st.from_regex(r";[\w*=;'\"% \\]*"))
def test_any_header_gives_a_name_and_no_error(header: str) -> None:
    name = filename_from({"Content-Disposition": header}, "https://host/a.zip")
    assert name
    assert not set(name) & {"/", "\\", "\0"}
    read_checksums({"Content-MD5": header, "x-goog-hash": header, "ETag": header})


@pytest.mark.parametrize(
    ("name", "end"),
    [("x" * 999 + ".zip", "x.zip"), ("ü" * 500 + ".tif", "ü.tif"), ("a." + "y" * 999, "y")],
)
def test_safe_filename_long_name_shortened_with_extension(name: str, end: str) -> None:
    assert 100 < len(safe_filename(name).encode()) <= MAX_FILENAME_BYTES
    assert safe_filename(name).endswith(end)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.zip", ZIP, None), ("a.ZIP", ZIP, None),
        ("a.zip", b"<html>", "start"), ("a.zip", b"", "start"), ("a.zip", ZIP[:-1], "end record"),
        ("a.zip", ZIP + b"\0", "end record"), ("a.zip", ZIP[:99] + ZIP[100:], "damaged"),
        ("a.zip", EMPTY_ZIP, None), ("a.zip", EMPTY_ZIP[:-2] + b"\7\0comment", None),
        ("a.zip", EMPTY_ZIP[:-2] + b"\7\0comm", "end record"),
        ("a.zip", ZIP.replace(b"PK\1\2\x14\3\x14", b"PK\1\2\x14\3\xff"), "damaged"),
        ("a.zip", make_bomb(1000), None), ("a.zip", make_bomb(20), "damaged"),
        ("a.zip", ZIP.replace(b"\0\0\0\0\0\0!", b"\0\0\x5d\0\0\0!"), None),  # unknown compression
        ("a.tif", b"II*\0", None), ("a.tiff", b"MM\0*", None), ("a.tif", b"II+\0", None),
        ("a.tif", b"PK\3\4", "start"), ("a.json", b' \n{"a"', None), ("a.geojson", b"[", None),
        ("a.json", b"\xef\xbb\xbf{", None), ("a.json", b"<?xml", "start"),
        ("a.bin", b"<?xml", None),
    ],
)  # fmt: skip
def test_content_as_its_extension_says(name: str, content: bytes, reason: str | None) -> None:
    error = find_content_error(io.BytesIO(content), name, (), lambda: None)
    assert bool(error) == bool(reason)
    assert re.search(reason or "", error or "")


@given(st.integers(0, SIZE - 1), st.integers(1, 255))
def test_damaged_zip_never_ends_a_run(at: int, change: int) -> None:
    damaged = bytearray(ZIP)
    damaged[at] ^= change
    find_content_error(io.BytesIO(damaged), "a.zip", (), lambda: None)
    find_content_error(io.BytesIO(ZIP[:at]), "a.zip", (), lambda: None)


@pytest.mark.parametrize(
    ("name", "content_type", "accepted"),
    [
        ("a.zip", "application/zip", True), ("a.zip", "binary/octet-stream", True),
        ("a.zip", "", True), ("a.zip", "text/html; charset=utf-8", False),
        ("a.zip", "application/xml", False), ("a.zip", "application/json", False),
        ("a.zip", "text/plain", False), ("a.html", "text/html", False),
        ("a.json", "application/geo+json", True), ("a.json", "text/plain", True),
        ("a.xml", "application/xml", True), ("a.hdr", "text/plain", True),
    ],
)  # fmt: skip
def test_content_type_must_match_extension(name: str, content_type: str, *, accepted: bool) -> None:
    assert (content_type_error(name, content_type) is None) == accepted
