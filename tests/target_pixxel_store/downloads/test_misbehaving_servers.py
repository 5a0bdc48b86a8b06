"""Each way in which an object server misbehaves: a whole file, or a clear failure of it alone."""

from __future__ import annotations

import base64
import logging
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import google_crc32c

from target_pixxel_store.downloads import transfer
from tests.target_pixxel_store.download_checks import list_files
from tests.target_pixxel_store.downloads.object_server import (
    ENDLESS_BYTES,
    SIZE,
    Headers,
    ObjectServer,
    Reply,
    Switch,
    cut,
    gzipped,
    ignore_range,
    make_zip,
    md5_base64,
    redirect,
    replaced,
    serve,
    shifted_range,
    status,
    with_body,
    with_headers,
)
from tests.target_pixxel_store.target_harness import download_request, state

if TYPE_CHECKING:
    import pytest

    from tests.target_pixxel_store.target_harness import TargetHarness

HALF = SIZE // 2
MD5, WRONG_MD5 = md5_base64(make_zip(1)), md5_base64(b"other bytes")
MD5_ETAG, WRONG_MD5_ETAG = (f'"{base64.b64decode(each).hex()}"' for each in (MD5, WRONG_MD5))
CRC32C = base64.b64encode(google_crc32c.value(make_zip(1)).to_bytes(4)).decode()
OLD_DATE = "Sun, 09 Sep 2001 01:48:20 GMT"
ERROR_TEXT = b"<Error><Code>InternalError</Code></Error>"
FAILED_TWICE = "in 2 downloads"


class Case(NamedTuple):
    """The script of a server, and what comes of it.

    Attributes:
        script: The switches of the requests, one each; then the server behaves well.
        ranges: The starts of the requested ranges, where they matter.
        headers: Headers of all replies.
        reason: The reason of the failure, as the last switch is repeated; else the file is whole.
    """

    script: list[Switch]
    ranges: list[int] | None = None
    headers: Headers = {}  # noqa: RUF012 - never changed
    reason: str = ""


UNKNOWN_SIZE = with_headers({"Content-Length": None}, is_chunked=True)
RESUMED: dict[str, Switch] = {
    "206 of the rest": with_headers({}),
    "206 without Last-Modified": with_headers({"Last-Modified": None}),
}
NOT_RESUMED: dict[str, Headers] = {
    "no validator": {"ETag": None, "Last-Modified": None},
    "weak ETag alone": {"ETag": 'W/"a"', "Last-Modified": None},
    "ETag without quotes": {"ETag": 'w/"a"', "Last-Modified": None},
    "date of the same second": {"ETag": None, "Last-Modified": OLD_DATE, "Date": OLD_DATE},
    "no Content-Length": {"Content-Length": None},
}
RESTARTED: dict[str, tuple[Switch, Headers]] = {
    "replaced, If-Range ignored": (replaced(), {}),
    "replaced, only the ETag tells": (replaced(), {"Last-Modified": None}),
    "replaced, only the date tells": (replaced(), {"ETag": None}),
    "replaced, weak ETag and date": (replaced({"ETag": 'W/"a"'}), {"ETag": 'W/"a"'}),
    "replaced, 206 without ETag": (replaced({"ETag": None, "Last-Modified": None}), {}),
    "replaced, 206 with the old date": (replaced({"Last-Modified": OLD_DATE}), {}),
    "206 with an ETag that the 200 lacked": (with_headers({"ETag": '"a"'}), {"ETag": None}),
    "range starts before": (shifted_range(-10, 0), {}),
    "range starts after": (shifted_range(10, 0), {}),
    "range ends before": (shifted_range(0, -10), {}),
    "range of a larger object": (shifted_range(0, 10, 10), {}),
    "range of unknown total": (with_headers({"Content-Range": f"bytes {HALF}-{SIZE - 1}/*"}), {}),
    "no range": (with_headers({"Content-Range": None}), {}),
    "several ranges": (with_headers({"Content-Type": "multipart/byteranges; boundary=x"}), {}),
    "beyond the end": (status(416), {}),
    "206 with too short a body": (with_body(lambda body: body[:-9]), {}),
    "206 with too short a body in chunks": (with_body(lambda body: body[:-9], chunked=True), {}),
    "206 with too long a body in chunks": (with_body(lambda body: body + b"x", chunked=True), {}),
    "206 cut within an error text": (with_body(lambda body: body[:99] + ERROR_TEXT), {}),
}
WHOLE: dict[str, Case] = {
    "replaced, If-Range honoured": Case([cut(HALF), replaced(honours_if_range=True)], [0, HALF]),
    "server without ranges": Case([cut(HALF), ignore_range]),
    "206 that nobody asked for": Case(
        [with_headers({"Content-Range": f"bytes 0-{SIZE - 1}/{SIZE}"}, status=206)]
    ),
    "Content-MD5 matches": Case([], headers={"Content-MD5": MD5}),
    "Content-MD5 differs once": Case([with_headers({"Content-MD5": WRONG_MD5})], [0, 0]),
    "Content-MD5 of the first part": Case(
        [cut(HALF, {"Content-MD5": WRONG_MD5})], [0, HALF, 0]
    ),
    "x-goog-hash matches": Case([], headers={"x-goog-hash": f"crc32c={CRC32C}, md5={MD5}"}),
    "x-goog-hash is invalid": Case([], headers={"x-goog-hash": "md5=ä, crc32c, =, md5=e"}),
    "x-goog-hash of the stored coding": Case(
        [], headers={"x-goog-hash": f"md5={WRONG_MD5}", "x-goog-stored-content-encoding": "gzip"}
    ),
    "ETag is the MD5": Case([], headers={"ETag": MD5_ETAG}),
    "ETag of a multipart upload": Case([], headers={"ETag": WRONG_MD5_ETAG[:-1] + '-7"'}),
    "ETag with SSE-KMS": Case(
        [], headers={"ETag": WRONG_MD5_ETAG, "x-amz-server-side-encryption": "aws:kms"}
    ),
    "ETag with SSE-C": Case([], headers={
        "ETag": WRONG_MD5_ETAG, "x-amz-server-side-encryption-customer-algorithm": "AES256"
    }),
    "error text in mid-stream, then cut": Case(
        [cut(HALF + len(ERROR_TEXT), body=make_zip(1)[:HALF] + ERROR_TEXT + bytes(HALF))]
    ),
    "continuations of filename with NUL": Case(
        [], headers={"Content-Disposition": "attachment; filename*0*=UTF-8''a%00b; filename*1*=c"}
    ),
    "continuation beside filename*": Case(
        [], headers={"Content-Disposition": "a; filename*0*=UTF-8''a; filename*=UTF-8''b.zip"}
    ),
    "filename* is invalid": Case([], headers={"Content-Disposition": "a; filename*=no''%ff.zip"}),
    "expired": Case([status(403)] * 2),
    "expired in the middle": Case([cut(HALF), status(403)], [0, HALF, HALF]),
    "error page in the middle": Case(
        [cut(HALF), *[with_headers({"Content-Type": "text/html"})] * 4], [0, *[HALF] * 5]
    ),
    "redirected five times": Case([redirect("image.zip")] * 5),
    "redirected with an endless body": Case([redirect("image.zip", bytes(ENDLESS_BYTES))]),
    "300 with an endless body": Case([lambda _s, _r: Reply(300, {}, bytes(ENDLESS_BYTES))]),
    "busy": Case([status(503, retry_after="0"), status(429)] * 4),
    "busy until an invalid date": Case([status(503, retry_after="tomorrow")]),
    "no Content-Length, chunks": Case([UNKNOWN_SIZE], [0]),
    "no Content-Length, end of a zip": Case([], [0], {"Content-Length": None}),
    "no Content-Length, cut chunks": Case([cut(HALF, {"Content-Length": None}, is_chunked=True)]),
    "invalid Content-Length": Case([with_headers({"Content-Length": "-1"})]),
}  # fmt: skip
FAILED: dict[str, tuple[str, list[Switch]]] = {
    "Content-MD5": ("its Content-MD5, in 2 downl", [with_headers({"Content-MD5": WRONG_MD5})]),
    "x-goog-hash md5": ("its x-goog-hash", [with_headers({"x-goog-hash": f"md5={WRONG_MD5}"})]),
    "x-goog-hash crc32c": ("its x-goog-hash", [with_headers({"x-goog-hash": "crc32c=AAAAAA=="})]),
    "ETag is another MD5": ("differs from its ETag", [with_headers({"ETag": WRONG_MD5_ETAG})]),
    "zip without its end": (FAILED_TWICE, [with_body(lambda body: body[:-30])]),
    "zip with text after its end": (FAILED_TWICE, [with_body(lambda body: body + ERROR_TEXT)]),
    "zeros": (FAILED_TWICE, [with_body(lambda body: bytes(len(body)))]),
    "empty": (FAILED_TWICE, [with_body(lambda _: b"")]),
    "error text in mid-stream, in chunks": (
        FAILED_TWICE, [with_body(lambda body: body[:HALF] + ERROR_TEXT, chunked=True)]
    ),
    "error page": ("the response is text/html", [with_headers({"Content-Type": "text/html"})]),
    "longer than its Content-Length": (
        "longer than its Content-Length", [with_headers({"Content-Length": "99"}, is_chunked=True)]
    ),
    "gzip": ("states Content-Encoding: gzip, which", [gzipped]),
    "gzip of a range": ("states Content-Encoding: gzip, which", [cut(HALF), gzipped]),
    "gzip as transfer coding": (
        "states Transfer-Encoding: gzip", [with_headers({"Transfer-Encoding": "gzip, chunked"})]
    ),
    "always refused": ("is refused .403., and so were new ones", [status(403)]),
    "redirected six times": ("redirects more than 5 times", [redirect("image.zip")]),
    "redirected to FTP": ("to a URL that is not http", [redirect("ftp://host/a")]),
    "redirected to nonsense": ("to a URL that is not http", [redirect("http://[")]),
    "busy for too long": ("is busy", [status(503, retry_after="0")]),
    "failing": ("returned status 500, 5 attempts without new data", [status(500)]),
    "no content": ("returned status 204", [status(204)]),
}  # fmt: skip
CASES: dict[str, Case] = {
    **{name: Case([cut(HALF), switch], [0, HALF]) for name, switch in RESUMED.items()},
    **{name: Case([cut(HALF)], [0, 0], headers) for name, headers in NOT_RESUMED.items()},
    **{
        name: Case([cut(HALF), switch], [0, HALF, 0], headers)
        for name, (switch, headers) in RESTARTED.items()
    },
    **WHOLE,
    **{name: Case(script, reason=reason) for name, (reason, script) in FAILED.items()},
}


def test_misbehaving_server_whole_file_or_clear_failure_of_that_file_alone(
    harness: TargetHarness,
    download_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(transfer, "MAX_BUSY_SECONDS", 0.1)
    caplog.set_level(logging.DEBUG)
    insert = harness.sandbox.workspace.insert
    objects = {
        insert("catalogs", {}): ObjectServer(
            [*case.script], bool(case.reason), headers=case.headers
        )
        for case in CASES.values()
    }

    def sign(_state: Any, _base: str, _download_id: str, download: Any) -> str:
        return objects[download.catalog_ids[0]].url

    monkeypatch.setattr("pixxel_sandbox.endpoints.downloads.make_signed_url", sign)
    with serve(*objects.values()):
        result = harness.run(
            *map(download_request, objects), state(1), on_error="continue",
            download_concurrency=16, max_deliveries=len(CASES),
        )  # fmt: skip
    assert (result.error, result.status, result.states) == (None, 3, [{"upto": 1}])
    lines = {line["catalog_id"]: line for line in result.outcomes}
    actual, expected = {}, {}
    for (name, case), (key, server) in zip(CASES.items(), objects.items(), strict=True):
        path, reason = lines[key]["object"], lines[key]["reason"] or ""
        is_whole = path is not None and Path(path).read_bytes() == server.content
        files = [f"{download_folder}/{each}" for each in list_files(download_folder) if key in each]
        ranges = [f"bytes={each}-" if each else None for each in case.ranges or ()]
        reads_endless_body = sum(server.sent) > ENDLESS_BYTES / 2
        actual[name] = (
            lines[key]["outcome"], case.reason if re.search(case.reason, reason) else reason,
            [each for each in files if "/." not in each], server.ranges if ranges else [],
            is_whole, reads_endless_body,
        )  # fmt: skip
        kind = "failed" if case.reason else "created"
        expected[name] = (
            kind, case.reason, [path] if path else [], ranges, not case.reason, False
        )  # fmt: skip
    assert actual == expected
    assert len(result.rejected) == 1 + len(FAILED), "after the SCHEMA"
    assert "urllib3.connectionpool" in caplog.text
    written = [each.read_bytes() for each in harness.folder.rglob("*") if each.is_file()]
    assert b"secret" not in b"\n".join([caplog.text.encode(), *written])
