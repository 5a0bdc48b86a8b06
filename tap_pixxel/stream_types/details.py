"""Streams with columns that only the response to a request for one record has."""

from __future__ import annotations

import re
from collections import Counter
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar

from pixxel_api.errors import BadRequest, Forbidden, PixxelError
from pixxel_api.json_decoding import row_to_python
from pixxel_api.pagination.concurrency import OrderedExecutor, run_interruptibly
from tap_pixxel.columns import EXTRA
from tap_pixxel.stream_types.base import PixxelStream
from tap_pixxel.stream_types.refusals import REFUSALS_WITHOUT_404, describe_refusals
from tap_pixxel.stream_types.scan_report import ScanReport
from tap_pixxel.stream_types.shared_scan import format_path, is_path_value

if TYPE_CHECKING:
    from collections.abc import Iterator

    from singer_sdk.tap_base import Tap

    from pixxel_api.json_decoding import RawRow
    from tap_pixxel.stream_types.refusals import RowRefusal
    from tap_pixxel.stream_types.sdk_stream import StreamContext

_PATH_PARAM = re.compile(r"\{(\w+)\}")
_NO_PARAMETER = "without an id that the request needs"
_UNDECODABLE = "not decodable"
_MAX_HELD = 1000  # records that wait for the first details that can be read
_MAX_PROBES = 20  # rows whose details are requested to find some that can be read


class DetailedStream(PixxelStream):
    """A list whose records can get details, which are requested for each record by its id.

    The setting `workflow_details` enables them, for the records that are emitted, `concurrency` at
    a time. A record whose details are refused is emitted without them. After a 400, no record is
    emitted until the details of one can be read, which shows that the request is right.
    """

    detail_path: ClassVar[str]
    """Its parameters are columns, and the stream's `path_param`, which is the record's id."""
    detail_query: ClassVar[tuple[str, ...]] = ()
    """Columns that are also parameters of the query."""
    detail_columns: ClassVar[frozenset[str]]
    """Columns that are read from the details."""
    fields_of_other_streams: ClassVar[frozenset[str]] = frozenset()
    """Fields of the details that another stream emits."""

    def __init__(self, tap: Tap, context: StreamContext) -> None:
        super().__init__(tap, context)
        self._missing_details: Counter[str] = Counter()
        self._detail_refusals: Counter[type[RowRefusal]] = Counter()
        self._first_refusal: RowRefusal | None = None

    @classmethod
    def endpoint_paths(cls) -> tuple[str, ...]:
        """Return the paths that the stream reads, with that of the details."""
        return (*super().endpoint_paths(), cls.detail_path)

    def add_details(self, records: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """Yield the records with their details, in their order.

        Raises:
            BadRequest: No details can be read.
            Forbidden: The token may not read the list any more, so details of some records that
                have them are missing.
        """
        if not self.settings.workflow_details or self.detail_columns <= self.deselected:
            yield from records
            return
        calls = (partial(self._fetch_details, record) for record in records)
        held: list[dict[str, Any]] = []
        rejection: BadRequest | None = None
        readable = False
        with OrderedExecutor(
            calls, concurrency=self.scan_options().concurrency, check=self.check_stop
        ) as results:
            for record, details in results:
                held.append(self._add_columns(record, details))
                readable = readable or isinstance(details, dict)
                if isinstance(details, BadRequest):
                    rejection = rejection or details
                if rejection and not readable:
                    if len(held) < _MAX_HELD:
                        continue
                    self._check_request(rejection, held)
                    readable = True
                yield from held
                held.clear()
        if rejection and held:
            self._check_request(rejection, held)
            yield from held
        if self._detail_refusals[Forbidden]:
            self.check_token()

    def _check_request(self, rejection: BadRequest, records: list[dict[str, Any]]) -> None:
        """Request details of other rows: in an incremental sync, all changed ones may be broken.

        Raises:
            BadRequest: None of them can be read; it is `rejection`.
        """
        rejected = {record["id"] for record in records}
        others = (
            each for each in self._scan_records_without_details() if each["id"] not in rejected
        )
        for record in islice(others, _MAX_PROBES):
            call = partial(self._fetch_details, record)
            if isinstance(run_interruptibly(call, self.check_stop)[1], dict):
                return
        raise rejection

    def _scan_records_without_details(self) -> Iterator[dict[str, Any]]:
        for batch in self.scan_all(ScanReport(self._skipped_lists.make_empty())):
            for row in batch.rows:
                if record := self.make_record({**batch.path_params, **self.parse_row(row)}):
                    yield record

    def _fetch_details(
        self, record: dict[str, Any]
    ) -> tuple[dict[str, Any], RawRow | RowRefusal | None]:
        """Request a record's details; None without a parameter. Called from several threads."""
        values = {**record, self.path_param: record["id"]}
        path_params = {name: values[name] for name in _PATH_PARAM.findall(self.detail_path)}
        query = {name: values[name] for name in self.detail_query}
        if not all(query.values()) or not all(map(is_path_value, path_params.values())):
            return record, None
        path = format_path(self.detail_path, path_params)
        try:
            response = self.client.send_with_retries("GET", path, params=query)
        except REFUSALS_WITHOUT_404 as error:
            return record, error
        response.raise_for_error()
        return record, response.fields

    def _add_columns(
        self, record: dict[str, Any], details: RawRow | RowRefusal | None
    ) -> dict[str, Any]:
        """Return a record with the fields of its details that the list lacks."""
        if details is None:
            self._missing_details[_NO_PARAMETER] += 1
            return record
        if isinstance(details, PixxelError):
            self._detail_refusals[type(details)] += 1
            self._first_refusal = self._first_refusal or details
            return record
        listed = self.schema["properties"].keys() - self.detail_columns
        omitted = listed | self.fields_of_other_streams
        kept = {name: details[name] for name in details if name not in omitted}
        fields = row_to_python(kept)
        if kept and not fields:
            self._missing_details[_UNDECODABLE] += 1
        columns, extra = self.table_schema.make_record(fields)
        found = {name: columns[name] for name in self.detail_columns if name in fields}
        if extra:
            self.log_new_fields(extra)
            found[EXTRA] = extra | (record[EXTRA] or {})
        return record | found

    def log_summary(self) -> None:
        """Log also how many records have no details."""
        super().log_summary()
        if total := self._detail_refusals.total() + self._missing_details.total():
            reasons = [f"{number} {reason}" for reason, number in self._missing_details.items()]
            if self._first_refusal:
                reasons.insert(0, describe_refusals(self._detail_refusals))
            first = f"; the first: {self._first_refusal}" if self._first_refusal else ""
            self.logger.warning(
                "%s: %d records are emitted without details (setting 'workflow_details'): %s%s",
                self.name,
                total,
                ", ".join(reasons),
                first,
            )
