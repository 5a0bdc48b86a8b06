"""Normalization of the API's timestamp formats to one fixed-width UTC format.

In this format, `YYYY-MM-DDTHH:MM:SS.ffffffZ`, texts sort as the times do.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

TIME_RANGE_NAMES = ("start_datetime", "startdatetime"), ("end_datetime", "enddatetime")
"""An item's properties with the start and the end of its acquisition, STAC's name first."""
UNSET = "0001-01-01T00:00:00.000000Z"
"""The zero time of Go, which stands for a time that is not set."""
FIRST_YEAR_OF_TIMES = "0002"
"""No time before this year is a real one; texts of such times are less than this text."""
_WIDTH = 27  # characters of the fixed-width format
_DAY_FIRST = "%d-%m-%Y"  # task start_date and end_date, such as "15-05-2024"


class TimestampError(ValueError):
    """A text is not a timestamp or date in a format that the API uses."""


def normalize_timestamp(text: str) -> str:
    """Return a timestamp in the fixed-width UTC format.

    Args:
        text: RFC 3339 with `Z` or an offset, with `T` or a space, in either case, ISO 8601 basic
            format, or a date (midnight), with any number of fractional digits (truncated to
            microseconds). Without an offset it is UTC.

    Returns:
        `YYYY-MM-DDTHH:MM:SS.ffffffZ`.

    Raises:
        TimestampError: The text has none of these formats.
    """
    separators = text[7] + text[10] + text[19] + text[26] if len(text) == _WIDTH else ""
    if separators == "-T.Z" and text[11:13] != "24":
        # Most have this format already, and formatting again would take far longer.
        try:
            datetime.fromisoformat(text)
        except ValueError:
            raise TimestampError("not a timestamp") from None
        return text
    return _format_utc(parse_timestamp(text))


def parse_timestamp(text: str) -> datetime:
    """Parse a timestamp, as `normalize_timestamp` accepts it, to an aware UTC datetime.

    Raises:
        TimestampError: The text has none of these formats.
    """
    try:
        time = datetime.fromisoformat(text.strip().upper())  # RFC 3339 allows t and z
        if time.tzinfo is None:
            return time.replace(tzinfo=UTC)
        return time if time.tzinfo is UTC else time.astimezone(UTC)
    except (ValueError, OverflowError):
        raise TimestampError("not a timestamp") from None


def is_set_time(value: object) -> bool:
    """Return whether a value is the text of a time; one of the year 1 stands for none."""
    try:
        return isinstance(value, str) and normalize_timestamp(value) >= FIRST_YEAR_OF_TIMES
    except TimestampError:
        return False


def format_timestamp(time: datetime) -> str:
    """Format an aware datetime in the fixed-width UTC format."""
    return _format_utc(time.astimezone(UTC))


def _format_utc(time: datetime) -> str:
    # Formatting the offset would take longer than everything else.
    return f"{time.replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def subtract(timestamp: str, duration: timedelta) -> str:
    """Return a fixed-width UTC timestamp minus a duration, at least that of the year 1."""
    try:
        return format_timestamp(parse_timestamp(timestamp) - duration)
    except OverflowError:
        return format_timestamp(datetime.min.replace(tzinfo=UTC))


def normalize_date(text: str) -> str:
    """Return a date or timestamp, in ISO 8601 or as `DD-MM-YYYY`, as `YYYY-MM-DD`.

    Raises:
        TimestampError: The text has none of these formats.
    """
    text = text.strip()
    try:
        return datetime.strptime(text, _DAY_FIRST).replace(tzinfo=UTC).date().isoformat()
    except ValueError:
        pass
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        return normalize_timestamp(text)[:10]
