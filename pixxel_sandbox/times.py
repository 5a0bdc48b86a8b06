"""Timestamps: reads every form the API writes, and writes those forms."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

_TIMESTAMP = re.compile(
    r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:Z|[+-]\d{2}:\d{2})",
    re.IGNORECASE | re.ASCII,
)

FAR_FUTURE: Final = "2999-01-01T00:00:00.000000Z"


def instant(value: object) -> datetime | None:
    """Reads an RFC 3339 timestamp, with ``T`` or a space between date and time.

    Returns:
        An aware datetime, or None when the value is not such a timestamp.
    """
    if not isinstance(value, str) or not _TIMESTAMP.fullmatch(value):
        return None
    try:
        return datetime.fromisoformat(value.upper())
    except ValueError:
        return None


def with_z(moment: datetime) -> str:
    """Writes the common form, ``2024-05-27T06:50:20.056549Z``."""
    return f"{moment:%Y-%m-%dT%H:%M:%S.%fZ}"


def with_offset(moment: datetime) -> str:
    """Writes the form with a numeric offset, ``2024-05-27T06:50:20+00:00``."""
    return f"{moment:%Y-%m-%dT%H:%M:%S+00:00}"


def with_space(moment: datetime) -> str:
    """Writes the database's own form, ``2024-05-27 06:50:20.056549+00:00``."""
    return f"{moment:%Y-%m-%d %H:%M:%S.%f+00:00}"


def day_first(moment: datetime) -> str:
    """Writes the dates of tasks, ``27-05-2024``."""
    return f"{moment:%d-%m-%Y}"


FORMS: Final[tuple[Callable[[datetime], str], ...]] = (with_z, with_offset, with_space)


def now() -> str:
    """Says what time it is, in the common form."""
    return with_z(datetime.now(UTC))


def since(year: int, seconds: float) -> datetime:
    """Returns the moment so many seconds after the year began, in UTC."""
    return datetime(year, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
