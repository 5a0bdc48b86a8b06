"""Errors and refusals of the API that the target handles."""

from __future__ import annotations

from pixxel_api.errors import ApiError, ConnectError, PixxelError, RequestTimeout
from target_pixxel_store.errors import FailureKind

MAX_ATTEMPTS = 3
"""Requests for one object while the API fails."""
REFUSAL_STATUSES = frozenset({400, 404, 409, 413, 422})
"""Statuses of a request that the API has understood and did not execute."""
UNKNOWN_CATALOG = "the catalog does not exist in this workspace"


_KINDS: tuple[tuple[type[ApiError], FailureKind], ...] = (
    (RequestTimeout, FailureKind.TIMEOUT),
    (ConnectError, FailureKind.CONNECTION),
    (ApiError, FailureKind.SERVER),
)


def kind_of_error_class(error_class: type[ApiError]) -> FailureKind:
    """Return the kind of failure that an error of a class is."""
    return next(kind for each, kind in _KINDS if issubclass(error_class, each))


def find_failure_kind(error: ApiError) -> FailureKind | None:
    """Return the kind of a failed request; None where the API has refused what it requests."""
    return None if error.status in REFUSAL_STATUSES else kind_of_error_class(type(error))


class UnstableListError(PixxelError):
    """A list changed so often while it was read that a row may be missing."""
