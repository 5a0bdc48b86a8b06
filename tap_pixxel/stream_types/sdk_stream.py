"""SdkStream: what this tap does otherwise than the SDK's own streams.

It keeps the bookmarks of `Bookmark`, contains the failure of a stream, and activates a full table
only after its last record.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from singer_sdk.exceptions import AbortedSyncFailedException, AbortedSyncPausedException
from singer_sdk.helpers._util import utc_now
from singer_sdk.singerlib import RecordMessage
from singer_sdk.singerlib.catalog import REPLICATION_FULL_TABLE
from singer_sdk.streams import Stream

from pixxel_api.errors import ApiError, PixxelError, Redirected
from pixxel_singer.errors import InputError
from pixxel_singer.message_reader import INCOMPLETE, UNREAD
from tap_pixxel.stream_types.stream_maps import apply_stream_map

if TYPE_CHECKING:
    import logging
    from collections.abc import Generator, Mapping

    from singer_sdk.singerlib import Catalog
    from singer_sdk.tap_base import Tap

    from pixxel_api.client import Client
    from pixxel_singer.progress import StreamProgress
    from pixxel_singer.signals import StopFlag
    from tap_pixxel.http_metrics import HttpMetrics
    from tap_pixxel.settings import TapSettings
    from tap_pixxel.stream_types.failures import StreamFailures

StreamT = TypeVar("StreamT", bound=Stream)


def filter_unhandled_error(record: logging.LogRecord) -> bool:
    """Drop the SDK's "unhandled error" line: the command logs the error itself."""
    return not str(record.msg).startswith("An unhandled error occurred")


class StreamContext(Protocol):
    """What a stream uses of the tap that runs it.

    Attributes:
        failures: The streams that have failed in this run.
    """

    progress: StreamProgress
    http_metrics: HttpMetrics
    failures: StreamFailures

    @property
    def stop(self) -> StopFlag:
        """Whether the process was asked to stop."""

    @property
    def client(self) -> Client:
        """The client that all streams share."""

    @property
    def settings(self) -> TapSettings:
        """The parsed settings."""

    def get_stream(self, stream_class: type[StreamT]) -> StreamT:
        """Return the stream of a class."""

    def ping(self) -> None:
        """Check that the API responds.

        Raises:
            ApiError: It does not.
        """


class SdkStream(Stream):
    """A stream of the SDK, whose bookmarks, failures and end are those of this tap."""

    primary_keys: tuple[str, ...] = ("id",)
    replication_key: str | None = None

    def __init__(self, tap: Tap, context: StreamContext) -> None:
        super().__init__(tap)
        self._stream_context = context
        tap.logger.getChild(self.name).addFilter(filter_unhandled_error)
        self._skipped_records = 0
        self._complete = True

    @classmethod
    def endpoint_paths(cls) -> tuple[str, ...]:
        """Return the paths that the stream reads."""
        raise NotImplementedError

    def log_summary(self) -> None:
        """Log warnings after the stream has finished."""
        raise NotImplementedError

    @property
    def is_incremental(self) -> bool:
        """Whether this sync uses the bookmark (a catalog may select full-table replication)."""
        return self.replication_method != REPLICATION_FULL_TABLE

    # Failures

    def fail(
        self,
        error: PixxelError,
        context: Mapping[str, Any] | None = None,
        *,
        effect: str = "skipped",
    ) -> None:
        """Record that the stream, or one of its partitions, cannot be read.

        Args:
            error: The cause.
            context: The partition, None for the whole stream.
            effect: What the log states besides the cause.

        Raises:
            PixxelError: The error, if the other streams cannot be read either.
        """
        may_affect_all = error.retryable or isinstance(error, Redirected)
        if may_affect_all and not error.affects_all_requests:
            try:
                self._stream_context.ping()
            except ApiError:
                error.affects_all_requests = True
        if error.affects_all_requests:
            raise error
        self.logger.error("%s: %s: %s", self._label(context), effect, error)
        partition = " ".join(map(str, context.values())) if context else ""
        self._stream_context.failures.add(self.name, str(error), partition=partition)
        self.mark_incomplete()

    def mark_incomplete(self) -> None:
        """Do not activate a full table, and name the stream in all STATE messages from now on."""
        self._complete = False
        state = cast("dict[str, Any]", self.tap_state)
        state[INCOMPLETE] = sorted({*state.get(INCOMPLETE, ()), self.name})
        self.state_manager.is_flushed = False

    def _write_end(self) -> None:
        """Activate a full table that was read completely, and write a STATE after the stream."""
        if self._stream_version is not None and self._complete:
            self._write_activate_version_message(self._stream_version)
        state = cast("dict[str, Any]", self.tap_state)
        if self.name in (unread := state.get(UNREAD, ())):
            state[UNREAD] = [each for each in unread if each != self.name]
            if not state[UNREAD]:
                del state[UNREAD]
            self.state_manager.is_flushed = False
            self._write_state_message()

    def _label(self, context: Mapping[str, Any] | None) -> str:
        return f"{self.name} {' '.join(map(str, context.values()))}" if context else self.name

    # Overrides of the SDK's own methods; tests/tap_pixxel/test_sdk_overrides.py guards them

    def apply_catalog(self, catalog: Catalog) -> None:
        """Apply the selection, the columns and the key properties of a catalog.

        An entry without key properties gets the stream's own; [] stays, for loaders that append.

        Raises:
            InputError: The stream is selected, and a key is not a column that it emits.
        """
        entry = catalog.get_stream(self.name)
        if entry is not None and entry.key_properties is None:
            stated = getattr(entry.metadata.get(()), "table_key_properties", None)
            entry.key_properties = list(self.primary_keys if stated is None else stated)
        super().apply_catalog(catalog)
        if entry is None or not self.selected:
            return
        self.primary_keys = tuple(entry.key_properties or ())
        for key in self.primary_keys:
            if key not in self.schema["properties"].keys() - self.deselected:
                raise InputError(
                    f"--catalog: stream '{self.name}' has no selected column '{key}', which is one "
                    "of its key properties; name columns that are selected, or [] to append only"
                )

    @cached_property
    def added_keys(self) -> tuple[str, ...]:
        """The key properties that the catalog asks for besides the stream's own."""
        return tuple(key for key in self.primary_keys if key not in type(self).primary_keys)

    def _sync_records(
        self, context: Mapping[str, Any] | None = None, *, write_messages: bool = True
    ) -> Generator[dict[str, Any], Any, Any]:
        self._stream_version = None if self.is_incremental else self._initialized_at
        self._stream_context.http_metrics.start_stream(self.name, self.endpoint_paths())
        try:
            yield from super()._sync_records(context, write_messages=write_messages)
        except PixxelError as error:
            self.fail(error, effect="stream skipped")
            self._write_end()
            return
        except (AbortedSyncFailedException, AbortedSyncPausedException):
            if self.ABORT_AT_RECORD_COUNT is None:
                raise
            return  # --test has read the one record that it reads
        self.log_summary()
        if write_messages:
            self._write_end()

    def _process_record(
        self,
        record: dict[str, Any],
        child_context: Mapping[str, Any] | None = None,
        partition_context: Mapping[str, Any] | None = None,
    ) -> None:
        """Leave the record alone: it has its partition, and the SDK runs no child streams."""

    def _write_record_message(self, record: dict[str, Any]) -> None:
        """Write a record; skip one that could be decoded but is nested too deep to be encoded."""
        try:
            super()._write_record_message(record)
        except RecursionError:
            self._skipped_records += 1

    def _write_starting_replication_value(self, context: Mapping[str, Any] | None) -> None:
        """Leave the state alone: `Bookmark` reads and writes it."""

    def _increment_stream_state(
        self, latest_record: dict[str, Any], *, context: Mapping[str, Any] | None = None
    ) -> None:
        """Leave the state alone: `Bookmark` reads and writes it."""

    @property
    def emit_activate_version_messages(self) -> bool:
        """False: unlike in the SDK, ACTIVATE_VERSION comes only after the last record."""
        return False

    def get_batch_config(self, config: Mapping[str, Any]) -> None:
        """Return None: files of a BATCH would hold deselected columns."""

    def get_replication_key_signpost(self, context: Mapping[str, Any] | None = None) -> None:
        """Return None: `Bookmark` uses the server's time."""

    def _generate_record_messages(
        self, record: dict[str, Any]
    ) -> Generator[RecordMessage, None, None]:
        """Make messages without walking through every asset: records have JSON types already."""
        for name in self.deselected:
            record.pop(name, None)
        keys = type(self).primary_keys
        for stream_map in self.stream_maps:
            mapped = apply_stream_map(stream_map, record, stream=self.name, keys=keys)
            if mapped is not None:
                yield RecordMessage(
                    stream=stream_map.stream_alias,
                    record=mapped,
                    version=self._stream_version,
                    time_extracted=utc_now(),
                )

    @cached_property
    def deselected(self) -> frozenset[str]:
        """The columns that the catalog deselects or does not list."""
        known = self.effective_schema["properties"]
        names = self.schema["properties"].keys() | known.keys()
        return frozenset(
            name for name in names if name not in known or not self.mask["properties", name]
        )
