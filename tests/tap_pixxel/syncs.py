"""Syncs in this process against a sandbox over real HTTP, and the messages they write."""

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


PRIMARY_KEYS = {"deliveries": "delivery_id", "aois": "aoi_id"}
"""Primary keys of the streams whose key is not `id`."""


class MessageCollector(MsgSpecWriter):
    """A writer that collects messages in memory."""

    def __init__(self, after: Callable[[dict[str, Any]], None] = lambda _: None) -> None:
        self.messages: list[dict[str, Any]] = []
        self._after = after

    def write_message(self, message: Message) -> None:
        """Append a message as its line would be parsed."""
        self.messages.append(json.loads(self.format_message(message)))
        self._after(self.messages[-1])


class Server(Protocol):
    """An API to sync from."""

    @property
    def url(self) -> str:
        """The base URL."""
        ...


@dataclass
class SyncResult:
    """The outcome of a run.

    Attributes:
        failures: The failed streams with their reasons, as in the last log line.
    """

    status: ExitCode | None
    messages: list[dict[str, Any]]
    failures: str = ""
    records: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        """Group the records by stream."""
        for message in self.messages:
            if message["type"] == "RECORD":
                self.records[message["stream"]].append(message["record"])

    @property
    def state(self) -> dict[str, Any]:
        """The last STATE."""
        states: list[dict[str, Any]] = [m["value"] for m in self.messages if m["type"] == "STATE"]
        return states[-1]

    def ids(self, stream: str) -> list[str]:
        """Return the keys of a stream's records, in their order."""
        key = PRIMARY_KEYS.get(stream, "id")
        return [record[key] for record in self.records[stream]]

    def bookmark(self, stream: str) -> dict[str, Any]:
        """Return a stream's part of the state."""
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
    """Sync the named streams, or those that are selected by default.

    Args:
        server: The API.
        streams: Names of the streams to select.
        state: The state to start from.
        full_table: Select full-table replication in the catalog.
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
    return SyncResult(status, writer.messages, str(tap.failures))


def make_catalog(config: dict[str, Any], *streams: str, full_table: bool = False) -> dict[str, Any]:
    """Return a catalog that selects the named streams, or the default ones."""
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
