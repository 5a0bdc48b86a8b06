"""What windows cost, and whose clock they take."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from pixxel_api.pagination.list_scan import RecentKeys
from pixxel_api.pagination.window_scan import TimeWindowScan
from tests.pixxel_api.test_window_scan import ID, Archive, row, stamp, swept, time_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from pixxel_api.pagination.paging import FetchPage, Page


def windowed(
    between: Callable[[str | None, str | None], FetchPage], low: str | None = None
) -> TimeWindowScan:
    return TimeWindowScan(
        between,
        time_of,
        key=ID,
        recent_keys=RecentKeys(),
        limit=10,
        concurrency=1,
        check=lambda: None,
        ordered=True,
        low=low,
        window_rows=50,
    )


def test_the_rest_of_a_window_is_read_from_where_it_was_closed() -> None:
    archive = Archive([row(i, stamp(i)) for i in range(200)], max_offset=120)
    swept(archive)
    rests = [offset for _, high, offset in archive.asked if high is not None]
    assert rests
    assert min(rests) >= 40


def test_a_cap_that_the_first_window_met_holds_for_the_next_ones() -> None:
    archive = Archive([row(i, stamp(i)) for i in range(200)], max_offset=120)
    limits: list[int] = []

    def between(low: str | None, high: str | None) -> FetchPage:
        fetch = archive.between(low, high)

        def capped(offset: int, limit: int) -> Page:
            limits.append(limit)
            return fetch(offset, min(limit, 5))

        return capped

    sweep = windowed(between)
    assert [ID(each) for batch in sweep for each in batch.rows] == list(range(200))
    assert set(limits[1:]) == {5}


def test_the_clock_of_the_first_window_is_when_it_began() -> None:
    archive = Archive([row(i, stamp(i)) for i in range(200)], max_offset=120)
    first = datetime(2025, 1, 1, tzinfo=UTC)

    def between(low: str | None, high: str | None) -> FetchPage:
        fetch = archive.between(low, high)

        def told(offset: int, limit: int) -> Page:
            asked = first + timedelta(seconds=len(archive.asked))
            return replace(fetch(offset, limit), requested_at=asked)

        return told

    sweep = windowed(between)
    assert sum(len(batch.rows) for batch in sweep) == 200
    assert sweep.started_at == first


@pytest.mark.parametrize("unsettled", ["first window", "last window", "every rest", "first rest"])
def test_a_part_that_did_not_settle_is_told(unsettled: str) -> None:
    archive = Archive([row(i, stamp(i)) for i in range(200)], max_offset=120)
    highs: list[str] = []

    def between(low: str | None, high: str | None) -> FetchPage:
        fetch = archive.between(low, high)
        if high:
            highs.append(high)
        lacks = {
            "first window": low is None and high is None,
            "last window": low is not None and high is None,
            "every rest": high is not None,
            "first rest": highs == [high],
        }[unsettled]
        return lambda offset, limit: replace(fetch(offset, limit), total=1000 if lacks else None)

    sweep = windowed(between)
    assert sum(len(batch.rows) for batch in sweep) == 200
    assert sweep.complete is (unsettled == "first window")  # it was closed, and its rest told all


def test_rows_without_a_time_close_no_window() -> None:
    archive = Archive([row(i, None) for i in range(120)], max_offset=200)
    ids, reached, _ = swept(archive)
    assert ids == list(range(120))
    assert reached == []


def test_a_row_whose_range_began_before_the_window_does_not_look_unsorted() -> None:
    rows = [row(i, stamp(i)) for i in range(100, 300)]
    rows.append(row(1000, stamp(50), (stamp(50), stamp(150))))
    ids, reached, _ = swept(Archive(rows, max_offset=120), low=stamp(100))
    assert sorted(ids) == sorted(each["id"] for each in rows)
    assert reached


def test_such_a_row_may_come_where_its_range_ends() -> None:
    rows = [row(i, stamp(i)) for i in range(100, 300)]
    rows.insert(50, row(1000, stamp(50), (stamp(50), stamp(150))))
    archive = Archive(rows, max_offset=120, sorts=False)
    sweep = windowed(archive.between, low=stamp(100))
    given = [int(ID(each) or 0) for batch in sweep for each in batch.rows]
    assert sorted(given) == [*range(100, 300), 1000]
    assert len({low for low, _, _ in archive.asked}) > 1
