"""A catch-up after the shards gives what one process reads, wherever it is killed."""

from __future__ import annotations

import json
import shutil
import sys
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from pixxel_backfill.catch_up import run_catch_up
from pixxel_backfill.cli import main
from pixxel_backfill.folder import BackfillFolder
from pixxel_backfill.merge.run import MergeReport, merge_shards
from pixxel_backfill.merge.sources import read_catch_ups
from pixxel_backfill.planning import AUTO
from pixxel_backfill.shard_run import run_shard
from pixxel_sandbox import Sandbox
from pixxel_sandbox.seed.archive_items import ItemRow
from tests.pixxel_backfill.plans import plan_sandbox
from tests.pixxel_backfill.shards import (
    Killed,
    assert_equal_to_target_stac,
    find_files,
    record_changes,
)
from tests.tap_pixxel.syncs import make_config, sync
from tests.target_stac.exports import read_log

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pixxel_backfill.plan import Plan

COLLECTION = "td1-l1c"
NO_TIMES = {"datetime": None, "startdatetime": None, "enddatetime": None}
ASSETS = {"B001": {"href": "https://data.invalid/B001.tif", "title": "B001"}}
LOADER = """
import json, sys
with open(sys.argv[1], "ab") as file:
    for line in sys.stdin.buffer:
        file.write(line)
        if line.startswith(b'{"type":"STATE"'):
            print(json.dumps(json.loads(line)["value"]), flush=True)
"""


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(seed=3, items=40) as server:
        workspace = server.workspace
        for number, key in enumerate(workspace.ids("archive_items")):
            # Few assets, so that files have few columns.
            updated = f"2025-05-01T00:00:{number:02}Z"
            workspace.update("archive_items", key, assets=ASSETS, updated=updated)
        undated = find_keys(server)[3]
        workspace.update("archive_items", undated, updated="2025-05-01T00:00:00Z", **NO_TIMES)
        yield server


def find_keys(sandbox: Sandbox) -> list[str]:
    """Return the keys of the collection's items, in the order of their first times."""
    rows = [
        row
        for row in sandbox.workspace.image_rows("archive_items")
        if isinstance(row, ItemRow) and row.collection == COLLECTION
    ]
    return [row.id for row in sorted(rows, key=lambda row: row.start)]


class SandboxBackfill:
    """A backfill of a collection of a sandbox in this process."""

    def __init__(self, sandbox: Sandbox, path: Path, loader: list[str] | None = None) -> None:
        self.sandbox = sandbox
        self.plan: Plan = plan_sandbox(
            sandbox, AUTO, shard_rows=4, loader=loader, collections=[COLLECTION]
        )
        self.settings = make_config(sandbox, collections=[COLLECTION])
        self.move_to(path)

    def move_to(self, path: Path) -> None:
        """Continue in another folder, which has the same files."""
        self.path = path
        self.folder = BackfillFolder(str(path), create=True)

    def run_shards(self) -> None:
        """Run the shards; after the first one, an item moves into its range and one out of it."""
        first, *others = self.plan.shards
        assert others
        self._run(first)
        keys = find_keys(self.sandbox)
        workspace = self.sandbox.workspace
        times = [workspace.get("archive_items", key)["properties"] for key in (keys[0], keys[-1])]
        for key, time in zip((keys[-1], keys[0]), times, strict=True):
            names = ("datetime", "startdatetime", "enddatetime")
            moved = {name: time[name] for name in names if name in time}
            workspace.update("archive_items", key, **moved)
        for shard in others:
            self._run(shard)

    def _run(self, shard: Any) -> None:
        run_shard(
            self.folder, self.plan, shard, self.settings, report=lambda _: None, check=lambda: None
        )

    def catch_up(self) -> MergeReport:
        run_catch_up(
            self.folder, self.plan, self.settings, report=lambda _: None, check=lambda: None
        )
        return self.merge()

    def merge(self) -> MergeReport:
        return merge_shards(self.folder, self.plan, check=lambda: None)

    def read_state(self) -> Any:
        return json.loads((self.path / "state.json").read_bytes())

    def read_one_process(self) -> list[dict[str, Any]]:
        """Return the items that one process reads."""
        result = sync(self.sandbox, "archive_items", collections=[COLLECTION])
        items = [record["stac_item"] for record in result.records["archive_items"]]
        return [item for item in items if item]


@pytest.fixture
def backfill(sandbox: Sandbox, tmp_path: Path) -> SandboxBackfill:
    backfill = SandboxBackfill(sandbox, tmp_path / "bf")
    backfill.run_shards()
    return backfill


def test_catch_up_equals_one_process(
    backfill: SandboxBackfill, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    workspace = backfill.sandbox.workspace
    backfill.merge()
    state = backfill.read_state()
    keys = find_keys(backfill.sandbox)
    workspace.update("archive_items", keys[1], **{"eo:cloud_cover": 1.5})
    workspace.insert_copy("archive_items", keys[2])
    report = backfill.catch_up()
    assert not report.is_whole
    assert keys[3] in read_log(caplog, "ERROR")[-1]
    table = assert_equal_to_target_stac(
        backfill.folder, tmp_path / "stac", backfill.plan, backfill.read_one_process()
    )
    assert len(table) == len(keys)  # one is new, and one has no time
    assert backfill.read_state() != state
    # It reads two items that moved while the shards ran, two that changed since, and the undated.
    [catch_up] = read_catch_ups(backfill.folder)
    assert catch_up.done.rows == 5 < len(keys)
    # The next one has only what is at the boundary, and changes no file.
    report = backfill.catch_up()
    assert report.dataset is not None
    assert (report.dataset.copied, report.dataset.rewritten) == (0, 0)
    assert len(read_catch_ups(backfill.folder)) == 2


def test_catch_up_killed_at_any_change_ends_with_same_dataset(
    backfill: SandboxBackfill, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = backfill.sandbox.workspace
    backfill.merge()
    keys = find_keys(backfill.sandbox)
    workspace.update("archive_items", keys[1], **{"eo:cloud_cover": 1.5}, odd="new column")
    workspace.insert_copy("archive_items", keys[2])
    start = tmp_path / "start"
    shutil.copytree(backfill.path, start)
    with monkeypatch.context() as patch:
        paths = record_changes(patch)
        backfill.catch_up()
    items = backfill.read_one_process()
    ends = ("_DONE", "dataset.json", "state.json")
    points = [number for number, path in enumerate(paths) if path.endswith(ends)]
    points += [0, 2, *(n for n, path in enumerate(paths) if path.startswith("dataset/"))][:4]
    assert {paths[number].rpartition("/")[2] for number in points} >= {*ends}
    for number in sorted(points):
        backfill.move_to(shutil.copytree(start, tmp_path / str(number)))
        with monkeypatch.context() as patch:
            record_changes(patch, kill_before=number)
            with pytest.raises(Killed):
                backfill.catch_up()
        backfill.catch_up()
        assert_equal_to_target_stac(backfill.folder, tmp_path / "stac", backfill.plan, items)
        [*_, last] = read_catch_ups(backfill.folder)
        assert backfill.read_state() == last.done.state


def test_catch_up_repairs_update_time_in_future(sandbox: Sandbox, tmp_path: Path) -> None:
    key = find_keys(sandbox)[5]
    sandbox.workspace.update("archive_items", key, updated="2999-01-01T00:00:00Z")
    backfill = SandboxBackfill(sandbox, tmp_path / "bf")
    backfill.run_shards()
    backfill.merge()
    sandbox.workspace.update("archive_items", key, **{"eo:cloud_cover": 1.5})
    backfill.catch_up()
    assert_equal_to_target_stac(
        backfill.folder, tmp_path / "stac", backfill.plan, backfill.read_one_process()
    )


def test_catch_up_reads_collections_that_are_new(backfill: SandboxBackfill) -> None:
    """As the tap's next sync does, if the settings name no collections."""
    backfill.merge()
    backfill.settings = make_config(backfill.sandbox)
    backfill.catch_up()
    records = sync(backfill.sandbox, "archive_items").records["archive_items"]
    expected = {(each["collection"], each["id"]) for each in records if each["stac_item"]}
    assert len({collection for collection, _ in expected}) > 1
    files = find_files(backfill.folder).values()
    tables = [pq.ParquetFile(path).read(["collection", "id"]) for path in files]
    found = [tuple(row.values()) for table in tables for row in table.to_pylist()]
    assert sorted(found) == sorted(expected)


def test_catch_up_passes_changes_to_loader(sandbox: Sandbox, tmp_path: Path) -> None:
    received = tmp_path / "received.singer"
    loader = [sys.executable, "-c", LOADER, str(received)]
    backfill = SandboxBackfill(sandbox, tmp_path / "bf", loader)
    backfill.run_shards()
    backfill.merge()
    [begin] = find_values(backfill.read_state())
    keys = find_keys(sandbox)
    sandbox.workspace.update("archive_items", keys[1])
    received.write_bytes(b"")
    backfill.catch_up()
    messages = [json.loads(line) for line in received.read_bytes().splitlines()]
    assert {each["type"] for each in messages} == {"SCHEMA", "RECORD", "STATE"}
    found = [each["record"]["id"] for each in messages if each["type"] == "RECORD"]
    undated = sandbox.workspace.ids("archive_items")
    assert {keys[1], *(key for key in undated if has_no_time(sandbox, key))} <= {*found}
    states = [each["value"] for each in messages if each["type"] == "STATE"]
    assert backfill.read_state() == states[-1]
    # None is of the items without a time alone, from which a sync would read too much.
    assert all(value >= begin for state in states for value in find_values(state))


def test_catch_up_command_reports_what_no_dataset_holds(
    backfill: SandboxBackfill, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Its status is that of a merge; the token comes from the tap's own sources."""
    backfill.folder.create_plan(backfill.plan)
    monkeypatch.setenv("TAP_PIXXEL_API_TOKEN", backfill.sandbox.token)
    result = CliRunner().invoke(main, ["catch-up", "--plan", str(backfill.path)])
    assert result.exit_code == 3
    events = [json.loads(line)["event"] for line in result.stdout.splitlines()]
    assert events[-2:] == ["done", "end"]
    assert "1 records are no STAC items" in read_log(caplog, "ERROR")[-1]


def find_values(state: Any) -> list[str]:
    """Return the replication values of a state."""
    partitions = state["bookmarks"]["archive_items"]["partitions"]
    return [each.get("replication_key_value", "") for each in partitions]


def has_no_time(sandbox: Sandbox, key: str) -> bool:
    properties = sandbox.workspace.get("archive_items", key)["properties"]
    return properties["datetime"] is None and properties.get("startdatetime") is None
