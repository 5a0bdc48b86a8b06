"""Streams with columns that only the response to a request for one record has."""

from __future__ import annotations

import re
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from pixxel_api.errors import Forbidden, NotFound
from pixxel_api.json_decoding import row_to_python
from pixxel_api.pagination.concurrency import OrderedExecutor
from tap_pixxel.columns import EXTRA
from tap_pixxel.stream_types.base import PixxelStream
from tap_pixxel.stream_types.shared_scan import format_path, is_path_value

if TYPE_CHECKING:
    from collections.abc import Iterator

    from singer_sdk.tap_base import Tap

    from pixxel_api.json_decoding import RawRow
    from tap_pixxel.stream_types.sdk_stream import StreamContext

_PATH_PARAM = re.compile(r"\{(\w+)\}")
_FORBIDDEN = "forbidden (403)"
_NOT_FOUND = "not found (404)"
_NO_PARAMETER = "without an id that the request needs"
_UNDECODABLE = "not decodable"


class DetailedStream(PixxelStream):
    """A list whose records can get details, which are requested for each record by its id.

    The setting `workflow_details` enables them, for the records that are emitted, `concurrency` at
    a time. A record whose details answer 403 or 404 is emitted without them.
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
        self._first_detail_error: Forbidden | NotFound | None = None

    @classmethod
    def endpoint_paths(cls) -> tuple[str, ...]:
        """Return the paths that the stream reads, with that of the details."""
        return (*super().endpoint_paths(), cls.detail_path)

    def add_details(self, records: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """Yield the records with their details, in their order.

        Raises:
            Forbidden: The token may not read the list any more, so details of some records that
                have them are missing.
        """
        if not self.settings.workflow_details or self.detail_columns <= self.deselected:
            yield from records
            return
        calls = (partial(self._fetch_details, record) for record in records)
        with OrderedExecutor(
            calls, concurrency=self.scan_options().concurrency, check=self.check_stop
        ) as results:
            for record, details in results:
                yield self._add_columns(record, details)
        if self._missing_details[_FORBIDDEN]:
            self.check_token()

    def _fetch_details(
        self, record: dict[str, Any]
    ) -> tuple[dict[str, Any], RawRow | Forbidden | NotFound | None]:
        """Request a record's details; None without a parameter. Called from several threads."""
        values = {**record, self.path_param: record["id"]}
        path_params = {name: values[name] for name in _PATH_PARAM.findall(self.detail_path)}
        query = {name: values[name] for name in self.detail_query}
        if not all(query.values()) or not all(map(is_path_value, path_params.values())):
            return record, None
        path = format_path(self.detail_path, path_params)
        try:
            response = self.client.send_with_retries("GET", path, params=query)
        except (Forbidden, NotFound) as error:
            return record, error
        response.raise_for_error()
        return record, response.fields

    def _add_columns(
        self, record: dict[str, Any], details: RawRow | Forbidden | NotFound | None
    ) -> dict[str, Any]:
        """Return a record with the fields of its details that the list lacks."""
        if details is None:
            self._missing_details[_NO_PARAMETER] += 1
            return record
        if isinstance(details, Forbidden | NotFound):
            reason = _FORBIDDEN if isinstance(details, Forbidden) else _NOT_FOUND
            self._missing_details[reason] += 1
            self._first_detail_error = self._first_detail_error or details
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
        if self._missing_details:
            reasons = ", ".join(f"{n} {reason}" for reason, n in self._missing_details.items())
            first = f"; the first: {self._first_detail_error}" if self._first_detail_error else ""
            self.logger.warning(
                "%s: %d records are emitted without details (setting 'workflow_details'): %s%s",
                self.name,
                self._missing_details.total(),
                reasons,
                first,
            )
