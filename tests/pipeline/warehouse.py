"""A loader in memory, which keeps what came up to a STATE and loses the rest when it is killed."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from tests.tap_pixxel.syncs import PRIMARY_KEYS

if TYPE_CHECKING:
    from collections.abc import Callable

Json = dict[str, Any]
UPDATED = {"archive_items": "updated"}


class Warehouse:
    """Tables by stream, rows by key.

    Attributes:
        tables: The rows that are safe.
        state: The STATE that they are up to; what a next run begins with.
    """

    def __init__(self) -> None:
        self.tables: dict[str, dict[Any, Json]] = defaultdict(dict)
        self.state: Json | None = None
        self._versions: dict[tuple[str, Any], int | None] = {}

    def load(self, output: bytes, *, ended: bool) -> None:
        """Take in what a run has written, all of it where it has ended, or up to a kill.

        Asserts that nothing came that the STATE which the run began with has passed, nothing twice,
        and that a table is activated only when all of it has come: nothing is ever deleted here.
        """
        lines = output[: output.rfind(b"\n") + 1].splitlines()
        pending: list[Callable[[], None]] = []
        began_with, seen = self.state or {}, set()
        for message in map(json.loads, lines):
            stream = message.get("stream")
            if message["type"] == "RECORD":
                key = message["record"][PRIMARY_KEYS.get(stream, "id")]
                assert (stream, key) not in seen, (stream, key)
                seen.add((stream, key))
                assert _not_passed(began_with, stream, message["record"]), (stream, key)
                pending.append(lambda m=message, k=key: self._put(m, k))  # type: ignore[misc]  # bound now
            elif message["type"] == "ACTIVATE_VERSION":
                assert all((stream, each) in seen for each in self.tables[stream]), stream
                pending.append(lambda m=message: self._activate(m))  # type: ignore[misc]  # bound now
            elif message["type"] == "STATE":
                for each in pending:
                    each()
                pending.clear()
                self.state = message["value"]
        for each in pending if ended else ():
            each()

    def rows(self) -> dict[tuple[str, Any], Json]:
        """All rows by stream and key."""
        return {(name, key): row for name, rows in self.tables.items() for key, row in rows.items()}

    def _put(self, message: Json, key: Any) -> None:
        self.tables[message["stream"]][key] = message["record"]
        self._versions[message["stream"], key] = message.get("version")

    def _activate(self, message: Json) -> None:
        table = self.tables[message["stream"]]
        for key in list(table):
            if self._versions[message["stream"], key] != message["version"]:
                del table[key]


def _not_passed(state: Json, stream: str, record: Json) -> bool:
    """Tell whether a record may come to one who has this STATE."""
    part = state.get("bookmarks", {}).get(stream, {})
    for each in part.get("partitions", ()):
        if each["context"]["collection"] == record["collection"]:
            part = each
    if "backfill" in part:
        moment = record["end_datetime"] or record["datetime"]
        return moment is None or moment >= part["backfill"]["reached"]
    updated = record.get(UPDATED.get(stream, "updated_at"))
    return updated is None or updated >= part.get("replication_key_value", "")
