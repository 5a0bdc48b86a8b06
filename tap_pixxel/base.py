"""PixxelStream: what all streams share; a stream itself is a few declarative lines."""

from __future__ import annotations

from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from singer_sdk.exceptions import AbortedSyncFailedException, AbortedSyncPausedException
from singer_sdk.helpers._util import utc_now
from singer_sdk.singerlib import RecordMessage
from singer_sdk.singerlib.catalog import REPLICATION_FULL_TABLE
from singer_sdk.streams import Stream

from pixxel_api.errors import Forbidden
from pixxel_api.json_decoding import FieldPath, row_to_python
from pixxel_api.pagination.concurrency import run_interruptibly
from pixxel_api.pagination.list_scan import ListScan, RecentKeys
from pixxel_api.pagination.paging import OffsetPaging, Page
from tap_pixxel.bookmarks import Bookmark, fingerprint

if TYPE_CHECKING:
    import logging
    from collections.abc import Generator, Iterable, Iterator, Mapping

    from pixxel_api.client import Client
    from pixxel_api.json_decoding import RawRow
    from pixxel_api.pagination.paging import Paging
    from pixxel_api.response import JsonResponse
    from tap_pixxel.reading import Keys, Reading
    from tap_pixxel.schema import Shape
    from tap_pixxel.settings import Settings
    from tap_pixxel.tap import TapPixxel


Fields = dict[str, Any]
"""A JSON object of the API, as it came."""


def _not_the_sdks_alarm(record: logging.LogRecord) -> bool:
    """Drop the SDK's "unhandled error" before errors that the command handles and words itself."""
    return not str(record.msg).startswith("An unhandled error occurred")


class PixxelStream(Stream):
    """A list of the API as a stream.

    A stream names its `path`, the `records_key` of the answer, its `shape` and keys, and where it
    differs its `paging`. With a `replication_key` it emits what changed since the bookmark;
    without one it emits everything, and an ACTIVATE_VERSION once everything is out.
    """

    path: ClassVar[str]
    records_key: ClassVar[str]
    shape: Shape
    paging: ClassVar[Paging] = OffsetPaging()
    primary_keys: ClassVar[tuple[str, ...]] = ("id",)
    row_key: ClassVar[str] = "id"
    """The field of a raw row that tells it from the others of its list."""
    place: ClassVar[str] = "id"
    """What the paths of the lists that hang on a row call the row."""
    replication_key: str | None = None

    def __init__(self, tap: TapPixxel) -> None:
        super().__init__(tap)
        self._pixxel = tap
        self.logger.addFilter(_not_the_sdks_alarm)
        self._peek_key = FieldPath(self.row_key)
        self._new_fields: set[str] = set()
        self._unusable = 0
        self._whole = True

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON Schema of the records."""
        return self.shape.schema

    @classmethod
    def endpoints(cls) -> tuple[str, ...]:
        """The paths that it reads."""
        return (cls.path,)

    @property
    def client(self) -> Client:
        """The tap's client."""
        return self._pixxel.client

    @property
    def settings(self) -> Settings:
        """The tap's settings."""
        return self._pixxel.settings

    def needs(self) -> list[str]:
        """Say which settings this stream cannot do without and lacks; none, mostly."""
        return []

    @property
    def incremental(self) -> bool:
        """Whether this sync goes by the bookmark (a catalog may ask for the full table)."""
        return self.replication_method != REPLICATION_FULL_TABLE

    # From the API to rows

    def fetch(self, offset: int, limit: int) -> Page:
        """Read a page of the list; called from several threads."""
        return self.listed_page(offset, limit, {})

    def listed_page(
        self, offset: int, limit: int, only: Mapping[str, str], path: str | None = None
    ) -> Page:
        """Read a page of the list, filtered by more in the query than its paging."""
        params: dict[str, str | int] = {**only, **self.paging.query_for(offset, limit)}
        answer = self.client.send_with_retries(
            "GET", path or self.path, params=params, rows_key=self.records_key
        )
        return self.page(offset, answer)

    def page(self, offset: int, answer: JsonResponse) -> Page:
        """Take the rows out of an answer.

        Raises:
            WrongShape: It holds no such list.
        """
        rows = answer.rows(self.records_key)
        return Page(offset, rows, self.paging.read_total(answer), answer.requested_at)

    def ask(self, method: str, **request: Any) -> JsonResponse:
        """Send one request of this stream's own, in the main thread."""
        path = request.pop("path", self.path)
        return run_interruptibly(
            lambda: self.client.send_with_retries(method, path, **request), self._pixxel.stop.check
        )

    def key_of(self, row: RawRow) -> str | int | None:
        """Give a row's identity in its list, None when it has none."""
        return self._peek_key(row)

    def key_in_path(self, row: RawRow) -> str | int | None:
        """Give what names a row in the paths of the lists that hang on it."""
        return self.key_of(row)

    def each_row(self, reading: Reading) -> Iterator[tuple[Keys, RawRow]]:
        """Give all rows, for the lists that hang on them.

        Args:
            reading: Is told what was met.
        """
        sweep = ListScan(self.fetch, self.paging, **self.sweep_options())
        for rows in sweep:
            reading.began = reading.began or sweep.started_at
            for row in rows:
                yield {}, row
        reading.take(sweep)

    def sweep_options(self) -> dict[str, Any]:
        """Give what every sweep of this stream is made with."""
        return {
            "key": self.key_of,
            "recent_keys": RecentKeys(),
            "limit": self.settings.page_size,
            # --test wants one record.
            "concurrency": self.settings.concurrency if self.ABORT_AT_RECORD_COUNT is None else 1,
            "check": self._pixxel.stop.check,
        }

    # From rows to records

    def get_records(self, context: Mapping[str, Any] | None) -> Iterator[dict[str, Any]]:
        """Read the list and give the records that are to be emitted."""
        bookmark = self.bookmark(context)
        self.prepare(bookmark)
        sweep = ListScan(self.fetch, self.paging, **self.sweep_options())
        for rows in sweep:
            if bookmark:
                bookmark.begin(sweep.started_at)
            yield from self.records(rows, bookmark)
        self.finish(bookmark, whole=sweep.complete)

    def prepare(self, bookmark: Bookmark | None) -> None:
        """Read what the records need beside the list; nothing, unless a stream does."""

    def records(
        self,
        rows: list[RawRow],
        bookmark: Bookmark | None,
        given: Mapping[str, str] = MappingProxyType({}),
        *,
        again: bool = False,
    ) -> Iterator[dict[str, Any]]:
        """Give the records of rows that the bookmark lets through.

        Args:
            rows: As the API gave them.
            bookmark: None to let everything through.
            given: Fields that a row may lack.
            again: Whether these are let through as by a first sync.
        """
        self._pixxel.progress.advance(self.name, len(rows))
        for row in rows:
            fields = self.parsed(row)
            lacking = {name: given[name] for name in given if fields.get(name) is None}
            for part in self.parts(fields | lacking if lacking else fields):
                record = self.record(part)
                if record is None:
                    self._unusable += 1
                    continue
                if bookmark is not None and self.replication_key is not None:
                    value = record.get(self.replication_key)
                    bookmark.see(value, str(record[self.primary_keys[0]]))
                    if not bookmark.wants(value, again=again):
                        continue
                yield self.complete(record, part)

    def parsed(self, row: RawRow) -> Fields:
        """Make objects of a row; none of one that is no object, or nested too deep."""
        return row_to_python(row)

    def parts(self, fields: Fields) -> Iterable[Fields]:
        """Give what a row holds records of; itself, unless a stream says otherwise."""
        return (fields,)

    def record(self, fields: Fields) -> dict[str, Any] | None:
        """Shape raw fields into a record; None when it has no key and must be left out."""
        record, extra = self.shape.record(self.columns(fields))
        if not all(record.get(key) for key in self.primary_keys):
            return None
        if not self._new_fields.issuperset(extra):
            self._tell_new(extra.keys() - self._new_fields)
        return record

    def columns(self, fields: Fields) -> Fields:
        """Name fields as the columns are; as they are, unless a stream says otherwise."""
        return fields

    def complete(self, record: dict[str, Any], fields: Fields) -> dict[str, Any]:
        """Add to a record that is to be emitted what costs time; nothing, unless a stream does."""
        del fields
        return record

    # Replication

    def filters(self) -> dict[str, Any]:
        """Give the filters of the settings that this stream's list is read with."""
        return {}

    def made_of(self) -> dict[str, Any]:
        """Give what starts the stream again when it changes: filters, unless a stream adds more."""
        return self.filters()

    def bookmark(self, context: Mapping[str, Any] | None) -> Bookmark | None:
        """Take up the bookmark of the stream or partition; None when everything is emitted."""
        if not self.incremental or self.replication_key is None:
            return None
        bookmark = Bookmark(
            self.get_context_state(context),
            self.replication_key,
            filters=fingerprint(self.made_of()),
            start_date=self.settings.start_date,
            lookback=self.settings.lookback_seconds,
        )
        if bookmark.restarted:
            self.logger.warning(
                "%s: the settings ask for something else than in the last sync; it starts again "
                "from the beginning",
                self._called(context),
            )
        return bookmark

    def finish(self, bookmark: Bookmark | None, *, whole: bool) -> None:
        """Move the bookmark, all records of the stream or partition being out.

        When the list could not be read as a whole, the bookmark stays, and nothing is activated.
        """
        if not whole:
            self._whole = False
            self.logger.warning(
                "%s: the list ended early or kept changing while it was read, so records may be "
                "missing; the next sync reads it again from the same bookmark",
                self.name,
            )
        if bookmark is not None:
            if whole:
                bookmark.finish()
            else:
                bookmark.start_over()
            self.state_manager.is_flushed = False

    def _called(self, context: Mapping[str, Any] | None) -> str:
        return f"{self.name} {' '.join(map(str, context.values()))}" if context else self.name

    def _tell_new(self, names: set[str]) -> None:
        self._new_fields |= names
        self.logger.warning(
            "%s: not in the schema, or not of its type, so kept in 'extra': %s",
            self.name,
            ", ".join(sorted(names)),
        )

    # Overrides of the SDK's own methods; tests/tap/test_overrides.py guards them

    def _sync_records(
        self, context: Mapping[str, Any] | None = None, *, write_messages: bool = True
    ) -> Generator[dict[str, Any], Any, Any]:
        self._stream_version = None if self.incremental else self._initialized_at
        self._pixxel.http_metrics.begin(self.name, self.endpoints())
        try:
            yield from super()._sync_records(context, write_messages=write_messages)
        except Forbidden as error:
            self._pixxel.unreadable[self.name] = str(error)
            self.logger.error("%s: left out: %s", self.name, error)  # noqa: TRY400 - one line
            return
        except (AbortedSyncFailedException, AbortedSyncPausedException):
            if self.ABORT_AT_RECORD_COUNT is None:
                raise
            return  # --test has seen the record it wanted
        self.remark()
        if self._stream_version is not None and write_messages and self._whole:
            self._write_activate_version_message(self._stream_version)

    def remark(self) -> None:
        """Say what is noteworthy once a stream's records are out."""
        if self._unusable:
            self.logger.warning(
                "%s: %d records that cannot be read or have no key (%s) were left out",
                self.name,
                self._unusable,
                ", ".join(self.primary_keys),
            )

    def _write_record_message(self, record: dict[str, Any]) -> None:
        """Write a record, or leave out one that could be read but is nested too deep to write."""
        try:
            super()._write_record_message(record)
        except RecursionError:
            self._unusable += 1

    def _write_starting_replication_value(self, context: Mapping[str, Any] | None) -> None:
        """Leave the state alone: `Bookmark` reads and writes it."""

    def _increment_stream_state(
        self, latest_record: dict[str, Any], *, context: Mapping[str, Any] | None = None
    ) -> None:
        """Leave the state alone: `Bookmark` reads and writes it."""

    @property
    def emit_activate_version_messages(self) -> bool:
        """Not at the start, as the SDK would: only behind the last record."""
        return False

    def get_replication_key_signpost(self, context: Mapping[str, Any] | None = None) -> None:
        """Give none: `Bookmark` keeps to the server's clock."""

    def _generate_record_messages(
        self, record: dict[str, Any]
    ) -> Generator[RecordMessage, None, None]:
        """Make messages without walking through every asset: records have JSON types already."""
        for name in self.dropped & record.keys():
            del record[name]
        for stream_map in self.stream_maps:
            mapped = stream_map.transform(record)
            if mapped is not None:
                yield RecordMessage(
                    stream=stream_map.stream_alias,
                    record=mapped,
                    version=self._stream_version,
                    time_extracted=utc_now(),
                )

    @cached_property
    def dropped(self) -> frozenset[str]:
        """The columns that the catalog deselects or does not know."""
        known = self.effective_schema["properties"]
        names = self.schema["properties"].keys() | known.keys()
        return frozenset(
            name for name in names if name not in known or not self.mask["properties", name]
        )
