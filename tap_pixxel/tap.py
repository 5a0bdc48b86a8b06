"""tap-pixxel: settings, the list of streams, one client for all of them."""

from __future__ import annotations

from functools import cached_property
from typing import IO, TYPE_CHECKING, Any, ClassVar

import click
from singer_sdk import metrics
from singer_sdk.helpers.capabilities import PluginCapabilities, TapCapabilities
from singer_sdk.tap_base import Tap

from pixxel_api.client import Client
from pixxel_api.errors import PixxelError
from pixxel_api.pagination.concurrency import run_interruptibly
from pixxel_singer import distribution_version
from pixxel_singer.errors import InputError
from pixxel_singer.exit_codes import ExitCode
from pixxel_singer.log_setup import is_interactive
from pixxel_singer.message_writer import StoppableMessageWriter
from pixxel_singer.plugin import PixxelPlugin, parse_json_file
from pixxel_singer.progress import StreamProgress
from pixxel_singer.signals import StopRequested
from tap_pixxel.base import PixxelStream
from tap_pixxel.bookmarks import check_state
from tap_pixxel.http_metrics import HttpMetrics
from tap_pixxel.settings import SCHEMA, Settings, problems, read_settings
from tap_pixxel.streams import STREAMS

if TYPE_CHECKING:
    import logging

    from singer_sdk.plugin_base import _ConfigInput
    from singer_sdk.streams import Stream

PING = "/ping"


def check_catalog(catalog: dict[str, Any]) -> None:
    """Check that a catalog has the form that `--discover` prints.

    Raises:
        InputError: It has not.
    """
    streams = catalog.get("streams")
    if not isinstance(streams, list):
        raise InputError("--catalog: has no list 'streams'; begin with the output of --discover")
    for entry in streams:
        match entry:
            case {"tap_stream_id": str(), "schema": {"properties": dict()}, "metadata": list()}:
                continue
            case _:
                raise InputError(
                    "--catalog: a stream lacks tap_stream_id, schema or metadata; begin with the "
                    "output of --discover"
                )


def _no_time_of_a_sync(record: logging.LogRecord) -> bool:
    """Drop what the SDK says of a sync that `--test` ends at one record: that it has failed."""
    points = record.args if isinstance(record.args, tuple) else ()
    return not any(
        isinstance(each, metrics.Point) and each.metric is metrics.Metric.SYNC_DURATION
        for each in points
    )


class TapPixxel(PixxelPlugin, Tap):
    """Singer tap for the Pixxel API: hyperspectral archive, catalogs, orders and deliveries."""

    name = "tap-pixxel"
    config_jsonschema: ClassVar[dict[str, Any]] = SCHEMA
    # No BATCH: its files would bypass the deselection of columns.
    capabilities: ClassVar[list[Any]] = [
        TapCapabilities.CATALOG,
        TapCapabilities.STATE,
        TapCapabilities.DISCOVER,
        TapCapabilities.ACTIVATE_VERSION,
        PluginCapabilities.ABOUT,
        PluginCapabilities.STREAM_MAPS,
        PluginCapabilities.FLATTENING,
        PluginCapabilities.STRUCTURED_LOGGING,
    ]
    expected_errors = (PixxelError,)

    def __init__(self, **kwargs: Any) -> None:
        self.unreadable: dict[str, str] = {}
        """The streams that the token may not read, with the API's error."""
        self.progress = StreamProgress()
        self.http_metrics = HttpMetrics()
        kwargs.setdefault("message_writer", StoppableMessageWriter())
        super().__init__(**kwargs)
        if isinstance(self.message_writer, StoppableMessageWriter):
            self.message_writer.check = self.stop.check

    @cached_property
    def settings(self) -> Settings:
        """The settings, read and checked."""
        return read_settings(self.config)

    @cached_property
    def client(self) -> Client:
        """The client that all streams share."""
        settings = self.settings
        return Client(
            settings.token,
            url=settings.url,
            user_agent=settings.user_agent or f"tap-pixxel/{distribution_version()}",
            connections=settings.concurrency,
            read_timeout=settings.request_timeout,
            requests_per_second=settings.requests_per_second,
            check=self.stop.check,
            on_request=self.http_metrics.count,
        )

    def find_setting_problems(self) -> list[str]:
        """Say what is wrong with the settings beyond their schema."""
        return problems(self._config)

    def stream(self, kind: type[PixxelStream]) -> PixxelStream:
        """Give the stream of a kind."""
        return next(each for each in self._pixxel_streams() if isinstance(each, kind))

    def _pixxel_streams(self) -> list[PixxelStream]:
        return [each for each in self.streams.values() if isinstance(each, PixxelStream)]

    def discover_streams(self) -> list[Stream]:
        """Give one of each stream; asks nothing of the API."""
        return [stream(self) for stream in STREAMS]

    def load_state(self, state: dict[str, Any]) -> None:
        """Take up a state.

        Raises:
            InputError: It is no state of this tap.
        """
        check_state(state)
        super().load_state(state)

    def run(self) -> ExitCode:
        """Sync what the catalog selects.

        Returns:
            INCOMPLETE when the token may not read a selected stream, else OK.

        Raises:
            InputError: A selected stream lacks a setting.
            PixxelError: A stream could not be read; STATE of those before it is written.
            Stopped: A signal came; the last STATE is written.
        """
        selected = [each for each in self._pixxel_streams() if each.selected]
        if lines := [
            f"stream {each.name} {need}; or deselect it"
            for each in selected
            for need in each.needs()
        ]:
            raise InputError(*lines)
        if not selected:
            self.logger.warning("no stream is selected, so nothing is read; see --catalog")
        try:
            with self.progress, self.http_metrics:
                self.sync_all()
        except StopRequested:
            self.write_last_state()
            raise
        finally:
            self.client.close()
        return self.status()

    def test(self) -> ExitCode:
        """Read one record of each stream, and say which the token may read.

        Returns:
            INCOMPLETE when it may not read a stream that is selected by default, else OK.

        Raises:
            PixxelError: There is no API, the token is unknown, or a stream cannot be read.
        """
        streams = self._pixxel_streams()
        able = [each for each in streams if not each.needs()]
        self.metrics_logger.addFilter(_no_time_of_a_sync)
        try:
            run_interruptibly(lambda: self.client.get_text(PING), self.stop.check)
            self.run_sync_dry_run(streams=able)
        finally:
            self.metrics_logger.removeFilter(_no_time_of_a_sync)
            self.client.close()
        for each in streams:
            for need in each.needs():
                self._say(f"{each.name}: not tried, it {need}")
        readable = [each.name for each in able if each.name not in self.unreadable]
        told = f"{len(readable)} of {len(able)} streams can be read: {', '.join(readable)}"
        self._say(told)
        for each in able:
            if each.name in self.unreadable and not each.selected_by_default:
                del self.unreadable[each.name]  # told above; most users do without it
        return self.status()

    def _say(self, text: str) -> None:
        """Log what was asked for; a person, who is shown warnings only, is told it too."""
        self.logger.info("%s", text)
        if is_interactive():
            click.echo(text, err=True)

    def write_last_state(self) -> None:
        """Write STATE on the way out."""
        if isinstance(
            self.message_writer, StoppableMessageWriter
        ) and not self.message_writer.write_last_state(self.state):
            self.logger.warning("the reader made no room for a last STATE; the one before holds")

    def status(self) -> ExitCode:
        """Give the exit status, telling which streams were left out."""
        if not self.unreadable:
            return ExitCode.OK
        self.logger.error(
            "left out, because the token may not read them: %s; deselect them or ask for the role",
            ", ".join(sorted(self.unreadable)),
        )
        return ExitCode.INCOMPLETE

    @classmethod
    def invoke(  # type: ignore[override]  # the SDK's own override differs from its base, too
        cls,
        *,
        about: bool = False,
        about_format: str | None = None,
        config: _ConfigInput,
        state: IO[str] | None = None,
        catalog: IO[str] | None = None,
    ) -> ExitCode:
        """Run the command line's sync, or print what `--about` asks for."""
        if about:
            cls.print_about(about_format)
            return ExitCode.OK
        cls.print_version(print_fn=cls.logger.info)
        selection = parse_json_file("--catalog", catalog)
        if selection is not None:
            check_catalog(selection)
        tap = cls(
            config=config.config,
            state=parse_json_file("--state", state),
            catalog=selection,
            parse_env_config=config.parse_env,
        )
        return tap.run()

    @classmethod
    def cb_test(cls, ctx: click.Context, param: click.Option, value: str) -> None:
        """Run `--test`: one record of each stream, or with `--test=schema` the schemas only."""
        del param
        if value == "disabled":
            return
        config: _ConfigInput = ctx.params["config"]
        tap = cls(config=config.config, parse_env_config=config.parse_env)
        if value == "schema":
            tap.write_schemas()
            ctx.exit(ExitCode.OK)
        ctx.exit(tap.test())
