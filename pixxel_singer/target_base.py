"""Base class of the targets: the message reader, and checks of its messages."""

from __future__ import annotations

from abc import abstractmethod
from contextlib import ExitStack
from typing import IO, TYPE_CHECKING, Any

from singer_sdk.target_base import Target

from pixxel_singer.exit_codes import ExitCode
from pixxel_singer.message_reader import MessageReader
from pixxel_singer.plugin import PixxelPlugin

if TYPE_CHECKING:
    from singer_sdk.plugin_base import _ConfigInput


class PixxelTarget(PixxelPlugin, Target):
    """Base class of the Singer targets of this distribution."""

    def __init__(self, **kwargs: Any) -> None:
        self._resources = ExitStack()
        """Resources to close at the end of a run."""
        self._reader = MessageReader()
        super().__init__(message_reader=self._reader, **kwargs)
        self._reader.check = self.on_between_messages

    @abstractmethod
    def run(self, file_input: IO[str] | None = None) -> ExitCode:
        """Process all messages, and return the exit status."""

    def on_between_messages(self) -> None:
        """Check for a stop request; called between messages and while waiting for input.

        Raises:
            StopRequested: A signal was received.
        """
        self.stop.check()

    def parse_record_message(self, message_dict: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        """Return the stream and the record of a RECORD message.

        Raises:
            InputError: The message lacks one of them, or precedes its stream's SCHEMA.
        """
        stream, record = message_dict.get("stream"), message_dict.get("record")
        if not isinstance(record, dict) or not isinstance(stream, str):
            raise self._reader.input_error("is a RECORD without a stream or a record")
        if stream not in self.mapper.stream_maps:
            raise self._reader.input_error("is a RECORD before the SCHEMA of its stream")
        return stream, record

    def _process_schema_message(self, message_dict: dict[str, Any]) -> None:
        keys = message_dict.get("key_properties") or []
        if not isinstance(message_dict.get("stream"), str):
            raise self._reader.input_error("is a SCHEMA without a stream")
        if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
            raise self._reader.input_error(
                "is a SCHEMA whose key_properties are not a list of strings"
            )
        schema = message_dict.get("schema", {})
        if not isinstance(schema, dict):
            raise self._reader.input_error("is a SCHEMA whose schema is not an object")
        # JSON Schema requires no properties, but the SDK does.
        if not isinstance(schema.setdefault("properties", {}), dict):
            raise self._reader.input_error("is a SCHEMA whose properties are not an object")
        super()._process_schema_message(message_dict)

    def _process_activate_version_message(self, message_dict: dict[str, Any]) -> None:
        """Ignore the message: records missing in a new version of a stream are kept."""

    def _process_batch_message(self, message_dict: dict[str, Any]) -> None:
        del message_dict
        raise self._reader.input_error(f"is a BATCH; {self.name} accepts only RECORD messages")

    def _handle_max_record_age(self) -> None:
        """Do nothing: each target decides itself when its records are completed."""

    @classmethod
    def append_builtin_config(cls, config_jsonschema: dict[str, Any]) -> None:
        """Add only the settings of stream maps: the SDK's other target settings have no effect."""
        super(Target, cls).append_builtin_config(config_jsonschema)

    @classmethod
    def invoke(  # type: ignore[override]  # the SDK's own override differs from its base
        cls,
        *,
        about: bool = False,
        about_format: str | None = None,
        config: _ConfigInput,
        file_input: IO[str] | None = None,
    ) -> ExitCode:
        """Process the command line's input, or print the output of `--about`."""
        if about:
            cls.print_about(about_format)
            return ExitCode.OK
        cls.print_version(print_fn=cls.logger.info)
        target = cls(config=config.config, parse_env_config=config.parse_env)
        return target.run(file_input)
