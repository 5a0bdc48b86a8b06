"""What is decided about each record, and what became of it."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from target_pixxel_store.journal.journal_state import DeliveryKey


class OutcomeKind(StrEnum):
    """What became of a record."""

    CREATED = "created"
    EXISTS = "exists"
    REPLACED = "replaced"
    DELETED = "deleted"
    SKIPPED = "skipped"
    FAILED = "failed"


class NextStep(StrEnum):
    """What is still to be done about a catalog."""

    DELIVER = "deliver"
    WAIT = "wait"


class Decision(NamedTuple):
    """A decision.

    Attributes:
        kind: What became of it already, or what is to be done.
        reason: Why, where that is not plain.
        delivery: Id of the delivery that stands there.
        target: Its object's key below the place, where the API says it.
        doubt: WAIT: what was asked for and is not listed.
    """

    kind: OutcomeKind | NextStep
    reason: str = ""
    delivery_id: str | None = None
    target_path: str = ""
    unconfirmed: DeliveryKey | None = None


class Outcome(NamedTuple):
    """What became of a record, or of one catalog of an order item.

    Attributes:
        delivery, store, download: Ids.
        uri: Where the object is, or will be, where that is known.
        attempts: Requests that were made for it.
        area: Id of the area of interest.
    """

    kind: OutcomeKind
    reason: str = ""
    catalog_id: str | None = None
    delivery_id: str | None = None
    store_id: str | None = None
    uri: str | None = None
    attempts: int = 0
    aoi_id: str | None = None
    download_id: str | None = None
