"""The pricer: asks for the price of an order by a dry run, and checks that it was one."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pixxel_api.errors import ApiError, Forbidden, UnexpectedResponse
from target_pixxel_store.api.client import ORDERS
from target_pixxel_store.api.errors import MAX_ATTEMPTS, REFUSAL_STATUSES, describe_refusal
from target_pixxel_store.errors import RecordError, UnexpectedDeliveryError
from target_pixxel_store.orders.models import ORDER_FIELDS, parse_orders, parse_price
from target_pixxel_store.polling import poll_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_pixxel_store.api.client import StoreApi
    from target_pixxel_store.api.models import Fields
    from target_pixxel_store.journal.journal import Journal
    from target_pixxel_store.orders.models import ListedOrder, OrderJob, Price
    from target_pixxel_store.orders.order_list import OrderList
    from target_pixxel_store.settings import Settings

logger = logging.getLogger(__name__)

REFUSAL_HINT = "the API refuses the order; check its "
FORBIDDEN_HINT = (
    "the token lacks the role or the project, or tasking needs an identity check (KYC); check its "
)
NO_PRICE = "the API returns no price for it"


class DryRunNotHonouredError(UnexpectedDeliveryError):
    """The API has placed an order that was sent as a dry run.

    Attributes:
        order: The order.
    """

    def __init__(self, request_id: str, order: ListedOrder) -> None:
        super().__init__(
            f"THE API DOES NOT HONOUR dry_run: pricing the request {request_id} has placed the "
            f"order {order.order_id or 'without an id'}; nothing more was sent. Ask Pixxel before "
            f"you run this again{ACKNOWLEDGE_LATER}"
        )
        self.order = order


@dataclass(eq=False, repr=False)
class OrderPricer:
    """Prices orders by dry runs.

    Attributes:
        api: Sends the requests.
        orders: Shows whether a dry run has placed an order.
        journal: Records an order that a dry run has placed.
        check: Called while waiting; raises to stop.
    """

    settings: Settings
    api: StoreApi
    orders: OrderList
    journal: Journal
    check: Callable[[], None]

    def price_first(self, job: OrderJob) -> Price:
        """Price the first order of a run, then wait and look that no order was placed.

        Raises:
            RecordError: The API refuses the order, or returns no price.
            DryRunNotHonouredError: An order was placed.
            UnexpectedDeliveryError: The API changes the name, by which an order is recognised.
            ApiError: The API fails.
        """
        self.journal.record_dry_run(job.request.request_id)
        try:
            price = self._price(job, is_first=True)
        except RecordError:
            self.journal.record_dry_run(None)
            raise
        self.journal.record_dry_run_honoured()
        return price

    def price(self, job: OrderJob) -> Price:
        """Price an order, once the API is known to honour dry runs; raises as `price_first`."""
        return self._price(job, is_first=False)

    def _price(self, job: OrderJob, *, is_first: bool) -> Price:
        """Price an order; a lost dry run is repeated only when a later list lacks an order."""
        attempt = 0
        while True:
            attempt += 1
            error: ApiError | None = None
            try:
                response = self.api.price_order(job.item)
                self._check_dry(job, response)
            except ApiError as failure:
                raise_refusal(failure)
                error = failure
            if is_first or error is not None:
                self._look_for_order(job)
            if error is None:
                return self._read_price(job, response)
            if not error.retryable or attempt == MAX_ATTEMPTS:
                raise error

    def _look_for_order(self, job: OrderJob) -> None:
        """Raise where the list shows an order before `settle_seconds` end."""
        seconds = self.settings.settle_seconds
        logger.info("looking for %.3g s whether the API honours dry_run (settle_seconds)", seconds)
        found = poll_for(seconds, lambda: self._find_placed(job), self.check)
        if found is not None:
            self._stop(job, found)

    def check_earlier_run(self) -> None:
        """Raise where an earlier run has placed an order that a person must acknowledge.

        Raises:
            UnexpectedDeliveryError: A dry run has placed an order, or an order costs more than
                its dry run, and `acknowledge` does not name it.
        """
        state = self.journal.state
        request_id = state.open_dry_run
        known = state.orders.get(request_id or "", {})
        marked = self.orders.find_marked(request_id) if request_id is not None else ()
        if request_id is not None and (
            order := next((each for each in marked if each.order_id not in known), None)
        ):
            self.journal.record_paid_dry_run(request_id, "", order.amount or 0.0, order.order_id)
        for order_id in state.order_problems.keys() & set(self.settings.acknowledge):
            self.journal.record_order_acknowledged(order_id)
        if (problem := self.find_problem()) is not None:
            raise problem

    def find_problem(self) -> UnexpectedDeliveryError | None:
        """Return why nothing may be sent until a person has acknowledged an order, if so."""
        for order_id, problem in self.journal.state.order_problems.items():
            found = (
                f"the API does not honour dry_run: pricing the request {problem.request_id} has "
                f"placed the order {order_id} for {problem.amount}"
                if problem.quoted is None
                else f"the order {order_id} of the request {problem.request_id} costs "
                f"{problem.amount}, more than the {problem.quoted} of its dry run"
            )
            return UnexpectedDeliveryError(
                f"an earlier run has found that {found}. Nothing more was sent; ask Pixxel, then "
                f"add '{order_id}' to 'acknowledge'"
            )
        return None

    def _find_placed(self, job: OrderJob) -> ListedOrder | None:
        self.orders.refresh(max_age=0)
        marked = self.orders.find_marked(job.request.request_id)
        return marked[0] if marked else None

    def _check_dry(self, job: OrderJob, response: Fields) -> None:
        """Raise where a response shows that it was no dry run."""
        for order in _parse_response(response):
            if order.is_paid:
                self._stop(job, order)

    def _stop(self, job: OrderJob, order: ListedOrder) -> None:
        request = job.request
        self.journal.record_paid_dry_run(
            request.request_id, request.content_digest, order.amount or 0.0, order.order_id
        )
        raise DryRunNotHonouredError(request.request_id, order)

    def _read_price(self, job: OrderJob, response: Fields) -> Price:
        for order in _parse_response(response):
            if order.name and order.name != job.item["name"]:
                raise UnexpectedDeliveryError(
                    f"request {job.request.request_id}: {NAME_CHANGED}; nothing was placed"
                )
        price = parse_price(response)
        if price is None:
            raise RecordError(NO_PRICE)
        return price


ACKNOWLEDGE_LATER = "; no later run sends anything until 'acknowledge' names the order"
NAME_CHANGED = "the API changes the name of the order item, by which an order is recognised"


def raise_refusal(error: ApiError) -> None:
    """Raise a RecordError where the API has understood an order and refuses it."""
    if isinstance(error, Forbidden):
        raise RecordError(describe_refusal(error, FORBIDDEN_HINT, ORDER_FIELDS)) from None
    if error.status in REFUSAL_STATUSES:
        raise RecordError(describe_refusal(error, REFUSAL_HINT, ORDER_FIELDS)) from None


def _parse_response(response: Fields) -> list[ListedOrder]:
    try:
        return list(parse_orders(response))
    except ValueError:
        reason = "the response is not an order"
        raise UnexpectedResponse("POST", ORDERS, reason=reason) from None
