"""Every timestamp form the API uses, as one fixed-width UTC form.

The form is ``YYYY-MM-DDTHH:MM:SS.ffffffZ``: such texts compare as the times do.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

_WIDTH = 27  # characters of the fixed-width form
_DAY_FIRST = "%d-%m-%Y"  # task start_date and end_date, such as "15-05-2024"


class TimestampError(ValueError):
    """A text is no timestamp (or date) that the API is known to write."""


def normalize_timestamp(text: str) -> str:
    """Give a timestamp its fixed-width UTC form.

    Args:
        text: RFC 3339 with ``Z`` or an offset, with ``T`` or a space, basic format, a date
            alone (midnight), with any number of fractional digits (cut to microseconds).
            Without an offset it is UTC.

    Returns:
        ``YYYY-MM-DDTHH:MM:SS.ffffffZ``.

    Raises:
        TimestampError: The text is none of these.
    """
    marks = text[7] + text[10] + text[19] + text[26] if len(text) == _WIDTH else ""
    if marks == "-T.Z" and text[11:13] != "24":
        # Most have the form already; taking them apart and writing them anew takes far longer.
        try:
            datetime.fromisoformat(text)
        except ValueError:
            raise TimestampError("not a timestamp") from None
        return text
    return _format_utc(parse_timestamp(text))


def parse_timestamp(text: str) -> datetime:
    """Read a timestamp of any form that `to_utc` takes as an aware UTC datetime."""
    try:
        moment = datetime.fromisoformat(text.strip())
        if moment.tzinfo is None:
            return moment.replace(tzinfo=UTC)
        return moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise TimestampError("not a timestamp") from None


def format_timestamp(moment: datetime) -> str:
    """Write an aware datetime in the fixed-width UTC form."""
    return _format_utc(moment.astimezone(UTC))


def _format_utc(moment: datetime) -> str:
    # Writing the offset takes longer than all else.
    return f"{moment.replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def subtract(stamp: str, by: timedelta) -> str:
    """Give the time `by` before a fixed-width UTC stamp, not before the year 1."""
    try:
        return format_timestamp(parse_timestamp(stamp) - by)
    except OverflowError:
        return format_timestamp(datetime.min.replace(tzinfo=UTC))


def normalize_date(text: str) -> str:
    """Give a date, ISO 8601 or day first, the form ``YYYY-MM-DD``.

    Raises:
        TimestampError: The text is neither.
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
