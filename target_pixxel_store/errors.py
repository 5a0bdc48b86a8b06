"""Errors of the target: the text of each says what happened, to which object, and what to do."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from pixxel_singer.errors import InputError

if TYPE_CHECKING:
    from pixxel_singer.exit_codes import ExitCode


class FailureKind(Enum):
    """The kind of a failure that concerns a service, and so other records, too."""

    SERVER = "server error"
    TIMEOUT = "timeout"
    CONNECTION = "connection"
    DESTINATION = "destination"


# One record or one object


class RecordError(Exception):
    """A record cannot be processed; no value of the record is quoted.

    Attributes:
        failure_kind: The kind of failure; None where it concerns only this record.
    """

    def __init__(self, reason: str, failure_kind: FailureKind | None = None) -> None:
        super().__init__(reason)
        self.failure_kind = failure_kind


class CredentialsError(InputError):
    """An entry of `credentials` is invalid; its lines name settings, never their values."""


class SignedUrlRefused(Exception):
    """The object store refuses a signed URL; a new one may work.

    Attributes:
        status: The HTTP status.
    """

    def __init__(self, status: int) -> None:
        super().__init__(f"its signed URL is refused ({status})")
        self.status = status


# The whole run


class RunAborted(Exception):
    """The run ends before its input does.

    Attributes:
        status: The exit status.
    """

    def __init__(self, status: ExitCode, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class RunError(Exception):
    """The run cannot go on; its text is the run's last line."""


class CircuitOpenError(RunError):
    """There were too many failures of the same kind in a row."""


class DestinationError(RunError):
    """The destination is full, broken or refuses access, so that no download can succeed."""


class JournalError(RunError):
    """The journal cannot be opened, locked, read or written."""


class OutcomeFileError(RunError):
    """A file of outcomes, rejected records or the summary cannot be written."""


class UnexpectedDeliveryError(RunError):
    """The API created something other than what was requested."""


class WorkspaceMismatchError(RunError):
    """The API, the token, the journal or a record belongs to a different workspace than set."""
