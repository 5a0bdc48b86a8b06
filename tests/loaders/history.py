"""Two syncs of a workspace that moves on between them, and what a warehouse holds after each."""

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

ANALYTICS = ("aois", "aoi_assets", "insights", "order_report", "satellites", "workflows")
NAMES = sorted(
    {each.__dict__["name"] for each in STREAMS if each.selected_by_default} | {*ANALYTICS}
)
LONG = "Remarks of whoever placed the order, as the form asked for them, "
"""A title in the report twice, with other ends; longer than any database's names."""


@dataclass
class History:
    """What was synced, and what happened between.

    Attributes:
        counts: How many rows each resource had when it was first synced.
        order: An order whose status became REFUND, and that got a field `loyalty`.
        item: An order item whose area got a fraction.
        store: A store that was deleted; so were all bandsets.
    """

    first: SyncResult
    second: SyncResult
    counts: dict[str, int]
    order: str
    item: str
    store: str


def history() -> History:
    """Sync a workspace, let it move on and its API grow, and sync it again."""
    with Sandbox(seed=1, items=40) as sandbox, pytest.MonkeyPatch.context() as patch:
        for end in ("first line", "last line"):
            patch.setitem(COLUMNS, LONG + end, lambda line: line.remark.get("note"))
        first = sync(sandbox, *NAMES)
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
        second = sync(sandbox, *NAMES, state=first.state)
    return History(first, second, counts, order, item, store)


def schemas(*runs: SyncResult) -> dict[str, Json]:
    """Give the last SCHEMA of each stream."""
    messages = (message for run in runs for message in run.messages)
    return {each["stream"]: each for each in messages if each["type"] == "SCHEMA"}


def held(*runs: SyncResult) -> dict[str, dict[Any, Json]]:
    """Say what messages leave in a warehouse: the rows of each stream, by their key."""
    keys = {name: schema["key_properties"] for name, schema in schemas(*runs).items()}
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
        name: {key: known(each["record"]) for key, each in messages[name].items()} for name in keys
    }


def known(row: Json) -> Json:
    """Leave out nulls, which a record may state or not, and what a loader adds."""
    return {k: v for k, v in row.items() if v is not None and not k.startswith("_sdc_")}
