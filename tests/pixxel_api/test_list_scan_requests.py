"""ListScan: its requests and attributes while the list changes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec
import pytest

from pixxel_api.errors import EndlessList
from pixxel_api.pagination.list_scan import ListScan, RecentKeys, ScanOptions
from pixxel_api.pagination.paging import OffsetPaging, Page, PageNumberPaging, SinglePage
from tests.pixxel_api.test_list_scan import ID, ChangingList, ids_of, read_ids, row

if TYPE_CHECKING:
    from pixxel_api.json_decoding import RawRow


def requested_offsets(server: ChangingList) -> list[int]:
    return [offset for offset, _ in server.requests]


@pytest.mark.parametrize("reports_total", [True, False])
def test_row_inserted_between_numbered_pages_is_found_by_next_pass(*, reports_total: bool) -> None:
    """Numbered pages cannot overlap: a repeated row, or a count above the rows, shows the shift."""

    def insert_in_front(server: ChangingList) -> None:
        if len(server.requests) == 1:
            server.ids.insert(0, 99)

    server = ChangingList(list(range(25)), insert_in_front, reports_total=reports_total)
    assert set(read_ids(server, paging=PageNumberPaging())) == {99, *range(25)}


def test_deletion_goes_back_only_to_known_row() -> None:
    def delete_the_first(server: ChangingList) -> None:
        if len(server.requests) == 6:
            server.ids.pop(0)

    server = ChangingList(list(range(100)), delete_the_first)
    assert read_ids(server, ordered=True) == list(range(100))
    assert requested_offsets(server).count(0) == 1
    assert min(requested_offsets(server)[6:]) >= 40


@pytest.mark.parametrize("concurrency", [1, 4])
def test_no_page_is_requested_beyond_total(concurrency: int) -> None:
    server = ChangingList(list(range(25)))
    read_ids(server, concurrency=concurrency)
    assert sorted(requested_offsets(server)) == [0, 9, 18]


def test_shifted_ordered_list_is_not_read_again() -> None:
    def insert_in_front(server: ChangingList) -> None:
        if len(server.requests) == 2:
            server.ids.insert(0, 99)

    server = ChangingList(list(range(40)), insert_in_front)
    assert set(read_ids(server, ordered=True)) == set(range(40))
    assert requested_offsets(server).count(0) == 1


def make_scan(server: ChangingList, *, concurrency: int = 1, ordered: bool = False) -> ListScan:
    return ListScan(
        server.fetch,
        OffsetPaging(),
        ScanOptions(ID, limit=10, concurrency=concurrency),
        ordered=ordered,
    )


def ids_of_scan(scan: ListScan) -> list[int]:
    return ids_of(row for rows in scan for row in rows)


def test_next_pass_over_capped_pages_reaches_end() -> None:
    """The first pages of that pass have no new rows, and are as short as the first page."""

    def update(server: ChangingList) -> None:
        if len(server.requests) == 6:
            server.ids.insert(12, server.ids.pop(30))

    server = ChangingList(list(range(40)), update, cap=5)
    assert sorted(ids_of_scan(make_scan(server))) == list(range(40))


def test_next_pass_over_long_list_is_not_endless_list() -> None:
    """Many successive pages of that pass have no new rows, but they are different pages."""

    def update(server: ChangingList) -> None:
        if len(server.requests) == 17:
            server.ids.insert(5, server.ids.pop(190))

    assert sorted(ids_of_scan(make_scan(ChangingList(list(range(200)), update)))) == list(
        range(200)
    )


def test_repeated_page_without_keys_raises_endless_list() -> None:
    rows: list[RawRow] = [{"name": msgspec.Raw(b'"a"')}] * 10
    scan = ListScan(
        lambda at, _: Page(at, rows), OffsetPaging(), ScanOptions(ID, limit=10, concurrency=1)
    )
    with pytest.raises(EndlessList):
        list(scan)


@pytest.mark.parametrize("length", [0, 9, 44])
@pytest.mark.parametrize("reports_total", [True, False])
@pytest.mark.parametrize("concurrency", [1, 4])
def test_unchanged_list_is_read_in_one_pass(
    *, length: int, reports_total: bool, concurrency: int
) -> None:
    server = ChangingList(list(range(length)), reports_total=reports_total)
    scan = make_scan(server, concurrency=concurrency)
    assert ids_of_scan(scan) == list(range(length))
    assert scan.complete
    assert requested_offsets(server).count(0) == 1


@pytest.mark.parametrize("ordered", [True, False])
def test_one_row_fewer_than_total_is_incomplete(*, ordered: bool) -> None:
    server = ChangingList(list(range(10)))
    scan = ListScan(
        lambda at, limit: replace(server.fetch(at, limit), total=11),
        OffsetPaging(),
        ScanOptions(ID, limit=10, concurrency=1),
        ordered=ordered,
    )
    assert ids_of_scan(scan) == list(range(10))
    assert not scan.complete


def test_overflowed_recent_keys_prevent_next_pass() -> None:
    """With more rows than RecentKeys keeps, another pass would repeat most of the list."""

    def update(server: ChangingList) -> None:
        if len(server.requests) == 2:
            server.ids.insert(0, server.ids.pop(30))

    ids = read_ids(ChangingList(list(range(100)), update), recent_keys=RecentKeys(size=20))
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("ordered", [True, False])
def test_list_with_total_dropping_to_zero_is_incomplete(*, ordered: bool) -> None:
    def empty(server: ChangingList) -> None:
        server.ids = []

    server = ChangingList(list(range(25)), empty)
    scan = make_scan(server, ordered=ordered)
    assert ids_of_scan(scan) == list(range(10))
    assert not scan.complete


def test_row_deleted_between_numbered_pages_hides_no_row() -> None:
    def delete_the_first(server: ChangingList) -> None:
        if len(server.requests) == 1:
            server.ids.pop(0)

    server = ChangingList(list(range(25)), delete_the_first)
    assert set(range(1, 25)) <= set(read_ids(server, paging=PageNumberPaging()))


def test_started_at_is_that_of_first_page() -> None:
    def fetch(offset: int, limit: int) -> Page:
        rows = [row(i) for i in range(25)[offset : offset + limit]]
        return Page(offset, rows, 25, datetime(2025, 1, 1, minute=offset, tzinfo=UTC))

    scan = ListScan(fetch, OffsetPaging(), ScanOptions(ID, limit=10, concurrency=1))
    assert sum(len(rows) for rows in scan) == 25
    assert scan.started_at == datetime(2025, 1, 1, tzinfo=UTC)


def test_recent_keys_none_is_always_new() -> None:
    recent_keys = RecentKeys()
    assert [recent_keys.add_if_new(key) for key in (None, None, 1, 1)] == [True, True, True, False]


def test_pass_without_shift_is_the_last() -> None:
    def update(server: ChangingList) -> None:
        if len(server.requests) == 2:
            server.ids.insert(0, server.ids.pop(30))

    server = ChangingList(list(range(40)), update)
    scan = make_scan(server)
    assert sorted(ids_of_scan(scan)) == list(range(40))
    assert requested_offsets(server).count(0) == 2
    assert scan.complete


def test_single_page_list_is_complete() -> None:
    server = ChangingList(list(range(30)))
    scan = ListScan(server.fetch, SinglePage(), ScanOptions(ID, limit=100, concurrency=1))
    assert ids_of(row for rows in scan for row in rows) == list(range(30))
    assert scan.complete
