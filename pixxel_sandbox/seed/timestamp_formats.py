"""Parse and write the timestamp formats that the API uses."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_TIMESTAMP = re.compile(
    r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:Z|[+-]\d{2}:\d{2})",
    re.IGNORECASE | re.ASCII,
)

FAR_FUTURE = "2999-01-01T00:00:00.000000Z"


def parse_timestamp(value: object) -> datetime | None:
    """Parse an RFC 3339 timestamp, with `T` or a space between date and time.

    Returns:
        A timezone-aware datetime, None if the value is not a timestamp.
    """
    if not isinstance(value, str) or not _TIMESTAMP.fullmatch(value):
        return None
    try:
        return datetime.fromisoformat(value.upper())
    except ValueError:
        return None


def format_with_z(moment: datetime) -> str:
    """Return the common format, `2024-05-27T06:50:20.056549Z`."""
    return f"{moment:%Y-%m-%dT%H:%M:%S.%fZ}"


def format_with_offset(moment: datetime) -> str:
    """Return the format with a numeric offset, `2024-05-27T06:50:20+00:00`."""
    return f"{moment:%Y-%m-%dT%H:%M:%S+00:00}"


def format_with_space(moment: datetime) -> str:
    """Return the database's format, `2024-05-27 06:50:20.056549+00:00`."""
    return f"{moment:%Y-%m-%d %H:%M:%S.%f+00:00}"


def format_day_first(moment: datetime) -> str:
    """Return the date format of tasks, `27-05-2024`."""
    return f"{moment:%d-%m-%Y}"


FORMATTERS: tuple[Callable[[datetime], str], ...] = (
    format_with_z,
    format_with_offset,
    format_with_space,
)


def now() -> str:
    """Return the current time in the common format."""
    return format_with_z(datetime.now(UTC))


def time_in_year(year: int, seconds: float) -> datetime:
    """Return the time a number of seconds after the start of a year, in UTC."""
    return datetime(year, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
