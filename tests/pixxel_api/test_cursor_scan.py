"""CursorOrOffsetScan: the first response shows paging by token, by offset, or neither."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Event
from typing import TYPE_CHECKING, Any

import pytest

from pixxel_api.errors import EndlessList
from pixxel_api.pagination.cursor_scan import CursorOrOffsetScan, TokenPage
from pixxel_api.pagination.list_scan import RecentKeys, ScanOptions
from pixxel_api.pagination.paging import OffsetPaging, Page
from tests.pixxel_api.test_list_scan import ID, ids_of, row

if TYPE_CHECKING:
    from collections.abc import Callable

CLOCK = datetime(2025, 1, 1, tzinfo=UTC)
TokenRequest = tuple[int, int, str | int | None]


@dataclass
class TokenList:
    """A server's list, and the requests it received."""

    respond: Callable[[int, int, Any], TokenPage]
    requests: list[TokenRequest] = field(default_factory=list)

    def fetch(self, offset: int, limit: int, token: str | int | None, /) -> TokenPage:
        self.requests.append((offset, limit, token))
        return self.respond(offset, limit, token)


def page(
    ids: Any, token: str | int | None = None, total: int | None = None, at: int = 0
) -> TokenPage:
    return TokenPage(Page(at, [row(i) for i in ids], total, CLOCK.replace(minute=at)), token)


def make_scan(
    server: TokenList, limit: int = 10, recent_keys: RecentKeys | None = None
) -> CursorOrOffsetScan:
    return CursorOrOffsetScan(
        server.fetch,
        OffsetPaging(),
        ScanOptions(ID, limit=limit, concurrency=1),
        recent_keys=recent_keys or RecentKeys(),
    )


def read_ids(scan: CursorOrOffsetScan) -> list[int]:
    return ids_of(row for rows in scan for row in rows)


def test_tokens_are_followed_to_last_page() -> None:
    pages: dict[Any, TokenPage] = {
        None: page([1, 2], "b", total=4),
        "b": page([2, 3], 7, at=1),
        7: page([4], at=2),
    }
    server = TokenList(lambda _, __, token: pages[token])
    scan = make_scan(server)
    assert read_ids(scan) == [1, 2, 3, 4]
    assert server.requests == [(0, 10, None), (0, 10, "b"), (0, 10, 7)]
    assert scan.started_at == CLOCK
    assert scan.complete


def test_repeated_token_raises_endless_list() -> None:
    numbers = iter(range(100))
    server = TokenList(lambda *_: page([next(numbers)], next(numbers) % 4 // 2))
    with pytest.raises(EndlessList):
        read_ids(make_scan(server))
    assert len(server.requests) < 5


@pytest.mark.parametrize("length", [0, 1, 10, 25])
def test_total_without_token_continues_by_offset(length: int) -> None:
    ids = range(length)
    server = TokenList(lambda at, limit, _: page(ids[at : at + limit], total=length, at=at))
    scan = make_scan(server)
    assert read_ids(scan) == list(ids)
    assert [request[0] for request in server.requests] == [0, 9, 18][: len(server.requests)]
    assert {request[2] for request in server.requests} == {None}
    assert scan.started_at == CLOCK
    assert scan.complete


def test_total_exceeding_rows_is_incomplete() -> None:
    server = TokenList(lambda at, limit, _: page(range(15)[at : at + limit], total=100, at=at))
    scan = make_scan(server)
    assert read_ids(scan) == list(range(15))
    assert not scan.complete


def test_list_without_token_and_total_is_read_until_no_new_rows() -> None:
    server = TokenList(lambda at, limit, _: page(range(25)[at : at + limit], at=at))
    scan = make_scan(server)
    assert read_ids(scan) == list(range(25))
    assert server.requests == [(0, 10, None), (10, 10, None), (20, 10, None), (25, 10, None)]
    assert scan.started_at == CLOCK
    assert scan.complete


def test_server_ignoring_offset_is_requested_twice() -> None:
    server = TokenList(lambda *_: page(range(5)))
    assert read_ids(make_scan(server)) == list(range(5))
    assert [request[0] for request in server.requests] == [0, 5]


def test_recent_keys_are_not_yielded_again() -> None:
    recent_keys = RecentKeys()
    recent_keys.add(ID(row(2)))
    server = TokenList(lambda *_: page([1, 2, 3]))
    assert read_ids(make_scan(server, recent_keys=recent_keys)) == [1, 3]


def test_limit_of_one_is_raised_to_overlap_plus_one() -> None:
    server = TokenList(lambda at, limit, _: page(range(3)[at : at + limit], total=3, at=at))
    assert read_ids(make_scan(server, limit=1)) == [0, 1, 2]
    assert server.requests[0] == (0, 2, None)


def test_stop_during_page_read_ends_scan() -> None:
    stopped = Event()

    def check() -> None:
        stopped.set()
        raise KeyboardInterrupt

    def respond(*_: Any) -> TokenPage:
        stopped.wait(10)
        return page([1])

    fetch = TokenList(respond).fetch
    scan = CursorOrOffsetScan(
        fetch, OffsetPaging(), ScanOptions(ID, limit=10, concurrency=1, check=check)
    )
    with pytest.raises(KeyboardInterrupt):
        read_ids(scan)
