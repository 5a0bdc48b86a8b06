"""Errors and refusals of the API that the target handles."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pixxel_api.errors import ApiError, ConnectError, PixxelError, RequestTimeout
from target_pixxel_store.errors import FailureKind

if TYPE_CHECKING:
    from collections.abc import Container

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


def find_own_field(error: ApiError, names: Container[str]) -> str | None:
    """Return the field that the API has refused, where it is one of these names.

    Only these get into messages, as the API's own text may contain anything.

    Args:
        error: Its `field` may be a path, such as `configs.bucket` or `geometry/coordinates/0`.
        names: The names of fields that users know.
    """
    parts = re.split(r"[^A-Za-z_]+", error.field or "")
    return next((part for part in reversed(parts) if part in names), None)


def describe_refusal(error: ApiError, hint: str, names: frozenset[str]) -> str:
    """Return why the API has refused a record, with the fields to check.

    Args:
        error: The API's response.
        hint: Says what it refuses, up to the names of fields.
        names: The names of fields that users know.
    """
    code = f" ({error.code})" if error.code else ""
    field = find_own_field(error, names)
    fields = f"'{field}'" if field else "fields (" + ", ".join(sorted(names)) + ")"
    return f"{error.method} {error.path} returned {error.status}{code}: {hint}{fields}"


class UnstableListError(PixxelError):
    """A list changed so often while it was read that a row may be missing."""
