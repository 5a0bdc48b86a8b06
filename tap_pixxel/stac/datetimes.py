"""Times: RFC 3339 in UTC out of every form of timestamp that the API writes."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any, Final

from pixxel_api.timestamps import TimestampError, parse_timestamp
from tap_pixxel.stac.parsers import EMPTY, Invalid, Repaired
from tap_pixxel.stac.result import CONVERTED

_RFC3339_UTC: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?Z"
)
_NOT_A_TIMESTAMP: Final = Invalid("not a timestamp")


def parse_datetime(value: object) -> Any:  # noqa: ANN401 - a text, or how the reading failed
    """Read a timestamp as RFC 3339 in UTC with a ``Z`` (STAC: date and time fields).

    Such a text stays as it is. Others, with an offset or without one (UTC), in the basic format,
    with a space, as a date, with nanoseconds, come out with six digits of a second.
    """
    if not isinstance(value, str):
        return _NOT_A_TIMESTAMP
    try:
        if value.endswith("Z") and _RFC3339_UTC.fullmatch(value):
            datetime.fromisoformat(value)
            return value
        return Repaired(_format_utc(value.strip().upper()), CONVERTED, "not RFC 3339 in UTC")
    except (ValueError, TimestampError):
        return _NOT_A_TIMESTAMP if value.strip() else EMPTY


def is_chronological(start: str, end: str) -> bool:
    """Tell whether two texts that `moment` gave are in order, or the same time."""
    if len(start) == len(end):  # the same digits at the same places, and both end in Z
        return start <= end
    return _to_utc_datetime(start) <= _to_utc_datetime(end)


def _format_utc(text: str) -> str:
    read = datetime.fromisoformat(text)
    if read.tzinfo is not UTC:  # most stamps are in UTC, and turning one takes long
        read = parse_timestamp(text)
    stamp = read.replace(tzinfo=None).isoformat()  # writing the offset takes longer than all else
    return f"{stamp}Z" if read.microsecond else f"{stamp}.000000Z"


def _to_utc_datetime(stamp: str) -> datetime:
    return datetime.fromisoformat(stamp).astimezone(UTC)
