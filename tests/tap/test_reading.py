"""What a reading of many lists says of those that it had to leave out."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from pixxel_api.errors import Forbidden, NotFound
from pixxel_api.pagination.list_scan import ListScan, RecentKeys
from pixxel_api.pagination.paging import OffsetPaging, Page
from tap_pixxel.reading import Reading

REFUSED = Forbidden("GET", "/v0/a", 403)
GONE = NotFound("GET", "/v0/a", 404)


@pytest.fixture
def reading(caplog: pytest.LogCaptureFixture) -> Reading:
    caplog.set_level(logging.INFO)
    return Reading("tasks", logging.getLogger("reading"))


def test_nothing_is_said_where_nothing_was_left_out(
    reading: Reading, caplog: pytest.LogCaptureFixture
) -> None:
    reading.remark()
    assert caplog.messages == []
    assert (reading.refusal, reading.barred) == (None, [])


def test_what_was_left_out_is_named_by_its_keys_and_counted_by_its_reason(
    reading: Reading, caplog: pytest.LogCaptureFixture
) -> None:
    reading.leave_out({"workflow": "w", "job": "j"}, GONE)
    assert reading.refusal is None
    reading.leave_out({"workflow": "v"}, REFUSED)
    reading.leave_out({"workflow": "u"}, Forbidden("GET", "/v0/b", 403))
    assert reading.barred == ["w/j", "v", "u"]
    assert reading.refusal is REFUSED
    reading.nameless = 4
    caplog.clear()
    reading.remark()
    assert caplog.messages == [
        (
            "tasks: 3 lists were left out, 2 that the token may not read (403) and 1 that are gone "
            "(404)"
        ),
        "tasks: 4 lists were not asked for, since what they hang on has no usable id",
    ]


def test_one_list_that_did_not_settle_leaves_the_reading_unsettled(reading: Reading) -> None:
    def sweep(total: int) -> ListScan:
        page = Page(0, [], total)
        made = ListScan(
            lambda *_: page,
            OffsetPaging(),
            key=lambda _: None,
            recent_keys=RecentKeys(),
            limit=5,
            concurrency=1,
        )
        assert list(made) == [[]] * (1 if total == 0 else 3)
        return made

    assert reading.settled
    reading.take(sweep(0))
    assert reading.settled
    reading.take(sweep(7))
    reading.take(sweep(0))
    assert not reading.settled


@pytest.mark.parametrize(
    ("names", "among"),
    [
        ({"a"}, True),
        ({"a/b"}, True),
        ({"a/b/c"}, True),
        ({"b"}, False),
        ({"a/c"}, False),
        ({"a/b/c/d"}, False),
        (set(), False),
    ],
)
def test_rows_are_barred_with_what_they_hang_on(names: Any, among: bool) -> None:  # noqa: FBT001 - a table
    keys = {"workflow": "a", "job": "b", "task": "c"}
    assert Reading.is_among(names, keys) is among
