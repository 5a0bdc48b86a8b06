"""Errors and refusals of the API that the target handles."""

from __future__ import annotations

from pixxel_api.errors import PixxelError

MAX_ATTEMPTS = 3
"""Requests for one object while the API fails."""
REFUSAL_STATUSES = frozenset({400, 404, 409, 413, 422})
"""Statuses of a request that the API has understood and did not execute."""
UNKNOWN_CATALOG = "the catalog does not exist in this workspace"


class UnstableListError(PixxelError):
    """A list changed so often while it was read that a row may be missing."""
