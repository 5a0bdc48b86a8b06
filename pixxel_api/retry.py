"""When a request is sent again: what may fare better, after which pause, and by whose clock."""

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

MAX_RETRY_AFTER = 120.0  # seconds; a longer wish is taken as this
_BACKOFF = tenacity.wait_random_exponential(multiplier=0.5, max=30)

logger = logging.getLogger(__name__)


def is_retryable(error: BaseException) -> bool:
    """Tell whether the same request may fare better."""
    return isinstance(error, ApiError) and error.retryable


def pause_before_retry(state: tenacity.RetryCallState) -> float:
    """Seconds until the next attempt: the server's wish where it is longer than our backoff."""
    error = state.outcome.exception() if state.outcome else None
    wish = error.retry_after if isinstance(error, ApiError) else None
    return max(wish or 0.0, _BACKOFF(state))


def parse_retry_after(text: str | None) -> float | None:
    """Read `Retry-After`, seconds or an HTTP date (RFC 9110, 10.2.3), capped; else None."""
    if text is None:
        return None
    if text.strip().isdecimal():
        seconds = min(float(text), MAX_RETRY_AFTER)
    else:
        moment = _parse_http_date(text)
        if moment is None:
            return None
        seconds = (moment - datetime.now(UTC)).total_seconds()
    return min(max(seconds, 0.0), MAX_RETRY_AFTER)


def _parse_http_date(text: str | None) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text) if text else None
        if moment is None:
            return None
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def request_time(headers: Mapping[str, str], start: float) -> datetime | None:
    """Give the server's clock when it was asked: its `Date` less the time the answer took.

    Args:
        headers: Of the answer.
        start: When it was asked, on the monotonic clock.
    """
    answered = _parse_http_date(headers.get("Date"))
    return answered - timedelta(seconds=time.monotonic() - start) if answered else None


def log_retry(state: tenacity.RetryCallState) -> None:
    """Say what went wrong, and when it is tried again."""
    error = state.outcome.exception() if state.outcome else None
    seconds = state.next_action.sleep if state.next_action else 0.0
    logger.warning("%s; trying again in %.1f s", error, seconds)
