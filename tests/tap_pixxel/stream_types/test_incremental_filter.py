"""Filtered lists: whether the API has applied the filter, response by response."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pytest

from pixxel_sandbox import Behavior, Sandbox
from pixxel_singer.exit_codes import ExitCode
from tests.pixxel_api.scripted import ScriptedServer, answer
from tests.tap_pixxel.syncs import sync

if TYPE_CHECKING:
    from collections.abc import Iterator

OLD, MARK, NEW = (f"2025-0{month}-01T00:00:00.000000Z" for month in (1, 2, 3))
JUST_BEFORE = "2025-01-31T23:59:59.999999Z"
ROWS = {"old": OLD, "just": JUST_BEFORE, "mark": MARK, "new": NEW, "timeless": None, "odd": "soon"}


def make_list(*keys: str, lost: int = 0) -> bytes:
    rows = [{"aoi_id": key, "updated_at": ROWS[key]} for key in keys]
    paging = {"total": len(rows) + lost}
    return answer(body=json.dumps({"aois": rows, "pagination": paging}).encode())


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
    "not the row at the bookmark, and not all rows": (
        [PROBE, *[make_list("new", lost=1), make_list(lost=2)] * 3, FULL_LIST],
        ["new", "mark"],
        False,
    ),
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


def test_filtered_list_unknown_boundary_may_return_no_rows() -> None:
    """A state written by hand does not name the row at the bookmark; the range was tested."""
    value = {"replication_key": "updated_at", "replication_key_value": MARK}
    state = {"bookmarks": {"aois": value}}
    with ScriptedServer(PROBE, make_list("new")) as server:
        assert sync(server, "aois", state=state).ids("aois") == ["new"]
    assert len(server.requests) == 2
    with ScriptedServer(PROBE, make_list()) as server:
        assert sync(server, "aois", state=state).ids("aois") == []
    assert len(server.requests) == 2


def test_unfiltered_list_bad_request_fails_the_stream() -> None:
    with ScriptedServer(REFUSED) as server:
        assert sync(server, "aois").status is ExitCode.INCOMPLETE


EMPTY_COLLECTION = "firefly-l1b"
START: dict[str, Any] = {"start_date": "2026-06-01", "query": {"gsd": {"lt": 100}}}


def search_collection(sandbox: Sandbox, collection: str) -> list[dict[str, Any]]:
    """Return the bodies of the searches in one collection."""
    bodies = [each.body for each in sandbox.requests if each.path == "/v0/archives/search"]
    return [body for body in bodies if body.get("collections") == [collection]]


@pytest.fixture
def archive() -> Iterator[Sandbox]:
    with Sandbox(seed=7, items=60) as server:
        yield server


def test_start_date_with_nothing_newer_in_collection_reads_no_more_than_one_row(
    archive: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    """An empty response is right then, if the same search since 1970 finds a row."""
    changed, *_ = archive.workspace.ids("archive_items")
    archive.workspace.update("archive_items", changed, updated="2026-07-01T00:00:00Z")
    with caplog.at_level(logging.WARNING):
        synced = sync(archive, "archive_items", **START)
    assert synced.ids("archive_items") == [changed]
    assert not [each for each in caplog.messages if "filter" in each]
    [busy] = [each["collection"] for each in synced.records["archive_items"]]
    quiet = set(archive.workspace.ids("collections")) - {busy, EMPTY_COLLECTION}
    assert len(quiet) > 1
    for collection in quiet:
        filtered, probe = search_collection(archive, collection)
        assert filtered["query"]["updated"]["gt"].startswith("2026-05-31T23:59:59.999999")
        assert probe["query"]["updated"]["gt"].startswith("1970-01-01T00:00:00")
        assert probe["limit"] == 1
        assert probe["query"]["gsd"] == filtered["query"]["gsd"] == {"lt": 100}


def test_start_date_and_filter_that_finds_nothing_reads_all_with_warning(
    archive: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    archive.behavior = Behavior(empty_query=True)
    changed, *_ = archive.workspace.ids("archive_items")
    archive.workspace.update("archive_items", changed, updated="2026-07-01T00:00:00Z")
    with caplog.at_level(logging.WARNING):
        synced = sync(archive, "archive_items", start_date="2026-06-01")
    assert changed in synced.ids("archive_items")
    assert len([each for each in caplog.messages if "ignores the filter" in each]) == 1


def test_start_date_with_nothing_newer_in_list_reads_no_more(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with ScriptedServer(PROBE, make_list()) as server, caplog.at_level(logging.WARNING):
        assert sync(server, "aois", start_date="2026-06-01").ids("aois") == []
    assert len(server.requests) == 2
    assert not [each for each in caplog.messages if "filter" in each]
