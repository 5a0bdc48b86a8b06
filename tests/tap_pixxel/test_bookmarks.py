"""The bookmark rules without a server: where a run starts, and the state that it writes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from pixxel_singer.errors import InputError
from tap_pixxel.bookmarks import Bookmark, check_state, make_fingerprint

OLD, MARK, NEW = (f"2025-0{month}-01T00:00:00.000000Z" for month in (1, 2, 3))
CLOCK = datetime(2025, 6, 1, tzinfo=UTC)
FAR = "2999-01-01T00:00:00.000000Z"


def make_state(**more: Any) -> dict[str, Any]:
    return {
        "replication_key": "updated_at",
        "replication_key_value": MARK,
        "boundary": "at-mark",
        "filters": "",
    } | more


def make_bookmark(
    state: dict[str, Any],
    *,
    filters: str = "",
    start_date: str | None = None,
    lookback: int = 0,
) -> Bookmark:
    return Bookmark(
        state, "updated_at", filters=filters, start_date=start_date, lookback_seconds=lookback
    )


@pytest.mark.parametrize("seen", [[], [(OLD, "older")], [(None, "timeless")]])
def test_bookmark_no_newer_value_stays_with_its_boundary(
    seen: list[tuple[str | None, str]],
) -> None:
    """The record at the bookmark may have been deleted since."""
    state = make_state()
    current = make_bookmark(state)
    current.set_start(CLOCK)
    for value, key in seen:
        current.observe(value, key)
    current.finish()
    assert state == make_state()


def test_bookmark_newer_values_moves_to_largest_and_names_its_record() -> None:
    state = make_state()
    current = make_bookmark(state)
    current.set_start(CLOCK)
    for value, key in ((MARK, "at-mark"), (NEW, "new"), (OLD, "older")):
        current.observe(value, key)
    current.finish()
    assert state == make_state(replication_key_value=NEW, boundary="new")


def test_bookmark_other_replication_key_ignores_state() -> None:
    """The stream may have had another replication key in an earlier version."""
    current = make_bookmark(make_state(replication_key="created_at"))
    assert current.is_first_sync
    assert (current.emit_from, current.query_from, current.boundary) == (None, None, None)


def test_set_start_several_responses_keeps_first_server_time() -> None:
    state: dict[str, Any] = {}
    current = make_bookmark(state)
    current.set_start(None)
    current.set_start(CLOCK)
    current.set_start(datetime(2026, 6, 1, tzinfo=UTC))
    current.observe(FAR, "future")
    current.finish()
    assert state["replication_key_value"] == "2025-06-01T00:00:00.000000Z"


def test_bookmark_resumed_first_sync_keeps_start_and_observed_values() -> None:
    state: dict[str, Any] = {}
    killed = make_bookmark(state)
    killed.set_start(CLOCK)
    killed.observe(FAR, "future")
    killed.checkpoint(NEW)
    resumed = make_bookmark(state)
    assert resumed.is_first_sync
    assert resumed.resume_from() == NEW
    resumed.set_start(datetime(2026, 6, 1, tzinfo=UTC))
    resumed.finish()
    assert state == make_state(
        replication_key_value="2025-06-01T00:00:00.000000Z", boundary="future"
    )


def test_bookmark_changed_filters_restarts_only_with_previous_state() -> None:
    assert make_bookmark(make_state(filters="one"), filters="two").filters_changed
    assert not make_bookmark({"filters": "one"}, filters="two").filters_changed


def test_bookmark_state_without_fingerprint_accepts_any_filters() -> None:
    """A state written by hand has none."""
    state = make_state(replication_key_value="2025-02-01")
    del state["filters"]
    current = make_bookmark(state, filters="two")
    assert not current.filters_changed
    assert current.query_from == MARK


def test_make_fingerprint_other_name_order_is_equal() -> None:
    one = {"query": {"a": 1, "b": {"lt": 2, "gt": 1}}, "bbox": [1, 2, 3, 4]}
    other = {"bbox": [1, 2, 3, 4], "query": {"b": {"gt": 1, "lt": 2}, "a": 1}}
    assert make_fingerprint(one) == make_fingerprint(other) != make_fingerprint({})
    assert (
        make_fingerprint({"query": {}, "bbox": [], "datetime": None}) == make_fingerprint({}) == ""
    )


def test_bookmark_changed_filters_uses_nothing_of_state() -> None:
    current = make_bookmark(make_state(filters="one", barred=["a"]), filters="two")
    assert current.is_first_sync
    assert (current.emit_from, current.query_from, current.boundary, current.forbidden_parents) == (
        None,
        None,
        None,
        [],
    )


def test_checkpoint_changed_filters_replaces_old_bookmark() -> None:
    """A later run must not use the old bookmark with the new filters."""
    state = make_state(filters="one", barred=["a"])
    current = make_bookmark(state, filters="two")
    current.set_start(CLOCK)
    current.observe(OLD, "older")
    current.checkpoint(NEW)
    assert current.resume_from() == NEW
    assert state == {
        "filters": "two",
        "backfill": {
            "reached": NEW,
            "began": "2025-06-01T00:00:00.000000Z",
            "largest": OLD,
            "boundary": "older",
        },
    }


@pytest.mark.parametrize("missing", ["reached", "began"])
def test_bookmark_incomplete_backfill_state_starts_again(missing: str) -> None:
    """Without its start time, changes since it was killed would be missed."""
    state: dict[str, Any] = {}
    killed = make_bookmark(state)
    killed.observe(FAR, "future")
    killed.checkpoint(NEW)
    del state["backfill"][missing]
    current = make_bookmark(state)
    assert current.resume_from() is None
    current.set_start(CLOCK)
    current.finish()
    assert state == {"filters": ""}


def test_bookmark_with_backfill_state_prefers_bookmark() -> None:
    backfill = {"reached": NEW, "began": NEW}
    assert make_bookmark(make_state(backfill=backfill)).resume_from() is None


@pytest.mark.parametrize(
    ("value", "wanted"), [(None, True), (OLD, False), (MARK, True), (NEW, True)]
)
def test_should_emit_value_at_bookmark_or_missing_returns_true(
    value: str | None,
    wanted: bool,  # noqa: FBT001
) -> None:
    assert make_bookmark(make_state()).should_emit(value) is wanted
    assert make_bookmark({}).should_emit(value)


def test_should_emit_as_first_sync_is_limited_by_start_date_alone() -> None:
    """So a list that could not be read before is read from its beginning, or from that date."""
    current = make_bookmark(make_state(), start_date=OLD)
    assert current.should_emit(OLD, as_first_sync=True)
    assert not current.should_emit("2024-12-31T23:59:59.999999Z", as_first_sync=True)
    assert make_bookmark(make_state()).should_emit(OLD, as_first_sync=True)


@pytest.mark.parametrize(
    ("start_date", "lookback", "since", "floor"),
    [
        (None, 0, MARK, MARK),
        (None, 86_400 * 31, OLD, OLD),
        (OLD, 0, MARK, MARK),
        (NEW, 0, NEW, MARK),
        (MARK, 86_400 * 31, MARK, MARK),
    ],
)
def test_query_from_start_date_or_lookback_never_after_bookmark(
    start_date: str | None, lookback: int, since: str, floor: str
) -> None:
    """The response must contain the boundary, even if that is not emitted."""
    current = make_bookmark(make_state(), start_date=start_date, lookback=lookback)
    assert (current.emit_from, current.query_from) == (since, floor)


def test_observe_equal_values_last_record_is_boundary() -> None:
    state = make_state()
    current = make_bookmark(state)
    for value, key in ((MARK, "first"), (MARK, "last"), (None, "timeless")):
        current.observe(value, key)
    current.finish()
    assert state == make_state(boundary="last")


def test_finish_nothing_observed_writes_only_filters() -> None:
    state: dict[str, Any] = {"backfill": {"reached": "nonsense"}}
    make_bookmark(state, filters="two").finish()
    assert state == {"filters": "two"}


PARTITIONS = [{"context": {"collection": "a"}, **make_state()}, {"context": {"collection": "b"}}]


@pytest.mark.parametrize(
    "state",
    [
        {},
        {"bookmarks": {}},
        {"bookmarks": {"orders": {}, "archive_items": {"partitions": PARTITIONS}}},
        {"bookmarks": {"orders": make_state()}},
    ],
)
def test_check_state_own_state_is_accepted(state: dict[str, Any]) -> None:
    check_state(state)


@pytest.mark.parametrize(
    ("state", "why"),
    [
        ({"type": "STATE", "value": {}}, "has no 'bookmarks'"),
        ({"bookmarks": []}, "must be an object"),
        ({"bookmarks": {"orders": 5}}, "invalid bookmark for stream 'orders'"),
        ({"bookmarks": {"orders": make_state(replication_key_value=5)}}, "for stream 'orders'"),
        ({"bookmarks": {"orders": make_state(barred=5)}}, "for stream 'orders'"),
        ({"bookmarks": {"orders": make_state(barred=[["a"]])}}, "for stream 'orders'"),
    ],
)
def test_check_state_other_form_raises(state: dict[str, Any], why: str) -> None:
    with pytest.raises(InputError, match=why):
        check_state(state)


@pytest.mark.parametrize(
    "partitions",
    [
        *(5, "s3cret", {"a": 1}, ["s3cret"], [{"replication_key_value": "s3cret"}]),
        *([PARTITIONS[0], 5], [make_state()], [{"context": "s3cret"}]),
    ],
)
def test_check_state_bad_partitions_raises_without_quoting(partitions: Any) -> None:
    with pytest.raises(InputError) as caught:
        check_state({"bookmarks": {"archive_items": {"partitions": partitions}}})
    assert caught.value.lines == (
        "--state: invalid bookmark for stream 'archive_items'; pass a state written by this tap",
    )


def test_check_state_partition_twice_raises() -> None:
    parts = [
        {"context": {"collection": "a", "satellite": "b"}},
        {"context": {"satellite": "b", "collection": "a"}, **make_state()},
    ]
    with pytest.raises(InputError, match=r"stream 'images' has the partition .* twice; remove"):
        check_state({"bookmarks": {"images": {"partitions": [*PARTITIONS, *parts]}}})


def test_forbidden_parents_are_sorted_and_must_be_a_list() -> None:
    state = make_state(barred=["b"])
    part = make_bookmark(state)
    assert part.forbidden_parents == ["b"]
    part.forbidden_parents = ["d", "c"]
    part.finish()
    assert state["barred"] == ["c", "d"]
    assert make_bookmark(make_state(barred=5)).forbidden_parents == []
    assert make_bookmark({"barred": ["a"]}).forbidden_parents == []


@pytest.mark.parametrize(
    ("names", "forbidden"),
    [
        (["a"], True),
        (["a/b"], True),
        (["a/b/c"], True),
        (["b"], False),
        (["a/c"], False),
        (["a/b/c/d"], False),
        ([], False),
    ],
)
def test_was_forbidden_list_or_one_above_returns_true(
    names: list[str],
    forbidden: bool,  # noqa: FBT001 - a table
) -> None:
    path_params = {"workflow": "a", "job": "b", "task": "c"}
    assert make_bookmark(make_state(barred=names)).was_forbidden(path_params) is forbidden


def test_discard_backfill_first_sync_removes_progress() -> None:
    state: dict[str, Any] = {}
    make_bookmark(state).checkpoint(NEW)
    resumed = make_bookmark(state)
    resumed.discard_backfill()
    assert resumed.resume_from() is None
    assert "backfill" not in state


def test_bookmark_changed_filters_does_not_resume_first_sync() -> None:
    state: dict[str, Any] = {}
    make_bookmark(state, filters="one").checkpoint(NEW)
    current = make_bookmark(state, filters="two")
    assert current.filters_changed
    assert current.resume_from() is None
