"""Fetching: what a signed URL leads to, into a part on disk; knows neither Singer nor the API.

A signed URL is as good as a password, and what HTTP's libraries say of a failure quotes it: so no
error of theirs is passed on, and their log is silent meanwhile.
"""

from __future__ import annotations

import logging
import re
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import requests
import urllib3

from pixxel_api.client import CONNECT_TIMEOUT
from target_pixxel_store.downloads.answers import HEAD, name_of, wrong_beginning, wrong_type
from target_pixxel_store.downloads.part import Whole
from target_pixxel_store.downloads.session import Session, silent
from target_pixxel_store.look import wait_until
from target_pixxel_store.records import Rejected

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_pixxel_store.downloads.part import Part

logger = logging.getLogger(__name__)

IDLE_ATTEMPTS: Final = 5
"""Attempts in a row that bring nothing new, after which a file is given up."""
FIRST_PAUSE = 0.25  # seconds before the next attempt; four times as long after each idle one
LONGEST_PAUSE: Final = 30.0
CHUNK: Final = 1 << 18  # bytes read at once
REFUSED: Final = frozenset({400, 401, 403, 404, 410})
"""Statuses of a URL whose signature has expired, or whose object is gone."""
_RANGE: Final = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})", re.ASCII)
_LENGTH: Final = re.compile(r"\d{1,18}", re.ASCII)
_FAILURES: Final = (OSError, ValueError, urllib3.exceptions.HTTPError)
"""What requests and urllib3 fail with, for other reasons than ours."""


class UrlRefused(Exception):
    """A signed URL is not, or no more, good for anything; a fresh one may be.

    Attributes:
        status: Of the answer.
    """

    def __init__(self, status: int) -> None:
        super().__init__(f"its signed URL is refused ({status})")
        self.status = status


class _Broken(Exception):
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
        self._session = Session(connections)
        self._session.headers.update({"User-Agent": user_agent, "Accept": "*/*"})

    def fetch(
        self,
        url: str,
        part: Part,
        begin: Callable[[Whole], Whole],
        show: Callable[[int, int], None],
        count: Callable[[], None],
    ) -> Whole:
        """Fetch a file, going on where its part ends.

        Args:
            url: The signed URL.
            part: Is whole when this returns.
            begin: Told what the whole is known by, before anything of it is kept; gives it the
                name that it shall have, or raises when it is not wanted.
            show: Told how many bytes are there, and of how many.
            count: Called before each request.

        Returns:
            What the whole is known by.

        Raises:
            UrlRefused: The URL is good for nothing.
            Rejected: Again and again nothing new came; the text says why.
            NoRoomError: The disk takes nothing more.
        """
        idle, furthest = 0, part.size
        while (whole := part.complete) is None:
            self._check()
            count()
            try:
                self._attempt(url, part, begin, show)
            except _Broken as fault:
                idle = 0 if part.size > furthest else idle + 1
                furthest = max(furthest, part.size)
                if idle >= IDLE_ATTEMPTS:
                    raise Rejected(f"{fault}, {idle} times without anything new") from None
                pause = min(FIRST_PAUSE * 4 ** max(idle - 1, 0), LONGEST_PAUSE)
                logger.info(
                    "%s: %s after %d bytes; going on in %.1f s",
                    part.path.name,
                    fault,
                    part.size,
                    pause,
                )
                wait_until(time.time() + pause, self._check)
        return whole

    def close(self) -> None:
        """Close the connections that are not in use."""
        self._session.close()

    def _attempt(
        self,
        url: str,
        part: Part,
        begin: Callable[[Whole], Whole],
        show: Callable[[int, int], None],
    ) -> None:
        """Make a request, and take in what it brings."""
        headers = {"Accept-Encoding": "identity"}
        if part.size and part.whole is not None and part.whole.validator:
            headers |= {"Range": f"bytes={part.size}-", "If-Range": part.whole.validator}
        with silent():
            try:
                response = self._session.get(
                    url, headers=headers, stream=True, timeout=self._timeout
                )
            except _FAILURES as error:
                raise _worded(error) from None
            with response:
                self._look(url, response, part, begin)
                self._take(response, part, show)

    def _look(
        self,
        url: str,
        response: requests.Response,
        part: Part,
        begin: Callable[[Whole], Whole],
    ) -> None:
        """Look at an answer before anything of it is kept."""
        status, headers = response.status_code, response.headers
        if status in REFUSED:
            raise UrlRefused(status)
        if status == HTTPStatus.PARTIAL_CONTENT:
            _check_rest(response, part)
            return
        if status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            part.forget()
        if status != HTTPStatus.OK:
            raise _Broken(f"its signed URL answers {status}")
        name = name_of(headers, url)
        if why := wrong_type(name, headers.get("Content-Type") or ""):
            raise _Broken(why)
        length = headers.get("Content-Length") or ""
        if not _LENGTH.fullmatch(length):
            raise _Broken("the answer does not say how large the file is")
        whole = Whole(name, int(length), _strong(headers), headers.get("Last-Modified") or "")
        part.begin(begin(whole))

    def _take(
        self, response: requests.Response, part: Part, show: Callable[[int, int], None]
    ) -> None:
        """Read an answer's body into the part."""
        whole = part.whole
        if whole is None:
            raise _Broken("the answer is of no known file")
        if not part.size:
            head = _read(response, HEAD, whole=True)
            if why := wrong_beginning(whole.name, head):
                part.forget()
                raise _Broken(why)
            part.add(head)
        while piece := _read(response, CHUNK):
            self._check()
            if part.size + len(piece) > whole.size:
                part.forget()
                raise _Broken("the answer is longer than it says")
            part.add(piece)
            show(part.size, whole.size)
        if part.complete is None:
            raise _Broken("the connection broke")


def _read(response: requests.Response, most: int, *, whole: bool = False) -> bytes:
    """Read bytes of a body as they were sent: those that came, or as many as are wanted."""
    raw = response.raw
    try:
        read = raw.read if whole else raw.read1
        found: bytes = read(most, decode_content=False)
    except _FAILURES as error:
        raise _worded(error) from None
    return found


def _check_rest(response: requests.Response, part: Part) -> None:
    """Check that an answer is the rest of the file that the part is of; else begin anew."""
    headers, whole = response.headers, part.whole
    found = _RANGE.fullmatch(headers.get("Content-Range") or "")
    fits = (
        whole is not None
        and found is not None
        and tuple(map(int, found.groups())) == (part.size, whole.size - 1, whole.size)
        and _strong(headers) in {whole.etag, ""}
    )
    if not fits:
        part.forget()
        raise _Broken("the file has changed while it was fetched")


def _strong(headers: requests.structures.CaseInsensitiveDict[str]) -> str:
    """Give the ETag, where it is one that ranges may be bound to (RFC 9110, 13.1.5)."""
    etag = headers.get("ETag") or ""
    return "" if etag.startswith("W/") else etag


def _worded(error: Exception) -> _Broken | Rejected:
    """Word a failure without quoting it."""
    if isinstance(error, requests.exceptions.SSLError):
        return _Broken("the certificate of its signed URL's server is not trusted")
    if isinstance(error, requests.Timeout | urllib3.exceptions.TimeoutError):
        return _Broken("nothing came in time, see 'request_timeout'")
    if isinstance(error, requests.TooManyRedirects):
        return _Broken("its signed URL leads in circles")
    if isinstance(error, ValueError) and isinstance(error, requests.RequestException):
        return Rejected("its signed URL is no URL that can be fetched")
    return _Broken("the connection broke")
