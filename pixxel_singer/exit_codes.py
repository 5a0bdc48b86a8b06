"""Exit statuses, the same for every plugin."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit status of a plugin; 128 plus the signal's number when a signal ended it."""

    OK = 0
    FAILED = 1
    BAD_INPUT = 2
    INCOMPLETE = 3
