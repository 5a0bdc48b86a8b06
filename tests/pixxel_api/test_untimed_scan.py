"""UntimedScan reads the rows without any time at whichever end of a sorted list they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from pixxel_api.json_decoding import decode_rows
from pixxel_api.pagination.list_scan import ScanOptions
from pixxel_api.pagination.paging import Page
from pixxel_api.pagination.window_scan import UntimedScan
from tests.pixxel_api.test_window_scan import ID, ArchiveRow, row, time_of, timestamp

if TYPE_CHECKING:
    from pixxel_api.pagination.paging import FetchPage

TIMED = [row(i, timestamp(i)) for i in range(100)]
UNTIMED = [row(1000 + i, None) for i in range(25)]


def read_untimed(*orders: list[ArchiveRow], ordered: bool = True) -> tuple[list[int], int]:
    """Return the ids that a scan yields, and the number of its requests."""
    offsets: list[int] = []

    def make_fetch(rows: list[ArchiveRow]) -> FetchPage:
        raw_rows = decode_rows(msgspec.Raw(msgspec.json.encode(rows)))

        def fetch(offset: int, limit: int) -> Page:
            offsets.append(offset)
            return Page(offset, raw_rows[offset : offset + limit])

        return fetch

    scan = UntimedScan(
        [make_fetch(rows) for rows in orders],
        time_of,
        lambda each: time_of(each) is None,
        ScanOptions(ID, limit=10, concurrency=4),
        ordered=ordered,
    )
    ids = [int(ID(each) or 0) for batch in scan for each in batch.rows]
    assert scan.complete
    return ids, len(offsets)


@pytest.mark.parametrize("nulls", ["first", "last"])
def test_rows_without_time_are_read_at_either_end(nulls: str) -> None:
    descending, ascending = TIMED[::-1], TIMED
    if nulls == "first":
        orders = [descending + UNTIMED, UNTIMED + ascending]
    else:
        orders = [UNTIMED + descending, ascending + UNTIMED]
    ids, requests = read_untimed(*orders)
    assert sorted(ids) == [each["id"] for each in UNTIMED]
    assert requests == 3 + 1, "pages without a time, the page after them, the other end"


def test_list_without_any_time_is_read_once() -> None:
    ids, requests = read_untimed(UNTIMED, UNTIMED)
    assert sorted(ids) == [each["id"] for each in UNTIMED]
    assert requests == read_untimed(UNTIMED)[1]


def test_list_that_ignores_the_order_is_read_whole() -> None:
    rows = TIMED[:50] + UNTIMED + TIMED[50:]
    assert sorted(read_untimed(rows, rows)[0]) == [each["id"] for each in UNTIMED]
    assert sorted(read_untimed(rows, ordered=False)[0]) == [each["id"] for each in UNTIMED]
