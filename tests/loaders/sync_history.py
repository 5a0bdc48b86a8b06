"""Two syncs of a workspace that changes between them, and the rows expected after each."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import requests

from pixxel_sandbox import Sandbox
from pixxel_sandbox.endpoints.order_report import COLUMNS
from tap_pixxel.streams import STREAMS
from tests.tap_pixxel.syncs import sync

if TYPE_CHECKING:
    from tests.loaders.warehouses import Json
    from tests.tap_pixxel.syncs import SyncResult

OTHER_STREAM_NAMES = (
    "aois",
    "aoi_assets",
    "insights",
    "order_report",
    "satellites",
    "workflows",
)
STREAM_NAMES = sorted(
    {each.__dict__["name"] for each in STREAMS if each.selected_by_default} | {*OTHER_STREAM_NAMES}
)


@dataclass
class SyncHistory:
    """Two syncs, and the changes between them.

    Attributes:
        first: The first sync.
        second: The second sync.
        first_counts: Number of rows of each resource at the first sync.
        order_id: Order whose status changed to REFUND and that has a new field `loyalty`.
        order_item_id: Order item whose area is no longer an integer.
        deleted_store_id: Store that was deleted; all bandsets were deleted too.
    """

    first: SyncResult
    second: SyncResult
    first_counts: dict[str, int]
    order_id: str
    order_item_id: str
    deleted_store_id: str


def run_two_syncs() -> SyncHistory:
    """Sync a workspace, change it, add fields and columns to its API, and sync it again."""
    with Sandbox(seed=1, items=40) as sandbox, pytest.MonkeyPatch.context() as patch:
        first = sync(sandbox, *STREAM_NAMES)
        workspace, counts = sandbox.workspace, sandbox.counts()
        requests.post(f"{sandbox.url}/_sandbox/advance", timeout=10).raise_for_status()
        order, item = (workspace.ids(name)[0] for name in ("orders", "order_items"))
        workspace.update("orders", order, status="REFUND", loyalty={"tier": 3})
        workspace.update("order_items", item, area=31.25)
        store, *_ = workspace.ids("stores")
        workspace.delete("stores", store)
        for bandset in workspace.ids("bandsets"):
            workspace.delete("bandsets", bandset)
        patch.setitem(COLUMNS, "Cost Centre", lambda _: 4711)
        second = sync(sandbox, *STREAM_NAMES, state=first.state)
    return SyncHistory(first, second, counts, order, item, store)


def last_schemas(*runs: SyncResult) -> dict[str, Json]:
    """Return the last SCHEMA message of each stream."""
    messages = (message for run in runs for message in run.messages)
    return {each["stream"]: each for each in messages if each["type"] == "SCHEMA"}


def expected_rows(*runs: SyncResult) -> dict[str, dict[Any, Json]]:
    """Return the rows that the messages leave in a warehouse, by stream and key."""
    keys = {name: schema["key_properties"] for name, schema in last_schemas(*runs).items()}
    messages: dict[str, dict[Any, Json]] = defaultdict(dict)
    for message in (message for run in runs for message in run.messages):
        name = message.get("stream", "")
        if message["type"] == "RECORD":
            messages[name][tuple(message["record"][key] for key in keys[name])] = message
        elif message["type"] == "ACTIVATE_VERSION":
            newest = message["version"]
            messages[name] = {
                key: each for key, each in messages[name].items() if each.get("version") == newest
            }
    return {
        name: {key: drop_nulls_and_metadata(each["record"]) for key, each in messages[name].items()}
        for name in keys
    }


def drop_nulls_and_metadata(row: Json) -> Json:
    """Return a row without nulls, which are optional in records, and without loader columns."""
    return {k: v for k, v in row.items() if v is not None and not k.startswith("_sdc_")}
