"""What the targets have in common: a reader of messages, and checks of what it reads."""

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
    """A Singer target of this distribution."""

    def __init__(self, **kwargs: Any) -> None:
        self._resources = ExitStack()
        """What is open while a run lasts."""
        self._reader = MessageReader()
        super().__init__(message_reader=self._reader, **kwargs)
        self._reader.check = self.on_between_messages

    @abstractmethod
    def run(self, file_input: IO[str] | None = None) -> ExitCode:
        """Read all messages and do what they ask for; give the exit status."""

    def on_between_messages(self) -> None:
        """Look for a signal, between messages.

        Raises:
            Stopped: One has come.
        """
        self.stop.check()

    def parse_record_message(self, message_dict: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        """Take a RECORD message apart.

        Raises:
            InputError: It lacks its parts, or came before its stream's SCHEMA.
        """
        stream, record = message_dict.get("stream"), message_dict.get("record")
        if not isinstance(record, dict) or not isinstance(stream, str):
            raise self._reader.input_error("is a RECORD without a stream or a record")
        if stream not in self.mapper.stream_maps:
            raise self._reader.input_error("is a RECORD that came before its stream's SCHEMA")
        return stream, record

    def _process_schema_message(self, message_dict: dict[str, Any]) -> None:
        keys = message_dict.get("key_properties") or []
        if not isinstance(message_dict.get("stream"), str):
            raise self._reader.input_error("is a SCHEMA without a stream")
        if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
            raise self._reader.input_error("is a SCHEMA whose key_properties are no list of texts")
        super()._process_schema_message(message_dict)

    def _process_activate_version_message(self, message_dict: dict[str, Any]) -> None:
        """Do nothing: what a later version of a stream lacks is there all the same."""

    def _process_batch_message(self, message_dict: dict[str, Any]) -> None:
        del message_dict
        raise self._reader.input_error(f"is a BATCH; {self.name} takes only RECORD messages")

    def _handle_max_record_age(self) -> None:
        """Drain nothing by age: each target says itself when its records are done."""

    @classmethod
    def append_builtin_config(cls, config_jsonschema: dict[str, Any]) -> None:
        """Add the settings of stream maps only: the SDK's others for targets do nothing here."""
        super(Target, cls).append_builtin_config(config_jsonschema)

    @classmethod
    def invoke(  # type: ignore[override]  # the SDK's own override differs from its base, too
        cls,
        *,
        about: bool = False,
        about_format: str | None = None,
        config: _ConfigInput,
        file_input: IO[str] | None = None,
    ) -> ExitCode:
        """Run the command line's input, or print what `--about` asks for."""
        if about:
            cls.print_about(about_format)
            return ExitCode.OK
        cls.print_version(print_fn=cls.logger.info)
        target = cls(config=config.config, parse_env_config=config.parse_env)
        return target.run(file_input)
