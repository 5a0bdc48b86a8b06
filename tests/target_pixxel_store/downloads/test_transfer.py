"""Each way in which an object server misbehaves: a whole file, or a clear failure of it alone."""

from __future__ import annotations

import base64
import logging
import multiprocessing
import os
import re
import threading
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from signal import SIGKILL
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

import google_crc32c
import pytest
import trustme
from hypothesis import event, example, given, settings
from hypothesis import strategies as st

from target_pixxel_store.downloads import partial_file, transfer
from target_pixxel_store.downloads.destination import LocalDestination
from target_pixxel_store.downloads.partial_file import PartialFile, open_folder
from target_pixxel_store.downloads.transfer import Fetcher, Transfer
from target_pixxel_store.errors import RecordError
from tests.pixxel_api.network_faults import BUFFER_BYTES, find_dead_port, serve_connections
from tests.pixxel_api.scripted import ScriptedServer, answer
from tests.target_pixxel_store.download_checks import list_files
from tests.target_pixxel_store.downloads.object_server import (
    ENDLESS_BYTES,
    SIZE,
    Headers,
    ObjectServer,
    Reply,
    Switch,
    behave,
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
    import socket
    from collections.abc import Callable, Mapping

    from tests.target_pixxel_store.target_harness import TargetHarness

HALF = SIZE // 2
MD5, WRONG_MD5 = md5_base64(make_zip(1)), md5_base64(b"other bytes")
MD5_ETAG, WRONG_MD5_ETAG = (f'"{base64.b64decode(each).hex()}"' for each in (MD5, WRONG_MD5))
CRC32C = base64.b64encode(google_crc32c.value(make_zip(1)).to_bytes(4)).decode()
OLD_DATE = "Sun, 09 Sep 2001 01:48:20 GMT"
ERROR_TEXT = b"<Error><Code>InternalError</Code></Error>"
BIN = "attachment; filename=a.bin"
FAILED_TWICE = "in 2 downloads"
SECRET = "a-signature-as-good-as-a-password"


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
    "no Content-Length, chunks": Case([UNKNOWN_SIZE], [0], {"Content-Disposition": BIN}),
    "busy for a minute": Case([status(503, retry_after="60")], [0], reason="is busy"),
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
    "no Content-Length, nor chunks": (
        "neither its length nor a checksum",
        [with_headers({"Content-Length": None, "Content-Disposition": BIN})],
    ),
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
        return objects[download.keys[0]].url

    monkeypatch.setattr("pixxel_sandbox.endpoints.downloads.make_signed_url", sign)
    with serve(*objects.values()):
        result = harness.run(
            *map(download_request, objects), state(1), on_error="continue",
            download_concurrency=16, max_deliveries=len(CASES),
        )  # fmt: skip
    assert (result.error, result.status, result.states) == (None, 3, [{"upto": 1}])
    lines = {line["catalog_id"]: line for line in result.outcomes}
    for (name, case), (key, server) in zip(CASES.items(), objects.items(), strict=True):
        assert lines[key]["outcome"] == ("failed" if case.reason else "created"), (name, lines[key])
        assert re.search(case.reason, lines[key]["reason"] or ""), (name, lines[key])
        names = [each for each in list_files(download_folder / key) if each[0] != "."]
        content = [(download_folder / key / each).read_bytes() for each in names]
        assert content == ([] if case.reason else [server.content]), name
        ranges = [f"bytes={each}-" if each else None for each in case.ranges or ()]
        assert server.ranges == (ranges or server.ranges), name
        assert sum(server.sent) < ENDLESS_BYTES / 2, name
    assert len(result.rejected) == 2 + len(FAILED), "after the SCHEMA, and busy for a minute"
    assert "urllib3.connectionpool" in caplog.text
    written = [each.read_bytes() for each in harness.folder.rglob("*") if each.is_file()]
    assert b"secret" not in b"\n".join([caplog.text.encode(), *written])


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "BACKOFF", transfer.BACKOFF._replace(first=0.001))


def fetch_part(url: str, part: PartialFile, timeout: float = 100.0) -> str:
    """Fetch a file into a partial file; return its name."""
    fetcher = Fetcher(connections=1, request_timeout=timeout, user_agent="t", check=lambda: None)
    with closing(fetcher):
        job = Transfer(part, lambda file: file, lambda *_: None, lambda: None)
        return fetcher.fetch(url, job).name


def fetch_file(url: str, folder: Path, **timeout: float) -> tuple[str, bytes]:
    """Fetch a file; return its name and its bytes."""
    with PartialFile(open_folder(folder), "part") as part:
        return fetch_part(url, part, **timeout), (folder / "part").read_bytes()


@pytest.mark.parametrize("end", [b"", b"\r\n\r\n"])
@pytest.mark.parametrize("pause", [0.05, 60.0])
def test_fetch_slow_headers_or_body_time_out(tmp_path: Path, end: bytes, pause: float) -> None:
    def drip(connection: socket.socket) -> None:
        connection.recv(BUFFER_BYTES)
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked" + end)
        while not closed.wait(pause):
            connection.sendall(b"1\r\nx\r\n" if end else b"x")

    closed = threading.Event()
    with serve_connections(drip) as peer:
        try:
            with pytest.raises(RecordError, match=f"timed out waiting for {peer}; "):
                fetch_file(f"http://{peer}/a.zip?sig={SECRET}", tmp_path, timeout=0.1)
        finally:
            closed.set()


def test_fetch_refused_connection_names_host_and_port(tmp_path: Path) -> None:
    peer = f"127.0.0.1:{find_dead_port()}"
    with pytest.raises(RecordError, match=f"^{peer} refused the connection; .*5 attempts"):
        fetch_file(f"http://{peer}/a.zip?sig={SECRET}", tmp_path)


def test_untrusted_certificate_fails_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    certificate = trustme.CA().issue_cert("127.0.0.1")
    with ScriptedServer(None, tls=certificate) as server:
        with pytest.raises(RecordError, match=f"^the certificate of {server.peer} is not trusted"):
            fetch_file(f"{server.url}/a.zip?sig={SECRET}", tmp_path)
    assert "retrying" not in caplog.text


@pytest.mark.parametrize("url", ["nonsense", "ftp://host/a.zip", "http://", "http://[::1/a.zip"])
def test_fetch_invalid_url_reported_without_url(tmp_path: Path, url: str) -> None:
    with pytest.raises(RecordError, match="is invalid; check the signed URL"):
        fetch_file(f"{url}?sig={SECRET}", tmp_path)


def test_redirect_sends_no_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password mine\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    to_other = answer(307, headers=("Location: http://me:mine@%s/b", "Set-Cookie: session=1"))
    zipped = answer(body=make_zip(1))
    with ScriptedServer(zipped) as other:
        location = to_other.replace(b"%s", other.peer.encode())
        with ScriptedServer(location) as server:
            name, content = fetch_file(f"{server.url}/a.zip", tmp_path)
    assert (name, content) == ("a.zip", make_zip(1)), "the name comes from the signed URL"
    for request in (*server.requests, *other.requests):
        assert not re.search(b"(?i)authorization|cookie", request)
        assert b"Accept-Encoding: identity" in request


_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload([__name__])
_DISK_CALLS = ("pwrite", "fsync", "ftruncate", "rename", "unlink", "fchmod")


def on_range(switch: Switch) -> Switch:
    """Apply a switch to requests of a range; cut the replies to others, so that one follows."""

    def choose(server: ObjectServer, request: Mapping[str, str]) -> Reply:
        return (switch if request.get("Range") else cut(SIZE // 3))(server, request)

    return choose


def then_cut(switch: Switch, at: int) -> Switch:
    """Cut the reply of a switch."""
    return lambda server, request: replace(switch(server, request), cut=at)


POSITIONS = st.integers(0, SIZE)
OFFSETS = st.integers(-9000, 90)
LARGER_RANGE = on_range(shifted_range(0, 10, 10))
WHOLE_REPLIES = st.sampled_from(
    [behave, ignore_range, replaced(), *map(status, (416, 429, 500, 503)), UNKNOWN_SIZE]
)
RANGE_REPLIES = st.one_of(
    WHOLE_REPLIES,
    st.builds(shifted_range, OFFSETS, OFFSETS, st.sampled_from([0, 0, 10])),
    st.sampled_from([replaced({"ETag": None}), with_headers({"Content-Range": None})]),
    st.builds(with_body, st.just(lambda body: body[:-9]), chunked=st.booleans()),
    st.just(with_body(lambda body: body + bytes(9), chunked=True)),
).map(on_range)
REPLIES = WHOLE_REPLIES | RANGE_REPLIES
REPLIES |= st.builds(cut, POSITIONS) | st.builds(then_cut, REPLIES, POSITIONS)
# The server's replies, and the call of `_DISK_CALLS` at which the run is killed.
RUNS = st.tuples(st.lists(REPLIES, max_size=6), st.none() | st.integers(1, 40))
VALIDATORS = st.sampled_from([{}, {"ETag": None}, {"Last-Modified": None}, {"ETag": 'W/"weak"'}])


def download(url: str, folder: str, kill_at: int | None) -> None:
    """Download an object to a folder; be killed before, or within, a call that changes the disk."""
    partial_file.BOUNDARY_BYTES = 4096
    transfer.BACKOFF = transfer.BACKOFF._replace(first=0.0)
    calls = 0

    def count(call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any, **kwargs: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == kill_at:
                if call is pwrite:
                    call(args[0], args[1][: len(args[1]) // 2], args[2])
                os.kill(os.getpid(), SIGKILL)
            return call(*args, **kwargs)

        return counted

    pwrite = os.pwrite
    for name in _DISK_CALLS:
        setattr(os, name, count(getattr(os, name)))
    destination = LocalDestination(folder)
    with suppress(RecordError), destination.partial_file("", "catalog") as part:
        destination.commit(part, "", fetch_part(url, part))


@pytest.mark.timeout(900)
@settings(max_examples=20, deadline=None)
@given(st.lists(RUNS, min_size=1, max_size=3), VALIDATORS)
@example([([cut(HALF), behave], 16), ([LARGER_RANGE], None)], {})
@example([([then_cut(UNKNOWN_SIZE, HALF), LARGER_RANGE], None)], {})
def test_bytes_of_one_version_or_no_file(runs: list[Any], headers: Headers) -> None:
    server = ObjectServer(headers=headers)
    with TemporaryDirectory() as folder, serve(server):
        server.url = server.url.replace("image.zip", "image.bin")  # no content check helps
        file = Path(folder, "image.bin")
        for script, kill_at in [*runs, ([], None)]:
            server.script[:] = script
            process = _processes.Process(target=download, args=(server.url, folder, kill_at))
            process.start()
            process.join()
            event(f"exit status {process.exitcode}")
            assert process.exitcode in {0, -SIGKILL}
            versions = [make_zip(each) for each in range(1, server.version + 1)]
            assert not file.exists() or file.read_bytes() in versions
        assert file.read_bytes() == server.content
        assert list(Path(folder).iterdir()) == [file]
