"""The order report: the order history as a CSV file, whose header differs between workspaces."""

from __future__ import annotations

import csv
import hashlib
import io
from collections import Counter
from typing import TYPE_CHECKING, Any

import msgspec

from pixxel_api.errors import UnexpectedResponse
from pixxel_api.pagination.concurrency import run_interruptibly
from tap_pixxel.columns import INTEGER, OBJECT, TEXT, Column, TableSchema
from tap_pixxel.stream_types.base import PixxelStream

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

csv.field_size_limit(1 << 24)  # characters; a report has no longer cell


class InvalidReport(ValueError):
    """A text is not CSV; the message says why, and quotes nothing."""


def parse_report(content: bytes) -> list[dict[str, str]]:
    """Parse a report: UTF-8, commas, quotes as in RFC 4180, a header in the first line.

    Args:
        content: The whole report.

    Returns:
        The cells of each row by their titles in the header. A cell without a title, or whose title
        an earlier cell has, is `column_<number>`, from 1.

    Raises:
        InvalidReport: It is not such a file.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidReport("is not UTF-8 text") from None
    if text.lstrip().startswith(("{", "[")) or text.strip() == "null":
        raise InvalidReport("is JSON instead of CSV")
    try:
        lines = [row for row in csv.reader(io.StringIO(text, newline=""), strict=True) if row]
    except csv.Error:
        raise InvalidReport("is not valid CSV") from None
    if not lines:
        return []
    header, *rows = lines
    if rows and len(header) == 1:
        raise InvalidReport("has a header of one column, so it is a text or has another separator")
    titles: dict[str, None] = {}
    for number in range(1, 1 + max(map(len, lines))):
        title = header[number - 1].strip() if number <= len(header) else ""
        while not title or title in titles:
            title = f"column_{number}" if title != f"column_{number}" else f"{title}_"
        titles[title] = None
    return [dict(zip(titles, row, strict=False)) for row in rows]


def make_row_key(fields: Mapping[str, str]) -> str:
    """Return a key that is equal for rows of equal cells, in whatever order the columns are."""
    return hashlib.sha256(msgspec.json.encode(fields, order="sorted")).hexdigest()


class OrderReport(PixxelStream):
    """GET /v0/reports: the order history in CSV, every row.

    A row has no id, so its key is the hash of its cells, with a number for rows that are equal. An
    edited row is thus another row, and the earlier one ends with the ACTIVATE_VERSION.
    """

    name = "order_report"
    path = "/v0/reports"
    primary_keys = ("row_key", "occurrence")
    table_schema = TableSchema(
        Column("row_key", TEXT, "SHA-256 of the row's cells; an edited row has a new one."),
        Column("occurrence", INTEGER, "Number of the row among equal ones, from 1."),
        Column("fields", OBJECT, "The row's cells as texts, by their titles in the header."),
    )

    def get_records(self, context: Mapping[str, Any] | None) -> Iterator[dict[str, Any]]:
        """Fetch the report, and yield its rows.

        There is no list to scan and no bookmark, so nothing of the base's method applies.
        """
        del context
        rows = self._fetch_rows()
        if not rows:
            # The history of orders does not shrink: a loader must not remove what it has.
            self._complete = False
            self.logger.warning(
                "%s: the report has no rows; rows of earlier syncs are kept", self.name
            )
        self._stream_context.progress.advance(self.name, len(rows))
        seen: Counter[str] = Counter()
        for fields in rows:
            key = make_row_key(fields)
            seen[key] += 1
            yield self.table_schema.make_record(
                {"row_key": key, "occurrence": seen[key], "fields": fields}
            )[0]

    def _fetch_rows(self) -> list[dict[str, str]]:
        """Fetch the report, with its times in UTC.

        Raises:
            UnexpectedResponse: It is not CSV.
        """
        params = {"tz": "UTC"}
        response = run_interruptibly(
            lambda: self.client.get_text(self.path, params=params), self.check_stop
        )
        try:
            return parse_report(response.content)
        except InvalidReport as error:
            raise UnexpectedResponse("GET", self.path, reason=f"the response {error}") from None


STREAMS = (OrderReport,)
