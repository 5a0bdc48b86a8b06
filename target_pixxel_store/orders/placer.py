"""The placer: places an order once, and finds out what came of it; never twice.

The API has no idempotency keys and cannot cancel an order. So an order that is sent and not found
afterwards is in doubt, and only a person decides to send it again.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from pixxel_api.errors import (
    ApiError,
    PixxelError,
    RateLimited,
    Unauthorized,
    UnexpectedResponse,
)
from pixxel_singer.signals import StopRequested
from target_pixxel_store.api.client import ORDERS
from target_pixxel_store.api.errors import find_failure_kind
from target_pixxel_store.circuit_breaker import CircuitBreaker
from target_pixxel_store.errors import (
    CircuitOpenError,
    RecordError,
    UnexpectedDeliveryError,
)
from target_pixxel_store.orders.models import parse_orders
from target_pixxel_store.orders.pricer import ACKNOWLEDGE_LATER, NAME_CHANGED, raise_refusal
from target_pixxel_store.outcomes import Outcome, OutcomeKind
from target_pixxel_store.polling import poll_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_pixxel_store.api.client import StoreApi
    from target_pixxel_store.journal.journal import Journal
    from target_pixxel_store.orders.models import ListedOrder, OrderJob, Price
    from target_pixxel_store.orders.order_list import OrderList
    from target_pixxel_store.settings import Settings

logger = logging.getLogger(__name__)


class Placement(NamedTuple):
    """What came of an order that was sent.

    Attributes:
        outcome: Its outcome.
        problem: What ends the run after it; None to go on.
    """

    outcome: Outcome
    problem: BaseException | None = None


@dataclass(eq=False, repr=False)
class OrderPlacer:
    """Places orders.

    Attributes:
        api: Sends the requests.
        orders: Is read again where a response does not confirm an order.
        journal: Records every order before it is sent.
        check: Called while waiting; raises to stop.
    """

    settings: Settings
    api: StoreApi
    orders: OrderList
    journal: Journal
    check: Callable[[], None]
    _breaker: CircuitBreaker = field(init=False, default_factory=CircuitBreaker)

    def place(self, job: OrderJob, price: Price) -> Placement:
        """Send an order once.

        Raises:
            RecordError: The API refuses it, so it was not placed.
            Unauthorized: The token is invalid, so it was not placed.
        """
        self.check()
        request_id, content = job.request.request_id, job.request.content_digest
        self.journal.record_order_intent(request_id, content, price.final_amount)
        result = self._post(job)
        if isinstance(result, ApiError):
            error = result
            logger.warning(
                "request %s: %s; looking for the order for up to %.0f s (settle_seconds)",
                request_id,
                error,
                self.settings.settle_seconds,
            )
            try:
                found = poll_for(
                    self.settings.settle_seconds, lambda: self._find_listed(request_id), self.check
                )
            except (PixxelError, StopRequested) as problem:
                return self._doubt(error, price, problem)
            if found is None:
                return self._doubt(error, price)
            result = found
        self._breaker.record_success()
        amount = price.final_amount if result.amount is None else result.amount
        self.journal.record_order(request_id, content, result.order_id, amount, price.final_amount)
        logger.info("request %s: placed the order %s for %s", request_id, result.order_id, amount)
        self.orders.add(result._replace(images=job.request.images_key, outline=job.request.outline))
        outcome = Outcome(
            OutcomeKind.CREATED,
            attempts=1,
            order_id=result.order_id,
            order_item_id=result.item_id or None,
            amount=amount,
        )
        return _check_placed(job, price, outcome, result.name)

    def _post(self, job: OrderJob) -> ListedOrder | ApiError:
        """Send an order; return it, or the error after which it may exist."""
        request_id = job.request.request_id
        try:
            response = self.api.place_order(job.item)
            order = next(iter(parse_orders(response)), None)
        except (Unauthorized, RateLimited) as error:
            self.journal.record_order_refusal(request_id)
            if isinstance(error, Unauthorized):
                raise
            raise RecordError(str(error), find_failure_kind(error)) from None
        except ApiError as error:
            try:
                raise_refusal(error)
            except RecordError:
                self.journal.record_order_refusal(request_id)
                raise
            return error
        except ValueError:
            order = None
        if order is None or not order.order_id:
            return UnexpectedResponse("POST", ORDERS, reason="the response is not an order")
        return order

    def _find_listed(self, request_id: str) -> ListedOrder | None:
        self.orders.refresh(max_age=0)
        marked = self.orders.find_marked(request_id)
        return marked[-1] if marked else None

    def _doubt(
        self, error: ApiError, price: Price, problem: BaseException | None = None
    ) -> Placement:
        reason = (
            f"{error}; the API does not list the order, which may still come. It is not sent "
            "again, and counts in full"
        )
        outcome = Outcome(OutcomeKind.IN_DOUBT, reason, attempts=1, amount=price.final_amount)
        try:
            self._breaker.record_failure(find_failure_kind(error), str(error))
        except CircuitOpenError as breaker_error:
            problem = problem or breaker_error
        return Placement(outcome, problem)


def _check_placed(job: OrderJob, price: Price, outcome: Outcome, name: str) -> Placement:
    """Return what came of an order that exists; the run ends where it is not as requested."""
    reason = ""
    is_dearer = outcome.amount is not None and outcome.amount > price.final_amount
    if name != job.item["name"]:
        reason = NAME_CHANGED
    elif is_dearer:
        reason = f"it costs {outcome.amount}, more than the {price.final_amount} of its dry run"
    if not reason:
        return Placement(outcome)
    problem = UnexpectedDeliveryError(
        f"request {job.request.request_id}, order {outcome.order_id}: {reason}; it was placed, and "
        f"the run stops{ACKNOWLEDGE_LATER if is_dearer else ''}"
    )
    return Placement(outcome._replace(reason=reason), problem)
