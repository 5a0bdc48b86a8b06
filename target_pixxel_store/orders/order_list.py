"""The list of orders: those that have a marker of this target, or the same images as a request."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pixxel_api.errors import UnexpectedResponse
from target_pixxel_store.api.client import ORDERS
from target_pixxel_store.orders.models import make_marker, parse_orders
from target_pixxel_store.remote_state import MAX_AGE_SECONDS

if TYPE_CHECKING:
    from target_pixxel_store.api.client import StoreApi
    from target_pixxel_store.journal.journal import Journal
    from target_pixxel_store.orders.models import ImagesKey, ListedOrder, OrderRequest


@dataclass(eq=False, repr=False)
class OrderList:
    """Reads the whole list of orders once a minute, and again on demand.

    Attributes:
        api: Reads the list.
        journal: Records what came of the orders of earlier runs.
        workspace_id: Id of the workspace, which is part of each marker.
        wanted: The images of the requests; other orders without a marker are not kept.
    """

    api: StoreApi
    journal: Journal
    workspace_id: str
    wanted: frozenset[ImagesKey] = frozenset()
    _by_marker: dict[str, list[ListedOrder]] = field(init=False, default_factory=dict)
    _by_images: dict[ImagesKey, list[ListedOrder]] = field(init=False, default_factory=dict)
    _own: dict[ImagesKey, list[ListedOrder]] = field(init=False, default_factory=dict)
    _refreshed_at: float = field(init=False, default=-math.inf)

    @property
    def is_settled(self) -> bool:
        """Whether the list contains every order that earlier runs requested."""
        return self._refreshed_at >= self.journal.orders_settled_at

    def refresh(self, *, max_age: float = MAX_AGE_SECONDS) -> None:
        """Read the list again where it is older than `max_age` seconds.

        Raises:
            UnexpectedResponse: It has an order without its order items, so none can be recognised.
        """
        now = time.monotonic()
        if now - self._refreshed_at <= max_age:
            return
        by_marker: dict[str, list[ListedOrder]] = {}
        by_images: dict[ImagesKey, list[ListedOrder]] = {}
        for row in self.api.list_orders():
            try:
                orders = list(parse_orders(row))
            except ValueError:
                reason = "it lists orders without their order items"
                raise UnexpectedResponse("GET", ORDERS, reason=reason) from None
            for order in orders:
                for marker in order.markers:
                    by_marker.setdefault(marker, []).append(order)
                if order.images in self.wanted and not order.has_ended:
                    by_images.setdefault(order.images, []).append(order)
        self._by_marker, self._by_images = by_marker, by_images
        self._refreshed_at = now
        self._record_answers()

    def _record_answers(self) -> None:
        """Record the listed orders whose result was unknown."""
        state = self.journal.state
        for request_id, intent in list(state.order_intents.items()):
            for order in self.find_marked(request_id):
                if order.order_id not in state.orders.get(request_id, {}):
                    quoted = max(intent.amounts)
                    amount = quoted if order.amount is None else order.amount
                    self.journal.record_order(
                        request_id, intent.content, order.order_id, amount, quoted
                    )

    def add(self, order: ListedOrder) -> None:
        """Add an order that this run plans or has placed, as the list may lag behind."""
        self._own.setdefault(order.images, []).append(order)

    def find_marked(self, request_id: str) -> tuple[ListedOrder, ...]:
        """Return the listed orders with the marker of a request; mostly one or none."""
        marker = make_marker(self.workspace_id, request_id)
        return tuple(self._by_marker.get(marker, ()))

    def find_same(self, request: OrderRequest) -> ListedOrder | None:
        """Return an order of the archive with the project, the images and the area of a request.

        One whose images have no area that can be read counts as the same.
        """
        if request.is_tasking:
            return None
        key = request.images_key
        known: tuple[ListedOrder, ...] = (*self._by_images.get(key, ()), *self._own.get(key, ()))
        return next((it for it in known if it.outline in {None, request.outline}), None)
