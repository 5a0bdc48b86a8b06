"""Insights and jobs: read, validated, priced, placed once, and found again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from pixxel_api.errors import ApiError, RateLimited
from pixxel_singer.errors import InputError
from target_pixxel_store.api.client import StoreApi
from target_pixxel_store.errors import RecordError, UnexpectedDeliveryError
from target_pixxel_store.purchases.kinds.insights import read_insight_request
from target_pixxel_store.purchases.models import to_number

if TYPE_CHECKING:
    from pixxel_sandbox import RequestRecord, Workspace
    from tests.target_pixxel_store.purchases.order_harness import (
        InsightHarness,
        JobHarness,
        OrderHarness,
    )
    from tests.target_pixxel_store.target_harness import Json

pytestmark = pytest.mark.places_orders

FIELDS: dict[str, Any] = {
    "request_id": "r",
    "aoi_id": "A",
    "project_id": "P",
    "block": "land-cover",
    "block_version": "1.0.0",
    "input": {"b": 1, "a": [1, None]},
}


# Records


def test_read_insight_decodes_json_and_digests_content_without_name() -> None:
    request = read_insight_request(FIELDS)
    as_text = {**FIELDS, "input": json.dumps(FIELDS["input"]), "name": "other", "request_id": 7}
    assert (request.place, request.name, request.input) == ("A", "r", FIELDS["input"])
    again = read_insight_request(as_text)
    assert (again.request_id, again.name, again.input) == ("7", "other", request.input)
    assert again.content_digest == request.content_digest
    floats = read_insight_request({**FIELDS, "input": {"a": [1.0, None], "b": 1.0}})
    assert floats.content_digest == request.content_digest, "warehouses exchange them"
    changes: tuple[Json, ...] = (
        {"input": {}},
        {"aoi_id": "b"},
        {"block": "x"},
        {"metadata": {"run": "2"}},
    )
    for change in changes:
        changed = read_insight_request(FIELDS | change)
        assert changed.content_digest != request.content_digest


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"aoi_id": None}, "has no 'aoi_id'"),
        ({"input": None}, "has no 'input'; it may be an empty object"),
        ({"input": "{"}, "'input' is a string that is not JSON"),
        ({"input": "[" * 480 + "]" * 480}, "'input' is nested too deeply"),
        ({"input": '{"api_key": "x"}'}, "contains 'api_key'"),
        ({"metadata": {"run": 2}}, "'metadata' must be an object of strings"),
        ({"metadata": {"request_digest": ""}}, "must not have 'request_digest'"),
        ({"name": "a [px:0123456789ab]"}, "'name' must not contain a marker"),
        ({"request_id": True}, "'request_id' must be a string or a whole number"),
    ],
)
def test_read_insight_invalid_is_refused(change: Json, reason: str) -> None:
    with pytest.raises(RecordError, match=reason.replace("[", r"\[")):
        read_insight_request(FIELDS | change)


# Plans


def test_plan_insights_and_jobs_prices_both_and_places_nothing(
    insights: InsightHarness, jobs: JobHarness
) -> None:
    requests = [insights.request(0), jobs.request(0), insights.request(1, block="crop-stress",
                block_version="0.9.0")]  # fmt: skip
    result = insights.plan(*requests)
    assert (result.status, result.kinds, result.states) == (0, ["planned"] * 3, [])
    assert (insights.placements, jobs.placements) == ([], [])
    kinds = [(line["kind"], line["final_amount"]) for line in insights.lines]
    assert [kind for kind, _ in kinds] == ["insight", "job", "insight"]
    workflow = insights.sandbox.workspace.rows("workflows")[0]
    assert kinds[1][1] == workflow["estimated_cost"]
    assert insights.total["total_amount"] == sum(amount for _, amount in kinds)
    item = insights.lines[0]["item"]
    assert item["name"].startswith("field-0 [px:")
    assert item["input"] == {"threshold": 0}
    placed = insights.place(*requests)
    assert (placed.status, placed.kinds, placed.states) == (0, ["created"] * 3, [{"upto": 3}])
    assert insights.spent == insights.total["total_amount"] == placed.summary["purchase_amount"]
    first, job, _ = placed.outcomes
    ids = {each["id"] for each in insights.sandbox.placed_analyses()}
    assert {first["insight_id"], job["job_id"]} <= ids
    again = insights.place(*requests)
    assert (again.kinds, again.states) == (["exists"] * 3, [{"upto": 3}])
    assert again.outcomes[1]["job_id"] == job["job_id"]
    assert (set(insights.placed.values()), set(jobs.placed.values())) == ({1}, {1})


@pytest.mark.parametrize("first", ["order", "insight"])
def test_input_with_money_and_tokens_is_refused(
    orders: OrderHarness, insights: InsightHarness, first: str
) -> None:
    requests = [orders.request(0), insights.request(0)]
    result = orders.plan(*(requests if first == "order" else requests[::-1]))
    assert isinstance(result.error, InputError)
    assert "no limit can hold for both, so run them apart" in str(result.error)
    assert not orders.plan_path.exists()
    sent = [each for each in orders.sandbox.requests if each.method == "POST"]
    assert [each.path for each in sent if "orders" in each.path or "insights" in each.path] == []


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"aoi_id": "none"}, "'aoi_id' names no area of interest that the token can read"),
        ({"block": "none"}, "'block' names no block; the stream blocks has their names"),
        ({"block_version": "9.9.9"}, "'block_version' names no version of the block"),
        ({"project_id": "none"}, "'project_id' names no project that the token can read"),
    ],
)
def test_plan_insight_of_unknown_object_fails_alone(
    insights: InsightHarness, change: Json, reason: str
) -> None:
    result = insights.plan(insights.request(0, **change), insights.request(1))
    assert sorted(result.kinds) == ["failed", "planned"]
    assert reason in result.reasons


# Insights that exist


def test_insight_of_same_content_is_requested_once(insights: InsightHarness) -> None:
    one, two = insights.request(0), insights.request(0, request_id="other")
    planned = insights.plan(one, two)
    assert sorted(planned.kinds) == ["exists", "planned"]
    insights.place(one, two)
    assert sum(insights.placed.values()) == 1
    [row] = insights.sandbox.placed_analyses()
    insights.target.lose_journal()
    assert insights.plan(two).kinds == ["exists"]
    assert insights.plan(insights.request(0, request_id="b", metadata={"run": "2"})).kinds == [
        "planned"
    ]
    insights.sandbox.workspace.update("insights", row["id"], deleted_at="0001-01-01T00:00:00Z")
    assert insights.plan(two).kinds == ["exists"], "a time that is not set"
    insights.sandbox.workspace.update("insights", row["id"], status="failed")
    insights.target.reset_journal()
    assert insights.plan(two).kinds == ["planned"], "a failed one has no result"


def test_insight_of_same_content_as_one_in_doubt_waits(insights: InsightHarness) -> None:
    one, two = insights.request(0), insights.request(0, request_id="other")
    insights.plan(one)
    insights.behave_when_placing(accept_late=1.0, accept_late_seconds=1000)
    assert insights.place(one, settle_seconds=0.1).kinds == ["in_doubt"]
    insights.sandbox.on_request = None
    insights.behave(accept_late=0.0)
    insights.target.shorten_wait()
    result = insights.plan(two)
    assert result.kinds == ["pending"]
    assert "the request field-0 has the same area, block, version" in result.reasons[0]


def test_insight_known_but_not_listed_yet_is_not_repeated(insights: InsightHarness) -> None:
    requests = [insights.request(0), insights.request(0, request_id="other")]
    insights.plan(requests[0])
    insights.place(requests[0])
    insights.behave(list_lag=100)
    [row] = insights.sandbox.placed_analyses()
    insights.sandbox._state.hide_from_lists(row["id"])
    assert insights.plan(*requests).kinds == ["exists", "exists"]


# Prices that do not hold


def test_estimate_that_creates_stops_all_runs_until_acknowledged(insights: InsightHarness) -> None:
    insights.behave(dry_run_ignored=True)
    requests = [insights.request(0), insights.request(1)]
    result = insights.plan(*requests)
    assert "THE API DOES NOT HONOUR estimate" in str(result.error)
    assert sum(insights.placed.values()) == 1
    insights.behave(dry_run_ignored=False)
    [row] = insights.sandbox.placed_analyses()
    insights.sandbox.requests.clear()
    journal = insights.target.journal_path
    lines = journal.read_text().splitlines(keepends=True)
    journal.write_text("".join(each for each in lines if '"purchase_made"' not in each))
    insights.target.shorten_wait()
    killed = insights.plan(requests[1])  # its area is another one
    assert f"add '{row['id']}' to 'acknowledge'" in str(killed.error)
    rerun = insights.plan(*requests)
    assert f"add '{row['id']}' to 'acknowledge'" in str(rerun.error)
    assert [each for each in insights.sandbox.requests if insights.is_pricing(each)] == []
    assert insights.plan(*requests, acknowledge=[row["id"]]).kinds.count("exists") == 1


@pytest.mark.parametrize("lag", [0.0, 0.1])
def test_insight_dearer_than_estimate_ends_run_and_must_be_acknowledged(
    insights: InsightHarness, lag: float
) -> None:
    """The response does not state the cost, so the list is read before the next one is sent."""
    requests = [insights.request(0), insights.request(1)]
    insights.plan(*requests)
    insights.behave(price_increase=50, list_lag=lag)
    result = insights.place(*requests, max_total_amount=1e6, settle_seconds=1)
    assert isinstance(result.error, UnexpectedDeliveryError)
    assert "of its estimate" in str(result.error)
    assert result.kinds == ["created", "pending"]
    assert sum(insights.placed.values()) == 1
    assert result.outcomes[0]["amount"] == insights.spent
    insights.behave(price_increase=0, list_lag=0)
    [row] = insights.sandbox.placed_analyses()
    rerun = insights.place(*requests, max_total_amount=1e6)
    assert f"add '{row['id']}' to 'acknowledge'" in str(rerun.error)
    total = insights.total["total_amount"]
    more = insights.place(*requests, max_total_amount=total, acknowledge=[row["id"]])
    assert more.kinds == ["exists", "pending"], "what it was dearer counts"
    assert insights.place(*requests, max_total_amount=1e6).kinds == ["exists", "created"]


@pytest.mark.parametrize("is_killed", [True, False])
def test_insight_listed_without_its_cost_yet_counts_its_estimate(
    insights: InsightHarness,
    is_killed: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    """So that the limit holds; killed: before the response was recorded."""
    requests = [insights.request(0), insights.request(1)]
    insights.plan(*requests)

    def hide_costs(_request: RequestRecord, workspace: Workspace) -> None:
        for row in insights.sandbox.placed_analyses():
            workspace.update("insights", row["id"], cost=0)

    insights.sandbox.on_request = hide_costs
    limit = insights.total["total_amount"] - 1
    insights.place(*requests, max_total_amount=limit, max_purchases=1)
    if is_killed:
        journal = insights.target.journal_path
        lines = journal.read_text().splitlines(keepends=True)
        journal.write_text("".join(each for each in lines if '"purchase_made"' not in each))
        insights.target.shorten_wait()
    result = insights.place(*requests, max_total_amount=limit)
    assert result.kinds == ["exists", "pending"]
    assert len(insights.placements) == 1


# What is in doubt


@pytest.mark.parametrize("happened", [True, False])
def test_job_without_response_is_in_doubt_until_permitted(
    jobs: JobHarness,
    happened: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    """The list shows a new job, which may be of anybody."""
    requests = [jobs.request(0), jobs.request(1)]
    jobs.plan(*requests)
    lost = {"drop_accepted": 1.0} if happened else {"accept_late": 1.0, "accept_late_seconds": 1000}
    jobs.behave_when_placing(**lost)
    jobs.place(*requests, max_purchases=1)
    jobs.sandbox.on_request = None
    jobs.behave(drop_accepted=0.0, accept_late=0.0)
    for _ in range(2):
        result = jobs.place(*requests)
        assert result.kinds[0] == "in_doubt"
        assert "no list shows which request a job is of" in result.reasons[0]
        assert "its job for" in result.log
    assert len(jobs.placements) == 2
    permission = jobs.permissions["field-0"]
    more = {"max_total_amount": 1e6, "retry_in_doubt": [permission]}
    assert jobs.place(*requests, **more).kinds == ["created", "exists"]
    assert jobs.place(*requests, **more).kinds == ["exists", "exists"]
    assert len(jobs.placements) == 3


def test_job_in_doubt_that_was_placed_exists_once_acknowledged(jobs: JobHarness) -> None:
    """A person has found it, and no list ever will."""
    requests = [jobs.request(0), jobs.request(1)]
    jobs.plan(*requests)
    jobs.behave_when_placing(drop_accepted=1.0)
    jobs.place(*requests, max_purchases=1)
    jobs.sandbox.on_request = None
    jobs.behave(drop_accepted=0.0)
    named = jobs.permissions["field-0"]
    result = jobs.place(*requests, max_purchases=1, acknowledge=[named])
    assert result.kinds == ["exists", "pending"]  # it counts
    assert "in doubt" not in result.log
    result = jobs.place(*requests, max_purchases=2)
    assert result.kinds == ["exists", "created"]
    assert len(jobs.placements) == 2
    assert [each["workflow_id"] for each in result.outcomes] == [
        each["record"]["workflow_id"] for each in requests
    ]


def test_request_ids_of_kinds_are_apart(insights: InsightHarness, jobs: JobHarness) -> None:
    requests = [insights.request(0), jobs.request(0)]
    insights.plan(*requests)
    assert insights.place(*requests).kinds == ["created", "created"]


# What counts


def test_insight_that_an_estimate_made_counts_its_price_in_a_run_of_jobs(
    insights: InsightHarness, jobs: JobHarness
) -> None:
    requests = [insights.request(0), jobs.request(0)]
    insights.plan(*requests)
    limit = insights.total["total_amount"] - 1
    insights.behave(dry_run_ignored=True)
    insights.place(requests[0])
    insights.behave(dry_run_ignored=False)
    [row] = insights.sandbox.placed_analyses()
    more = {"max_total_amount": limit, "acknowledge": [row["id"]]}
    assert jobs.place(requests[1], **more).kinds == ["pending"]
    assert jobs.placements == []


# Refusals


@pytest.mark.parametrize(
    ("harness_class", "write"),
    [
        ("orders", "place_order"),
        ("insights", "request_insight"),
        ("jobs", "run_workflow"),
    ],
)
@pytest.mark.parametrize("error", [ApiError("POST", "/v0", 409), RateLimited("POST", "/v0", 429)])
def test_purchase_made_in_spite_of_a_conflict_is_not_repeated(
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    harness_class: str,
    write: str,
    error: ApiError,
) -> None:
    """A gateway that sends a request twice answers as the second one was answered."""
    harness: OrderHarness = request.getfixturevalue(harness_class)
    requests = [harness.request(0), harness.request(1)]
    harness.plan(*requests)
    send = getattr(StoreApi, write)

    def send_and_fail(*args: Any) -> Any:
        found = send(*args)
        if "estimate" not in args[-1]:
            raise error
        return found

    monkeypatch.setattr(StoreApi, write, send_and_fail)
    limit = harness.total["total_amount"] - 1
    kind = "in_doubt" if harness_class == "jobs" else "created"
    assert harness.place(*requests, max_total_amount=limit).kinds == [kind, "pending"]
    harness.target.shorten_wait()
    harness.place(*requests, max_total_amount=limit)
    assert len(harness.placements) == 1


@pytest.mark.parametrize("status", [402, 409])
def test_insight_that_is_refused_and_not_listed_is_not_in_doubt(
    insights: InsightHarness, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    requests = [insights.request(0)]
    insights.plan(*requests)
    send = StoreApi.request_insight

    def refuse(self: StoreApi, aoi_id: str, body: Json) -> Json:
        if body.get("estimate"):
            return send(self, aoi_id, body)
        raise ApiError("POST", "/v0", status)

    with monkeypatch.context() as patch:
        patch.setattr(StoreApi, "request_insight", refuse)
        assert insights.place(*requests).kinds == ["failed"]
    assert insights.place(*requests).kinds == ["created"]


def test_cost_beyond_any_float_is_none() -> None:
    assert to_number(10**400) is None


def test_plan_job_of_unknown_workflow_fails_alone(jobs: JobHarness) -> None:
    result = jobs.plan(jobs.request(0, workflow_id="none"), jobs.request(1))
    assert sorted(result.kinds) == ["failed", "planned"]
    assert "'workflow_id' names no workflow of the project that the token can read" in str(
        result.reasons
    )


def test_estimate_that_creates_without_response_is_not_repeated(insights: InsightHarness) -> None:
    insights.behave(dry_run_ignored=True, drop_accepted=1.0)
    result = insights.plan(insights.request(0), insights.request(1))
    assert "THE API DOES NOT HONOUR estimate" in str(result.error)
    assert sum(insights.placed.values()) == 1
    assert len([each for each in insights.sandbox.requests if insights.is_pricing(each)]) == 1


def test_insight_outcome_names_its_area(insights: InsightHarness) -> None:
    """Its download requires the area, too."""
    request = insights.request(0)
    insights.plan(request)
    for _ in ("created", "exists"):
        [outcome] = insights.place(request).outcomes
        assert (outcome["aoi_id"], bool(outcome["insight_id"])) == (
            request["record"]["aoi_id"],
            True,
        )


def test_insight_with_marker_exists_with_lost_journal(insights: InsightHarness) -> None:
    requests = [insights.request(0)]
    insights.plan(*requests)
    assert insights.place(*requests).kinds == ["created"]
    [row] = insights.sandbox.placed_analyses()
    insights.sandbox.workspace.update("insights", row["id"], deleted_at="2026-01-01T00:00:00Z")
    insights.target.lose_journal()
    assert insights.plan(*requests).kinds == ["exists"], "a deleted one was made all the same"
    insights.target.lose_journal()
    changed = insights.plan(insights.request(0, input={"threshold": 9}))
    assert changed.kinds == ["failed"]
    assert "was requested with other content" in changed.reasons[0]


def test_job_dearer_than_estimate_ends_run(jobs: JobHarness) -> None:
    requests = [jobs.request(0), jobs.request(1)]
    jobs.plan(*requests)
    jobs.behave(price_increase=50)
    result = jobs.place(*requests, max_total_amount=1e6)
    assert "of its estimate" in str(result.error)
    assert (result.kinds, len(jobs.placements)) == (["created", "pending"], 1)


def test_job_answered_without_its_cost_yet_counts_its_estimate(
    jobs: JobHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = [jobs.request(0), jobs.request(1)]
    jobs.plan(*requests)
    run = StoreApi.run_workflow
    monkeypatch.setattr(StoreApi, "run_workflow", lambda *args: run(*args) | {"cost": 0})
    limit = jobs.total["total_amount"] - 1
    result = jobs.place(*requests, max_total_amount=limit)
    assert result.kinds == ["created", "pending"]
    assert result.outcomes[0]["amount"] == jobs.lines[0]["final_amount"]


def test_job_requests_of_one_workflow_are_runs_of_their_own(jobs: JobHarness) -> None:
    requests = [jobs.request(0), jobs.request(0, request_id="again")]
    jobs.plan(*requests)
    assert jobs.place(*requests).kinds == ["created", "created"]


def test_insight_listed_without_its_cost_counts_its_price_with_an_older_journal(
    insights: InsightHarness,
) -> None:
    """Also if the input does not have it, as its area is read all the same."""
    requests = [insights.request(0), insights.request(1), insights.request(2)]
    insights.plan(*requests)
    journal = insights.target.journal_path.read_bytes()
    limit = insights.total["total_amount"] - 1
    insights.place(requests[0], max_total_amount=limit)
    insights.place(requests[1], max_total_amount=limit)
    for row in insights.sandbox.placed_analyses():
        insights.sandbox.workspace.update("insights", row["id"], cost="7")
    insights.target.journal_path.write_bytes(journal)
    assert insights.place(requests[2], max_total_amount=limit).kinds == ["pending"]
    assert insights.place(requests[2], max_purchases=2).kinds == ["pending"]
    assert len(insights.placements) == 2
