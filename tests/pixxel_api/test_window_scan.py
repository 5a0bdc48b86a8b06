"""TimeWindowScan reads a long list in time windows, and yields each row once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from pixxel_api.json_decoding import FieldPath, decode_rows
from pixxel_api.pagination.list_scan import ScanOptions
from pixxel_api.pagination.paging import Page
from pixxel_api.pagination.window_scan import TimeWindowScan

if TYPE_CHECKING:
    from pixxel_api.json_decoding import RawRow
    from pixxel_api.pagination.paging import FetchPage


ArchiveRow = dict[str, Any]
ID = FieldPath("id")
TIME = FieldPath("time")


def time_of(each: RawRow) -> str | None:
    time = TIME(each)
    return time if isinstance(time, str) else None


@dataclass
class Archive:
    """Rows with id, time and optional time range, sorted by time, those without a time last."""

    rows: list[ArchiveRow]
    max_offset: int
    requests: list[tuple[str | None, str | None, int]] = field(default_factory=list)
    is_sorted: bool = True

    def fetch_between(self, low: str | None, high: str | None) -> FetchPage:
        def fetch(offset: int, limit: int) -> Page:
            assert offset <= self.max_offset, "offset refused"
            self.requests.append((low, high, offset))
            rows = [row for row in self.rows if _is_within(row, low, high)]
            if self.is_sorted:
                rows.sort(key=lambda row: (row["time"] is None, row["time"] or "", row["id"]))
            raw_rows = decode_rows(msgspec.Raw(msgspec.json.encode(rows)))
            return Page(offset, raw_rows[offset : offset + limit])

        return fetch


def _is_within(row: ArchiveRow, low: str | None, high: str | None) -> bool:
    start, end = row["range"] or (row["time"], row["time"])
    return (low is None or end >= low) and (high is None or start <= high)


def row(number: int, time: str | None, time_range: tuple[str, str] | None = None) -> ArchiveRow:
    return {"id": number, "time": time, "range": time_range}


def read_archive(archive: Archive, **options: Any) -> tuple[list[int], list[str], TimeWindowScan]:
    scan = TimeWindowScan(
        archive.fetch_between,
        time_of,
        ScanOptions(ID, limit=10, concurrency=2),
        ordered=archive.is_sorted,
        window_rows=50,
        **options,
    )
    ids: list[int] = []
    window_ends = []
    for batch in scan:
        ids += [int(ID(each) or 0) for each in batch.rows]
        if batch.completed_until:
            window_ends.append(batch.completed_until)
    return ids, window_ends, scan


def timestamp(number: int) -> str:
    return f"2024-01-01T00:{number // 60:02}:{number % 60:02}.000000Z"


def test_windows_limit_offsets_and_are_unbounded_at_ends() -> None:
    archive = Archive([row(i, timestamp(i)) for i in range(333)], max_offset=80)
    ids, window_ends, scan = read_archive(archive)
    assert ids == list(range(333))
    assert len(window_ends) >= 5
    assert scan.complete
    assert archive.requests[0][:2] == (None, None)
    assert archive.requests[-1][1] is None


def test_rows_of_one_time_exceeding_window_are_complete() -> None:
    rows = [row(i, timestamp(0)) for i in range(120)] + [
        row(200 + i, timestamp(i)) for i in range(90)
    ]
    ids, _, _ = read_archive(Archive(rows, max_offset=200))
    assert sorted(ids) == sorted(each["id"] for each in rows)


def test_later_run_resumes_at_window_end() -> None:
    archive = Archive([row(i, timestamp(i)) for i in range(200)], max_offset=120)
    _, window_ends, _ = read_archive(archive)
    ids, _, _ = read_archive(archive, low=window_ends[1])
    first = int(ids[0])
    assert timestamp(first) == window_ends[1]
    assert ids == list(range(first, 200))


def test_unordered_list_has_one_window() -> None:
    rows = [row(i, timestamp((i * 7) % 200)) for i in range(200)]
    archive = Archive(rows, max_offset=1000, is_sorted=False)
    ids, window_ends, _ = read_archive(archive)
    assert ids == list(range(200))
    assert window_ends == []


def test_unsorted_rows_are_detected() -> None:
    rows = [row(i, timestamp((i * 7) % 200)) for i in range(200)]
    archive = Archive(rows, max_offset=1000, is_sorted=False)
    scan = TimeWindowScan(
        archive.fetch_between,
        time_of,
        ScanOptions(ID, limit=10, concurrency=2),
        ordered=True,
        window_rows=50,
    )
    ids = [ID(row) for batch in scan for row in batch.rows]
    assert ids == list(range(200))
