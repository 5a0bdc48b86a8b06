"""Normalization of the API's timestamp formats to one fixed-width UTC format."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixxel_api.timestamps import (
    TimestampError,
    format_timestamp,
    normalize_date,
    normalize_timestamp,
    subtract,
)


@pytest.mark.parametrize(
    ("text", "timestamp"),
    [
        ("2024-05-27T06:50:20.056549Z", "2024-05-27T06:50:20.056549Z"),
        ("2020-01-01T00:00:00+00:00", "2020-01-01T00:00:00.000000Z"),
        ("2022-11-14 12:55:49.125928+00:00", "2022-11-14T12:55:49.125928Z"),
        ("2022-11-14 12:55:49.1+05:30", "2022-11-14T07:25:49.100000Z"),
        ("20231101T173451.024Z", "2023-11-01T17:34:51.024000Z"),
        ("2024-05-27T06:50:20.123456789Z", "2024-05-27T06:50:20.123456Z"),
        ("2024-05-27T06:50:20", "2024-05-27T06:50:20.000000Z"),
        ("2024-05-27t06:50:20z", "2024-05-27T06:50:20.000000Z"),
        ("2024-05-27t06:50:20.056549z", "2024-05-27T06:50:20.056549Z"),
        (" 2024-05-27 ", "2024-05-27T00:00:00.000000Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000000Z"),
        # As long as the fixed-width format, but different.
        ("2024-05-27T06:50:20,056549Z", "2024-05-27T06:50:20.056549Z"),
        ("2024-05-27 06:50:20.056549Z", "2024-05-27T06:50:20.056549Z"),
        ("2024-05-27T06:50:20.0565491", "2024-05-27T06:50:20.056549Z"),
        ("2024-W22-1T06:50:20.056549Z", "2024-05-27T06:50:20.056549Z"),
    ],
)
def test_normalize_timestamp_accepts_api_formats(text: str, timestamp: str) -> None:
    assert normalize_timestamp(text) == timestamp
    assert normalize_timestamp(timestamp) == timestamp


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "2024-13-01T00:00:00Z",
        "2024-13-01T00:00:00.000000Z",
        "2024-05-27T06:50:20X",
        "0001-01-01T00:00+05:00",
    ],
)
def test_invalid_timestamp_raises_error_without_its_text(text: str) -> None:
    with pytest.raises(TimestampError) as caught:
        normalize_timestamp(text)
    assert str(caught.value) == "not a timestamp"


@given(
    a=st.datetimes(min_value=datetime(2, 1, 1), max_value=datetime(9998, 1, 1)),
    b=st.datetimes(min_value=datetime(2, 1, 1), max_value=datetime(9998, 1, 1)),
    offset=st.integers(-14 * 60, 14 * 60),
)
def test_normalized_timestamps_sort_as_times(a: datetime, b: datetime, offset: int) -> None:
    zone = timezone(timedelta(minutes=offset))
    first, second = a.replace(tzinfo=UTC), b.replace(tzinfo=zone)
    assert (first < second) == (
        normalize_timestamp(first.isoformat()) < normalize_timestamp(second.isoformat())
    )
    assert format_timestamp(second) == normalize_timestamp(second.isoformat())


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("15-05-2024", "2024-05-15"),
        ("2024-05-15", "2024-05-15"),
        ("2024-05-15T22:00:00-04:00", "2024-05-16"),
    ],
)
def test_normalize_date_accepts_day_first_and_iso(text: str, day: str) -> None:
    assert normalize_date(text) == day


def test_subtract_stops_at_first_year() -> None:
    timestamp = "2024-05-27T00:00:00.000000Z"
    assert subtract(timestamp, timedelta(microseconds=1)) == "2024-05-26T23:59:59.999999Z"
    assert subtract(timestamp, timedelta(days=9**7)) == "0001-01-01T00:00:00.000000Z"
