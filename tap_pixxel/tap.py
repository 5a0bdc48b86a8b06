"""tap-pixxel: its settings, its streams, and the client that they share."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, TextIO, cast

import click
from singer_sdk import metrics
from singer_sdk.exceptions import MappingError
from singer_sdk.helpers.capabilities import PluginCapabilities, TapCapabilities
from singer_sdk.tap_base import CliTestOptionValue, Tap

from pixxel_api.client import Client
from pixxel_api.errors import PixxelError
from pixxel_api.pagination.concurrency import run_interruptibly
from pixxel_singer import distribution_version
from pixxel_singer.errors import InputError, OutputClosedError
from pixxel_singer.exit_codes import ExitCode
from pixxel_singer.log_setup import is_interactive
from pixxel_singer.message_reader import INCOMPLETE, UNREAD
from pixxel_singer.message_writer import StoppableMessageWriter
from pixxel_singer.plugin import PixxelPlugin, parse_json_file
from pixxel_singer.progress import StreamProgress
from tap_pixxel.bookmarks import check_state
from tap_pixxel.catalog import apply_catalog_rules
from tap_pixxel.http_metrics import HttpMetrics
from tap_pixxel.settings import SCHEMA, TapSettings, find_setting_problems, read_settings
from tap_pixxel.stream_types.base import PixxelStream
from tap_pixxel.stream_types.failures import StreamFailures
from tap_pixxel.streams import STREAMS

if TYPE_CHECKING:
    import logging

    from singer_sdk.plugin_base import _ConfigInput
    from singer_sdk.streams import Stream

    from pixxel_api.rate_limit import SharedPause
    from pixxel_singer.signals import StopFlag
    from tap_pixxel.stream_types.sdk_stream import StreamT

PING_PATH = "/ping"


def filter_sync_duration(record: logging.LogRecord) -> bool:
    """Drop the SDK's line that a sync failed, where `--test` has ended it after one record."""
    points = record.args if isinstance(record.args, tuple) else ()
    return not any(
        isinstance(each, metrics.Point) and each.metric is metrics.Metric.SYNC_DURATION
        for each in points
    )


class TapPixxel(PixxelPlugin, Tap):
    """Singer tap for the Pixxel API: hyperspectral archive, catalogs, orders and deliveries.

    Args:
        stop: A flag for this tap alone; by default the one that signals set.
        shared_pause: A pause after a 429 that other clients observe and begin, too.
        kwargs: As for the SDK's `Tap`.
    """

    name = "tap-pixxel"
    purpose = (
        "Read a Pixxel workspace as Singer streams: the archive, owned images, orders, deliveries, "
        "areas of interest and analyses."
    )
    example = "tap-pixxel --config=ENV > pixxel.singer"
    config_jsonschema: ClassVar[dict[str, Any]] = SCHEMA
    # No BATCH: its files would bypass the deselection of columns.
    capabilities: ClassVar[list[Any]] = [
        TapCapabilities.CATALOG,
        TapCapabilities.STATE,
        TapCapabilities.DISCOVER,
        PluginCapabilities.ABOUT,
        PluginCapabilities.ACTIVATE_VERSION,
        PluginCapabilities.STREAM_MAPS,
        PluginCapabilities.FLATTENING,
        PluginCapabilities.STRUCTURED_LOGGING,
    ]
    expected_errors = (PixxelError,)

    def __init__(
        self,
        *,
        stop: StopFlag | None = None,
        shared_pause: SharedPause | None = None,
        **kwargs: Any,
    ) -> None:
        if stop is not None:
            self.stop = stop
        self._shared_pause = shared_pause
        self.failures = StreamFailures()
        self.progress = StreamProgress()
        self.http_metrics = HttpMetrics()
        kwargs.setdefault("message_writer", StoppableMessageWriter())
        super().__init__(**kwargs)
        if isinstance(self.message_writer, StoppableMessageWriter):
            self.message_writer.check = self.stop.check

    @cached_property
    def settings(self) -> TapSettings:
        """The parsed settings."""
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
            request_timeout=settings.request_timeout,
            requests_per_second=settings.requests_per_second,
            shared_pause=self._shared_pause,
            check=self.stop.check,
            on_request=self.http_metrics.record,
        )

    def find_setting_problems(self) -> list[str]:
        """Return a line for each problem of the settings that their schema does not cover."""
        return find_setting_problems(self._config)

    def get_stream(self, stream_class: type[StreamT]) -> StreamT:
        """Return the stream of a class."""
        return next(each for each in self.streams.values() if isinstance(each, stream_class))

    def _pixxel_streams(self) -> list[PixxelStream]:
        return [each for each in self.streams.values() if isinstance(each, PixxelStream)]

    def setup_mapper(self) -> None:
        """Set up the stream maps, after the streams have checked the catalog and its keys.

        Raises:
            InputError: A stream map is not valid.
        """
        _ = self.streams
        try:
            super().setup_mapper()
        except (MappingError, NotImplementedError, TypeError) as error:
            raise InputError(f"Setting 'stream_maps' is not valid: {error}") from None

    def discover_streams(self) -> list[Stream]:
        """Return one stream of each class; sends no request."""
        return [stream_class(self, self) for stream_class in STREAMS]

    def load_state(self, state: dict[str, Any]) -> None:
        """Check a state and start from it.

        Raises:
            InputError: This tap does not write such a state.
        """
        check_state(state)
        super().load_state(state)

    def run(self) -> ExitCode:
        """Sync what the catalog selects.

        Returns:
            INCOMPLETE when a selected stream could not be read, else OK.

        Raises:
            InputError: A selected stream lacks a setting.
            PixxelError: The API cannot be read; the final STATE is written.
            StopRequested: A signal was received; the final STATE is written.
        """
        # Parents before their children, which are skipped if a parent fails.
        streams = sorted(self._pixxel_streams(), key=lambda each: len(each.endpoint_paths()))
        self._streams = {each.name: each for each in streams}
        selected = [each for each in streams if each.selected]
        if lines := [
            f"stream {each.name} {line}; or deselect it"
            for each in selected
            for line in each.missing_settings()
        ]:
            raise InputError(*lines)
        if not selected:
            self.logger.warning("no stream is selected, so nothing is read; see --catalog")
        # Each stream leaves this list when it has been read, so that no STATE of a run that dies
        # in between looks like one of a complete run.
        state = cast("dict[str, Any]", self.state)
        if selected:
            state[UNREAD] = sorted(each.name for each in selected)
        try:
            with self.progress, self.http_metrics:
                self.sync_all()
        except OutputClosedError:
            raise
        except BaseException:
            if unread := state.pop(UNREAD, ()):
                state[INCOMPLETE] = sorted({*state.get(INCOMPLETE, ()), *unread})
            self.write_final_state()
            raise
        finally:
            self.client.close()
        return self.exit_code()

    def test(self) -> ExitCode:
        """Read one record of each stream, and report which streams can be read.

        Returns:
            INCOMPLETE when a stream that is selected by default cannot be read, else OK.

        Raises:
            PixxelError: The API cannot be reached, or the token is unknown.
        """
        streams = self._pixxel_streams()
        testable = [each for each in streams if not each.missing_settings()]
        self.metrics_logger.addFilter(filter_sync_duration)
        try:
            self.ping()
            self.run_sync_dry_run(streams=testable)
        finally:
            self.metrics_logger.removeFilter(filter_sync_duration)
            self.client.close()
        for each in streams:
            for line in each.missing_settings():
                self._log_result(f"{each.name}: not tested, it {line}")
        readable = [each.name for each in testable if each.name not in self.failures]
        self._log_result(
            f"{len(readable)} of {len(streams)} streams can be read: {', '.join(readable)}"
        )
        for each in testable:
            if not each.selected_by_default:
                self.failures.discard(each.name)  # logged above; most users do not need it
        return self.exit_code()

    def _log_result(self, text: str) -> None:
        """Log a result, and print it on a terminal, where the log shows warnings only."""
        self.logger.info("%s", text)
        if is_interactive():
            click.echo(text, err=True)

    def ping(self) -> None:
        """Check that the API responds.

        Raises:
            ApiError: It does not.
        """
        run_interruptibly(lambda: self.client.get_text(PING_PATH), self.stop.check)

    def write_final_state(self) -> None:
        """Write STATE before the process exits."""
        writer = self.message_writer
        if isinstance(writer, StoppableMessageWriter) and not writer.write_last_state(self.state):
            self.logger.warning(
                "output pipe full: final STATE not written; the previous STATE stays valid"
            )

    def exit_code(self) -> ExitCode:
        """Return the exit code, and log which streams failed, and why."""
        if not self.failures:
            return ExitCode.OK
        self.logger.error("failed streams, whose bookmarks did not move: %s", self.failures)
        return ExitCode.INCOMPLETE

    @classmethod
    def invoke(  # type: ignore[override]  # the SDK's own override differs from its base, too
        cls,
        *,
        about: bool = False,
        about_format: str | None = None,
        config: _ConfigInput,
        state: TextIO | None = None,
        catalog: TextIO | None = None,
    ) -> ExitCode:
        """Run a sync from the command line, or print `--about`."""
        if about:
            cls.print_about(about_format)
            return ExitCode.OK
        cls.print_version(print_fn=cls.logger.info)
        selection = parse_json_file("--catalog", catalog)
        if selection is not None:
            keys = {each.__dict__["name"]: each.replication_key for each in STREAMS}
            apply_catalog_rules(selection, keys)
        tap = cls(
            config=config.config,
            state=parse_json_file("--state", state),
            catalog=selection,
            parse_env_config=config.parse_env,
        )
        return tap.run()

    @classmethod
    def cb_test(cls, ctx: click.Context, param: click.Option, value: str) -> None:
        """Run `--test`: read one record of each stream; `--test=schema` writes only schemas.

        Raises:
            InputError: The option has another value, such as the name of a stream.
        """
        del param
        if value == CliTestOptionValue.Disabled.value:
            return
        if value not in {each.value for each in CliTestOptionValue}:
            raise InputError(
                "--test: takes no name of a stream; --test reads one record of each stream, "
                "--test=schema writes the schemas"
            )
        config: _ConfigInput = ctx.params["config"]
        tap = cls(config=config.config, parse_env_config=config.parse_env)
        if value == CliTestOptionValue.Schema.value:
            tap.write_schemas()
            ctx.exit(ExitCode.OK)
        ctx.exit(tap.test())
