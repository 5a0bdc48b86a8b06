"""Fetches from scripted servers: file names are safe, and only complete files are kept."""

from __future__ import annotations

import logging
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trustme

from target_pixxel_store.downloads import transfer
from target_pixxel_store.downloads.partial_file import PartialFile, RemoteFile
from target_pixxel_store.downloads.response_checks import (
    MAX_FILENAME_BYTES,
    filename_from,
    magic_number_error,
    safe_filename,
)
from target_pixxel_store.downloads.transfer import Fetcher
from target_pixxel_store.errors import RecordError, SignedUrlRefused
from tests.pixxel_api.network_faults import find_dead_port, serve_connections
from tests.pixxel_api.scripted import ScriptedServer

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator

    Responder = Callable[["ScriptedHandler"], None]

ZIP = b"PK\3\4" + bytes(range(256)) * 40
SECRET = "a-signature-as-good-as-a-password"


class ScriptedHandler(BaseHTTPRequestHandler):
    """A handler that calls the responder that the first part of the path names."""

    responders: dict[str, Responder]
    requests: list[ScriptedHandler]

    def do_GET(self) -> None:
        self.requests.append(self)
        self.responders[self.path.split("/")[1]](self)

    def send(self, body: bytes = ZIP, status: int = 200, **headers: str | None) -> None:
        """Send a response; a header with the value None is omitted."""
        plain = {"Content_Length": str(len(body)), "ETag": '"one"'}
        self.send_response(status)
        for name, value in (plain | headers).items():
            if value is not None:
                self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@contextmanager
def serve_responders(**responders: Responder) -> Iterator[tuple[str, list[ScriptedHandler]]]:
    """Serve responders; yield the URL, and the list of requests."""
    requests: list[ScriptedHandler] = []
    handler = type("H", (ScriptedHandler,), {"responders": responders, "requests": requests})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", requests
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def respond_in_turn(*responders: Responder) -> Responder:
    """Return a responder that uses the given ones in order."""
    remaining = list(responders)

    def respond(handler: ScriptedHandler) -> None:
        remaining.pop(0)(handler)

    return respond


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "BACKOFF", transfer.BACKOFF._replace(first=0.001))


def fetch_file(url: str, folder: Path, timeout: float = 5.0) -> tuple[str, bytes]:
    """Fetch a file; return its name and its bytes."""
    fetcher = Fetcher(
        connections=1, request_timeout=timeout, user_agent="tests", check=lambda: None
    )
    try:
        with PartialFile(folder / "part") as part:
            remote_file = fetcher.fetch(
                url, part, lambda remote_file: remote_file, lambda *_: None, lambda: None
            )
            return remote_file.name, part.path.read_bytes()
    finally:
        fetcher.close()


def expect_rejection(
    respond: Responder, folder: Path, name: str = "a.zip", timeout: float = 5.0
) -> str:
    """Return the message of the error that a fetch must raise."""
    with serve_responders(x=respond) as (url, _), pytest.raises(RecordError) as error:
        fetch_file(f"{url}/x/{name}?sig={SECRET}", folder, timeout)
    assert list(folder.iterdir()) == []
    assert SECRET not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    ("disposition", "path", "name"),
    [
        (None, "images/a%20b.zip", "a b.zip"),
        ('attachment; filename="c.zip"', "a.zip", "c.zip"),
        ("attachment; filename=c.zip", "a.zip", "c.zip"),
        ("attachment; filename*=UTF-8''gr%C3%BCn.zip", "a.zip", "grün.zip"),
        ('attachment; filename="grün.zip"', "a.zip", "grün.zip"),
        ('attachment; filename="../../etc/cron.d/x.zip"', "a.zip", "x.zip"),
        ("attachment; filename*=UTF-8''..%2F..%2Fx.zip", "a.zip", "x.zip"),
        ('attachment; filename="..\\\\..\\\\x.zip"', "a.zip", "x.zip"),
        ('attachment; filename=".."', "a.zip", "a.zip"),
        ('attachment; filename="/"', "a.zip", "a.zip"),
        ('attachment; filename=".hidden.zip"', "a.zip", "hidden.zip"),
        ("inline", "%2e%2e%2f%2e%2e%2fa.zip", "a.zip"),
        (None, "a%00%07b.zip", "ab.zip"),
        (None, "a:b*.zip", "a_b_.zip"),
        (None, "", ""),
        (None, "..", ""),
    ],
)
def test_filename_from_headers_stays_in_folder(
    disposition: str | None, path: str, name: str
) -> None:
    headers = {"Content-Disposition": disposition} if disposition else {}
    as_sent = {key: value.encode().decode("latin-1") for key, value in headers.items()}
    assert filename_from(as_sent, f"https://host/{path}?sig=x/y.tif") == name


@pytest.mark.parametrize("name", ["x" * 999 + ".zip", "ü" * 500 + ".tif", "a." + "y" * 999])
def test_safe_filename_long_name_shortened_with_extension(name: str) -> None:
    shortened = safe_filename(name)
    assert 100 < len(shortened.encode()) <= MAX_FILENAME_BYTES
    assert Path(shortened).suffix == (Path(name).suffix if len(Path(name).suffix) < 9 else "") or (
        shortened == name[:MAX_FILENAME_BYTES]
    )


@pytest.mark.parametrize(
    ("name", "head", "accepted"),
    [
        ("a.zip", b"PK\3\4....", True), ("a.ZIP", b"PK\5\6....", True),
        ("a.zip", b"<html>", False), ("a.zip", b"", False), ("a.zip", b" PK\3\4", True),
        ("a.tif", b"II*\0", True), ("a.tiff", b"MM\0*", True), ("a.tif", b"II+\0", True),
        ("a.tif", b"PK\3\4", False), ("a.json", b' \n{"a"', True), ("a.geojson", b"[", True),
        ("a.json", b"\xef\xbb\xbf{", True), ("a.json", b"<?xml", False), ("a.bin", b"<?xml", True),
    ],
)  # fmt: skip
def test_magic_number_error_by_extension(name: str, head: bytes, *, accepted: bool) -> None:
    assert (magic_number_error(name, head) is None) == accepted


@pytest.mark.parametrize(
    ("name", "content_type", "accepted"),
    [
        ("a.zip", "application/zip", True), ("a.zip", "binary/octet-stream", True),
        ("a.zip", None, True), ("a.zip", "text/html; charset=utf-8", False),
        ("a.zip", "application/xml", False), ("a.zip", "application/json", False),
        ("a.zip", "text/plain", False), ("a.html", "text/html", False),
        ("a.json", "application/geo+json", True), ("a.json", "text/plain", True),
        ("a.json", "application/xml", False), ("a.xml", "application/xml", True),
    ],
)  # fmt: skip
def test_fetch_content_type_must_match_extension(
    tmp_path: Path, name: str, content_type: str | None, *, accepted: bool
) -> None:
    body = b"{}" if name.endswith("json") else ZIP

    def respond(handler: ScriptedHandler) -> None:
        handler.send(body, Content_Type=content_type)

    if accepted:
        with serve_responders(x=respond) as (url, _):
            assert fetch_file(f"{url}/x/{name}", tmp_path) == (name, body)
    else:
        assert "the response is " in expect_rejection(respond, tmp_path, name)


@pytest.mark.parametrize(
    ("respond", "reason"),
    [
        (lambda handler: handler.send(b"<html>"), "does not start like a .zip file"),
        (lambda handler: handler.send(b""), "does not start like a .zip file"),
        (lambda handler: handler.send(Content_Length=None), "no valid Content-Length"),
        (lambda handler: handler.send(Content_Length="-1"), "no valid Content-Length"),
        (lambda handler: handler.send(status=503), "returned status 503"),
        (lambda handler: handler.send(status=204), "returned status 204"),
        (lambda handler: handler.send(status=206, Content_Range="bytes 5-9/10"), "file changed"),
        (lambda handler: handler.send(status=302, Location="/x/again.zip"), "redirects too often"),
        (
            lambda handler: handler.send(status=302, Location="ftp://host/a.zip"),
            "is invalid; check the signed URL",
        ),
    ],
)
def test_fetch_invalid_response_not_kept(tmp_path: Path, respond: Responder, reason: str) -> None:
    assert reason in expect_rejection(respond, tmp_path)


def test_fetch_longer_than_content_length_fails(tmp_path: Path) -> None:
    def respond(handler: ScriptedHandler) -> None:
        handler.protocol_version = "HTTP/1.1"
        handler.send(b"", Content_Length="100", Transfer_Encoding="chunked", Connection="close")
        handler.wfile.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(ZIP), ZIP))

    assert "is longer than its Content-Length" in expect_rejection(respond, tmp_path)


def test_fetch_silent_connection_times_out(tmp_path: Path) -> None:
    closed = threading.Event()

    def respond(handler: ScriptedHandler) -> None:
        handler.send(b"", Content_Length="9999")
        closed.wait(5)

    try:
        error = expect_rejection(respond, tmp_path, timeout=0.05)
        assert "timed out waiting for 127.0.0.1:" in error
    finally:
        closed.set()


def test_fetch_headers_that_drip_time_out(tmp_path: Path) -> None:
    def drip(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
        while True:
            connection.sendall(b"x")
            time.sleep(0.01)

    with serve_connections(drip) as peer:
        with pytest.raises(RecordError, match=f"timed out waiting for {peer}; "):
            fetch_file(f"http://{peer}/a.zip?sig={SECRET}", tmp_path, timeout=0.1)


def test_fetch_refused_connection_names_host_and_port(tmp_path: Path) -> None:
    peer = f"127.0.0.1:{find_dead_port()}"
    with pytest.raises(RecordError, match=f"^{peer} refused the connection; .*5 attempts"):
        fetch_file(f"http://{peer}/a.zip?sig={SECRET}", tmp_path)


def test_fetch_untrusted_certificate_fails_at_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
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


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
def test_fetch_rejected_url_not_retried(tmp_path: Path, status: int) -> None:
    with serve_responders(x=lambda handler: handler.send(status=status)) as (url, requests):
        with pytest.raises(SignedUrlRefused) as error:
            fetch_file(f"{url}/x/a.zip", tmp_path)
    assert (error.value.status, len(requests)) == (status, 1)


def resume_part(
    folder: Path, remote_file: RemoteFile, size: int, *responders: Responder
) -> tuple[bytes, list[dict[str, str]]]:
    """Resume a partial file; return its content, and the headers of each request."""
    with PartialFile(folder / "part") as part:
        part.restart(remote_file)
        part.append(ZIP[:size])
    with serve_responders(x=respond_in_turn(*responders)) as (url, requests):
        _, content = fetch_file(f"{url}/x/a.zip", folder)
    return content, [dict(each.headers) for each in requests]


def respond_rest(start: int, etag: str | None = '"one"', total: int = len(ZIP)) -> Responder:
    """Return a responder that sends the bytes from `start` with status 206."""
    content_range = f"bytes {start}-{total - 1}/{total}"
    return lambda handler: handler.send(ZIP[start:], 206, Content_Range=content_range, ETag=etag)


def test_partial_file_with_etag_resumed(tmp_path: Path) -> None:
    remote_file = RemoteFile("a.zip", len(ZIP), '"one"')
    content, [headers] = resume_part(tmp_path, remote_file, 1000, respond_rest(1000))
    assert content == ZIP
    assert (headers["Range"], headers["If-Range"]) == ("bytes=1000-", '"one"')
    assert headers["Accept-Encoding"] == "identity"


def test_partial_file_without_etag_resumed_by_date(tmp_path: Path) -> None:
    date = "Wed, 01 Jan 2025 00:00:00 GMT"
    remote_file = RemoteFile("a.zip", len(ZIP), "", date)
    content, [headers] = resume_part(tmp_path, remote_file, 1000, respond_rest(1000, None))
    assert (content, headers["If-Range"]) == (ZIP, date)


def test_partial_file_without_validator_restarted(tmp_path: Path) -> None:
    content, [headers] = resume_part(
        tmp_path, RemoteFile("a.zip", len(ZIP)), 1000, ScriptedHandler.send
    )
    assert content == ZIP
    assert "Range" not in headers


def test_partial_file_weak_etag_restarted(tmp_path: Path) -> None:
    respond = respond_in_turn(
        lambda handler: handler.send(ZIP[:500], ETag='W/"one"', Content_Length=str(len(ZIP))),
        lambda handler: handler.send(ETag='W/"one"'),
    )
    with serve_responders(x=respond) as (url, requests):
        assert fetch_file(f"{url}/x/a.zip", tmp_path)[1] == ZIP
    assert "Range" not in requests[1].headers


@pytest.mark.parametrize(
    "wrong",
    [
        respond_rest(1000, '"two"'),
        respond_rest(900),
        respond_rest(1100),
        respond_rest(1000, total=len(ZIP) + 1),
        lambda handler: handler.send(b"", 416),
        lambda handler: handler.send(ZIP[1000:], 206),
    ],
    ids=["other ETag", "earlier start", "later start", "other size", "beyond the end", "no range"],
)
def test_partial_file_mismatched_range_restarted(tmp_path: Path, wrong: Responder) -> None:
    remote_file = RemoteFile("a.zip", len(ZIP), '"one"')
    content, sent_headers = resume_part(tmp_path, remote_file, 1000, wrong, ScriptedHandler.send)
    assert content == ZIP
    assert ["Range" in headers for headers in sent_headers] == [True, False]


def test_partial_file_complete_sends_no_request(tmp_path: Path) -> None:
    content, sent_headers = resume_part(tmp_path, RemoteFile("a.zip", len(ZIP), '"one"'), len(ZIP))
    assert (content, sent_headers) == (ZIP, [])


def test_partial_file_damaged_metadata_restarted(tmp_path: Path) -> None:
    remote_file = RemoteFile("a.zip", len(ZIP), '"one"')
    for damage in (b"", b"{", b'{"whole": 1}'):
        with PartialFile(tmp_path / "part") as part:
            part.restart(remote_file)
            part.append(ZIP[:1000])
        (tmp_path / "part.json").write_bytes(damage)
        with PartialFile(tmp_path / "part") as part:
            assert (part.remote_file, part.size) == (None, 0)


def test_partial_file_unsynced_bytes_dropped(tmp_path: Path) -> None:
    with PartialFile(tmp_path / "part") as part:
        part.restart(RemoteFile("a.zip", len(ZIP), '"one"'))
        part.append(ZIP[:1000])
    with (tmp_path / "part").open("ab") as file:
        file.write(bytes(500))  # as after a crash of the machine
    with PartialFile(tmp_path / "part") as part:
        assert part.size == 1000
    assert (tmp_path / "part").read_bytes() == ZIP[:1000]


def test_partial_file_locked_by_other_run_fails(tmp_path: Path) -> None:
    with (
        PartialFile(tmp_path / "part"),
        pytest.raises(RecordError, match="another run is downloading it"),
    ):
        PartialFile(tmp_path / "part").__enter__()


def test_partial_file_private_and_link_rejected(tmp_path: Path) -> None:
    with PartialFile(tmp_path / "part") as part:
        part.restart(RemoteFile("a.zip", 5, '"one"'))
        part.append(b"PK")
        assert {each.stat().st_mode & 0o777 for each in tmp_path.iterdir()} == {0o600}
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RecordError, match="cannot write its file"):
        PartialFile(tmp_path / "link").__enter__()
    assert not (tmp_path / "elsewhere").exists()


def test_fetch_redirect_sends_no_credentials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "home"
    folder.mkdir()
    (folder / "netrc").write_text("machine 127.0.0.1 login me password mine\n")
    monkeypatch.setenv("NETRC", str(folder / "netrc"))

    def redirect(handler: ScriptedHandler) -> None:
        handler.send(b"", 307, Location="/y/b", Set_Cookie="session=1; Path=/")

    with serve_responders(x=redirect, y=ScriptedHandler.send) as (url, requests):
        name, content = fetch_file(f"{url}/x/a.zip", tmp_path)
    assert (name, content) == ("a.zip", ZIP), "the name comes from the signed URL"
    for each in requests:
        assert not {"authorization", "cookie"} & {name.lower() for name in each.headers}


def test_fetch_logs_contain_no_url(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    respond = respond_in_turn(
        lambda handler: handler.send(ZIP[:500], Content_Length=str(len(ZIP))),
        lambda handler: handler.send(b"", 503),
        lambda handler: handler.send(b"", 307, Location=f"/x/b.zip?sig={SECRET}"),
        respond_rest(500),
    )
    with serve_responders(x=respond) as (url, _):
        assert fetch_file(f"{url}/x/a.zip?sig={SECRET}", tmp_path)[1] == ZIP
    assert "closed the connection before the response was complete after 500 bytes" in caplog.text
    assert SECRET not in caplog.text
    assert "a.zip" not in caplog.text
