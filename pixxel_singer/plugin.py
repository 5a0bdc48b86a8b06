"""Base class of every plugin: settings, one-line errors, redaction and signals."""

from __future__ import annotations

import dataclasses
import json
import logging
import os
from abc import abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TextIO

from dotenv import dotenv_values
from singer_sdk.cli import plugin_cli
from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.plugin_base import PluginBase, _ConfigInput

from pixxel_singer import DISTRIBUTION
from pixxel_singer.cli import PluginCommand, format_help_end
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
    from singer_sdk.about import AboutInfo

_DOTENV_FILE = ".env"


def filter_sdk_env_warning(record: logging.LogRecord) -> bool:
    """Drop the SDK's warnings on environment variables, as we read the settings before it does."""
    return "env var for settings" not in str(record.msg) and "env var settings" not in str(
        record.msg
    )


class PixxelPlugin(PluginBase):
    """Base class of the Singer plugins of this distribution; precedes the SDK's class."""

    package_name = DISTRIBUTION
    purpose: ClassVar[str]
    """What the command does, for `--help` and `--about`."""
    example: ClassVar[str]
    """A command line that runs in a shell of the sandbox, for `--help`."""
    expected_errors: ClassVar[tuple[type[Exception], ...]] = ()
    """Errors that end a run with their text as one line, without a traceback."""
    # Logs and signal handlers belong to the process, so all plugins share these two. An instance
    # that does not own its process may have a flag of its own.
    stop: StopFlag = StopFlag()
    _redactor: ClassVar[Redactor] = Redactor()

    def __init__(
        self,
        *,
        config: Mapping[str, Any] | None = None,
        parse_env_config: bool = False,
        validate_config: bool = True,
        **kwargs: Any,
    ) -> None:
        settings = dict(config or {})
        self.logger.addFilter(filter_sdk_env_warning)
        if parse_env_config:
            settings |= self._select_settings({**read_dotenv_file(), **os.environ})
            self._warn_about_unknown_variables()
        self._register_setting_secrets(settings)
        schema = self._settings_schema()
        super().__init__(
            config=add_defaults(schema, coerce_types(schema, settings)),
            validate_config=validate_config,
            **kwargs,
        )
        # The SDK sets INFO here, regardless of the root logger's level.
        self.metrics_logger.setLevel(logging.NOTSET)

    @abstractmethod
    def find_setting_problems(self) -> list[str]:
        """Return a line for each error of the settings that their schema does not detect."""

    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        if not raise_errors:  # discovery needs no settings
            return []
        schema = self._settings_schema()
        for name in unknown_settings(schema, self._config):
            self.logger.warning("ignoring the unknown setting '%s'; see --about", name)
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
        """Warn about variables with our prefix that are not settings, except Meltano's (_)."""
        prefix = self._env_var_prefix
        known = {env_name(prefix, name) for name in self._settings_schema()["properties"]}
        known.add(f"{prefix}LOGLEVEL")
        for name in sorted(os.environ):
            if name.startswith(prefix) and name not in known and name[len(prefix)] != "_":
                self.logger.warning(
                    "ignoring %s in the environment: not a setting; see --about", name
                )

    @classmethod
    def _select_settings(cls, environment: Mapping[str, str | None]) -> dict[str, str]:
        return read_environment(cls._settings_schema(), cls._env_var_prefix, environment)

    @classmethod
    def _register_setting_secrets(cls, settings: Mapping[str, Any]) -> None:
        cls._redactor.add(find_secrets(cls._settings_schema(), settings))

    @classmethod
    def register_secrets(cls, secrets: Iterable[object]) -> None:
        """Redact these texts in every log from now on."""
        cls._redactor.add(secrets)

    @classmethod
    def _get_about_info(cls) -> AboutInfo:
        """Return what `--about` prints, with the purpose instead of the docstring of the class."""
        return dataclasses.replace(super()._get_about_info(), description=cls.purpose)

    @classmethod
    def get_singer_command(cls) -> click.Command:
        """Return the SDK's command with our error handling."""
        command = super().get_singer_command()
        return PluginCommand(
            name=command.name,
            callback=command.callback,
            params=command.params,
            help=cls.purpose,
            epilog=format_help_end(cls.name, cls.example),
            context_settings=command.context_settings,
            logger=cls.logger,
            expected=cls.expected_errors,
        )

    @classmethod
    def cb_config(
        cls, ctx: click.Context, param: click.Option, value: tuple[str, ...]
    ) -> _ConfigInput:
        """Read the files of `--config`; later files take precedence, `ENV` is the environment."""
        del ctx, param
        config: dict[str, Any] = {}
        for path in value:
            if path != "ENV":
                config |= read_json_file("--config", path)
        cls._register_setting_secrets(config)
        return _ConfigInput(config=config, parse_env="ENV" in value)

    @classmethod
    def set_up_process(cls) -> None:
        """Set up signals, memory, logs and redaction of a process."""
        cls.stop.install_handlers()
        return_large_buffers()
        set_up_logging(cls._env_var_prefix)
        cls._register_setting_secrets(cls._select_settings(os.environ))
        redact_logs(cls._redactor)

    @plugin_cli
    def cli(cls) -> click.Command:  # noqa: N805 - the decorator passes the class
        """Set up the process, and return the command."""
        cls.set_up_process()
        return cls.get_singer_command()


def read_dotenv_file() -> dict[str, str | None]:
    """Read the variables in the file `.env` of the working directory; {} if there is none.

    Raises:
        InputError: The file cannot be read, or is not UTF-8 text.
    """
    try:
        return dotenv_values(_DOTENV_FILE, encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"'{_DOTENV_FILE}' in the working directory is not UTF-8 text") from None
    except OSError as error:
        raise InputError(
            f"cannot read '{_DOTENV_FILE}' in the working directory: {error.strerror}"
        ) from None


def read_json_file(option: str, path: str) -> dict[str, Any]:
    """Read a JSON object from a file named on the command line.

    Raises:
        InputError: The file cannot be read, or is not a JSON object.
    """
    if path.lstrip().startswith("{"):
        raise InputError(f"{option} takes the path of a JSON file, not JSON itself")
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"{option}: cannot read '{path}': {error.strerror}") from None
    return _parse_object(option, path, content)


def parse_json_file(option: str, file: TextIO | None) -> dict[str, Any] | None:
    """Read a JSON object from a file opened by the command line; None if no file was given.

    Raises:
        InputError: The file cannot be read, or is not a JSON object.
    """
    if file is None:
        return None
    name = file.name if isinstance(file.name, str) else "<stdin>"
    try:
        content = file.buffer.read()
    except OSError as error:
        raise InputError(f"{option}: cannot read '{name}': {error.strerror}") from None
    return _parse_object(option, name, content)


def _parse_object(option: str, name: str, content: bytes) -> dict[str, Any]:
    """Parse a JSON object in UTF-8, or in the encoding that a byte order mark states."""
    try:
        value = json.loads(content)
    except json.JSONDecodeError as error:
        if not error.doc.strip():
            raise InputError(f"{option}: '{name}' is empty") from None
        raise InputError(f"{option}: '{name}' is not JSON (line {error.lineno})") from None
    except UnicodeDecodeError:
        raise InputError(f"{option}: '{name}' is not UTF-8 text") from None
    except (RecursionError, ValueError):  # deep nesting, an integer of thousands of digits
        raise InputError(
            f"{option}: '{name}' is nested too deeply or has too long a number"
        ) from None
    if not isinstance(value, dict):
        raise InputError(f"{option}: '{name}' is not a JSON object")
    return value
