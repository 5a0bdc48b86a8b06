"""Exit statuses, the same for every plugin, and the errors that choose them."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """What a plugin's exit status says; 128 plus the signal's number when one ended it."""

    OK = 0
    FAILED = 1
    BAD_INPUT = 2
    INCOMPLETE = 3


class ReaderGoneError(Exception):
    """Standard output takes nothing more: its reader is gone, or its disk is full."""


class InputError(Exception):
    """What the user gave is wrong: settings, state, catalog or a file; one line says what.

    Args:
        lines: One line for each mistake: what is wrong, where, and what to do.
    """

    def __init__(self, *lines: str) -> None:
        super().__init__(*lines)
        self.lines = lines
