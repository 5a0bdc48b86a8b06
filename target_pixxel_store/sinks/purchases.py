"""The base of the sinks of what costs money or tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from target_pixxel_store.errors import RecordError
from target_pixxel_store.journal.journal_state import PurchaseKey
from target_pixxel_store.purchases.models import read_request_id
from target_pixxel_store.records import DELETED_AT
from target_pixxel_store.sinks.base import StoreTargetSink

if TYPE_CHECKING:
    from target_pixxel_store.outcomes.checkpoints import InflightRecord
    from target_pixxel_store.purchases.models import PurchaseRequest
    from target_pixxel_store.sinks.base import SinkOwner


class PurchaseSink(StoreTargetSink):
    """Base of the sinks: requests are planned, or placed if their plan was approved."""

    kind: str

    def __init__(self, target: SinkOwner, **kwargs: Any) -> None:
        super().__init__(target, **kwargs)
        self._run.purchases.expect(self.kind)
        self.holds_state = self._run.purchases.is_planning

    def read_request(self, record: dict[str, Any]) -> PurchaseRequest:
        """Read a record.

        Raises:
            RecordError: A field is missing or invalid.
        """
        raise NotImplementedError

    def handle(self, inflight: InflightRecord, record: dict[str, Any]) -> None:
        """Add the request of a record."""
        purchases, key = self._run.purchases, PurchaseKey(self.kind, read_request_id(record))
        if record.get(DELETED_AT) is not None:
            purchases.skip_deleted(inflight, key)
            return
        try:
            request = self.read_request(record)
        except RecordError:
            purchases.refuse(key)
            raise
        purchases.add_request(inflight, request)
