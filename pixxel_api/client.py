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

from pixxel_api.answer import Answer, Text
from pixxel_api.bodies import HTML, json_object, objects_of
from pixxel_api.errors import (
    ApiError,
    BadAddress,
    ClientClosedError,
    NoConnection,
    RateLimited,
    TimedOut,
    TooLarge,
    Untrusted,
    WrongShape,
    envelope_code,
    error_for,
)
from pixxel_api.retries import asked, log_retry, pause_before_retry, repeatable, retry_after
from pixxel_api.throttle import Throttle

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

DEFAULT_URL = "https://api.pixxel.space"
CONNECT_TIMEOUT = 10.0  # seconds
FIRST_CONTACT = 30.0  # seconds of retrying while the server has never answered: likely a typo
_PAUSE_AFTER_429 = 1.0  # seconds, for all threads, when the server names no time
LARGEST = 256 << 20  # bytes of an answer, unpacked; a page of a thousand images is a quarter of it
_CHUNK = 1 << 18  # bytes read at once
_JSON = MappingProxyType({"Accept": "application/json"})
# JSON that was cut off tells itself; of a text only its length does, which packing would hide.
_ANY_TEXT = MappingProxyType({"Accept": "*/*", "Accept-Encoding": "identity"})

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Exchange:
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
        observe: Callable[[Exchange], None] = lambda _: None,
        inspect: Callable[[Mapping[str, str]], None] = lambda _: None,
    ) -> None:
        self._url = url.rstrip("/")
        self._read_timeout = read_timeout
        self._deadline = deadline
        self._check = check
        self._observe = observe
        self._inspect = inspect
        self._reached = False
        self._closed = False
        self._told: set[str] = set()  # paths whose texts were mended
        self._throttle = Throttle(requests_per_second, self._go_on)
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
        self._throttle.close()
        self._session.close()

    def read(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str | int] | None = None,
        body: Mapping[str, Any] | None = None,
        rows: str | None = None,
    ) -> Answer:
        """Send a request that changes nothing, repeating it while that may help.

        Repeated are connect errors, timeouts, broken bodies, 429, 500, 502, 503 and 504, with
        exponential backoff and jitter, or after `Retry-After`, until the deadline.

        Args:
            method: Of the request.
            path: Of the request, from the base URL on.
            params: Its query.
            body: Its JSON.
            rows: Name of the answer's list, where nothing but it and `bodies.BESIDE` is wanted.

        Raises:
            ApiError: The kind tells what went wrong, the text where.
        """
        check = self._go_on
        return self._retrying()(self._answer, method, path, params, body, check=check, rows=rows)

    def read_text(self, path: str, *, params: Mapping[str, str | int] | None = None) -> Text:
        """GET what is not JSON, a report or a word, repeating it as `read` does.

        Raises:
            ApiError: The kind tells what went wrong, the text where.
        """
        return self._retrying()(self._text, path, params)

    def write(self, method: str, path: str, *, body: Mapping[str, Any]) -> Answer:
        """Send a request that changes something, once: it may have happened even when it fails.

        A stop does not interrupt it: its answer says what has happened.

        Raises:
            ApiError: The kind tells what went wrong, the text where.
        """
        return self._answer(method, path, None, body, check=self._unless_closed)

    def remove(self, path: str) -> None:
        """Send a DELETE, once, as `write` does; its answer has no body that matters."""
        self._exchange("DELETE", path, None, None, check=self._unless_closed)

    def _retrying(self) -> tenacity.Retrying:
        return tenacity.Retrying(
            retry=tenacity.retry_if_exception(repeatable),
            wait=pause_before_retry,
            stop=self._enough,
            sleep=self._throttle.sleep,
            before_sleep=log_retry,
            reraise=True,
        )

    def _answer(
        self,
        method: str,
        path: str,
        params: Mapping[str, str | int] | None,
        body: Mapping[str, Any] | None,
        *,
        check: Callable[[], None],
        rows: str | None = None,
    ) -> Answer:
        content, headers, status, start = self._exchange(method, path, params, body, check=check)
        found = json_object(content, method, path, status, rows)
        if found.halves and path not in self._told:
            self._told.add(path)
            logger.warning(
                "%s %s: %d halves of surrogate pairs, which are no characters, became U+FFFD",
                method,
                path,
                found.halves,
            )
        listed = {rows: found.rows} if rows and found.rows else {}
        return Answer(found.fields, asked(headers, start), method, path, status, listed)

    def _text(self, path: str, params: Mapping[str, str | int] | None) -> Text:
        content, headers, status, start = self._exchange(
            "GET", path, params, None, check=self._go_on, headers=_ANY_TEXT
        )
        if content.lstrip().startswith(b"<"):
            raise WrongShape("GET", path, status, reason=HTML)
        return Text(bytes(content), asked(headers, start))

    def _go_on(self) -> None:
        self._check()
        self._unless_closed()

    def _unless_closed(self) -> None:
        if self._closed:
            raise ClientClosedError

    def _enough(self, state: tenacity.RetryCallState) -> bool:
        limit = self._deadline if self._reached else min(self._deadline, FIRST_CONTACT)
        return tenacity.stop_before_delay(limit)(state)

    def _exchange(
        self,
        method: str,
        path: str,
        params: Mapping[str, str | int] | None,
        body: Mapping[str, Any] | None,
        *,
        check: Callable[[], None],
        headers: Mapping[str, str] = _JSON,
    ) -> tuple[bytearray, Mapping[str, str], int, float]:
        """Send a request, and give the answer's body, headers and status, and when it was sent."""
        self._throttle.wait()
        self._go_on()
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
                self._reached = True
                self._inspect(response.headers)
                content = self._content(response, method, path, check)
        except (requests.Timeout, urllib3.exceptions.TimeoutError):
            raise TimedOut(method, path, status) from None
        # requests raises a plain OSError for a certificate file that is not there.
        except (OSError, urllib3.exceptions.HTTPError, UnicodeError) as error:
            raise _connection_error(error)(method, path, status) from None
        finally:
            self._observe(Exchange(method, path, status, time.monotonic() - start))
        if response.ok and status < 300:  # noqa: PLR2004 - HTTP's own ranges
            return content, response.headers, status, start
        failure = error_for(status)(
            method,
            path,
            status,
            code=envelope_code(objects_of(content)),
            retry_after=retry_after(response.headers.get("Retry-After")),
        )
        if isinstance(failure, RateLimited):
            self._throttle.pause(failure.retry_after or _PAUSE_AFTER_429)
        raise failure

    def _content(
        self, response: requests.Response, method: str, path: str, check: Callable[[], None]
    ) -> bytearray:
        """Read the body as it arrives, so that none outlasts the deadline or fills the memory."""
        end = time.monotonic() + self._deadline
        content = bytearray()
        while chunk := response.raw.read1(_CHUNK, decode_content=True):
            content += chunk
            check()
            if len(content) > LARGEST:
                raise TooLarge(method, path, response.status_code)
            if time.monotonic() > end:
                raise requests.Timeout
        return content


def _connection_error(error: Exception) -> type[ApiError]:
    """Choose the error by what a user can mend; the library's own text may quote the query."""
    if isinstance(error, requests.exceptions.SSLError):
        return Untrusted
    if type(error) is OSError:
        return Untrusted
    if isinstance(error, requests.exceptions.InvalidURL | requests.exceptions.InvalidSchema):
        return BadAddress
    return NoConnection
