"""Errors that all plugins share; the command line turns each into one line and an exit status."""

from __future__ import annotations


class OutputClosedError(Exception):
    """Standard output accepts no more data: broken pipe, or disk full."""


class InputError(Exception):
    """Settings, state, catalog, a file or a message from the user are invalid.

    Args:
        lines: One line for each mistake: what is wrong, where, and what to do.
    """

    def __init__(self, *lines: str) -> None:
        super().__init__(*lines)
        self.lines = lines


class SettingError(ValueError):
    """A setting is invalid; the text follows the setting's name and never quotes its value."""
