"""The planner: what is known about each request, and what is decided about it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import chain
from typing import TYPE_CHECKING

from target_pixxel_store.errors import RecordError
from target_pixxel_store.journal.journal_state import KnownPurchase
from target_pixxel_store.outcomes import Decision, NextStep, OutcomeKind
from target_pixxel_store.purchases.kind import count_amount
from target_pixxel_store.purchases.models import ListedPurchase
from target_pixxel_store.purchases.plan import Limits, PlanLine, Situation, decide

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from target_pixxel_store.journal.journal import Journal
    from target_pixxel_store.journal.journal_state import PurchaseKey
    from target_pixxel_store.purchases.kind import PurchaseKind
    from target_pixxel_store.purchases.models import Price, Purchase, PurchaseRequest
    from target_pixxel_store.purchases.plan import Plan
    from target_pixxel_store.settings import Settings


@dataclass(eq=False, repr=False)
class PurchasePlanner:
    """Decides about requests.

    Attributes:
        journal: What earlier runs requested.
        kinds: The kinds of the requests, with the lists of what exists.
        approved: The plan that may be placed; None to make one.
        faults: Why requests are invalid.
        check: Called while waiting; raises to stop.
    """

    settings: Settings
    journal: Journal
    kinds: Mapping[str, PurchaseKind]
    approved: Plan | None
    faults: Mapping[PurchaseKey, str]
    check: Callable[[], None]
    _owned: set[str] = field(init=False, default_factory=set)

    def decide_all(self, purchases: Sequence[Purchase]) -> list[tuple[Purchase, Decision]]:
        """Decide about each request before any is priced.

        What the list shows exists. What it does not show decides only in a list that was requested
        after the wait for the requests of earlier runs.
        """
        self.refresh_all()
        self._owned.update(*(kind.find_owned() for kind in self.kinds.values()))
        decided = [(each, self.decide(each)) for each in purchases]
        if any(decision.kind is NextStep.WAIT for _, decision in decided):
            self.journal.wait_settled(self.check)
            self.refresh_all(max_age=0)
            decided = [(each, self.decide(each)) for each in purchases]
        return decided

    def refresh_all(self, max_age: float | None = None) -> None:
        """Read all lists again where they are older than `max_age` seconds."""
        for kind in self.kinds.values():
            self.refresh(kind, max_age)

    def refresh(
        self, kind: PurchaseKind, max_age: float | None = None, place: str | None = None
    ) -> None:
        """Read the list of a kind again, and record what it shows.

        These are the purchases whose result was unknown, and costs that a response lacks.
        """
        kind.refresh(max_age, place)
        state = self.journal.state
        for key, intent in list(state.purchase_intents.items()):
            if key.kind != kind.name:
                continue
            for each in kind.find_marked(key.request_id):
                if each.purchase_id not in state.purchases.get(key, {}):
                    quoted = max(intent.amounts)
                    amount = count_amount(kind, each, quoted)
                    known = KnownPurchase(intent.content, amount, each.purchase_id, intent.place)
                    self.journal.record_purchase(key, known, quoted)
        if kind.states_cost_in_list:
            self._record_costs(kind)

    def _record_costs(self, kind: PurchaseKind) -> None:
        """Record what costs more in the list than when it was placed."""
        for key, purchases in list(self.journal.state.purchases.items()):
            if key.kind != kind.name:
                continue
            listed = {each.purchase_id: each.amount for each in kind.find_marked(key.request_id)}
            for known in list(purchases.values()):
                amount = listed.get(known.purchase_id)
                if amount is not None and amount > known.amount:
                    problem = self.journal.state.purchase_problems.get(known.purchase_id)
                    is_by_quote = problem is not None and problem.quoted is None
                    dearer = known._replace(amount=amount)
                    quoted = None if is_by_quote else known.amount
                    self.journal.record_purchase(key, dearer, quoted)

    def decide(self, purchase: Purchase, price: Price | None = None) -> Decision:
        """Decide about a request, with its price if it is known."""
        request, settings, state = purchase.request, self.settings, self.journal.state
        kind, key, approved = self.kinds[request.kind], request.key, self.approved
        line = approved.lines.get(key) if approved else None
        situation = Situation(
            request=request,
            item=purchase.item,
            limits=Limits(
                settings.max_total_amount,
                settings.max_purchase_amount,
                settings.max_purchases,
                settings.max_uplift_percent,
                settings.allow_tasking,
            ),
            marked=kind.find_marked(request.request_id),
            same=kind.find_same(request),
            intent=state.purchase_intents.get(key),
            known=tuple(state.purchases.get(key, {}).values()),
            doubted=kind.find_doubted(request),
            is_settled=kind.is_settled(request),
            retry_in_doubt=frozenset(settings.retry_in_doubt),
            fault=self.faults.get(key, ""),
            owned=frozenset(self._owned & set(request.item_ids)),
            is_planning=approved is None,
            approved=approved.find_approved(key) if approved else None,
            left_out=None if line and line.is_planned else line,
            price=price,
            committed=() if price is None else self.count_approved(),
        )
        return decide(situation)

    def find_existing(self, request: PurchaseRequest) -> tuple[ListedPurchase, ...]:
        """Return the purchase of a request that the rules know to exist, if there is one."""
        kind = self.kinds[request.kind]
        if marked := kind.find_marked(request.request_id):
            return marked
        if known := self.journal.state.purchases.get(request.key):
            return tuple(
                ListedPurchase(each.purchase_id, amount=each.amount) for each in known.values()
            )
        same = kind.find_same(request)
        return () if same is None else (same,)

    def plan(self, purchase: Purchase, ask: Callable[[Purchase], Price]) -> PlanLine:
        """Return what a plan states about a request.

        Args:
            purchase: The request.
            ask: Returns its price; called only where that is needed.
        """
        decision, price = self.decide(purchase), None
        if decision.kind is NextStep.PRICE:
            try:
                price = ask(purchase)
                decision = self.decide(purchase, price)
            except RecordError as error:
                decision = Decision(OutcomeKind.FAILED, str(error))
        request = purchase.request
        line = PlanLine(
            request.request_id,
            request.kind,
            purchase.item,
            decision=decision.kind.value,
            reason=decision.reason,
        )
        if line.is_planned:  # so that another request for the same is not
            name = str(purchase.item.get("name") or "")
            planned = ListedPurchase("", name, request_id=line.request)
            self.kinds[request.kind].add(request, planned)
        if price is None:
            return line
        return replace(
            line,
            area=price.area,
            base_amount=price.base_amount,
            final_amount=price.final_amount,
            uplifts=price.uplifts,
            feasibility=price.feasibility,
        )

    def count_approved(self) -> tuple[float, ...]:
        """Return what each purchase costs that exists, or may exist, for the approved plan."""
        lines = self.approved.lines.values() if self.approved else ()
        return tuple(chain.from_iterable(self._count(line) for line in lines if line.is_planned))

    def _count(self, line: PlanLine) -> list[float]:
        """Return what counts of each purchase of a line, and of each send that is in doubt.

        Each counts the most that the journal or the list states, and at least the approved price:
        the API may state no cost, or 0, until it has counted it, and a journal may be an old one.
        """
        key, state, kind = line.key, self.journal.state, self.kinds[line.kind]
        amounts = {each_id: each.amount for each_id, each in state.purchases.get(key, {}).items()}
        for each in kind.find_marked(key.request_id):
            amounts[each.purchase_id] = max(amounts.get(each.purchase_id, 0.0), each.amount or 0.0)
        intent, least = state.purchase_intents.get(key), line.final_amount or 0.0
        return [max(it, least) for it in (*amounts.values(), *(intent.amounts if intent else ()))]
