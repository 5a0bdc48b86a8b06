"""Runs the tap in this process against a sandbox over real HTTP, and reads its messages."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from singer_sdk.contrib.msgspec import MsgSpecWriter

from pixxel_sandbox.server import TOKEN
from tap_pixxel.tap import TapPixxel

if TYPE_CHECKING:
    from collections.abc import Callable

    from singer_sdk.singerlib import Message

    from pixxel_singer.exit_codes import ExitCode


PRIMARY_KEYS = {"deliveries": "delivery_id", "aois": "aoi_id", "order_report": "row_number"}
"""Keys of the streams that have no `id`."""


class MessageCollector(MsgSpecWriter):
    """Keeps messages instead of writing them."""

    def __init__(self, after: Callable[[dict[str, Any]], None] = lambda _: None) -> None:
        self.messages: list[dict[str, Any]] = []
        self._after = after

    def write_message(self, message: Message) -> None:
        """Keep a message as its line would read."""
        self.messages.append(json.loads(self.format_message(message)))
        self._after(self.messages[-1])


class Server(Protocol):
    """Where to sync from."""

    @property
    def url(self) -> str:
        """The base URL."""
        ...


@dataclass
class SyncResult:
    """What a run gave."""

    status: ExitCode | None
    messages: list[dict[str, Any]]
    records: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        """Sort the records by their streams."""
        for message in self.messages:
            if message["type"] == "RECORD":
                self.records[message["stream"]].append(message["record"])

    @property
    def state(self) -> dict[str, Any]:
        """The last STATE."""
        states: list[dict[str, Any]] = [m["value"] for m in self.messages if m["type"] == "STATE"]
        return states[-1]

    def ids(self, stream: str) -> list[str]:
        """The keys of a stream's records, in their order."""
        key = PRIMARY_KEYS.get(stream, "id")
        return [record[key] for record in self.records[stream]]

    def bookmark(self, stream: str) -> dict[str, Any]:
        """A stream's part of the state."""
        part: dict[str, Any] = self.state["bookmarks"][stream]
        return part


def make_config(server: Server, **settings: Any) -> dict[str, Any]:
    return {"api_token": TOKEN, "api_url": server.url, **settings}


def sync(
    server: Server,
    *streams: str,
    state: dict[str, Any] | None = None,
    full_table: bool = False,
    after: Callable[[dict[str, Any]], None] = lambda _: None,
    expect: type[BaseException] | None = None,
    **settings: Any,
) -> SyncResult:
    """Sync some streams, or those that are selected by default.

    Args:
        server: The API.
        streams: Names of the streams to select.
        state: The state to begin with.
        full_table: Ask for the full table in the catalog.
        after: Called after each message.
        expect: What `run` must raise.
        settings: More settings.
    """
    config = make_config(server, **settings)
    writer = MessageCollector(after)
    catalog = make_catalog(config, *streams, full_table=full_table)
    state = json.loads(json.dumps(state)) if state else None
    tap = TapPixxel(config=config, state=state, catalog=catalog, message_writer=writer)
    status = None
    if expect is None:
        status = tap.run()
    else:
        try:
            tap.run()
        except expect:
            pass
        else:
            raise AssertionError(f"{expect.__name__} was expected")
    return SyncResult(status, writer.messages)


def make_catalog(config: dict[str, Any], *streams: str, full_table: bool = False) -> dict[str, Any]:
    """A catalog that selects some streams, or those that are selected by default."""
    catalog: dict[str, Any] = json.loads(
        TapPixxel(config=config, validate_config=False).catalog_json_text
    )
    for entry in catalog["streams"]:
        for part in entry["metadata"]:
            if streams and not part["breadcrumb"]:
                part["metadata"]["selected"] = entry["tap_stream_id"] in streams
        if full_table:
            entry["replication_method"] = "FULL_TABLE"
            entry.pop("replication_key", None)
    return catalog
