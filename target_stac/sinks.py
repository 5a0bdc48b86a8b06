"""Pass the STAC object of each record to the export: one sink for each stream."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, cast

from singer_sdk.sinks import RecordSink

from pixxel_singer.message_reader import TOO_DEEP
from target_stac.records import InvalidStacError, find_stac

if TYPE_CHECKING:
    from collections import Counter

    from singer_sdk import Target

    from target_stac.export import Export


class ExportContext(Protocol):
    """The members of the target that its sinks use.

    Attributes:
        export: The export of all streams.
        ignored: Number of records that carry no STAC, by stream.
        empty: Number of records whose STAC column is empty, by stream.
    """

    ignored: Counter[str]
    empty: Counter[str]

    @property
    def has_pruned_record(self) -> bool:
        """Whether the current record lacks what is nested too deeply in it."""

    @property
    def export(self) -> Export:
        """The export."""


class StacSink(RecordSink):
    """A sink for records with a STAC object.

    It does not validate records against the stream's schema: STAC has its own schemas, and an
    invalid record must not end the run.
    """

    validate_schema = False

    def __init__(self, target: Target, **kwargs: Any) -> None:
        super().__init__(target, **kwargs)
        self._context = cast("ExportContext", target)

    def process_record(self, record: dict[str, Any], context: dict[str, Any]) -> None:
        """Add the STAC object of a record to the export, or count the record as without one."""
        del context
        try:
            found = find_stac(record)
        except InvalidStacError as error:
            self._context.export.reject(self.stream_name, str(error), record)
            return
        if found is None:
            self._context.ignored[self.stream_name] += 1
        elif found.stac is None:
            self._context.empty[self.stream_name] += 1
        elif self._context.has_pruned_record:
            self._context.export.reject(self.stream_name, f"{found.kind} {TOO_DEEP}", found.stac)
        else:
            self._context.export.take(self.stream_name, found.kind, found.stac)

    def _validate_and_parse(self, record: dict[str, Any]) -> dict[str, Any]:
        """Return the record unchanged: in STAC, timestamps are strings."""
        return record

    def _singer_validate_message(self, record: dict[str, Any]) -> None:
        """Accept records without a key: an item has an id."""
