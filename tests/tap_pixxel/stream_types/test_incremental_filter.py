"""Filtered lists: whether the API has applied the filter, response by response."""

from __future__ import annotations

import json
import logging
from typing import Any
from urllib.parse import unquote

import pytest

from pixxel_singer.exit_codes import ExitCode
from tests.pixxel_api.scripted import ScriptedServer, answer
from tests.tap_pixxel.syncs import sync

OLD, MARK, NEW = (f"2025-0{month}-01T00:00:00.000000Z" for month in (1, 2, 3))
JUST_BEFORE = "2025-01-31T23:59:59.999999Z"
ROWS = {"old": OLD, "just": JUST_BEFORE, "mark": MARK, "new": NEW, "timeless": None, "odd": "soon"}


def make_list(*keys: str) -> bytes:
    rows = [{"aoi_id": key, "updated_at": ROWS[key]} for key in keys]
    return answer(body=json.dumps({"aois": rows, "pagination": {"total": len(rows)}}).encode())


REFUSED = answer(400)
PROBE = make_list("old")
FULL_LIST = make_list("old", "mark", "new")

CASES: dict[str, tuple[list[bytes], list[str], bool]] = {
    # the server's responses, the emitted records, whether the filter was applied
    "applied": ([PROBE, make_list("mark", "new")], ["mark", "new"], True),
    "nothing new": ([PROBE, make_list("mark")], ["mark"], True),
    "a bound that is inclusive": ([PROBE, make_list("just", "mark")], ["mark"], True),
    "rows without a time": (
        [PROBE, make_list("timeless", "mark", "odd", "new")],
        ["timeless", "mark", "odd", "new"],
        True,
    ),
    "no range is taken": ([make_list(), FULL_LIST], ["mark", "new"], False),
    "a range is refused": ([REFUSED, FULL_LIST], ["mark", "new"], False),
    "nothing at all": ([PROBE, make_list(), FULL_LIST], ["mark", "new"], False),
    "not the row at the bookmark": ([PROBE, make_list("new"), FULL_LIST], ["new", "mark"], False),
    "older rows": ([PROBE, FULL_LIST, FULL_LIST], ["mark", "new"], False),
    "refused later": ([PROBE, REFUSED, FULL_LIST], ["mark", "new"], False),
}


@pytest.fixture(scope="module")
def state() -> dict[str, Any]:
    with ScriptedServer(make_list("old", "mark")) as server:
        found: dict[str, Any] = sync(server, "aois").state
    return found


@pytest.mark.parametrize(("answers", "emitted", "applied"), CASES.values(), ids=CASES)
def test_filtered_list_applied_or_ignored_emits_changes_once(
    state: dict[str, Any],
    caplog: pytest.LogCaptureFixture,
    answers: list[bytes],
    emitted: list[str],
    applied: bool,  # noqa: FBT001 - a table
) -> None:
    with ScriptedServer(*answers) as server, caplog.at_level(logging.WARNING):
        second = sync(server, "aois", state=state)
    assert second.ids("aois") == emitted
    log_lines = [each for each in caplog.messages if "ignores the filter" in each]
    assert len(log_lines) == (not applied)
    assert len(server.requests) == len(answers)
    requested = [unquote(each.split(b" ")[1].decode()) for each in server.requests]
    assert "updated_at=1970-01-01T00:00:00.000000Z/.." in requested[0]
    assert "offset=0&limit=1" in requested[0]
    assert all(
        f"updated_at={JUST_BEFORE}/.." in each for each in requested[1 : None if applied else -1]
    )
    assert ("updated_at" in requested[-1]) is applied
    assert second.bookmark("aois")["replication_key_value"] == (NEW if "new" in emitted else MARK)


def test_filtered_list_unknown_boundary_must_return_rows() -> None:
    """A state written by hand does not name the row at the bookmark."""
    value = {"replication_key": "updated_at", "replication_key_value": MARK}
    state = {"bookmarks": {"aois": value}}
    with ScriptedServer(PROBE, make_list("new")) as server:
        assert sync(server, "aois", state=state).ids("aois") == ["new"]
    assert len(server.requests) == 2
    with ScriptedServer(PROBE, make_list(), FULL_LIST) as server:
        assert sync(server, "aois", state=state).ids("aois") == ["mark", "new"]
    assert len(server.requests) == 3


def test_unfiltered_list_bad_request_fails_the_stream() -> None:
    with ScriptedServer(REFUSED) as server:
        assert sync(server, "aois").status is ExitCode.INCOMPLETE


def test_full_table_requests_everything_each_time(state: dict[str, Any]) -> None:
    with ScriptedServer(FULL_LIST) as server:
        synced = sync(server, "aois", state=state, full_table=True)
    assert synced.ids("aois") == ["old", "mark", "new"]
    assert [b"updated_at" in each for each in server.requests] == [False]


def test_first_run_requests_everything() -> None:
    with ScriptedServer(make_list("old", "mark")) as server:
        assert sync(server, "aois").ids("aois") == ["old", "mark"]
    assert [b"updated_at" in each for each in server.requests] == [False]
