"""Test the parser of timestamps and their order."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pixxel_api.timestamps import normalize_timestamp
from tap_pixxel.stac.datetimes import is_chronological, parse_datetime
from tap_pixxel.stac.parsers import EMPTY, Dropped, Invalid, Repaired
from tests.tap_pixxel.stac.minimal_items import assert_parses, repaired

YEAR_2 = datetime(2, 1, 2)


PARSED: list[tuple[Any, Any, Any]] = [
    # parser, value, expected result
    (parse_datetime, "2025-01-01T00:00:00Z", "2025-01-01T00:00:00Z"),
    (parse_datetime, "2025-01-01T00:00:00.5Z", "2025-01-01T00:00:00.5Z"),
    (parse_datetime, "2025-01-01 01:30:00+01:30", repaired("2025-01-01T00:00:00.000000Z")),
    (parse_datetime, "2025-01-01", repaired("2025-01-01T00:00:00.000000Z")),
    (parse_datetime, " 2025-01-01t00:00:00z ", repaired("2025-01-01T00:00:00.000000Z")),
    (parse_datetime, 5, Invalid),
    (parse_datetime, "2025-13-01T00:00:00Z", Invalid),
    (parse_datetime, " ", EMPTY),
    (parse_datetime, "0001-01-01T00:00:00Z", Dropped("the year 1 means not set")),
    (parse_datetime, "0001-01-01 00:00:00+00:00", Dropped("the year 1 means not set")),
    (parse_datetime, "0001-01-01T00:00:00.5Z", Invalid),
    (parse_datetime, "0001-02-01", Invalid),
]  # fmt: skip


@pytest.mark.parametrize(("parse", "value", "expected"), PARSED)
def test_parse_datetime_value_returns_expected(parse: Any, value: Any, expected: Any) -> None:
    assert_parses(parse, value, expected)


@settings(deadline=None)
@given(st.datetimes(YEAR_2), st.sampled_from(["+00:00", "+05:30", "-11:00", "", "z", " "]))
def test_parse_datetime_any_offset_equals_normalize_timestamp(stamp: datetime, offset: str) -> None:
    text = f"{stamp.isoformat()}{offset}"
    read = parse_datetime(text)
    try:
        expected = normalize_timestamp(text.strip().upper())
    except ValueError:
        assert type(read) is not Repaired
    else:
        assert read.value == expected


MOMENTS = st.builds(
    datetime.replace,
    st.datetimes(datetime(2025, 1, 1), datetime(2025, 1, 1, 0, 0, 2)),
    microsecond=st.sampled_from([0, 500_000]),
)


@given(MOMENTS, MOMENTS)
def test_is_chronological_any_timestamps_compares_times(one: datetime, two: datetime) -> None:
    """Whole seconds have no fraction, so the texts have different lengths."""
    assert is_chronological(f"{one.isoformat()}Z", f"{two.isoformat()}Z") == (one <= two)
