"""AOI requests: an AOI is created if the project has none with this name, and never twice."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from pixxel_api.errors import Forbidden
from target_pixxel_store.errors import CircuitOpenError, UnexpectedDeliveryError
from target_pixxel_store.objects import reconciler
from tests.target_pixxel_store.intercepting_proxy import (
    CATALOG_SEARCH_PATH,
    InterceptingProxy,
    ProxiedRequest,
    ProxiedResponse,
)
from tests.target_pixxel_store.objects.aoi_service import (
    AOIS_PATH,
    LATE_SECONDS,
    FakeAoiService,
    run_aoi_requests,
)
from tests.target_pixxel_store.objects.object_requests import (
    PROJECT,
    SATELLITE,
    SQUARE,
    aoi_request,
)
from tests.target_pixxel_store.target_harness import (
    read_json_lines,
    record,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.target_pixxel_store.target_harness import TargetHarness

SETTLE_SECONDS = 0.7


def install_service(proxy: InterceptingProxy, *failures: str, lag: float = 0) -> FakeAoiService:
    service = FakeAoiService(*failures, lag=lag)
    proxy.intercept = service
    return service


def aoi_names(service: FakeAoiService) -> list[str]:
    return [row["name"] for row in service.rows]


def test_aoi_repeated_request_created_once(
    harness: TargetHarness, proxy: InterceptingProxy
) -> None:
    service = install_service(proxy)
    result = run_aoi_requests(
        harness, aoi_request(" D2 ", description="fields\nof rice", item_ids=["TD2_1"])
    )
    assert (result.kinds, result.states) == (["created"], [{"upto": 1}])
    assert result.outcomes[0]["aoi_id"] == "aoi-0"
    [body] = [each.body for each in proxy.requests if each.method == "POST"]
    assert body == {
        "name": "D2", "description": "fields\nof rice", "provider": "pixxel",
        "satellite_id": SATELLITE, "project_id": PROJECT, "item_ids": ["TD2_1"],
        "geometry": {"type": "Polygon", "coordinates": SQUARE},
    }  # fmt: skip
    for _ in range(2):
        result = run_aoi_requests(harness, aoi_request())
        assert (result.kinds, result.reasons, result.states) == (["exists"], [""], [{"upto": 1}])
        assert result.outcomes[0]["aoi_id"] == "aoi-0"
        harness.reset_journal()  # leaves the list as the only source
    assert aoi_names(service) == ["D2"]


def test_existing_aoi_that_differs_left_unchanged(
    harness: TargetHarness, proxy: InterceptingProxy
) -> None:
    service = install_service(proxy)
    rotated_ring = [[10.5, 50.5], [10.5, 50], [10, 50], [10, 50.5], [10.5, 50.5]]
    other_ring = [[10, 50], [10.5, 50], [11, 51], [10, 50]]
    service.add(
        aoi_request("same", geometry={"type": "Polygon", "coordinates": [rotated_ring]})["record"]
    )
    other_geometry = {"type": "Polygon", "coordinates": [other_ring]}
    service.add(aoi_request("other", geometry=other_geometry, satellite_id="another")["record"])
    service.add(aoi_request("bare", geometry=None, satellite_id=None)["record"])
    service.overrides = {"aoi_id": None}
    for _ in range(2):  # unreadable rows hide no other row
        service.add(aoi_request("odd")["record"])
    result = run_aoi_requests(harness, *map(aoi_request, ["same", "other", "bare"]))
    assert result.kinds == ["exists"] * 3
    assert result.reasons == ["", "not changed, although it differs in satellite_id, geometry", ""]
    assert proxy.count_requests("POST", AOIS_PATH) == 0


def test_aoi_requested_twice_in_run_created_once(
    harness: TargetHarness, proxy: InterceptingProxy
) -> None:
    service = install_service(proxy, lag=30)
    result = run_aoi_requests(
        harness,
        aoi_request(),
        aoi_request(),
        aoi_request(project_id=PROJECT.upper(), satellite_id="another"),
    )
    assert result.kinds == ["created", "exists", "exists"]
    assert {line["aoi_id"] for line in result.outcomes} == {"aoi-0"}
    assert result.reasons == ["", "", "not changed, although it differs in satellite_id"]
    assert aoi_names(service) == ["D2"]
    result = run_aoi_requests(harness, aoi_request())
    assert (result.kinds, result.reasons) == (
        ["exists"],
        ["recorded in the journal, not (yet) listed by the API"],
    )
    assert aoi_names(service) == ["D2"]


@pytest.fixture
def _no_late_execution(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the wait before a second request, as the service executes none after its response."""
    monkeypatch.setattr(reconciler, "_may_be_executed", lambda _error: False)


@pytest.mark.usefixtures("_no_late_execution")
@pytest.mark.parametrize(
    ("failures", "lag", "attempts"),
    [("drop", 0, 1), ("fail", LATE_SECONDS, 1), ("late", 0, 1), ("nothing drop", LATE_SECONDS, 2)],
)  # fmt: skip
def test_aoi_ambiguous_response_created_once(
    harness: TargetHarness, proxy: InterceptingProxy, failures: str, lag: float, attempts: int
) -> None:
    service = install_service(proxy, *failures.split(), lag=lag)
    result = run_aoi_requests(harness, aoi_request(), settle_seconds=SETTLE_SECONDS)
    assert (result.error, result.kinds, result.states) == (None, ["created"], [{"upto": 1}])
    assert result.outcomes[0]["aoi_id"] == service.rows[0]["aoi_id"]
    assert result.outcomes[0]["attempts"] == attempts
    assert aoi_names(service) == ["D2"]


def test_aoi_created_up_to_the_deadline_of_its_request_created_once(
    harness: TargetHarness, proxy: InterceptingProxy
) -> None:
    """A gateway may respond 504 before the API has executed the request."""
    service = install_service(proxy, "fail", lag=1.5)
    result = run_aoi_requests(harness, aoi_request(), settle_seconds=0.2, request_timeout=20)
    assert (result.kinds, result.outcomes[0]["attempts"]) == (["created"], 1)
    assert aoi_names(service) == ["D2"]


def test_aoi_journal_lost_early_list_not_trusted(
    harness: TargetHarness, proxy: InterceptingProxy
) -> None:
    item = harness.sandbox.workspace.insert(
        "order_items", {"status": "CANCELLED", "tasks": [{"id": "t"}]}
    )
    service = FakeAoiService()
    service.add(aoi_request("there")["record"])

    def respond(
        request: ProxiedRequest, forward: Callable[[], ProxiedResponse]
    ) -> ProxiedResponse | None:
        if request.path == CATALOG_SEARCH_PATH:  # searched between the first AOI and the second
            time.sleep(0.4)
            service.add(aoi_request()["record"])
        return service(request, forward)

    proxy.intercept = respond
    harness.lose_journal()
    empty_request = record("delivery_requests", order_item_id=item, store="research")
    result = run_aoi_requests(
        harness,
        aoi_request("there"),
        empty_request,
        aoi_request(),
        on_error="continue",
        settle_seconds=0.3,
    )
    assert result.kinds == ["exists", "failed", "exists"]
    assert aoi_names(service) == ["there", "D2"]


def test_aoi_name_conflict_uses_listed_aoi(
    harness: TargetHarness, proxy: InterceptingProxy
) -> None:
    service = install_service(proxy, "conflict", "conflict")
    service.on_write = lambda: service.add(
        aoi_request("taken", satellite_id="another")["record"], LATE_SECONDS
    )
    result = run_aoi_requests(
        harness,
        aoi_request("taken"),
        aoi_request("hidden"),
        on_error="continue",
        settle_seconds=SETTLE_SECONDS,
    )
    assert result.kinds == ["exists", "failed"]
    assert result.reasons[0] == "not changed, although it differs in satellite_id"
    assert "the name is taken, but the API lists no area of interest" in result.reasons[1]
    assert proxy.count_requests("POST", AOIS_PATH) == 2


@pytest.mark.parametrize(
    ("field", "names"),
    [("geometry.coordinates/0", "'geometry'"), ("aoi.project_id", "'project_id'"),
     ("shape", "fields (description, "), (7, "fields (description, ")],
)  # fmt: skip
def test_aoi_refusal_repeats_code_and_own_field(
    harness: TargetHarness, proxy: InterceptingProxy, field: object, names: str
) -> None:
    error = {"code": "INVALID_AOI", "message": "no", "details": {"field": field}}
    proxy.intercept = lambda request, forward: (
        ProxiedResponse(422, {"error": error})
        if request.matches("POST", AOIS_PATH)
        else ProxiedResponse(200, {"aois": [], "pagination": {"total": 0}})
        if request.path == AOIS_PATH
        else forward()
    )
    result = run_aoi_requests(harness, aoi_request())
    assert (result.status, result.kinds) == (1, ["failed"])
    assert result.reasons[0].startswith(
        "POST /v0/aois returned 422 (INVALID_AOI): the API refuses the area of interest; check its "
        f"{names}"
    )


def test_aoi_rejected_leaves_no_unconfirmed_intent(
    harness: TargetHarness, proxy: InterceptingProxy
) -> None:
    service = install_service(proxy, "refuse")
    result = run_aoi_requests(harness, aoi_request())
    assert (result.status, result.kinds, result.states) == (1, ["failed"], [])
    rejection = (
        "POST /v0/aois returned 400 (no): the API refuses the area of interest; check its fields "
    )
    assert result.reasons[0].startswith(rejection)
    started = time.monotonic()
    assert run_aoi_requests(harness, aoi_request(), settle_seconds=9).kinds == ["created"]
    assert time.monotonic() - started < 8
    assert aoi_names(service) == ["D2"]


@pytest.mark.usefixtures("_no_late_execution")
def test_aoi_service_error_tried_three_times(
    harness: TargetHarness, proxy: InterceptingProxy
) -> None:
    service = install_service(proxy, "nothing", "nothing", "nothing")
    result = run_aoi_requests(
        harness, aoi_request(), aoi_request("next"), on_error="continue", settle_seconds=0.1
    )
    assert (result.status, result.kinds, result.states) == (3, ["failed", "created"], [{"upto": 1}])
    assert [line["attempts"] for line in result.outcomes] == [3, 1]
    assert (aoi_names(service), len(result.rejected)) == (["next"], 2)


@pytest.mark.usefixtures("_no_late_execution")
@pytest.mark.parametrize("last", ["nothing", "refuse", "conflict"])
def test_given_up_aoi_accepted_later_not_requested_again(
    harness: TargetHarness, proxy: InterceptingProxy, last: str
) -> None:
    """Only a refusal of each request proves that none of them is executed later."""
    service = install_service(proxy, "nothing", "nothing", last)
    result = run_aoi_requests(
        harness, aoi_request(), aoi_request(), on_error="continue", settle_seconds=0.1
    )
    assert result.kinds == ["failed"] * 2
    assert "this run has requested it before" in result.reasons[1]
    assert proxy.count_requests("POST", AOIS_PATH) == 3
    harness.shorten_wait()
    service.on_list = lambda: service.add(aoi_request()["record"])
    assert run_aoi_requests(harness, aoi_request()).kinds == ["exists"]
    assert aoi_names(service) == ["D2"]


@pytest.mark.usefixtures("_no_late_execution")
def test_aoi_equal_failures_in_a_row_end_run(
    harness: TargetHarness, proxy: InterceptingProxy
) -> None:
    service = install_service(proxy, *["nothing"] * 9, "", *["nothing"] * 30)
    aoi_requests = [aoi_request(f"area {number}") for number in range(20)]
    result = run_aoi_requests(harness, *aoi_requests, on_error="continue", settle_seconds=0)
    assert isinstance(result.error, CircuitOpenError)
    assert (result.kinds, result.states) == (["failed"] * 3 + ["created"] + ["failed"] * 3, [])
    assert (aoi_names(service), proxy.count_requests("POST", AOIS_PATH)) == (["area 3"], 20)


def test_aoi_forbidden_token_ends_run(harness: TargetHarness, proxy: InterceptingProxy) -> None:
    """A token that has expired meanwhile gets 403 for all that it requests."""
    service = FakeAoiService("forbid")
    has_expired = []
    service.on_write = lambda: has_expired.append(True)
    proxy.intercept = lambda request, forward: (
        ProxiedResponse(403, {}) if has_expired and request.method == "GET"
        else service(request, forward)
    )  # fmt: skip
    result = run_aoi_requests(harness, aoi_request(), aoi_request("next"), on_error="continue")
    assert isinstance(result.error, Forbidden)
    message = f"aoi_requests project_id {PROJECT}, name D2: POST /v0/aois returned 403 "
    assert str(result.error).startswith(message)
    assert result.summary["ended_because"] == str(result.error)
    assert (result.kinds, result.states, service.rows) == ([], [], [])


def test_aoi_created_with_other_name_ends_run(
    harness: TargetHarness, proxy: InterceptingProxy
) -> None:
    service = install_service(proxy)
    service.overrides = {"name": "d2"}
    result = run_aoi_requests(harness, aoi_request(), aoi_request("next"))
    assert isinstance(result.error, UnexpectedDeliveryError)
    assert (result.kinds, result.outcomes[0]["aoi_id"]) == (["created"], "aoi-0")
    reason = "the API created it with a different name than requested"
    assert result.reasons == [reason]
    assert f"aoi-0: {reason}; stopping" in str(result.error)
    result = run_aoi_requests(harness, aoi_request())
    assert (result.kinds, result.outcomes[0]["aoi_id"]) == (["exists"], "aoi-0")
    assert result.reasons == ["the API lists it with a different project_id or name"]
    assert aoi_names(service) == ["d2"]


def test_aoi_name_normalized_by_api_created_once(
    harness: TargetHarness, proxy: InterceptingProxy
) -> None:
    """Otherwise no list would show it after a lost response, and it would be requested again."""
    service = install_service(proxy, "drop", lag=LATE_SECONDS)
    service.overrides = {"name": "Champs d'été"}
    request = aoi_request("Champs  d'e\u0301te\u0301")
    for expected in ("created", "exists"):
        result = run_aoi_requests(harness, request, settle_seconds=SETTLE_SECONDS)
        assert (result.error, result.kinds, result.reasons) == (None, [expected], [""])
    harness.reset_journal()
    assert run_aoi_requests(harness, request).kinds == ["exists"]
    assert aoi_names(service) == ["Champs d'été"]
    service.overrides["name"] = "two words"
    assert run_aoi_requests(harness, aoi_request("two   words")).kinds == ["created"]


def test_aoi_intent_journaled_before_post(harness: TargetHarness, proxy: InterceptingProxy) -> None:
    service = install_service(proxy)
    line_kinds: list[str] = []
    service.on_write = lambda: line_kinds.append(read_json_lines(harness.journal_path)[-1]["is"])
    run_aoi_requests(harness, aoi_request())
    assert line_kinds == ["object_intent"]
    of = {"kind": "aoi", "identity": [PROJECT, "D2"]}  # as if the run was killed then
    harness.append_to_journal({"is": "object_intent", "at": 1.0, **of})
    assert run_aoi_requests(harness, aoi_request()).kinds == ["exists"]
    assert read_json_lines(harness.journal_path)[-1]["is"] == "object_made", "no later run waits"
