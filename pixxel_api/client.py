"""The client: token, base URL, connections, throttle; reads are retried, writes sent once."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import requests
import tenacity
import urllib3
from requests.adapters import HTTPAdapter

from pixxel_api.errors import (
    ApiError,
    BodyTooLarge,
    ClientClosedError,
    ConnectError,
    InvalidUrl,
    RateLimited,
    RequestTimeout,
    TlsError,
    UnexpectedResponse,
    error_class_for,
    parse_error_code,
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

DEFAULT_URL = "https://api.pixxel.space"
CONNECT_TIMEOUT = 10.0  # seconds
FIRST_CONNECT_DEADLINE = (
    30.0  # seconds of retrying while the server has never answered: likely a typo
)
_PAUSE_AFTER_429 = 1.0  # seconds, for all threads, when the server names no time
MAX_BODY_BYTES = (
    256 << 20
)  # bytes of an answer, unpacked; a page of a thousand images is a quarter of it
_CHUNK_BYTES = 1 << 18  # bytes read at once
_JSON_HEADERS = MappingProxyType({"Accept": "application/json"})
# JSON that was cut off tells itself; of a text only its length does, which packing would hide.
_TEXT_HEADERS = MappingProxyType({"Accept": "*/*", "Accept-Encoding": "identity"})

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RequestLog:
    """One request that was sent, for metrics: nothing secret in it."""

    method: str
    path: str
    status: int | None
    seconds: float


class BearerAuth(requests.auth.AuthBase):
    """`Authorization: Bearer <token>`; as an auth object, so that no .netrc replaces it."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Set the header."""
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class Client:
    """A client of the Pixxel API, safe for threads.

    Args:
        token: The personal access token.
        url: The base URL, without `/v0`.
        user_agent: The `User-Agent` header.
        connections: Pooled connections; as many threads as this may read at once.
        read_timeout: Seconds without a byte after which a request is given up.
        deadline: Seconds after which a read is no longer retried.
        requests_per_second: The highest rate, None for no limit.
        check: Called between attempts and while waiting; raises to stop.
        observe: Called after each request that was sent, from the thread that sent it.
        inspect: Called with the headers of each answer; raises when it is of the wrong service.
    """

    def __init__(
        self,
        token: str,
        *,
        url: str = DEFAULT_URL,
        user_agent: str,
        connections: int = 4,
        read_timeout: float = 60.0,
        deadline: float = 300.0,
        requests_per_second: float | None = None,
        check: Callable[[], None] = lambda: None,
        on_request: Callable[[RequestLog], None] = lambda _: None,
        check_headers: Callable[[Mapping[str, str]], None] = lambda _: None,
    ) -> None:
        self._url = url.rstrip("/")
        self._read_timeout = read_timeout
        self._deadline = deadline
        self._check = check
        self._on_request = on_request
        self._check_headers = check_headers
        self._has_connected = False
        self._closed = False
        self._warned_paths: set[str] = set()  # paths whose texts were mended
        self._rate_limiter = RateLimiter(requests_per_second, self._check_cancelled)
        self._session = requests.Session()
        self._session.auth = BearerAuth(token)
        self._session.headers["User-Agent"] = user_agent
        # Cookies would be state shared by the threads, and the API has none.
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        adapter = HTTPAdapter(pool_connections=1, pool_maxsize=connections, pool_block=True)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)

    def close(self) -> None:
        """Close the connections; threads that still wait for an answer give up soon."""
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
        """Send a request that changes nothing, repeating it while that may help.

        Repeated are connect errors, timeouts, broken bodies, 429, 500, 502, 503 and 504, with
        exponential backoff and jitter, or after `Retry-After`, until the deadline.

        Args:
            method: Of the request.
            path: Of the request, from the base URL on.
            params: Its query.
            body: Its JSON.
            rows_key: Name of the answer's list, where nothing but it and `bodies.BESIDE` is wanted.

        Raises:
            ApiError: The kind tells what went wrong, the text where.
        """
        check = self._check_cancelled
        return self._make_retrying()(
            self._request_json, method, path, params, body, check=check, rows_key=rows_key
        )

    def get_text(self, path: str, *, params: Mapping[str, str | int] | None = None) -> TextResponse:
        """GET what is not JSON, a report or a word, repeating it as `read` does.

        Raises:
            ApiError: The kind tells what went wrong, the text where.
        """
        return self._make_retrying()(self._request_text, path, params)

    def send_once(self, method: str, path: str, *, body: Mapping[str, Any]) -> JsonResponse:
        """Send a request that changes something, once: it may have happened even when it fails.

        A stop does not interrupt it: its answer says what has happened.

        Raises:
            ApiError: The kind tells what went wrong, the text where.
        """
        return self._request_json(method, path, None, body, check=self._check_open)

    def delete(self, path: str) -> None:
        """Send a DELETE, once, as `write` does; its answer has no body that matters."""
        self._send("DELETE", path, None, None, check=self._check_open)

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
        check: Callable[[], None],
        rows_key: str | None = None,
    ) -> JsonResponse:
        content, headers, status, start = self._send(method, path, params, body, check=check)
        found = decode_object(content, method, path, status, rows_key)
        if found.lone_surrogates and path not in self._warned_paths:
            self._warned_paths.add(path)
            logger.warning(
                "%s %s: %d halves of surrogate pairs, which are no characters, became U+FFFD",
                method,
                path,
                found.lone_surrogates,
            )
        listed = {rows_key: found.rows} if rows_key and found.rows else {}
        return JsonResponse(
            found.fields, request_time(headers, start), method, path, status, listed
        )

    def _request_text(self, path: str, params: Mapping[str, str | int] | None) -> TextResponse:
        content, headers, status, start = self._send(
            "GET", path, params, None, check=self._check_cancelled, headers=_TEXT_HEADERS
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
        check: Callable[[], None],
        headers: Mapping[str, str] = _JSON_HEADERS,
    ) -> tuple[bytearray, Mapping[str, str], int, float]:
        """Send a request, and give the answer's body, headers and status, and when it was sent."""
        self._rate_limiter.wait()
        self._check_cancelled()
        start = time.monotonic()
        status: int | None = None
        try:
            with self._session.request(
                method,
                self._url + path,
                params=params,
                json=body,
                headers=dict(headers),
                timeout=(CONNECT_TIMEOUT, self._read_timeout),
                allow_redirects=False,
                stream=True,
            ) as response:
                status = response.status_code
                self._has_connected = True
                self._check_headers(response.headers)
                content = self._read_body(response, method, path, check)
        except (requests.Timeout, urllib3.exceptions.TimeoutError):
            raise RequestTimeout(method, path, status) from None
        # requests raises a plain OSError for a certificate file that is not there.
        except (OSError, urllib3.exceptions.HTTPError, UnicodeError) as error:
            raise _classify_connection_error(error)(method, path, status) from None
        finally:
            self._on_request(RequestLog(method, path, status, time.monotonic() - start))
        if response.ok and status < 300:  # noqa: PLR2004 - HTTP's own ranges
            return content, response.headers, status, start
        failure = error_class_for(status)(
            method,
            path,
            status,
            code=parse_error_code(to_python(content)),
            retry_after=parse_retry_after(response.headers.get("Retry-After")),
        )
        if isinstance(failure, RateLimited):
            self._rate_limiter.pause(failure.retry_after or _PAUSE_AFTER_429)
        raise failure

    def _read_body(
        self, response: requests.Response, method: str, path: str, check: Callable[[], None]
    ) -> bytearray:
        """Read the body as it arrives, so that none outlasts the deadline or fills the memory."""
        end = time.monotonic() + self._deadline
        content = bytearray()
        while chunk := response.raw.read1(_CHUNK_BYTES, decode_content=True):
            content += chunk
            check()
            if len(content) > MAX_BODY_BYTES:
                raise BodyTooLarge(method, path, response.status_code)
            if time.monotonic() > end:
                raise requests.Timeout
        return content


def _classify_connection_error(error: Exception) -> type[ApiError]:
    """Choose the error by what a user can mend; the library's own text may quote the query."""
    if isinstance(error, requests.exceptions.SSLError):
        return TlsError
    if type(error) is OSError:
        return TlsError
    if isinstance(error, requests.exceptions.InvalidURL | requests.exceptions.InvalidSchema):
        return InvalidUrl
    return ConnectError
