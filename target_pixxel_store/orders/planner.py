"""The planner: what is known about each request, and what is decided about it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import chain
from typing import TYPE_CHECKING

from target_pixxel_store.errors import RecordError
from target_pixxel_store.orders.models import ListedOrder
from target_pixxel_store.orders.plan import Limits, PlanLine, Situation, decide
from target_pixxel_store.outcomes import Decision, NextStep, OutcomeKind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from target_pixxel_store.api.client import StoreApi
    from target_pixxel_store.journal.journal import Journal
    from target_pixxel_store.orders.models import OrderJob, OrderRequest, Price
    from target_pixxel_store.orders.order_list import OrderList
    from target_pixxel_store.orders.plan import Plan
    from target_pixxel_store.settings import Settings


@dataclass(eq=False, repr=False)
class OrderPlanner:
    """Decides about requests.

    Attributes:
        api: Finds the images that the workspace owns.
        journal: What earlier runs requested.
        orders: The orders that exist.
        approved: The plan that may be placed; None to make one.
        faults: Why requests are invalid, by their ids.
        check: Called while waiting; raises to stop.
        committed: What the orders of the approved plan cost so far, by request: those that exist,
            and each send that is in doubt.
    """

    settings: Settings
    api: StoreApi
    journal: Journal
    orders: OrderList
    approved: Plan | None
    faults: Mapping[str, str]
    check: Callable[[], None]
    committed: dict[str, tuple[float, ...]] = field(init=False, default_factory=dict)
    _owned: set[str] = field(init=False, default_factory=set)

    def decide_all(self, jobs: Sequence[OrderJob]) -> list[tuple[OrderJob, Decision]]:
        """Decide about each request before any is priced.

        What the list shows exists. What it does not show decides only in a list that was requested
        after the wait for the requests of earlier runs.
        """
        self.orders.refresh()
        item_ids = {each for job in jobs for each in job.request.item_ids}
        self._owned = self.api.find_owned_items(sorted(item_ids)) if item_ids else set()
        decided = [(job, self.decide(job)) for job in jobs]
        if any(decision.kind is NextStep.WAIT for _, decision in decided):
            self.journal.wait_settled(self.check)
            self.orders.refresh(max_age=0)
            decided = [(job, self.decide(job)) for job in jobs]
        if self.approved is not None:
            for line in self.approved.lines.values():
                if line.is_planned:
                    self.count_orders(line.request)
        return decided

    def decide(self, job: OrderJob, price: Price | None = None) -> Decision:
        """Decide about a request, with its price if it is known."""
        request, settings, state = job.request, self.settings, self.journal.state
        request_id, approved = request.request_id, self.approved
        situation = Situation(
            request=request,
            item=job.item,
            limits=Limits(
                settings.max_total_amount,
                settings.max_order_amount,
                settings.max_orders,
                settings.max_uplift_percent,
                settings.allow_tasking,
            ),
            marked=self.orders.find_marked(request_id),
            same=self.orders.find_same(request),
            intent=state.order_intents.get(request_id),
            known=tuple(state.orders.get(request_id, {}).values()),
            is_settled=self.orders.is_settled,
            retry_in_doubt=frozenset(settings.retry_in_doubt),
            fault=self.faults.get(request_id, ""),
            owned=frozenset(self._owned & set(request.item_ids)),
            is_planning=approved is None,
            approved=approved.find_approved(request_id) if approved else None,
            price=price,
            committed=tuple(chain.from_iterable(self.committed.values())),
        )
        return decide(situation)

    def find_existing(self, request: OrderRequest) -> tuple[ListedOrder, ...]:
        """Return the order of a request that the rules know to exist, if there is one."""
        if marked := self.orders.find_marked(request.request_id):
            return marked
        if known := self.journal.state.orders.get(request.request_id):
            images = request.images_key
            return tuple(
                ListedOrder(each.order_id, "", "", images, amount=each.amount)
                for each in known.values()
            )
        same = self.orders.find_same(request)
        return () if same is None else (same,)

    def plan(self, job: OrderJob, ask: Callable[[OrderJob], Price]) -> PlanLine:
        """Return what a plan states about a request.

        Args:
            job: The request.
            ask: Returns its price; called only where that is needed.
        """
        decision, price = self.decide(job), None
        if decision.kind is NextStep.PRICE:
            try:
                price = ask(job)
                decision = self.decide(job, price)
            except RecordError as error:
                decision = Decision(OutcomeKind.FAILED, str(error))
        request = job.request
        line = PlanLine(
            request.request_id, job.item, decision=decision.kind.value, reason=decision.reason
        )
        if line.is_planned:  # so that another request for the same images is not
            name, key = job.item["name"], request.images_key
            order = ListedOrder("", "", name, key, request.outline, request_id=line.request)
            self.orders.add(order)
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

    def count_orders(self, request_id: str) -> None:
        """Count what the orders of a request cost that exist, or that may exist."""
        state, marked = self.journal.state, self.orders.find_marked(request_id)
        known, intent = state.orders.get(request_id, {}), state.order_intents.get(request_id)
        amounts = {key: each.amount for key, each in known.items()}
        amounts |= {each.order_id: each.amount for each in marked if each.amount is not None}
        self.committed[request_id] = (*amounts.values(), *(intent.amounts if intent else ()))
