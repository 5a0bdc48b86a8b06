"""Lists that are asked for what is newer: whether the API has heeded that, answer by answer."""

from __future__ import annotations

import json
import logging
from typing import Any
from urllib.parse import unquote

import pytest

from pixxel_api.errors import BadRequest
from tests.pixxel_api.scripted import ScriptedServer, answer
from tests.tap.syncs import sync

OLD, MARK, NEW = (f"2025-0{month}-01T00:00:00.000000Z" for month in (1, 2, 3))
JUST_BEFORE = "2025-01-31T23:59:59.999999Z"
ROWS = {"old": OLD, "just": JUST_BEFORE, "mark": MARK, "new": NEW, "timeless": None, "odd": "soon"}


def listed(*keys: str) -> bytes:
    rows = [{"aoi_id": key, "updated_at": ROWS[key]} for key in keys]
    return answer(body=json.dumps({"aois": rows, "pagination": {"total": len(rows)}}).encode())


REFUSED = answer(400)
PROBE = listed("old")
WHOLE = listed("old", "mark", "new")

CASES: dict[str, tuple[list[bytes], list[str], bool]] = {
    # the server's answers, what is emitted, whether the filter was heeded
    "heeded": ([PROBE, listed("mark", "new")], ["mark", "new"], True),
    "nothing new": ([PROBE, listed("mark")], ["mark"], True),
    "a bound that is inclusive": ([PROBE, listed("just", "mark")], ["mark"], True),
    "rows without a time": (
        [PROBE, listed("timeless", "mark", "odd", "new")],
        ["timeless", "mark", "odd", "new"],
        True,
    ),
    "no range is taken": ([listed(), WHOLE], ["mark", "new"], False),
    "a range is refused": ([REFUSED, WHOLE], ["mark", "new"], False),
    "nothing at all": ([PROBE, listed(), WHOLE], ["mark", "new"], False),
    "not the row at the bookmark": ([PROBE, listed("new"), WHOLE], ["new", "mark"], False),
    "older rows": ([PROBE, WHOLE, WHOLE], ["mark", "new"], False),
    "refused later": ([PROBE, REFUSED, WHOLE], ["mark", "new"], False),
}


@pytest.fixture(scope="module")
def state() -> dict[str, Any]:
    with ScriptedServer(listed("old", "mark")) as server:
        found: dict[str, Any] = sync(server, "aois").state
    return found


@pytest.mark.parametrize(("answers", "emitted", "heeded"), CASES.values(), ids=CASES)
def test_what_is_newer_comes_once_whether_the_filter_is_heeded_or_not(
    state: dict[str, Any],
    caplog: pytest.LogCaptureFixture,
    answers: list[bytes],
    emitted: list[str],
    heeded: bool,  # noqa: FBT001 - a table
) -> None:
    with ScriptedServer(*answers) as server, caplog.at_level(logging.WARNING):
        second = sync(server, "aois", state=state)
    assert second.ids("aois") == emitted
    told = [each for each in caplog.messages if "ignores the filter" in each]
    assert len(told) == (not heeded)
    assert len(server.requests) == len(answers)
    asked = [unquote(each.split(b" ")[1].decode()) for each in server.requests]
    assert "updated_at=1970-01-01T00:00:00.000000Z/.." in asked[0]
    assert "offset=0&limit=1" in asked[0]
    assert all(f"updated_at={JUST_BEFORE}/.." in each for each in asked[1 : None if heeded else -1])
    assert ("updated_at" in asked[-1]) is heeded
    assert second.bookmark("aois")["replication_key_value"] == (NEW if "new" in emitted else MARK)


def test_without_a_row_that_must_be_there_an_answer_must_hold_something() -> None:
    """A state that was written by hand names no row at the bookmark."""
    value = {"replication_key": "updated_at", "replication_key_value": MARK}
    state = {"bookmarks": {"aois": value}}
    with ScriptedServer(PROBE, listed("new")) as server:
        assert sync(server, "aois", state=state).ids("aois") == ["new"]
    assert len(server.requests) == 2
    with ScriptedServer(PROBE, listed(), WHOLE) as server:
        assert sync(server, "aois", state=state).ids("aois") == ["mark", "new"]
    assert len(server.requests) == 3


def test_a_list_that_is_refused_without_a_filter_is_an_error() -> None:
    with ScriptedServer(REFUSED) as server:
        sync(server, "aois", expect=BadRequest)


def test_a_full_table_asks_for_everything_each_time(state: dict[str, Any]) -> None:
    with ScriptedServer(WHOLE) as server:
        synced = sync(server, "aois", state=state, full_table=True)
    assert synced.ids("aois") == ["old", "mark", "new"]
    assert [b"updated_at" in each for each in server.requests] == [False]


def test_a_first_run_asks_for_everything() -> None:
    with ScriptedServer(listed("old", "mark")) as server:
        assert sync(server, "aois").ids("aois") == ["old", "mark"]
    assert [b"updated_at" in each for each in server.requests] == [False]
