"""The bookmark rules without a server: where a run begins, and what it leaves behind."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from pixxel_singer.errors import InputError
from tap_pixxel.bookmarks import Bookmark, check_state, make_fingerprint

OLD, MARK, NEW = (f"2025-0{month}-01T00:00:00.000000Z" for month in (1, 2, 3))
CLOCK = datetime(2025, 6, 1, tzinfo=UTC)
FAR = "2999-01-01T00:00:00.000000Z"


def marked(**more: Any) -> dict[str, Any]:
    return {
        "replication_key": "updated_at",
        "replication_key_value": MARK,
        "boundary": "at-mark",
        "filters": "",
    } | more


def bookmark(
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
def test_the_bookmark_and_its_boundary_never_move_back(seen: list[tuple[str | None, str]]) -> None:
    """The record at the bookmark may have been deleted since."""
    state = marked()
    taken = bookmark(state)
    taken.set_start(CLOCK)
    for value, key in seen:
        taken.observe(value, key)
    taken.finish()
    assert state == marked()


def test_the_bookmark_moves_to_the_largest_value_and_names_its_record() -> None:
    state = marked()
    taken = bookmark(state)
    taken.set_start(CLOCK)
    for value, key in ((MARK, "at-mark"), (NEW, "new"), (OLD, "older")):
        taken.observe(value, key)
    taken.finish()
    assert state == marked(replication_key_value=NEW, boundary="new")


def test_a_bookmark_on_another_key_is_not_used() -> None:
    """The stream may have had another replication key in an earlier version."""
    taken = bookmark(marked(replication_key="created_at"))
    assert taken.is_first_sync
    assert (taken.emit_from, taken.query_from, taken.boundary) == (None, None, None)


def test_only_the_clock_of_the_first_answer_counts() -> None:
    state: dict[str, Any] = {}
    taken = bookmark(state)
    taken.set_start(None)
    taken.set_start(CLOCK)
    taken.set_start(datetime(2026, 6, 1, tzinfo=UTC))
    taken.observe(FAR, "future")
    taken.finish()
    assert state["replication_key_value"] == "2025-06-01T00:00:00.000000Z"


def test_a_first_sync_that_goes_on_keeps_its_clock_and_what_it_saw() -> None:
    state: dict[str, Any] = {}
    killed = bookmark(state)
    killed.set_start(CLOCK)
    killed.observe(FAR, "future")
    killed.checkpoint(NEW)
    resumed = bookmark(state)
    assert resumed.is_first_sync
    assert resumed.resume_from() == NEW
    resumed.set_start(datetime(2026, 6, 1, tzinfo=UTC))
    resumed.finish()
    assert state == marked(replication_key_value="2025-06-01T00:00:00.000000Z", boundary="future")


def test_a_first_sync_that_starts_over_forgets_how_far_it_got() -> None:
    state: dict[str, Any] = {}
    bookmark(state).checkpoint(NEW)
    resumed = bookmark(state)
    resumed.discard_backfill()
    assert resumed.resume_from() is None
    assert "backfill" not in state


def test_a_lookback_does_not_reach_before_the_start_date() -> None:
    taken = bookmark(marked(), start_date=MARK, lookback=86_400 * 31)
    assert taken.emit_from == MARK


def test_other_filters_begin_again_only_where_there_was_something() -> None:
    assert bookmark(marked(filters="one"), filters="two").filters_changed
    assert not bookmark({"filters": "one"}, filters="two").filters_changed


def test_a_state_without_a_fingerprint_is_taken_as_of_these_filters() -> None:
    """Such as one written by hand."""
    state = marked()
    del state["filters"]
    assert not bookmark(state, filters="two").filters_changed


def test_a_fingerprint_does_not_depend_on_the_order_of_names() -> None:
    one = {"query": {"a": 1, "b": {"lt": 2, "gt": 1}}, "bbox": [1, 2, 3, 4]}
    other = {"bbox": [1, 2, 3, 4], "query": {"b": {"gt": 1, "lt": 2}, "a": 1}}
    assert make_fingerprint(one) == make_fingerprint(other) != make_fingerprint({})
    assert (
        make_fingerprint({"query": {}, "bbox": [], "datetime": None}) == make_fingerprint({}) == ""
    )


def test_a_fingerprint_is_another_for_other_filters() -> None:
    assert make_fingerprint({"bbox": [1, 2, 3, 4]}) != make_fingerprint({"bbox": [1, 2, 3, 5]})


def test_nothing_of_a_bookmark_under_other_filters_is_used() -> None:
    taken = bookmark(marked(filters="one", barred=["a"]), filters="two")
    assert taken.is_first_sync
    assert (taken.emit_from, taken.query_from, taken.boundary, taken.forbidden_parents) == (
        None,
        None,
        None,
        [],
    )


def test_a_first_sync_under_other_filters_is_not_gone_on_with() -> None:
    state: dict[str, Any] = {}
    bookmark(state, filters="one").checkpoint(NEW)
    taken = bookmark(state, filters="two")
    assert taken.filters_changed
    assert taken.resume_from() is None


def test_how_far_a_first_sync_got_replaces_a_bookmark_that_is_not_used() -> None:
    """A later run must not take the old bookmark for one under the new filters."""
    state = marked(filters="one", barred=["a"])
    taken = bookmark(state, filters="two")
    taken.set_start(CLOCK)
    taken.observe(OLD, "older")
    taken.checkpoint(NEW)
    assert taken.resume_from() == NEW
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
def test_a_first_sync_of_which_half_is_known_begins_anew(missing: str) -> None:
    """Without its clock, what changed since it was killed would be passed over."""
    state: dict[str, Any] = {}
    killed = bookmark(state)
    killed.observe(FAR, "future")
    killed.checkpoint(NEW)
    del state["backfill"][missing]
    taken = bookmark(state)
    assert taken.resume_from() is None
    taken.set_start(CLOCK)
    taken.finish()
    assert state == {"filters": ""}


def test_a_bookmark_goes_before_how_far_a_first_sync_got() -> None:
    backfill = {"reached": NEW, "began": NEW}
    assert bookmark(marked(backfill=backfill)).resume_from() is None


@pytest.mark.parametrize(
    ("value", "wanted"), [(None, True), (OLD, False), (MARK, True), (NEW, True)]
)
def test_what_is_at_the_bookmark_or_timeless_is_emitted(
    value: str | None,
    wanted: bool,  # noqa: FBT001
) -> None:
    assert bookmark(marked()).should_emit(value) is wanted


def test_without_a_bookmark_all_is_emitted() -> None:
    assert bookmark({}).should_emit(OLD)


@pytest.mark.parametrize(
    ("start_date", "lookback", "since", "floor"),
    [
        (None, 0, MARK, MARK),
        (None, 86_400 * 31, OLD, OLD),
        (OLD, 0, MARK, MARK),
        (NEW, 0, NEW, MARK),
    ],
)
def test_it_is_read_from_the_bookmark_at_least(
    start_date: str | None, lookback: int, since: str, floor: str
) -> None:
    """The boundary must be in the answer, also where it is not to be emitted."""
    taken = bookmark(marked(), start_date=start_date, lookback=lookback)
    assert (taken.emit_from, taken.query_from) == (since, floor)


def test_of_records_at_one_time_the_last_is_the_boundary() -> None:
    state = marked()
    taken = bookmark(state)
    for value, key in ((MARK, "first"), (MARK, "last"), (None, "timeless")):
        taken.observe(value, key)
    taken.finish()
    assert state == marked(boundary="last")


def test_a_sync_of_nothing_leaves_its_filters_alone() -> None:
    state: dict[str, Any] = {"backfill": {"reached": "nonsense"}}
    bookmark(state, filters="two").finish()
    assert state == {"filters": "two"}


def test_what_the_token_could_not_read_is_kept_with_the_bookmark() -> None:
    state = marked(barred=["b", "a"])
    taken = bookmark(state)
    assert taken.forbidden_parents == ["b", "a"]
    taken.finish()
    assert state == marked(barred=["a", "b"])
    assert bookmark({"barred": ["a"]}).forbidden_parents == []
    assert bookmark(marked(barred="a")).forbidden_parents == []


@pytest.mark.parametrize(
    "state",
    [
        {},
        {"bookmarks": {}},
        {"bookmarks": {"orders": {}, "archive_items": {"partitions": [marked(), {}]}}},
        {"bookmarks": {"orders": marked()}},
    ],
)
def test_a_state_that_this_tap_wrote_is_taken(state: dict[str, Any]) -> None:
    check_state(state)


@pytest.mark.parametrize(
    ("state", "why"),
    [
        ({"type": "STATE", "value": {}}, "has no 'bookmarks'"),
        ({"bookmarks": []}, "must be an object"),
        ({"bookmarks": {"orders": 5}}, "invalid bookmark for stream 'orders'"),
        ({"bookmarks": {"orders": marked(replication_key_value=5)}}, "for stream 'orders'"),
    ],
)
def test_a_state_of_another_form_is_refused(state: dict[str, Any], why: str) -> None:
    with pytest.raises(InputError, match=why):
        check_state(state)


@pytest.mark.parametrize(
    "partitions",
    [5, "s3cret", {"a": 1}, ["s3cret"], [{"replication_key_value": "s3cret"}], [marked(), 5]],
)
def test_a_state_with_bad_partitions_is_refused_without_being_quoted(partitions: Any) -> None:
    with pytest.raises(InputError) as caught:
        check_state({"bookmarks": {"archive_items": {"partitions": partitions}}})
    assert caught.value.lines == (
        "--state: invalid bookmark for stream 'archive_items'; pass a state written by this tap",
    )


def test_what_was_barred_is_kept_in_order_and_only_as_a_list() -> None:
    state = marked(barred=["b"])
    part = bookmark(state)
    assert part.forbidden_parents == ["b"]
    part.forbidden_parents = ["d", "c"]
    part.finish()
    assert state["barred"] == ["c", "d"]
    assert bookmark(marked(barred=5)).forbidden_parents == []


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
    assert bookmark(marked(barred=names)).was_forbidden(path_params) is forbidden
