"""The outcomes of a dry run as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pixxel_singer.redaction import escape_controls

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDTH = 240
COLUMNS = ("stream", "catalog", "store", "path", "outcome", "why")


def print_dry_run_table(rows: Sequence[tuple[str, ...]]) -> None:
    """Print outcomes to standard error, as standard output is for STATE."""
    table = Table(title=f"dry run: {len(rows)} outcomes, nothing was written")
    for name in COLUMNS:
        table.add_column(name, overflow="fold")
    for row in rows:
        # Text, as brackets are not markup here
        table.add_row(*(Text(escape_controls(cell)) for cell in row))
    console = Console(stderr=True)
    if not console.is_terminal:  # a log has no width
        console.width = WIDTH
    console.print(table)
