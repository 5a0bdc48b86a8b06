"""Pages are read ahead within bounds, and given in their order."""

from __future__ import annotations

import threading
import time
from itertools import count, islice

import msgspec
import pytest

from pixxel_api.pagination.paging import Page, PageNumberPaging, read_pages
from pixxel_api.response import JsonResponse


def telling(count_told: object) -> JsonResponse:
    return JsonResponse(
        {"count": msgspec.Raw(msgspec.json.encode(count_told))}, None, "GET", "/", 200
    )


class Reader:
    """Counts the pages asked for, and how many at once."""

    def __init__(self) -> None:
        self.asked = 0
        self.most = 0
        self._now = 0
        self._lock = threading.Lock()

    def fetch(self, offset: int, _limit: int) -> Page:
        with self._lock:
            self.asked += 1
            self._now += 1
            self.most = max(self.most, self._now)
        time.sleep(0.02)
        with self._lock:
            self._now -= 1
        return Page(offset, [])


@pytest.mark.parametrize("window", [1, 2, 3, 8])
def test_no_more_pages_than_the_window_are_asked_for_ahead(window: int) -> None:
    reader = Reader()
    pages = read_pages(reader.fetch, count(0, 10), limit=10, concurrency=window, check=lambda: None)
    with pages:
        for given, page in enumerate(islice(pages, 30), 1):
            assert page.offset == (given - 1) * 10
            assert reader.asked <= given + window
    assert reader.most <= window


def test_little_is_asked_for_in_vain_behind_a_short_list() -> None:
    """One page at first, and two more for each that came."""
    reader = Reader()
    pages = read_pages(reader.fetch, count(0, 10), limit=10, concurrency=16, check=lambda: None)
    with pages:
        given = iter(pages)
        next(given)
        assert reader.asked == 1
        next(given)
        time.sleep(0.1)
        assert reader.asked <= 3


def test_what_was_begun_comes_first_and_no_more_than_the_window_is_begun() -> None:
    reader = Reader()
    with read_pages(
        reader.fetch, count(0, 10), limit=10, concurrency=3, check=lambda: None
    ) as pages:
        pages.start(2)
        pages.start(5)
        while reader.asked < 3:  # as long as a busy machine takes; pytest has a limit
            time.sleep(0.01)
        time.sleep(0.05)
        assert reader.asked == 3
        assert [page.offset for page in islice(pages, 4)] == [0, 10, 20, 30]


@pytest.mark.parametrize("count_told", [-1, "9", None, [], {}])
def test_a_count_that_is_none_is_not_believed(count_told: object) -> None:
    assert PageNumberPaging().read_total(telling(count_told)) is None
    assert PageNumberPaging().read_total(telling(9)) == 9
