"""Client over real sockets: requests, retries, errors, and no secrets in texts."""

from __future__ import annotations

import codecs
import gzip
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

import pixxel_api.client as client_module
from pixxel_api import errors, retry
from pixxel_api.client import Client, RequestLog
from tests.pixxel_api.scripted import Script, ScriptedServer, answer

if TYPE_CHECKING:
    from pixxel_api.response import JsonResponse

TOKEN = "px-tok/en+very&secret="
HTML = b"<html><body>502 Bad Gateway px-tok/en+very&secret=</body></html>"


def decode_fields(response: JsonResponse) -> dict[str, Any]:
    return {name: msgspec.json.decode(raw) for name, raw in response.fields.items()}


def make_client(server: ScriptedServer, **options: Any) -> Client:
    return Client(TOKEN, url=server.url, user_agent="tests/1", **options)


@pytest.fixture(autouse=True)
def _set_short_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "_BACKOFF", lambda _: 0.01)
    monkeypatch.setattr(client_module, "_PAUSE_AFTER_429", 0.05)


def test_read_sends_bearer_token_and_user_agent() -> None:
    with ScriptedServer(answer(body=b'{"a": 1}')) as server:
        assert decode_fields(
            make_client(server).send_with_retries("GET", "/v0/stores", params={"a": 1})
        ) == {"a": 1}
    head = server.requests[0].decode()
    assert "GET /v0/stores?a=1 HTTP/1.1" in head
    assert f"Authorization: Bearer {TOKEN}\r\n" in head
    assert "User-Agent: tests/1\r\n" in head


def test_proxy_in_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Over HTTP the proxy sees the whole request, as docs/reference/security.md states."""
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
        pytest.param(None, id="connection closed without a response"),
        pytest.param(answer(body=b'{"a":', length=100), id="reset in the body"),
        pytest.param(answer(body=b'{"a": [1, 2'), id="truncated JSON with a correct length"),
        pytest.param(answer(body=HTML), id="HTML with status 200"),
        pytest.param(
            answer(body=b"\x1f\x8b nonsense", headers=("Content-Encoding: gzip",)), id="not gzip"
        ),
        *[answer(status, HTML) for status in (408, 425, 429, 500, 502, 503, 504, 505, 520, 599)],
    ],
)
def test_read_after_temporary_fault_is_retried(fault: Script) -> None:
    with ScriptedServer(fault, fault, answer(body=b'{"a": 1}')) as server:
        response = make_client(server).send_with_retries(
            "POST", "/v0/archives/search", body={"limit": 1}
        )
        assert decode_fields(response) == {"a": 1}
    assert len(server.requests) == 3
    assert all(b'{"limit": 1}' in request for request in server.requests)


@pytest.mark.parametrize("fault", [None, answer(500), answer(429), answer(body=b'{"a":')])
def test_write_after_fault_is_not_retried(fault: Script) -> None:
    with ScriptedServer(fault, answer()) as server, pytest.raises(errors.ApiError):
        make_client(server).send_once("POST", "/v0/stores", body={})
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("status", "error_class", "expected"),
    [
        (400, errors.BadRequest, "rejected the request"),
        (401, errors.Unauthorized, "'api_token'"),
        (403, errors.Forbidden, "'api_token'"),
        (404, errors.NotFound, "'api_url'"),
        (409, errors.Conflict, "conflicts"),
        (501, errors.ServerError, "server error"),
    ],
)
def test_permanent_error_status_raises_typed_error_without_retry(
    status: int, error_class: type[errors.ApiError], expected: str
) -> None:
    body = b'{"error": {"code": "some_code", "message": "px-tok/en+very&secret= is bad"}}'
    with (
        ScriptedServer(
            answer(status, body, headers=("Location: http://localhost:1/",)), answer()
        ) as server,
        pytest.raises(error_class) as caught,
    ):
        make_client(server).send_with_retries("GET", "/v0/orders", params={"x": "y"})
    text = str(caught.value)
    assert len(server.requests) == 1
    assert f"GET /v0/orders returned {status} (some_code)" in text
    assert expected in text
    assert "secret" not in text
    assert caught.value.code == "some_code"


def test_redirect_is_not_followed_with_token() -> None:
    with ScriptedServer(answer()) as other:
        redirect = answer(302, headers=(f"Location: {other.url}/v0/orders",))
        with (
            ScriptedServer(redirect) as server,
            pytest.raises(errors.Redirected, match="'api_url'"),
        ):
            make_client(server).send_with_retries("GET", "/v0/orders")
    assert other.requests == []


@pytest.mark.parametrize(
    ("body", "error_class", "expected"),
    [
        (HTML, errors.InvalidBody, "HTML"),
        (b'{"a":', errors.InvalidBody, "not JSON"),
        (b"\xfe", errors.InvalidBody, "not JSON"),
        (b"[]", errors.UnexpectedResponse, "not a JSON object"),
        (b'"pong"', errors.UnexpectedResponse, "not a JSON object"),
    ],
)
def test_invalid_body_raises_typed_error_without_body_text(
    body: bytes, error_class: type[errors.ApiError], expected: str
) -> None:
    with ScriptedServer(answer(body=body)) as server, pytest.raises(error_class) as caught:
        make_client(server, deadline=0.05).send_with_retries("GET", "/v0/orders")
    assert expected in str(caught.value)
    assert "GET /v0/orders returned 200" in str(caught.value)
    assert "Gateway" not in str(caught.value)


NDJSON = b'{"id": "a"}\n{"id": "b"}\n'
GOOD = b'{"id": "a"}'


@pytest.mark.parametrize(
    ("response", "error_class", "expected"),
    [
        (answer(204, b""), errors.UnexpectedResponse, "returned 204: the response is empty"),
        (answer(205, b""), errors.UnexpectedResponse, "returned 205: the response is empty"),
        (answer(body=b""), errors.UnexpectedResponse, "returned 200: the response is empty"),
        (answer(body=b" \n"), errors.UnexpectedResponse, "the response is empty"),
        (answer(body=codecs.BOM_UTF8), errors.UnexpectedResponse, "the response is empty"),
        (
            answer(body=b"compressed", headers=("Content-Encoding: compress",)),
            errors.UndecodableBody,
            "a Content-Encoding 'compress' that was not requested",
        ),
        (
            answer(body=b"compressed", headers=("Content-Encoding: \x1b[31m",)),
            errors.UndecodableBody,
            "a Content-Encoding that was not requested",
        ),
        (
            answer(body=gzip.compress(GOOD, mtime=0)),
            errors.UndecodableBody,
            "compressed but has no Content-Encoding",
        ),
        (answer(body=NDJSON), errors.UndecodableBody, "newline-delimited JSON"),
        (answer(body=NDJSON[:-4]), errors.UndecodableBody, "newline-delimited JSON"),
        (answer(body='{"a": 1}'.encode("utf-16")), errors.UndecodableBody, "UTF-16"),
    ],
    ids=[
        "204",
        "205",
        "empty",
        "blank",
        "only a byte order mark",
        "encoding",
        "invalid encoding",
        "gzip without header",
        "NDJSON",
        "truncated NDJSON",
        "UTF-16",
    ],
)
def test_response_that_would_come_again_is_not_retried(
    response: bytes, error_class: type[errors.ApiError], expected: str
) -> None:
    with ScriptedServer(response) as server, pytest.raises(error_class) as caught:
        make_client(server).send_with_retries("GET", "/v0/orders")
    assert expected in str(caught.value)
    assert str(caught.value).isprintable()
    assert len(server.requests) == 1


def test_compressed_text_is_not_retried() -> None:
    response = answer(body=gzip.compress(b"a,b\n"), headers=("Content-Encoding: x-gzip",))
    with ScriptedServer(response) as server, pytest.raises(errors.UndecodableBody, match="'gzip'"):
        make_client(server).get_text("/v0/reports")
    assert len(server.requests) == 1


@pytest.mark.parametrize("body", [GOOD, b'{"rows": [{"id": "a"}]}', b'{"id": "\\ud800"}'])
def test_byte_order_mark_before_json_is_skipped(body: bytes) -> None:
    with ScriptedServer(answer(body=body), answer(body=codecs.BOM_UTF8 + body)) as server:
        client = make_client(server)
        plain, marked = (
            client.send_with_retries("GET", "/v0/orders", rows_key="rows") for _ in range(2)
        )
    assert (marked.fields, marked.rows_by_key) == (plain.fields, plain.rows_by_key)


def test_retry_after_seconds_delays_retry() -> None:
    with ScriptedServer(answer(429, headers=("Retry-After: 1",)), answer()) as server:
        make_client(server).send_with_retries("GET", "/v0/orders")
    assert server.times[1] - server.times[0] >= 1.0


def test_retry_after_date_delays_retry() -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=2.5), usegmt=True)
    with ScriptedServer(answer(503, headers=(f"Retry-After: {date}",)), answer()) as server:
        make_client(server).send_with_retries("GET", "/v0/orders")
    assert server.times[1] - server.times[0] >= 1.0


@pytest.mark.parametrize("retry_after", ["soon", "-5", "", "1e9", "Thu, 99 Foo 2026"])
def test_invalid_retry_after_is_ignored(retry_after: str) -> None:
    with ScriptedServer(answer(503, headers=(f"Retry-After: {retry_after}",)), answer()) as server:
        assert decode_fields(make_client(server).send_with_retries("GET", "/v0/orders")) == {}


def test_retry_after_beyond_maximum_is_capped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "MAX_RETRY_AFTER", 0.2)
    with ScriptedServer(answer(429, headers=("Retry-After: 86400",)), answer()) as server:
        make_client(server).send_with_retries("GET", "/v0/orders")
    assert server.times[1] - server.times[0] < 5


def test_rate_limited_response_delays_all_threads() -> None:
    wait = answer(429, headers=("Retry-After: 1",))
    with ScriptedServer(wait, answer()) as server:
        client = make_client(server)
        thread_count = 4
        with ThreadPoolExecutor(thread_count) as pool:
            first = pool.submit(client.send_with_retries, "GET", "/v0/orders")
            time.sleep(0.3)
            rest = [pool.submit(client.send_with_retries, "GET", "/v0/orders") for _ in range(3)]
            for future in [first, *rest]:
                future.result()
    assert min(server.times[1:]) - server.times[0] >= 1.0


def test_retries_after_deadline_end() -> None:
    start = time.monotonic()
    with ScriptedServer(answer(503)) as server, pytest.raises(errors.ServerUnavailable):
        make_client(server, deadline=0.3).send_with_retries("GET", "/v0/orders")
    assert time.monotonic() - start < 5
    assert len(server.requests) > 2


def test_unreachable_server_fails_before_deadline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(client_module, "FIRST_CONNECT_DEADLINE", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    client = Client(TOKEN, url=f"http://127.0.0.1:{port}", user_agent="tests/1")
    start = time.monotonic()
    with pytest.raises(errors.ConnectError, match="'api_url'"):
        client.send_with_retries("GET", "/ping")
    assert time.monotonic() - start < 10


def test_silent_server_raises_timeout() -> None:
    with ScriptedServer(answer(), drip=0.5) as server, pytest.raises(errors.RequestTimeout):
        make_client(server, request_timeout=0.1, deadline=0.2).send_with_retries(
            "GET", "/v0/orders"
        )


def test_slow_body_ends_at_deadline() -> None:
    body = b'{"a": "' + b"x" * 400 + b'"}'
    start = time.monotonic()
    with (
        ScriptedServer(answer(body=body), drip=0.02) as server,
        pytest.raises(errors.RequestTimeout),
    ):
        make_client(server, request_timeout=5, deadline=0.5).send_with_retries("GET", "/v0/orders")
    assert time.monotonic() - start < 8


def test_request_rate_is_shared_by_all_threads() -> None:
    start = time.monotonic()
    with ScriptedServer(answer()) as server:
        client = make_client(server, requests_per_second=20)
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda _: client.send_with_retries("GET", "/v0/orders"), range(9)))
        client.close()
    assert server.times[-1] - start >= 8 * 0.05 * 0.9


def test_on_request_receives_every_attempt_with_status() -> None:
    requests: list[RequestLog] = []
    with ScriptedServer(answer(503), answer()) as server:
        make_client(server, on_request=requests.append).send_with_retries("GET", "/v0/orders")
    assert [(request.path, request.status) for request in requests] == [
        ("/v0/orders", 503),
        ("/v0/orders", 200),
    ]


def test_requested_at_excludes_request_duration() -> None:
    date = format_datetime(datetime(2025, 5, 1, 12, tzinfo=UTC), usegmt=True)
    with ScriptedServer(answer(headers=(f"Date: {date}",))) as server:
        requested_at = make_client(server).send_with_retries("GET", "/v0/orders").requested_at
    assert requested_at is not None
    assert (
        datetime(2025, 5, 1, 11, 59, 50, tzinfo=UTC)
        < requested_at
        < datetime(2025, 5, 1, 12, tzinfo=UTC)
    )


def test_stop_between_attempts_ends_wait() -> None:
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
            make_client(server, check=check).send_with_retries("GET", "/v0/orders")
    assert time.monotonic() - start < 5


def test_netrc_for_host_does_not_replace_token(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login other password other")
    monkeypatch.setenv("NETRC", str(netrc))
    with ScriptedServer(answer()) as server:
        make_client(server).send_with_retries("GET", "/ping")
    assert f"Bearer {TOKEN}".encode() in server.requests[0]


def test_error_envelope_with_long_code_is_not_quoted() -> None:
    body = b'{"error": {"code": "x\\nANSI \\u001b[31m and the body", "message": "m"}}'
    with ScriptedServer(answer(400, body)) as server, pytest.raises(errors.BadRequest) as caught:
        make_client(server).send_with_retries("GET", "/v0/orders")
    assert "ANSI" not in str(caught.value)


@pytest.mark.parametrize("encoding", ["gzip", "X-GZIP", "identity", ""])
def test_requested_encoding_is_accepted(encoding: str) -> None:
    body = gzip.compress(GOOD) if "gzip" in encoding.lower() else GOOD
    with ScriptedServer(answer(body=body, headers=(f"Content-Encoding: {encoding}",))) as server:
        response = make_client(server).send_with_retries("GET", "/v0/orders")
    assert decode_fields(response) == {"id": "a"}
