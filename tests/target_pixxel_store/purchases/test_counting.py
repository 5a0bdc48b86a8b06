"""What counts in the limits of a plan, whatever the journal and the list state."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from target_pixxel_store.journal.journal_state import JournalState
from target_pixxel_store.purchases.models import ListedPurchase
from target_pixxel_store.purchases.plan import Plan, PlanLine, PlanTotal
from target_pixxel_store.purchases.planner import PurchasePlanner

PRICE = 23.0
COSTS = st.sampled_from([0.0, 1.0, PRICE, 40.0])
IDS = st.sampled_from(["a", "b"])
HOW = st.sampled_from([{"by_quote": True}, {"quoted": PRICE}])
LINES = st.one_of(
    st.builds(lambda it: {"is": "purchase_intent", "send": "0", "amount": it}, COSTS),
    st.just({"is": "purchase_refused"}),
    st.builds(lambda it, cost, how: how | {"is": "purchase_made", "id": it, "amount": cost},
              IDS, COSTS, HOW),
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(LINES, max_size=6), st.dictionaries(IDS, COSTS | st.none()))
def test_each_purchase_and_doubt_counts_at_least_its_approved_price(
    lines: list[dict[str, Any]], listed: dict[str, float | None]
) -> None:
    state = JournalState()
    for each in lines:
        state.apply({"kind": "order", "request": "r", "content": "", "place": "", **each})
    rows = [ListedPurchase(each, "name", amount=amount) for each, amount in listed.items()]
    line = PlanLine("r", "order", {}, final_amount=PRICE, decision="planned")
    no: Any = SimpleNamespace()
    journal: Any = SimpleNamespace(state=state)
    kind: Any = SimpleNamespace(find_marked=lambda _: rows)
    plan = Plan({line.key: line}, PlanTotal("", PRICE, 1))
    counted = PurchasePlanner(no, journal, {"order": kind}, plan, {}, no).count_approved()
    known, intent = state.purchases.get(line.key, {}), state.purchase_intents.get(line.key)
    doubts = intent.amounts if intent else ()
    costs = [
        max(PRICE, listed.get(each) or 0.0, known[each].amount if each in known else 0.0)
        for each in known.keys() | listed.keys()
    ]
    assert sorted(counted) == sorted([*costs, *(max(PRICE, each) for each in doubts)])
