"""The client over real sockets: what it repeats, what it reports, and what it never says."""

from __future__ import annotations

import socket
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

import pixxel_api.client as module
from pixxel_api import errors, retry
from pixxel_api.client import Client, RequestLog
from tests.pixxel_api.scripted import Script, ScriptedServer, answer

if TYPE_CHECKING:
    from pixxel_api.response import JsonResponse

TOKEN = "px-tok/en+very&secret="
HTML = b"<html><body>502 Bad Gateway px-tok/en+very&secret=</body></html>"


def body(answered: JsonResponse) -> dict[str, Any]:
    return {name: msgspec.json.decode(raw) for name, raw in answered.fields.items()}


def client(server: ScriptedServer, **options: Any) -> Client:
    return Client(TOKEN, url=server.url, user_agent="tests/1", **options)


@pytest.fixture(autouse=True)
def _short_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "_BACKOFF", lambda _: 0.01)
    monkeypatch.setattr(module, "_PAUSE_AFTER_429", 0.05)


def test_a_read_sends_the_token_as_a_bearer_and_names_the_agent() -> None:
    with ScriptedServer(answer(body=b'{"a": 1}')) as server:
        assert body(client(server).send_with_retries("GET", "/v0/stores", params={"a": 1})) == {
            "a": 1
        }
    head = server.requests[0].decode()
    assert "GET /v0/stores?a=1 HTTP/1.1" in head
    assert f"Authorization: Bearer {TOKEN}\r\n" in head
    assert "User-Agent: tests/1\r\n" in head


def test_a_netrc_does_not_replace_the_token(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login other password other")
    monkeypatch.setenv("NETRC", str(netrc))
    with ScriptedServer(answer()) as server:
        client(server).send_with_retries("GET", "/ping")
    assert f"Bearer {TOKEN}".encode() in server.requests[0]


def test_a_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under HTTP it sees all of a request; docs/security.md says so."""
    with ScriptedServer(answer()) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", "")
        Client(TOKEN, url="http://api.invalid", user_agent="tests/1").send_with_retries(
            "GET", "/ping"
        )
    assert proxy.requests[0].startswith(b"GET http://api.invalid/ping HTTP/1.1")
    assert f"Bearer {TOKEN}".encode() in proxy.requests[0]


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(None, id="connection closed without an answer"),
        pytest.param(answer(body=b'{"a":', length=100), id="reset in the body"),
        pytest.param(answer(body=b'{"a": [1, 2'), id="cut off JSON with a right length"),
        pytest.param(answer(body=HTML), id="HTML with status 200"),
        pytest.param(
            answer(body=b"\x1f\x8b nonsense", headers=("Content-Encoding: gzip",)), id="not gzip"
        ),
        *[answer(status, HTML) for status in (429, 500, 502, 503, 504)],
    ],
)
def test_a_read_is_repeated_after_a_fault_that_passes(fault: Script) -> None:
    with ScriptedServer(fault, fault, answer(body=b'{"a": 1}')) as server:
        answered = client(server).send_with_retries(
            "POST", "/v0/archives/search", body={"limit": 1}
        )
        assert body(answered) == {"a": 1}
    assert len(server.requests) == 3
    assert all(b'{"limit": 1}' in request for request in server.requests)


@pytest.mark.parametrize("fault", [None, answer(500), answer(429), answer(body=b'{"a":')])
def test_a_write_is_sent_once_whatever_comes(fault: Script) -> None:
    with ScriptedServer(fault, answer()) as server, pytest.raises(errors.ApiError):
        client(server).send_once("POST", "/v0/stores", body={})
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (400, errors.BadRequest, "rejected the request"),
        (401, errors.Unauthorized, "'api_token'"),
        (403, errors.Forbidden, "'api_token'"),
        (404, errors.NotFound, "'api_url'"),
        (409, errors.Conflict, "conflicts"),
        (501, errors.ServerError, "server error"),
    ],
)
def test_other_statuses_are_typed_errors_at_once(
    status: int, kind: type[errors.ApiError], words: str
) -> None:
    body = b'{"error": {"code": "some_code", "message": "px-tok/en+very&secret= is bad"}}'
    with (
        ScriptedServer(
            answer(status, body, headers=("Location: http://localhost:1/",)), answer()
        ) as server,
        pytest.raises(kind) as caught,
    ):
        client(server).send_with_retries("GET", "/v0/orders", params={"x": "y"})
    text = str(caught.value)
    assert len(server.requests) == 1
    assert f"GET /v0/orders returned {status} (some_code)" in text
    assert words in text
    assert "secret" not in text
    assert caught.value.code == "some_code"


def test_a_redirect_is_not_followed_so_the_token_goes_nowhere_else() -> None:
    with ScriptedServer(answer()) as other:
        there = answer(302, headers=(f"Location: {other.url}/v0/orders",))
        with ScriptedServer(there) as server, pytest.raises(errors.Redirected, match="'api_url'"):
            client(server).send_with_retries("GET", "/v0/orders")
    assert other.requests == []


@pytest.mark.parametrize(
    ("body", "kind", "words"),
    [
        (HTML, errors.InvalidBody, "HTML"),
        (b'{"a":', errors.InvalidBody, "not JSON"),
        (b"\xff\xfe", errors.InvalidBody, "not JSON"),
        (b"[]", errors.UnexpectedResponse, "not a JSON object"),
        (b'"pong"', errors.UnexpectedResponse, "not a JSON object"),
    ],
)
def test_a_body_that_is_none_is_a_typed_error_without_the_body(
    body: bytes, kind: type[errors.ApiError], words: str
) -> None:
    with ScriptedServer(answer(body=body)) as server, pytest.raises(kind) as caught:
        client(server, deadline=0.05).send_with_retries("GET", "/v0/orders")
    assert words in str(caught.value)
    assert "GET /v0/orders returned 200" in str(caught.value)
    assert "Gateway" not in str(caught.value)


def test_an_envelope_cannot_smuggle_text_into_an_error() -> None:
    body = b'{"error": {"code": "x\\nANSI \\u001b[31m and the body", "message": "m"}}'
    with ScriptedServer(answer(400, body)) as server, pytest.raises(errors.BadRequest) as caught:
        client(server).send_with_retries("GET", "/v0/orders")
    assert "ANSI" not in str(caught.value)


def test_retry_after_in_seconds_is_waited_for() -> None:
    with ScriptedServer(answer(429, headers=("Retry-After: 1",)), answer()) as server:
        client(server).send_with_retries("GET", "/v0/orders")
    assert server.times[1] - server.times[0] >= 1.0


def test_retry_after_as_a_date_is_waited_for() -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=2.5), usegmt=True)
    with ScriptedServer(answer(503, headers=(f"Retry-After: {date}",)), answer()) as server:
        client(server).send_with_retries("GET", "/v0/orders")
    assert server.times[1] - server.times[0] >= 1.0


@pytest.mark.parametrize("wish", ["soon", "-5", "", "1e9", "Thu, 99 Foo 2026"])
def test_nonsense_in_retry_after_does_no_harm(wish: str) -> None:
    with ScriptedServer(answer(503, headers=(f"Retry-After: {wish}",)), answer()) as server:
        assert body(client(server).send_with_retries("GET", "/v0/orders")) == {}


def test_a_long_retry_after_is_capped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "MAX_RETRY_AFTER", 0.2)
    with ScriptedServer(answer(429, headers=("Retry-After: 86400",)), answer()) as server:
        client(server).send_with_retries("GET", "/v0/orders")
    assert server.times[1] - server.times[0] < 5


def test_one_429_holds_every_thread_back() -> None:
    wait = answer(429, headers=("Retry-After: 1",))
    with ScriptedServer(wait, answer()) as server:
        reader = client(server)
        reader_threads = 4
        with ThreadPoolExecutor(reader_threads) as pool:
            first = pool.submit(reader.send_with_retries, "GET", "/v0/orders")
            time.sleep(0.3)
            rest = [pool.submit(reader.send_with_retries, "GET", "/v0/orders") for _ in range(3)]
            for future in [first, *rest]:
                future.result()
    assert min(server.times[1:]) - server.times[0] >= 1.0


def test_a_deadline_ends_the_retrying() -> None:
    start = time.monotonic()
    with ScriptedServer(answer(503)) as server, pytest.raises(errors.ServerUnavailable):
        client(server, deadline=0.3).send_with_retries("GET", "/v0/orders")
    assert time.monotonic() - start < 5
    assert len(server.requests) > 2


def test_a_server_that_never_answered_is_given_up_sooner(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "FIRST_CONNECT_DEADLINE", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    nobody = Client(TOKEN, url=f"http://127.0.0.1:{port}", user_agent="tests/1")
    start = time.monotonic()
    with pytest.raises(errors.ConnectError, match="'api_url'"):
        nobody.send_with_retries("GET", "/ping")
    assert time.monotonic() - start < 10


def test_a_silent_server_times_out() -> None:
    with ScriptedServer(answer(), drip=0.5) as server, pytest.raises(errors.RequestTimeout):
        client(server, read_timeout=0.1, deadline=0.2).send_with_retries("GET", "/v0/orders")


def test_a_slow_drip_does_not_outlast_the_deadline() -> None:
    body = b'{"a": "' + b"x" * 400 + b'"}'
    start = time.monotonic()
    with (
        ScriptedServer(answer(body=body), drip=0.02) as server,
        pytest.raises(errors.RequestTimeout),
    ):
        client(server, read_timeout=5, deadline=0.5).send_with_retries("GET", "/v0/orders")
    assert time.monotonic() - start < 8


def test_a_bad_address_is_not_retried() -> None:
    nowhere = Client(TOKEN, url="ftp://x", user_agent="tests/1")
    with pytest.raises(errors.InvalidUrl):
        nowhere.send_with_retries("GET", "/ping")


def test_the_rate_is_held_by_all_threads_together() -> None:
    start = time.monotonic()
    with ScriptedServer(answer()) as server:
        reader = client(server, requests_per_second=20)
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda _: reader.send_with_retries("GET", "/v0/orders"), range(9)))
        reader.close()
    assert server.times[-1] - start >= 8 * 0.05 * 0.9


def test_each_request_is_observed_with_its_status() -> None:
    seen: list[RequestLog] = []
    with ScriptedServer(answer(503), answer()) as server:
        client(server, on_request=seen.append).send_with_retries("GET", "/v0/orders")
    assert [(each.path, each.status) for each in seen] == [("/v0/orders", 503), ("/v0/orders", 200)]


def test_the_servers_clock_is_taken_from_before_the_answer() -> None:
    date = format_datetime(datetime(2025, 5, 1, 12, tzinfo=UTC), usegmt=True)
    with ScriptedServer(answer(headers=(f"Date: {date}",))) as server:
        asked = client(server).send_with_retries("GET", "/v0/orders").requested_at
    assert asked is not None
    assert (
        datetime(2025, 5, 1, 11, 59, 50, tzinfo=UTC) < asked < datetime(2025, 5, 1, 12, tzinfo=UTC)
    )


def test_a_stop_ends_the_waiting_between_attempts() -> None:
    class StopNow(BaseException):
        pass

    calls = 0

    def check() -> None:
        nonlocal calls
        calls += 1
        if calls > 2:
            raise StopNow

    start = time.monotonic()
    with ScriptedServer(answer(429, headers=("Retry-After: 60",))) as server:
        with pytest.raises(StopNow):
            client(server, check=check).send_with_retries("GET", "/v0/orders")
    assert time.monotonic() - start < 5


def test_a_text_is_asked_for_unpacked_so_that_its_length_tells_when_it_was_cut_off() -> None:
    with ScriptedServer(answer(body=b"a,b\n1", length=90), answer(body=b"a,b\n1,2\n")) as server:
        text = client(server).get_text("/v0/report")
    assert text.content == b"a,b\n1,2\n"
    assert all(b"accept-encoding: identity" in each.lower() for each in server.requests)
