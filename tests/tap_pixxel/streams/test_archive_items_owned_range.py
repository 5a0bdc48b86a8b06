"""archive_items with `owned_range`: adjacent ranges read each item once."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pixxel_api.json_decoding import decode_row
from pixxel_sandbox import MISSING, Behavior, Sandbox
from pixxel_sandbox.web import search_params
from pixxel_sandbox.web.errors import bad_request
from tap_pixxel.settings import Interval, OwnedRange
from tap_pixxel.streams.archive import read_acquisition_time
from tests.tap_pixxel.syncs import SyncResult, sync

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pixxel_sandbox.web.search_params import Sorting

BOUNDS = [f"2024-0{month}-01T00:00:00.000000Z" for month in range(1, 6)]
RANGES = ["../2024-01-01", "2024-01-01/2024-03-01", "2024-03-01/2025-01-01", "2025-01-01/.."]
UNDATED = "undated"
NO_TIMES = {"datetime": None, "startdatetime": MISSING, "enddatetime": MISSING}
TIMES = st.one_of(
    st.none(),
    st.just("soon"),
    st.sampled_from(BOUNDS),
    st.datetimes().map(lambda time: f"{time.isoformat()}+00:00"),
    st.sampled_from(["2024-02-01 01:00:00+01:00", "2024-01-31T23:59:59.999999Z"]),
)
PROPERTIES = st.dictionaries(
    st.sampled_from(["datetime", "startdatetime", "start_datetime", "enddatetime", "end_datetime"]),
    TIMES,
)


@pytest.fixture(scope="module")
def archive() -> Iterator[Sandbox]:
    """Serve items at and across the bounds of the ranges, and items without any time."""
    with Sandbox(seed=7, items=200) as sandbox:
        ids = sandbox.workspace.ids("archive_items")
        for number, bound in enumerate(["2024-01-01", "2024-03-01", "2025-01-01"]):
            time = f"{bound}T00:00:00Z"
            at, across, until, since = ids[4 * number : 4 * number + 4]
            sandbox.workspace.update("archive_items", at, datetime=time)
            for key, start, end in (
                (across, "2023-06-01T00:00:00Z", "2025-06-01T00:00:00Z"),
                (until, "2023-12-01T00:00:00Z", time),
                (since, time, "2025-07-01T00:00:00Z"),
            ):
                sandbox.workspace.update(
                    "archive_items", key, datetime=None, startdatetime=start, enddatetime=end
                )
        for key in ids[20:23]:
            sandbox.workspace.update("archive_items", key, **NO_TIMES)
        sandbox.workspace.update("archive_items", ids[23], datetime=None, enddatetime=MISSING)
        yield sandbox


def read(sandbox: Sandbox, **settings: Any) -> SyncResult:
    return sync(sandbox, "archive_items", stac=False, **settings)


@given(PROPERTIES, st.sets(st.sampled_from(BOUNDS)))
def test_item_is_owned_by_one_of_adjacent_ranges(
    properties: dict[str, Any], bounds: set[str]
) -> None:
    row = decode_row(msgspec.Raw(json.dumps({"properties": properties}).encode()))
    ends = [None, *sorted(bounds), None]
    ranges = [OwnedRange(start, end) for start, end in pairwise(ends)]
    time = read_acquisition_time(row)
    assert [each.owns(time) for each in [*ranges, OwnedRange(is_undated=True)]].count(True) == 1


ENDS = st.one_of(st.none(), st.sampled_from(BOUNDS))


@given(
    st.tuples(ENDS, ENDS),
    st.tuples(st.sampled_from(BOUNDS), st.sampled_from(BOUNDS)).map(sorted),
    st.sets(st.sampled_from(BOUNDS)),
)
def test_item_that_datetime_selects_is_in_the_request_of_its_owner(
    selected: tuple[str | None, str | None], item: list[str], bounds: set[str]
) -> None:
    def meets(interval: Interval) -> bool:
        return item[0] <= (interval.end or "9") and item[1] >= (interval.start or "")

    interval = Interval(*selected)
    assume((interval.start or "") <= (interval.end or "9"))
    ranges = [OwnedRange(*ends) for ends in pairwise([None, *sorted(bounds), None])]
    [owner] = [each for each in ranges if each.owns(item[0])]
    requested = interval.overlap(owner)
    assert meets(requested) == meets(interval)
    assert not meets(interval) or (requested.start or "") <= (requested.end or "9")


@pytest.mark.parametrize("window_rows", [5000, 10], ids=["one window", "windows"])
def test_ranges_divide_archive_without_gap_or_duplicate(
    archive: Sandbox, monkeypatch: pytest.MonkeyPatch, window_rows: int
) -> None:
    monkeypatch.setattr("tap_pixxel.streams.archive.ArchiveItems.window_rows", window_rows)
    parts = {each: read(archive, owned_range=each, page_size=7) for each in [*RANGES, UNDATED]}
    ids = [key for part in parts.values() for key in part.ids("archive_items")]
    assert sorted(ids) == sorted(archive.workspace.ids("archive_items"))
    assert set(parts[UNDATED].ids("archive_items")) == {
        *archive.workspace.ids("archive_items")[20:24]
    }
    assert all(len(part.ids("archive_items")) > 3 for part in parts.values())


def test_request_has_both_ends_of_range_within_datetime(archive: Sandbox) -> None:
    archive.requests.clear()
    read(archive, owned_range=RANGES[1], datetime="2024-02-01/..", collections=["td1-l1c"])
    windows = {(each.body or {}).get("datetime") for each in archive.requests if each.body}
    interval = "2024-02-01T00:00:00.000000Z/.."  # of the request that tries the sort order
    assert windows == {interval, "2024-02-01T00:00:00.000000Z/2024-03-01T00:00:00.000000Z"}


@pytest.mark.parametrize("window_rows", [5000, 10], ids=["one window", "windows"])
def test_sync_of_large_collection_reads_items_without_time(
    archive: Sandbox, monkeypatch: pytest.MonkeyPatch, window_rows: int
) -> None:
    """The windows after the first one match no item without a time."""
    monkeypatch.setattr("tap_pixxel.streams.archive.ArchiveItems.window_rows", window_rows)
    ids = read(archive, page_size=7).ids("archive_items")
    assert sorted(ids) == sorted(archive.workspace.ids("archive_items"))


def test_sync_of_large_collection_without_descending_order_reads_all_dated_items(
    archive: Sandbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An API that refuses the order costs the items without a time, not the stream."""

    def parse_ascending(entry: dict[str, str], name: str) -> Iterator[Sorting]:
        if entry["direction"] == "desc":
            raise bad_request("direction must be asc", field=name)
        return parse_sort_keys(entry, name)

    parse_sort_keys = search_params._parse_sort_keys
    monkeypatch.setattr(search_params, "_parse_sort_keys", parse_ascending)
    monkeypatch.setattr("tap_pixxel.streams.archive.ArchiveItems.window_rows", 10)
    ids = read(archive, page_size=7).ids("archive_items")
    assert {*archive.workspace.ids("archive_items")} - {*ids} == {
        *archive.workspace.ids("archive_items")[20:24]
    }
    assert "rejects the descending order" in caplog.text


def test_undated_items_are_read_at_end_of_list_only(archive: Sandbox) -> None:
    archive.requests.clear()
    read(archive, owned_range=UNDATED, page_size=20, collections=["firefly-l1c"])
    searches = [each.body for each in archive.requests if each.path == "/v0/archives/search"]
    assert sum(body["limit"] == 20 for body in searches) == 2


def test_owned_range_changes_no_fingerprint_and_bookmark_has_owned_items_only(
    archive: Sandbox,
) -> None:
    whole = read(archive, bbox=[-180, -90, 180, 90])
    part = read(archive, bbox=[-180, -90, 180, 90], owned_range=RANGES[1])
    fingerprints = {
        each["filters"]
        for synced in (whole, part)
        for each in synced.bookmark("archive_items")["partitions"]
    }
    assert len(fingerprints) == 1
    for each in part.bookmark("archive_items")["partitions"]:
        times = [
            record["updated"]
            for record in part.records["archive_items"]
            if record["collection"] == each["context"]["collection"] and record["updated"]
        ]
        assert each.get("replication_key_value") == max(times, default=None)


def test_undated_items_of_unsorted_list_are_read(archive: Sandbox) -> None:
    archive.behavior = Behavior(reject_sort=True)
    try:
        ids = read(archive, owned_range=UNDATED, page_size=7).ids("archive_items")
    finally:
        archive.behavior = Behavior()
    assert set(ids) == {*archive.workspace.ids("archive_items")[20:24]}
