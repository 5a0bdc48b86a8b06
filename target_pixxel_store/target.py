"""target-pixxel-store: dispatches records to sinks, orders the work of a run, and emits STATE."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import asdict
from typing import IO, TYPE_CHECKING, Any, ClassVar

import click
import jsonschema_rs
from jsonschema.exceptions import SchemaError
from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.helpers.capabilities import PluginCapabilities
from singer_sdk.mapper import RemoveRecordTransform
from singer_sdk.typing import DEFAULT_JSONSCHEMA_VALIDATOR

from pixxel_api.errors import PixxelError
from pixxel_singer import distribution_version
from pixxel_singer.errors import InputError, OutputClosedError
from pixxel_singer.exit_codes import ExitCode
from pixxel_singer.log_setup import is_interactive
from pixxel_singer.message_reader import TOO_DEEP
from pixxel_singer.signals import StopRequested
from pixxel_singer.target_base import PixxelTarget
from target_pixxel_store.context import RunContext
from target_pixxel_store.deliveries.monitor import DeliveryProblems
from target_pixxel_store.errors import RecordError, RunAborted, RunError
from target_pixxel_store.outcomes import Outcome, OutcomeKind
from target_pixxel_store.settings import find_setting_problems, missing_since_error
from target_pixxel_store.settings_schema import FAIL, FINISHED, SCHEMA
from target_pixxel_store.sinks import load_sink_class
from target_pixxel_store.sinks.base import ORDER_ITEMS, TAP_STREAMS, IgnoredSink
from target_pixxel_store.workspace_check import check_workspaces

if TYPE_CHECKING:
    from collections.abc import Callable

    from singer_sdk.mapper import StreamMap
    from singer_sdk.sinks import Sink

DECLARED_STORES = "stores (setting)"
"""The stream name in the outcomes of stores that the settings declare."""


class TargetPixxelStore(PixxelTarget):
    """Singer target for Pixxel: creates stores, delivers catalogs to them, or downloads catalogs.

    Attributes:
        context: The parts of the run.
    """

    name = "target-pixxel-store"
    purpose = (
        "Deliver images to your buckets or download them; create stores, areas of interest, "
        "indices and visualizations; order images within a budget. What exists already stays "
        "unchanged."
    )
    example = "target-pixxel-store --config=ENV < requests.singer"
    config_jsonschema: ClassVar[dict[str, Any]] = SCHEMA
    capabilities: ClassVar[list[Any]] = [
        PluginCapabilities.ABOUT,
        PluginCapabilities.STREAM_MAPS,
        PluginCapabilities.STRUCTURED_LOGGING,
    ]
    default_sink_class = IgnoredSink
    expected_errors = (PixxelError, RunError)

    def __init__(self, **kwargs: Any) -> None:
        self._started = False
        super().__init__(**kwargs)
        self.context = RunContext(
            self.config,
            resources=self._resources,
            logger=self.logger,
            register_secrets=self.register_secrets,
            check=self.stop.check,
        )
        self._earlier_problems = DeliveryProblems()
        self._wait_problems: DeliveryProblems | None = None
        self._planned_catalogs: dict[str, dict[str, Any]] = {}

    def find_setting_problems(self) -> list[str]:
        """Return a line for each invalid setting that the schema allows."""
        return find_setting_problems(self._config)

    # The order of work

    def run(self, file_input: IO[str] | None = None) -> ExitCode:
        """Read and process all messages.

        Returns:
            INCOMPLETE where records failed and the run continued, or are pending, where
            `max_deliveries` was reached, or where a delivery has a problem that was waited for, or
            that no run has reported; FAILED where a failed record ended the run; else OK.

        Raises:
            InputError: The input is not Singer, or a file cannot be written. The STATE of the
                messages before it is emitted.
            ConfigValidationError: The first stream needs a setting that is missing. Nothing was
                requested or written.
            PixxelError: The API failed. The STATE of the completed records is emitted.
            WorkspaceMismatchError: The API, the token or a record belongs to a different workspace.
            StopRequested: A signal came. The STATE of the completed records is emitted.
        """
        with self._resources:
            try:
                status, reason = self._process_input(file_input)
                if self.context.settings.dry_run:
                    rows = self.context.recorder.dry_run_rows
                    ids = {id_ for row in rows if (id_ := row.outcome.catalog_id) is not None}
                    self._planned_catalogs = self.context.api.read_catalogs(sorted(ids))
            except BaseException as error:
                # A run that has not started has a summary only for bad input or a signal.
                if self._started or isinstance(error, InputError | StopRequested):
                    self._finalize(_exit_status_of(error), str(error) or type(error).__name__)
                raise
            self._finalize(status, reason)
        return ExitCode(status)

    def _process_input(self, file_input: IO[str] | None) -> tuple[int, str]:
        """Process all messages; return the exit status, and why the run ended early."""
        context = self.context
        try:
            try:
                self.listen(file_input)
            except InputError:
                if self._started:
                    self._finish(context.deliveries.flush)  # the messages before it are valid
                raise
        except RunAborted as abort:
            self.logger.error("%s", abort)  # noqa: TRY400 - one line
            return abort.status, str(abort)
        finally:
            if self._started and context.downloads:
                context.downloads.close()
        fails_late = context.settings.late_failures == FAIL and not context.settings.dry_run
        is_incomplete = (
            context.outcome_files.failure_count > 0
            or context.recorder.has_pending
            or context.recorder.has_problem
            or bool(self._wait_problems)
            or (bool(self._earlier_problems) and fails_late)
        )
        return (ExitCode.INCOMPLETE if is_incomplete else ExitCode.OK), ""

    def _start(self) -> None:
        """Check workspace and earlier deliveries, and create the declared stores; only once."""
        if self._started:
            return
        context, settings = self.context, self.context.settings
        # Fail on files and folders that cannot be opened before any request.
        _ = context.outcome_files, context.journal, context.downloads
        self._started = True
        context.workspace_ids |= context.api.read_workspace_ids()
        check_workspaces(
            context.workspace_ids, settings.workspace, context.journal.state.workspace_ids
        )
        context.journal.record_run(context.run_id, context.workspace_ids)
        self._earlier_problems = context.monitor.check_earlier_runs()
        self._earlier_problems.log(self.logger, "of an earlier run")
        for spec in settings.stores:
            inflight = context.checkpoints.add_record(DECLARED_STORES, {"name": spec.name}, {})
            try:
                outcome = context.stores.ensure(spec)
            except RecordError as error:
                outcome = Outcome(OutcomeKind.FAILED, str(error))
                context.outcome_files.write_outcome(inflight, outcome)
                reason = f"store '{spec.name}': {error}"
                raise RunAborted(ExitCode.FAILED, reason) from None
            context.recorder.record(inflight, outcome)

    def process_endofpipe(self) -> None:
        """Process the pending records, then wait for deliveries where `wait` says so."""
        self._start()
        context, settings = self.context, self.context.settings
        self._finish(context.deliveries.finish)
        if self._has_purchases:
            context.purchases.finish()
        self._emit_state()
        if settings.wait == FINISHED and not settings.dry_run:
            self._wait_problems = context.monitor.wait_for(
                context.deliveries.unfinished_ids, settings.wait_timeout
            )
            self._wait_problems.log(self.logger, "of this run")

    def _finish(self, send_deliveries: Callable[[], None]) -> None:
        """Request the pending deliveries, then wait for the downloads."""
        send_deliveries()
        if self._started and self.context.downloads:
            self.context.downloads.finish()

    @property
    def _has_purchases(self) -> bool:
        """Whether the input has a stream of purchases."""
        return "purchases" in self.context.__dict__  # a part that its sink has created

    def _poll(self) -> None:
        """Send a batch that has waited long enough, and record finished downloads."""
        if self._started:
            self.context.deliveries.poll()
            if self.context.downloads:
                self.context.downloads.poll()
        self._emit_state()

    def _finalize(self, status: int, reason: str) -> None:
        """Emit the last STATE, and write the summary."""
        try:
            self._emit_state()
        finally:
            self._write_summary(status, reason)
        if status in {ExitCode.OK, ExitCode.INCOMPLETE} and self._started:
            self.context.monitor.record_reported(self._earlier_problems, self._wait_problems)

    def _write_summary(self, status: int, reason: str) -> None:
        context, settings = self.context, self.context.settings
        if settings.dry_run:
            # rich is slow to import.
            from target_pixxel_store.outcomes.tables import print_dry_run_table  # noqa: PLC0415

            print_dry_run_table(
                context.recorder.dry_run_rows,
                context.outcome_files.skip_reasons,
                self._planned_catalogs,
            )
        purchases = context.purchases if self._has_purchases else None
        if purchases and purchases.lines:
            from target_pixxel_store.outcomes.tables import print_plan_table  # noqa: PLC0415

            print_plan_table(purchases.make_table(), purchases.describe_total())
        elif purchases and reason and (missing := purchases.describe_missing_plan()):
            self.logger.warning("%s", missing)
        for name in context.selection.unmatched_filters:
            self.logger.warning(
                "no record matched the filter on '%s'; check the name and the values in "
                "'deliver_when'",
                name,
            )
        if self._started and context.deliveries.unlisted_count:
            self.logger.warning(
                "%d deliveries are recorded in the journal but not listed by the API: its list is "
                "late or truncated, or the journal belongs to other data",
                context.deliveries.unlisted_count,
            )
        summary = context.outcome_files.write_summary(
            version=distribution_version(),
            workspaces=sorted(context.workspace_ids),
            environment=settings.environment,
            dry_run=settings.dry_run,
            status=int(status),
            ended_because=reason or None,
            deliveries=context.recorder.delivery_count,
            downloads=context.recorder.download_count,
            purchases=context.recorder.purchase_count,
            purchase_amount=context.recorder.purchase_amount,
            plan=asdict(purchases.total) if purchases and purchases.total else None,
            download_to=context.downloads.root if self._started and context.downloads else None,
            late=asdict(self._earlier_problems),
            waited=None if self._wait_problems is None else asdict(self._wait_problems),
        )
        self.logger.info("the run ended with status %d", status, extra={"summary": summary})
        if is_interactive() and not settings.dry_run:  # where the log shows warnings only
            from target_pixxel_store.outcomes.tables import print_summary_table  # noqa: PLC0415

            print_summary_table(summary)
            if summary["download_to"]:
                click.echo(f"files are in {summary['download_to']}", err=True)

    # Messages

    def get_sink_class(self, stream_name: str) -> type[Sink]:
        """Return the sink class for a stream's name after stream maps."""
        settings = self.context.settings
        if stream_name in TAP_STREAMS and settings.deliver_to is None:
            if settings.download_to is None:
                return IgnoredSink
            if self.config.get("deliver_since") is None:
                problem = missing_since_error("download_to", "downloaded")
                if self._started:
                    raise InputError(problem)
                raise ConfigValidationError("bad settings", errors=[problem], schema=SCHEMA)
        return load_sink_class(stream_name)

    def _process_record_message(self, message_dict: dict[str, Any]) -> None:
        stream, record = self.parse_record_message(message_dict)
        if self._reader.is_pruned:
            raise self._reader.input_error(TOO_DEEP)
        self.context.message = message_dict
        try:
            for stream_map in self.mapper.stream_maps[stream]:
                self._dispatch(stream_map, dict(record))
        except RecursionError:
            raise self._reader.input_error("is nested too deeply") from None
        self._emit_state()

    def _dispatch(self, stream_map: StreamMap, record: dict[str, Any]) -> None:
        """Pass a record to its sink; count a record that a stream map filters out."""
        try:
            mapped = stream_map.transform(record)
        except Exception as error:  # noqa: BLE001 - the user's expression may raise anything
            self._start()
            self.context.deliveries.fail_record(
                self.context.add_record({}),
                f"the stream map fails with {type(error).__name__}",
            )
            return
        if mapped is None:
            self.context.outcome_files.ignored_counts[str(self.context.message["stream"])] += 1
        else:
            self.get_sink(stream_map.stream_alias).process_record(mapped, {})

    def _process_schema_message(self, message_dict: dict[str, Any]) -> None:
        try:
            DEFAULT_JSONSCHEMA_VALIDATOR.check_schema(message_dict.get("schema") or {})
        except (SchemaError, RecursionError):
            raise self._reader.input_error("is a SCHEMA with an invalid JSON Schema") from None
        # The SDK adds fields of its own to the schema that it is given.
        self.context.schemas[str(message_dict.get("stream"))] = deepcopy(message_dict)
        try:
            super()._process_schema_message(message_dict)
        except jsonschema_rs.ValidationError as error:
            place = ".".join(map(str, error.instance_path))
            raise self._reader.input_error(
                "is a SCHEMA with a reference that it does not contain"
                if not place
                else f"is a SCHEMA with an invalid rule '{place}'; patterns must not need "
                "backtracking (lookaround, references to groups)"
            ) from None
        # The streams decide which settings are needed; before that, nothing is requested.
        maps = [
            each
            for each in self.mapper.stream_maps[message_dict["stream"]]
            if self.get_sink_class(each.stream_alias) is not IgnoredSink
        ]
        for each in maps:
            self._check_filters(each)
        if maps:
            self._start()

    def _check_filters(self, stream_map: StreamMap) -> None:
        """Check that records of the tap can have the fields that `deliver_when` filters by.

        Raises:
            InputError: They cannot have one of them, so that each would be skipped.
        """
        stream = stream_map.stream_alias
        if stream not in TAP_STREAMS or isinstance(stream_map, RemoveRecordTransform):
            return
        name = self.context.selection.find_impossible_filter(
            stream_map.transformed_schema, has_catalogs=stream == ORDER_ITEMS
        )
        if name is not None:
            raise self._reader.input_error(
                f"is a SCHEMA of the stream {stream} without the field '{name}' that "
                "'deliver_when' filters by, so no record could match; correct the setting or the "
                "stream map, or deselect the stream"
            )

    def _process_state_message(self, message_dict: dict[str, Any]) -> None:
        value = message_dict.get("value")
        if not isinstance(value, dict):
            raise self._reader.input_error("is a STATE without a value")
        self.context.checkpoints.add_state(value)
        self._poll()

    def on_between_messages(self) -> None:
        """Check for a signal, and do what is due, between two messages."""
        super().on_between_messages()
        self._poll()

    def _emit_state(self) -> None:
        """Emit the next STATE; the outcomes of the records before it are on disk first."""
        state = self.context.checkpoints.next_state()
        if state is not None and not self.context.settings.dry_run:
            if self._started:
                self.context.outcome_files.sync()
            try:
                self._write_state_message(state)
            except OSError:
                raise OutputClosedError from None


def _exit_status_of(error: BaseException) -> int:
    """Return the exit status that an error leads to."""
    if isinstance(error, StopRequested):
        return error.status
    return ExitCode.BAD_INPUT if isinstance(error, InputError) else ExitCode.FAILED
