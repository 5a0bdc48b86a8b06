"""A report in CSV: names and types for its columns, and its rows as fields; pure functions."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from pixxel_api.timestamps import TimestampError, normalize_date, normalize_timestamp
from tap_pixxel.schema import BOOLEAN, DATE, NUMBER, TEXT, TIMESTAMP

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from tap_pixxel.schema import Type

csv.field_size_limit(1 << 24)  # characters; a cell longer than this is no cell of a report

MORE = "more_cells"
"""Where the cells of a row that is longer than the header go."""
_LONGEST = 60
"""Characters of a column's name: a PostgreSQL name has 63, and is cut there without a word."""
_NO_NAME = re.compile(r"[^0-9a-z]+")
# A leading zero, or more digits than a loader's floating point keeps, make the text a code.
_NUMBER = re.compile(r"-?(?:0|[1-9]\d{0,14})(?:\.\d+)?(?:[eE][+-]?\d{1,2})?")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}|\d{2}-\d{2}-\d{4}")
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}.*")
_TRUTH = {"true": True, "false": False}


class NotAReport(ValueError):
    """The text is no CSV with a header; the text of the error says why, and quotes nothing."""


class Kind(NamedTuple):
    """A type of cells: the column's type, and what makes a value of a cell that is not empty."""

    type: Type
    read: Callable[[str], Any]


def _by_pattern(pattern: re.Pattern[str], read: Callable[[str], Any]) -> Callable[[str], Any]:
    def reader(text: str) -> Any:  # noqa: ANN401 - any JSON
        if not pattern.fullmatch(text.strip()):
            raise ValueError
        return read(text.strip())

    return reader


KINDS: dict[str, Kind] = {
    "boolean": Kind(BOOLEAN, lambda text: _TRUTH[text.strip().lower()]),
    "number": Kind(NUMBER, _by_pattern(_NUMBER, json.loads)),
    "date": Kind(DATE, _by_pattern(_DAY, normalize_date)),
    "timestamp": Kind(TIMESTAMP, _by_pattern(_MOMENT, normalize_timestamp)),
    "text": Kind(TEXT, str),
}
"""The types of cells, by the names that the state keeps.

Whole numbers are no type of their own: a column would turn from one into the other with the first
fraction, and a loader that cannot change a column's type may round it without a word.
"""
_UNREADABLE = (KeyError, TimestampError, ValueError)


@dataclass(frozen=True, slots=True)
class Report:
    """A report that was read.

    Attributes:
        titles: What the header calls a column, by the column's name.
        rows: The cells of each row, as many as it has.
    """

    titles: dict[str, str]
    rows: list[list[str]]

    def kinds(self, known: Mapping[str, str]) -> dict[str, str]:
        """Tell what kind each column is of.

        Args:
            known: Kinds that columns had before: a column never gets narrower again, so that a
                table need not change its mind with every report.
        """
        return {
            name: _joined(known.get(name), _kind_of(row[at] for row in self.rows if at < len(row)))
            for at, name in enumerate(self.titles)
        }

    def fields(self, kinds: Mapping[str, str]) -> Iterator[dict[str, Any]]:
        """Give the rows as fields; an empty cell is null."""
        readers = [(name, KINDS[kinds[name]].read) for name in self.titles]
        for row in self.rows:
            fields = {
                name: read(cell) if cell.strip() else None
                for (name, read), cell in zip(readers, row, strict=False)
            }
            if len(row) > len(readers):
                fields[MORE] = row[len(readers) :]
            yield fields


def read_report(content: bytes, taken: Iterable[str] = ()) -> Report:
    """Read a report: UTF-8, commas, quotes as in RFC 4180, a header in the first line.

    Args:
        content: The whole of it.
        taken: Names that no column may have.

    Raises:
        NotAReport: It is none.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise NotAReport("is not UTF-8 text") from None
    if text.lstrip().startswith("{"):
        raise NotAReport("is JSON where CSV should be")
    try:
        lines = csv.reader(io.StringIO(text, newline=""), strict=True)
        header, *rows = (row for row in lines if row)
    except csv.Error:
        raise NotAReport("is no CSV") from None
    except ValueError:
        raise NotAReport("is empty, without even a header") from None
    if len(header) == 1 and not rows:
        raise NotAReport("is a line of text where CSV should be")
    return Report(dict(zip(_names(header, taken), header, strict=True)), rows)


def _names(header: list[str], taken: Iterable[str]) -> list[str]:
    """Make names of a header's titles: lower case, digits and underscores, no two the same.

    Long ones are cut, so that their numbers are within what a loader keeps of a name.
    """
    used = Counter(taken)
    names = []
    for at, title in enumerate(header, 1):
        name = _NO_NAME.sub("_", title.lower()).strip("_") or f"column_{at}"
        if name[0].isdigit():
            name = f"column_{name}"
        name = name[:_LONGEST]
        while used[name]:
            used[name] += 1
            name = f"{name}_{used[name]}"
        used[name] += 1
        names.append(name)
    return names


def _kind_of(cells: Iterable[str]) -> str | None:
    """Find the narrowest kind that can read all cells; None where all are empty."""
    fitting = list(KINDS)
    some = False
    for text in filter(str.strip, set(cells)):
        some = True
        fitting = [name for name in fitting if _reads(KINDS[name], text)]
    return fitting[0] if some else None


def _reads(kind: Kind, text: str) -> bool:
    try:
        kind.read(text)
    except _UNREADABLE:
        return False
    return True


def _joined(known: str | None, found: str | None) -> str:
    """Give the kind that holds what both do."""
    if known not in KINDS or known == found:
        return found or "text"
    return known if found is None else "text"
