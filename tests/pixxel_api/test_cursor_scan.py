"""Lists whose first answer shows how they are paged: by a token, by an offset, or not at all."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Event
from typing import TYPE_CHECKING, Any

import pytest

from pixxel_api.errors import EndlessList
from pixxel_api.pagination.cursor_scan import CursorOrOffsetScan, TokenPage
from pixxel_api.pagination.list_scan import RecentKeys
from pixxel_api.pagination.paging import OffsetPaging, Page
from tests.pixxel_api.test_list_scan import ID, ids_of, row

if TYPE_CHECKING:
    from collections.abc import Callable

CLOCK = datetime(2025, 1, 1, tzinfo=UTC)
Asked = tuple[int, int, str | int | None]


@dataclass
class Listed:
    """A server's list, and what it was asked for."""

    answer: Callable[[int, int, Any], TokenPage]
    asked: list[Asked] = field(default_factory=list)

    def fetch(self, offset: int, limit: int, token: str | int | None, /) -> TokenPage:
        self.asked.append((offset, limit, token))
        return self.answer(offset, limit, token)


def page(
    ids: Any, token: str | int | None = None, total: int | None = None, at: int = 0
) -> TokenPage:
    return TokenPage(Page(at, [row(i) for i in ids], total, CLOCK.replace(minute=at)), token)


def sweep_of(server: Listed, limit: int = 10, seen: RecentKeys | None = None) -> CursorOrOffsetScan:
    return CursorOrOffsetScan(
        server.fetch,
        OffsetPaging(),
        key=ID,
        recent_keys=seen or RecentKeys(),
        limit=limit,
        concurrency=1,
        check=lambda: None,
    )


def given_by(sweep: CursorOrOffsetScan) -> list[int]:
    return ids_of(each for rows in sweep for each in rows)


def test_tokens_are_followed_one_after_the_other_to_the_last_page() -> None:
    pages: dict[Any, TokenPage] = {
        None: page([1, 2], "b", total=4),
        "b": page([2, 3], 7, at=1),
        7: page([4], at=2),
    }
    server = Listed(lambda _, __, token: pages[token])
    sweep = sweep_of(server)
    assert given_by(sweep) == [1, 2, 3, 4]
    assert server.asked == [(0, 10, None), (0, 10, "b"), (0, 10, 7)]
    assert sweep.started_at == CLOCK
    assert sweep.complete


def test_a_token_that_comes_again_is_an_error_and_not_a_loop() -> None:
    numbers = iter(range(100))
    server = Listed(lambda *_: page([next(numbers)], next(numbers) % 4 // 2))
    with pytest.raises(EndlessList):
        given_by(sweep_of(server))
    assert len(server.asked) < 5


@pytest.mark.parametrize("length", [0, 1, 10, 25])
def test_a_total_without_a_token_is_followed_by_offsets(length: int) -> None:
    ids = range(length)
    server = Listed(lambda at, limit, _: page(ids[at : at + limit], total=length, at=at))
    sweep = sweep_of(server)
    assert given_by(sweep) == list(ids)
    assert [asked[0] for asked in server.asked] == [0, 9, 18][: len(server.asked)]
    assert {asked[2] for asked in server.asked} == {None}
    assert sweep.started_at == CLOCK
    assert sweep.complete


def test_a_total_that_promises_more_than_comes_is_not_taken_as_whole() -> None:
    server = Listed(lambda at, limit, _: page(range(15)[at : at + limit], total=100, at=at))
    sweep = sweep_of(server)
    assert given_by(sweep) == list(range(15))
    assert not sweep.complete


def test_without_token_and_total_pages_are_asked_for_until_nothing_is_new() -> None:
    server = Listed(lambda at, limit, _: page(range(25)[at : at + limit], at=at))
    sweep = sweep_of(server)
    assert given_by(sweep) == list(range(25))
    assert server.asked == [(0, 10, None), (10, 10, None), (20, 10, None), (25, 10, None)]
    assert sweep.started_at == CLOCK
    assert sweep.complete


def test_a_server_that_gives_all_it_has_at_any_offset_is_asked_twice() -> None:
    server = Listed(lambda *_: page(range(5)))
    assert given_by(sweep_of(server)) == list(range(5))
    assert [asked[0] for asked in server.asked] == [0, 5]


def test_rows_that_nothing_tells_apart_are_taken_as_all_there_are() -> None:
    server = Listed(lambda *_: TokenPage(Page(0, [{}, {}]), None))
    assert [len(rows) for rows in sweep_of(server)] == [2]
    assert len(server.asked) == 1


def test_what_was_given_before_is_not_given_again() -> None:
    seen = RecentKeys()
    seen.add(ID(row(2)))
    server = Listed(lambda *_: page([1, 2, 3]))
    assert given_by(sweep_of(server, seen=seen)) == [1, 3]


def test_a_page_has_room_for_what_overlaps_and_one_row_more() -> None:
    server = Listed(lambda at, limit, _: page(range(3)[at : at + limit], total=3, at=at))
    assert given_by(sweep_of(server, limit=1)) == [0, 1, 2]
    assert server.asked[0] == (0, 2, None)


def test_a_stop_is_heard_while_a_page_is_waited_for() -> None:
    stopped = Event()

    def check() -> None:
        stopped.set()
        raise KeyboardInterrupt

    def answer(*_: Any) -> TokenPage:
        stopped.wait(10)
        return page([1])

    fetch = Listed(answer).fetch
    sweep = CursorOrOffsetScan(
        fetch,
        OffsetPaging(),
        key=ID,
        recent_keys=RecentKeys(),
        limit=10,
        concurrency=1,
        check=check,
    )
    with pytest.raises(KeyboardInterrupt):
        given_by(sweep)
