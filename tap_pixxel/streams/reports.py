"""The order report: the whole order history as the API writes it for people, row by row."""

from __future__ import annotations

from copy import deepcopy
from functools import cached_property
from typing import TYPE_CHECKING, Any

from singer_sdk.helpers._catalog import get_selected_schema

from pixxel_api.errors import UnexpectedResponse
from pixxel_api.pagination.concurrency import run_interruptibly
from tap_pixxel.base import PixxelStream
from tap_pixxel.report import KINDS, MORE, NotAReport, read_report
from tap_pixxel.schema import EXTRA, INTEGER, TEXTS, Column, Shape

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tap_pixxel.report import Report

_ROW = Column("row_number", INTEGER, "Place in the report, from 1; the report's rows have no key.")
_MORE = Column(MORE, TEXTS, "Cells of a row that is longer than the header.")
_COLUMNS = "columns"


class OrderReport(PixxelStream):
    """GET /v0/reports: the order history in CSV, every row, its columns those of its header.

    The columns are known once the report is read, so the SCHEMA follows then, and the catalog
    names only what every report has. The state keeps the columns' types, which only get wider.
    """

    name = "order_report"
    path = "/v0/reports"
    primary_keys = ("row_number",)
    shape = Shape(_ROW, _MORE)

    def get_records(self, context: Mapping[str, Any] | None) -> Iterator[dict[str, Any]]:
        """Read the report, say what columns it has, and give its rows."""
        state = self.get_context_state(context)
        report = self._report()
        known = state.get(_COLUMNS)
        known = known if isinstance(known, dict) else {}
        kinds = report.kinds(known)
        self._declare(report, kinds)
        self._pixxel.progress.advance(self.name, len(report.rows))
        for number, fields in enumerate(report.fields(kinds), 1):
            yield {_ROW.name: number, **fields}
        state[_COLUMNS] = {**known, **kinds}
        self.state_manager.is_flushed = False

    def _report(self) -> Report:
        """Read the report, with its times in UTC.

        Raises:
            WrongShape: It is no CSV.
        """
        params = {"tz": "UTC"}
        text = run_interruptibly(
            lambda: self.client.get_text(self.path, params=params), self._pixxel.stop.check
        )
        try:
            return read_report(text.content, taken=(_ROW.name, MORE, EXTRA))
        except NotAReport as error:
            raise UnexpectedResponse("GET", self.path, reason=f"the answer {error}") from None

    def _declare(self, report: Report, kinds: Mapping[str, str]) -> None:
        """Take the report's columns into the schema, and write it."""
        columns = [
            Column(name, KINDS[kinds[name]].type, f"The report's column '{title}'.")
            for name, title in report.titles.items()
        ]
        self.shape = Shape(_ROW, *columns, _MORE)
        self.__dict__.pop("dropped", None)
        selected = get_selected_schema(self.name, deepcopy(self.schema), self.mask)
        self._pixxel.mapper.register_raw_stream_schema(self.name, selected, self.primary_keys)
        self._stream_maps = []
        super()._write_schema_message()

    @property
    def effective_schema(self) -> dict[str, Any]:
        """The schema as the report makes it; a catalog cannot know its columns."""
        return self.schema

    def _write_schema_message(self) -> None:
        """Wait for the report, which says what columns there are."""

    @cached_property
    def dropped(self) -> frozenset[str]:
        """The columns that the catalog deselects."""
        names = self.schema["properties"]
        return frozenset(name for name in names if not self.mask["properties", name])


STREAMS = (OrderReport,)
