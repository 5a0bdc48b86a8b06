"""Console for the tables of the benchmarks."""

from __future__ import annotations

from rich.console import Console

_WIDTH = 100  # characters, as in docs/benchmarks.md


def make_console() -> Console:
    """Return a console of fixed width, so that files and terminals show the same tables."""
    return Console(width=_WIDTH)
