"""The rules of the plan: what is decided about a request, by what is known about it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from target_pixxel_store.journal.journal_state import KnownPurchase, PurchaseIntent, PurchaseKey
from target_pixxel_store.purchases.kinds.insights import read_insight_request
from target_pixxel_store.purchases.kinds.jobs import read_job_request
from target_pixxel_store.purchases.kinds.order_requests import (
    ListedOrder,
    read_order_request,
)
from target_pixxel_store.purchases.models import ListedPurchase, Price
from target_pixxel_store.purchases.plan import (
    RULES,
    Limits,
    PlanLine,
    Rule,
    Situation,
    add_amounts,
    decide,
    make_plan,
    parse_plan,
)
from tests.target_pixxel_store.purchases.order_harness import TASKING, make_square

FIELDS: dict[str, Any] = {
    "request_id": "r",
    "project_id": "p",
    "usecase": "mining",
    "geometry": make_square(10, 50),
}
REQUEST = read_order_request({**FIELDS, "item_ids": ["a", "b"]})
TASK = read_order_request({**FIELDS, **TASKING, "bandset_id": "visible"})
ITEM = REQUEST.to_order_item("name", "")
LISTED = ListedOrder("o", "name", "i", "ACTIVE", 100, REQUEST.images_key, REQUEST.outline)
KNOWN = KnownPurchase(REQUEST.content_digest, 100, "o")
OTHER = KnownPurchase("other", 100)
INTENT = PurchaseIntent(REQUEST.content_digest, (100,), "0a")
PRICE = Price(5, 100, 100, [], "SUCCESS")
APPROVED = PlanLine("r", "order", ITEM, final_amount=100, decision="planned")
PLACING: dict[str, Any] = {"is_planning": False, "approved": APPROVED}
SITUATIONS: list[dict[str, Any]] = [
    {"known": (OTHER,), "marked": (LISTED,)},
    {"marked": (LISTED,), "is_settled": False},
    {"known": (KNOWN,), "is_settled": False},
    {"same": LISTED, "is_settled": False},
    {"intent": INTENT, "is_settled": False},
    {"intent": INTENT, "price": PRICE, **PLACING},
    {"doubted": "other", "price": PRICE},
    {"fault": "names {nothing}", "owned": frozenset({"a"})},
    {"owned": frozenset({"a", "b"})},
    {"owned": frozenset({"a"})},
    {"request": TASK},
    {"is_planning": False, "price": PRICE},
    {"is_planning": False, "price": PRICE, "approved": replace(APPROVED, item={})},
    PLACING,
    {"price": PRICE._replace(final_amount=101)},
    {"price": PRICE, "limits": Limits(max_purchase_amount=99)},
    {"request": TASK, "price": PRICE._replace(feasibility="WEAK_SUCCESS"),
     "limits": Limits(allow_tasking=True)},
    {"price": PRICE},
    {"price": PRICE, **PLACING, "approved": replace(APPROVED, final_amount=99)},
    {"price": PRICE, **PLACING, "limits": Limits(max_purchases=2), "committed": (1, 1)},
    {"price": PRICE, **PLACING, "limits": Limits(max_total_amount=101), "committed": (1, 1)},
    {"price": PRICE, **PLACING, "committed": (1, 1),
     "limits": Limits(max_total_amount=102, max_purchases=3, max_purchase_amount=100)},
]  # fmt: skip
"""For each rule, in their order, a situation in which it decides."""


@pytest.mark.parametrize(("rule", "known"), list(zip(RULES, SITUATIONS, strict=True)))
def test_rules_each_decides_its_situation(rule: Rule, known: dict[str, Any]) -> None:
    defaults: dict[str, Any] = {"request": REQUEST, "item": ITEM, "limits": Limits()}
    situation = Situation(**(defaults | known))
    assert next(each for each in RULES if each.applies(situation)) is rule
    decision = decide(situation)
    assert decision.kind is rule.kind
    assert "{s." not in decision.reason


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ({"max_total_amount": 1_234}, "would cost 1,234.5, above the limit of 1,234; see 'max_tot"),
        (
            {"max_purchase_amount": 99.5},
            "it costs 100, above the limit of 99.5; see 'max_purchase_am",
        ),
        (
            {"max_purchases": 0},
            "it would be purchase 2 of the plan, above the limit of 0; see 'max_pur",
        ),
        ({"max_uplift_percent": -1}, "its uplift is 0 %, above the limit of -1 %; see 'max_uplif"),
    ],
)
def test_decide_states_limit(limits: dict[str, Any], reason: str) -> None:
    situation = Situation(
        REQUEST, ITEM, Limits(**limits), price=PRICE, committed=(1_134.5,), **PLACING
    )
    assert reason in decide(situation).reason


@pytest.mark.parametrize(
    ("same", "reorder", "reason"),
    [
        (LISTED, False, "the order o has the same project, images and area"),
        (LISTED, True, "images and area; 'reorder' does not change that"),
        (
            replace(LISTED, purchase_id="", request_id="other"),
            False,
            "the request other has the same project, im",
        ),
    ],
)
def test_decide_same_images_names_order(
    same: ListedOrder,
    reorder: bool,  # noqa: FBT001 - a parameter of the test
    reason: str,
) -> None:
    request = read_order_request({**FIELDS, "item_ids": ["a", "b"], "reorder": reorder})
    decision = decide(Situation(request, ITEM, Limits(), same=same))
    assert decision.kind == "exists"
    assert reason in decision.reason
    assert ("reorder" in decision.reason) is reorder


def test_cells_of_plan_line_have_captures_uplifts_and_store() -> None:
    task = read_order_request(
        {**FIELDS, **TASKING, "end_date": None, "recurrence": "MONTHLY", "no_of_occurrences": 3}
        | {"bandset_id": "visible"}
    )
    uplifts = [{"title": "Demand", "percentage": 20}] * 2
    line = PlanLine(
        "r", "order", task.to_order_item("n", ""), 5, 1000, 1200.5, uplifts, "WEAK_SUCCESS"
    )
    assert line.to_cells("bucket") == {
        "decision": "", "kind": "order", "request": "r", "what": "2127-01-01/..", "area": "",
        "captures": "3",
        "store": "bucket", "km²": "5", "base": "1,000", "uplifts": "Demand 20 %",
        "price": "1,200.5", "feasibility": "WEAK_SUCCESS", "why": "",
    }  # fmt: skip
    archive = PlanLine("r", "order", ITEM, feasibility="NOT_APPLICABLE").to_cells("")
    assert {name: text for name, text in archive.items() if text} == {
        "kind": "order", "request": "r", "what": "a and 1 more",
    }  # fmt: skip


def test_decide_in_doubt_sent_again_only_if_named() -> None:
    """A name without the id of the last send would permit every further send."""
    situation = Situation(REQUEST, ITEM, Limits(), intent=INTENT, price=PRICE, **PLACING)
    for names, kind in ((["r:0a"], "place"), (["r"], "in_doubt"), (["r:0b"], "in_doubt")):
        decision = decide(replace(situation, retry_in_doubt=frozenset(names)))
        assert decision.kind == kind
        assert kind == "place" or "'r:0a'" in decision.reason


def test_decide_reorder_orders_owned_images_again() -> None:
    again = read_order_request({**FIELDS, "item_ids": ["a"], "reorder": True})
    situation = Situation(again, ITEM, Limits(), owned=frozenset({"a"}))
    assert decide(situation).kind == "price"


def test_add_amounts_is_exact() -> None:
    """So that a budget of 0.3 allows orders of 0.1 and 0.2."""
    assert add_amounts([0.1, 0.2]) == 0.3
    situation = Situation(REQUEST, ITEM, Limits(max_total_amount=0.3), committed=(0.1, 0.1),
                          price=PRICE._replace(final_amount=0.1, base_amount=0.1),
                          is_planning=False, approved=APPROVED)  # fmt: skip
    assert decide(situation).kind == "place"


def test_plan_read_back_is_the_same() -> None:
    lines = [APPROVED, PlanLine("s", "order", ITEM, decision="failed", reason="why")]
    content, total = make_plan(lines)
    plan = parse_plan(content, 2)
    assert (list(plan.lines.values()), plan.total) == (
        [replace(line, item=plan.lines[line.key].item) for line in lines],
        total,
    )
    assert (total.total_amount, total.requests) == (100, 2)
    assert plan.find_approved(PurchaseKey("order", "r")) is plan.lines[PurchaseKey("order", "r")]
    assert plan.find_approved(PurchaseKey("order", "s")) is None
    assert plan.find_approved(PurchaseKey("insight", "r")) is None


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda _: b"", "is not a complete plan"),
        (lambda content: content[:-5], "is not a complete plan"),
        (lambda content: content.replace(b"100", b"101", 1), "was changed"),
        (lambda content: content.replace(b"\n", b"\r\n"), "was changed"),
        (lambda content: b"\n".join(content.splitlines()[::-1]), "is not a complete plan"),
        (lambda content: content[content.index(b"\n") + 1 :], "was changed"),
        (lambda content: content, "has more than 0 requests"),
    ],
)
def test_plan_changed_is_refused(change: Any, reason: str) -> None:
    content, _ = make_plan([APPROVED])
    with pytest.raises(ValueError, match=reason):
        parse_plan(change(content), 0)


INSIGHT = read_insight_request(
    {"request_id": "r", "aoi_id": "a", "project_id": "p", "block": "b", "block_version": "1"}
    | {"input": {}}
)
JOB = read_job_request({"request_id": "r", "workflow_id": "w", "project_id": "p"})
PURCHASES = {"order": REQUEST, "tasking": TASK, "insight": INSIGHT, "job": JOB}
AMOUNTS = st.sampled_from([0.0, 99.0, 100.0, 101.0])
DIGESTS = st.sampled_from(["", "same", "other"])
VARIED = (
    "item", "limits", "marked", "same", "intent", "known", "doubted", "is_settled", "fault",
    "owned", "is_planning", "approved", "price", "committed",
)  # fmt: skip


@st.composite
def situations(draw: st.DrawFn) -> Situation:
    """Return what may be known about a request of any kind that differs from one to be placed."""
    request = PURCHASES[draw(st.sampled_from(sorted(PURCHASES)))]
    digest = {"": "", "same": request.content_digest, "other": "other"}[draw(DIGESTS)]
    listed = ListedPurchase("o", "name", status="ACTIVE", digest=digest)
    sent = {"request": "r"}
    line = PlanLine("r", request.kind, sent, final_amount=100, decision="planned")
    price = Price(5, 100, 100, [], "SUCCESS")
    limits = Limits(allow_tasking=True)
    others: dict[str, st.SearchStrategy[Any]] = {
        "item": st.just({"request": "changed"}),
        "limits": st.sampled_from(
            [
                Limits(),
                replace(limits, max_purchase_amount=99),
                replace(limits, max_total_amount=100),
                replace(limits, max_purchases=1),
                replace(limits, max_purchases=0, max_uplift_percent=20),
            ]
        ),
        "marked": st.just((listed,)),
        "same": st.just(listed),
        "intent": st.just(PurchaseIntent(digest, (100.0,), "0a")),
        "known": st.just((KnownPurchase(digest, 1.0, "o"),)),
        "doubted": st.just("x"),
        "is_settled": st.just(value=False),
        "fault": st.just("fault"),
        "owned": st.sampled_from([frozenset(request.item_ids[:1]), frozenset(request.item_ids)]),
        "is_planning": st.just(value=True),
        "approved": AMOUNTS.map(lambda each: replace(line, final_amount=each)) | st.none(),
        "price": st.sampled_from(
            [
                price._replace(base_amount=90),
                price._replace(feasibility="FAILED"),
                price._replace(base_amount=0, final_amount=0),
                price._replace(final_amount=101),
            ]
        ),
        "committed": st.sampled_from([(1.0,), (1.0, 1.0)]),
    }
    names = draw(st.sets(st.sampled_from(VARIED), max_size=2))
    known: dict[str, Any] = {"item": sent, "limits": limits, "price": price}
    known |= {"is_planning": False, "approved": line}
    known |= {name: draw(others[name]) for name in sorted(names)}
    retry = draw(st.sampled_from([frozenset(), frozenset({"r:0a"})]))
    return Situation(request, retry_in_doubt=retry, **known)


@settings(max_examples=1000, deadline=None)
@given(situations())
def test_decide_places_only_what_is_approved_unknown_and_within_limits(s: Situation) -> None:
    """Whatever its kind."""
    if decide(s).kind != "place":
        return
    assert not s.is_planning
    assert s.approved is not None
    assert s.approved.item == s.item
    assert s.amount <= s.approved_amount
    assert not any((s.marked, s.same, s.known, s.doubted, s.fault, s.owned))
    assert s.is_settled
    assert s.intent is None or "r:0a" in s.retry_in_doubt
    limits = s.limits
    assert limits.max_purchase_amount is None or s.amount <= limits.max_purchase_amount
    assert limits.max_total_amount is None or sum(s.committed) + s.amount <= limits.max_total_amount
    assert limits.max_purchases is None or len(s.committed) < limits.max_purchases
    assert s.uplift <= limits.max_uplift_percent
    assert not s.request.is_tasking or (
        limits.allow_tasking and s.price and s.price.feasibility == "SUCCESS"
    )
