"""Deadlines of whole requests; the timeout of a socket begins anew with each byte."""

from __future__ import annotations

import http.client
import io
import socket
import threading
import time
from contextlib import suppress
from functools import cache
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING, Any, Self, cast

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError
from urllib3.util.connection import allowed_gai_family

if TYPE_CHECKING:
    from collections.abc import Iterator

    from urllib3 import HTTPConnectionPool

CONNECT_TIMEOUT = 10.0  # seconds, for each address of a host, at most
MIN_BYTES_PER_SECOND = 1000

_thread = threading.local()


class Deadline:
    """The time until which the next part of a request must have arrived.

    Without `body_seconds`, the whole request must end within the timeout. With it, the headers must
    arrive within the timeout (1xx responses count), and then `MIN_BYTES_PER_SECOND` on average
    within each further timeout, until the body ends (trailers count).

    It starts when it is created, and applies to the requests of a `with` block that are sent
    through a `DeadlineAdapter`, and to the bodies of their responses.

    Args:
        timeout: Seconds.
        body_seconds: Maximum duration of the body.

    Example:
        `with Deadline(60.0), session.get(url, timeout=CONNECT_TIMEOUT, stream=True) as response:`
    """

    def __init__(self, timeout: float, *, body_seconds: float | None = None) -> None:
        self._timeout = timeout
        self._body_seconds = body_seconds
        self._end = self._window_end = time.monotonic() + timeout
        self._window_bytes = 0

    def __enter__(self) -> Self:
        """Apply to the requests of this thread."""
        _thread.deadline = self
        return self

    def __exit__(self, *_: object) -> None:
        """Apply to no further requests."""
        del _thread.deadline

    def remaining_seconds(self) -> float:
        """Return the seconds that are left, above 0.

        Raises:
            TimeoutError: The deadline has passed.
        """
        seconds = min(self._end, self._window_end) - time.monotonic()
        if seconds <= 0:
            raise TimeoutError("the deadline has passed")
        return seconds

    def start_body(self) -> None:
        """Note that the headers have arrived."""
        if self._body_seconds is not None:
            self._end = time.monotonic() + self._body_seconds
            self._start_window()

    def count_bytes(self, count: int) -> None:
        """Count received bytes."""
        self._window_bytes += count
        if self._window_bytes >= MIN_BYTES_PER_SECOND * self._timeout:
            self._start_window()

    def _start_window(self) -> None:
        self._window_end = time.monotonic() + self._timeout
        self._window_bytes = 0


class DeadlineAdapter(HTTPAdapter):
    """Adapter whose requests must be sent within a `Deadline`.

    A request is never sent after its deadline, not even in part.
    """

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> HTTPConnectionPool:
        """Return a pool of connections that respect the deadline, to the server or its proxy."""
        pool: Any = super().get_connection_with_tls_context(*args, **kwargs)
        pool.ConnectionCls = _add_deadline(pool.ConnectionCls)
        return cast("HTTPConnectionPool", pool)


class DeadlineSession(requests.Session):
    """Session whose requests have deadlines; it keeps no cookies and follows no redirects.

    Args:
        connections: The number of connections to a host that are kept open.
        pool_block: Whether further requests wait for one of them.
    """

    def __init__(self, connections: int, *, pool_block: bool = False) -> None:
        super().__init__()
        adapter = DeadlineAdapter(pool_maxsize=connections, pool_block=pool_block)
        self.mount("https://", adapter)
        self.mount("http://", adapter)
        # Cookies would be shared between threads.
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))

    def resolve_redirects(self, *_: Any, **__: Any) -> Iterator[Any]:
        """Return no further requests; requests reads the body even of what it does not follow."""
        return iter(())


class _DeadlineReader(io.RawIOBase):
    """Reader of a socket that sets the time that is left as the timeout of each read."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket, deadline: Deadline) -> None:
        self._raw = raw
        self._sock = sock
        self._deadline = deadline

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: memoryview) -> int | None:  # type: ignore[override]  # as it is read
        """Read what has arrived, or wait for it."""
        self._sock.settimeout(self._deadline.remaining_seconds())
        count = self._raw.readinto(buffer)
        self._deadline.count_bytes(count or 0)
        return count

    def close(self) -> None:
        """Close the reader of the socket, too."""
        self._raw.close()
        super().close()


class _DeadlineResponse(http.client.HTTPResponse):
    """Response that must arrive within the deadline of its request."""

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self._deadline: Deadline = _thread.deadline
        self.fp = io.BufferedReader(_DeadlineReader(self.fp.detach(), sock, self._deadline))

    def begin(self) -> None:
        """Read the headers, and skip all 1xx responses before them (RFC 9110, 15.2)."""
        super().begin()
        while self.status < http.HTTPStatus.OK:  # http.client skips 100 only
            self.headers = None  # type: ignore[assignment]  # so that `begin` reads on
            super().begin()
        self._deadline.start_body()


class _DeadlineConnection(HTTPConnection):
    """Connection that connects and sends within the deadline, also where TLS sends many parts."""

    response_class = _DeadlineResponse

    def _new_conn(self) -> socket.socket:
        """Connect to one address of the host after the other; they share the time that is left."""
        if hasattr(self, "_socks_options"):  # its proxy resolves the host
            return super()._new_conn()
        host, timeout, deadline = self._dns_host, self.timeout, _thread.deadline
        try:
            found = socket.getaddrinfo(host, self.port, allowed_gai_family(), socket.SOCK_STREAM)
        except (OSError, UnicodeError):  # urllib3 names the host
            return super()._new_conn()
        addresses = [str(each[4][0]) for each in found]
        error: Exception | None = None
        try:
            for left in range(len(addresses), 0, -1):
                self._dns_host = addresses[-left]
                try:
                    self.timeout = min(CONNECT_TIMEOUT, deadline.remaining_seconds() / left)
                except TimeoutError:
                    break
                try:
                    sock = super()._new_conn()
                except (ConnectTimeoutError, NewConnectionError) as failure:
                    error = failure
                else:
                    with suppress(TimeoutError):  # the TLS handshake may take all that is left
                        sock.settimeout(min(CONNECT_TIMEOUT, deadline.remaining_seconds()))
                    return sock
            raise error or TimeoutError("the deadline has passed")
        finally:
            self._dns_host, self.timeout = host, timeout

    def send(self, data: bytes) -> None:  # type: ignore[override]  # files are not sent
        """Send bytes, and connect before where necessary."""
        if self.sock is None:
            self.connect()
        view = memoryview(data)
        while view:
            self.sock.settimeout(_thread.deadline.remaining_seconds())
            view = view[self.sock.send(view) :]


@cache
def _add_deadline(connection_class: type[HTTPConnection]) -> type[HTTPConnection]:
    """Return a class of connections (plain, TLS or SOCKS) that respect the deadline."""
    if issubclass(connection_class, _DeadlineConnection):
        return connection_class
    return type(connection_class.__name__, (_DeadlineConnection, connection_class), {})
