"""ListScan yields each row that stays in a changing list exactly once."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pixxel_api.json_decoding import FieldPath
from pixxel_api.pagination.list_scan import ListScan, RecentKeys, ScanOptions
from pixxel_api.pagination.paging import OffsetPaging, Page, PageNumberPaging

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pixxel_api.json_decoding import RawRow
    from pixxel_api.pagination.paging import Paging


ID = FieldPath("id")


def row(number: int) -> RawRow:
    return {"id": msgspec.Raw(b"%d" % number)}


def ids_of(rows: Iterable[RawRow]) -> list[int]:
    return [int(ID(each) or 0) for each in rows]


@dataclass
class ChangingList:
    """A server's list of ids that may change before each response."""

    ids: list[int]
    change: Callable[[ChangingList], None] = lambda _: None
    cap: int | None = None
    reports_total: bool = True
    requests: list[tuple[int, int]] = field(default_factory=list)

    def fetch(self, offset: int, limit: int) -> Page:
        if self.requests:
            self.change(self)
        self.requests.append((offset, limit))
        end = offset + min(limit, self.cap or limit)
        rows = [row(i) for i in self.ids[offset:end]]
        return Page(offset, rows, len(self.ids) if self.reports_total else None)


def read_ids(server: ChangingList, *, limit: int = 10, **options: Any) -> list[int]:
    paging: Paging = options.pop("paging", OffsetPaging())
    scan = ListScan(
        server.fetch,
        paging,
        ScanOptions(ID, limit=limit, concurrency=options.pop("concurrency", 1)),
        recent_keys=options.pop("recent_keys", RecentKeys()),
        **options,
    )
    rows: list[RawRow] = []
    for page in scan:
        rows += page
    return ids_of(rows)


@pytest.mark.parametrize("reports_total", [True, False])
@pytest.mark.parametrize("length", [0, 1, 9, 10, 11, 19, 20, 95, 100])
@pytest.mark.parametrize("concurrency", [1, 4])
def test_unchanged_list_is_complete_and_in_order(
    *, length: int, reports_total: bool, concurrency: int
) -> None:
    server = ChangingList(list(range(length)), reports_total=reports_total)
    assert read_ids(server, concurrency=concurrency) == list(range(length))


def test_prefetch_starts_only_after_full_page() -> None:
    server = ChangingList(list(range(5)), reports_total=False)
    assert read_ids(server, concurrency=4) == list(range(5))
    assert server.requests == [(0, 10), (4, 5)]
    server = ChangingList(list(range(30)), reports_total=False)
    scan = ListScan(server.fetch, OffsetPaging(), ScanOptions(ID, limit=10, concurrency=4))
    first = iter(scan)
    next(first)
    while len(server.requests) < 3:  # without a deadline, for slow machines; pytest has a timeout
        time.sleep(0.01)
    assert sorted(server.requests) == [(0, 10), (9, 10), (18, 10)]


def test_concurrency_of_one_does_not_prefetch() -> None:
    server = ChangingList(list(range(30)), reports_total=False)
    next(iter(ListScan(server.fetch, OffsetPaging(), ScanOptions(ID, limit=10, concurrency=1))))
    time.sleep(0.1)
    assert server.requests == [(0, 10)]


def test_page_number_paging_is_complete() -> None:
    server = ChangingList(list(range(25)))
    assert read_ids(server, paging=PageNumberPaging()) == list(range(25))


def test_total_exceeding_rows_is_incomplete() -> None:
    server = ChangingList(list(range(25)))

    def fetch(offset: int, limit: int) -> Page:
        page = ChangingList.fetch(server, offset, limit)
        return Page(page.offset, page.rows, 1000)

    scan = ListScan(fetch, OffsetPaging(), ScanOptions(ID, limit=10, concurrency=2), ordered=True)
    assert ids_of(row for rows in scan for row in rows) == list(range(25))
    assert not scan.complete


@pytest.mark.parametrize("length", [1, 2, 9])
def test_short_list_at_any_offset_is_complete(length: int) -> None:
    server = ChangingList(list(range(length)), reports_total=False)

    def fetch(offset: int, _limit: int) -> Page:
        return Page(offset, server.fetch(0, 10).rows)

    scan = ListScan(fetch, OffsetPaging(), ScanOptions(ID, limit=10, concurrency=2))
    assert ids_of(row for rows in scan for row in rows) == list(range(length))


@settings(max_examples=300, deadline=None)
@given(
    length=st.integers(0, 60),
    limit=st.integers(5, 12),
    concurrency=st.sampled_from([1, 3]),
    reports_total=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_rows_that_stay_are_yielded_once_despite_changes(
    *, length: int, limit: int, concurrency: int, reports_total: bool, seed: int
) -> None:
    """The order is stable, such as by creation; rows are inserted and deleted anywhere."""
    rng = random.Random(seed)  # noqa: S311 - not for security
    staying = set(range(0, length * 10, 10))
    removed: set[int] = set()

    def change(server: ChangingList) -> None:
        for _ in range(rng.randint(0, 2)):
            if len(removed) > length // 2 or rng.random() < 0.5:
                new = rng.randint(0, length * 10)
                if new not in server.ids and new not in removed:
                    server.ids = sorted([*server.ids, new])
            elif server.ids:
                deleted = rng.choice(server.ids)
                server.ids.remove(deleted)
                removed.add(deleted)

    server = ChangingList(sorted(staying), change, reports_total=reports_total)
    ids = read_ids(server, limit=limit, concurrency=concurrency, ordered=True)
    assert len(ids) == len(set(ids))
    assert staying - removed <= set(ids)


@settings(max_examples=400, deadline=None)
@given(
    length=st.integers(0, 60),
    limit=st.integers(2, 12),
    changes=st.lists(st.tuples(st.integers(1, 8), st.integers(0, 59), st.booleans()), max_size=3),
)
def test_rows_moved_by_update_are_found_by_next_pass(
    *, length: int, limit: int, changes: list[tuple[int, int, bool]]
) -> None:
    """Without a sort parameter, an updated row may move to the front or to the end.

    Two such moves between two pages can hide each other; then only the total shows it.
    """
    pending = sorted(changes)

    def change(server: ChangingList) -> None:
        while pending and pending[0][0] <= len(server.requests):
            _, place, to_front = pending.pop(0)
            if place < len(server.ids):
                moved = server.ids.pop(place)
                server.ids.insert(0 if to_front else len(server.ids), moved)

    server = ChangingList(list(range(length)), change)
    ids = read_ids(server, limit=limit)
    assert len(ids) == len(set(ids))
    assert set(ids) == set(range(length))


def test_recent_keys_drop_oldest_generation() -> None:
    recent_keys = RecentKeys(size=2)
    for key in range(5):
        recent_keys.add(key)
    assert [key for key in range(5) if key in recent_keys] == [2, 3, 4]
    assert recent_keys.overflowed


def test_short_page_within_list_loses_no_rows() -> None:
    """A server may limit its pages by bytes, or filter rows after paging."""
    server = ChangingList(list(range(60)), reports_total=False)

    def fetch(offset: int, limit: int) -> Page:
        return ChangingList.fetch(server, offset, 4 if offset and offset % 4 else limit)

    for concurrency in (1, 2, 4):
        scan = ListScan(fetch, OffsetPaging(), ScanOptions(ID, limit=10, concurrency=concurrency))
        assert ids_of(row for rows in scan for row in rows) == list(range(60))
