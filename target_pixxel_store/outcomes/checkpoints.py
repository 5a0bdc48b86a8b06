"""The ledger: which records have their outcome, and which STATE may follow."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True, eq=False)
class _Segment:
    """The records between two STATE messages.

    Attributes:
        open: Records without an outcome.
        blocked: Whether one of them failed, so that no STATE may pass it.
        state: What came behind them; None while nothing has.
    """

    open_records: int = 0
    is_blocked: bool = False
    state: dict[str, Any] | None = None


@dataclass(slots=True, eq=False)
class InflightRecord:
    """A record that was taken in.

    Attributes:
        stream: Its stream's name, as upstream calls it.
        key: What tells it from others.
        record: All of it, for `rejected_path`.
        jobs: Catalogs of it that have no outcome yet.
        failed: Whether one of them failed.
    """

    stream: str
    key: dict[str, str | int]
    record: dict[str, Any] = field(repr=False)
    segment: _Segment = field(repr=False)
    open_catalogs: int = 1
    has_failed: bool = False


class CheckpointTracker:
    """Keeps records and STATE in order."""

    def __init__(self) -> None:
        self._segments: deque[_Segment] = deque([_Segment()])

    def add_record(
        self, stream: str, key: dict[str, str | int], record: dict[str, Any]
    ) -> InflightRecord:
        """Take a record in; it holds all STATE behind it until it is settled."""
        segment = self._segments[-1]
        segment.open_records += 1
        return InflightRecord(stream, key, record, segment)

    def complete_record(self, inflight: InflightRecord) -> None:
        """Note a record's outcome."""
        inflight.segment.open_records -= 1

    def block_at(self, inflight: InflightRecord) -> None:
        """Let no STATE ever pass a record."""
        inflight.segment.is_blocked = True

    def add_state(self, value: dict[str, Any]) -> None:
        """Take a STATE in."""
        self._segments[-1].state = value
        self._segments.append(_Segment())

    def next_state(self) -> dict[str, Any] | None:
        """Give the last STATE that every record before it has its outcome for, once."""
        found = None
        while True:
            first = self._segments[0]
            if first.state is None or first.open_records or first.is_blocked:
                return found
            found = first.state
            self._segments.popleft()
