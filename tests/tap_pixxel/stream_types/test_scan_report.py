"""What a scan report knows of many lists, and what it logs about those that were skipped."""

from __future__ import annotations

import logging

import pytest

from pixxel_api.errors import BadRequest, Forbidden, NotFound
from pixxel_api.pagination.list_scan import ListScan, ScanOptions
from pixxel_api.pagination.paging import OffsetPaging, Page
from tap_pixxel.stream_types.scan_report import ScanReport, SkippedLists

FORBIDDEN = Forbidden("GET", "/v0/a", 403)
NOT_FOUND = NotFound("GET", "/v0/a", 404)


@pytest.fixture
def skipped(caplog: pytest.LogCaptureFixture) -> SkippedLists:
    caplog.set_level(logging.INFO)
    return SkippedLists("tasks", logging.getLogger("scan"))


def test_skipped_lists_nothing_skipped_logs_nothing(
    skipped: SkippedLists, caplog: pytest.LogCaptureFixture
) -> None:
    skipped.log_summary()
    assert caplog.messages == []
    assert (skipped.refusal, skipped.names) == (None, [])


def test_skipped_lists_are_named_by_path_params_and_counted_by_error(
    skipped: SkippedLists, caplog: pytest.LogCaptureFixture
) -> None:
    skipped.add({"workflow": "w", "job": "j"}, NOT_FOUND)
    assert skipped.refusal is None
    assert not skipped.may_exist
    skipped.add({"workflow": "v"}, FORBIDDEN)
    assert skipped.may_exist
    skipped.add({"workflow": "u"}, Forbidden("GET", "/v0/b", 403))
    skipped.add({"workflow": "t"}, BadRequest("GET", "/v0/c", 400))
    assert skipped.names == ["w/j", "v", "u", "t"]
    assert skipped.refusal is FORBIDDEN
    skipped.without_id = 4
    caplog.clear()
    skipped.log_summary()
    assert caplog.messages == [
        "tasks: skipped 4 lists: 1 rejected (400), 2 forbidden (403), 1 not found (404)",
        "tasks: 4 lists not requested: their parent rows have no usable id",
    ]


def test_skipped_lists_many_errors_logs_ten_and_counts_all(
    skipped: SkippedLists, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(25):
        skipped.add({"job": f"j{number}"}, NOT_FOUND if number % 5 else FORBIDDEN)
    skipped.log_summary()
    assert len(caplog.messages) == 11
    assert caplog.messages[-1] == "tasks: skipped 25 lists: 5 forbidden (403), 20 not found (404)"


def test_scan_report_one_incomplete_list_is_incomplete(skipped: SkippedLists) -> None:
    def follow(total: int) -> None:
        page = Page(0, [], total)
        scan = ListScan(
            lambda *_: page, OffsetPaging(), ScanOptions(lambda _: None, limit=5, concurrency=1)
        )
        assert list(report.follow(scan)) == [[]] * (1 if total == 0 else 3)

    report = ScanReport(skipped)
    assert report.complete
    follow(0)
    assert report.complete
    follow(7)
    follow(0)
    assert not report.complete
