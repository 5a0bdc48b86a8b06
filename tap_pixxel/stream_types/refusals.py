"""Refusals of a request for one row: for the list below it, or for its details.

The rule for both: a row whose request is refused is counted and logged, and the others are read.
403 and 404 are such refusals, and so is 400 where the contract has no 404 for a row that is
deleted or broken. Since 400 also means that the request is wrong, a stream fails when it gets 400
and none of its requests of this kind succeeds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from pixxel_api.errors import BadRequest, Forbidden, NotFound

if TYPE_CHECKING:
    from collections.abc import Mapping

RowRefusal: TypeAlias = BadRequest | Forbidden | NotFound
RefusalTypes: TypeAlias = tuple[type[RowRefusal], ...]

REFUSALS: RefusalTypes = (Forbidden, NotFound)
REFUSALS_WITHOUT_404: RefusalTypes = (BadRequest, Forbidden, NotFound)
"""Those of operations whose contract has 400 and no 404."""

_LABELS: dict[type[RowRefusal], str] = {
    BadRequest: "rejected (400)",
    Forbidden: "forbidden (403)",
    NotFound: "not found (404)",
}


def describe_refusals(counts: Mapping[type[RowRefusal], int]) -> str:
    """Return the numbers of refusals by type, those that are not 0.

    Example:
        >>> describe_refusals({NotFound: 2, Forbidden: 1})
        '1 forbidden (403), 2 not found (404)'
    """
    return ", ".join(f"{counts[kind]} {text}" for kind, text in _LABELS.items() if counts.get(kind))
