"""Checkpoints: which records have an outcome, and which STATE may be emitted."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True, eq=False)
class _Segment:
    """The records between two STATE messages.

    Attributes:
        open_records: The number of records without an outcome.
        is_blocked: Whether one of them failed, so that no later STATE may be emitted.
        state: The STATE after them; None before it came.
    """

    open_records: int = 0
    is_blocked: bool = False
    state: dict[str, Any] | None = None


@dataclass(slots=True, eq=False)
class InflightRecord:
    """A record that was received and has no outcome yet.

    Attributes:
        stream: The stream's name in the input, before stream maps.
        key: The fields that identify the record in outcomes and messages.
        record: The whole record, for `rejected_path`.
        segment: The records between the same two STATE messages.
        open_catalogs: The number of its catalogs without an outcome.
        has_failed: Whether one of its catalogs failed.
    """

    stream: str
    key: dict[str, str | int]
    record: dict[str, Any] = field(repr=False)
    segment: _Segment = field(repr=False)
    open_catalogs: int = 1
    has_failed: bool = False


class CheckpointTracker:
    """Holds each STATE until every record before it has an outcome."""

    def __init__(self) -> None:
        self._segments: deque[_Segment] = deque([_Segment()])

    def add_record(
        self, stream: str, key: dict[str, str | int], record: dict[str, Any]
    ) -> InflightRecord:
        """Add a record; every later STATE waits until it is complete."""
        segment = self._segments[-1]
        segment.open_records += 1
        return InflightRecord(stream, key, record, segment)

    def complete_record(self, inflight: InflightRecord) -> None:
        """Count a record as complete."""
        inflight.segment.open_records -= 1

    def block_at(self, inflight: InflightRecord) -> None:
        """Hold every STATE after a record for good."""
        inflight.segment.is_blocked = True

    def add_state(self, value: dict[str, Any]) -> None:
        """Add a STATE."""
        self._segments[-1].state = value
        self._segments.append(_Segment())

    def next_state(self) -> dict[str, Any] | None:
        """Return the last STATE before which every record is complete; each STATE only once."""
        found = None
        while True:
            first = self._segments[0]
            if first.state is None or first.open_records or first.is_blocked:
                return found
            found = first.state
            self._segments.popleft()
