"""The session that signed URLs are asked with: it carries no secret, and gives away none."""

from __future__ import annotations

import logging
import threading
from contextlib import contextmanager
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING, Final

import requests
from requests.adapters import HTTPAdapter

if TYPE_CHECKING:
    from collections.abc import Iterator

_LOGS: Final = ("connection", "connectionpool", "poolmanager", "response", "util.retry")


class Session(requests.Session):
    """A session that sends nothing but what it is told to, wherever it is redirected to.

    Args:
        connections: That are kept.
    """

    def __init__(self, connections: int) -> None:
        super().__init__()
        adapter = HTTPAdapter(pool_maxsize=connections)
        self.mount("https://", adapter)
        self.mount("http://", adapter)
        for name in _LOGS:
            logging.getLogger(f"urllib3.{name}").addFilter(_is_loud)
        self.auth = _no_auth
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))  # that are kept

    def rebuild_auth(
        self, prepared_request: requests.PreparedRequest, response: requests.Response
    ) -> None:
        """Take a cookie out again, and add nothing of a .netrc, as the one of requests would."""
        del response
        prepared_request.headers.pop("Cookie", None)


def _no_auth(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Authorise nothing; with this, no .netrc is looked at."""
    return request


_silence = threading.local()


@contextmanager
def silent() -> Iterator[None]:
    """Let urllib3 log nothing of this thread: it writes the whole URL down."""
    _silence.on = True
    try:
        yield
    finally:
        _silence.on = False


def _is_loud(record: logging.LogRecord) -> bool:
    del record
    return not getattr(_silence, "on", False)
