"""Deadlines: nothing that a server sends slowly keeps a request going beyond its deadline."""

from __future__ import annotations

import math
import socket
import ssl
import time
from typing import TYPE_CHECKING, Any

import pytest
import trustme

from pixxel_api import deadlines, errors
from pixxel_api.client import Client
from pixxel_api.deadlines import Deadline, DeadlineSession
from tests.pixxel_api.network_faults import BUFFER_BYTES, fill_backlog, serve_connections
from tests.pixxel_api.test_client import TOKEN

if TYPE_CHECKING:
    from collections.abc import Callable

HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n"
TIMEOUT = 0.5  # seconds
MAX_SECONDS = 20  # for a request that must end; the machine may be busy


def repeat(first: bytes, again: bytes, pause: float) -> Callable[[socket.socket], None]:
    """Return a handler that sends bytes, then others again and again."""

    def handle(connection: socket.socket) -> None:
        connection.recv(BUFFER_BYTES)
        connection.sendall(first)
        while True:
            connection.sendall(again)
            time.sleep(pause)

    return handle


DRIPS = {
    "status line": repeat(b"HTTP/1.1 200 ", b"O", 0.05),
    "headers": repeat(HEAD + b"X: ", b"x", 0.05),
    "100": repeat(b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0.05),
    "103": repeat(b"", b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", 0.05),
    "body": repeat(HEAD + b"Content-Length: 999999\r\n\r\n", b" ", 0.05),
    "chunks": repeat(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n", 0.05),
    "trailers": repeat(CHUNKED, b"X: y\r\n", 0.05),
    "fast 100": repeat(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 999, 0.0),
    "fast trailers": repeat(CHUNKED, b"X: y\r\n" * 999, 0.0),
}


@pytest.mark.parametrize("drip", DRIPS)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_slow_response_ends_at_deadline(drip: str, method: str) -> None:
    """Newer versions of Python 3.14 end those that are fast at a number of headers."""
    start = time.monotonic()
    with serve_connections(DRIPS[drip]) as peer:
        client = Client(
            TOKEN,
            url=f"http://{peer}",
            user_agent="tests/1",
            request_timeout=TIMEOUT,
            deadline=TIMEOUT if method == "GET" else 300.0,
        )
        expected = f"timed out waiting for {peer}" + f"|{peer} is not HTTP" * ("fast" in drip)
        with pytest.raises(errors.ApiError, match=expected):
            client._request_json(method, "/v0/stores", None, None, is_read=method == "GET")
    assert time.monotonic() - start < MAX_SECONDS


def test_slow_reader_of_a_write_ends_at_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    """TLS sends a long body in many parts, each of which the server reads slowly."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)

    def read_slowly(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as server:
            while server.recv(4096):
                time.sleep(0.05)

    start = time.monotonic()
    with serve_connections(read_slowly) as peer, authority.cert_pem.tempfile() as bundle:
        client = Client(TOKEN, url=f"https://{peer}", user_agent="tests/1", request_timeout=TIMEOUT)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", bundle)
        with pytest.raises(errors.RequestTimeout):
            client.send_once("POST", "/v0/stores", body={"name": "x" * 20_000_000})
    assert time.monotonic() - start < MAX_SECONDS


def test_write_after_its_deadline_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """It could be executed after a list, without it, has decided that it must be sent again."""
    resolve = socket.getaddrinfo

    def resolve_slowly(*args: Any, **options: Any) -> Any:
        time.sleep(2 * TIMEOUT)
        return resolve(*args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolve_slowly)
    received: list[bytes] = []
    with serve_connections(lambda connection: received.append(connection.recv(1))) as peer:
        client = Client(TOKEN, url=f"http://{peer}", user_agent="tests/1", request_timeout=TIMEOUT)
        with pytest.raises(errors.RequestTimeout):
            client.send_once("POST", "/v0/stores", body={})
        client.close()
    assert received in ([b""], [])


def resolve_to(monkeypatch: pytest.MonkeyPatch, *peers: str) -> None:
    """Let each host name have the addresses of several peers."""
    addresses = [peer.split(":") for peer in peers]
    found = [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, int(port))) for host, port in addresses
    ]
    resolve = socket.getaddrinfo
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda host, *rest: found if host == "several.invalid" else resolve(host, *rest),
    )


def test_silent_address_leaves_time_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    response = HEAD + b"Content-Length: 2\r\n\r\n{}"

    def handle(connection: socket.socket) -> None:
        connection.recv(BUFFER_BYTES)
        connection.sendall(response)

    with serve_connections(handle) as peer, fill_backlog(int(peer.split(":")[1])) as silent:
        resolve_to(monkeypatch, silent, peer)
        url = f"http://several.invalid:{peer.split(':')[1]}"
        client = Client(TOKEN, url=url, user_agent="tests/1", request_timeout=4)
        assert client.send_once("POST", "/v0/stores", body={}).status == 200
        client.close()


def test_interim_responses_are_skipped() -> None:
    """As if it were the response, the final one would be taken for that of the next request."""
    interim = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n"
    first, second = (
        b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n" + body
        for body in (b'{"a": 1}', b'{"a": 2}')
    )

    def handle(connection: socket.socket) -> None:
        for response in (first, second):
            connection.recv(BUFFER_BYTES)
            connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" + 2 * interim + response)
        connection.recv(BUFFER_BYTES)

    with serve_connections(handle) as peer:
        client = Client(TOKEN, url=f"http://{peer}", user_agent="tests/1")
        answers = [client.send_with_retries("GET", "/v0/orders") for _ in range(2)]
        client.close()
    assert [each.decode_field("a") for each in answers] == [1, 2]


class Clock:
    """The time of deadlines, as the test sets it."""

    seconds = 0.0

    def monotonic(self) -> float:
        return self.seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(deadlines, "time", found)
    return found


def test_body_of_read_must_have_minimum_speed(clock: Clock) -> None:
    deadline = Deadline(60.0, body_seconds=math.inf)
    clock.seconds = 50.0
    deadline.start_body()
    for _ in range(100):  # 1 kB/s, an hour and a half in all
        clock.seconds += 59.0
        assert deadline.remaining_seconds() == 1.0
        deadline.count_bytes(60_000)
    deadline.count_bytes(59_999)
    clock.seconds += 60.0
    with pytest.raises(TimeoutError):
        deadline.remaining_seconds()


def test_body_of_read_has_maximum_duration(clock: Clock) -> None:
    deadline = Deadline(60.0, body_seconds=300.0)
    deadline.start_body()
    clock.seconds = 299.0
    deadline.count_bytes(10**9)
    assert deadline.remaining_seconds() == 1.0
    clock.seconds = 300.0
    with pytest.raises(TimeoutError):
        deadline.remaining_seconds()


@pytest.mark.parametrize("body_seconds", [None, 300.0])
def test_headers_are_bounded_regardless_of_their_size(
    clock: Clock, body_seconds: float | None
) -> None:
    deadline = Deadline(60.0, body_seconds=body_seconds)
    clock.seconds = 60.0
    deadline.count_bytes(10**9)
    with pytest.raises(TimeoutError):
        deadline.remaining_seconds()


def test_write_is_bounded_as_a_whole(clock: Clock) -> None:
    deadline = Deadline(60.0)
    clock.seconds = 30.0
    deadline.start_body()
    deadline.count_bytes(10**9)
    assert deadline.remaining_seconds() == 30.0


def test_redirect_is_returned_without_its_body() -> None:
    sent = 0

    def respond(connection: socket.socket) -> None:
        nonlocal sent
        connection.sendall(b"HTTP/1.1 302 X\r\nLocation: /\r\nContent-Length: 999999999\r\n\r\n")
        while sent < 512:
            connection.sendall(bytes(1 << 20))
            sent += 1

    with serve_connections(respond) as peer, DeadlineSession(1) as session, Deadline(60):
        with session.get(f"http://{peer}/a", stream=True) as response:
            assert response.status_code == 302
    assert sent < 64, "MiB"
