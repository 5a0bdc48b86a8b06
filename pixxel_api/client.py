"""HTTP client of the API: authentication, rate limit, retries of reads; writes are sent once."""

from __future__ import annotations

import codecs
import logging
import re
import time
from dataclasses import dataclass
from http import HTTPStatus
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import requests
import tenacity
from urllib3.exceptions import HTTPError

from pixxel_api.connection_causes import find_cause, find_cause_of_407
from pixxel_api.deadlines import CONNECT_TIMEOUT, Deadline, DeadlineSession
from pixxel_api.errors import (
    AddressError,
    BodyTooLarge,
    ClientClosedError,
    RateLimited,
    UndecodableBody,
    UnexpectedResponse,
    error_class_for,
    parse_error_code,
    parse_error_field,
)
from pixxel_api.json_decoding import HTML_REASON, decode_object, to_python
from pixxel_api.rate_limit import RateLimiter
from pixxel_api.response import JsonResponse, TextResponse
from pixxel_api.retry import (
    is_retryable,
    log_retry,
    parse_retry_after,
    pause_before_retry,
    request_time,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pixxel_api.rate_limit import SharedPause

DEFAULT_URL = "https://api.pixxel.space"
# Seconds of retries while the server has never responded: the URL is likely wrong.
FIRST_CONNECT_DEADLINE = 30.0
_PAUSE_AFTER_429 = 1.0  # seconds, for all threads, if the response has no Retry-After
# Decompressed size of a response; a page of a thousand images has a quarter of it.
MAX_BODY_BYTES = 256 << 20
_SUCCESS_STATUSES = range(200, 300)
_ENCODING = re.compile(r"[a-z0-9-]{1,20}")
_CHUNK_BYTES = 1 << 17  # bytes per read; malloc reuses them, see return_large_buffers
_JSON_HEADERS = MappingProxyType({"Accept": "application/json"})
# Truncated JSON is invalid. Truncated text is detected by Content-Length only, so it must not be
# compressed.
_TEXT_HEADERS = MappingProxyType({"Accept": "*/*", "Accept-Encoding": "identity"})

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RequestLog:
    """A request that was sent, for metrics; without secrets."""

    method: str
    path: str
    status: int | None
    seconds: float


class BearerAuth(requests.auth.AuthBase):
    """Set `Authorization: Bearer <token>`; as an auth object, so that no .netrc overrides it."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the header to a request."""
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class Client:
    """A thread-safe client of the Pixxel API.

    Args:
        token: The personal access token.
        url: The base URL, without `/v0`.
        user_agent: The `User-Agent` header.
        connections: Size of the connection pool, and so the number of concurrent requests.
        request_timeout: Seconds for a whole write, or for a read up to the end of its headers, and
            then for each part of its body (`deadlines.Deadline`).
        deadline: Seconds after which a read is no longer retried, and its body must have ended.
        requests_per_second: The maximum rate; None for no limit.
        shared_pause: A pause after a 429 that other clients observe and begin, too.
        check: Called between attempts and while waiting; raises to stop.
        on_request: Called after each request that was sent, in the thread that sent it.
        check_headers: Called with the headers of each response; raises if another service sent it.
    """

    def __init__(
        self,
        token: str,
        *,
        url: str = DEFAULT_URL,
        user_agent: str,
        connections: int = 4,
        request_timeout: float = 60.0,
        deadline: float = 300.0,
        requests_per_second: float | None = None,
        shared_pause: SharedPause | None = None,
        check: Callable[[], None] = lambda: None,
        on_request: Callable[[RequestLog], None] = lambda _: None,
        check_headers: Callable[[Mapping[str, str]], None] = lambda _: None,
    ) -> None:
        self._url = url.rstrip("/")
        self._request_timeout = request_timeout
        self._deadline = deadline
        self._check = check
        self._on_request = on_request
        self._check_headers = check_headers
        self._has_connected = False
        self._closed = False
        self._warned_paths: set[str] = set()  # paths whose lone surrogates were logged
        self._rate_limiter = RateLimiter(requests_per_second, self._check_cancelled, shared_pause)
        self._session = DeadlineSession(connections, pool_block=True)
        self._session.auth = BearerAuth(token)
        self._session.headers["User-Agent"] = user_agent

    def close(self) -> None:
        """Close the connections; requests in other threads end with `ClientClosedError`."""
        self._closed = True
        self._session.close()

    def send_with_retries(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str | int] | None = None,
        body: Mapping[str, Any] | None = None,
        rows_key: str | None = None,
    ) -> JsonResponse:
        """Send a read-only request, with retries.

        Errors that are `retryable` are retried until the deadline, after exponential backoff with
        jitter or after `Retry-After`.

        Args:
            method: The HTTP method.
            path: The path below the base URL.
            params: The query parameters.
            body: The JSON body.
            rows_key: Name of a list in the response; then only it and
                `json_decoding.ENVELOPE_FIELDS` are decoded.

        Raises:
            ApiError: The request failed; the class states the cause.
        """
        return self._make_retrying()(
            self._request_json, method, path, params, body, is_read=True, rows_key=rows_key
        )

    def get_text(self, path: str, *, params: Mapping[str, str | int] | None = None) -> TextResponse:
        """Send a GET for a response that is not JSON, with retries as `send_with_retries`.

        Raises:
            ApiError: The request failed; the class states the cause.
        """
        return self._make_retrying()(self._request_text, path, params)

    def send_once(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> JsonResponse:
        """Send a write request once; the server may have applied it even if it fails.

        A stop request does not interrupt it, since only the response shows the result.

        Args:
            method: The HTTP method.
            path: The path below the base URL.
            body: The JSON body; None for a request without one.
            params: The query parameters.

        Raises:
            ApiError: The request failed; the class states the cause.
        """
        return self._request_json(method, path, params, body, is_read=False)

    def delete(self, path: str) -> None:
        """Send a DELETE once, as `send_once`, and ignore the body of the response.

        Raises:
            ApiError: The request failed; the class states the cause.
        """
        self._send("DELETE", path, None, None, is_read=False)

    def _make_retrying(self) -> tenacity.Retrying:
        return tenacity.Retrying(
            retry=tenacity.retry_if_exception(is_retryable),
            wait=pause_before_retry,
            stop=self._stop_retrying,
            sleep=self._rate_limiter.sleep,
            before_sleep=log_retry,
            reraise=True,
        )

    def _request_json(
        self,
        method: str,
        path: str,
        params: Mapping[str, str | int] | None,
        body: Mapping[str, Any] | None,
        *,
        is_read: bool,
        rows_key: str | None = None,
    ) -> JsonResponse:
        content, headers, status, start = self._send(method, path, params, body, is_read=is_read)
        decoded = decode_object(content, method, path, status, rows_key)
        if decoded.lone_surrogates and path not in self._warned_paths:
            self._warned_paths.add(path)
            logger.warning(
                "%s %s: replaced %d lone surrogates in texts with U+FFFD",
                method,
                path,
                decoded.lone_surrogates,
            )
        rows_by_key = {rows_key: decoded.rows} if rows_key and decoded.rows else {}
        return JsonResponse(
            decoded.fields, request_time(headers, start), method, path, status, rows_by_key
        )

    def _request_text(self, path: str, params: Mapping[str, str | int] | None) -> TextResponse:
        content, headers, status, start = self._send(
            "GET", path, params, None, is_read=True, headers=_TEXT_HEADERS
        )
        if content.lstrip().startswith(b"<"):
            raise UnexpectedResponse("GET", path, status, reason=HTML_REASON)
        return TextResponse(bytes(content), request_time(headers, start))

    def _check_cancelled(self) -> None:
        self._check()
        self._check_open()

    def _check_open(self) -> None:
        if self._closed:
            raise ClientClosedError

    def _stop_retrying(self, state: tenacity.RetryCallState) -> bool:
        limit = (
            self._deadline if self._has_connected else min(self._deadline, FIRST_CONNECT_DEADLINE)
        )
        return tenacity.stop_before_delay(limit)(state)

    def _send(
        self,
        method: str,
        path: str,
        params: Mapping[str, str | int] | None,
        body: Mapping[str, Any] | None,
        *,
        is_read: bool,
        headers: Mapping[str, str] = _JSON_HEADERS,
    ) -> tuple[bytearray, Mapping[str, str], int, float]:
        """Return the body, headers and status of the response, and the monotonic start time."""
        self._rate_limiter.wait()
        self._check_cancelled()
        start = time.monotonic()
        body_seconds = self._deadline if is_read else None
        check = self._check_cancelled if is_read else self._check_open
        status: int | None = None
        try:
            with (
                Deadline(self._request_timeout, body_seconds=body_seconds),
                self._session.request(
                    method,
                    self._url + path,
                    params=params,
                    json=body,
                    headers=dict(headers),
                    timeout=(min(CONNECT_TIMEOUT, self._request_timeout), None),
                    stream=True,
                ) as response,
            ):
                status = response.status_code
                self._has_connected = True
                self._check_headers(response.headers)
                is_success = status in _SUCCESS_STATUSES
                if is_success:
                    _check_encoding(response, method, path)
                content = self._read_body(response, method, path, check)
        except (OSError, HTTPError, UnicodeError) as exception:
            cause = find_cause(exception, self._url)
            failure = cause.error_class(method, path, status, reason=cause.text)
            if isinstance(failure, AddressError):  # not wrong if it has led to a response before
                failure.retryable = self._has_connected
            raise failure from None
        finally:
            self._on_request(RequestLog(method, path, status, time.monotonic() - start))
        if is_success:
            return content, response.headers, status, start
        is_of_proxy = status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED
        envelope = to_python(content)
        error = error_class_for(status)(
            method,
            path,
            status,
            reason=find_cause_of_407(self._url).text if is_of_proxy else None,
            code=parse_error_code(envelope),
            field=parse_error_field(envelope),
            retry_after=parse_retry_after(response.headers.get("Retry-After")),
        )
        if isinstance(error, RateLimited):
            self._rate_limiter.pause(error.retry_after or _PAUSE_AFTER_429)
        raise error

    def _read_body(
        self, response: requests.Response, method: str, path: str, check: Callable[[], None]
    ) -> bytearray:
        """Read the body without its byte order mark, and enforce the limit on its size."""
        content = bytearray()
        while chunk := response.raw.read1(_CHUNK_BYTES, decode_content=True):
            content += chunk
            check()
            if len(content) > MAX_BODY_BYTES:
                raise BodyTooLarge(method, path, response.status_code)
        if content.startswith(codecs.BOM_UTF8):
            del content[: len(codecs.BOM_UTF8)]
        return content


def _check_encoding(response: requests.Response, method: str, path: str) -> None:
    """Check that the response has no encoding that was not requested.

    Raises:
        UndecodableBody: It has one.
    """
    requested = _parse_encodings(response.request.headers.get("Accept-Encoding"))
    encodings = _parse_encodings(response.headers.get("Content-Encoding"))
    for encoding in sorted(encodings - requested):
        name = f" '{encoding}'" if _ENCODING.fullmatch(encoding) else ""
        reason = f"the response has a Content-Encoding{name} that was not requested"
        raise UndecodableBody(method, path, response.status_code, reason=reason)


def _parse_encodings(header: str | None) -> set[str]:
    """Return the names of encodings; none for no encoding (`identity`)."""
    names = {name.strip().lower().removeprefix("x-") for name in (header or "").split(",")}
    return names - {"", "identity"}
