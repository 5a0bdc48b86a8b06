"""What a sweep asks for, and what it says of itself, while the list changes."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from pixxel_api.pages import Offset, Page, PageNumber
from pixxel_api.sweep import Seen, Sweep
from tests.api.test_sweep import ID, ChangingList, ids_of, row, swept


def offsets(server: ChangingList) -> list[int]:
    return [offset for offset, _ in server.asked]


def test_a_row_inserted_among_numbered_pages_is_found_by_another_pass() -> None:
    """Numbered pages cannot overlap; that fewer rows came than the count says tells of it."""

    def insert_in_front(server: ChangingList) -> None:
        if len(server.asked) == 1:
            server.ids.insert(0, 99)

    server = ChangingList(list(range(25)), insert_in_front)
    assert set(swept(server, paging=PageNumber())) == {99, *range(25)}


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


def test_what_was_forgotten_is_not_given_again_by_another_pass() -> None:
    """With more rows than are remembered, another pass would repeat most of the list."""

    def update(server: ChangingList) -> None:
        if len(server.asked) == 2:
            server.ids.insert(0, server.ids.pop(30))

    given = swept(ChangingList(list(range(100)), update), seen=Seen(size=20))
    assert len(given) == len(set(given))


def test_the_clock_of_the_first_answer_is_when_it_began() -> None:
    def fetch(offset: int, limit: int) -> Page:
        rows = [row(i) for i in range(25)[offset : offset + limit]]
        return Page(offset, rows, 25, datetime(2025, 1, 1, minute=offset, tzinfo=UTC))

    sweep = Sweep(fetch, Offset(), key=ID, seen=Seen(), limit=10, window=1)
    assert sum(len(rows) for rows in sweep) == 25
    assert sweep.began == datetime(2025, 1, 1, tzinfo=UTC)


def test_a_short_page_that_brings_new_rows_is_not_the_last() -> None:
    def fetch(offset: int, limit: int) -> Page:
        ids = range(40)[offset : offset + (4 if offset == 9 else limit)]
        return Page(offset, [row(i) for i in ids])

    sweep = Sweep(fetch, Offset(), key=ID, seen=Seen(), limit=10, window=1)
    assert ids_of(each for rows in sweep for each in rows) == list(range(40))


def test_a_row_deleted_among_numbered_pages_hides_no_other() -> None:
    def delete_the_first(server: ChangingList) -> None:
        if len(server.asked) == 1:
            server.ids.pop(0)

    server = ChangingList(list(range(25)), delete_the_first)
    assert set(range(1, 25)) <= set(swept(server, paging=PageNumber()))
