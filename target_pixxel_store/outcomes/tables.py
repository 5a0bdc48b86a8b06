"""Tables for people, on standard error: what a dry run would do, and what a run has done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pixxel_singer.redaction import escape_controls
from target_pixxel_store.outcomes import OutcomeKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rich.console import JustifyMethod

    from target_pixxel_store.outcomes import Outcome
    from target_pixxel_store.outcomes.recorder import DryRunRow

WIDTH = 240
_ACTIONS = {
    OutcomeKind.REPLACED: "would replace",
    OutcomeKind.DELETED: "would delete",
    OutcomeKind.FAILED: "would fail",
}
"""What a dry run would do; other outcomes are themselves, `created` is by kind of record."""
_LAST = frozenset({OutcomeKind.EXISTS, OutcomeKind.PENDING, OutcomeKind.FAILED})
_COLUMNS = ("date", "store", "path", "why", "catalog", "stream")
_NUMBERS = frozenset({"captures", "km²", "base", "price"})
_DATE_LENGTH = 10  # characters of a date in RFC 3339


def print_dry_run_table(
    rows: Sequence[DryRunRow],
    skip_reasons: Mapping[str, int],
    catalogs: Mapping[str, Mapping[str, Any]],
) -> None:
    """Print what would be done first, then the rest; count what is skipped.

    Args:
        rows: The outcomes.
        skip_reasons: The number of skipped records by reason.
        catalogs: The fields of catalogs by id, with `item_id` and `datetime`.
    """
    skipped = sum(skip_reasons.values())
    table = Table(
        title=f"dry run: {len(rows) + skipped} outcomes, nothing was written", title_justify="left"
    )
    kinds = {"image" if row.outcome.catalog_id else "record" for row in rows} or {"image"}
    for name in ("action", " or ".join(sorted(kinds)), *_COLUMNS):
        table.add_column(name, overflow="fold")
    for row in sorted(rows, key=lambda row: row.outcome.kind in _LAST):
        outcome, location = row.outcome, row.outcome.location
        catalog = catalogs.get(outcome.catalog_id or "", {})
        image = catalog.get("item_id") or ("" if outcome.catalog_id else row.record_key)
        date = str(catalog.get("datetime") or "")[:_DATE_LENGTH]
        _add_row(
            table,
            (
                *(_describe_action(outcome), str(image), date, location.store, location.path),
                *(outcome.reason, outcome.catalog_id or "", row.stream),
            ),
        )
    _print(table, *(f"skipped {count}: {why}" for why, count in sorted(skip_reasons.items())))


def _describe_action(outcome: Outcome) -> str:
    if outcome.kind is OutcomeKind.CREATED:
        if outcome.location.is_download:
            return "would download"
        return "would create" if outcome.catalog_id is None else "would deliver"
    return _ACTIONS.get(outcome.kind, outcome.kind.value)


def print_plan_table(rows: Sequence[Mapping[str, str]], total: str) -> None:
    """Print a plan of purchases; a column without any value is left out.

    Args:
        rows: Its cells by column, all of them in the first row; the last one is the total.
        total: What to print below it.
    """
    table = Table(title="plan of the purchases; nothing was placed", title_justify="left")
    names = [name for name in rows[0] if any(row.get(name) for row in rows)]
    for name in names:
        justify: JustifyMethod = "right" if name in _NUMBERS else "left"
        table.add_column(name, justify=justify, overflow="fold")
    for at, row in enumerate(rows):
        if at == len(rows) - 1:
            table.add_section()
        _add_row(table, (row.get(name, "") for name in names))
    _print(table, total)


def print_summary_table(summary: Mapping[str, Any]) -> None:
    """Print the number of records by stream and outcome, and why a run has ended early.

    Args:
        summary: The run's summary.
    """
    outcomes: Mapping[str, Mapping[str, int]] = summary["outcomes"]
    ignored: Mapping[str, int] = summary["ignored"]
    kinds = [kind.value for kind in OutcomeKind if any(kind in each for each in outcomes.values())]
    table = Table(title=f"status {summary['status']}", title_justify="left")
    for name in ("stream", *kinds, *(["ignored"] if ignored else [])):
        table.add_column(name, overflow="fold")
    for stream in sorted(outcomes.keys() | ignored.keys()):
        counts = [outcomes.get(stream, {}).get(kind, 0) for kind in kinds]
        counts += [ignored.get(stream, 0)] if ignored else []
        _add_row(table, (stream, *(str(count or "") for count in counts)))
    lines = [f"skipped {count}: {why}" for why, count in summary["skipped"].items()]
    if summary["ended_because"]:
        lines.append(f"ended because: {summary['ended_because']}")
    _print(table, *lines)


def _add_row(table: Table, cells: Iterable[str]) -> None:
    table.add_row(*(Text(escape_controls(cell)) for cell in cells))  # brackets are no markup here


def _print(table: Table, *lines: str) -> None:
    """Print to standard error, as standard output is for STATE."""
    console = Console(stderr=True)
    if not console.is_terminal:  # a log has no width
        console.width = WIDTH
    console.print(table)
    for line in lines:
        console.print(Text(escape_controls(line)))
