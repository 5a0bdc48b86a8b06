"""The circuit breaker: failures of one kind in a row end a run, whatever their texts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pixxel_api.errors import (
    AddressError,
    BadRequest,
    InvalidBody,
    NotFound,
    RateLimited,
    RequestTimeout,
    ServerUnavailable,
    TlsError,
)
from target_pixxel_store.api.errors import find_failure_kind
from target_pixxel_store.circuit_breaker import FAILURE_THRESHOLD, CircuitBreaker
from target_pixxel_store.errors import CircuitOpenError, FailureKind
from tests.target_pixxel_store.intercepting_proxy import ProxiedResponse
from tests.target_pixxel_store.target_harness import delivery_request, download_request, state

if TYPE_CHECKING:
    from pixxel_api.errors import ApiError
    from tests.target_pixxel_store.intercepting_proxy import InterceptingProxy
    from tests.target_pixxel_store.target_harness import TargetHarness

DOWNLOADS_PATH = "/v0/catalogs/download"


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ServerUnavailable("POST", "/a", 503), FailureKind.SERVER),
        (RateLimited("POST", "/a", 429), FailureKind.SERVER),
        (InvalidBody("POST", "/a", 200), FailureKind.SERVER),
        (RequestTimeout("POST", "/a"), FailureKind.TIMEOUT),
        (AddressError("POST", "/a"), FailureKind.CONNECTION),
        (TlsError("POST", "/a"), FailureKind.CONNECTION),
        (BadRequest("POST", "/a", 400), None),
        (NotFound("POST", "/a", 404), None),
    ],
)
def test_failure_kind_by_error(error: ApiError, kind: FailureKind | None) -> None:
    assert find_failure_kind(error) is kind


def test_failures_of_one_kind_with_different_texts_open_circuit() -> None:
    breaker = CircuitBreaker()
    for number in range(FAILURE_THRESHOLD - 1):
        breaker.record_failure(FailureKind.TIMEOUT, f"took {number} s")
        breaker.record_failure(None, "refused")  # neither counts nor interrupts
    with pytest.raises(CircuitOpenError, match=r"10 failures in a row \(timeout\), .*: last;"):
        breaker.record_failure(FailureKind.TIMEOUT, "last")


@pytest.mark.parametrize("between", ["success", "other kind"])
def test_failures_interrupted_do_not_open_circuit(between: str) -> None:
    breaker = CircuitBreaker()
    for _ in range(2):
        for _ in range(FAILURE_THRESHOLD - 1):
            breaker.record_failure(FailureKind.SERVER, "equal")
        if between == "success":
            breaker.record_success()
        else:
            breaker.record_failure(FailureKind.CONNECTION, "equal")


def test_refused_deliveries_count_in_max_failures_only(harness: TargetHarness) -> None:
    messages = [delivery_request(f"no-such-{at}") for at in range(30)]
    result = harness.run(*messages, state(1), on_error="continue", batch_size=10)
    assert (result.error, result.status) == (None, 3)
    assert result.kinds == ["failed"] * 30
    assert result.states == [{"upto": 1}]
    result = harness.run(*messages, state(1), on_error="continue", batch_size=10, max_failures=11)
    assert (result.status, result.states) == (1, [])
    assert "see 'max_failures'" in result.summary["ended_because"]


@pytest.mark.usefixtures("download_folder")
def test_failed_downloads_end_run(harness: TargetHarness, proxy: InterceptingProxy) -> None:
    proxy.intercept = lambda request, forward: (
        ProxiedResponse(500, {}) if request.matches("POST", DOWNLOADS_PATH) else forward()
    )
    messages = [*map(download_request, harness.catalog_ids(14)), state(1)]
    result = harness.run(*messages, on_error="continue", download_concurrency=1)
    assert "10 failures in a row (server error)" in str(result.error)
    assert (result.kinds, result.states) == (["failed"] * FAILURE_THRESHOLD, [])
