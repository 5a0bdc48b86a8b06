"""The sink of orders."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from target_pixxel_store.purchases.kinds.order_requests import (
    ORDER,
    ORDER_FIELDS,
    read_order_request,
)
from target_pixxel_store.sinks.purchases import PurchaseSink

if TYPE_CHECKING:
    from target_pixxel_store.purchases.models import PurchaseRequest


class OrderRequestsSink(PurchaseSink):
    """`order_requests`: orders of imagery."""

    kind = ORDER
    known_fields = ORDER_FIELDS

    def read_request(self, record: dict[str, Any]) -> PurchaseRequest:
        """Read a request for an order."""
        return read_order_request(record)
