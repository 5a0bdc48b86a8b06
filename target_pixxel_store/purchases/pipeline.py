"""The purchase pipeline: collects requests, then plans them, or places those of a plan."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from pixxel_singer.errors import InputError
from pixxel_singer.exit_codes import ExitCode
from target_pixxel_store.errors import (
    RecordError,
    RunAborted,
    WorkspaceMismatchError,
)
from target_pixxel_store.journal.journal_state import PurchaseKey
from target_pixxel_store.outcomes import Decision, NextStep, Outcome, OutcomeKind
from target_pixxel_store.outcomes.recorder import describe_record
from target_pixxel_store.purchases.kind import KindServices
from target_pixxel_store.purchases.kinds import load_kind
from target_pixxel_store.purchases.models import (
    Purchase,
    format_amount,
    make_marker,
    mark_name,
    name_ids,
    to_plain_json,
)
from target_pixxel_store.purchases.placer import PurchasePlacer
from target_pixxel_store.purchases.plan import add_amounts, make_plan
from target_pixxel_store.purchases.planner import PurchasePlanner
from target_pixxel_store.purchases.pricer import PurchasePricer, QuoteNotHonouredError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from target_pixxel_store.api.client import StoreApi
    from target_pixxel_store.journal.journal import Journal
    from target_pixxel_store.outcomes.checkpoints import InflightRecord
    from target_pixxel_store.outcomes.recorder import OutcomeRecorder
    from target_pixxel_store.purchases.kind import PurchaseKind
    from target_pixxel_store.purchases.models import Price, PurchaseRequest
    from target_pixxel_store.purchases.plan import PlanLine, PlanTotal
    from target_pixxel_store.purchases.plan_file import PlanFile
    from target_pixxel_store.remote_state import RemoteState
    from target_pixxel_store.settings import Settings

logger = logging.getLogger(__name__)

DELETED_REASON = "the source has deleted it ('_sdc_deleted_at'), so it is not {}"
CONFLICT_REASON = (
    "another record of this input has the 'request_id', and differs; none of them is {}"
)
MAX_REQUESTS = 10_000
"""Requests of a run, which are all kept until the end of the input."""


@dataclass(eq=False, repr=False)
class PurchasePipeline:
    """Plans or places the purchases that records request, at the end of the input.

    Attributes:
        api: Sends the requests.
        journal: Records every purchase before it is sent.
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
    _requests: dict[PurchaseKey, tuple[PurchaseRequest, list[InflightRecord]]] = field(
        init=False, default_factory=dict
    )
    _expected: set[str] = field(init=False, default_factory=set)
    _deleted: set[PurchaseKey] = field(init=False, default_factory=set)
    _refused: set[PurchaseKey] = field(init=False, default_factory=set)

    @property
    def is_planning(self) -> bool:
        """Whether nothing may be placed."""
        return self.plan_file.approved is None

    def describe_total(self) -> str:
        """Return where the plan is, what it costs, and how it is approved; empty without one."""
        if self.total is None:
            return ""
        path = self.plan_file.path
        if not any(line.is_planned for line in self.lines):
            return f"nothing to approve: the plan in {path} has nothing to place"
        return (
            f"its purchases cost {format_amount(self.total.total_amount)} in all. Review {path} "
            f"and then set 'approve_plan' to {self.total.plan_digest}"
        )

    def make_table(self) -> list[dict[str, str]]:
        """Return the rows of the plan, what is to be placed and the largest amounts first.

        The last row is the total.
        """
        ranked = sorted(self.lines, key=lambda it: (not it.is_planned, -(it.final_amount or 0.0)))
        rows = [line.to_cells(self._requests[line.key][0].store) for line in ranked]
        if len({line.kind for line in self.lines}) == 1:
            rows = [row | {"kind": ""} for row in rows]
        amount = self.total.total_amount if self.total else 0.0
        return [*rows, {"decision": "total", "price": format_amount(amount)}]

    def describe_missing_plan(self) -> str:
        """Return that this run should have made a plan and has not; empty where it has."""
        if not self.is_planning or self.settings.dry_run or self.total is not None:
            return ""
        return f"no plan was made; {self.plan_file.path} was not replaced"

    def expect(self, name: str) -> None:
        """Expect requests of a kind.

        Raises:
            InputError: The input has another kind, whose amounts have another unit.
        """
        self._expected.add(name)
        if len({load_kind(each).unit for each in self._expected}) > 1:
            raise InputError(
                "the input has order_requests, which cost money, and insight_requests or "
                "job_requests, which cost tokens; no limit can hold for both, so run them apart, "
                "each with its own 'plan_path'"
            )

    def add_request(self, inflight: InflightRecord, request: PurchaseRequest) -> None:
        """Add a request; it is planned or placed at the end of the input.

        Raises:
            RecordError: There are too many.
        """
        known = self._requests.get(request.key)
        if known is None:
            if len(self._requests) >= MAX_REQUESTS:
                raise RecordError(f"is one of more than {MAX_REQUESTS} requests; send them apart")
            self._requests[request.key] = request, [inflight]
        else:
            known[1].append(inflight)
            if known[0].content_digest != request.content_digest:
                self.refuse(request.key)

    def refuse(self, key: PurchaseKey) -> None:
        """Place nothing for a request, as a record with its id is invalid or differs."""
        self._refused.add(key)

    def skip_deleted(self, inflight: InflightRecord, key: PurchaseKey) -> None:
        """Skip a record that its source has deleted, and all others of the request."""
        self._deleted.add(key)
        reason = DELETED_REASON.format(load_kind(key.kind).words.placed)
        logger.warning("%s: skipped: %s", describe_record(inflight), reason)
        self.recorder.record(inflight, Outcome(OutcomeKind.SKIPPED, reason))

    def _drop_unwanted(self) -> None:
        """Record the outcomes of the requests that are not placed whatever they cost."""
        unwanted = (
            (self._deleted, OutcomeKind.SKIPPED, DELETED_REASON),
            (self._refused, OutcomeKind.FAILED, CONFLICT_REASON),
        )
        for keys, kind, reason in unwanted:
            for key in sorted(keys & self._requests.keys()):
                outcome = Outcome(kind, reason.format(load_kind(key.kind).words.placed))
                self.recorder.record_all(self._requests.pop(key)[1], outcome)

    def finish(self) -> None:
        """Plan or place all requests.

        Raises:
            RunAborted: A record failed, or a price or a limit does not allow the next one.
            QuoteNotHonouredError, UnexpectedDeliveryError: The API does not do what is requested.
            ApiError: The API fails, or the token has no permission.
        """
        self._drop_unwanted()
        self._warn_unused_permissions()
        if not self._requests:
            return
        if len(self.workspace_ids) != 1:
            raise WorkspaceMismatchError(
                "the token can read several workspaces, or none, so nothing can be marked; set "
                "'workspace'"
            )
        [workspace_id] = self.workspace_ids
        kinds = self._open_kinds(workspace_id)
        faults = {
            PurchaseKey(name, request_id): fault
            for name, kind in kinds.items()
            for request_id, fault in kind.find_faults().items()
        }
        purchases = self._make_purchases(workspace_id, kinds)
        approved = self.plan_file.approved
        planner = PurchasePlanner(self.settings, self.journal, kinds, approved, faults, self.check)
        decided = planner.decide_all(purchases)
        pricer = PurchasePricer(self.settings, planner, self.journal, self.check)
        try:
            for purchase, decision in decided:  # before anything is priced or placed
                if decision.kind is OutcomeKind.FAILED:
                    self.recorder.record_all(purchase.records, _outcome_of(decision))
            pricer.check_earlier_run()
            if self.settings.dry_run:
                self._forecast(decided, planner)
            elif approved is None:
                self._plan(decided, planner, pricer)
            else:
                self.total = approved.total
                self._place(decided, planner, pricer)
        finally:
            self._report(planner, workspace_id)

    def _open_kinds(self, workspace_id: str) -> dict[str, PurchaseKind]:
        """Return the kinds of the requests and of the approved plan, by name.

        All that exists for the plan counts, so its lists are read whatever this input has.
        """
        services = KindServices(self.api, self.remote, self.journal, workspace_id)
        state, approved = self.journal.state, self.plan_file.approved
        kinds: dict[str, PurchaseKind] = {}
        lines = [each for each in approved.lines.values() if each.is_planned] if approved else []
        for name in dict.fromkeys(key.kind for key in (*self._requests, *(it.key for it in lines))):
            kind = load_kind(name)
            requests = [it for it, _ in self._requests.values() if it.kind == name]
            places = {each.place for each in requests}
            places |= {it.place for key, it in state.purchase_intents.items() if key.kind == name}
            if quote := state.open_quotes.get(name):
                places.add(quote.place)
            places |= {
                str(each.item.get(kind.place_field) or "") for each in lines if each.kind == name
            }
            kinds[name] = kind(services, requests, frozenset(places - {""}))
        return kinds

    def _warn_unused_permissions(self) -> None:
        """Warn of names in `retry_in_doubt` without effect, such as misspelled ones."""
        intents = self.journal.state.purchase_intents
        known = {intents[key].name(key) for key in intents.keys() & self._requests.keys()}
        if names := [each for each in self.settings.retry_in_doubt if each not in known]:
            logger.warning(
                "'retry_in_doubt' names %s, which permits nothing: it is used up or misspelled, or "
                "no valid record of this input has this 'request_id'",
                ", ".join(dict.fromkeys(names)),
            )

    def _make_purchases(
        self, workspace_id: str, kinds: Mapping[str, PurchaseKind]
    ) -> list[Purchase]:
        """Return what each request sends."""
        purchases = []
        for request, records in self._requests.values():
            name = mark_name(request.name, make_marker(workspace_id, request.request_id))
            item = kinds[request.kind].make_item(request, name)
            purchases.append(Purchase(request, records, to_plain_json(item)))
        return purchases

    def _forecast(
        self, decided: Iterable[tuple[Purchase, Decision]], planner: PurchasePlanner
    ) -> None:
        """Record what would become of the requests, in a dry run of the target."""
        for purchase, decision in decided:
            if decision.kind is NextStep.PRICE:
                outcome = Outcome(OutcomeKind.PLANNED, "no price: dry_run is set")
                self.recorder.record_all(purchase.records, outcome)
            elif decision.kind is not OutcomeKind.FAILED:
                outcome = _existing_outcome(decision, purchase, planner)
                self.recorder.record_all(purchase.records, outcome)

    def _report(self, planner: PurchasePlanner, workspace_id: str) -> None:
        """Log what a person must see to, and what was placed."""
        self._report_doubts(workspace_id)
        for key in self._requests:
            kind = planner.kinds[key.kind]
            marked = [each for each in kind.find_marked(key.request_id) if not each.has_ended]
            if len(marked) > 1:
                self.recorder.has_problem = True
                logger.error(
                    "request %s has %d %ss: %s; they cost %s in all. Ask Pixxel to cancel what "
                    "you do not want",
                    key.request_id,
                    len(marked),
                    kind.words.noun,
                    ", ".join(each.purchase_id for each in marked),
                    add_amounts(each.amount or 0.0 for each in marked),
                )
        if planner.approved is not None:
            logger.info(
                "placed %d purchases for %s (max_total_amount %s, of the plan so far %s)",
                self.recorder.purchase_count,
                self.recorder.purchase_amount,
                self.settings.max_total_amount,
                add_amounts(planner.count_approved()),
            )

    def _report_doubts(self, workspace_id: str) -> None:
        """Log what is in doubt, of earlier inputs, too."""
        state = self.journal.state
        for key, intent in state.purchase_intents.items():
            if key in state.purchases:
                continue
            kind, request_id = load_kind(key.kind), key.request_id
            marker = f" named [px:{make_marker(workspace_id, request_id)}]"
            logger.error(
                "request %s: its %s for %s is in doubt. Look in Pixxel for %s; %sonly if you know "
                "that none was placed, add '%s' to 'retry_in_doubt'",
                request_id,
                kind.words.noun,
                " and ".join(map(str, intent.amounts)),
                kind.words.where + (marker if kind.is_listed else f" {intent.place}"),
                ""
                if kind.is_listed
                else f"if it is there, add '{intent.name(key)}' to 'acknowledge'; ",
                intent.name(key),
            )

    # Planning

    def _plan(
        self,
        decided: Sequence[tuple[Purchase, Decision]],
        planner: PurchasePlanner,
        pricer: PurchasePricer,
    ) -> None:
        """Price the requests, write the plan, and record the outcomes."""
        ask, ask_first = (partial(self._price, each) for each in (pricer.price, pricer.price_first))
        to_price = [
            purchase
            for purchase, decision in decided
            if decision.kind is NextStep.PRICE
            and planner.kinds[purchase.request.kind].prices_by_post
        ]
        first: dict[Purchase, PlanLine] = {}
        for purchase in sorted(to_price, key=lambda each: each.request.area):
            first[purchase] = planner.plan(purchase, ask_first)
            if first[purchase].final_amount is not None:  # one that the API refuses shows nothing
                break
        lines = [first.get(purchase) or planner.plan(purchase, ask) for purchase, _ in decided]
        content, total = make_plan(lines)
        self.journal.record_plan(total.plan_digest)
        self.plan_file.write(content)
        self.lines, self.total = lines, total
        logger.info("%s", self.describe_total())
        for (purchase, first_decision), line in zip(decided, self.lines, strict=True):
            if first_decision.kind is not OutcomeKind.FAILED:
                decision = Decision(OutcomeKind(line.decision), line.reason)
                outcome = _existing_outcome(decision, purchase, planner)
                if line.final_amount is not None:
                    outcome = outcome._replace(amount=line.final_amount)
                self.recorder.record_all(purchase.records, outcome)

    def _price(self, ask: Callable[[Purchase], Price], purchase: Purchase) -> Price:
        """Return the price; record what a request for a price has placed."""
        self.check()
        try:
            return ask(purchase)
        except QuoteNotHonouredError as error:
            self._count(error.placed.amount)
            outcome = Outcome(
                OutcomeKind.CREATED,
                "the API has placed it, although only its price was requested",
                attempts=1,
                amount=error.placed.amount,
                **name_ids(purchase.request, error.placed),
            )
            self.recorder.record_all(purchase.records, outcome)
            raise

    # Placing

    def _place(
        self,
        decided: Sequence[tuple[Purchase, Decision]],
        planner: PurchasePlanner,
        pricer: PurchasePricer,
    ) -> None:
        """Place the requests of the plan in the order of the records."""
        placer = PurchasePlacer(self.settings, planner, self.journal, self.check)
        purchases = [
            purchase for purchase, decision in decided if decision.kind is not OutcomeKind.FAILED
        ]
        for at, purchase in enumerate(purchases):
            planner.refresh_all()
            if (problem := pricer.find_problem()) is not None:  # of one that came late
                self._record_unsent(purchases[at:], planner)
                raise problem
            stop = self._place_one(purchase, planner, pricer, placer)
            if stop is not None:
                self._record_unsent(purchases[at + 1 :], planner)
                raise stop

    def _place_one(
        self,
        purchase: Purchase,
        planner: PurchasePlanner,
        pricer: PurchasePricer,
        placer: PurchasePlacer,
    ) -> BaseException | None:
        """Decide about a request again, with its price of now, and place it.

        Returns:
            Why the run must end after it; None to go on.
        """
        decision, problem = planner.decide(purchase), None
        try:
            if decision.kind is NextStep.PRICE:
                is_first = purchase.request.kind in self.journal.state.paid_quotes
                price = self._price(pricer.price_first if is_first else pricer.price, purchase)
                decision = planner.decide(purchase, price)
            outcome = _existing_outcome(decision, purchase, planner)
            if decision.kind is NextStep.PLACE:
                outcome, problem = placer.place(purchase, price)
        except RecordError as error:
            outcome = Outcome(OutcomeKind.FAILED, str(error), failure_kind=error.failure_kind)
        if outcome.kind is OutcomeKind.CREATED:
            self._count(outcome.amount)
        self.recorder.record_all(purchase.records, outcome)
        if decision.kind is NextStep.STOP:
            reason = f"{describe_record(purchase.records[0])}: {decision.reason}"
            return RunAborted(ExitCode.INCOMPLETE, reason)
        return problem

    def _record_unsent(self, purchases: Sequence[Purchase], planner: PurchasePlanner) -> None:
        """Record the outcomes of requests that a run has not reached."""
        for purchase in purchases:
            decision = planner.decide(purchase)
            outcome = _existing_outcome(decision, purchase, planner)
            if decision.kind is NextStep.PRICE:
                outcome = Outcome(OutcomeKind.PENDING, "the run has stopped before it")
            self.recorder.record_all(purchase.records, outcome)

    def _count(self, amount: float | None) -> None:
        recorder = self.recorder
        recorder.purchase_count += 1
        recorder.purchase_amount = add_amounts((recorder.purchase_amount, amount or 0.0))


def _outcome_of(decision: Decision) -> Outcome:
    """Return the outcome of a decision; `stop` leaves it pending."""
    kind = decision.kind if isinstance(decision.kind, OutcomeKind) else OutcomeKind.PENDING
    return Outcome(kind, decision.reason)


def _existing_outcome(decision: Decision, purchase: Purchase, planner: PurchasePlanner) -> Outcome:
    """Return the outcome of a decision about a request, with what exists for it."""
    request, outcome = purchase.request, _outcome_of(decision)
    existing = planner.find_existing(request)
    if decision.kind is OutcomeKind.EXISTS and existing:
        outcome = outcome._replace(amount=existing[0].amount, **name_ids(request, existing[0]))
    return outcome
