"""Parse the timestamps of the API, in any of its forms, as RFC 3339 in UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from pixxel_api.timestamps import (
    FIRST_YEAR_OF_TIMES,
    UNSET,
    TimestampError,
    normalize_timestamp,
    parse_timestamp,
)
from tap_pixxel.stac.parsers import EMPTY, Dropped, Invalid, Repaired
from tap_pixxel.stac.result import CONVERTED

_RFC3339_UTC = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?Z"
)
_NOT_A_TIMESTAMP = Invalid("not a timestamp")
_NOT_SET = Dropped("the year 1 means not set")


def parse_datetime(value: object) -> Any:  # noqa: ANN401 - see parsers.Parser
    """Parse a timestamp as RFC 3339 in UTC with a `Z` (STAC: date and time fields).

    A text in that form stays unchanged. Other forms (an offset, no offset, which means UTC, the
    basic format, a space, a date, nanoseconds) are written with six digits of a second. The zero
    time of Go is dropped, and any other time of year 1 is invalid.
    """
    if not isinstance(value, str):
        return _NOT_A_TIMESTAMP
    try:
        if value.endswith("Z") and _RFC3339_UTC.fullmatch(value):
            datetime.fromisoformat(value)
            return value if value >= FIRST_YEAR_OF_TIMES else _judge_first_year(value)
        time = _format_utc(value.strip().upper())
        if time < FIRST_YEAR_OF_TIMES:
            return _judge_first_year(time)
        return Repaired(time, CONVERTED, "not RFC 3339 in UTC")
    except (ValueError, TimestampError):
        return _NOT_A_TIMESTAMP if value.strip() else EMPTY


def _judge_first_year(time: str) -> Dropped | Invalid:
    return _NOT_SET if normalize_timestamp(time) == UNSET else _NOT_A_TIMESTAMP


def is_chronological(start: str, end: str) -> bool:
    """Return whether `start` is not after `end`; both are results of `parse_datetime`."""
    if len(start) == len(end):  # the same digits at the same positions, and both end in Z
        return start <= end
    return _to_utc_datetime(start) <= _to_utc_datetime(end)


def _format_utc(text: str) -> str:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is not UTC:  # most timestamps are in UTC, and converting one is slow
        moment = parse_timestamp(text)
    timestamp = moment.replace(tzinfo=None).isoformat()  # formatting the offset is the slowest part
    return f"{timestamp}Z" if moment.microsecond else f"{timestamp}.000000Z"


def _to_utc_datetime(timestamp: str) -> datetime:
    return datetime.fromisoformat(timestamp).astimezone(UTC)
