"""A loader in memory: it commits rows at each STATE, and loses later ones when it is killed."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

Json = dict[str, Any]
NEW_KEY_WHEN_EDITED = "order_report"
"""A stream whose rows get another key when they change, so that activation deletes the old ones."""
UPDATE_TIME_COLUMNS = {"archive_items": "updated"}


class MemoryLoader:
    """Tables in memory.

    Attributes:
        tables: Committed rows by stream and key.
        state: The last committed STATE, from which the next run starts.
    """

    def __init__(self) -> None:
        self.tables: dict[str, dict[Any, Json]] = defaultdict(dict)
        self.state: Json | None = None
        self._versions: dict[tuple[str, Any], int | None] = {}

    def load(self, output: bytes, *, has_ended: bool) -> None:
        """Load the output of a run: all of it if the run has ended, else up to the last STATE.

        Asserts that no record is older than the STATE from which the run started, that no record is
        repeated, and that a table is activated only after all its rows: these tests delete nothing.
        """
        lines = output[: output.rfind(b"\n") + 1].splitlines()
        pending: list[Callable[[], None]] = []
        keys: dict[str, list[str]] = {}
        start_state, seen = self.state or {}, set()
        for message in map(json.loads, lines):
            stream = message.get("stream")
            if message["type"] == "SCHEMA":
                keys[stream] = message["key_properties"]
            elif message["type"] == "RECORD":
                key = tuple(message["record"][name] for name in keys[stream])
                assert (stream, key) not in seen, (stream, key)
                seen.add((stream, key))
                assert _may_be_emitted(start_state, stream, message["record"]), (stream, key)
                pending.append(lambda m=message, k=key: self._upsert(m, k))  # type: ignore[misc]  # bound now
            elif message["type"] == "ACTIVATE_VERSION":
                if stream != NEW_KEY_WHEN_EDITED:
                    assert all((stream, each) in seen for each in self.tables[stream]), stream
                pending.append(lambda m=message: self._activate(m))  # type: ignore[misc]  # bound now
            elif message["type"] == "STATE":
                for each in pending:
                    each()
                pending.clear()
                self.state = message["value"]
        for each in pending if has_ended else ():
            each()

    def rows(self) -> dict[tuple[str, Any], Json]:
        """Return all committed rows by stream and key."""
        return {(name, key): row for name, rows in self.tables.items() for key, row in rows.items()}

    def _upsert(self, message: Json, key: Any) -> None:
        self.tables[message["stream"]][key] = message["record"]
        self._versions[message["stream"], key] = message.get("version")

    def _activate(self, message: Json) -> None:
        table = self.tables[message["stream"]]
        for key in list(table):
            if self._versions[message["stream"], key] != message["version"]:
                del table[key]


def _may_be_emitted(state: Json, stream: str, record: Json) -> bool:
    """Return whether a tap that started from this STATE may emit the record."""
    part = state.get("bookmarks", {}).get(stream, {})
    for partition in part.get("partitions", ()):
        if partition["context"]["collection"] == record["collection"]:
            part = partition
    if "backfill" in part:
        time = record["end_datetime"] or record["datetime"]
        return time is None or time >= part["backfill"]["reached"]
    updated = record.get(UPDATE_TIME_COLUMNS.get(stream, "updated_at"))
    return updated is None or updated >= part.get("replication_key_value", "")
