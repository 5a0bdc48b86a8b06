"""Where the tables are printed."""

from __future__ import annotations

from rich.console import Console

_WIDTH = 100  # characters, those of the README


def console() -> Console:
    """Give what prints tables, as wide in a file as before a person."""
    return Console(width=_WIDTH)
