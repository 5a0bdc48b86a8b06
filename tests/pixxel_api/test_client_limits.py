"""Client: deadlines, pauses, stop requests, and the classes of its errors."""

from __future__ import annotations

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

import pixxel_api.client as client_module
from pixxel_api import errors, retry
from pixxel_api.client import Client
from pixxel_api.rate_limit import RateLimiter
from tests.pixxel_api.scripted import ScriptedServer, answer
from tests.pixxel_api.test_client import TOKEN, make_client

if TYPE_CHECKING:
    from collections.abc import Iterator


class StopNow(BaseException):
    """Raised by `check` to request a stop."""


@pytest.fixture(autouse=True)
def _set_short_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "_BACKOFF", lambda _: 0.01)
    monkeypatch.setattr(client_module, "_PAUSE_AFTER_429", 0.05)


def test_cookie_from_server_is_not_sent_back() -> None:
    cookie = ("Set-Cookie: session=abc; Path=/",)
    with ScriptedServer(answer(headers=cookie)) as server:
        client = make_client(server)
        client.send_with_retries("GET", "/v0/orders")
        client.send_with_retries("GET", "/v0/orders")
    assert b"cookie" not in server.requests[1].lower()


def test_server_that_responded_is_retried_until_deadline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """FIRST_CONNECT_DEADLINE applies only to a server that never responded."""
    monkeypatch.setattr(client_module, "FIRST_CONNECT_DEADLINE", 0.0)
    with ScriptedServer(answer(503), answer(503), answer()) as server:
        assert make_client(server).send_with_retries("GET", "/v0/orders").fields == {}
    assert len(server.requests) == 3


def test_stop_during_slow_body_ends_read() -> None:
    calls = 0

    def check() -> None:
        nonlocal calls
        calls += 1
        if calls > 3:
            raise StopNow

    body = b'{"a": "' + b"x" * 400 + b'"}'
    with ScriptedServer(answer(body=body), drip=0.01) as server, pytest.raises(StopNow):
        make_client(server, check=check, deadline=60).send_with_retries("GET", "/v0/orders")


def test_request_after_stop_is_not_sent() -> None:
    def check() -> None:
        raise StopNow

    with ScriptedServer(answer()) as server, pytest.raises(StopNow):
        make_client(server, check=check).send_with_retries("GET", "/v0/orders")
    assert server.requests == []


@contextmanager
def stalling_server(response: bytes) -> Iterator[str]:
    """Send some bytes on each connection and keep it open; yield the URL of the server."""
    connections: list[socket.socket] = []

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connections.append(connection)
            connection.recv(65536)
            connection.sendall(response)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=accept)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
    for connection in connections:
        connection.close()


def test_invalid_host_name_raises_typed_error() -> None:
    client = Client(TOKEN, url=f"http://{'x' * 64}.example", user_agent="tests/1", deadline=0.0)
    with pytest.raises(errors.ApiError, match="'api_url'"):
        client.send_with_retries("GET", "/ping")


@pytest.mark.parametrize("url", ["ftp://x", "http://"])
def test_invalid_url_raises_after_one_attempt(url: str) -> None:
    requests: list[object] = []
    client = Client(TOKEN, url=url, user_agent="tests/1", on_request=requests.append, deadline=2.0)
    with pytest.raises(errors.AddressError):
        client.send_with_retries("GET", "/ping")
    assert len(requests) == 1


def test_stalled_body_raises_timeout() -> None:
    """The headers have arrived by then; requests raises another error in this case."""
    with stalling_server(answer(body=b'{"a":', length=100)) as url:
        client = Client(TOKEN, url=url, user_agent="tests/1", request_timeout=0.1, deadline=0.3)
        with pytest.raises(errors.RequestTimeout, match="returned 200"):
            client.send_with_retries("GET", "/v0/orders")


def test_date_header_without_zone_is_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    time.tzset()
    try:
        with ScriptedServer(answer(headers=("Date: Thu, 01 May 2025 12:00:00 -0000",))) as server:
            requested_at = make_client(server).send_with_retries("GET", "/v0/orders").requested_at
    finally:
        monkeypatch.undo()
        time.tzset()
    assert requested_at is not None
    assert (requested_at.day, requested_at.hour) == (1, 11)


def test_unexpected_response_is_not_retried() -> None:
    with ScriptedServer(answer(body=b"[]")) as server, pytest.raises(errors.UnexpectedResponse):
        make_client(server).send_with_retries("GET", "/v0/orders")
    assert len(server.requests) == 1


def test_rate_limiter_shorter_pause_keeps_longer_pause() -> None:
    limiter = RateLimiter(None, lambda: None)
    start = time.monotonic()
    limiter.pause(0.5)
    limiter.pause(0.01)
    limiter.wait()
    assert time.monotonic() - start >= 0.5


def test_rate_limiter_longer_pause_delays_waiting_threads() -> None:
    limiter = RateLimiter(None, lambda: None)
    start = time.monotonic()
    limiter.pause(0.3)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(limiter.wait)
        time.sleep(0.1)
        limiter.pause(0.6)
        waiting.result()
    assert time.monotonic() - start >= 0.7


def test_rate_limiter_stop_ends_wait() -> None:
    calls = 0

    def check() -> None:
        nonlocal calls
        calls += 1
        if calls > 3:
            raise StopNow

    limiter = RateLimiter(0.01, check)  # a request in 100 seconds
    limiter.wait()
    with pytest.raises(StopNow):
        limiter.wait()


def test_retry_after_below_backoff_keeps_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "_BACKOFF", lambda _: 1.5)
    with ScriptedServer(answer(503, headers=("Retry-After: 1",)), answer()) as server:
        make_client(server).send_with_retries("GET", "/v0/orders")
    assert server.times[1] - server.times[0] >= 1.5


@pytest.mark.parametrize(
    ("status", "error_class"),
    [(410, errors.ApiError), (422, errors.BadRequest), (501, errors.ServerError)],
)
def test_error_class_for_unlisted_status_is_that_of_its_range(
    status: int, error_class: type[errors.ApiError]
) -> None:
    assert errors.error_class_for(status) is error_class


def test_timeout_is_retried() -> None:
    with ScriptedServer(answer(), drip=0.5) as server, pytest.raises(errors.RequestTimeout):
        make_client(server, request_timeout=0.1, deadline=0.5).send_with_retries(
            "GET", "/v0/orders"
        )
    assert len(server.requests) > 1


@pytest.mark.parametrize("retry_after", [(), ("Retry-After: 0",)])
def test_rate_limited_without_retry_after_pauses_by_default(
    monkeypatch: pytest.MonkeyPatch, retry_after: tuple[str, ...]
) -> None:
    monkeypatch.setattr(client_module, "_PAUSE_AFTER_429", 1.0)
    with ScriptedServer(answer(429, headers=retry_after), answer()) as server:
        make_client(server).send_with_retries("GET", "/v0/orders")
    assert server.times[1] - server.times[0] >= 1.0
