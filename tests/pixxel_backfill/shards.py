"""Backfills whose shards are made of given items, without an API, and readers of their datasets."""

from __future__ import annotations

import io
import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import obstore
import pyarrow as pa
import pyarrow.parquet as pq

from pixxel_backfill.folder import BackfillFolder, Done
from pixxel_backfill.merge.dataset import DATASET_FOLDER
from pixxel_backfill.merge.run import MergeReport, merge_shards
from pixxel_backfill.merge.sources import make_catch_up
from pixxel_backfill.outputs.geoparquet import GeoparquetOutput
from pixxel_backfill.plan import Plan, Shard
from tests.target_stac.exports import (
    encode_messages,
    make_api_link,
    make_item,
    make_sync,
    make_target,
    set_properties,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    import pytest

    from pixxel_backfill.folder import Attempt
    from tests.target_stac.exports import Json

COLLECTION = "l2a"


def make_archive_item(name: str, day: str, *, updated: str = "", **properties: Any) -> Json:
    """Make an item of the archive, with a link to its collection; `updated` is a day."""
    if updated:
        properties["updated"] = f"{updated}T00:00:00Z"
    item = make_item(name, day, COLLECTION, links=[make_api_link("collection", COLLECTION)])
    return set_properties(item, **properties)


def encode_record(item: Json) -> bytes:
    """Return the message that the tap writes for an item."""
    properties = item["properties"]
    times = {
        name: properties[name].replace("Z", ".000000Z") if properties.get(name) else None
        for name in ("datetime", "start_datetime", "updated")
    }
    record = {"id": item["id"], "collection": item.get("collection"), **times, "stac_item": item}
    return encode_message(record)


def encode_message(record: Json) -> bytes:
    message = {"type": "RECORD", "stream": "archive_items", "record": record}
    return json.dumps(message).encode() + b"\n"


def make_month_plan(*months: str, collections: Mapping[str, Json] | None = None) -> Plan:
    """Make a plan with a shard for each month and what comes before and after."""
    starts = [None, *(f"{month}-01T00:00:00.000000Z" for month in months[1:])]
    shards = [
        Shard(f"{COLLECTION}/{month}", COLLECTION, start, end)
        for month, start, end in zip(months, starts, [*starts[1:], None], strict=True)
    ]
    return Plan("p", "2026-01-01T00:00:00.000000Z", {}, shards, dict(collections or {}))


class ItemBackfill:
    """A backfill in a local folder.

    Attributes:
        path: The folder.
        folder: The same as a `BackfillFolder`.
        plan: Its plan.
    """

    def __init__(self, path: Path, plan: Plan) -> None:
        self.path = path
        self.folder = BackfillFolder(str(path), create=True)
        self.plan = plan

    def write_shard(
        self, shard: Shard, lines: Iterable[bytes], known: Mapping[str, bytes] | None = None
    ) -> Attempt:
        """Run and commit an attempt that reads these messages."""
        attempt = self.folder.start_attempt(shard)
        output = GeoparquetOutput(attempt, self.plan.collections, known=known)
        for line in lines:
            output.write_line(line)
        done = Done(attempt.name, output.finish(), 0, 0, 0.0, None, None, None)
        attempt.commit(done)
        return attempt

    def write_month(self, month: str, *items: Json) -> Attempt:
        shard = self.plan.find_shard(f"{COLLECTION}/{month}")
        assert shard is not None
        return self.write_shard(shard, map(encode_record, items))

    def write_catch_up(self, number: int, *items: Json) -> Attempt:
        return self.write_shard(make_catch_up(number), map(encode_record, items))

    def merge(self, **options: Any) -> MergeReport:
        return merge_shards(self.folder, self.plan, check=lambda: None, **options)

    def find_files(self) -> dict[str, Path]:
        return find_files(self.folder)

    def read_stamps(self) -> dict[str, int]:
        """Return values that change when a file is replaced."""
        return {name: path.stat().st_ino for name, path in self.find_files().items()}


def find_files(folder: BackfillFolder) -> dict[str, Path]:
    """Return the files of a dataset by their path in it."""
    root = Path(folder.url, DATASET_FOLDER)
    return {str(path.relative_to(root)): path for path in sorted(root.rglob("*.parquet"))}


def read_table(folder: BackfillFolder) -> pa.Table:
    """Return all rows, in the order of ids; all files must have the same columns."""
    return _unite(find_files(folder).values())


def _unite(paths: Iterable[Path]) -> pa.Table:
    tables = [pq.ParquetFile(path).read().replace_schema_metadata() for path in paths]
    assert all(table.schema.equals(tables[0].schema) for table in tables)
    return pa.concat_tables(tables).sort_by("id")


def assert_equal_to_target_stac(
    folder: BackfillFolder, scratch: Path, plan: Plan, items: Iterable[Json]
) -> pa.Table:
    """Assert that target-stac makes the same table of items; return it."""
    target = make_target(scratch, formats=["geoparquet"], mode="overwrite", partition="month")
    messages = make_sync(*plan.collections.values(), *items)
    target.run(io.TextIOWrapper(io.BytesIO(encode_messages(messages))))
    table = read_table(folder)
    # Not through pandas, which hides differences of types.
    assert table.equals(_unite(scratch.rglob("*.parquet")))
    return table


class Killed(BaseException):
    """The process would have ended here."""


def record_changes(patch: pytest.MonkeyPatch, kill_before: int | None = None) -> list[str]:
    """Record the changes of the folder from now on, and optionally kill the process before one.

    Args:
        patch: Ends it.
        kill_before: Number of the change instead of which `Killed` is raised, from 0.

    Returns:
        The paths that were changed so far.
    """
    paths: list[str] = []

    def change(own: Callable[..., Any], store: object, *args: Any, **kwargs: Any) -> Any:
        if len(paths) == kill_before:
            raise Killed
        paths.append(str(args[own is copy]))
        return own(store, *args, **kwargs)

    copy = obstore.copy
    for name in ("put", "copy", "delete"):
        patch.setattr(obstore, name, partial(change, getattr(obstore, name)))
    return paths
