"""The bookmark rules: what a run must emit, and where the next one begins; no I/O.

- Values are in the fixed-width UTC form; a record without one flows and moves nothing.
- The boundary is inclusive: records at the bookmark come again, for the target to upsert.
- The new bookmark is the largest value seen, but not past the server's clock when the sweep
  began, and never before the old one: so a record changed during the sweep is met again, a wrong
  clock's future leads nowhere, and late, older records move nothing back.
- The state keeps a fingerprint of the filters: other filters begin the stream again.
- The state keeps the id of the record with the largest value, the boundary: an answer filtered on
  the bookmark must hold it, or the filter was not heeded.
- A first backfill keeps how far it got.
- The state keeps which lists the token could not read, to let all of them through once it can.
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from pixxel_api.timestamps import TimestampError, format_timestamp, normalize_timestamp, subtract
from pixxel_singer.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

KEY = "replication_key"
VALUE = "replication_key_value"
BOUNDARY = "boundary"
FILTERS = "filters"
BACKFILL = "backfill"
REACHED = "reached"
BEGAN = "began"
LARGEST = "largest"
BARRED = "barred"


def fingerprint(filters: Mapping[str, Any]) -> str:
    """Give a short text that is the same for the same filters only; empty without any."""
    active = {name: value for name, value in filters.items() if value}
    if not active:
        return ""
    text = json.dumps(active, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class Bookmark:
    """The replication state of a stream, or of one of its partitions, during a sync.

    Args:
        state: The writable part of the Singer state that belongs to it.
        key: The replication key's name.
        filters: Fingerprint of the filters in the settings.
        start_date: Without a bookmark, emit only what was updated at or after this.
        lookback: Seconds before the bookmark from which to emit again.

    Attributes:
        since: Emit what was updated at or after this; None for everything.
        floor: Read what was updated at or after this: `since`, but never later than the bookmark,
            so that the boundary is among it; None for everything.
        first: No sync has been finished yet.
        restarted: The filters have changed, so what the state held is not used.
        boundary: Id of the record that an answer filtered on `floor` must hold, if known.
        barred: Lists that the token could not read when this bookmark was written.
    """

    def __init__(
        self,
        state: dict[str, Any],
        key: str,
        *,
        filters: str,
        start_date: str | None,
        lookback: int,
    ) -> None:
        self._state = state
        self._key = key
        self._filters = filters
        self._start_date = start_date
        old = _stamp(state.get(VALUE)) if state.get(KEY, key) == key else None
        backfill = state.get(BACKFILL)
        known = old is not None or backfill is not None
        self.restarted = known and state.get(FILTERS, filters) != filters
        if self.restarted:
            old = backfill = None
        self._old = old
        self.first = old is None
        self.boundary: str | None = state.get(BOUNDARY) if old else None
        barred = state.get(BARRED) if old else None
        self.barred: list[str] = barred if isinstance(barred, list) else []
        self._began = format_timestamp(datetime.now(UTC))  # until the server's clock is known
        self._server_clock = False
        self._largest: str | None = None
        self._largest_id: str | None = None
        self._reached: str | None = None
        if self.first and isinstance(backfill, dict):
            self._take_up(backfill)
        since = subtract(old, timedelta(seconds=lookback)) if old else None
        self.since = max((stamp for stamp in (since, start_date) if stamp), default=None)
        self.floor = min((stamp for stamp in (self.since, old) if stamp), default=None)

    def _take_up(self, backfill: dict[str, Any]) -> None:
        """Go on with a first sync that was killed: with its clock, and with what it saw."""
        reached, began = _stamp(backfill.get(REACHED)), _stamp(backfill.get(BEGAN))
        if reached and began:
            self._reached, self._began, self._server_clock = reached, began, True
            self.see(_stamp(backfill.get(LARGEST)), backfill.get(BOUNDARY))

    def begin(self, clock: datetime | None) -> None:
        """Note the server's clock at the first answer; later ones change nothing."""
        if clock is not None and not self._server_clock:
            self._began, self._server_clock = format_timestamp(clock), True

    def resume(self) -> str | None:
        """Give the time up to which a first sync has got."""
        return self._reached

    def wants(self, value: str | None, *, again: bool = False) -> bool:
        """Tell whether a record with this replication value is to be emitted.

        Args:
            value: None where it has none.
            again: Whether as by a first sync, which only the start date bounds.
        """
        since = self._start_date if again else self.since
        return value is None or since is None or value >= since

    def see(self, value: str | None, record_id: str | None) -> None:
        """Note a record that the API has, emitted or not."""
        if value is not None and (self._largest is None or value >= self._largest):
            self._largest, self._largest_id = value, record_id

    def reach(self, moment: str) -> None:
        """Write that a first sync has got all records with a time up to this one."""
        self._reached = moment
        self._clear()
        self._state[FILTERS] = self._filters
        self._state[BACKFILL] = {
            REACHED: moment,
            BEGAN: self._began,
            LARGEST: self._largest,
            BOUNDARY: self._largest_id,
        }

    def start_over(self) -> None:
        """Forget how far a first sync has got."""
        self._reached = None
        self._state.pop(BACKFILL, None)

    def finish(self) -> None:
        """Write the new bookmark, all records being out."""
        values = [self._old, min(self._largest, self._began) if self._largest else None]
        new = max((value for value in values if value), default=None)
        if self._largest is None or (self._old and self._largest < self._old):
            boundary = self.boundary
        else:
            boundary = self._largest_id
        self._clear()
        self._state[FILTERS] = self._filters
        if new is not None:
            self._state |= {KEY: self._key, VALUE: new, BOUNDARY: boundary}
            if self.barred:
                self._state[BARRED] = sorted(self.barred)

    def _clear(self) -> None:
        for name in (KEY, VALUE, BOUNDARY, BARRED, BACKFILL):
            self._state.pop(name, None)


def check_state(state: Mapping[str, Any]) -> None:
    """Check that a state has the form that this tap writes.

    Raises:
        InputError: It has not.
    """
    if state and "bookmarks" not in state:
        raise InputError(
            "--state: has no 'bookmarks'; give the value of a STATE message, not the message itself"
        )
    streams = state.get("bookmarks", {})
    if not isinstance(streams, dict):
        raise InputError("--state: 'bookmarks' must be an object; take a STATE this tap wrote")
    for name, entry in streams.items():
        entries = [entry]
        if isinstance(entry, dict):
            partitions = entry.get("partitions", [])
            entries += partitions if isinstance(partitions, list) else [None]
        for part in entries:
            value = part.get(VALUE) if isinstance(part, dict) else part
            if not isinstance(part, dict) or (value is not None and _stamp(value) is None):
                raise InputError(
                    f"--state: the bookmark of '{name}' is none; take a STATE this tap wrote"
                )


def _stamp(value: object) -> str | None:
    try:
        return normalize_timestamp(value) if isinstance(value, str) else None
    except TimestampError:
        return None
