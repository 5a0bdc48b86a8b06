"""Each way in which an object server misbehaves: a whole file, or a clear failure of it alone."""

from __future__ import annotations

import base64
import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import google_crc32c
import pytest

from pixxel_sandbox.files.object_server import make_signed_url
from target_pixxel_store.downloads import transfer
from tests.target_pixxel_store.download_checks import is_complete_download, list_files
from tests.target_pixxel_store.downloads.object_server import (
    ENDLESS_BYTES,
    SIZE,
    ObjectServer,
    Reply,
    cut,
    gzipped,
    ignore_range,
    make_zip,
    md5_base64,
    redirect,
    replaced,
    shifted_range,
    status,
    with_body,
    with_headers,
)
from tests.target_pixxel_store.target_harness import download_request

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tests.target_pixxel_store.downloads.object_server import Switch
    from tests.target_pixxel_store.target_harness import TargetHarness

HALF = SIZE // 2
WRONG_MD5 = md5_base64(b"other bytes")
RIGHT_MD5_HEX = base64.b64decode(md5_base64(make_zip(1))).hex()
RIGHT_CRC32C = base64.b64encode(google_crc32c.value(make_zip(1)).to_bytes(4)).decode()
NO_VALIDATOR = {"ETag": None, "Last-Modified": None}
ERROR_TEXT = b"<Error><Code>InternalError</Code></Error>"
FAILED_TWICE = "in 2 downloads"


class Case(NamedTuple):
    """A script of a server, and what comes of it.

    Attributes:
        script: The switches of the requests, one each; then the server behaves well.
        reason: The reason of the failure; empty where the file is whole.
        ranges: The starts of the requested ranges, where they matter.
        headers: Headers of all replies.
        repeats: Whether the last switch is repeated.
    """

    script: list[Switch]
    reason: str = ""
    ranges: list[int] | None = None
    headers: Mapping[str, str | None] = MappingProxyType({})
    repeats: bool = False


def always(reason: str, *script: Switch, **headers: str | None) -> Case:
    """Return a case whose last switch is repeated, and that fails."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Case([*script], reason, headers=named, repeats=True)


def after_cut(*script: Switch, ranges: list[int] | None = None, **headers: str | None) -> Case:
    """Return a case that begins with an interruption in the middle, and completes."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Case([cut(HALF), *script], ranges=ranges, headers=named)


def error_text(body: bytes) -> bytes:
    return body[:HALF] + ERROR_TEXT


VERSIONS = {
    "interrupted": after_cut(ranges=[0, HALF]),
    "interrupted often": Case([cut(4000)] * 9, ranges=[4000 * each for each in range(10)]),
    "206 without Last-Modified": after_cut(with_headers({"Last-Modified": None}), ranges=[0, HALF]),
    "replaced, If-Range honoured": after_cut(replaced(honours_if_range=True), ranges=[0, HALF]),
    "replaced, If-Range ignored": after_cut(replaced(), ranges=[0, HALF, 0]),
    "replaced, only the ETag tells": after_cut(replaced(), ranges=[0, HALF, 0], Last_Modified=None),
    "replaced, only the date tells": after_cut(replaced(), ranges=[0, HALF, 0], ETag=None),
    "replaced, weak ETag and date": after_cut(replaced({"ETag": 'W/"a"'}), ETag='W/"a"'),
    "replaced, 206 without ETag": after_cut(replaced({"ETag": None, "Last-Modified": None})),
    "replaced, 206 with the old date": after_cut(
        replaced({"Last-Modified": "Sun, 09 Sep 2001 01:48:20 GMT"})
    ),
    "206 with an ETag that the 200 lacked": Case(
        [cut(HALF, {"ETag": None}), replaced({"Last-Modified": None})], ranges=[0, HALF, 0]
    ),
    "no validator": after_cut(ranges=[0, 0], **NO_VALIDATOR),
    "206 of several ranges": after_cut(
        with_headers({"Content-Type": "multipart/byteranges; boundary=x"}), ranges=[0, HALF, 0]
    ),
    "ETag without quotes": after_cut(ranges=[0, 0], ETag='w/"a"', Last_Modified=None),
    "weak ETag alone": after_cut(ranges=[0, 0], ETag='W/"a"', Last_Modified=None),
    "date of the same second": after_cut(
        ranges=[0, 0], ETag=None, Last_Modified="Sun, 09 Sep 2001 01:48:20 GMT",
        Date="Sun, 09 Sep 2001 01:48:20 GMT",
    ),
    "server without ranges": after_cut(ignore_range),
    "206 that nobody asked for": Case(
        [with_headers({"Content-Range": f"bytes 0-{SIZE - 1}/{SIZE}"}, status=206)]
    ),
    "range starts before": after_cut(shifted_range(-10, 0), ranges=[0, HALF, 0]),
    "range starts after": after_cut(shifted_range(10, 0), ranges=[0, HALF, 0]),
    "range ends before": after_cut(shifted_range(0, -10), ranges=[0, HALF, 0]),
    "range of a larger object": after_cut(shifted_range(0, 10, 10), ranges=[0, HALF, 0]),
    "range of unknown total": after_cut(
        with_headers({"Content-Range": f"bytes {HALF}-{SIZE - 1}/*"}), ranges=[0, HALF, 0]
    ),
    "no range": after_cut(with_headers({"Content-Range": None}), ranges=[0, HALF, 0]),
    "beyond the end": after_cut(status(416), ranges=[0, HALF, 0]),
    "206 with too short a body": after_cut(with_body(lambda body: body[:-9]), ranges=[0, HALF, 0]),
    "206 with too short a body in chunks": after_cut(
        with_body(lambda body: body[:-9], is_chunked=True), ranges=[0, HALF, 0]
    ),
    "206 with too long a body in chunks": after_cut(
        with_body(lambda body: body + b"x", is_chunked=True), ranges=[0, HALF, 0]
    ),
    "206 without a length, cut within an error text": after_cut(
        with_body(lambda body: body[:99] + ERROR_TEXT, is_chunked=False), ranges=[0, HALF, 0]
    ),
    "gzip": always("states Content-Encoding: gzip, which", gzipped),
    "gzip of a range": Case([cut(HALF), gzipped], "states Content-Encoding: gzip, which"),
    "gzip as transfer coding": always(
        "states Transfer-Encoding: gzip", with_headers({"Transfer-Encoding": "gzip, chunked"})
    ),
}  # fmt: skip
CHECKS = {
    "Content-MD5 matches": Case([], headers={"Content-MD5": md5_base64(make_zip(1))}),
    "Content-MD5 differs once": Case([with_headers({"Content-MD5": WRONG_MD5})], ranges=[0, 0]),
    "Content-MD5 differs": always(
        f"differs from its Content-MD5, {FAILED_TWICE}", with_headers({"Content-MD5": WRONG_MD5})
    ),
    "x-goog-hash matches": Case(
        [], headers={"x-goog-hash": f"crc32c={RIGHT_CRC32C}, md5={md5_base64(make_zip(1))}"}
    ),
    "x-goog-hash md5 differs": always(
        "differs from its x-goog-hash", with_headers({"x-goog-hash": f"md5={WRONG_MD5}"})
    ),
    "x-goog-hash crc32c differs": always(
        "differs from its x-goog-hash", with_headers({"x-goog-hash": "crc32c=AAAAAA=="})
    ),
    "x-goog-hash is invalid": Case([], headers={"x-goog-hash": "md5=ä, crc32c, =, md5=e"}),
    "x-goog-hash of the stored coding": Case(
        [], headers={"x-goog-hash": f"md5={WRONG_MD5}", "x-goog-stored-content-encoding": "gzip"}
    ),
    "ETag is the MD5": Case([], headers={"ETag": f'"{RIGHT_MD5_HEX}"'}),
    "ETag is another MD5": always("differs from its ETag", with_headers({"ETag": f'"{"0" * 32}"'})),
    "ETag of a multipart upload": Case([], headers={"ETag": f'"{"0" * 32}-7"'}),
    "ETag with SSE-KMS": Case(
        [], headers={"ETag": f'"{"0" * 32}"', "x-amz-server-side-encryption": "aws:kms"}
    ),
    "ETag with SSE-C": Case(
        [], headers={
            "ETag": f'"{"0" * 32}"', "x-amz-server-side-encryption-customer-algorithm": "AES256"
        },
    ),
    "MD5 of a resumed file differs": Case(
        [cut(HALF, {"Content-MD5": WRONG_MD5}), with_headers({})], ranges=[0, HALF, 0]
    ),
    "zip without its end": always(FAILED_TWICE, with_body(lambda body: body[:-30])),
    "zip with text after its end": always(FAILED_TWICE, with_body(lambda body: body + ERROR_TEXT)),
    "zip with damaged contents": always(
        FAILED_TWICE, with_body(lambda body: body[:HALF] + bytes(99) + body[HALF + 99 :])
    ),
    "zeros": always(FAILED_TWICE, with_body(lambda body: bytes(len(body)))),
    "empty": always(FAILED_TWICE, with_body(lambda _: b"")),
    "error text in mid-stream, in chunks": always(
        FAILED_TWICE, with_body(error_text, is_chunked=True)
    ),
    "error text in mid-stream, then cut": Case(
        [with_headers({}, cut=HALF + len(ERROR_TEXT), body=error_text(make_zip(1)) + bytes(HALF))]
    ),
    "error page": always(
        "the response is text/html", with_headers({"Content-Type": "text/html"})
    ),
    "longer than its Content-Length": always(
        "longer than its Content-Length", with_headers({"Content-Length": "99"}, is_chunked=True)
    ),
}  # fmt: skip
NAMES = {
    disposition: Case([], headers={"Content-Disposition": disposition})
    for disposition in (
        "attachment; filename*0*=UTF-8''a%00b; filename*1*=c.zip",
        "attachment; filename*0*=UTF-8''a; filename*=UTF-8''b.zip",
        "attachment; filename*=no-charset''%ff.zip",
    )
}
CONNECTIONS = {
    "expired": Case([status(403)] * 2),
    "expired in the middle": Case([cut(HALF), status(403)], ranges=[0, HALF, HALF]),
    "always refused": always("is refused .403., and so were new ones", status(403)),
    "error page in the middle": Case(
        [cut(HALF), *[with_headers({"Content-Type": "text/html"})] * 4], ranges=[0, *[HALF] * 5]
    ),
    "redirected five times": Case([redirect("/image.zip")] * 5),
    "redirected six times": always("redirects more than 5 times", redirect("/image.zip")),
    "redirected to FTP": always("redirects to a URL that is not http", redirect("ftp://host/a")),
    "redirected to nonsense": always("redirects to a URL that is not http", redirect("http://[")),
    "redirected with an endless body": Case([redirect("/image.zip", bytes(ENDLESS_BYTES))]),
    "300 with an endless body": Case([lambda _s, _r: Reply(300, {}, bytes(ENDLESS_BYTES))]),
    "slow body": Case([with_headers({}, pause=0.01)]),
    "silent body": Case([with_headers({}, pause=9.0)]),
    "busy": Case([status(503, retry_after="0"), status(429)] * 4),
    "busy for too long": always("is busy", status(503, retry_after="0")),
    "busy until an invalid date": Case([status(503, retry_after="tomorrow")]),
    "failing": always("returned status 500, 5 attempts without new data", status(500)),
    "no content": always("returned status 204", status(204)),
    "no Content-Length": Case([], headers={"Content-Length": None}, ranges=[0]),
    "no Content-Length, in chunks": Case(
        [with_headers({"Content-Length": None}, is_chunked=True)], ranges=[0]
    ),
    "no Content-Length, in chunks, cut": Case(
        [cut(HALF, {"Content-Length": None}, is_chunked=True)], ranges=[0, 0]
    ),
    "no Content-Length, in chunks, wrong end": always(
        FAILED_TWICE, with_headers({"Content-Length": None}, is_chunked=True, body=make_zip(1)[:-9])
    ),
    "no Content-Length, cut once": Case([cut(HALF, {"Content-Length": None})], ranges=[0, 0]),
    "invalid Content-Length": Case([with_headers({"Content-Length": "-1"})]),
}
CASES: dict[str, Case] = VERSIONS | CHECKS | NAMES | CONNECTIONS


@pytest.fixture
def server(harness: TargetHarness, monkeypatch: pytest.MonkeyPatch) -> Iterator[ObjectServer]:
    """Serve the first catalog's object by a misbehaving server, all others by the sandbox."""
    [key] = harness.catalog_ids(1)
    with ObjectServer().serve() as object_server:

        def sign(state: Any, base: str, download_id: str, download: Any) -> str:
            if download.catalog_ids == (key,):
                return object_server.url
            return make_signed_url(state, base, download_id, download)

        monkeypatch.setattr("pixxel_sandbox.endpoints.downloads.make_signed_url", sign)
        yield object_server


@pytest.mark.parametrize("name", CASES)
def test_misbehaving_server_whole_file_or_clear_failure(
    harness: TargetHarness,
    download_folder: Path,
    server: ObjectServer,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    monkeypatch.setattr(transfer, "MAX_BUSY_SECONDS", 0.5, raising=False)
    case = CASES[name]
    server.script, server.repeats, server.headers = [*case.script], case.repeats, {**case.headers}
    key, other = harness.catalog_ids(2)
    result = harness.run(
        *map(download_request, (key, other)), on_error="continue", request_timeout=0.5
    )
    assert result.error is None
    by_catalog = {line["catalog_id"]: line for line in result.outcomes}
    assert is_complete_download(harness, by_catalog[other]), "the other file"
    line = by_catalog[key]
    if case.reason:
        assert (line["outcome"], result.status) == ("failed", 3)
        assert re.search(case.reason, line["reason"])
    else:
        assert (line["outcome"], line["reason"]) == ("created", None)
        [stored] = [each for each in list_files(download_folder) if each.startswith(key)]
        assert f"{download_folder}/{stored}" == line["object"]
        assert (download_folder / stored).read_bytes() == server.content
    assert not [
        each for each in list_files(download_folder / key) if case.reason and each[0] != "."
    ]
    assert "secret" not in result.log
    assert sum(server.sent) < ENDLESS_BYTES / 2, "an endless body is not read"
    if case.ranges is not None:
        assert server.ranges == [f"bytes={each}-" if each else None for each in case.ranges]
