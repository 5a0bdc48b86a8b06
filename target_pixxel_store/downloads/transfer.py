"""Fetching: what a signed URL leads to, into a part on disk; knows neither Singer nor the API.

A signed URL is as good as a password, and what HTTP's libraries say of a failure quotes it: so no
error of theirs is passed on, and their log is silent meanwhile.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from contextlib import contextmanager
from http import HTTPStatus
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING, Final

import requests
import urllib3
from requests.adapters import HTTPAdapter

from pixxel_api.client import CONNECT_TIMEOUT
from target_pixxel_store.downloads.partial_file import RemoteFile
from target_pixxel_store.downloads.response_checks import (
    MAGIC_NUMBER_BYTES,
    content_type_error,
    filename_from,
    magic_number_error,
)
from target_pixxel_store.errors import RecordError, SignedUrlRefused
from target_pixxel_store.polling import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from target_pixxel_store.downloads.partial_file import PartialFile

logger = logging.getLogger(__name__)

MAX_IDLE_ATTEMPTS: Final = 5
"""Attempts in a row that bring nothing new, after which a file is given up."""
FIRST_PAUSE = 0.25  # seconds before the next attempt; four times as long after each idle one
LONGEST_PAUSE: Final = 30.0
CHUNK_BYTES: Final = 1 << 18  # bytes read at once
URL_REFUSED_STATUSES: Final = frozenset({400, 401, 403, 404, 410})
"""Statuses of a URL whose signature has expired, or whose object is gone."""
_RANGE_PATTERN: Final = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})", re.ASCII)
_LENGTH_PATTERN: Final = re.compile(r"\d{1,18}", re.ASCII)
_HTTP_ERRORS: Final = (OSError, ValueError, urllib3.exceptions.HTTPError)
"""What requests and urllib3 fail with, for other reasons than ours."""


class _TransferInterrupted(Exception):
    """An attempt did not bring the file, and another one may; the text says why."""


class Fetcher:
    """Fetches files, also several at once.

    Args:
        connections: Files at once.
        read_timeout: Seconds without a byte after which a connection counts as broken.
        user_agent: The `User-Agent` header.
        check: Called between pieces and while waiting; raises to stop.
    """

    def __init__(
        self,
        *,
        connections: int,
        read_timeout: float,
        user_agent: str,
        check: Callable[[], None],
    ) -> None:
        self._timeout = (CONNECT_TIMEOUT, read_timeout)
        self._check = check
        self._session = UnauthenticatedSession(connections)
        self._session.headers.update({"User-Agent": user_agent, "Accept": "*/*"})

    def fetch(
        self,
        url: str,
        part: PartialFile,
        resolve_name: Callable[[RemoteFile], RemoteFile],
        report_progress: Callable[[int, int], None],
        count_request: Callable[[], None],
    ) -> RemoteFile:
        """Fetch a file, going on where its part ends.

        Args:
            url: The signed URL.
            part: Is whole when this returns.
            resolve_name: Called with the remote file before any byte is kept; returns it with its
                final name, or raises to skip it.
            report_progress: Told how many bytes are there, and of how many.
            count_request: Called before each request.

        Returns:
            What the whole is known by.

        Raises:
            UrlRefused: The URL is good for nothing.
            Rejected: Again and again nothing new came; the text says why.
            NoRoomError: The disk takes nothing more.
        """
        idle, max_size = 0, part.size
        while (remote_file := part.complete_file) is None:
            self._check()
            count_request()
            try:
                self._attempt(url, part, resolve_name, report_progress)
            except _TransferInterrupted as fault:
                idle = 0 if part.size > max_size else idle + 1
                max_size = max(max_size, part.size)
                if idle >= MAX_IDLE_ATTEMPTS:
                    raise RecordError(f"{fault}, {idle} times without anything new") from None
                pause = min(FIRST_PAUSE * 4 ** max(idle - 1, 0), LONGEST_PAUSE)
                logger.info(
                    "%s: %s after %d bytes; going on in %.1f s",
                    part.path.name,
                    fault,
                    part.size,
                    pause,
                )
                wait_until(time.time() + pause, self._check)
        return remote_file

    def close(self) -> None:
        """Close the connections that are not in use."""
        self._session.close()

    def _attempt(
        self,
        url: str,
        part: PartialFile,
        resolve_name: Callable[[RemoteFile], RemoteFile],
        report_progress: Callable[[int, int], None],
    ) -> None:
        """Make a request, and take in what it brings."""
        headers = {"Accept-Encoding": "identity"}
        if part.size and part.remote_file is not None and part.remote_file.validator:
            headers |= {"Range": f"bytes={part.size}-", "If-Range": part.remote_file.validator}
        with urllib3_silenced():
            try:
                response = self._session.get(
                    url, headers=headers, stream=True, timeout=self._timeout
                )
            except _HTTP_ERRORS as error:
                raise _from_http_error(error) from None
            with response:
                self._check_headers(url, response, part, resolve_name)
                self._read_body(response, part, report_progress)

    def _check_headers(
        self,
        url: str,
        response: requests.Response,
        part: PartialFile,
        resolve_name: Callable[[RemoteFile], RemoteFile],
    ) -> None:
        """Look at an answer before anything of it is kept."""
        status, headers = response.status_code, response.headers
        if status in URL_REFUSED_STATUSES:
            raise SignedUrlRefused(status)
        if status == HTTPStatus.PARTIAL_CONTENT:
            _check_range(response, part)
            return
        if status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            part.reset()
        if status != HTTPStatus.OK:
            raise _TransferInterrupted(f"its signed URL answers {status}")
        name = filename_from(headers, url)
        if why := content_type_error(name, headers.get("Content-Type") or ""):
            raise _TransferInterrupted(why)
        length = headers.get("Content-Length") or ""
        if not _LENGTH_PATTERN.fullmatch(length):
            raise _TransferInterrupted("the answer does not say how large the file is")
        remote_file = RemoteFile(
            name, int(length), _strong_etag(headers), headers.get("Last-Modified") or ""
        )
        part.restart(resolve_name(remote_file))

    def _read_body(
        self,
        response: requests.Response,
        part: PartialFile,
        report_progress: Callable[[int, int], None],
    ) -> None:
        """Read an answer's body into the part."""
        remote_file = part.remote_file
        if remote_file is None:
            raise _TransferInterrupted("the answer is of no known file")
        if not part.size:
            head = _read_bytes(response, MAGIC_NUMBER_BYTES, fill=True)
            if why := magic_number_error(remote_file.name, head):
                part.reset()
                raise _TransferInterrupted(why)
            part.append(head)
        while piece := _read_bytes(response, CHUNK_BYTES):
            self._check()
            if part.size + len(piece) > remote_file.size:
                part.reset()
                raise _TransferInterrupted("the answer is longer than it says")
            part.append(piece)
            report_progress(part.size, remote_file.size)
        if part.complete_file is None:
            raise _TransferInterrupted("the connection broke")


def _read_bytes(response: requests.Response, max_bytes: int, *, fill: bool = False) -> bytes:
    """Read bytes of a body as they were sent: those that came, or as many as are wanted."""
    raw = response.raw
    try:
        read = raw.read if fill else raw.read1
        found: bytes = read(max_bytes, decode_content=False)
    except _HTTP_ERRORS as error:
        raise _from_http_error(error) from None
    return found


def _check_range(response: requests.Response, part: PartialFile) -> None:
    """Check that an answer is the rest of the file that the part is of; else begin anew."""
    headers, remote_file = response.headers, part.remote_file
    found = _RANGE_PATTERN.fullmatch(headers.get("Content-Range") or "")
    fits = (
        remote_file is not None
        and found is not None
        and tuple(map(int, found.groups())) == (part.size, remote_file.size - 1, remote_file.size)
        and _strong_etag(headers) in {remote_file.etag, ""}
    )
    if not fits:
        part.reset()
        raise _TransferInterrupted("the file has changed while it was fetched")


def _strong_etag(headers: requests.structures.CaseInsensitiveDict[str]) -> str:
    """Give the ETag, where it is one that ranges may be bound to (RFC 9110, 13.1.5)."""
    etag = headers.get("ETag") or ""
    return "" if etag.startswith("W/") else etag


def _from_http_error(error: Exception) -> _TransferInterrupted | RecordError:
    """Word a failure without quoting it."""
    if isinstance(error, requests.exceptions.SSLError):
        return _TransferInterrupted("the certificate of its signed URL's server is not trusted")
    if isinstance(error, requests.Timeout | urllib3.exceptions.TimeoutError):
        return _TransferInterrupted("nothing came in time, see 'request_timeout'")
    if isinstance(error, requests.TooManyRedirects):
        return _TransferInterrupted("its signed URL leads in circles")
    if isinstance(error, ValueError) and isinstance(error, requests.RequestException):
        return RecordError("its signed URL is no URL that can be fetched")
    return _TransferInterrupted("the connection broke")


_URLLIB3_LOGGERS: Final = ("connection", "connectionpool", "poolmanager", "response", "util.retry")


class UnauthenticatedSession(requests.Session):
    """A session that sends nothing but what it is told to, wherever it is redirected to.

    Args:
        connections: That are kept.
    """

    def __init__(self, connections: int) -> None:
        super().__init__()
        adapter = HTTPAdapter(pool_maxsize=connections)
        self.mount("https://", adapter)
        self.mount("http://", adapter)
        for name in _URLLIB3_LOGGERS:
            logging.getLogger(f"urllib3.{name}").addFilter(_is_not_silenced)
        self.auth = _send_no_auth
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))  # that are kept

    def rebuild_auth(
        self, prepared_request: requests.PreparedRequest, response: requests.Response
    ) -> None:
        """Take a cookie out again, and add nothing of a .netrc, as the one of requests would."""
        del response
        prepared_request.headers.pop("Cookie", None)


def _send_no_auth(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Authorise nothing; with this, no .netrc is looked at."""
    return request


_silenced = threading.local()


@contextmanager
def urllib3_silenced() -> Iterator[None]:
    """Let urllib3 log nothing of this thread: it writes the whole URL down."""
    _silenced.on = True
    try:
        yield
    finally:
        _silenced.on = False


def _is_not_silenced(record: logging.LogRecord) -> bool:
    del record
    return not getattr(_silenced, "on", False)
