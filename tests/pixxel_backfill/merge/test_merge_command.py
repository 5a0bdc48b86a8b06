"""The command merge: its exit statuses, and one line for each error."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from pixxel_backfill.cli import main
from pixxel_backfill.folder import Done
from pixxel_backfill.merge.sources import make_catch_up
from tests.pixxel_backfill.shards import (
    COLLECTION,
    ItemBackfill,
    encode_message,
    make_archive_item,
    make_month_plan,
)
from tests.target_stac.exports import read_log

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

    from pixxel_backfill.plan import Shard


@pytest.fixture
def backfill(tmp_path: Path) -> ItemBackfill:
    backfill = ItemBackfill(tmp_path / "bf", make_month_plan("2025-01", "2025-02"))
    backfill.folder.create_plan(backfill.plan)
    backfill.write_month("2025-01", make_archive_item("a", "2025-01-01", updated="2025-05-01"))
    return backfill


def merge(backfill: ItemBackfill, *options: str) -> Result:
    return CliRunner().invoke(main, ["merge", "--plan", str(backfill.path), *options])


def test_merge_of_all_shards_writes_state(backfill: ItemBackfill) -> None:
    backfill.write_month("2025-02", make_archive_item("b", "2025-02-01"))
    assert merge(backfill).exit_code == 0
    state = json.loads((backfill.path / "state.json").read_bytes())
    [partition] = state["bookmarks"]["archive_items"]["partitions"]
    assert partition["context"] == {"collection": COLLECTION}


def test_merge_of_open_shards_needs_option_and_writes_no_state(
    backfill: ItemBackfill, caplog: pytest.LogCaptureFixture
) -> None:
    assert merge(backfill).exit_code == 2
    [line] = read_log(caplog, "ERROR")
    assert line.endswith("are not done: l2a/2025-02; run them, or merge with --partial")
    assert merge(backfill, "--partial").exit_code == 0
    assert len(backfill.find_files()) == 1
    assert not (backfill.path / "state.json").exists()


def test_merge_without_all_items_ends_as_incomplete(backfill: ItemBackfill) -> None:
    record = {"id": "x", "collection": COLLECTION, "stac_item": None, "stac_error": "no time"}
    backfill.write_shard(backfill.plan.shards[1], [encode_message(record)])
    assert merge(backfill).exit_code == 3


def test_merge_shows_its_result_on_a_terminal(
    backfill: ItemBackfill, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("WARNING")  # as on a terminal
    monkeypatch.setattr("pixxel_singer.log_setup.is_interactive", lambda: True)
    result = merge(backfill, "--partial")
    assert result.stderr == (
        f"{backfill.path}/dataset: 1 items in 1 files, 1 copied and 0 rewritten; 0 older rows left "
        "out\n"
    )


def test_merge_after_a_catch_up_lacks_no_items_without_a_time(backfill: ItemBackfill) -> None:
    """The catch-up has read them: they are in the loader, or rejected."""
    commit_nothing(backfill, backfill.plan.shards[1], undated=["x"])
    assert merge(backfill).exit_code == 3
    commit_nothing(backfill, make_catch_up(1))
    assert merge(backfill).exit_code == 0


def commit_nothing(backfill: ItemBackfill, shard: Shard, **values: Any) -> None:
    attempt = backfill.folder.start_attempt(shard)
    attempt.commit(Done(attempt.name, [], 0, 0, 0.0, None, None, None, **values))


def test_merge_into_catalog_that_cannot_be_written_logs_one_line(
    backfill: ItemBackfill, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "file"
    file.write_text("")
    assert merge(backfill, "--partial", "--catalog", str(file)).exit_code == 2
    assert read_log(caplog, "ERROR") == [f"output: '{file}' is not a folder"]
