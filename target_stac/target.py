"""Run target-stac: read settings and messages, write one export, then emit the STATE."""

from __future__ import annotations

import logging
from collections import Counter
from functools import cached_property
from typing import IO, Any, ClassVar

from singer_sdk.helpers.capabilities import PluginCapabilities

from pixxel_singer.errors import InputError
from pixxel_singer.exit_codes import ExitCode
from pixxel_singer.target_base import PixxelTarget
from target_stac.export import Export
from target_stac.scratch import open_scratch_folder
from target_stac.settings import SCHEMA, StacSettings, find_problems, read_settings
from target_stac.sinks import StacSink
from target_stac.storage import StorageError, open_storage
from target_stac.validation import StacValidator


class TargetStac(PixxelTarget):
    """Singer target for STAC, which writes a static catalog, ndjson and GeoParquet."""

    name = "target-stac"
    purpose = "Write STAC records as a static catalog, GeoParquet, ndjson and a map."
    example = "tap-pixxel --config=ENV | TARGET_STAC_OUTPUT=./stac target-stac --config=ENV"
    config_jsonschema: ClassVar[dict[str, Any]] = SCHEMA
    capabilities: ClassVar[list[Any]] = [
        PluginCapabilities.ABOUT,
        PluginCapabilities.STREAM_MAPS,
        PluginCapabilities.STRUCTURED_LOGGING,
    ]
    default_sink_class = StacSink
    expected_errors = (StorageError,)

    def __init__(self, **kwargs: Any) -> None:
        self.ignored: Counter[str] = Counter()
        """Number of records that carry no STAC, by stream."""
        self.empty: Counter[str] = Counter()
        """Number of records whose STAC column is empty, by stream."""
        super().__init__(**kwargs)

    def find_setting_problems(self) -> list[str]:
        """Return the errors of the settings that their schema does not find."""
        return find_problems(self._config)

    @cached_property
    def settings(self) -> StacSettings:
        """The settings."""
        return read_settings(self.config)

    @cached_property
    def export(self) -> Export:
        """The export of all streams."""
        scratch = self._resources.enter_context(open_scratch_folder())
        export = Export(
            settings=self.settings,
            storage=self._resources.enter_context(open_storage(self.settings.output)),
            scratch=scratch,
            validator=StacValidator(self.settings.validate, self.settings.schemas),
            logger=self.logger,
            check=self.stop.check,
        )
        self._resources.callback(export.close)
        return export

    def run(self, file_input: IO[str] | None = None) -> ExitCode:
        """Read all messages and write the export.

        Returns:
            INCOMPLETE if records were rejected, a format cannot hold all of an item, or items were
            not removed because the tap has failed streams; else OK.

        Raises:
            InputError: The input is not valid Singer; the export is unchanged.
            StorageError: The export cannot be read or written.
            StopRequested: A signal stopped the run; the next run continues from the last state.
        """
        with self._resources:
            _ = self.export  # raise an error of the output before reading the input
            self.listen(file_input)
        is_incomplete = (
            self.export.rejected or self.export.has_omissions or self._keeps_missing_items
        )
        return ExitCode.INCOMPLETE if is_incomplete else ExitCode.OK

    @property
    def has_pruned_record(self) -> bool:
        """Whether the current record lacks what is nested too deeply in it."""
        return self._reader.is_pruned

    @property
    def _keeps_missing_items(self) -> bool:
        """Whether 'mode' overwrite must remove nothing: missing items may exist at the source."""
        return bool(self._reader.incomplete_streams) and not self.settings.is_update

    def process_endofpipe(self) -> None:
        """Write the export, then emit the STATE that its records reach."""
        if self._keeps_missing_items and not self._change_to_update():
            return
        self.export.publish(input_complete=self._reader.ends_with_state)
        if self.ignored:
            counts = ", ".join(f"{name} ({n:,})" for name, n in sorted(self.ignored.items()))
            level, hint = logging.INFO, ""
            if self.export.is_idle:  # as from a tap that does not convert to STAC
                level, hint = logging.WARNING, "; check that the tap converts its records to STAC"
            self.logger.log(level, "ignored records without STAC: %s%s", counts, hint)
        for stream, count in sorted(self.empty.items()):
            self.logger.warning("%s: ignored %d records whose STAC column is empty", stream, count)
        super().process_endofpipe()

    def _change_to_update(self) -> bool:
        """Merge this run into the previous export instead; return False if that is impossible."""
        streams = ", ".join(sorted(self._reader.incomplete_streams))
        problem = f"the tap could not read all of {streams}, so 'mode' overwrite removes nothing"
        try:
            self.export.keep_missing_items()
        except InputError as error:
            reason = str(error).partition(";")[0]
            self.logger.error("%s; the export is unchanged: %s", problem, reason)  # noqa: TRY400 - one line
            return False
        self.logger.error("%s; this run's records update the export", problem)
        return True

    def _process_record_message(self, message_dict: dict[str, Any]) -> None:
        self.parse_record_message(message_dict)
        super()._process_record_message(message_dict)
