"""The bookmark rules: what a run must emit, and where the next one starts; no I/O.

- Values are in the fixed-width UTC form; a record without one is emitted and moves nothing.
- The boundary is inclusive: records at the bookmark are emitted again, for the target to upsert.
- The new bookmark is the largest value seen, but not later than the server's time at the start of
  the scan, and never earlier than the old one. So a record changed during the scan is emitted by
  the next run, a time in the future is never reached, and a late, older record moves nothing back.
- The state has a fingerprint of the filters: with other filters the stream starts again.
- The state has the id of the record with the largest value, the boundary: a response filtered by
  the bookmark must contain it, or the filter was not applied.
- A first backfill records its progress.
- The state has the names of the lists that could not be read, so that all of their records are
  emitted once they can be.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from pixxel_api.timestamps import (
    TimestampError,
    format_timestamp,
    normalize_timestamp,
    subtract,
)
from pixxel_singer.errors import InputError
from pixxel_singer.message_reader import INCOMPLETE, UNREAD

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

REPLICATION_KEY = "replication_key"
REPLICATION_VALUE = "replication_key_value"
BOUNDARY = "boundary"
FILTERS = "filters"
BACKFILL = "backfill"
COMPLETED_UNTIL = "reached"
STARTED_AT = "began"
LARGEST_VALUE = "largest"
FORBIDDEN_PARENTS = "barred"


def make_fingerprint(filters: Mapping[str, Any]) -> str:
    """Return a short text that is equal for equal filters only; empty without filters."""
    active = {name: value for name, value in filters.items() if value}
    if not active:
        return ""
    text = json.dumps(active, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def latest_change(own: str | None, parts: Iterable[object]) -> str | None:
    """Return the latest of a row's own update time and the times of its parts.

    Args:
        own: The row's own time; without one the result is None, since its changes are unknown.
        parts: Times as the API states them; what is no timestamp is ignored.
    """
    return own and max([own, *(time for time in map(_parse_timestamp, parts) if time)])


class Bookmark:
    """The replication state of a stream, or of one of its partitions, during a sync.

    Args:
        state: Its part of the Singer state, which is written to.
        replication_key: Name of the replication key.
        filters: Fingerprint of the filters in the settings.
        start_date: Without a bookmark, emit only what was updated at or after this time.
        lookback_seconds: Seconds before the bookmark from which to emit again.

    Attributes:
        emit_from: Emit what was updated at or after this time; None for everything.
        query_from: Read what was updated at or after this time: `emit_from`, but never later than
            the bookmark, so that the boundary is among it; None for everything.
        is_first_sync: Whether no sync has been completed yet.
        filters_changed: Whether the filters have changed, so that the old state is not used.
        boundary: Id of the record that a response filtered by `query_from` must contain, if known.
        started_at: The server's time at the first response, this machine's until it is known.
        forbidden_parents: Names of the lists that could not be read when this was written.
    """

    def __init__(
        self,
        state: dict[str, Any],
        replication_key: str,
        *,
        filters: str,
        start_date: str | None,
        lookback_seconds: int,
    ) -> None:
        self._state = state
        self._replication_key = replication_key
        self._filters = filters
        self._start_date = start_date
        has_same_key = state.get(REPLICATION_KEY, replication_key) == replication_key
        previous = _parse_timestamp(state.get(REPLICATION_VALUE)) if has_same_key else None
        backfill = state.get(BACKFILL)
        known = previous is not None or backfill is not None
        self.filters_changed = known and state.get(FILTERS, filters) != filters
        if self.filters_changed:
            previous = backfill = None
        self._previous = previous
        self.is_first_sync = previous is None
        self.boundary: str | None = state.get(BOUNDARY) if previous else None
        forbidden = state.get(FORBIDDEN_PARENTS) if previous else None
        self.forbidden_parents: list[str] = forbidden if isinstance(forbidden, list) else []
        self._previously_forbidden = frozenset(self.forbidden_parents)
        # Until the server's time is known.
        self.started_at = format_timestamp(datetime.now(UTC))
        self._has_server_time = False
        self._largest: str | None = None
        self._largest_id: str | None = None
        self._completed_until: str | None = None
        if self.is_first_sync and isinstance(backfill, dict):
            self._restore_backfill(backfill)
        since = subtract(previous, timedelta(seconds=lookback_seconds)) if previous else None
        self.emit_from = max((time for time in (since, start_date) if time), default=None)
        self.query_from = min((time for time in (self.emit_from, previous) if time), default=None)

    def _restore_backfill(self, backfill: dict[str, Any]) -> None:
        """Continue a first sync that was killed, with its start time and what it observed."""
        completed_until = _parse_timestamp(backfill.get(COMPLETED_UNTIL))
        started_at = _parse_timestamp(backfill.get(STARTED_AT))
        if completed_until and started_at:
            self._completed_until, self.started_at = completed_until, started_at
            self._has_server_time = True
            self.observe(_parse_timestamp(backfill.get(LARGEST_VALUE)), backfill.get(BOUNDARY))

    def set_start(self, server_time: datetime | None) -> None:
        """Set the server's time at the first response; later calls change nothing."""
        if server_time is not None and not self._has_server_time:
            self.started_at, self._has_server_time = format_timestamp(server_time), True

    def resume_from(self) -> str | None:
        """Return the time of acquisition up to which a first sync has all records."""
        return self._completed_until

    def was_forbidden(self, path_params: Mapping[str, str]) -> bool:
        """Return whether a list, or one above it, could not be read when the state was written."""
        if not self._previously_forbidden:
            return False
        ids = list(path_params.values())
        names = ("/".join(ids[:end]) for end in range(1, len(ids) + 1))
        return not self._previously_forbidden.isdisjoint(names)

    def should_emit(self, value: str | None, *, as_first_sync: bool = False) -> bool:
        """Return whether a record with this replication value is to be emitted.

        Args:
            value: None if the record has none.
            as_first_sync: Ignore the bookmark; only the start date limits a first sync.
        """
        emit_from = self._start_date if as_first_sync else self.emit_from
        return value is None or emit_from is None or value >= emit_from

    def observe(self, value: str | None, record_id: str | None) -> None:
        """Take account of a record that the API has, whether it is emitted or not."""
        if value is not None and (self._largest is None or value >= self._largest):
            self._largest, self._largest_id = value, record_id

    def find_largest(self) -> tuple[str | None, str | None]:
        """Return the largest value that is known, and the id of the record that has it."""
        if self._largest is None or (self._previous and self._largest < self._previous):
            return self._previous, self.boundary
        return self._largest, self._largest_id

    def checkpoint(self, completed_until: str) -> None:
        """Write that a first sync has all records with a time up to this one."""
        self._completed_until = completed_until
        self._clear()
        self._state[FILTERS] = self._filters
        self._state[BACKFILL] = {
            COMPLETED_UNTIL: completed_until,
            STARTED_AT: self.started_at,
            LARGEST_VALUE: self._largest,
            BOUNDARY: self._largest_id,
        }

    def discard_backfill(self) -> None:
        """Discard the progress of a first sync."""
        self._completed_until = None
        self._state.pop(BACKFILL, None)

    def finish(self) -> None:
        """Write the new bookmark, after the last record."""
        largest, boundary = self.find_largest()
        values = [self._previous, largest and min(largest, self.started_at)]
        new = max((value for value in values if value), default=None)
        self._clear()
        self._state[FILTERS] = self._filters
        if new is not None:
            self._state |= {
                REPLICATION_KEY: self._replication_key,
                REPLICATION_VALUE: new,
                BOUNDARY: boundary,
            }
            if self.forbidden_parents:
                self._state[FORBIDDEN_PARENTS] = sorted(self.forbidden_parents)

    def _clear(self) -> None:
        for name in (REPLICATION_KEY, REPLICATION_VALUE, BOUNDARY, FORBIDDEN_PARENTS, BACKFILL):
            self._state.pop(name, None)


def check_state(state: Mapping[str, Any]) -> None:
    """Check that a state has the form that this tap writes.

    Raises:
        InputError: It has another form.
    """
    if state.keys() - {INCOMPLETE, UNREAD} and "bookmarks" not in state:
        raise InputError(
            "--state: has no 'bookmarks'; pass the value of a STATE message, not the message itself"
        )
    streams = state.get("bookmarks", {})
    if not isinstance(streams, dict):
        raise InputError("--state: 'bookmarks' must be an object; pass a state written by this tap")
    for name, entry in streams.items():
        if not isinstance(entry, dict) or not _is_bookmark(entry):
            raise _bookmark_error(name)
        partitions = entry.get("partitions", [])
        if not isinstance(partitions, list) or not all(map(_is_partition, partitions)):
            raise _bookmark_error(name)
        contexts = Counter(json.dumps(each["context"], sort_keys=True) for each in partitions)
        if twice := [context for context, count in contexts.items() if count > 1]:
            raise InputError(
                f"--state: stream '{name}' has the partition {twice[0]} twice; remove one of them"
            )


def _is_partition(part: object) -> bool:
    return isinstance(part, dict) and isinstance(part.get("context"), dict) and _is_bookmark(part)


def _is_bookmark(part: Mapping[str, Any]) -> bool:
    value, barred = part.get(REPLICATION_VALUE), part.get(FORBIDDEN_PARENTS, [])
    if not isinstance(barred, list) or not all(isinstance(each, str) for each in barred):
        return False
    return value is None or _parse_timestamp(value) is not None


def _bookmark_error(stream: str) -> InputError:
    return InputError(
        f"--state: invalid bookmark for stream '{stream}'; pass a state written by this tap"
    )


def _parse_timestamp(value: object) -> str | None:
    try:
        return normalize_timestamp(value) if isinstance(value, str) else None
    except TimestampError:
        return None
