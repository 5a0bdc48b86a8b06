"""The outcome of each record: decided, recorded, written to files, and released as STATE."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from target_pixxel_store.errors import UnexpectedDeliveryError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from target_pixxel_store.api.models import DeliveryJob
    from target_pixxel_store.errors import FailureKind


class OutcomeKind(StrEnum):
    """The outcome of a record."""

    CREATED = "created"
    EXISTS = "exists"
    REPLACED = "replaced"
    DELETED = "deleted"
    SKIPPED = "skipped"
    PENDING = "pending"
    PLANNED = "planned"
    IN_DOUBT = "in_doubt"
    FAILED = "failed"


BLOCKING_KINDS = frozenset({OutcomeKind.PENDING, OutcomeKind.PLANNED, OutcomeKind.IN_DOUBT})
"""Outcomes of records that are not done, so that no STATE after them is emitted."""


class NextStep(StrEnum):
    """What a catalog or a purchase needs before it has an outcome."""

    DELIVER = "deliver"
    WAIT = "wait"
    DEFER = "defer"
    PRICE = "price"
    PLACE = "place"
    STOP = "stop"


class Decision(NamedTuple):
    """What to do about a catalog, or about a purchase.

    Attributes:
        kind: Its outcome, or the next step.
        reason: Why, where that is not obvious.
        delivery_id: Id of the existing delivery.
        target_path: The key of its object below the location, where the API returns it.
        job: The catalog and its place; None where there is none.
    """

    kind: OutcomeKind | NextStep
    reason: str = ""
    delivery_id: str | None = None
    target_path: str = ""
    job: DeliveryJob | None = None


class TargetLocation(NamedTuple):
    """Where an object goes, as a dry run's table shows it.

    Attributes:
        store: The store's name, or the folder or URL of downloads.
        path: The path in it.
        is_download: Whether it is one of a download.
    """

    store: str = ""
    path: str = ""
    is_download: bool = False


class Outcome(NamedTuple):
    """The outcome of a record, or of one catalog of an order item.

    Attributes:
        kind: The outcome.
        reason: Why, where that is not obvious.
        catalog_id, delivery_id, store_id, aoi_id, download_id, order_id, order_item_id, index_id,
            visualization_id, insight_id, workflow_id, job_id, task_id, asset_ids: Ids of the
            objects concerned.
        uri: The present or future location of the object, where it is known.
        attempts: The number of requests for it.
        failure_kind: For FAILED: its kind; None where it concerns only this record.
        location: Where its object goes, for a dry run.
        amount: What an order, an insight or a job costs.
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
    failure_kind: FailureKind | None = None
    location: TargetLocation = TargetLocation()
    order_id: str | None = None
    order_item_id: str | None = None
    amount: float | None = None
    index_id: str | None = None
    visualization_id: str | None = None
    insight_id: str | None = None
    workflow_id: str | None = None
    job_id: str | None = None
    task_id: str | None = None
    asset_ids: Sequence[str] | None = None


class UnexpectedObjectError(UnexpectedDeliveryError):
    """The API created an object with another identity than requested.

    Attributes:
        outcome: The outcome of its record.
    """

    def __init__(self, outcome: Outcome, label: str) -> None:
        super().__init__(f"{label}: {outcome.reason}; stopping, so that nothing is created twice")
        self.outcome = outcome
