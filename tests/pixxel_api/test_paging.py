"""Page reads are prefetched within the concurrency, and yielded in order."""

from __future__ import annotations

import threading
import time
from itertools import count, islice

import msgspec
import pytest

from pixxel_api.pagination.paging import Page, PageNumberPaging, read_pages
from pixxel_api.response import JsonResponse


def make_count_response(reported_count: object) -> JsonResponse:
    return JsonResponse(
        {"count": msgspec.Raw(msgspec.json.encode(reported_count))}, None, "GET", "/", 200
    )


class CountingFetcher:
    """Counts the requested pages, and how many are requested concurrently."""

    def __init__(self) -> None:
        self.requested = 0
        self.max_concurrent = 0
        self._running = 0
        self._lock = threading.Lock()

    def fetch(self, offset: int, _limit: int) -> Page:
        with self._lock:
            self.requested += 1
            self._running += 1
            self.max_concurrent = max(self.max_concurrent, self._running)
        time.sleep(0.02)
        with self._lock:
            self._running -= 1
        return Page(offset, [])


@pytest.mark.parametrize("concurrency", [1, 2, 3, 8])
def test_executor_pending_calls_are_limited_by_concurrency(concurrency: int) -> None:
    fetcher = CountingFetcher()
    pages = read_pages(
        fetcher.fetch, count(0, 10), limit=10, concurrency=concurrency, check=lambda: None
    )
    with pages:
        for page_number, page in enumerate(islice(pages, 30), 1):
            assert page.offset == (page_number - 1) * 10
            assert fetcher.requested <= page_number + concurrency
    assert fetcher.max_concurrent <= concurrency


def test_executor_starts_two_calls_per_result() -> None:
    """One call at first, so that few requests are wasted past the end of a short list."""
    fetcher = CountingFetcher()
    pages = read_pages(fetcher.fetch, count(0, 10), limit=10, concurrency=16, check=lambda: None)
    with pages:
        results = iter(pages)
        next(results)
        assert fetcher.requested == 1
        next(results)
        time.sleep(0.1)
        assert fetcher.requested <= 3


@pytest.mark.parametrize("reported_count", [-1, "9", None, [], {}])
def test_page_number_paging_invalid_count_has_no_total(reported_count: object) -> None:
    assert PageNumberPaging().read_total(make_count_response(reported_count)) is None
    assert PageNumberPaging().read_total(make_count_response(9)) == 9
