"""TimeWindowScan: its requests, its start time, and its completeness."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from pixxel_api.pagination.list_scan import ScanOptions
from pixxel_api.pagination.window_scan import TimeWindowScan
from tests.pixxel_api.test_window_scan import ID, Archive, read_archive, row, time_of, timestamp

if TYPE_CHECKING:
    from collections.abc import Callable

    from pixxel_api.pagination.paging import FetchPage, Page


def make_scan(
    fetch_between: Callable[[str | None, str | None], FetchPage], low: str | None = None
) -> TimeWindowScan:
    return TimeWindowScan(
        fetch_between,
        time_of,
        ScanOptions(ID, limit=10, concurrency=1),
        ordered=True,
        low=low,
        window_rows=50,
    )


def test_rest_of_window_is_read_from_its_position() -> None:
    archive = Archive([row(i, timestamp(i)) for i in range(200)], max_offset=120)
    read_archive(archive)
    rests = [offset for _, high, offset in archive.requests if high is not None]
    assert rests
    assert min(rests) >= 40


def test_page_size_cap_applies_to_later_windows() -> None:
    archive = Archive([row(i, timestamp(i)) for i in range(200)], max_offset=120)
    limits: list[int] = []

    def fetch_between(low: str | None, high: str | None) -> FetchPage:
        fetch = archive.fetch_between(low, high)

        def capped(offset: int, limit: int) -> Page:
            limits.append(limit)
            return fetch(offset, min(limit, 5))

        return capped

    scan = make_scan(fetch_between)
    assert [ID(each) for batch in scan for each in batch.rows] == list(range(200))
    assert set(limits[1:]) == {5}


def test_started_at_is_that_of_first_window() -> None:
    archive = Archive([row(i, timestamp(i)) for i in range(200)], max_offset=120)
    first = datetime(2025, 1, 1, tzinfo=UTC)

    def fetch_between(low: str | None, high: str | None) -> FetchPage:
        fetch = archive.fetch_between(low, high)

        def dated(offset: int, limit: int) -> Page:
            requested_at = first + timedelta(seconds=len(archive.requests))
            return replace(fetch(offset, limit), requested_at=requested_at)

        return dated

    scan = make_scan(fetch_between)
    assert sum(len(batch.rows) for batch in scan) == 200
    assert scan.started_at == first


@pytest.mark.parametrize(
    "incomplete_part", ["first window", "last window", "every rest", "first rest"]
)
def test_incomplete_part_makes_scan_incomplete(incomplete_part: str) -> None:
    archive = Archive([row(i, timestamp(i)) for i in range(200)], max_offset=120)
    highs: list[str] = []

    def fetch_between(low: str | None, high: str | None) -> FetchPage:
        fetch = archive.fetch_between(low, high)
        if high:
            highs.append(high)
        is_incomplete = {
            "first window": low is None and high is None,
            "last window": low is not None and high is None,
            "every rest": high is not None,
            "first rest": highs == [high],
        }[incomplete_part]
        return lambda offset, limit: replace(
            fetch(offset, limit), total=1000 if is_incomplete else None
        )

    scan = make_scan(fetch_between)
    assert sum(len(batch.rows) for batch in scan) == 200
    # The first window was closed, and its rest is complete.
    assert scan.complete is (incomplete_part == "first window")


def test_rows_without_time_close_no_window() -> None:
    archive = Archive([row(i, None) for i in range(120)], max_offset=200)
    ids, window_ends, _ = read_archive(archive)
    assert ids == list(range(120))
    assert window_ends == []


def test_row_with_range_before_window_does_not_count_as_unsorted() -> None:
    rows = [row(i, timestamp(i)) for i in range(100, 300)]
    rows.append(row(1000, timestamp(50), (timestamp(50), timestamp(150))))
    ids, window_ends, _ = read_archive(Archive(rows, max_offset=120), low=timestamp(100))
    assert sorted(ids) == sorted(each["id"] for each in rows)
    assert window_ends


def test_row_with_range_before_window_may_be_sorted_by_its_end() -> None:
    rows = [row(i, timestamp(i)) for i in range(100, 300)]
    rows.insert(50, row(1000, timestamp(50), (timestamp(50), timestamp(150))))
    archive = Archive(rows, max_offset=120, is_sorted=False)
    scan = make_scan(archive.fetch_between, low=timestamp(100))
    ids = [int(ID(each) or 0) for batch in scan for each in batch.rows]
    assert sorted(ids) == [*range(100, 300), 1000]
    assert len({low for low, _, _ in archive.requests}) > 1
