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
from target_pixxel_store.accounts import AccountsError, Outcome
from target_pixxel_store.books import Halt
from target_pixxel_store.downloads.part import NoRoomError
from target_pixxel_store.guard import WrongPlaceError, read_workspaces
from target_pixxel_store.journal import JournalError
from target_pixxel_store.look import MisunderstoodError
from target_pixxel_store.plan import Kind
from target_pixxel_store.records import Rejected
from target_pixxel_store.schema import FINISHED, SCHEMA
from target_pixxel_store.settings import no_since, problems
from target_pixxel_store.sinks import BY_STREAM, BY_TAP, IgnoredSink
from target_pixxel_store.streak import ServiceFailing
from target_pixxel_store.watch import Findings
from target_pixxel_store.workshop import Workshop

if TYPE_CHECKING:
    from collections.abc import Callable

    from singer_sdk.mapper import StreamMap
    from singer_sdk.sinks import Sink

    from target_pixxel_store.ledger import Taken

DECLARED = "stores (setting)"
"""What stands for a stream where a store of the settings is accounted for."""
INSTEAD = {
    "deliveries": "it is the history that the API keeps; send delivery_requests to deliver",
    "aois": "it is what the API lists; send aoi_requests to have areas made",
    "catalogs": "set 'deliver_to' to deliver them, or 'download_to' to download them",
    "order_items": "set 'deliver_to' to deliver their catalogs, or 'download_to' to download them",
}
ELSE = (
    "send stores, delivery_requests, download_requests or aoi_requests, by a stream map with "
    "__alias__ if need be"
)


class TargetPixxelStore(Workshop):
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
        AccountsError,
        JournalError,
        MisunderstoodError,
        NoRoomError,
        ServiceFailing,
        WrongPlaceError,
    )

    def __init__(self, **kwargs: Any) -> None:
        self._message: dict[str, Any] = {}
        self._begun = False
        super().__init__(**kwargs)
        self._late = Findings()
        self._waited: Findings | None = None
        self._workspaces: set[str] = set()

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
                status, why = self._work(file_input)
            except BaseException as error:
                # Before anything was begun only the input, or a signal, is worth a summary.
                if self._begun or isinstance(error, InputError | StopRequested):
                    self._leave(_status_of(error), str(error) or type(error).__name__)
                raise
            self._leave(status, why)
        return ExitCode(status)

    def _work(self, file_input: IO[str] | None) -> tuple[int, str]:
        """Do all of it; give the exit status, and why the run ended early."""
        try:
            try:
                self.listen(file_input)
            except InputError:
                self._finish(self.work.flush)  # what came before it was whole
                raise
        except Halt as halt:
            self.logger.error("%s", halt)  # noqa: TRY400 - one line
            return halt.status, str(halt)
        finally:
            if self._begun and self.downloads:
                self.downloads.close()
        failed = self.accounts.failures or (self._waited is not None and bool(self._waited))
        return (ExitCode.INCOMPLETE if failed else ExitCode.OK), ""

    def _begin(self) -> None:
        """Look at the workspace and at earlier deliveries, and ensure the declared stores, once."""
        if self._begun:
            return
        # What cannot be used is told first.
        _ = self.accounts, self.journal, self.downloads
        self._begun = True
        settings = self.settings
        memory = self.journal.memory
        found = read_workspaces(self.api, settings.workspace, memory.workspaces)
        self._workspaces = found
        self.journal.begin(self.run_id, found)
        self._late = self.watch.earlier()
        self._late.tell(self.logger, "of an earlier run")
        for wish in settings.stores:
            taken = self.ledger.take(DECLARED, {"name": wish.name}, {})
            try:
                outcome = self.keeper.ensure(wish)
            except Rejected as error:
                why = f"store '{wish.name}': {error}"
                self.accounts.outcome(taken, Outcome(Kind.FAILED, str(error)))
                raise Halt(ExitCode.FAILED, why) from None
            self.work.store(taken, lambda made=outcome: made)  # type: ignore[misc]  # bound now

    def process_endofpipe(self) -> None:
        """Act on all that is left, then wait where that is wanted."""
        self._begin()
        self._finish(self.work.finish)
        self._emit()
        settings = self.settings
        if settings.wait == FINISHED and not settings.dry_run:
            self._waited = self.watch.finish(self.work.unfinished, settings.wait_timeout)
            self._waited.tell(self.logger, "of this run")

    def _finish(self, deliver: Callable[[], None]) -> None:
        """Ask for the deliveries that are left, then wait for the downloads."""
        deliver()
        if self.downloads:
            self.downloads.finish()

    def _tick(self) -> None:
        """Do what is due, and account for what is done."""
        if self._begun:
            self.work.tick()
            if self.downloads:
                self.downloads.tick()
        self._emit()

    def _leave(self, status: int, why: str) -> None:
        """Write the last STATE, and tell what became of the run."""
        try:
            self._emit()
        finally:
            self._tell(status, why)

    def _tell(self, status: int, why: str) -> None:
        settings = self.settings
        if settings.dry_run:
            from target_pixxel_store.tables import plan_table  # noqa: PLC0415 - rich loads long

            plan_table(self.books.plan)
        if self.work.unlisted:
            self.logger.warning(
                "%d deliveries are known by the journal alone, and the API does not list them: its "
                "list is late or cut, or the journal is of other data",
                self.work.unlisted,
            )
        summary = self.accounts.summary(
            version=distribution_version(),
            workspaces=sorted(self._workspaces),
            environment=settings.environment,
            dry_run=settings.dry_run,
            status=int(status),
            ended_because=why or None,
            deliveries=self.books.deliveries,
            downloads=self.books.downloads,
            late=self._late.to_dict(),
            waited=None if self._waited is None else self._waited.to_dict(),
        )
        self.logger.info("summary: %s", summary)
        if is_interactive():  # who is shown warnings only
            click.echo(f"outcomes: {summary['outcomes']}, ignored: {summary['ignored']}", err=True)

    def ignore(self, stream: str) -> None:
        """Count a record that nothing is done with; tell once what to send instead."""
        if not self.accounts.ignored[stream]:
            self.logger.warning("%s is ignored; %s", stream, INSTEAD.get(stream, ELSE))
        self.accounts.ignored[stream] += 1

    # Messages

    def take(self, key: dict[str, str | int]) -> Taken:
        """Take the record in hand in."""
        stream = str(self._message["stream"])
        return self.ledger.take(stream, key, self._message["record"])

    def get_sink_class(self, stream_name: str) -> type[Sink]:
        """Give the sink for a stream of that name, after the stream maps."""
        settings = self.settings
        if stream_name in BY_TAP and settings.deliver_to is None:
            if settings.download_to is None:
                return IgnoredSink
            if self.config.get("deliver_since") is None:
                lack = no_since("download_to", "downloaded")
                if self._begun:
                    raise InputError(lack)
                raise ConfigValidationError("bad settings", errors=[lack], schema=SCHEMA)
        return BY_STREAM.get(stream_name, IgnoredSink)

    def _process_record_message(self, message_dict: dict[str, Any]) -> None:
        stream, record = self.parse_record_message(message_dict)
        self._message = message_dict
        try:
            for stream_map in self.mapper.stream_maps[stream]:
                self._act(stream_map, dict(record))
        except RecursionError:
            raise self._reader.input_error("is nested too deep") from None
        self._emit()

    def _act(self, stream_map: StreamMap, record: dict[str, Any]) -> None:
        """Hand a record to its sink; what a stream map filters out is counted."""
        try:
            mapped = stream_map.transform(record)
        except Exception as error:  # noqa: BLE001 - the user's expression may raise anything
            self._begin()
            why = f"the stream map fails on it ({type(error).__name__})"
            self.work.fail(self.take({}), why)
            return
        if mapped is None:
            self.accounts.ignored[str(self._message["stream"])] += 1
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
            self._begin()

    def _process_state_message(self, message_dict: dict[str, Any]) -> None:
        value = message_dict.get("value")
        if not isinstance(value, dict):
            raise self._reader.input_error("is a STATE without a value")
        self.ledger.state(value)
        self._tick()

    def on_between_messages(self) -> None:
        """Look for a signal, and for a batch that has waited long enough, between messages."""
        super().on_between_messages()
        self._tick()

    def _emit(self) -> None:
        """Write the last STATE that is due; the records before it are on disk first."""
        state = self.ledger.due()
        if state is not None and not self.settings.dry_run:
            if self._begun:
                self.accounts.sync()
            try:
                self._write_state_message(state)
            except OSError:
                raise OutputClosedError from None


def _status_of(error: BaseException) -> int:
    """Tell the exit status that an error leads to."""
    if isinstance(error, StopRequested):
        return error.status
    return ExitCode.BAD_INPUT if isinstance(error, InputError) else ExitCode.FAILED
