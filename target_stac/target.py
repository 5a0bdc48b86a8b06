"""target-stac: settings, routing of records to one export, STATE when all of it is written."""

from __future__ import annotations

import logging
import tempfile
from collections import Counter
from functools import cached_property
from pathlib import Path
from typing import IO, Any, ClassVar

from singer_sdk.helpers.capabilities import PluginCapabilities

from pixxel_singer.exit_codes import ExitCode
from pixxel_singer.target_base import PixxelTarget
from target_stac.export import Export
from target_stac.output import OutputError, opened
from target_stac.settings import SCHEMA, Settings, problems, read_settings
from target_stac.sinks import StacSink
from target_stac.validation import Validator


class TargetStac(PixxelTarget):
    """Singer target for STAC: a static catalog, ndjson and GeoParquet out of any sync."""

    name = "target-stac"
    config_jsonschema: ClassVar[dict[str, Any]] = SCHEMA
    capabilities: ClassVar[list[Any]] = [
        PluginCapabilities.ABOUT,
        PluginCapabilities.STREAM_MAPS,
        PluginCapabilities.STRUCTURED_LOGGING,
    ]
    default_sink_class = StacSink
    expected_errors = (OutputError,)

    def __init__(self, **kwargs: Any) -> None:
        self.ignored: Counter[str] = Counter()
        """Records of streams that carry no STAC."""
        self.empty: Counter[str] = Counter()
        """Records whose STAC column is empty."""
        super().__init__(**kwargs)

    def find_setting_problems(self) -> list[str]:
        """Say what is wrong with the settings beyond their schema."""
        return problems(self._config)

    @cached_property
    def settings(self) -> Settings:
        """The settings, read and checked."""
        return read_settings(self.config)

    @cached_property
    def export(self) -> Export:
        """The export that all streams go to."""
        scratch = self._resources.enter_context(tempfile.TemporaryDirectory(prefix="target-stac-"))
        export = Export(
            settings=self.settings,
            output=self._resources.enter_context(opened(self.settings.output)),
            scratch=Path(scratch),
            validator=Validator(self.settings.validate, self.settings.schemas),
            logger=self.logger,
            check=self.stop.check,
        )
        self._resources.callback(export.close)
        return export

    def run(self, file_input: IO[str] | None = None) -> ExitCode:
        """Read all messages and write the export.

        Returns:
            INCOMPLETE when something was left out, else OK.

        Raises:
            InputError: The input is not Singer; the export is as it was.
            OutputError: The export cannot be read or written.
            Stopped: A signal came; a later run goes on from the last state.
        """
        with self._resources:
            _ = self.export  # an output that cannot be used is told before anything is read
            self.listen(file_input)
        left_out = self.export.rejected or self.export.incomplete
        return ExitCode.INCOMPLETE if left_out else ExitCode.OK

    def process_endofpipe(self) -> None:
        """Write the export, then the STATE that its records were up to."""
        self.export.publish(ended=self._reader.ends_with_state)
        if self.ignored:
            counts = ", ".join(f"{name} ({n:,})" for name, n in sorted(self.ignored.items()))
            level, hint = logging.INFO, ""
            if self.export.is_idle:  # as from a tap that does not convert
                level, hint = (
                    logging.WARNING,
                    "; is the conversion to STAC off in the tap?",
                )
            self.logger.log(level, "ignored, as their records carry no STAC: %s%s", counts, hint)
        for stream, count in sorted(self.empty.items()):
            self.logger.warning("%s: %d records have no STAC Item to export", stream, count)
        super().process_endofpipe()

    def _process_record_message(self, message_dict: dict[str, Any]) -> None:
        self.parse_record_message(message_dict)
        super()._process_record_message(message_dict)
