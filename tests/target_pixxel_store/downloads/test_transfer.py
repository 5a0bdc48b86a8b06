"""Transfers: connections that fail or are slow, and what reaches no server."""

from __future__ import annotations

import logging
import threading
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
import trustme

from target_pixxel_store.downloads import transfer
from target_pixxel_store.downloads.partial_file import PartialFile, open_folder
from target_pixxel_store.downloads.transfer import Fetcher, Transfer
from target_pixxel_store.errors import RecordError
from tests.pixxel_api.network_faults import BUFFER_BYTES, find_dead_port, serve_connections
from tests.pixxel_api.scripted import ScriptedServer, answer
from tests.target_pixxel_store.downloads.object_server import make_zip

if TYPE_CHECKING:
    import socket
    from pathlib import Path

SECRET = "a-signature-as-good-as-a-password"


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "BACKOFF", transfer.BACKOFF._replace(first=0.001))


def fetch_file(url: str, folder: Path, timeout: float = 5.0) -> tuple[str, bytes]:
    """Fetch a file; return its name and its bytes."""
    fetcher = Fetcher(
        connections=1, request_timeout=timeout, user_agent="tests", check=lambda: None
    )
    with closing(fetcher), PartialFile(open_folder(folder), "part") as part:
        job = Transfer(part, lambda file: file, lambda *_: None, lambda: None)
        return fetcher.fetch(url, job).name, (folder / "part").read_bytes()


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


def test_fetch_redirect_sends_no_credentials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
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
        assert b"authorization" not in request.lower()
        assert b"cookie" not in request.lower()
        assert b"Accept-Encoding: identity" in request
