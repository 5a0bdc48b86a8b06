"""Exit statuses, the same for every plugin."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit status of a plugin; if a signal ended it, the status is 128 plus the signal's number."""

    OK = 0
    FAILED = 1
    BAD_INPUT = 2
    INCOMPLETE = 3
