"""The client's limits, pauses and stops, each by the rule that its docstring names."""

from __future__ import annotations

import logging
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING

import pytest

import pixxel_api.client as module
from pixxel_api import errors, retry
from pixxel_api.client import Client
from pixxel_api.rate_limit import RateLimiter
from tests.pixxel_api.scripted import ScriptedServer, answer
from tests.pixxel_api.test_client import TOKEN, client

if TYPE_CHECKING:
    from collections.abc import Iterator


class StopNow(BaseException):
    """What `check` raises when a stop is asked for."""


@pytest.fixture(autouse=True)
def _short_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "_BACKOFF", lambda _: 0.01)
    monkeypatch.setattr(module, "_PAUSE_AFTER_429", 0.05)


def test_cookies_are_not_kept() -> None:
    cookie = ("Set-Cookie: session=abc; Path=/",)
    with ScriptedServer(answer(headers=cookie)) as server:
        reader = client(server)
        reader.send_with_retries("GET", "/v0/orders")
        reader.send_with_retries("GET", "/v0/orders")
    assert b"cookie" not in server.requests[1].lower()


def test_json_is_asked_for() -> None:
    with ScriptedServer(answer()) as server:
        client(server).send_with_retries("GET", "/v0/orders")
    assert b"Accept: application/json\r\n" in server.requests[0]


def test_a_server_that_has_answered_is_retried_until_the_deadline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Only a server that never answered is given up after the first contact's time."""
    monkeypatch.setattr(module, "FIRST_CONNECT_DEADLINE", 0.0)
    with ScriptedServer(answer(503), answer(503), answer()) as server:
        assert client(server).send_with_retries("GET", "/v0/orders").fields == {}
    assert len(server.requests) == 3


def test_a_shorter_wish_does_not_shorten_the_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "_BACKOFF", lambda _: 1.5)
    with ScriptedServer(answer(503, headers=("Retry-After: 1",)), answer()) as server:
        client(server).send_with_retries("GET", "/v0/orders")
    assert server.times[1] - server.times[0] >= 1.5


@pytest.mark.parametrize("wish", [(), ("Retry-After: 0",), ("Retry-After: {past}",)])
def test_a_429_that_names_no_time_holds_every_thread_back(
    monkeypatch: pytest.MonkeyPatch, wish: tuple[str, ...]
) -> None:
    monkeypatch.setattr(module, "_PAUSE_AFTER_429", 1.0)
    past = format_datetime(datetime.now(UTC) - timedelta(hours=1), usegmt=True)
    headers = tuple(each.format(past=past) for each in wish)
    with ScriptedServer(answer(429, headers=headers), answer()) as server:
        client(server).send_with_retries("GET", "/v0/orders")
    assert server.times[1] - server.times[0] >= 1.0


def test_a_stop_ends_the_reading_of_a_slow_answer() -> None:
    calls = 0

    def check() -> None:
        nonlocal calls
        calls += 1
        if calls > 3:
            raise StopNow

    body = b'{"a": "' + b"x" * 400 + b'"}'
    with ScriptedServer(answer(body=body), drip=0.01) as server, pytest.raises(StopNow):
        client(server, check=check, deadline=60).send_with_retries("GET", "/v0/orders")


def test_no_request_is_sent_once_a_stop_is_asked_for() -> None:
    def check() -> None:
        raise StopNow

    with ScriptedServer(answer()) as server, pytest.raises(StopNow):
        client(server, check=check).send_with_retries("GET", "/v0/orders")
    assert server.requests == []


@contextmanager
def holding(reply: bytes) -> Iterator[str]:
    """Answer each connection with some bytes and hold it; gives the URL."""
    held: list[socket.socket] = []

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            held.append(connection)
            connection.recv(65536)
            connection.sendall(reply)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=accept)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
    for connection in held:
        connection.close()


def test_a_server_whose_certificate_is_not_trusted_is_told_at_once() -> None:
    """Plain HTTP behind an https address fails in TLS, as a bad certificate does."""
    sent: list[object] = []
    with holding(answer()) as url:
        there = url.replace("http:", "https:")
        reader = Client(TOKEN, url=there, user_agent="tests/1", on_request=sent.append)
        with pytest.raises(errors.TlsError, match="certificate"):
            reader.send_with_retries("GET", "/ping")
    assert len(sent) == 1


def test_certificates_that_are_not_there_are_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/no/such/file")
    reader = Client(TOKEN, url="https://127.0.0.1:9", user_agent="tests/1")
    with pytest.raises(errors.TlsError, match="certificate"):
        reader.send_with_retries("GET", "/ping")


def test_a_host_name_that_is_none_is_a_typed_error() -> None:
    nowhere = Client(TOKEN, url=f"http://{'x' * 64}.example", user_agent="tests/1", deadline=0.0)
    with pytest.raises(errors.ApiError, match="'api_url'"):
        nowhere.send_with_retries("GET", "/ping")


@pytest.mark.parametrize("url", ["ftp://x", "http://"])
def test_an_address_that_is_none_is_told_at_once(url: str) -> None:
    sent: list[object] = []
    nowhere = Client(TOKEN, url=url, user_agent="tests/1", on_request=sent.append, deadline=2.0)
    with pytest.raises(errors.InvalidUrl):
        nowhere.send_with_retries("GET", "/ping")
    assert len(sent) == 1


def test_a_body_that_stops_coming_is_a_timeout() -> None:
    """The header has come by then; the library has another error for that."""
    with holding(answer(body=b'{"a":', length=100)) as url:
        reader = Client(TOKEN, url=url, user_agent="tests/1", read_timeout=0.1, deadline=0.3)
        with pytest.raises(errors.RequestTimeout, match="returned 200"):
            reader.send_with_retries("GET", "/v0/orders")


def test_a_timeout_is_repeated() -> None:
    with ScriptedServer(answer(), drip=0.5) as server, pytest.raises(errors.RequestTimeout):
        client(server, read_timeout=0.1, deadline=0.5).send_with_retries("GET", "/v0/orders")
    assert len(server.requests) > 1


def test_a_date_without_a_zone_is_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    time.tzset()
    try:
        with ScriptedServer(answer(headers=("Date: Thu, 01 May 2025 12:00:00 -0000",))) as server:
            asked = client(server).send_with_retries("GET", "/v0/orders").requested_at
    finally:
        monkeypatch.undo()
        time.tzset()
    assert asked is not None
    assert (asked.day, asked.hour) == (1, 11)


def test_each_retry_is_logged_with_what_went_wrong(caplog: pytest.LogCaptureFixture) -> None:
    with ScriptedServer(answer(503), answer()) as server, caplog.at_level(logging.WARNING):
        client(server).send_with_retries("GET", "/v0/orders")
    [line] = caplog.messages
    assert line.startswith("GET /v0/orders returned 503: ")
    assert "retrying in 0.0 s" in line


@pytest.mark.parametrize(
    ("status", "kind"),
    [(410, errors.ApiError), (422, errors.BadRequest), (501, errors.ServerError)],
)
def test_a_status_has_the_kind_that_its_family_has(
    status: int, kind: type[errors.ApiError]
) -> None:
    assert errors.error_class_for(status) is kind


def test_json_of_another_shape_is_not_asked_for_again() -> None:
    with ScriptedServer(answer(body=b"[]")) as server, pytest.raises(errors.UnexpectedResponse):
        client(server).send_with_retries("GET", "/v0/orders")
    assert len(server.requests) == 1


def test_a_shorter_pause_does_not_end_a_longer_one() -> None:
    limiter = RateLimiter(None, lambda: None)
    start = time.monotonic()
    limiter.pause(0.5)
    limiter.pause(0.01)
    limiter.wait()
    assert time.monotonic() - start >= 0.5


def test_a_pause_that_grows_holds_back_those_who_wait_already() -> None:
    limiter = RateLimiter(None, lambda: None)
    start = time.monotonic()
    limiter.pause(0.3)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(limiter.wait)
        time.sleep(0.1)
        limiter.pause(0.6)
        waiting.result()
    assert time.monotonic() - start >= 0.7


def test_a_stop_ends_the_waiting_for_the_rate() -> None:
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
