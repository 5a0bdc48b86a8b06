"""What a sweep asks for, and what it says of itself, while the list changes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec
import pytest

from pixxel_api.errors import EndlessList
from pixxel_api.pagination.list_scan import ListScan, RecentKeys
from pixxel_api.pagination.paging import OffsetPaging, Page, PageNumberPaging, SinglePage
from tests.pixxel_api.test_list_scan import ID, ChangingList, ids_of, row, swept

if TYPE_CHECKING:
    from pixxel_api.json_decoding import RawRow


def offsets(server: ChangingList) -> list[int]:
    return [offset for offset, _ in server.asked]


@pytest.mark.parametrize("tells_total", [True, False])
def test_a_row_inserted_among_numbered_pages_is_found_by_another_pass(*, tells_total: bool) -> None:
    """Numbered pages cannot overlap.

    That fewer rows came than the count says tells of it, or that one came again.
    """

    def insert_in_front(server: ChangingList) -> None:
        if len(server.asked) == 1:
            server.ids.insert(0, 99)

    server = ChangingList(list(range(25)), insert_in_front, tells_total=tells_total)
    assert set(swept(server, paging=PageNumberPaging())) == {99, *range(25)}


def test_after_a_deletion_it_goes_back_only_to_a_row_it_knows() -> None:
    def delete_the_first(server: ChangingList) -> None:
        if len(server.asked) == 6:
            server.ids.pop(0)

    server = ChangingList(list(range(100)), delete_the_first)
    assert swept(server, ordered=True) == list(range(100))
    assert offsets(server).count(0) == 1
    assert min(offsets(server)[6:]) >= 40


@pytest.mark.parametrize("window", [1, 4])
def test_nothing_is_asked_for_behind_a_total_that_is_told(window: int) -> None:
    server = ChangingList(list(range(25)))
    swept(server, window=window)
    assert sorted(offsets(server)) == [0, 9, 18]


def test_a_list_that_keeps_its_order_is_not_read_again_because_it_shifted() -> None:
    def insert_in_front(server: ChangingList) -> None:
        if len(server.asked) == 2:
            server.ids.insert(0, 99)

    server = ChangingList(list(range(40)), insert_in_front)
    assert set(swept(server, ordered=True)) == set(range(40))
    assert offsets(server).count(0) == 1


def test_another_pass_finds_a_row_that_moved_to_the_front() -> None:
    """By example, for the case that the property test above would meet by chance only."""

    def update(server: ChangingList) -> None:
        if len(server.asked) == 2:
            server.ids.insert(0, server.ids.pop(30))

    assert sorted(swept(ChangingList(list(range(40)), update))) == list(range(40))


def sweep_of(server: ChangingList, *, window: int = 1, ordered: bool = False) -> ListScan:
    return ListScan(
        server.fetch,
        OffsetPaging(),
        key=ID,
        recent_keys=RecentKeys(),
        limit=10,
        concurrency=window,
        ordered=ordered,
    )


def given_by(sweep: ListScan) -> list[int]:
    return ids_of(each for rows in sweep for each in rows)


def test_a_pass_that_saw_nothing_move_is_the_last() -> None:
    def update(server: ChangingList) -> None:
        if len(server.asked) == 2:
            server.ids.insert(0, server.ids.pop(30))

    server = ChangingList(list(range(40)), update)
    sweep = sweep_of(server)
    assert sorted(given_by(sweep)) == list(range(40))
    assert offsets(server).count(0) == 2
    assert sweep.complete


def test_another_pass_over_a_server_that_caps_goes_to_the_end() -> None:
    """Its first pages bring nothing new, and are as short as the first one was."""

    def update(server: ChangingList) -> None:
        if len(server.asked) == 6:
            server.ids.insert(12, server.ids.pop(30))

    server = ChangingList(list(range(40)), update, cap=5)
    assert sorted(given_by(sweep_of(server))) == list(range(40))


def test_another_pass_over_a_long_list_is_no_list_without_an_end() -> None:
    """Many of its pages in a row bring nothing new, and each is another one."""

    def update(server: ChangingList) -> None:
        if len(server.asked) == 17:
            server.ids.insert(5, server.ids.pop(190))

    assert sorted(given_by(sweep_of(ChangingList(list(range(200)), update)))) == list(range(200))


def test_a_page_of_rows_without_keys_that_comes_for_ever_is_an_error() -> None:
    rows: list[RawRow] = [{"name": msgspec.Raw(b'"a"')}] * 10
    sweep = ListScan(
        lambda at, _: Page(at, rows),
        OffsetPaging(),
        key=ID,
        recent_keys=RecentKeys(),
        limit=10,
        concurrency=1,
    )
    with pytest.raises(EndlessList):
        list(sweep)


def test_rows_that_many_deletions_moved_forward_are_not_behind_the_end() -> None:
    """A page that was read ahead is empty then, and no total tells that rows are left."""

    def delete(server: ChangingList) -> None:
        if len(server.asked) == 2:
            del server.ids[:25]

    server = ChangingList(list(range(40)), delete, tells_total=False)
    assert set(range(25, 40)) <= set(given_by(sweep_of(server, ordered=True)))


@pytest.mark.parametrize("length", [0, 9, 44])
@pytest.mark.parametrize("tells_total", [True, False])
@pytest.mark.parametrize("window", [1, 4])
def test_a_still_list_is_read_once_and_is_whole(
    *, length: int, tells_total: bool, window: int
) -> None:
    server = ChangingList(list(range(length)), tells_total=tells_total)
    sweep = sweep_of(server, window=window)
    assert given_by(sweep) == list(range(length))
    assert sweep.complete
    assert offsets(server).count(0) == 1


@pytest.mark.parametrize("ordered", [True, False])
def test_one_row_less_than_the_total_is_not_whole(*, ordered: bool) -> None:
    server = ChangingList(list(range(10)))
    sweep = ListScan(
        lambda at, limit: replace(server.fetch(at, limit), total=11),
        OffsetPaging(),
        key=ID,
        recent_keys=RecentKeys(),
        limit=10,
        concurrency=1,
        ordered=ordered,
    )
    assert given_by(sweep) == list(range(10))
    assert not sweep.complete


def test_what_was_forgotten_is_not_given_again_by_another_pass() -> None:
    """With more rows than are remembered, another pass would repeat most of the list."""

    def update(server: ChangingList) -> None:
        if len(server.asked) == 2:
            server.ids.insert(0, server.ids.pop(30))

    given = swept(ChangingList(list(range(100)), update), seen=RecentKeys(size=20))
    assert len(given) == len(set(given))


def test_the_clock_of_the_first_answer_is_when_it_began() -> None:
    def fetch(offset: int, limit: int) -> Page:
        rows = [row(i) for i in range(25)[offset : offset + limit]]
        return Page(offset, rows, 25, datetime(2025, 1, 1, minute=offset, tzinfo=UTC))

    sweep = ListScan(
        fetch, OffsetPaging(), key=ID, recent_keys=RecentKeys(), limit=10, concurrency=1
    )
    assert sum(len(rows) for rows in sweep) == 25
    assert sweep.started_at == datetime(2025, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("ordered", [True, False])
def test_a_list_whose_total_falls_to_nothing_is_not_taken_for_whole(*, ordered: bool) -> None:
    def empty(server: ChangingList) -> None:
        server.ids = []

    server = ChangingList(list(range(25)), empty)
    sweep = sweep_of(server, ordered=ordered)
    assert given_by(sweep) == list(range(10))
    assert not sweep.complete


def test_a_list_of_one_answer_is_whole() -> None:
    server = ChangingList(list(range(30)))
    sweep = ListScan(
        server.fetch, SinglePage(), key=ID, recent_keys=RecentKeys(), limit=100, concurrency=1
    )
    assert ids_of(each for rows in sweep for each in rows) == list(range(30))
    assert sweep.complete


def test_a_row_without_a_key_is_always_new() -> None:
    seen = RecentKeys()
    assert [seen.add_if_new(key) for key in (None, None, 1, 1)] == [True, True, True, False]


def test_a_short_page_that_brings_new_rows_is_not_the_last() -> None:
    def fetch(offset: int, limit: int) -> Page:
        ids = range(40)[offset : offset + (4 if offset == 9 else limit)]
        return Page(offset, [row(i) for i in ids])

    sweep = ListScan(
        fetch, OffsetPaging(), key=ID, recent_keys=RecentKeys(), limit=10, concurrency=1
    )
    assert ids_of(each for rows in sweep for each in rows) == list(range(40))


def test_a_row_deleted_among_numbered_pages_hides_no_other() -> None:
    def delete_the_first(server: ChangingList) -> None:
        if len(server.asked) == 1:
            server.ids.pop(0)

    server = ChangingList(list(range(25)), delete_the_first)
    assert set(range(1, 25)) <= set(swept(server, paging=PageNumberPaging()))
