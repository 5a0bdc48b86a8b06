"""target-pixxel-store: settings, routing of records to one run, the order of work, STATE."""

from __future__ import annotations

from copy import deepcopy
from typing import IO, TYPE_CHECKING, Any, ClassVar

import click
from jsonschema.exceptions import SchemaError
from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.helpers.capabilities import PluginCapabilities
from singer_sdk.typing import DEFAULT_JSONSCHEMA_VALIDATOR

from pixxel_api.errors import PixxelError
from pixxel_singer import distribution_version
from pixxel_singer.errors import InputError, OutputClosedError
from pixxel_singer.exit_codes import ExitCode
from pixxel_singer.log_setup import is_interactive
from pixxel_singer.signals import StopRequested
from target_pixxel_store.context import RunContext
from target_pixxel_store.deliveries.monitor import DeliveryProblems
from target_pixxel_store.errors import (
    CircuitOpenError,
    DiskError,
    JournalError,
    OutcomeFileError,
    RecordError,
    RunAborted,
    UnexpectedDeliveryError,
    WorkspaceMismatchError,
)
from target_pixxel_store.outcomes import Outcome, OutcomeKind
from target_pixxel_store.settings import missing_since_error, problems
from target_pixxel_store.settings_schema import FINISHED, SCHEMA
from target_pixxel_store.sinks import SINKS_BY_STREAM, TAP_STREAMS, IgnoredSink
from target_pixxel_store.workspace_check import read_workspaces

if TYPE_CHECKING:
    from collections.abc import Callable

    from singer_sdk.mapper import StreamMap
    from singer_sdk.sinks import Sink

    from target_pixxel_store.outcomes.checkpoints import InflightRecord

DECLARED_STORES = "stores (setting)"
"""What stands for a stream where a store of the settings is accounted for."""
IGNORED_HINTS = {
    "deliveries": "it is the history that the API keeps; send delivery_requests to deliver",
    "aois": "it is what the API lists; send aoi_requests to have areas made",
    "catalogs": "set 'deliver_to' to deliver them, or 'download_to' to download them",
    "order_items": "set 'deliver_to' to deliver their catalogs, or 'download_to' to download them",
}
DEFAULT_HINT = (
    "send stores, delivery_requests, download_requests or aoi_requests, by a stream map with "
    "__alias__ if need be"
)


class TargetPixxelStore(RunContext):
    """Singer target for Pixxel: makes stores, has catalogs delivered to them, or downloads them."""

    name = "target-pixxel-store"
    config_jsonschema: ClassVar[dict[str, Any]] = SCHEMA
    capabilities: ClassVar[list[Any]] = [
        PluginCapabilities.ABOUT,
        PluginCapabilities.STREAM_MAPS,
        PluginCapabilities.STRUCTURED_LOGGING,
    ]
    default_sink_class = IgnoredSink
    expected_errors = (
        PixxelError,
        OutcomeFileError,
        JournalError,
        UnexpectedDeliveryError,
        DiskError,
        CircuitOpenError,
        WorkspaceMismatchError,
    )

    def __init__(self, **kwargs: Any) -> None:
        self._message: dict[str, Any] = {}
        self._started = False
        super().__init__(**kwargs)
        self._earlier_problems = DeliveryProblems()
        self._wait_problems: DeliveryProblems | None = None
        self._workspace_ids: set[str] = set()

    def find_setting_problems(self) -> list[str]:
        """Say what is wrong with the settings beyond their schema."""
        return problems(self._config)

    # The order of work

    def run(self, file_input: IO[str] | None = None) -> ExitCode:
        """Read all messages and do what they ask for.

        Returns:
            INCOMPLETE when records failed and the run went on, when there were too many
            deliveries, or when some that were waited for went wrong; FAILED when a record failed
            and ended the run; else OK.

        Raises:
            InputError: The input is not Singer, or a file cannot be written; STATE of what came
                before is written.
            ConfigValidationError: A stream came first for which a setting is missing; nothing was
                asked or written.
            PixxelError: The API does not answer as it should; STATE of what is done is written.
            WrongPlaceError: The API, the token or a record is of another place.
            Stopped: A signal came; STATE of what is done is written.
        """
        with self._resources:
            try:
                status, why = self._process_input(file_input)
            except BaseException as error:
                # Before anything was begun only the input, or a signal, is worth a summary.
                if self._started or isinstance(error, InputError | StopRequested):
                    self._finalize(_exit_status_of(error), str(error) or type(error).__name__)
                raise
            self._finalize(status, why)
        return ExitCode(status)

    def _process_input(self, file_input: IO[str] | None) -> tuple[int, str]:
        """Do all of it; give the exit status, and why the run ended early."""
        try:
            try:
                self.listen(file_input)
            except InputError:
                self._finish(self.deliveries.flush)  # what came before it was whole
                raise
        except RunAborted as halt:
            self.logger.error("%s", halt)  # noqa: TRY400 - one line
            return halt.status, str(halt)
        finally:
            if self._started and self.downloads:
                self.downloads.close()
        failed = self.outcome_files.failure_count or (
            self._wait_problems is not None and bool(self._wait_problems)
        )
        return (ExitCode.INCOMPLETE if failed else ExitCode.OK), ""

    def _start(self) -> None:
        """Look at the workspace and at earlier deliveries, and ensure the declared stores, once."""
        if self._started:
            return
        # What cannot be used is told first.
        _ = self.outcome_files, self.journal, self.downloads
        self._started = True
        settings = self.settings
        memory = self.journal.state
        found = read_workspaces(self.api, settings.workspace, memory.workspace_ids)
        self._workspace_ids = found
        self.journal.record_run(self.run_id, found)
        self._earlier_problems = self.monitor.check_earlier_runs()
        self._earlier_problems.log(self.logger, "of an earlier run")
        for wish in settings.stores:
            taken = self.checkpoints.add_record(DECLARED_STORES, {"name": wish.name}, {})
            try:
                outcome = self.stores.ensure(wish)
            except RecordError as error:
                why = f"store '{wish.name}': {error}"
                self.outcome_files.write_outcome(taken, Outcome(OutcomeKind.FAILED, str(error)))
                raise RunAborted(ExitCode.FAILED, why) from None
            self.deliveries.store(taken, lambda made=outcome: made)  # type: ignore[misc]  # bound now

    def process_endofpipe(self) -> None:
        """Act on all that is left, then wait where that is wanted."""
        self._start()
        self._finish(self.deliveries.finish)
        self._emit_state()
        settings = self.settings
        if settings.wait == FINISHED and not settings.dry_run:
            self._wait_problems = self.monitor.wait_for(
                self.deliveries.unfinished_ids, settings.wait_timeout
            )
            self._wait_problems.log(self.logger, "of this run")

    def _finish(self, send_deliveries: Callable[[], None]) -> None:
        """Ask for the deliveries that are left, then wait for the downloads."""
        send_deliveries()
        if self.downloads:
            self.downloads.finish()

    def _poll(self) -> None:
        """Do what is due, and account for what is done."""
        if self._started:
            self.deliveries.poll()
            if self.downloads:
                self.downloads.poll()
        self._emit_state()

    def _finalize(self, status: int, reason: str) -> None:
        """Write the last STATE, and tell what became of the run."""
        try:
            self._emit_state()
        finally:
            self._write_summary(status, reason)

    def _write_summary(self, status: int, reason: str) -> None:
        settings = self.settings
        if settings.dry_run:
            from target_pixxel_store.outcomes.dry_run_table import print_dry_run_table  # noqa: PLC0415 - rich loads long

            print_dry_run_table(self.recorder.dry_run_rows)
        if self.deliveries.unlisted_count:
            self.logger.warning(
                "%d deliveries are known by the journal alone, and the API does not list them: its "
                "list is late or cut, or the journal is of other data",
                self.deliveries.unlisted_count,
            )
        summary = self.outcome_files.write_summary(
            version=distribution_version(),
            workspaces=sorted(self._workspace_ids),
            environment=settings.environment,
            dry_run=settings.dry_run,
            status=int(status),
            ended_because=reason or None,
            deliveries=self.recorder.delivery_count,
            downloads=self.recorder.download_count,
            late=self._earlier_problems.to_dict(),
            waited=None if self._wait_problems is None else self._wait_problems.to_dict(),
        )
        self.logger.info("summary: %s", summary)
        if is_interactive():  # who is shown warnings only
            click.echo(f"outcomes: {summary['outcomes']}, ignored: {summary['ignored']}", err=True)

    def ignore_record(self, stream: str) -> None:
        """Count a record that nothing is done with; tell once what to send instead."""
        if not self.outcome_files.ignored_counts[stream]:
            self.logger.warning(
                "%s is ignored; %s", stream, IGNORED_HINTS.get(stream, DEFAULT_HINT)
            )
        self.outcome_files.ignored_counts[stream] += 1

    # Messages

    def add_record(self, key: dict[str, str | int]) -> InflightRecord:
        """Take the record in hand in."""
        stream = str(self._message["stream"])
        return self.checkpoints.add_record(stream, key, self._message["record"])

    def get_sink_class(self, stream_name: str) -> type[Sink]:
        """Give the sink for a stream of that name, after the stream maps."""
        settings = self.settings
        if stream_name in TAP_STREAMS and settings.deliver_to is None:
            if settings.download_to is None:
                return IgnoredSink
            if self.config.get("deliver_since") is None:
                lack = missing_since_error("download_to", "downloaded")
                if self._started:
                    raise InputError(lack)
                raise ConfigValidationError("bad settings", errors=[lack], schema=SCHEMA)
        return SINKS_BY_STREAM.get(stream_name, IgnoredSink)

    def _process_record_message(self, message_dict: dict[str, Any]) -> None:
        stream, record = self.parse_record_message(message_dict)
        self._message = message_dict
        try:
            for stream_map in self.mapper.stream_maps[stream]:
                self._dispatch(stream_map, dict(record))
        except RecursionError:
            raise self._reader.input_error("is nested too deep") from None
        self._emit_state()

    def _dispatch(self, stream_map: StreamMap, record: dict[str, Any]) -> None:
        """Hand a record to its sink; what a stream map filters out is counted."""
        try:
            mapped = stream_map.transform(record)
        except Exception as error:  # noqa: BLE001 - the user's expression may raise anything
            self._start()
            why = f"the stream map fails on it ({type(error).__name__})"
            self.deliveries.fail_record(self.add_record({}), why)
            return
        if mapped is None:
            self.outcome_files.ignored_counts[str(self._message["stream"])] += 1
        else:
            self.get_sink(stream_map.stream_alias).process_record(mapped, {})

    def _process_schema_message(self, message_dict: dict[str, Any]) -> None:
        try:
            DEFAULT_JSONSCHEMA_VALIDATOR.check_schema(message_dict.get("schema") or {})
        except (SchemaError, RecursionError):
            raise self._reader.input_error("is a SCHEMA that is no JSON Schema") from None
        # The SDK adds fields of its own to the schema that it is given.
        self._schemas[str(message_dict.get("stream"))] = deepcopy(message_dict)
        super()._process_schema_message(message_dict)
        # Which streams come decides which settings they need: before, nothing is asked or written.
        maps = self.mapper.stream_maps[message_dict["stream"]]
        if any(self.get_sink_class(each.stream_alias) is not IgnoredSink for each in maps):
            self._start()

    def _process_state_message(self, message_dict: dict[str, Any]) -> None:
        value = message_dict.get("value")
        if not isinstance(value, dict):
            raise self._reader.input_error("is a STATE without a value")
        self.checkpoints.add_state(value)
        self._poll()

    def on_between_messages(self) -> None:
        """Look for a signal, and for a batch that has waited long enough, between messages."""
        super().on_between_messages()
        self._poll()

    def _emit_state(self) -> None:
        """Write the last STATE that is due; the records before it are on disk first."""
        state = self.checkpoints.next_state()
        if state is not None and not self.settings.dry_run:
            if self._started:
                self.outcome_files.sync()
            try:
                self._write_state_message(state)
            except OSError:
                raise OutputClosedError from None


def _exit_status_of(error: BaseException) -> int:
    """Tell the exit status that an error leads to."""
    if isinstance(error, StopRequested):
        return error.status
    return ExitCode.BAD_INPUT if isinstance(error, InputError) else ExitCode.FAILED
