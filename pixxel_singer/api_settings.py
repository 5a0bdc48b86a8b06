"""Settings of the API client, common to the tap and the store target."""

from __future__ import annotations

import math
import re
from typing import Any
from urllib.parse import urlsplit

from singer_sdk import typing as th

from pixxel_singer.errors import SettingError

MAX_RATE = 1000
MAX_TIMEOUT = 3600  # seconds
_TOKEN = re.compile(r"[\x21-\x7e]+")
_HEADER = re.compile(r"[\x20-\x7e]+")


RATE_PROPERTIES: tuple[th.Property[Any], ...] = (
    th.Property(
        "requests_per_second",
        th.NumberType(exclusive_minimum=0, maximum=MAX_RATE),
        title="Requests per second",
        description="Maximum requests per second; unlimited if not set.",
    ),
    th.Property(
        "request_timeout",
        th.NumberType(exclusive_minimum=0, maximum=MAX_TIMEOUT),
        title="Request timeout",
        description="Seconds in which a response must begin, and then bring 1 kB per second; "
        "a write must end in them.",
        default=60,
    ),
)
"""Settings that limit the requests of the tap and the store target."""


def parse_token(value: str) -> str:
    """Return an access token, without the scheme `Bearer` if it was pasted with it.

    Raises:
        SettingError: The token is not valid in a header.
    """
    text = value.strip().removeprefix("Bearer ").strip()
    if not _TOKEN.fullmatch(text):
        raise SettingError("is empty, or has spaces or control characters; set only the token")
    return text


def parse_base_url(value: str) -> str:
    """Return the API's base URL, without a slash at its end.

    Raises:
        SettingError: The value is not a base URL.
    """
    try:
        parts = urlsplit(value.strip())
        is_url = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        is_url = False
    if not is_url:
        raise SettingError("must be a URL such as https://host")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise SettingError("must be a plain base URL, without user, query or fragment")
    if parts.path.rstrip("/").endswith("/v0"):
        raise SettingError("must not end with /v0")
    return value.strip().rstrip("/")


def parse_finite_number(value: float | None) -> float | None:
    """Return a number or None.

    Raises:
        SettingError: The number is infinite or NaN.
    """
    if value is not None and not math.isfinite(value):
        raise SettingError("must be a finite number")
    return value


def parse_user_agent(value: str | None) -> str | None:
    """Return a `User-Agent` or None.

    Raises:
        SettingError: The value is not valid in a header.
    """
    if value is not None and not _HEADER.fullmatch(value):
        raise SettingError("must be one line of printable ASCII")
    return value
