"""A sweep gives each row that stays exactly once, whatever happens to the list meanwhile."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pixxel_api.errors import EndlessList
from pixxel_api.json_decoding import FieldPath
from pixxel_api.pagination.list_scan import ListScan, RecentKeys
from pixxel_api.pagination.paging import OffsetPaging, Page, PageNumberPaging, SinglePage

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
    """A server's list of ids that may change before each answer."""

    ids: list[int]
    change: Callable[[ChangingList], None] = lambda _: None
    cap: int | None = None
    tells_total: bool = True
    asked: list[tuple[int, int]] = field(default_factory=list)

    def fetch(self, offset: int, limit: int) -> Page:
        if self.asked:
            self.change(self)
        self.asked.append((offset, limit))
        end = offset + min(limit, self.cap or limit)
        rows = [row(i) for i in self.ids[offset:end]]
        return Page(offset, rows, len(self.ids) if self.tells_total else None)


def swept(server: ChangingList, *, limit: int = 10, **options: Any) -> list[int]:
    paging: Paging = options.pop("paging", OffsetPaging())
    sweep = ListScan(
        server.fetch,
        paging,
        key=ID,
        recent_keys=options.pop("seen", RecentKeys()),
        limit=limit,
        concurrency=options.pop("window", 1),
        **options,
    )
    rows: list[RawRow] = []
    for page in sweep:
        rows += page
    return ids_of(rows)


@pytest.mark.parametrize("tells_total", [True, False])
@pytest.mark.parametrize("length", [0, 1, 9, 10, 11, 19, 20, 95, 100])
@pytest.mark.parametrize("window", [1, 4])
def test_a_still_list_comes_whole_and_in_order(
    *, length: int, tells_total: bool, window: int
) -> None:
    server = ChangingList(list(range(length)), tells_total=tells_total)
    assert swept(server, window=window) == list(range(length))


@pytest.mark.parametrize("length", [0, 1, 5, 10, 23])
@pytest.mark.parametrize("limit", [1, 2, 3])
@pytest.mark.parametrize("tells_total", [True, False])
def test_tiny_pages_still_go_on(*, length: int, limit: int, tells_total: bool) -> None:
    server = ChangingList(list(range(length)), tells_total=tells_total)
    assert swept(server, limit=limit) == list(range(length))


@pytest.mark.parametrize("cap", [1, 2, 7])
@pytest.mark.parametrize("tells_total", [True, False])
def test_a_short_first_page_becomes_the_page_size(*, cap: int, tells_total: bool) -> None:
    server = ChangingList(list(range(40)), cap=cap, tells_total=tells_total)
    assert swept(server) == list(range(40))
    assert {limit for _, limit in server.asked[1:]} == {cap}


def test_exactly_one_page_with_a_total_is_one_request() -> None:
    server = ChangingList(list(range(10)))
    assert swept(server) == list(range(10))
    assert server.asked == [(0, 10)]


def test_a_short_list_is_two_requests_and_a_full_page_brings_the_next_two_at_once() -> None:
    server = ChangingList(list(range(5)), tells_total=False)
    assert swept(server, window=4) == list(range(5))
    assert server.asked == [(0, 10), (4, 5)]
    server = ChangingList(list(range(30)), tells_total=False)
    sweep = ListScan(
        server.fetch, OffsetPaging(), key=ID, recent_keys=RecentKeys(), limit=10, concurrency=4
    )
    first = iter(sweep)
    next(first)
    while len(server.asked) < 3:  # as long as a busy machine takes; pytest has a limit
        time.sleep(0.01)
    assert sorted(server.asked) == [(0, 10), (9, 10), (18, 10)]


def test_one_page_at_a_time_is_one_at_a_time() -> None:
    server = ChangingList(list(range(30)), tells_total=False)
    next(
        iter(
            ListScan(
                server.fetch,
                OffsetPaging(),
                key=ID,
                recent_keys=RecentKeys(),
                limit=10,
                concurrency=1,
            )
        )
    )
    time.sleep(0.1)
    assert server.asked == [(0, 10)]


def test_a_page_cut_short_in_the_middle_loses_nothing() -> None:
    """A server may bound its pages by bytes, or filter what it has paged."""
    server = ChangingList(list(range(60)), tells_total=False)

    def fetch(offset: int, limit: int) -> Page:
        return ChangingList.fetch(server, offset, 4 if offset and offset % 4 else limit)

    for window in (1, 2, 4):
        sweep = ListScan(
            fetch, OffsetPaging(), key=ID, recent_keys=RecentKeys(), limit=10, concurrency=window
        )
        assert ids_of(each for rows in sweep for each in rows) == list(range(60))


def test_one_answer_lists_are_asked_once() -> None:
    server = ChangingList(list(range(30)), tells_total=False)
    assert swept(server, limit=100, paging=SinglePage()) == list(range(30))
    assert len(server.asked) == 1


def test_numbered_pages_come_whole() -> None:
    server = ChangingList(list(range(25)))
    assert swept(server, paging=PageNumberPaging()) == list(range(25))


def test_a_total_that_promises_more_than_comes_is_not_taken_as_whole() -> None:
    server = ChangingList(list(range(25)))

    def fetch(offset: int, limit: int) -> Page:
        page = ChangingList.fetch(server, offset, limit)
        return Page(page.offset, page.rows, 1000)

    sweep = ListScan(
        fetch,
        OffsetPaging(),
        key=ID,
        recent_keys=RecentKeys(),
        limit=10,
        concurrency=2,
        ordered=True,
    )
    assert ids_of(each for rows in sweep for each in rows) == list(range(25))
    assert not sweep.complete


@pytest.mark.parametrize("length", [1, 2, 9])
def test_a_server_that_gives_a_short_list_at_any_offset_has_given_it(length: int) -> None:
    server = ChangingList(list(range(length)), tells_total=False)

    def fetch(offset: int, _limit: int) -> Page:
        return Page(offset, server.fetch(0, 10).rows)

    sweep = ListScan(
        fetch, OffsetPaging(), key=ID, recent_keys=RecentKeys(), limit=10, concurrency=2
    )
    assert ids_of(each for rows in sweep for each in rows) == list(range(length))


def test_a_page_that_repeats_for_ever_is_an_error_and_not_a_loop() -> None:
    def fetch(offset: int, _limit: int) -> Page:
        return Page(offset, [row(i) for i in range(10)])

    sweep = ListScan(
        fetch, OffsetPaging(), key=ID, recent_keys=RecentKeys(), limit=10, concurrency=2
    )
    with pytest.raises(EndlessList):
        list(sweep)


@settings(max_examples=300, deadline=None)
@given(
    length=st.integers(0, 60),
    limit=st.integers(5, 12),
    window=st.sampled_from([1, 3]),
    tells_total=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_rows_that_stay_come_out_once_while_others_come_and_go(
    *, length: int, limit: int, window: int, tells_total: bool, seed: int
) -> None:
    """The order is stable (by creation, say); rows are inserted and deleted anywhere."""
    chance = random.Random(seed)  # noqa: S311 - a game, no secret
    staying = set(range(0, length * 10, 10))
    removed: set[int] = set()

    def change(server: ChangingList) -> None:
        for _ in range(chance.randint(0, 2)):
            if len(removed) > length // 2 or chance.random() < 0.5:
                new = chance.randint(0, length * 10)
                if new not in server.ids and new not in removed:
                    server.ids = sorted([*server.ids, new])
            elif server.ids:
                gone = chance.choice(server.ids)
                server.ids.remove(gone)
                removed.add(gone)

    server = ChangingList(sorted(staying), change, tells_total=tells_total)
    given_ids = swept(server, limit=limit, window=window, ordered=True)
    assert len(given_ids) == len(set(given_ids))
    assert staying - removed <= set(given_ids)


@settings(max_examples=400, deadline=None)
@given(
    length=st.integers(0, 60),
    limit=st.integers(2, 12),
    changes=st.lists(st.tuples(st.integers(1, 8), st.integers(0, 59), st.booleans()), max_size=3),
)
def test_rows_that_an_update_moves_are_found_by_another_pass(
    *, length: int, limit: int, changes: list[tuple[int, int, bool]]
) -> None:
    """Without a sort parameter an updated row may jump to the front or to the end.

    Two jumps between two pages can hide each other; then it is the total that tells.
    """
    pending = sorted(changes)

    def change(server: ChangingList) -> None:
        while pending and pending[0][0] <= len(server.asked):
            _, place, to_front = pending.pop(0)
            if place < len(server.ids):
                moved = server.ids.pop(place)
                server.ids.insert(0 if to_front else len(server.ids), moved)

    server = ChangingList(list(range(length)), change)
    given_ids = swept(server, limit=limit)
    assert len(given_ids) == len(set(given_ids))
    assert set(given_ids) == set(range(length))


def test_what_was_given_two_generations_ago_is_forgotten() -> None:
    seen = RecentKeys(size=2)
    for key in range(5):
        seen.add(key)
    assert [key for key in range(5) if key in seen] == [2, 3, 4]
    assert seen.overflowed
