"""Transfer the file of a signed URL into a partial file; has no knowledge of Singer or the API.

A signed URL is as good as a password, and errors and logs of the HTTP libraries quote it. So their
errors are never passed on, and their logs are silenced during a transfer.
"""

from __future__ import annotations

import logging
import math
import re
import threading
from contextlib import contextmanager
from http import HTTPStatus
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING

import requests
import urllib3

from pixxel_api.connection_causes import find_cause
from pixxel_api.deadlines import CONNECT_TIMEOUT, Deadline, DeadlineAdapter
from target_pixxel_store.downloads.partial_file import RemoteFile
from target_pixxel_store.downloads.response_checks import (
    MAGIC_NUMBER_BYTES,
    content_type_error,
    filename_from,
    magic_number_error,
)
from target_pixxel_store.errors import RecordError, SignedUrlRefused
from target_pixxel_store.polling import Backoff, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from target_pixxel_store.downloads.partial_file import PartialFile

logger = logging.getLogger(__name__)

MAX_IDLE_ATTEMPTS = 5
"""Attempts in a row without new data after which a file fails."""
BACKOFF = Backoff(first=0.25, factor=4, longest=30.0)
"""Pauses between two attempts; the factor applies to attempts without new data."""
CHUNK_BYTES = 1 << 18  # bytes of one read
URL_REFUSED_STATUSES = frozenset({400, 401, 403, 404, 410})
"""Statuses of a URL whose signature has expired, or whose object is deleted."""
_RANGE_PATTERN = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})", re.ASCII)
_LENGTH_PATTERN = re.compile(r"\d{1,18}", re.ASCII)
_HTTP_ERRORS = (OSError, ValueError, urllib3.exceptions.HTTPError)
"""What requests and urllib3 raise."""


class _TransferInterrupted(Exception):
    """An attempt did not complete the file; another one may."""


class Fetcher:
    """Transfers files; safe for threads.

    Args:
        connections: Files at the same time.
        request_timeout: Seconds for the headers of a response, and then for each part of its body
            (`Deadline`).
        user_agent: The `User-Agent` header.
        check: Called between reads and while waiting; raises to stop.
    """

    def __init__(
        self,
        *,
        connections: int,
        request_timeout: float,
        user_agent: str,
        check: Callable[[], None],
    ) -> None:
        self._timeout = request_timeout
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
        """Transfer a file, continuing at the end of its partial file.

        Args:
            url: The signed URL.
            part: The partial file; complete on return.
            resolve_name: Called with the remote file before any byte is kept; returns it with its
                final name, or raises to skip it.
            report_progress: Called with the bytes received so far, and the size of the file.
            count_request: Called before each request.

        Returns:
            The remote file.

        Raises:
            SignedUrlRefused: The URL has expired or is invalid.
            RecordError: Several attempts in a row brought no new data.
            DiskError: The disk is full or broken.
        """
        idle, max_size = 0, part.size
        while (remote_file := part.complete_file) is None:
            self._check()
            count_request()
            try:
                self._attempt(url, part, resolve_name, report_progress)
            except _TransferInterrupted as error:
                idle = 0 if part.size > max_size else idle + 1
                max_size = max(max_size, part.size)
                if idle >= MAX_IDLE_ATTEMPTS:
                    raise RecordError(f"{error}, {idle} attempts without new data") from None
                pause = BACKOFF.pause(max(idle - 1, 0))
                logger.info(
                    "%s: %s after %d bytes; retrying in %.1f s",
                    part.path.name,
                    error,
                    part.size,
                    pause,
                )
                wait_for(pause, self._check)
        return remote_file

    def close(self) -> None:
        """Close the idle connections."""
        self._session.close()

    def _attempt(
        self,
        url: str,
        part: PartialFile,
        resolve_name: Callable[[RemoteFile], RemoteFile],
        report_progress: Callable[[int, int], None],
    ) -> None:
        """Send one request, and append the data of its response."""
        headers = {"Accept-Encoding": "identity"}
        if part.size and part.remote_file is not None and part.remote_file.validator:
            headers |= {"Range": f"bytes={part.size}-", "If-Range": part.remote_file.validator}
        with urllib3_silenced(), Deadline(self._timeout, body_seconds=math.inf):
            try:
                response = self._session.get(
                    url,
                    headers=headers,
                    stream=True,
                    timeout=(min(CONNECT_TIMEOUT, self._timeout), None),
                )
            except _HTTP_ERRORS as error:
                raise _from_http_error(error, url, is_proven=part.size > 0) from None
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
        """Check status and headers before any data is appended."""
        status, headers = response.status_code, response.headers
        if status in URL_REFUSED_STATUSES:
            raise SignedUrlRefused(status)
        if status == HTTPStatus.PARTIAL_CONTENT:
            _check_range(response, part)
            return
        if status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            part.reset()
        if status != HTTPStatus.OK:
            raise _TransferInterrupted(f"its signed URL returned status {status}")
        name = filename_from(headers, url)
        if reason := content_type_error(name, headers.get("Content-Type") or ""):
            raise _TransferInterrupted(reason)
        length = headers.get("Content-Length") or ""
        if not _LENGTH_PATTERN.fullmatch(length):
            raise _TransferInterrupted("the response has no valid Content-Length")
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
        """Append the body of a response to the partial file."""
        remote_file = part.remote_file
        if remote_file is None:
            raise _TransferInterrupted("the response does not belong to a known file")
        if not part.size:
            head = _read_bytes(response, MAGIC_NUMBER_BYTES, fill=True)
            if reason := magic_number_error(remote_file.name, head):
                part.reset()
                raise _TransferInterrupted(reason)
            part.append(head)
        while piece := _read_bytes(response, CHUNK_BYTES):
            self._check()
            if part.size + len(piece) > remote_file.size:
                part.reset()
                raise _TransferInterrupted("the response is longer than its Content-Length")
            part.append(piece)
            report_progress(part.size, remote_file.size)
        if part.complete_file is None:
            raise _TransferInterrupted("the connection was lost")


def _read_bytes(response: requests.Response, max_bytes: int, *, fill: bool = False) -> bytes:
    """Read bytes of a body without decoding: those that have come, or with `fill` all of them."""
    raw = response.raw
    try:
        read = raw.read if fill else raw.read1
        found: bytes = read(max_bytes, decode_content=False)
    except _HTTP_ERRORS as error:
        raise _from_http_error(error, response.url, is_proven=True) from None
    return found


def _check_range(response: requests.Response, part: PartialFile) -> None:
    """Check that a response is the rest of the partial file; reset the file where it is not."""
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
        raise _TransferInterrupted("the file changed during the download")


def _strong_etag(headers: requests.structures.CaseInsensitiveDict[str]) -> str:
    """Return the ETag where it is strong, as range requests require (RFC 9110, 13.1.5)."""
    etag = headers.get("ETag") or ""
    return "" if etag.startswith("W/") else etag


def _from_http_error(
    error: Exception, url: str, *, is_proven: bool
) -> _TransferInterrupted | RecordError:
    """Convert an error without quoting it.

    Args:
        error: The error.
        url: The URL of the request.
        is_proven: Whether the URL's server has responded, so that another attempt may succeed.
    """
    if isinstance(error, requests.TooManyRedirects):
        return _TransferInterrupted("its signed URL redirects too often")
    request = getattr(error, "request", None)  # after a redirect that of another host
    cause = find_cause(error, getattr(request, "url", None) or url, "the signed URL of its file")
    if is_proven or cause.error_class.retryable:
        return _TransferInterrupted(cause.text)
    return RecordError(cause.text)


_URLLIB3_LOGGERS = ("connection", "connectionpool", "poolmanager", "response", "util.retry")


class UnauthenticatedSession(requests.Session):
    """A session without credentials and cookies, also after redirects.

    Args:
        connections: The number of connections that are kept open.
    """

    def __init__(self, connections: int) -> None:
        super().__init__()
        adapter = DeadlineAdapter(pool_maxsize=connections)
        self.mount("https://", adapter)
        self.mount("http://", adapter)
        for name in _URLLIB3_LOGGERS:
            logging.getLogger(f"urllib3.{name}").addFilter(_is_not_silenced)
        self.auth = _send_no_auth
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))  # accept no cookie

    def rebuild_auth(
        self, prepared_request: requests.PreparedRequest, response: requests.Response
    ) -> None:
        """Remove cookies, and do not read a .netrc as the method of requests does."""
        del response
        prepared_request.headers.pop("Cookie", None)


def _send_no_auth(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Add no credentials; with this, requests does not read a .netrc."""
    return request


_silenced = threading.local()


@contextmanager
def urllib3_silenced() -> Iterator[None]:
    """Silence urllib3's logs in this thread, as they contain whole URLs."""
    _silenced.on = True
    try:
        yield
    finally:
        _silenced.on = False


def _is_not_silenced(record: logging.LogRecord) -> bool:
    del record
    return not getattr(_silenced, "on", False)
