"""The settings of a connection to the API, which tap and store target read alike."""

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
        description="Highest rate of requests; no limit without this.",
    ),
    th.Property(
        "request_timeout",
        th.NumberType(exclusive_minimum=0, maximum=MAX_TIMEOUT),
        title="Request timeout",
        description="Seconds to wait for the API to send something.",
        default=60,
    ),
)
"""Settings that bound the requests of tap and store target."""


def parse_token(value: str) -> str:
    """Read an access token, which may have been pasted with its scheme.

    Raises:
        BadSetting: It cannot stand in a header.
    """
    text = value.strip().removeprefix("Bearer ").strip()
    if not _TOKEN.fullmatch(text):
        raise SettingError("is empty or has blanks or control characters; paste the token alone")
    return text


def parse_base_url(value: str) -> str:
    """Read the API's base URL.

    Raises:
        BadSetting: It is none.
    """
    try:
        parts = urlsplit(value.strip())
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise SettingError("is no URL of the form https://host")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise SettingError("must be a plain base URL, without user, query or fragment")
    if parts.path.rstrip("/").endswith("/v0"):
        raise SettingError("must be given without the /v0 at its end")
    return value.strip().rstrip("/")


def parse_finite_number(value: float | None) -> float | None:
    """Read a number.

    Raises:
        BadSetting: It is not finite.
    """
    if value is not None and not math.isfinite(value):
        raise SettingError("must be a finite number")
    return value


def parse_user_agent(value: str | None) -> str | None:
    """Read a `User-Agent` header.

    Raises:
        BadSetting: It cannot stand in a header.
    """
    if value is not None and not _HEADER.fullmatch(value):
        raise SettingError("must be one line of plain ASCII")
    return value
