"""The placer: places a purchase once, and finds out what came of it; never twice.

The API has no idempotency keys and cannot cancel a purchase. So one that is sent and not found
afterwards is in doubt, and only a person decides to send it again.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from pixxel_api.errors import ApiError, PixxelError, Unauthorized
from pixxel_singer.signals import StopRequested
from target_pixxel_store.api.errors import find_failure_kind
from target_pixxel_store.circuit_breaker import CircuitBreaker
from target_pixxel_store.errors import (
    CircuitOpenError,
    RecordError,
    UnexpectedDeliveryError,
)
from target_pixxel_store.journal.journal_state import KnownPurchase
from target_pixxel_store.outcomes import Outcome, OutcomeKind
from target_pixxel_store.polling import poll_for
from target_pixxel_store.purchases.kind import count_amount
from target_pixxel_store.purchases.models import name_ids
from target_pixxel_store.purchases.pricer import (
    acknowledge_later,
    describe_changed_name,
    raise_refusal,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_pixxel_store.journal.journal import Journal
    from target_pixxel_store.purchases.kind import PurchaseKind
    from target_pixxel_store.purchases.models import KindWords, ListedPurchase, Price, Purchase
    from target_pixxel_store.purchases.planner import PurchasePlanner
    from target_pixxel_store.settings import Settings

logger = logging.getLogger(__name__)
_UNSURE_STATUSES = frozenset({409, 429})
"""Statuses that a gateway may answer, too, that has sent the request a second time."""


class Placement(NamedTuple):
    """What came of a purchase that was sent.

    Attributes:
        outcome: Its outcome.
        problem: What ends the run after it; None to go on.
    """

    outcome: Outcome
    problem: BaseException | None = None


@dataclass(eq=False, repr=False)
class PurchasePlacer:
    """Places purchases.

    Attributes:
        planner: Has the kinds, whose lists are read again where a response does not confirm what
            was sent, or does not state what it costs.
        journal: Records every purchase before it is sent.
        check: Called while waiting; raises to stop.
    """

    settings: Settings
    planner: PurchasePlanner
    journal: Journal
    check: Callable[[], None]
    _breaker: CircuitBreaker = field(init=False, default_factory=CircuitBreaker)

    def place(self, purchase: Purchase, price: Price) -> Placement:
        """Send a purchase once.

        Raises:
            RecordError: The API refuses it, so it was not placed.
            Unauthorized: The token is invalid, so it was not placed.
        """
        self.check()
        request, quoted = purchase.request, price.final_amount
        kind, content = self.planner.kinds[request.kind], request.content_digest
        self.journal.record_purchase_intent(request.key, content, quoted, request.place)
        result = self._post(kind, purchase)
        if isinstance(result, ApiError):
            error = result
            if not kind.is_listed:
                return self._doubt(kind, error, price)
            logger.warning(
                "request %s: %s; looking for the %s for up to %.0f s (settle_seconds)",
                request.request_id,
                error,
                kind.words.noun,
                self.settings.settle_seconds,
            )
            try:
                found = self._find_listed(kind, purchase)
            except (PixxelError, StopRequested) as failure:
                return self._doubt(kind, error, price, failure)
            if found is None and error.status in _UNSURE_STATUSES:
                self.journal.record_purchase_refusal(request.key)
                raise_refusal(kind, error)
                raise RecordError(str(error), find_failure_kind(error))
            if found is None:
                return self._doubt(kind, error, price)
            result = found
        self._breaker.record_success()
        self._record(kind, purchase, result, quoted)
        problem: BaseException | None = None
        if kind.states_cost_in_list and result.amount is None:
            try:  # before anything else is placed, as it may cost more than its price
                found = self._find_listed(kind, purchase, result.purchase_id)
            except (PixxelError, StopRequested) as failure:
                problem, found = failure, None
            result = found or result
        amount = count_amount(kind, result, quoted)
        logger.info(
            "request %s: placed the %s %s for %s",
            request.request_id,
            kind.words.noun,
            result.purchase_id,
            amount,
        )
        kind.add(request, result)
        outcome = Outcome(
            OutcomeKind.CREATED, attempts=1, amount=amount, **name_ids(request, result)
        )
        placement = _check_placed(kind.words, purchase, quoted, outcome, result)
        return placement if placement.problem else placement._replace(problem=problem)

    def _record(
        self, kind: PurchaseKind, purchase: Purchase, result: ListedPurchase, quoted: float
    ) -> None:
        request, amount = purchase.request, count_amount(kind, result, quoted)
        known = KnownPurchase(request.content_digest, amount, result.purchase_id, request.place)
        self.journal.record_purchase(request.key, known, quoted)

    def _post(self, kind: PurchaseKind, purchase: Purchase) -> ListedPurchase | ApiError:
        """Send a purchase; return it, or the error after which it may exist."""
        key = purchase.request.key
        try:
            return kind.place(purchase)
        except Unauthorized:
            self.journal.record_purchase_refusal(key)
            raise
        except ApiError as error:
            if error.status in _UNSURE_STATUSES:
                return error
            try:
                raise_refusal(kind, error)
            except RecordError:
                self.journal.record_purchase_refusal(key)
                raise
            return error

    def _find_listed(
        self, kind: PurchaseKind, purchase: Purchase, purchase_id: str | None = None
    ) -> ListedPurchase | None:
        """Return what the list shows before `settle_seconds` end: the last one, or that of an id.

        Raises:
            PixxelError: The API fails.
            StopRequested: A signal came.
        """
        request = purchase.request

        def find() -> ListedPurchase | None:
            self.planner.refresh(kind, 0, request.place)
            if purchase_id is not None:
                return kind.find_by_id(request, purchase_id)
            marked = kind.find_marked(request.request_id)
            return marked[-1] if marked else None

        return poll_for(self.settings.settle_seconds, find, self.check)

    def _doubt(
        self,
        kind: PurchaseKind,
        error: ApiError,
        price: Price,
        problem: BaseException | None = None,
    ) -> Placement:
        noun = kind.words.noun
        unknown = (
            f"the API does not list the {noun}, which may still come"
            if kind.is_listed
            else f"the {noun} may exist, and no list shows which request it is of"
        )
        reason = f"{error}; {unknown}. It is not sent again, and counts in full"
        outcome = Outcome(OutcomeKind.IN_DOUBT, reason, attempts=1, amount=price.final_amount)
        try:
            self._breaker.record_failure(find_failure_kind(error), str(error))
        except CircuitOpenError as breaker_error:
            problem = problem or breaker_error
        return Placement(outcome, problem)


def _check_placed(
    words: KindWords, purchase: Purchase, quoted: float, outcome: Outcome, placed: ListedPurchase
) -> Placement:
    """Return what came of a purchase that exists; the run ends where it is not as requested."""
    reason = ""
    is_dearer = outcome.amount is not None and outcome.amount > quoted
    if placed.name != purchase.item.get("name", ""):
        reason = describe_changed_name(words)
    elif is_dearer:
        reason = f"it costs {outcome.amount}, more than the {quoted} of its {words.quote}"
    if not reason:
        return Placement(outcome)
    problem = UnexpectedDeliveryError(
        f"request {purchase.request.request_id}, {words.noun} {placed.purchase_id}: {reason}; it "
        f"was placed, and the run stops{acknowledge_later(words) if is_dearer else ''}"
    )
    return Placement(outcome._replace(reason=reason), problem)
