"""Errors common to all plugins; the command line logs each as lines and sets the exit status."""

from __future__ import annotations


class OutputClosedError(Exception):
    """Standard output accepts no more data: broken pipe or disk full."""


class InputError(Exception):
    """A setting, the state, the catalog, a file or a message is invalid.

    Args:
        lines: One line per error: the place, the error, and what to do.
    """

    def __init__(self, *lines: str) -> None:
        super().__init__(*lines)
        self.lines = lines


class SettingError(ValueError):
    """A setting is invalid; the text follows the setting's name and never quotes its value."""
