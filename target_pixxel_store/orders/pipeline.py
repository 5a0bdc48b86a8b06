"""The order pipeline: collects requests, then plans them, or places those of an approved plan."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

from pixxel_singer.exit_codes import ExitCode
from target_pixxel_store.errors import (
    RecordError,
    RunAborted,
    WorkspaceMismatchError,
)
from target_pixxel_store.orders.models import (
    OrderJob,
    format_amount,
    make_marker,
    mark_name,
    to_plain_json,
)
from target_pixxel_store.orders.order_list import OrderList
from target_pixxel_store.orders.placer import OrderPlacer
from target_pixxel_store.orders.plan import add_amounts, make_plan
from target_pixxel_store.orders.planner import OrderPlanner
from target_pixxel_store.orders.pricer import DryRunNotHonouredError, OrderPricer
from target_pixxel_store.orders.validation import RequestValidator
from target_pixxel_store.outcomes import Decision, NextStep, Outcome, OutcomeKind
from target_pixxel_store.outcomes.recorder import describe_record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from target_pixxel_store.api.client import StoreApi
    from target_pixxel_store.journal.journal import Journal
    from target_pixxel_store.orders.models import ListedOrder, OrderRequest, Price
    from target_pixxel_store.orders.plan import PlanLine, PlanTotal
    from target_pixxel_store.orders.plan_file import PlanFile
    from target_pixxel_store.outcomes.checkpoints import InflightRecord
    from target_pixxel_store.outcomes.recorder import OutcomeRecorder
    from target_pixxel_store.remote_state import RemoteState
    from target_pixxel_store.settings import Settings

logger = logging.getLogger(__name__)

DELETED_REASON = "the source has deleted it ('_sdc_deleted_at'), so it is not ordered"
CONFLICT_REASON = (
    "another record of this input has the 'request_id', and differs; none of them is ordered"
)
MAX_REQUESTS = 10_000
"""Requests of a run, which are all kept until the end of the input."""


@dataclass(eq=False, repr=False)
class OrderPipeline:
    """Plans or places the orders that records request, at the end of the input.

    Attributes:
        api: Sends the requests.
        journal: Records every order before it is sent.
        remote: The stores of automated deliveries.
        recorder: Records the outcomes.
        workspace_ids: Ids of the workspaces that the token can read; known when a record comes.
        plan_file: The plan that is written, or that was approved.
        check: Called while waiting and before each request; raises to stop.
        lines: What this run has planned.
        total: The last line of the plan that this run has made or was given.
    """

    settings: Settings
    api: StoreApi
    journal: Journal
    remote: RemoteState
    recorder: OutcomeRecorder
    workspace_ids: set[str]
    plan_file: PlanFile
    check: Callable[[], None]
    lines: list[PlanLine] = field(init=False, default_factory=list)
    total: PlanTotal | None = field(init=False, default=None)
    _requests: dict[str, tuple[OrderRequest, list[InflightRecord]]] = field(
        init=False, default_factory=dict
    )
    _deleted_ids: set[str] = field(init=False, default_factory=set)
    _refused_ids: set[str] = field(init=False, default_factory=set)

    @property
    def is_planning(self) -> bool:
        """Whether no order may be placed."""
        return self.plan_file.approved is None

    def describe_total(self) -> str:
        """Return where the plan is, what it costs, and how it is approved; empty without one."""
        if self.total is None:
            return ""
        path = self.plan_file.path
        if not any(line.is_planned for line in self.lines):
            return f"nothing to approve: the plan in {path} has no order to place"
        return (
            f"the orders cost {format_amount(self.total.total_amount)} in all. Review {path} "
            f"and then set 'approve_plan' to {self.total.plan_digest}"
        )

    def make_table(self) -> list[dict[str, str]]:
        """Return the rows of the plan, what is to be placed and the largest amounts first.

        The last row is the total.
        """
        ranked = sorted(self.lines, key=lambda it: (not it.is_planned, -(it.final_amount or 0.0)))
        rows = [line.to_cells(self._requests[line.request][0].store) for line in ranked]
        amount = self.total.total_amount if self.total else 0.0
        return [*rows, {"decision": "total", "price": format_amount(amount)}]

    def describe_missing_plan(self) -> str:
        """Return that this run should have made a plan and has not; empty where it has."""
        if not self.is_planning or self.settings.dry_run or self.total is not None:
            return ""
        return f"no plan was made; {self.plan_file.path} was not replaced"

    def add_request(self, inflight: InflightRecord, request: OrderRequest) -> None:
        """Add a request; it is planned or placed at the end of the input.

        Raises:
            RecordError: There are too many.
        """
        known = self._requests.get(request.request_id)
        if known is None:
            if len(self._requests) >= MAX_REQUESTS:
                raise RecordError(f"is one of more than {MAX_REQUESTS} requests; send them apart")
            self._requests[request.request_id] = request, [inflight]
        else:
            known[1].append(inflight)
            if known[0].content_digest != request.content_digest:
                self.refuse(request.request_id)

    def refuse(self, request_id: str) -> None:
        """Order nothing for a request, as a record with its id is invalid or differs."""
        self._refused_ids.add(request_id)

    def skip_deleted(self, inflight: InflightRecord, request_id: str) -> None:
        """Skip a record that its source has deleted, and all others of the request."""
        self._deleted_ids.add(request_id)
        logger.warning("%s: skipped: %s", describe_record(inflight), DELETED_REASON)
        self.recorder.record(inflight, Outcome(OutcomeKind.SKIPPED, DELETED_REASON))

    def _drop_unwanted(self) -> None:
        """Record the outcomes of the requests that are not ordered whatever they cost."""
        unwanted = (
            (self._deleted_ids, Outcome(OutcomeKind.SKIPPED, DELETED_REASON)),
            (self._refused_ids, Outcome(OutcomeKind.FAILED, CONFLICT_REASON)),
        )
        for ids, outcome in unwanted:
            for request_id in sorted(ids & self._requests.keys()):
                self.recorder.record_all(self._requests.pop(request_id)[1], outcome)

    def finish(self) -> None:
        """Plan or place all requests.

        Raises:
            RunAborted: A record failed, or a price or a limit does not allow the next order.
            DryRunNotHonouredError, UnexpectedDeliveryError: The API does not do what is requested.
            ApiError: The API fails, or the token has no permission.
        """
        self._drop_unwanted()
        self._warn_unused_permissions()
        if not self._requests:
            return
        if len(self.workspace_ids) != 1:
            raise WorkspaceMismatchError(
                "the token can read several workspaces, or none, so orders cannot be marked; set "
                "'workspace'"
            )
        [workspace_id] = self.workspace_ids
        validator = RequestValidator(self.api, self.remote)
        requests = [request for request, _ in self._requests.values()]
        faults = validator.find_faults(requests)
        jobs = self._make_jobs(workspace_id, validator)
        wanted = frozenset(each.images_key for each in requests if not each.is_tasking)
        orders = OrderList(self.api, self.journal, workspace_id, wanted)
        approved = self.plan_file.approved
        planner = OrderPlanner(
            self.settings, self.api, self.journal, orders, approved, faults, self.check
        )
        decided = planner.decide_all(jobs)
        pricer = OrderPricer(self.settings, self.api, orders, self.journal, self.check)
        try:
            for job, decision in decided:  # before anything is priced or placed
                if decision.kind is OutcomeKind.FAILED:
                    self.recorder.record_all(job.records, _outcome_of(decision))
            pricer.check_earlier_run()
            if self.settings.dry_run:
                self._forecast(decided, planner)
            elif approved is None:
                self._plan(decided, planner, pricer)
            else:
                self.total = approved.total
                self._place(decided, planner, pricer)
        finally:
            self._report(orders, planner)

    def _warn_unused_permissions(self) -> None:
        """Warn of names in `retry_in_doubt` without effect, such as misspelled ones."""
        intents = self.journal.state.order_intents
        known = {f"{key}:{intents[key].send}" for key in intents.keys() & self._requests.keys()}
        if names := [each for each in self.settings.retry_in_doubt if each not in known]:
            logger.warning(
                "'retry_in_doubt' names %s, which permits nothing: it is used up or misspelled, or "
                "no valid record of this input has this 'request_id'",
                ", ".join(dict.fromkeys(names)),
            )

    def _make_jobs(self, workspace_id: str, validator: RequestValidator) -> list[OrderJob]:
        """Return what each request sends."""
        jobs = []
        for request, records in self._requests.values():
            name = mark_name(request.name, make_marker(workspace_id, request.request_id))
            item = request.to_order_item(name, validator.find_store_id(request) or "")
            jobs.append(OrderJob(request, records, to_plain_json(item)))
        return jobs

    def _forecast(
        self, decided: Iterable[tuple[OrderJob, Decision]], planner: OrderPlanner
    ) -> None:
        """Record what would become of the requests, in a dry run of the target."""
        for job, decision in decided:
            if decision.kind is NextStep.PRICE:
                outcome = Outcome(OutcomeKind.PLANNED, "no price: dry_run is set")
                self.recorder.record_all(job.records, outcome)
            elif decision.kind is not OutcomeKind.FAILED:
                outcome = _outcome_of(decision, *planner.find_existing(job.request))
                self.recorder.record_all(job.records, outcome)

    def _report(self, orders: OrderList, planner: OrderPlanner) -> None:
        """Log what a person must see to, and what was placed."""
        state = self.journal.state
        for request_id, intent in state.order_intents.items():
            if request_id not in state.orders:
                logger.error(
                    "request %s: its order for %s is in doubt. Look in Pixxel for an order named "
                    "[px:%s]; only if you know that none was placed, add '%s:%s' to "
                    "'retry_in_doubt'",
                    request_id,
                    " and ".join(map(str, intent.amounts)),
                    make_marker(orders.workspace_id, request_id),
                    request_id,
                    intent.send,
                )
        for request_id in self._requests:
            marked = [each for each in orders.find_marked(request_id) if not each.has_ended]
            if len(marked) > 1:
                self.recorder.has_problem = True
                logger.error(
                    "request %s has %d orders: %s; they cost %s in all. Ask Pixxel to cancel what "
                    "you do not want",
                    request_id,
                    len(marked),
                    ", ".join(each.order_id for each in marked),
                    add_amounts(each.amount or 0.0 for each in marked),
                )
        if planner.approved is not None:
            logger.info(
                "placed %d orders for %s (max_total_amount %s, of the plan so far %s)",
                self.recorder.order_count,
                self.recorder.order_amount,
                self.settings.max_total_amount,
                add_amounts(chain.from_iterable(planner.committed.values())),
            )

    # Planning

    def _plan(
        self,
        decided: Sequence[tuple[OrderJob, Decision]],
        planner: OrderPlanner,
        pricer: OrderPricer,
    ) -> None:
        """Price the requests, write the plan, and record the outcomes."""
        ask, ask_first = (partial(self._price, each) for each in (pricer.price, pricer.price_first))
        to_price = [job for job, decision in decided if decision.kind is NextStep.PRICE]
        first: dict[OrderJob, PlanLine] = {}
        for job in sorted(to_price, key=lambda job: job.request.area):
            first[job] = planner.plan(job, ask_first)
            if first[job].final_amount is not None:  # one that the API refuses shows nothing
                break
        lines = [first.get(job) or planner.plan(job, ask) for job, _ in decided]
        content, total = make_plan(lines)
        self.journal.record_plan(total.plan_digest)
        self.plan_file.write(content)
        self.lines, self.total = lines, total
        logger.info("%s", self.describe_total())
        for (job, first_decision), line in zip(decided, self.lines, strict=True):
            if first_decision.kind is not OutcomeKind.FAILED:
                decision = Decision(OutcomeKind(line.decision), line.reason)
                outcome = _outcome_of(decision, *planner.find_existing(job.request))
                if line.final_amount is not None:
                    outcome = outcome._replace(amount=line.final_amount)
                self.recorder.record_all(job.records, outcome)

    def _price(self, ask: Callable[[OrderJob], Price], job: OrderJob) -> Price:
        """Return the price; record an order that a dry run has placed."""
        self.check()
        try:
            return ask(job)
        except DryRunNotHonouredError as error:
            self._count(error.order.amount)
            outcome = Outcome(
                OutcomeKind.CREATED,
                "the API has placed it, although it was sent as a dry run",
                attempts=1,
                order_id=error.order.order_id or None,
                order_item_id=error.order.item_id or None,
                amount=error.order.amount,
            )
            self.recorder.record_all(job.records, outcome)
            raise

    # Placing

    def _place(
        self,
        decided: Sequence[tuple[OrderJob, Decision]],
        planner: OrderPlanner,
        pricer: OrderPricer,
    ) -> None:
        """Place the requests of the plan in the order of the records."""
        placer = OrderPlacer(self.settings, self.api, planner.orders, self.journal, self.check)
        jobs = [job for job, decision in decided if decision.kind is not OutcomeKind.FAILED]
        for at, job in enumerate(jobs):
            planner.orders.refresh()
            if (problem := pricer.find_problem()) is not None:  # of an order that came late
                self._record_unsent(jobs[at:], planner)
                raise problem
            stop = self._place_one(job, planner, pricer, placer)
            if stop is not None:
                self._record_unsent(jobs[at + 1 :], planner)
                raise stop

    def _place_one(
        self, job: OrderJob, planner: OrderPlanner, pricer: OrderPricer, placer: OrderPlacer
    ) -> BaseException | None:
        """Decide about a request again, with its price of now, and place it.

        Returns:
            Why the run must end after it; None to go on.
        """
        decision, problem = planner.decide(job), None
        try:
            if decision.kind is NextStep.PRICE:
                is_first = self.journal.state.paid_dry_run is not None
                price = self._price(pricer.price_first if is_first else pricer.price, job)
                decision = planner.decide(job, price)
            outcome = _outcome_of(decision, *planner.find_existing(job.request))
            if decision.kind is NextStep.PLACE:
                outcome, problem = placer.place(job, price)
        except RecordError as error:
            outcome = Outcome(OutcomeKind.FAILED, str(error), failure_kind=error.failure_kind)
        if decision.kind is NextStep.PLACE:
            planner.count_orders(job.request.request_id)
        if outcome.kind is OutcomeKind.CREATED:
            self._count(outcome.amount)
        self.recorder.record_all(job.records, outcome)
        if decision.kind is NextStep.STOP:
            reason = f"{describe_record(job.records[0])}: {decision.reason}"
            return RunAborted(ExitCode.INCOMPLETE, reason)
        return problem

    def _record_unsent(self, jobs: Sequence[OrderJob], planner: OrderPlanner) -> None:
        """Record the outcomes of requests that a run has not reached."""
        for job in jobs:
            decision = planner.decide(job)
            outcome = _outcome_of(decision, *planner.find_existing(job.request))
            if decision.kind is NextStep.PRICE:
                outcome = Outcome(OutcomeKind.PENDING, "the run has stopped before it")
            self.recorder.record_all(job.records, outcome)

    def _count(self, amount: float | None) -> None:
        recorder = self.recorder
        recorder.order_count += 1
        recorder.order_amount = add_amounts((recorder.order_amount, amount or 0.0))


def _outcome_of(decision: Decision, *listed: ListedOrder) -> Outcome:
    """Return the outcome of a decision, with the order that exists; `stop` leaves it pending."""
    kind = decision.kind if isinstance(decision.kind, OutcomeKind) else OutcomeKind.PENDING
    outcome = Outcome(kind, decision.reason)
    if decision.kind is OutcomeKind.EXISTS and listed:
        order = listed[0]
        outcome = outcome._replace(
            order_id=order.order_id or None,
            order_item_id=order.item_id or None,
            amount=order.amount,
        )
    return outcome
