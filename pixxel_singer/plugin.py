"""What every plugin has in common: settings, one-line errors, redaction, signals, whole lines."""

from __future__ import annotations

import json
import logging
import os
from abc import abstractmethod
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, ClassVar

from dotenv import dotenv_values, find_dotenv
from singer_sdk.cli import plugin_cli
from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.plugin_base import PluginBase, _ConfigInput

from pixxel_singer import DISTRIBUTION
from pixxel_singer.cli import PluginCommand
from pixxel_singer.errors import InputError
from pixxel_singer.log_setup import set_up_logging
from pixxel_singer.process import return_large_buffers
from pixxel_singer.redaction import Redactor, find_secrets, redact_logs
from pixxel_singer.settings import (
    add_defaults,
    coerce_types,
    env_name,
    read_environment,
    schema_errors,
    unknown_settings,
)
from pixxel_singer.signals import StopFlag

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import click

# A process has one log and one set of signals, whatever number of plugins it makes.
_redact = Redactor()
_stop = StopFlag()


def filter_sdk_env_warning(record: logging.LogRecord) -> bool:
    """Drop what the SDK says of variables: our settings are read from them before it looks."""
    return "env var for settings" not in str(record.msg) and "env var settings" not in str(
        record.msg
    )


class PixxelPlugin(PluginBase):
    """A Singer plugin of this distribution; put it before the SDK's class."""

    package_name = DISTRIBUTION
    expected_errors: ClassVar[tuple[type[Exception], ...]] = ()
    """Errors whose text is all that a user needs; they end a run without a traceback."""

    def __init__(
        self,
        *,
        config: Mapping[str, Any] | None = None,
        parse_env_config: bool = False,
        validate_config: bool = True,
        **kwargs: Any,
    ) -> None:
        self.stop = _stop
        settings = dict(config or {})
        self.logger.addFilter(filter_sdk_env_warning)
        if parse_env_config:
            settings |= self._read_environment()
            self._warn_about_unknown_variables()
        self._register_setting_secrets(settings)
        schema = self._settings_schema()
        super().__init__(
            config=add_defaults(schema, coerce_types(schema, settings)),
            validate_config=validate_config,
            **kwargs,
        )
        # The SDK sets INFO here, whatever the root logger's level is.
        self.metrics_logger.setLevel(logging.NOTSET)

    @abstractmethod
    def find_setting_problems(self) -> list[str]:
        """Say what is wrong with the settings beyond their schema, a line each."""

    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        if not raise_errors:  # discovery needs no settings
            return []
        schema = self._settings_schema()
        for name in unknown_settings(schema, self._config):
            self.logger.warning("Setting '%s' is not known and has no effect; see --about", name)
        errors = (
            schema_errors(schema, self._config, self._env_var_prefix)
            or self.find_setting_problems()
        )
        if errors:
            raise ConfigValidationError("bad settings", errors=errors, schema=schema)
        return []

    def _setup_signal_handlers(self) -> None:
        self.stop.install_handlers()

    @classmethod
    def _settings_schema(cls) -> dict[str, Any]:
        cls.append_builtin_config(cls.config_jsonschema)
        return cls.config_jsonschema

    def _warn_about_unknown_variables(self) -> None:
        """Name the variables that look like settings and are none; Meltano's own begin with _."""
        prefix = self._env_var_prefix
        known = {env_name(prefix, name) for name in self._settings_schema()["properties"]}
        known.add(f"{prefix}LOGLEVEL")
        for name in sorted(os.environ):
            if name.startswith(prefix) and name not in known and name[len(prefix)] != "_":
                self.logger.warning(
                    "%s in the environment is no setting and has no effect; see --about", name
                )

    @classmethod
    def _read_environment(cls) -> dict[str, str]:
        environment = {**dotenv_values(find_dotenv(usecwd=True)), **os.environ}
        return read_environment(cls._settings_schema(), cls._env_var_prefix, environment)

    @classmethod
    def _register_setting_secrets(cls, settings: Mapping[str, Any]) -> None:
        _redact.add(find_secrets(cls._settings_schema(), settings))

    @staticmethod
    def register_secrets(secrets: Iterable[str]) -> None:
        """Keep these texts out of every log from now on."""
        _redact.add(secrets)

    @classmethod
    def get_singer_command(cls) -> click.Command:
        """Give the SDK's command with our handling of errors."""
        command = super().get_singer_command()
        return PluginCommand(
            name=command.name,
            callback=command.callback,
            params=command.params,
            help=command.help,
            context_settings=command.context_settings,
            logger=cls.logger,
            expected=cls.expected_errors,
        )

    @classmethod
    def cb_config(
        cls, ctx: click.Context, param: click.Option, value: tuple[str, ...]
    ) -> _ConfigInput:
        """Read the files given as `--config`; later ones win, `ENV` stands for the environment."""
        del ctx, param
        config: dict[str, Any] = {}
        for path in value:
            if path != "ENV":
                config |= read_json_file("--config", path)
        cls._register_setting_secrets(config)
        return _ConfigInput(config=config, parse_env="ENV" in value)

    @plugin_cli
    def cli(cls) -> click.Command:  # noqa: N805 - the decorator hands over the class
        """Set signals, memory, logs and redaction up and give the command."""
        _stop.install_handlers()
        return_large_buffers()
        set_up_logging(cls._env_var_prefix)
        cls._register_setting_secrets(cls._read_environment())
        redact_logs(_redact)
        return cls.get_singer_command()


def read_json_file(option: str, path: str) -> dict[str, Any]:
    """Read a JSON object from a file that was named on the command line.

    Raises:
        InputError: It cannot be read, or holds something else.
    """
    if path.lstrip().startswith("{"):
        raise InputError(f"{option} takes the path of a JSON file, not JSON itself")
    try:
        with Path(path).open(encoding="utf-8") as file:
            return _parse_object(option, path, file)
    except OSError as error:
        raise InputError(f"{option}: cannot read '{path}': {error.strerror}") from None


def parse_json_file(option: str, file: IO[str] | None) -> dict[str, Any] | None:
    """Read a JSON object from a file that the command line has opened, if it has.

    Raises:
        InputError: It holds something else.
    """
    return None if file is None else _parse_object(option, file.name, file)


def _parse_object(option: str, name: str, file: IO[str]) -> dict[str, Any]:
    text = ""
    try:
        text = file.read()
        value = json.loads(text)
    except json.JSONDecodeError as error:
        if not text.strip():
            raise InputError(f"{option}: '{name}' is empty") from None
        raise InputError(f"{option}: '{name}' is not JSON (line {error.lineno})") from None
    except UnicodeDecodeError:
        raise InputError(f"{option}: '{name}' is not UTF-8 text") from None
    if not isinstance(value, dict):
        raise InputError(f"{option}: '{name}' does not hold a JSON object")
    return value
