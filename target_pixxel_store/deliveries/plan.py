"""The plan: decide what to do about each catalog, by a table of rules; no I/O.

Two deliveries are the same where catalog and location are: type of cloud, bucket and full prefix.
So a store that was created again on the same bucket changes nothing.

`make docs-tables` writes the table into the documentation.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from target_pixxel_store.api.models import UNLISTED
from target_pixxel_store.outcomes import Decision, NextStep, OutcomeKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_pixxel_store.api.models import Delivery, DeliveryJob
    from target_pixxel_store.remote_state import WorkspaceView


@dataclass(frozen=True)
class Situation:
    """What is known about a catalog and its place.

    Attributes:
        job: The catalog and its place.
        view: What exists.
        planned: What this run is about to deliver.
        is_settled: Whether the view contains every delivery that earlier runs requested.
        redeliver, retry_failed: The settings.
        is_ordered: Whether the catalog's order delivers it to the place.
    """

    job: DeliveryJob
    view: WorkspaceView
    planned: WorkspaceView
    is_settled: bool
    redeliver: bool = False
    retry_failed: int = 0
    is_ordered: bool = False

    def is_replaced(self, delivery: Delivery) -> bool:
        """Return whether this request replaces a delivery, or an earlier one has."""
        return delivery.id == self.job.replaces or delivery.id in self.view.replaced_ids

    @cached_property
    def here(self) -> list[Delivery]:
        """The deliveries of the catalog to the place, the newest first."""
        return self.view.deliveries_at(self.job.key)[::-1]

    @cached_property
    def existing(self) -> Delivery | None:
        """The one that exists: done, or else listed, or else the newest."""
        found = [each for each in self.here if not (each.has_failed or self.is_replaced(each))]
        found.sort(key=lambda each: (not each.has_succeeded, each.status == UNLISTED))
        return found[0] if found else None

    @property
    def attempts(self) -> int:
        """The number of those that were not replaced."""
        return sum(not self.is_replaced(each) for each in self.here)

    @cached_property
    def elsewhere(self) -> tuple[Delivery | None, bool] | None:
        """A delivery elsewhere in the bucket that exists, and whether its place is known."""
        for delivery, is_known in self.view.deliveries_elsewhere(self.job.key):
            if not (delivery.has_failed or self.is_replaced(delivery)):
                return delivery, is_known
        return None

    @property
    def is_unknown_replaced(self) -> bool:
        """Whether the request replaces a delivery that the catalog does not have."""
        replaced = self.job.replaces
        return bool(replaced) and not self.view.find_delivery(self.job.catalog_id, str(replaced))

    @property
    def is_planned_elsewhere(self) -> bool:
        """Whether this run is about to deliver the catalog elsewhere in the bucket."""
        key, planned = self.job.key, self.planned
        return not planned.deliveries_at(key) and any(planned.deliveries_elsewhere(key))

    @property
    def is_taken(self) -> bool:
        """Whether the place has a delivery of another catalog."""
        key = self.job.key
        return self.view.has_other_catalog_at(key) or self.planned.has_other_catalog_at(key)


class Rule(NamedTuple):
    """A row of the table; the first one that applies decides.

    Attributes:
        deliveries: The deliveries of the catalog to the place.
        besides: What else is known.
        requested: When the list was requested.
        kind: The decision.
        reason: Why; a template for `str.format`.
        applies: Returns whether the rule decides.
    """

    deliveries: str
    besides: str
    requested: str
    kind: OutcomeKind | NextStep
    reason: str
    applies: Callable[[Situation], bool]


_ANY_TIME, _BEFORE, _AFTER = "at any time", "before the wait ended", "after it"
# fmt: off
RULES = (
    Rule("one is SUCCESS, SUCCESSFUL or COMPLETED", "", _ANY_TIME, OutcomeKind.EXISTS, "",
         lambda s: s.existing is not None and s.existing.has_succeeded),
    Rule("any", "`replace_delivery` names one that the list lacks", _BEFORE, NextStep.WAIT, "",
         lambda s: s.is_unknown_replaced and not s.is_settled),
    Rule("any", "`replace_delivery` names one that the catalog does not have", _AFTER,
         OutcomeKind.FAILED, "'replace_delivery' names no delivery of the catalog",
         lambda s: s.is_unknown_replaced),
    Rule("none of these; one has any other status but FAILED", "", _ANY_TIME, OutcomeKind.EXISTS,
         "pending: {delivery.status}",
         lambda s: s.existing is not None and s.existing.status != UNLISTED),
    Rule("all FAILED, or none", "the journal has one that the list lacks", _ANY_TIME,
         OutcomeKind.EXISTS, "pending: recorded in the journal, not (yet) listed by the API",
         lambda s: s.existing is not None),
    Rule("all FAILED, or none", "the journal has open intents, or no line `settled`", _BEFORE,
         NextStep.WAIT, "", lambda s: not s.is_settled),
    Rule("all FAILED", "more than `retry_failed`", _AFTER, OutcomeKind.FAILED,
         "its delivery FAILED, after {attempts} of {attempts_allowed} attempts; find the cause, "
         "then raise 'retry_failed'", lambda s: s.attempts > s.retry_failed),
    Rule("all FAILED", "not more than `retry_failed`", _AFTER, NextStep.DELIVER, "",
         lambda s: bool(s.here)),
    Rule("none", "the order item of the catalog names the store and the path; the status of its "
         "delivery is not FAILED", _AFTER, OutcomeKind.EXISTS,
         "pending: its order delivers it there", lambda s: s.is_ordered and not s.here),
    Rule("none", "one elsewhere in the bucket, not FAILED; `redeliver` is false", _AFTER,
         OutcomeKind.SKIPPED, "already delivered elsewhere in the bucket; see 'redeliver'",
         lambda s: not s.redeliver and s.elsewhere is not None and s.elsewhere[1]),
    Rule("none", "one to a deleted or unknown store; `redeliver` is false", _AFTER,
         OutcomeKind.SKIPPED, "already delivered to a deleted or unknown store; see 'redeliver'",
         lambda s: not s.redeliver and s.elsewhere is not None),
    Rule("none", "this run delivers it elsewhere in the bucket; `redeliver` is false", _AFTER,
         NextStep.DEFER, "", lambda s: not s.redeliver and s.is_planned_elsewhere),
    Rule("none", "one of another catalog to the place, in any status", _AFTER, OutcomeKind.FAILED,
         "another catalog is delivered to the same path, and two files may share a name; give "
         "each catalog its own path", lambda s: s.is_taken),
    Rule("none", "", _AFTER, NextStep.DELIVER, "", lambda _: True),
)
# fmt: on
"""What is decided about a catalog, in this order. One that was replaced counts as FAILED."""


def decide(situation: Situation) -> Decision:
    """Decide what to do about a catalog."""
    rule = next(each for each in RULES if each.applies(situation))
    delivery = None
    if rule.kind is OutcomeKind.SKIPPED and situation.elsewhere:
        delivery = situation.elsewhere[0]
    elif situation.here and isinstance(rule.kind, OutcomeKind):
        delivery = situation.existing or situation.here[0]
    reason = rule.reason.format(
        delivery=delivery,
        attempts=situation.attempts,
        attempts_allowed=situation.retry_failed + 1,
    )
    key, path = (delivery.id, delivery.target_path) if delivery else (None, "")
    return Decision(rule.kind, reason, key, path, situation.job)


def format_rules() -> str:
    """Return the table of the rules, in Markdown."""
    rows = [("deliveries of the catalog to the place", "besides", "list requested", "decision"),
            ("---",) * 4]  # fmt: skip
    for rule in RULES:
        reason = re.sub(r"{[^}]*}", "…", rule.reason)
        decision = f"`{rule.kind}`: {reason}" if reason else f"`{rule.kind}`"
        rows.append((rule.deliveries, rule.besides, rule.requested, decision))
    return "\n".join(f"| {' | '.join(row)} |".replace("|  |", "| |") for row in rows)
