"""How the API refuses and fails, as far as the target acts on it."""

from __future__ import annotations

from pixxel_api.errors import PixxelError

MAX_ATTEMPTS = 3
"""Requests for one catalog alone, while the service fails."""
REFUSAL_STATUSES = frozenset({400, 404, 409, 413, 422})
"""Statuses that say that the API has looked at the request and will not have it."""
UNKNOWN_CATALOG = "there is no such catalog; is it of this workspace?"


class UnstableListError(PixxelError):
    """A list has changed so often while it was read that a row may have been missed."""
