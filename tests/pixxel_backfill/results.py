"""What a backfill has written, and what it must have written."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import obstore
import pyarrow as pa

from tests.tap_pixxel.syncs import sync

if TYPE_CHECKING:
    from pixxel_backfill.folder import BackfillFolder
    from pixxel_backfill.plan import Plan
    from pixxel_sandbox import Sandbox

Json = dict[str, Any]
ItemKey = tuple[str, str]


def read_items(folder: BackfillFolder, plan: Plan) -> dict[ItemKey, Json]:
    """Return the items of all shards by collection and id; assert that each is there once."""
    items: dict[ItemKey, Json] = {}
    for shard in plan.shards:
        done = folder.read_done(shard)
        assert done is not None, shard.id
        count = 0
        for file in done.files:
            path = f"{shard.folder}/{done.attempt}/{file.path.removesuffix('.parquet')}.ndjson.zst"
            content = bytes(obstore.get(folder.store, path).bytes())
            lines = pa.CompressedInputStream(pa.BufferReader(content), "zstd").read().splitlines()
            assert len(lines) == file.rows
            count += len(lines)
            for item in map(json.loads, lines):
                key = item["collection"], item["id"]
                assert key not in items
                items[key] = item
        assert count == done.rows
    return items


def expect_items(sandbox: Sandbox, plan: Plan) -> dict[ItemKey, Json]:
    """Return the items that one process emits by the settings of a plan."""
    settings = {name: value for name, value in plan.settings.items() if name != "api_url"}
    records = sync(sandbox, "archive_items", **settings).records["archive_items"]
    return {(each["collection"], each["id"]): each["stac_item"] for each in records}
