"""Transfer the file of a signed URL into a partial file; has no knowledge of Singer or the API.

A signed URL is as good as a password, and errors and logs of the HTTP libraries quote it. So their
errors are never passed on, and their logs are silenced during a transfer.
"""

from __future__ import annotations

import logging
import math
import re
import threading
from contextlib import contextmanager, suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urljoin, urlsplit

import urllib3

from pixxel_api.connection_causes import find_cause
from pixxel_api.deadlines import CONNECT_TIMEOUT, Deadline, DeadlineSession
from pixxel_api.retry import parse_retry_after
from target_pixxel_store.api.errors import kind_of_error_class
from target_pixxel_store.downloads.partial_file import RemoteFile, Validator
from target_pixxel_store.downloads.response_checks import (
    content_type_error,
    filename_from,
    find_content_error,
    read_checksums,
)
from target_pixxel_store.errors import FailureKind, RecordError, SignedUrlRefused
from target_pixxel_store.polling import Backoff, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import requests

    from target_pixxel_store.downloads.partial_file import PartialFile

logger = logging.getLogger(__name__)

MAX_IDLE_ATTEMPTS = 5  # in a row without new data
MAX_MISMATCHES = 2  # complete contents that are not the file
MAX_BUSY_SECONDS = 1800.0  # of pauses after 429 and 503
MAX_REDIRECTS = 5
BACKOFF = Backoff(first=0.25, factor=4, longest=30.0)
"""Pauses between two attempts; the factor applies to attempts without new data."""
CHUNK_BYTES = 1 << 18  # bytes of one read
URL_REFUSED_STATUSES = frozenset({400, 401, 403, 404, 410})  # it has expired, or no object
_BUSY_STATUSES = frozenset({429, 503})
_RANGE_PATTERN = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})", re.ASCII)
_ACCEPTED_CODINGS = {"Content-Encoding": "identity", "Transfer-Encoding": "chunked"}
_LENGTH_PATTERN = re.compile(r"\d{1,18}", re.ASCII)
_HTTP_ERRORS = (OSError, ValueError, urllib3.exceptions.HTTPError)  # of requests and urllib3


class Transfer(NamedTuple):
    """A file to transfer.

    Attributes:
        part: The partial file; complete and checked at the end.
        resolve_name: Called with the remote file before any byte is kept; returns it with its final
            name, or raises to skip it.
        report_progress: Called with the file's name, the bytes received so far, and its size.
        count_request: Called before each request.
    """

    part: PartialFile
    resolve_name: Callable[[RemoteFile], RemoteFile]
    report_progress: Callable[[str, int, int | None], None]
    count_request: Callable[[], None]


class _TransferInterrupted(Exception):
    """An attempt did not complete the file; another one may."""

    def __init__(self, reason: str, failure_kind: FailureKind = FailureKind.SERVER) -> None:
        super().__init__(reason)
        self.failure_kind = failure_kind


class _ServerBusy(Exception):
    """The server asks to come back later; the argument is its `Retry-After` in seconds."""


class _ContentMismatch(Exception):
    """What was received is not the file."""


class Fetcher:
    """Transfers files; safe for threads.

    Args:
        connections: Files at the same time.
        request_timeout: Seconds for the headers of a response, and then for parts of its body.
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
        self._connect_timeout = min(CONNECT_TIMEOUT, request_timeout), None
        self._check = check
        self._session = DeadlineSession(connections)
        self._session.auth = lambda request: request  # with it, requests reads no .netrc
        self._session.headers.update({"User-Agent": user_agent, "Accept": "*/*"})
        for name in _URLLIB3_LOGGERS:
            logging.getLogger(f"urllib3.{name}").addFilter(_is_logged)

    def fetch(self, url: str, transfer: Transfer) -> RemoteFile:
        """Transfer a file, continuing at the end of its partial file.

        Returns:
            The remote file.

        Raises:
            SignedUrlRefused: The URL has expired or is invalid.
            RecordError: The file cannot be transferred.
            DestinationError: The disk is full or broken, or refuses access.
        """
        part = transfer.part
        idle, mismatches, busy_seconds, max_size = 0, 0, 0.0, part.size
        while True:
            self._check()
            transfer.count_request()
            try:
                return self._attempt(url, transfer)
            except _ContentMismatch as error:
                part.discard()
                mismatches += 1
                if mismatches >= MAX_MISMATCHES:
                    raise RecordError(f"{error}, in {mismatches} downloads") from None
                reason, pause = str(error), 0.0
            except _ServerBusy as error:
                reason, pause = "its server is busy", error.args[0] or BACKOFF.pause(0)
                busy_seconds += pause
                if busy_seconds > MAX_BUSY_SECONDS:
                    text = f"{reason} (429 or 503); run again later"
                    raise RecordError(text, FailureKind.SERVER) from None
            except _TransferInterrupted as error:
                idle = 0 if part.size > max_size else idle + 1
                max_size = max(max_size, part.size)
                if idle >= MAX_IDLE_ATTEMPTS:
                    text = f"{error}, {idle} attempts without new data"
                    raise RecordError(text, error.failure_kind) from None
                reason, pause = str(error), BACKOFF.pause(max(idle - 1, 0))
            logger.info(
                "%s: %s after %d bytes; retrying in %.1f s", part.name, reason, part.size, pause
            )
            wait_for(pause, self._check)

    def close(self) -> None:
        """Close the idle connections."""
        self._session.close()

    def _attempt(self, url: str, transfer: Transfer) -> RemoteFile:
        """Request what is missing, append it, and check the whole file."""
        part = transfer.part
        headers = {"Accept-Encoding": "identity"}
        if part.size and part.validator.if_range:
            headers |= {"Range": f"bytes={part.size}-", "If-Range": part.validator.if_range}
        with _silence_urllib3(), self._get(url, headers, is_proven=part.size > 0) as response:
            remote_file = _begin(url, response, transfer)
            while piece := _read_bytes(response):
                self._check()
                if remote_file.size is not None and part.size + len(piece) > remote_file.size:
                    raise _ContentMismatch("the response is longer than its Content-Length")
                part.append(piece)
                transfer.report_progress(remote_file.name, part.size, remote_file.size)
        if remote_file.size not in {None, part.size}:  # where Content-Length is not stated
            raise _ContentMismatch("the response is shorter than its range")
        with part.open_reader() as file:
            reason = find_content_error(file, remote_file.name, remote_file.checksums, self._check)
        if reason:
            raise _ContentMismatch(reason)
        return remote_file

    def _get(self, url: str, headers: dict[str, str], *, is_proven: bool) -> requests.Response:
        """Send a request, and follow redirects without reading their bodies."""
        for _ in range(MAX_REDIRECTS + 1):
            with Deadline(self._timeout, body_seconds=math.inf):
                try:
                    response = self._session.get(
                        url, headers=headers, stream=True, timeout=self._connect_timeout
                    )
                except _HTTP_ERRORS as error:
                    raise _from_http_error(error, url, is_proven=is_proven) from None
            if not response.is_redirect:
                return response
            response.close()
            with suppress(ValueError):
                url = urljoin(url, self._session.get_redirect_target(response))
                if urlsplit(url).scheme in {"http", "https"}:
                    continue
            raise RecordError("its signed URL redirects to a URL that is not http or https")
        raise RecordError(f"its signed URL redirects more than {MAX_REDIRECTS} times")


def _begin(url: str, response: requests.Response, transfer: Transfer) -> RemoteFile:
    """Check status and headers before any data is appended; return the file they describe."""
    part = transfer.part
    status, headers = response.status_code, response.headers
    if status in URL_REFUSED_STATUSES:
        raise SignedUrlRefused(status)
    if status in _BUSY_STATUSES:
        raise _ServerBusy(parse_retry_after(headers.get("Retry-After")))
    if status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        part.discard()
    if status not in {HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT}:
        raise _TransferInterrupted(f"its signed URL returned status {status}")
    file = _read_remote_file(headers, url)
    if status == HTTPStatus.OK:
        has_end = "Transfer-Encoding" in headers or file.name.lower().endswith(".zip")
        if file.size is None and not (has_end or file.checksums):
            raise RecordError("the server states neither its length nor a checksum")
        file = transfer.resolve_name(file)
        part.restart(file, _read_validator(headers, file.size))
        return file
    if not _continues(headers, part, file.size):
        part.discard()
        raise _TransferInterrupted("the file changed during the download")
    if part.remote_file is None:
        part.remote_file = transfer.resolve_name(file._replace(size=part.validator.size))
    return part.remote_file


def _read_remote_file(headers: Mapping[str, str], url: str) -> RemoteFile:
    """Return the file that a response describes; the size is that of its body."""
    for header, accepted in _ACCEPTED_CODINGS.items():
        coding = headers.get(header) or accepted
        if coding.lower() != accepted:
            raise RecordError(f"the server states {header}: {coding:.20}, which was not requested")
    name, length = filename_from(headers, url), headers.get("Content-Length") or ""
    if reason := content_type_error(name, headers.get("Content-Type") or ""):
        raise _TransferInterrupted(reason)
    size = int(length) if _LENGTH_PATTERN.fullmatch(length) else None
    return RemoteFile(name, size, read_checksums(headers))


def _continues(headers: Mapping[str, str], part: PartialFile, length: int | None) -> bool:
    """Return whether a 206, with a body of some length, is the rest of the partial file."""
    found = _RANGE_PATTERN.fullmatch(headers.get("Content-Range") or "")
    kept = part.validator
    if found is None or not (part.size and kept.if_range):  # no range was requested
        return False
    first, last, total = map(int, found.groups())
    return (
        (first, last, total) == (part.size, total - 1, kept.size)
        and length in {None, total - first}
        and headers.get("Last-Modified", kept.modified) == kept.modified
        and headers.get("ETag", "") == kept.etag
        and not (headers.get("Content-Type") or "").lower().startswith("multipart/")
    )


def _read_validator(headers: Mapping[str, str], size: int | None) -> Validator:
    """Return the validator that a response states, if it is strong (RFC 9110, 8.8.2.2)."""
    validator = Validator(headers.get("ETag") or "", headers.get("Last-Modified") or "", size)
    # A date is strong if it is at least a second older than the response.
    is_strong = validator.strong_etag or headers.get("Date") not in {None, validator.modified}
    return validator if is_strong else Validator()


def _read_bytes(response: requests.Response) -> bytes:
    """Read the bytes of a body that have come, without decoding."""
    try:
        return bytes(response.raw.read1(CHUNK_BYTES, decode_content=False))
    except _HTTP_ERRORS as error:
        raise _from_http_error(error, response.url, is_proven=True) from None


def _from_http_error(error: Exception, url: str, *, is_proven: bool) -> Exception:
    """Convert an error without quoting it; is the URL proven, another attempt may succeed."""
    cause = find_cause(error, url, "the signed URL of its file")
    failure_kind = kind_of_error_class(cause.error_class)
    if is_proven or cause.error_class.retryable:
        return _TransferInterrupted(cause.text, failure_kind)
    return RecordError(cause.text, failure_kind)


_URLLIB3_LOGGERS = ("connection", "connectionpool", "poolmanager", "response", "util.retry")


_thread = threading.local()


def _is_logged(_record: logging.LogRecord) -> bool:
    return not getattr(_thread, "is_silenced", False)


@contextmanager
def _silence_urllib3() -> Iterator[None]:
    """Silence urllib3's logs in this thread, as they contain whole URLs."""
    _thread.is_silenced = True
    try:
        yield
    finally:
        _thread.is_silenced = False
