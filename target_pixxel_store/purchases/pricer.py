"""The pricer: requests prices, and checks that the API places nothing at a request for one."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from pixxel_api.errors import ApiError, Forbidden
from target_pixxel_store.api.errors import MAX_ATTEMPTS, REFUSAL_STATUSES, describe_refusal
from target_pixxel_store.errors import RecordError, UnexpectedDeliveryError
from target_pixxel_store.journal.journal_state import KnownPurchase, PurchaseKey
from target_pixxel_store.polling import poll_for
from target_pixxel_store.purchases.kinds import load_kind

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_pixxel_store.journal.journal import Journal
    from target_pixxel_store.purchases.kind import PurchaseKind
    from target_pixxel_store.purchases.models import (
        KindWords,
        ListedPurchase,
        Price,
        Purchase,
        Quote,
    )
    from target_pixxel_store.purchases.planner import PurchasePlanner
    from target_pixxel_store.settings import Settings

logger = logging.getLogger(__name__)

NO_PRICE = "the API returns no price for it"


class QuoteNotHonouredError(UnexpectedDeliveryError):
    """The API has placed what was sent to request its price.

    Attributes:
        placed: What it has placed.
    """

    def __init__(self, words: KindWords, request_id: str, placed: ListedPurchase) -> None:
        super().__init__(
            f"THE API DOES NOT HONOUR {words.flag}: pricing the request {request_id} has placed "
            f"the {words.noun} {placed.purchase_id or 'without an id'}; nothing more was sent. Ask "
            f"Pixxel before you run this again{acknowledge_later(words)}"
        )
        self.placed = placed


@dataclass(eq=False, repr=False)
class PurchasePricer:
    """Prices purchases.

    Attributes:
        planner: Has the kinds, whose lists show whether a request for a price has placed something.
        journal: Records what such a request has placed.
        check: Called while waiting; raises to stop.
    """

    settings: Settings
    planner: PurchasePlanner
    journal: Journal
    check: Callable[[], None]

    def price_first(self, purchase: Purchase) -> Price:
        """Price the first purchase of a kind, then wait and look that nothing was placed.

        Raises:
            RecordError: The API refuses it, or returns no price.
            QuoteNotHonouredError: It was placed.
            UnexpectedDeliveryError: The API changes the name, by which it is recognised.
            ApiError: The API fails.
        """
        key = purchase.request.key
        self.journal.record_quote(key, purchase.request.place)
        try:
            price = self._price(purchase, is_first=True)
        except RecordError:
            self.journal.record_quote_result(key, is_honoured=False)
            raise
        self.journal.record_quote_result(key, is_honoured=True)
        return price

    def price(self, purchase: Purchase) -> Price:
        """Price one, once the API is known to place nothing; raises as `price_first`."""
        return self._price(purchase, is_first=False)

    def _price(self, purchase: Purchase, *, is_first: bool) -> Price:
        """Price one; a lost request is repeated only when a later list lacks what it may place."""
        kind, attempt = self._kind_of(purchase), 0
        while True:
            attempt += 1
            error: ApiError | None = None
            try:
                quote = kind.request_price(purchase)
                if quote.placed:
                    self._stop(purchase, quote.placed)
            except ApiError as failure:
                raise_refusal(kind, failure)
                error = failure
            if kind.prices_by_post and (is_first or error is not None):
                self._look_for_placed(purchase)
            if error is None:
                return _read_price(kind, purchase, quote)
            if not error.retryable or not kind.prices_by_post or attempt == MAX_ATTEMPTS:
                raise error

    def _kind_of(self, purchase: Purchase) -> PurchaseKind:
        return self.planner.kinds[purchase.request.kind]

    def _look_for_placed(self, purchase: Purchase) -> None:
        """Raise where the list shows that it was placed before `settle_seconds` end."""
        seconds, flag = self.settings.settle_seconds, self._kind_of(purchase).words.flag
        logger.info("looking for %.3g s whether the API honours %s (settle_seconds)", seconds, flag)
        found = poll_for(seconds, lambda: self._find_placed(purchase), self.check)
        if found is not None:
            self._stop(purchase, found)

    def check_earlier_run(self) -> None:
        """Raise where an earlier run has placed something that a person must acknowledge.

        What is in doubt counts as placed if `acknowledge` names its send, unless a list will show
        it.

        Raises:
            UnexpectedDeliveryError: A request for a price has placed it, or it costs more than its
                price, and `acknowledge` does not name it.
        """
        state = self.journal.state
        for name, kind in self.planner.kinds.items():
            quote = state.open_quotes.get(name)
            if quote is None:
                continue
            key = PurchaseKey(name, quote.request_id)
            known, marked = state.purchases.get(key, {}), kind.find_marked(quote.request_id)
            if placed := next((each for each in marked if each.purchase_id not in known), None):
                found = KnownPurchase("", placed.amount or 0.0, placed.purchase_id, quote.place)
                self.journal.record_purchase(key, found)
        acknowledged = set(self.settings.acknowledge)
        for key, intent in list(state.purchase_intents.items()):
            if intent.name(key) in acknowledged and not load_kind(key.kind).is_listed:
                amount = max(intent.amounts)
                made = KnownPurchase(intent.content, amount, "", intent.place)
                self.journal.record_purchase(key, made, amount)
        for purchase_id in state.purchase_problems.keys() & acknowledged:
            self.journal.record_purchase_acknowledged(purchase_id)
        if (problem := self.find_problem()) is not None:
            raise problem

    def find_problem(self) -> UnexpectedDeliveryError | None:
        """Return why nothing may be sent until a person has acknowledged something, if so."""
        for purchase_id, problem in self.journal.state.purchase_problems.items():
            kind, request_id = problem.key
            words = load_kind(kind).words
            found = (
                f"the API does not honour {words.flag}: pricing the request {request_id} has "
                f"placed the {words.noun} {purchase_id} for {problem.amount}"
                if problem.quoted is None
                else f"the {words.noun} {purchase_id} of the request {request_id} costs "
                f"{problem.amount}, more than the {problem.quoted} of its {words.quote}"
            )
            return UnexpectedDeliveryError(
                f"an earlier run has found that {found}. Nothing more was sent; ask Pixxel, then "
                f"add '{purchase_id}' to 'acknowledge'"
            )
        return None

    def _find_placed(self, purchase: Purchase) -> ListedPurchase | None:
        kind, request = self._kind_of(purchase), purchase.request
        self.planner.refresh(kind, 0, request.place)
        marked = kind.find_marked(request.request_id)
        return marked[0] if marked else None

    def _stop(self, purchase: Purchase, placed: ListedPurchase) -> None:
        request = purchase.request
        known = KnownPurchase(
            request.content_digest, placed.amount or 0.0, placed.purchase_id, request.place
        )
        self.journal.record_purchase(request.key, known)
        raise QuoteNotHonouredError(self._kind_of(purchase).words, request.request_id, placed)


def acknowledge_later(words: KindWords) -> str:
    """Return that later runs wait for a person."""
    return f"; no later run sends anything until 'acknowledge' names the {words.noun}"


def describe_changed_name(words: KindWords) -> str:
    """Return that an object cannot be recognised."""
    return (
        f"the API changes the name of the {words.object_name}, by which an {words.noun} is "
        "recognised"
    )


def raise_refusal(kind: PurchaseKind, error: ApiError) -> None:
    """Raise a RecordError where the API has understood a request and refuses it."""
    if isinstance(error, Forbidden):
        raise RecordError(describe_refusal(error, kind.words.permissions, kind.fields)) from None
    if error.status == HTTPStatus.PAYMENT_REQUIRED:
        raise RecordError(f"{error}; the {kind.words.noun} was not {kind.words.placed}") from None
    if error.status in REFUSAL_STATUSES:
        hint = f"the API refuses the {kind.words.noun}; check its "
        raise RecordError(describe_refusal(error, hint, kind.fields)) from None


def _read_price(kind: PurchaseKind, purchase: Purchase, quote: Quote) -> Price:
    for name in quote.names:
        if name and name != purchase.item["name"]:
            raise UnexpectedDeliveryError(
                f"request {purchase.request.request_id}: {describe_changed_name(kind.words)}; "
                "nothing was placed"
            )
    if quote.price is None:
        raise RecordError(NO_PRICE)
    return quote.price
