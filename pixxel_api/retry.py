"""Retry policy: which errors are retried, after which delay; and the server's clock."""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

import tenacity

from pixxel_api.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_RETRY_AFTER = 120.0  # seconds; a longer Retry-After is reduced to this
_BACKOFF = tenacity.wait_random_exponential(multiplier=0.5, max=30)

logger = logging.getLogger(__name__)


def is_retryable(error: BaseException) -> bool:
    """Return whether a retry of the same request may succeed."""
    return isinstance(error, ApiError) and error.retryable


def pause_before_retry(state: tenacity.RetryCallState) -> float:
    """Return the seconds until the next attempt: the longer of `Retry-After` and the backoff."""
    error = state.outcome.exception() if state.outcome else None
    retry_after = error.retry_after if isinstance(error, ApiError) else None
    return max(retry_after or 0.0, _BACKOFF(state))


def parse_retry_after(text: str | None) -> float | None:
    """Parse `Retry-After`, seconds or an HTTP date (RFC 9110, 10.2.3); None if it is invalid.

    Returns:
        Seconds, from 0 to `MAX_RETRY_AFTER`.
    """
    if text is None:
        return None
    if text.strip().isdecimal():
        seconds = min(float(text), MAX_RETRY_AFTER)
    else:
        date = _parse_http_date(text)
        if date is None:
            return None
        seconds = (date - datetime.now(UTC)).total_seconds()
    return min(max(seconds, 0.0), MAX_RETRY_AFTER)


def _parse_http_date(text: str | None) -> datetime | None:
    try:
        date = parsedate_to_datetime(text) if text else None
        if date is None:
            return None
        return date.astimezone(UTC) if date.tzinfo else date.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def request_time(headers: Mapping[str, str], start: float) -> datetime | None:
    """Return the server's time of a request: its `Date` minus the duration of the request.

    Args:
        headers: The headers of the response.
        start: The `time.monotonic()` of the request.
    """
    response_date = _parse_http_date(headers.get("Date"))
    return response_date and response_date - timedelta(seconds=time.monotonic() - start)


def log_retry(state: tenacity.RetryCallState) -> None:
    """Log the error of an attempt, and the delay until the next one."""
    error = state.outcome.exception() if state.outcome else None
    seconds = state.next_action.sleep if state.next_action else 0.0
    logger.warning("%s; retrying in %.1f s", error, seconds)
