"""Orders of imagery: their prices, the list of orders, and what requests must name."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pixxel_api.errors import UnexpectedResponse
from target_pixxel_store.api.client import ORDERS
from target_pixxel_store.purchases.kind import MONEY, PurchaseKind
from target_pixxel_store.purchases.kinds.order_requests import (
    BANDSET_ID,
    ITEM_IDS,
    ORDER,
    ORDER_FIELDS,
    ListedOrder,
    OrderRequest,
    parse_orders,
    parse_price,
)
from target_pixxel_store.purchases.models import PROJECT_ID, Quote, make_marker
from target_pixxel_store.remote_state import MAX_AGE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from target_pixxel_store.api.models import Fields
    from target_pixxel_store.purchases.kind import KindServices
    from target_pixxel_store.purchases.kinds.order_requests import ImagesKey
    from target_pixxel_store.purchases.models import ListedPurchase, Purchase, PurchaseRequest


@dataclass(eq=False, repr=False)
class Orders(PurchaseKind):
    """Orders: their list is read as a whole, once a minute and on demand.

    Attributes:
        services: What is needed of the run.
        requests: The requests; other orders without a marker are not kept.
        places: Always empty, as there is one list.
    """

    name = ORDER
    unit = MONEY
    words = OrderRequest.words
    fields = ORDER_FIELDS
    place_field = OrderRequest.place_field
    prices_by_post = True
    is_listed = True
    states_cost_in_list = False

    services: KindServices
    requests: Sequence[OrderRequest]
    places: frozenset[str] = frozenset()
    _wanted: frozenset[ImagesKey] = field(init=False)
    _by_marker: dict[str, list[ListedOrder]] = field(init=False, default_factory=dict)
    _by_images: dict[ImagesKey, list[ListedOrder]] = field(init=False, default_factory=dict)
    _own: dict[ImagesKey, list[ListedOrder]] = field(init=False, default_factory=dict)
    _refreshed_at: float = field(init=False, default=-math.inf)

    def __post_init__(self) -> None:
        requests = self.requests
        self._wanted = frozenset(each.images_key for each in requests if not each.is_tasking)

    # What requests name

    def find_faults(self) -> dict[str, str]:
        """Return why requests are invalid, by their ids."""
        api, requests = self.services.api, self.requests
        projects = {each.lower() for each in api.find_project_ids()}
        bandsets: set[str] = set()
        now = None
        if any(each.is_tasking for each in requests):
            bandsets, now = api.find_bandset_ids()
        wanted = sorted({item_id for each in requests for item_id in each.item_ids})
        items = api.find_archive_items(wanted) if wanted else set()
        faults = {}
        for request in requests:
            missing = [each for each in request.item_ids if each not in items]
            if request.project_id.lower() not in projects:
                fault = f"'{PROJECT_ID}' names no project that the token can read"
            elif request.is_tasking and request.tasking["bandset"][BANDSET_ID] not in bandsets:
                fault = f"'{BANDSET_ID}' names no bandset; the stream bandsets has their ids"
            elif now is not None and (name := request.find_past_field(now)):
                fault = f"'{name}' is in the past, so nothing can be captured"
            elif missing:
                fault = f"'{ITEM_IDS}' names images that the archive lacks: {', '.join(missing)}"
            elif request.store and self._find_store_id(request) is None:
                fault = self.services.remote.view.missing_store_reason(request.store)
            else:
                continue
            faults[request.request_id] = fault
        return faults

    def find_owned(self) -> set[str]:
        """Return the ids of those images of the requests that the workspace owns."""
        item_ids = {each for request in self.requests for each in request.item_ids}
        return self.services.api.find_owned_items(sorted(item_ids)) if item_ids else set()

    def make_item(self, request: PurchaseRequest, name: str) -> Fields:
        """Return the order item of a request."""
        return _order_of(request).to_order_item(name, self._find_store_id(request) or "")

    def _find_store_id(self, request: PurchaseRequest) -> str | None:
        """Return the id of the store of a request; None where it names none that exists."""
        remote, name = self.services.remote, request.store
        store = remote.refresh().find_store(name) if name else None
        return store.id if store else None

    # The list

    def refresh(self, max_age: float | None = None, place: str | None = None) -> None:
        """Read the list again where it is older than `max_age` seconds.

        Raises:
            UnexpectedResponse: It has an order without its order items, so none can be recognised.
        """
        del place
        now = time.monotonic()
        if now - self._refreshed_at <= (MAX_AGE_SECONDS if max_age is None else max_age):
            return
        by_marker: dict[str, list[ListedOrder]] = {}
        by_images: dict[ImagesKey, list[ListedOrder]] = {}
        for row in self.services.api.list_orders():
            try:
                orders = list(parse_orders(row))
            except ValueError:
                reason = "it lists orders without their order items"
                raise UnexpectedResponse("GET", ORDERS, reason=reason) from None
            for order in orders:
                for marker in order.markers:
                    by_marker.setdefault(marker, []).append(order)
                if order.images and order.images in self._wanted and not order.has_ended:
                    by_images.setdefault(order.images, []).append(order)
        self._by_marker, self._by_images = by_marker, by_images
        self._refreshed_at = now

    def is_settled(self, request: PurchaseRequest) -> bool:
        """Return whether the list contains every order that earlier runs requested."""
        del request
        return self._refreshed_at >= self.services.journal.purchases_settled_at

    def find_marked(self, request_id: str) -> tuple[ListedOrder, ...]:
        """Return the listed orders with the marker of a request; mostly one or none."""
        marker = make_marker(self.services.workspace_id, request_id)
        return tuple(self._by_marker.get(marker, ()))

    def find_by_id(self, request: PurchaseRequest, purchase_id: str) -> ListedOrder | None:
        """Return a listed order of a request."""
        marked = self.find_marked(request.request_id)
        return next((each for each in marked if each.purchase_id == purchase_id), None)

    def find_same(self, request: PurchaseRequest) -> ListedOrder | None:
        """Return an order of the archive with the project, the images and the area of a request.

        One whose images have no area that can be read counts as the same.
        """
        order = _order_of(request)
        if order.is_tasking:
            return None
        key = order.images_key
        known: tuple[ListedOrder, ...] = (*self._by_images.get(key, ()), *self._own.get(key, ()))
        return next((it for it in known if it.outline in {None, order.outline}), None)

    def find_doubted(self, request: PurchaseRequest) -> str:
        """Return nothing: an order in doubt is recognised by its marker only."""
        del request
        return ""

    def add(self, request: PurchaseRequest, listed: ListedPurchase) -> None:
        """Add an order that this run plans or has placed, as the list may lag behind."""
        order = _order_of(request)
        own = ListedOrder(
            listed.purchase_id,
            listed.name,
            listed.item_id,
            listed.status,
            listed.amount,
            order.images_key,
            order.outline,
            request_id=listed.request_id,
        )
        self._own.setdefault(order.images_key, []).append(own)

    # Prices and orders

    def request_price(self, purchase: Purchase) -> Quote:
        """Request the price by a dry run."""
        response = self.services.api.price_order(purchase.item)
        orders = _parse_response(response)
        placed = next((each for each in orders if each.is_paid), None)
        return Quote(parse_price(response), placed, tuple(each.name for each in orders))

    def place(self, purchase: Purchase) -> ListedOrder:
        """Place an order."""
        orders = _parse_response(self.services.api.place_order(purchase.item))
        if not orders or not orders[0].purchase_id:
            raise UnexpectedResponse("POST", ORDERS, reason=_NO_ORDER)
        return orders[0]


_NO_ORDER = "the response is not an order"


def _parse_response(response: Fields) -> list[ListedOrder]:
    try:
        return list(parse_orders(response))
    except ValueError:
        raise UnexpectedResponse("POST", ORDERS, reason=_NO_ORDER) from None


def _order_of(request: PurchaseRequest) -> OrderRequest:
    """Return a request as one of this kind."""
    if not isinstance(request, OrderRequest):
        raise TypeError(request.kind)
    return request
