"""A long sweep is cut into time windows, and still gives each row once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from pixxel_api.json_decoding import FieldPath, decode_rows
from pixxel_api.pagination.list_scan import RecentKeys
from pixxel_api.pagination.paging import Page
from pixxel_api.pagination.window_scan import TimeWindowScan

if TYPE_CHECKING:
    from pixxel_api.json_decoding import RawRow
    from pixxel_api.pagination.paging import FetchPage


Entry = dict[str, Any]
ID = FieldPath("id")
TIME = FieldPath("time")


def time_of(each: RawRow) -> str | None:
    time = TIME(each)
    return time if isinstance(time, str) else None


@dataclass
class Archive:
    """Rows of (id, time, range of times or None), given in the order of time, without one last."""

    rows: list[Entry]
    max_offset: int
    asked: list[tuple[str | None, str | None, int]] = field(default_factory=list)
    sorts: bool = True

    def between(self, low: str | None, high: str | None) -> FetchPage:
        def fetch(offset: int, limit: int) -> Page:
            assert offset <= self.max_offset, "offset refused"
            self.asked.append((low, high, offset))
            rows = [row for row in self.rows if _within(row, low, high)]
            if self.sorts:
                rows.sort(key=lambda row: (row["time"] is None, row["time"] or "", row["id"]))
            shown = decode_rows(msgspec.Raw(msgspec.json.encode(rows)))
            return Page(offset, shown[offset : offset + limit])

        return fetch


def _within(row: Entry, low: str | None, high: str | None) -> bool:
    start, end = row["range"] or (row["time"], row["time"])
    return (low is None or end >= low) and (high is None or start <= high)


def row(number: int, time: str | None, span: tuple[str, str] | None = None) -> Entry:
    return {"id": number, "time": time, "range": span}


def swept(archive: Archive, **options: Any) -> tuple[list[int], list[str], TimeWindowScan]:
    sweep = TimeWindowScan(
        archive.between,
        time_of,
        key=ID,
        recent_keys=RecentKeys(),
        limit=10,
        concurrency=2,
        check=lambda: None,
        ordered=archive.sorts,
        window_rows=50,
        **options,
    )
    ids: list[int] = []
    reached = []
    for batch in sweep:
        ids += [int(ID(each) or 0) for each in batch.rows]
        if batch.completed_until:
            reached.append(batch.completed_until)
    return ids, reached, sweep


def stamp(number: int) -> str:
    return f"2024-01-01T00:{number // 60:02}:{number % 60:02}.000000Z"


def test_windows_keep_offsets_low_and_are_open_at_both_ends() -> None:
    archive = Archive([row(i, stamp(i)) for i in range(333)], max_offset=80)
    ids, reached, sweep = swept(archive)
    assert ids == list(range(333))
    assert len(reached) >= 5
    assert sweep.complete
    assert archive.asked[0][:2] == (None, None)
    assert archive.asked[-1][1] is None


def test_rows_of_one_moment_larger_than_a_window_are_not_torn() -> None:
    rows = [row(i, stamp(0)) for i in range(120)] + [row(200 + i, stamp(i)) for i in range(90)]
    ids, _, _ = swept(Archive(rows, max_offset=200))
    assert sorted(ids) == sorted(each["id"] for each in rows)


def test_rows_with_a_range_instead_of_a_time_come_out_too() -> None:
    rows = [row(i, stamp(i)) for i in range(200)]
    rows += [row(1000 + i, None, (stamp(i), stamp(i + 3))) for i in range(0, 200, 20)]
    ids, _, _ = swept(Archive(rows, max_offset=120))
    assert sorted(ids) == sorted(each["id"] for each in rows)


def test_a_later_run_goes_on_where_a_window_was_closed() -> None:
    archive = Archive([row(i, stamp(i)) for i in range(200)], max_offset=120)
    _, reached, _ = swept(archive)
    ids, _, _ = swept(archive, low=reached[1])
    first = int(ids[0])
    assert stamp(first) == reached[1]
    assert ids == list(range(first, 200))


def test_without_the_order_there_is_one_window_and_no_row_is_lost() -> None:
    rows = [row(i, stamp((i * 7) % 200)) for i in range(200)]
    archive = Archive(rows, max_offset=1000, sorts=False)
    ids, reached, _ = swept(archive)
    assert ids == list(range(200))
    assert reached == []


def test_a_server_that_only_claims_to_sort_is_found_out() -> None:
    rows = [row(i, stamp((i * 7) % 200)) for i in range(200)]
    archive = Archive(rows, max_offset=1000, sorts=False)
    sweep = TimeWindowScan(
        archive.between,
        time_of,
        key=ID,
        recent_keys=RecentKeys(),
        limit=10,
        concurrency=2,
        check=lambda: None,
        ordered=True,
        window_rows=50,
    )
    given = [ID(each) for batch in sweep for each in batch.rows]
    assert given == list(range(200))


@pytest.mark.parametrize("length", [0, 1, 49, 50, 51])
def test_lists_about_the_size_of_a_window(length: int) -> None:
    archive = Archive([row(i, stamp(i)) for i in range(length)], max_offset=120)
    assert swept(archive)[0] == list(range(length))
