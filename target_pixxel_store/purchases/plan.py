"""The plan: decide about each purchase by a table of rules, and write what was decided; no I/O.

`make docs-tables` writes the table into the documentation.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from target_pixxel_store.journal.journal_state import PurchaseKey
from target_pixxel_store.outcomes import Decision, NextStep, OutcomeKind
from target_pixxel_store.purchases.models import format_amount

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from target_pixxel_store.journal.journal_state import KnownPurchase, PurchaseIntent
    from target_pixxel_store.purchases.models import (
        KindWords,
        ListedPurchase,
        Price,
        PurchaseRequest,
    )

SUCCESS = "SUCCESS"
"""The only feasibility with which a tasking order is placed."""
NOT_APPLICABLE = "NOT_APPLICABLE"
"""The feasibility of an order of the archive."""
_DATES = ("start_date", "end_date")
_DATE_WIDTH = 10  # characters of a date in RFC 3339
LINE_PREFIXES = (b'{"request":', b'{"plan_digest":')
"""How the lines of a plan begin; no other file is replaced by one."""


def add_amounts(amounts: Iterable[float]) -> float:
    """Return the exact sum of amounts, as they are written."""
    return float(sum((Decimal(repr(each)) for each in amounts), Decimal()))


@dataclass(frozen=True)
class PlanLine:
    """What a plan states about a request.

    Attributes:
        request: Its id.
        kind: The name of its kind.
        item: What is placed, as it is sent.
        area: In km², as the API states it.
        base_amount, final_amount, uplifts, feasibility: As the API states them; null where the
            request was not priced.
        decision: `planned`, or the outcome without an order.
        reason: Why, where that is not obvious.
    """

    request: str
    kind: str
    item: dict[str, Any]
    area: float | None = None
    base_amount: float | None = None
    final_amount: float | None = None
    uplifts: list[dict[str, Any]] = field(default_factory=list)
    feasibility: str | None = None
    decision: str = ""
    reason: str = ""

    @property
    def is_planned(self) -> bool:
        """Whether it is to be placed."""
        return self.decision == OutcomeKind.PLANNED

    @property
    def key(self) -> PurchaseKey:
        """What identifies the request in the journal."""
        return PurchaseKey(self.kind, self.request)

    def to_cells(self, store: str) -> dict[str, str]:
        """Return what a table for people has of it, by column; empty for nothing to tell.

        Args:
            store: The store of its automated delivery, as the request names it.
        """
        uplifts = (
            f"{each.get('title') or 'uplift'} {each.get('percentage')} %" for each in self.uplifts
        )
        feasibility = self.feasibility or ""
        return {
            "decision": self.decision,
            "kind": self.kind,
            "request": self.request,
            "what": self._describe_item(),
            "area": str(self.item.get("aoi_id") or ""),
            "captures": str(self.item.get("no_of_occurrences") or ""),
            "store": store,
            "km²": _format_number(self.area),
            "base": _format_number(self.base_amount),
            "uplifts": ", ".join(dict.fromkeys(uplifts)),
            "price": _format_number(self.final_amount),
            "feasibility": "" if feasibility == NOT_APPLICABLE else feasibility,
            "why": self.reason,
        }

    def _describe_item(self) -> str:
        """Return images, or dates, or the block of an insight, or the workflow of a job."""
        block: dict[str, Any] | None = self.item.get("block")
        if block:
            return f"{block.get('name')} {block.get('version')}"
        if workflow := self.item.get("workflow_id"):
            return str(workflow)
        images: list[str] = self.item.get("item_ids") or []
        start, end = (str(self.item.get(name) or "")[:_DATE_WIDTH] for name in _DATES)
        more = f" and {len(images) - 1} more" if len(images) > 1 else ""
        return f"{images[0]}{more}" if images else f"{start}/{end or '..'}"


@dataclass(frozen=True)
class PlanTotal:
    """The last line of a plan.

    Attributes:
        plan_digest: The SHA-256 of the lines before it, in hexadecimal digits.
        total_amount: What the planned purchases cost.
        requests: The number of lines before it.
    """

    plan_digest: str
    total_amount: float
    requests: int


@dataclass(frozen=True)
class Plan:
    """A plan.

    Attributes:
        lines: What it states about each request.
        total: Its last line.
    """

    lines: dict[PurchaseKey, PlanLine]
    total: PlanTotal

    def find_approved(self, key: PurchaseKey) -> PlanLine | None:
        """Return the line of a request that is to be placed."""
        line = self.lines.get(key)
        return line if line is not None and line.is_planned else None


def _format_number(value: float | None) -> str:
    return "" if value is None else format_amount(value)


def make_plan(lines: Iterable[PlanLine]) -> tuple[bytes, PlanTotal]:
    """Return the content of a plan's file, and its last line."""
    rows = list(lines)
    content = b"".join(msgspec.json.encode(line) + b"\n" for line in rows)
    amounts = [line.final_amount for line in rows if line.is_planned]
    total = PlanTotal(
        hashlib.sha256(content).hexdigest(),
        add_amounts(each for each in amounts if each is not None),
        len(rows),
    )
    return content + msgspec.json.encode(total) + b"\n", total


def parse_plan(content: bytes, max_requests: int) -> Plan:
    """Parse a plan.

    Raises:
        ValueError: It is not a plan, or was changed; the text says which.
    """
    *lines, last = content.splitlines(keepends=True) or [b""]
    try:
        total = msgspec.json.decode(last, type=PlanTotal)
    except (msgspec.DecodeError, msgspec.ValidationError):
        raise ValueError("is not a complete plan") from None
    if hashlib.sha256(b"".join(lines)).hexdigest() != total.plan_digest:
        raise ValueError("was changed after the plan was made")
    if len(lines) > max_requests:
        raise ValueError(f"has more than {max_requests} requests")
    decoder = msgspec.json.Decoder(PlanLine)
    try:
        rows = list(map(decoder.decode, lines))
    except (msgspec.DecodeError, msgspec.ValidationError):
        raise ValueError("is not a complete plan") from None
    return Plan({row.key: row for row in rows}, total)


@dataclass(frozen=True)
class Limits:
    """The limits of purchases, by the settings of these names; None for no limit.

    Attributes:
        max_total_amount, max_purchases: Of all purchases of a plan, those in doubt included.
    """

    max_total_amount: float | None = None
    max_purchase_amount: float | None = None
    max_purchases: int | None = None
    max_uplift_percent: float = 0.0
    allow_tasking: bool = False


@dataclass(frozen=True)
class Situation:
    """What is known about a request.

    Attributes:
        request: The request.
        item: What would be sent.
        limits: The limits.
        marked: What is listed with its marker.
        same: Another purchase of the same content that has not ended.
        intent, known: What the journal has: sends without a known result, purchases that exist.
        doubted: Id of another request of the same content that is in doubt; empty for none.
        is_settled: Whether the list has everything that earlier runs requested.
        retry_in_doubt: The setting; it must name the last send of a request, which it permits to
            follow by one more.
        fault: Why it is invalid: it names what the API does not list, or its time has passed.
        owned: Those of its images that the workspace owns.
        is_planning: Whether nothing may be placed.
        approved: Its line of the approved plan, if the plan places it.
        left_out: Its line of the approved plan, if the plan does not place it.
        price: Its price; None before it was asked for.
        committed: The amounts of the plan's purchases, and of each send that is in doubt.
    """

    request: PurchaseRequest
    item: dict[str, Any]
    limits: Limits
    marked: tuple[ListedPurchase, ...] = ()
    same: ListedPurchase | None = None
    intent: PurchaseIntent | None = None
    known: tuple[KnownPurchase, ...] = ()
    doubted: str = ""
    is_settled: bool = True
    retry_in_doubt: frozenset[str] = frozenset()
    fault: str = ""
    owned: frozenset[str] = frozenset()
    is_planning: bool = True
    approved: PlanLine | None = None
    left_out: PlanLine | None = None
    price: Price | None = None
    committed: tuple[float, ...] = ()

    @property
    def words(self) -> KindWords:
        """The words of its kind in messages."""
        return self.request.words

    @property
    def has_other_content(self) -> bool:
        """Whether the journal, or what is listed, has the request's id with other content."""
        same = {"", self.request.content_digest}  # empty where it is not known
        contents = {each.content for each in self.known} | {each.digest for each in self.marked}
        return bool((contents | {self.intent.content if self.intent else ""}) - same)

    @property
    def permission(self) -> str:
        """What `retry_in_doubt` must have, so that it is sent once more."""
        return self.intent.name(self.request.key) if self.intent else ""

    @property
    def plan_note(self) -> str:
        """Why the approved plan does not place it."""
        line = self.left_out
        return f" ({line.decision}: {line.reason})" if line and line.reason else ""

    @property
    def owns_all(self) -> bool:
        """Whether the workspace owns all its images."""
        return bool(self.owned) and self.owned >= set(self.request.item_ids)

    @property
    def owned_names(self) -> str:
        """The images that the workspace owns."""
        return ", ".join(sorted(self.owned))

    @property
    def existing(self) -> ListedPurchase | None:
        """The purchase that exists."""
        return self.marked[0] if self.marked else self.same

    @property
    def same_name(self) -> str:
        """The purchase of the same content, or the request that plans it."""
        if self.same is None:
            return ""
        request_id, known_id = self.same.request_id, self.same.purchase_id
        return f"the request {request_id}" if request_id else f"the {self.words.noun} {known_id}"

    @property
    def reorder_note(self) -> str:
        """That `reorder` is about images that are owned, not about those that are ordered."""
        return "; 'reorder' does not change that" if self.request.reorder else ""

    @property
    def number(self) -> int:
        """Its number among the plan's purchases."""
        return len(self.committed) + 1

    @property
    def uplift(self) -> float:
        """The uplift in percent."""
        return self.price.uplift_percent if self.price else 0.0

    @property
    def amount(self) -> float:
        """The price."""
        return self.price.final_amount if self.price else 0.0

    @property
    def approved_amount(self) -> float:
        """The price in the approved plan."""
        return (self.approved.final_amount if self.approved else None) or 0.0

    @cached_property
    def total(self) -> float:
        """What the plan's purchases cost with this one."""
        return add_amounts((*self.committed, self.amount))


def _exceeds(value: float, limit: float | None) -> bool:
    return limit is not None and value > limit


class Rule(NamedTuple):
    """A row of the table; the first one that applies decides.

    Attributes:
        situation: What is known about the request.
        when: Until when, or from when on, the rule applies.
        kind: The decision.
        reason: Why; a template for `str.format`.
        applies: Returns whether the rule decides.
    """

    situation: str
    when: str
    kind: OutcomeKind | NextStep
    reason: str
    applies: Callable[[Situation], bool]


_ANY_TIME, _BEFORE, _AFTER = "at any time", "before the wait ended", "after it"
_PRICED, _PLACING = "when it is priced", "when it is placed"
# fmt: off
RULES = (
    Rule("the journal, or an insight with the marker, has the `request_id` with other content",
         _ANY_TIME, OutcomeKind.FAILED, "this 'request_id' was {s.words.placed} with other "
         "content; give the new {s.words.noun} a new one",
         lambda s: s.has_other_content),
    Rule("an order or an insight has the marker, in any status", _ANY_TIME, OutcomeKind.EXISTS,
         "its {s.words.object_name} is {s.existing.status}", lambda s: bool(s.marked)),
    Rule("the journal has it as made", _ANY_TIME, OutcomeKind.EXISTS,
         "recorded in the journal, not (yet) listed by the API", lambda s: bool(s.known)),
    Rule("an order has the same project, images and area, or an insight the same area, block, "
         "version, input and metadata; and it is not CANCELLED, FAILED or deleted",
         _ANY_TIME, OutcomeKind.EXISTS, "{s.same_name} has the same {s.words.same}{s.reorder_note}",
         lambda s: s.same is not None),
    Rule("the journal has purchases in doubt, or no line `settled`; it is not a job", _BEFORE,
         NextStep.WAIT, "",         lambda s: not s.is_settled),
    Rule("the journal has it in doubt, and `retry_in_doubt` does not name its last send", _AFTER,
         OutcomeKind.IN_DOUBT, "an earlier run sent it, and {s.words.unlisted}; only if you "
         "know that it was not placed, add '{s.permission}' to 'retry_in_doubt'",
         lambda s: s.intent is not None and s.permission not in s.retry_in_doubt),
    Rule("the journal has another insight of the same content in doubt", _AFTER,
         OutcomeKind.PENDING, "the request {s.doubted} has the same {s.words.same}, and is in "
         "doubt", lambda s: bool(s.doubted)),
    Rule("it names a project, bandset, store, image, area, block, version or workflow that the "
         "API does not have, or its time has passed", _AFTER, OutcomeKind.FAILED, "{s.fault}",
         lambda s: bool(s.fault)),
    Rule("the workspace owns all its images; `reorder` is false", _AFTER, OutcomeKind.SKIPPED,
         "the workspace owns all its images; see 'reorder'",
         lambda s: s.owns_all and not s.request.reorder),
    Rule("the workspace owns some of its images", _AFTER, OutcomeKind.FAILED,
         "the workspace owns some of its images already; leave them out: {s.owned_names}",
         lambda s: bool(s.owned) and not s.owns_all),
    Rule("it is a tasking order; `allow_tasking` is false", _AFTER, OutcomeKind.FAILED,
         "is a tasking order, which requires 'allow_tasking'",
         lambda s: s.request.is_tasking and not s.limits.allow_tasking),
    Rule("the approved plan does not place it", _PLACING, OutcomeKind.FAILED,
         "the approved plan does not place it{s.plan_note}; leave it out, or make a new plan",
         lambda s: not s.is_planning and s.approved is None),
    Rule("the approved plan has it with other content", _PLACING, OutcomeKind.FAILED,
         "it differs from the approved plan; make a new plan",
         lambda s: s.approved is not None and s.approved.item != s.item),
    Rule("its price is not known", _AFTER, NextStep.PRICE, "", lambda s: s.price is None),
    Rule("an uplift, or all together, is above `max_uplift_percent`", _PRICED, OutcomeKind.FAILED,
         "its uplift is {s.uplift:.6g} %, above the limit of {s.limits.max_uplift_percent:.6g} %; "
         "see 'max_uplift_percent'",
         lambda s: _exceeds(s.uplift, s.limits.max_uplift_percent)),
    Rule("it costs more than `max_purchase_amount`", _PRICED, OutcomeKind.FAILED,
         "it costs {s.amount:,.12g}, above the limit of {s.limits.max_purchase_amount:,.12g}; "
         "see 'max_purchase_amount'",
         lambda s: _exceeds(s.amount, s.limits.max_purchase_amount)),
    Rule("it is a tasking order whose feasibility is not SUCCESS", _PRICED, OutcomeKind.FAILED,
         "its feasibility is {s.price.feasibility}; only SUCCESS is placed",
         lambda s: s.request.is_tasking and s.price is not None
         and s.price.feasibility != SUCCESS),
    Rule("`approve_plan` is not set", _PRICED, OutcomeKind.PLANNED, "", lambda s: s.is_planning),
    Rule("it costs more than in the approved plan", _PLACING, NextStep.STOP,
         "it costs {s.amount:,.12g} now, more than the approved {s.approved_amount:,.12g}; make a "
         "new plan",
         lambda s: s.amount > s.approved_amount),
    Rule("the plan has `max_purchases` purchases already, those in doubt included", _PLACING,
         NextStep.STOP, "it would be purchase {s.number} of the plan, above the limit of "
         "{s.limits.max_purchases}; see 'max_purchases'",
         lambda s: _exceeds(s.number, s.limits.max_purchases)),
    Rule("with it, the plan's purchases would cost more than `max_total_amount`, those in doubt "
         "included", _PLACING, NextStep.STOP,
         "with it, the purchases of the plan would cost {s.total:,.12g}, above the limit of "
         "{s.limits.max_total_amount:,.12g}; see 'max_total_amount'",
         lambda s: _exceeds(s.total, s.limits.max_total_amount)),
    Rule("none of these", _PLACING, NextStep.PLACE, "", lambda _: True),
)
# fmt: on
"""What is decided about a request, in this order."""


def decide(situation: Situation) -> Decision:
    """Decide what to do about a request."""
    rule = next(each for each in RULES if each.applies(situation))
    return Decision(rule.kind, rule.reason.format(s=situation))


def format_rules() -> str:
    """Return the table of the rules, in Markdown."""
    rows = [("what is known about a request", "when", "decision"), ("---",) * 3]
    for rule in RULES:
        reason = re.sub(r"{[^}]*}", "…", rule.reason)
        decision = f"`{rule.kind}`: {reason}" if reason else f"`{rule.kind}`"
        rows.append((rule.situation, rule.when, decision))
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
