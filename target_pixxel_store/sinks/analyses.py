"""The sinks of insights and jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from target_pixxel_store.purchases.kinds.insights import (
    INSIGHT,
    INSIGHT_FIELDS,
    read_insight_request,
)
from target_pixxel_store.purchases.kinds.jobs import JOB, JOB_FIELDS, read_job_request
from target_pixxel_store.sinks.purchases import PurchaseSink

if TYPE_CHECKING:
    from target_pixxel_store.purchases.models import PurchaseRequest


class InsightRequestsSink(PurchaseSink):
    """`insight_requests`: insights of areas of interest."""

    kind = INSIGHT
    known_fields = INSIGHT_FIELDS

    def read_request(self, record: dict[str, Any]) -> PurchaseRequest:
        """Read a request for an insight."""
        return read_insight_request(record)


class JobRequestsSink(PurchaseSink):
    """`job_requests`: runs of workflows."""

    kind = JOB
    known_fields = JOB_FIELDS

    def read_request(self, record: dict[str, Any]) -> PurchaseRequest:
        """Read a request for a job."""
        return read_job_request(record)
