"""One sink a stream: hands what its records bring to the export."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from singer_sdk.sinks import RecordSink

from target_stac.records import NotStacError, brought

if TYPE_CHECKING:
    from target_stac.target import TargetStac


class StacSink(RecordSink):
    """Takes the STAC object out of each record.

    The stream's own schema is not checked: STAC's schemas say what an item is, and a record that
    is none must not end the run.
    """

    validate_schema = False

    def __init__(self, target: TargetStac, **kwargs: Any) -> None:
        super().__init__(target, **kwargs)
        self._stac = target

    def process_record(self, record: dict[str, Any], context: dict[str, Any]) -> None:
        """Hand what a record brings to the export, or count that it brings nothing."""
        del context
        target = self._stac
        try:
            found = brought(record)
        except NotStacError as error:
            target.export.reject(self.stream_name, str(error), record)
            return
        if found is None:
            target.ignored[self.stream_name] += 1
        elif found.stac is None:
            target.empty[self.stream_name] += 1
        else:
            target.export.take(self.stream_name, found.kind, found.stac)

    def _validate_and_parse(self, record: dict[str, Any]) -> dict[str, Any]:
        """Leave timestamps the texts that they are in STAC."""
        return record

    def _singer_validate_message(self, record: dict[str, Any]) -> None:
        """Ask for no key: an item has its id."""
