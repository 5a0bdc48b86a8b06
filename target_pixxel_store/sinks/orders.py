"""The sink of orders."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from target_pixxel_store.errors import RecordError
from target_pixxel_store.orders.models import ORDER_FIELDS, read_order_request, read_request_id
from target_pixxel_store.records import DELETED_AT
from target_pixxel_store.sinks.base import StoreTargetSink

if TYPE_CHECKING:
    from target_pixxel_store.outcomes.checkpoints import InflightRecord
    from target_pixxel_store.sinks.base import SinkOwner


class OrderRequestsSink(StoreTargetSink):
    """`order_requests`: planned, or placed if their plan was approved."""

    known_fields = ORDER_FIELDS

    def __init__(self, target: SinkOwner, **kwargs: Any) -> None:
        super().__init__(target, **kwargs)
        self.holds_state = self._run.orders.is_planning

    def handle(self, inflight: InflightRecord, record: dict[str, Any]) -> None:
        """Request an order."""
        orders, request_id = self._run.orders, read_request_id(record)
        if record.get(DELETED_AT) is not None:
            orders.skip_deleted(inflight, request_id)
            return
        try:
            request = read_order_request(record)
        except RecordError:
            orders.refuse(request_id)
            raise
        orders.add_request(inflight, request)
