"""PixxelStream: the base of all streams; a stream itself is a few declarative lines."""

from __future__ import annotations

from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, ClassVar

from pixxel_api.errors import PixxelError
from pixxel_api.json_decoding import FieldPath, row_to_python
from pixxel_api.pagination.concurrency import run_interruptibly
from pixxel_api.pagination.list_scan import ListScan, RecentKeys, ScanOptions
from pixxel_api.pagination.paging import OffsetPaging, Page
from tap_pixxel.bookmarks import Bookmark, make_fingerprint
from tap_pixxel.stream_types.scan_report import RowBatch, ScanReport, SkippedLists
from tap_pixxel.stream_types.sdk_stream import SdkStream
from tap_pixxel.stream_types.shared_scan import SharedScan, is_path_value

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from singer_sdk.tap_base import Tap

    from pixxel_api.client import Client
    from pixxel_api.json_decoding import RawRow
    from pixxel_api.pagination.paging import Paging
    from pixxel_api.response import JsonResponse
    from tap_pixxel.columns import Fields, TableSchema
    from tap_pixxel.settings import TapSettings
    from tap_pixxel.stream_types.sdk_stream import StreamContext
    from tap_pixxel.stream_types.shared_scan import PathParams


class KeylessRecordsError(PixxelError):
    """Records have no value in a key property that the catalog asks for."""


class PixxelStream(SdkStream):
    """A list of the API as a stream.

    A stream names its `path`, the `records_key` of the response, its `table_schema` and keys, and
    its `paging` where that differs. With a `replication_key` it emits what changed since the
    bookmark; without one it emits everything, and an ACTIVATE_VERSION after the last record.
    """

    path: ClassVar[str]
    records_key: ClassVar[str]
    table_schema: TableSchema
    paging: ClassVar[Paging] = OffsetPaging()
    row_key_field: ClassVar[str] = "id"
    """Field of a raw row that identifies it in its list."""
    path_param: ClassVar[str] = "id"
    """Path parameter by which child streams refer to a row of this stream."""

    def __init__(self, tap: Tap, context: StreamContext) -> None:
        super().__init__(tap, context)
        self._read_key = FieldPath(self.row_key_field)
        self._skipped_lists = SkippedLists(self.name, self.logger)
        self._new_fields: set[str] = set()
        self._keyless_records = 0

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON Schema of the records."""
        return self.table_schema.schema

    @classmethod
    def endpoint_paths(cls) -> tuple[str, ...]:
        """Return the paths that the stream reads."""
        return (cls.path,)

    @property
    def client(self) -> Client:
        """The tap's client."""
        return self._stream_context.client

    @property
    def settings(self) -> TapSettings:
        """The tap's settings."""
        return self._stream_context.settings

    def missing_settings(self) -> list[str]:
        """Return a line for each setting that the stream requires and that is not set."""
        return []

    @property
    def has_stable_order(self) -> bool:
        """Whether the list keeps its order while rows are added, changed and removed."""
        return False

    # From the API to rows

    def fetch_page(self, offset: int, limit: int) -> Page:
        """Fetch a page of the list; called from several threads."""
        return self.fetch_list_page(offset, limit, {})

    def fetch_list_page(
        self, offset: int, limit: int, filters: Mapping[str, str], path: str | None = None
    ) -> Page:
        """Fetch a page of the list with more parameters in the query than its paging."""
        params: dict[str, str | int] = {**filters, **self.paging.query_for(offset, limit)}
        response = self.client.send_with_retries(
            "GET", path or self.path, params=params, rows_key=self.records_key
        )
        return self.make_page(offset, response)

    def make_page(self, offset: int, response: JsonResponse) -> Page:
        """Return the page that a response holds.

        Raises:
            UnexpectedResponse: The response has no such list.
        """
        rows = response.rows(self.records_key)
        return Page(offset, rows, self.paging.read_total(response), response.requested_at)

    def send_request(self, method: str, **request: Any) -> JsonResponse:
        """Send a request other than for a page, from the main thread."""
        path = request.pop("path", self.path)
        return run_interruptibly(
            lambda: self.client.send_with_retries(method, path, **request), self.check_stop
        )

    def check_token(self) -> None:
        """Fetch a list that was readable before: after a token expires, all requests fail.

        Raises:
            Forbidden: The token may not read it any more.
        """
        run_interruptibly(partial(self.fetch_page, 0, 1), self.check_stop)

    def check_stop(self) -> None:
        """Raise StopRequested when the process was asked to stop."""
        self._stream_context.stop.check()

    def key_of(self, row: RawRow) -> str | int | None:
        """Return what identifies a row in its list; None for a row without it."""
        return self._read_key(row)

    def path_value(self, row: RawRow) -> str | int | None:
        """Return the value of `path_param` for a row."""
        return self.key_of(row)

    def scan_options(self) -> ScanOptions:
        """Return the options of all scans of this stream."""
        # --test reads a single record.
        concurrency = self.settings.concurrency if self.ABORT_AT_RECORD_COUNT is None else 1
        return ScanOptions(self.key_of, self.settings.page_size, concurrency, self.check_stop)

    def scan_all(self, report: ScanReport) -> Iterator[RowBatch]:
        """Scan everything that the stream lists, whatever the bookmark is."""
        scan = ListScan(
            self.fetch_page, self.paging, self.scan_options(), ordered=self.has_stable_order
        )
        return map(RowBatch, report.follow(scan))

    @cached_property
    def child_lists(self) -> SharedScan:
        """The lists of the stream's child streams, one for each row, by a single scan in a run."""
        return SharedScan(self._find_child_lists)

    def _find_child_lists(self, report: ScanReport) -> Iterator[PathParams]:
        known = RecentKeys()
        for batch in self.scan_all(report):
            for row in batch.rows:
                value = self.path_value(row)
                if not is_path_value(value):
                    report.skipped.without_id += 1
                    continue
                path_params = {**batch.path_params, self.path_param: str(value)}
                # Rows may share a list, as the versions of a block do.
                if known.add_if_new(tuple(path_params.values())):
                    yield path_params

    def scan_rows(
        self, context: Mapping[str, Any] | None, bookmark: Bookmark | None, report: ScanReport
    ) -> Iterator[RowBatch]:
        """Scan the rows of the stream, or of one of its partitions.

        This is what the types of streams differ in.

        Args:
            context: The partition, None for a stream without partitions.
            bookmark: None to read everything.
            report: Gets what the scan finds out.
        """
        del context, bookmark
        return self.scan_all(report)

    # From rows to records

    def get_records(self, context: Mapping[str, Any] | None) -> Iterator[dict[str, Any]]:
        """Yield the records of the stream, or of one of its partitions, that are to be emitted.

        A partition that fails is skipped, and its bookmark stays.
        """
        if self.partitions == []:  # the stream has partitions, but there are none
            return
        try:
            yield from self._read_records(context)
        except PixxelError as error:
            if context is None:
                raise
            self.fail(error, context)

    def _read_records(self, context: Mapping[str, Any] | None) -> Iterator[dict[str, Any]]:
        bookmark, report = self.load_bookmark(context), ScanReport(self._skipped_lists)
        self.prepare(bookmark, report)
        yield from self.add_details(self._scan_records(context, bookmark, report))
        if self._keyless_records:
            raise KeylessRecordsError(
                f"{self._keyless_records} records have no value in a key property of the catalog "
                f"({', '.join(self.added_keys)}); name columns that all records have"
            )
        self.finish(None if report.keep_bookmark else bookmark, complete=report.complete)

    def _scan_records(
        self, context: Mapping[str, Any] | None, bookmark: Bookmark | None, report: ScanReport
    ) -> Iterator[dict[str, Any]]:
        for batch in self.scan_rows(context, bookmark, report):
            if bookmark:
                bookmark.set_start(report.started_at)
            inherited = {**(context or {}), **batch.path_params}
            yield from self.make_records(batch._replace(path_params=inherited), bookmark)
            if batch.completed_until and bookmark and bookmark.is_first_sync:
                bookmark.checkpoint(batch.completed_until)
                self.state_manager.is_flushed = False
                self._write_state_message()

    def prepare(self, bookmark: Bookmark | None, report: ScanReport) -> None:
        """Read what the records need besides the list, before it is scanned."""

    def make_records(self, batch: RowBatch, bookmark: Bookmark | None) -> Iterator[dict[str, Any]]:
        """Yield the records of rows that the bookmark lets through; without one, of all rows."""
        self._stream_context.progress.advance(self.name, len(batch.rows))
        inherited = {
            name: batch.path_params[name]
            for name in batch.path_params.keys() & self.schema["properties"].keys()
        }
        as_first_sync = bookmark is not None and bookmark.was_forbidden(batch.path_params)
        for row in batch.rows:
            fields = self.parse_row(row)
            missing = {name: inherited[name] for name in inherited if fields.get(name) is None}
            for part in self.split_row(fields | missing if missing else fields):
                record = self.make_record(part)
                if record is None:
                    self._skipped_records += 1
                    continue
                if bookmark is not None and self.replication_key is not None:
                    changed_at = self.read_change_time(record, part)
                    # The row's own id, whatever keys the catalog asks for.
                    bookmark.observe(changed_at, record[type(self).primary_keys[0]])
                    if not bookmark.should_emit(changed_at, as_first_sync=as_first_sync):
                        continue
                enriched = self.enrich(record, part)
                if any(enriched.get(key) is None for key in self.added_keys):
                    self._keyless_records += 1
                    continue
                yield enriched

    def parse_row(self, row: RawRow) -> Fields:
        """Decode a row; {} for one that is not an object or is nested too deep."""
        return row_to_python(row)

    def split_row(self, fields: Fields) -> Iterable[Fields]:
        """Return the fields of each record that a row holds; by default the row is one record."""
        return (fields,)

    def make_record(self, fields: Fields) -> dict[str, Any] | None:
        """Convert raw fields to a record; None for one without its key, which is skipped."""
        record, extra = self.table_schema.make_record(self.rename_fields(fields))
        if not all(record.get(key) for key in type(self).primary_keys):
            return None
        if not self._new_fields.issuperset(extra):
            self.log_new_fields(extra)
        return record

    def rename_fields(self, fields: Fields) -> Fields:
        """Return the fields by the names of their columns; by default the names are the same."""
        return fields

    def enrich(self, record: dict[str, Any], fields: Fields) -> dict[str, Any]:
        """Add columns that take long to compute to a record that is emitted; by default none."""
        del fields
        return record

    def add_details(self, records: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """Add columns that need a request for each record that is emitted; by default none."""
        return records

    # Replication

    def read_change_time(self, record: dict[str, Any], fields: Fields) -> str | None:
        """Return when a record last changed, to compare with the bookmark; None if unknown.

        By default it is the value of the replication key. A row may hold parts that change at
        times of their own.
        """
        del fields
        value: str | None = record.get(str(self.replication_key))
        return value

    def filters(self) -> dict[str, Any]:
        """Return the filters of the settings that apply to this stream."""
        return {}

    def fingerprint_inputs(self) -> dict[str, Any]:
        """Return the inputs of the state's fingerprint; a change forces a full resync."""
        return self.filters()

    def load_bookmark(self, context: Mapping[str, Any] | None) -> Bookmark | None:
        """Return the bookmark of the stream or partition; None to emit everything."""
        if not self.is_incremental or self.replication_key is None:
            return None
        bookmark = Bookmark(
            self.get_context_state(context),
            self.replication_key,
            filters=make_fingerprint(self.fingerprint_inputs()),
            start_date=self.settings.start_date,
            lookback_seconds=self.settings.lookback_seconds,
        )
        if bookmark.filters_changed:
            self.logger.warning(
                "%s: filter settings changed since the last sync; starting a full resync",
                self._label(context),
            )
        return bookmark

    def finish(self, bookmark: Bookmark | None, *, complete: bool) -> None:
        """Move the bookmark after the last record of the stream or partition.

        If the scan was not complete, the bookmark stays, and the full table is not activated.
        """
        if not complete:
            self.mark_incomplete()
            self.logger.warning(
                "%s: the list ended early or kept changing during the scan, so records may be "
                "missing; the next sync reads it again from the same bookmark",
                self.name,
            )
        if bookmark is not None:
            if complete:
                bookmark.finish()
            else:
                bookmark.discard_backfill()
            self.state_manager.is_flushed = False

    def log_summary(self) -> None:
        """Log warnings after the stream has finished."""
        if self._skipped_records:
            self.logger.warning(
                "%s: skipped %d records that cannot be decoded or have no key (%s)",
                self.name,
                self._skipped_records,
                ", ".join(type(self).primary_keys),
            )
        self._skipped_lists.log_summary()

    def log_new_fields(self, extra: Fields) -> None:
        """Log the fields of an `extra` that are new, once each."""
        if names := extra.keys() - self._new_fields:
            self._new_fields |= names
            self.logger.info(
                "%s: unknown fields or unexpected types, kept in 'extra': %s",
                self.name,
                ", ".join(sorted(names)),
            )
