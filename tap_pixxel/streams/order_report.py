"""The order report: the order history as a CSV file, whose header names the columns."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from singer_sdk.helpers._catalog import get_selected_schema

from pixxel_api.errors import UnexpectedResponse
from pixxel_api.pagination.concurrency import run_interruptibly
from pixxel_api.timestamps import TimestampError, normalize_date, normalize_timestamp
from tap_pixxel.columns import (
    BOOLEAN,
    DATE,
    EXTRA,
    INTEGER,
    NUMBER,
    TEXT,
    TEXTS,
    TIMESTAMP,
    Column,
    TableSchema,
)
from tap_pixxel.stream_types.base import PixxelStream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from tap_pixxel.columns import ColumnType, Fields

csv.field_size_limit(1 << 24)  # characters; a report has no longer cell

MORE_CELLS = "more_cells"
"""Column for the cells of a row that is longer than the header."""
_TYPES_STATE_KEY = "columns"
_MAX_NAME_LENGTH = 60
"""Characters of a column name: PostgreSQL cuts names at 63 without an error."""
_NOT_NAME_CHARACTERS = re.compile(r"[^0-9a-z]+")
# A text with a leading zero, or with more digits than a float keeps, is a code.
_NUMBER_PATTERN = re.compile(r"-?(?:0|[1-9]\d{0,14})(?:\.\d+)?(?:[eE][+-]?\d{1,2})?")
_DATE_PATTERN = re.compile(r"\d{4}-\d{2}-\d{2}|\d{2}-\d{2}-\d{4}")
_TIMESTAMP_PATTERN = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}.*")
_BOOLEANS = {"true": True, "false": False}

_ROW_NUMBER_COLUMN = Column(
    "row_number", INTEGER, "Position in the report, from 1; the report's rows have no key."
)
_MORE_CELLS_COLUMN = Column(MORE_CELLS, TEXTS, "Cells of a row that is longer than the header.")


class InvalidReport(ValueError):
    """A text is not CSV with a header; the message says why, and quotes nothing."""


class CellType(NamedTuple):
    """A type of cells: the type of their column, and the converter of cells that are not empty."""

    column_type: ColumnType
    read: Callable[[str], Any]


def _pattern_reader(pattern: re.Pattern[str], read: Callable[[str], Any]) -> Callable[[str], Any]:
    def reader(text: str) -> Any:  # noqa: ANN401 - any JSON
        if not pattern.fullmatch(text.strip()):
            raise ValueError
        return read(text.strip())

    return reader


CELL_TYPES: dict[str, CellType] = {
    "boolean": CellType(BOOLEAN, lambda text: _BOOLEANS[text.strip().lower()]),
    "number": CellType(NUMBER, _pattern_reader(_NUMBER_PATTERN, json.loads)),
    "date": CellType(DATE, _pattern_reader(_DATE_PATTERN, normalize_date)),
    "timestamp": CellType(TIMESTAMP, _pattern_reader(_TIMESTAMP_PATTERN, normalize_timestamp)),
    "text": CellType(TEXT, str),
}
"""The types of cells, by their names in the state, narrow ones first.

Integers have no type of their own: the first fraction would change the column's type, and a loader
that cannot change a type may round the value without an error.
"""
_CELL_ERRORS = (KeyError, TimestampError, ValueError)


@dataclass(frozen=True, slots=True)
class CsvReport:
    """A parsed report.

    Attributes:
        titles: The title in the header of each column, by the column's name.
        rows: The cells of each row, which may be fewer or more than the titles.
    """

    titles: dict[str, str]
    rows: list[list[str]]

    def detect_types(self, known_types: Mapping[str, str]) -> dict[str, str]:
        """Return the name of each column's cell type.

        Args:
            known_types: Earlier types of the columns. A type never gets narrower again, so that a
                table does not change with every report.
        """
        return {
            name: _widen_type(
                known_types.get(name),
                _narrowest_type(row[index] for row in self.rows if index < len(row)),
            )
            for index, name in enumerate(self.titles)
        }

    def iter_fields(self, types: Mapping[str, str]) -> Iterator[Fields]:
        """Yield the fields of each row; an empty cell is null."""
        readers = [(name, CELL_TYPES[types[name]].read) for name in self.titles]
        for row in self.rows:
            fields = {
                name: read(cell) if cell.strip() else None
                for (name, read), cell in zip(readers, row, strict=False)
            }
            if len(row) > len(readers):
                fields[MORE_CELLS] = row[len(readers) :]
            yield fields


def parse_report(content: bytes, reserved_names: Iterable[str] = ()) -> CsvReport:
    """Parse a report: UTF-8, commas, quotes as in RFC 4180, a header in the first line.

    Args:
        content: The whole report.
        reserved_names: Names that no column may have.

    Raises:
        InvalidReport: It is not such a file.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidReport("is not UTF-8 text") from None
    if text.lstrip().startswith("{"):
        raise InvalidReport("is JSON instead of CSV")
    try:
        lines = csv.reader(io.StringIO(text, newline=""), strict=True)
        header, *rows = (row for row in lines if row)
    except csv.Error:
        raise InvalidReport("is not valid CSV") from None
    except ValueError:
        raise InvalidReport("is empty, without a header") from None
    if len(header) == 1 and not rows:
        raise InvalidReport("is a line of text instead of CSV")
    return CsvReport(
        dict(zip(_make_column_names(header, reserved_names), header, strict=True)), rows
    )


def _make_column_names(header: list[str], reserved_names: Iterable[str]) -> list[str]:
    """Return unique names for the titles of a header: lower case, digits and underscores.

    Long names are cut, so that their numbers are within the part that a loader keeps.
    """
    used = Counter(reserved_names)
    names = []
    for number, title in enumerate(header, 1):
        name = _NOT_NAME_CHARACTERS.sub("_", title.lower()).strip("_") or f"column_{number}"
        if name[0].isdigit():
            name = f"column_{name}"
        name = name[:_MAX_NAME_LENGTH]
        while used[name]:
            used[name] += 1
            name = f"{name}_{used[name]}"
        used[name] += 1
        names.append(name)
    return names


def _narrowest_type(cells: Iterable[str]) -> str | None:
    """Return the narrowest type that can read all cells; None if all are empty."""
    candidates = list(CELL_TYPES)
    has_text = False
    for text in filter(str.strip, set(cells)):
        has_text = True
        candidates = [name for name in candidates if _can_read(CELL_TYPES[name], text)]
    return candidates[0] if has_text else None


def _can_read(cell_type: CellType, text: str) -> bool:
    try:
        cell_type.read(text)
    except _CELL_ERRORS:
        return False
    return True


def _widen_type(known: str | None, detected: str | None) -> str:
    """Return the type that includes both."""
    if known not in CELL_TYPES or known == detected:
        return detected or "text"
    return known if detected is None else "text"


class OrderReport(PixxelStream):
    """GET /v0/reports: the order history in CSV, every row, with the columns of its header.

    The columns are known only after the report is read, so the SCHEMA follows then, and the catalog
    lists only those that every report has. The state keeps the columns' types, which only widen.
    """

    name = "order_report"
    path = "/v0/reports"
    primary_keys = ("row_number",)
    table_schema = TableSchema(_ROW_NUMBER_COLUMN, _MORE_CELLS_COLUMN)

    def get_records(self, context: Mapping[str, Any] | None) -> Iterator[dict[str, Any]]:
        """Fetch the report, write the schema of its columns, and yield its rows.

        There is no list to scan and no bookmark, so nothing of the base's method applies.
        """
        state = self.get_context_state(context)
        report = self._fetch_report()
        known = state.get(_TYPES_STATE_KEY)
        known = known if isinstance(known, dict) else {}
        types = report.detect_types(known)
        self._write_report_schema(report, types)
        self._stream_context.progress.advance(self.name, len(report.rows))
        for number, fields in enumerate(report.iter_fields(types), 1):
            yield {_ROW_NUMBER_COLUMN.name: number, **fields}
        state[_TYPES_STATE_KEY] = {**known, **types}
        self.state_manager.is_flushed = False

    def _fetch_report(self) -> CsvReport:
        """Fetch the report, with its times in UTC.

        Raises:
            UnexpectedResponse: It is not CSV.
        """
        params = {"tz": "UTC"}
        response = run_interruptibly(
            lambda: self.client.get_text(self.path, params=params), self.check_stop
        )
        try:
            return parse_report(
                response.content, reserved_names=(_ROW_NUMBER_COLUMN.name, MORE_CELLS, EXTRA)
            )
        except InvalidReport as error:
            raise UnexpectedResponse("GET", self.path, reason=f"the response {error}") from None

    def _write_report_schema(self, report: CsvReport, types: Mapping[str, str]) -> None:
        """Add the report's columns to the schema, and write it."""
        columns = [
            Column(name, CELL_TYPES[types[name]].column_type, f"The report's column '{title}'.")
            for name, title in report.titles.items()
        ]
        self.table_schema = TableSchema(_ROW_NUMBER_COLUMN, *columns, _MORE_CELLS_COLUMN)
        self.__dict__.pop("deselected", None)
        selected = get_selected_schema(self.name, deepcopy(self.schema), self.mask)
        self._stream_context.mapper.register_raw_stream_schema(
            self.name, selected, self.primary_keys
        )
        self._stream_maps = []
        super()._write_schema_message()

    @property
    def effective_schema(self) -> dict[str, Any]:
        """The schema of the report's columns, which a catalog cannot list."""
        return self.schema

    def _write_schema_message(self) -> None:
        """Write nothing yet: the report names the columns."""

    @cached_property
    def deselected(self) -> frozenset[str]:
        """The columns that the catalog deselects."""
        names = self.schema["properties"]
        return frozenset(name for name in names if not self.mask["properties", name])


STREAMS = (OrderReport,)
