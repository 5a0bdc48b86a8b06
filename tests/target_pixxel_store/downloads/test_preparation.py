"""Preparation of downloads: unexpected responses, and downloads that are ready at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pixxel_api.client import Client
from pixxel_api.errors import ConnectError
from tests.target_pixxel_store.download_checks import (
    DOWNLOAD_STATUS_PATH,
    is_complete_download,
    list_files,
)
from tests.target_pixxel_store.intercepting_proxy import (
    InterceptingProxy,
    ProxiedRequest,
    ProxiedResponse,
)
from tests.target_pixxel_store.target_harness import download_request, state

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.target_pixxel_store.target_harness import TargetHarness

DOWNLOADS_PATH = "/v0/catalogs/download"


def is_poll(request: ProxiedRequest) -> bool:
    return request.method == "GET" and request.path.startswith(DOWNLOAD_STATUS_PATH)


def test_download_ready_at_once_not_polled(
    harness: TargetHarness, download_folder: Path, proxy: InterceptingProxy
) -> None:
    [key] = harness.catalog_ids(1)
    ready = ProxiedResponse(0)

    def replay_ready(
        request: ProxiedRequest, forward: Callable[[], ProxiedResponse]
    ) -> ProxiedResponse:
        nonlocal ready
        if request.matches("POST", DOWNLOADS_PATH) and ready.body:
            return ProxiedResponse(201, ready.body)
        response = forward()
        if is_poll(request):
            ready = response
        return response

    proxy.intercept = replay_ready
    harness.run(download_request(key))
    for name in list_files(download_folder):
        (download_folder / name).unlink()
    harness.reset_journal()
    polls = sum(map(is_poll, proxy.requests))
    result = harness.run(download_request(key))
    assert is_complete_download(harness, result.outcomes[0])
    assert sum(map(is_poll, proxy.requests)) == polls


@pytest.mark.parametrize(
    ("on_poll", "response", "reason"),
    [
        (False, ProxiedResponse(201, {"status": "created"}), "the response is not a download"),
        (False, ProxiedResponse(400), "returned 400"),
        (True, ProxiedResponse(400), "returned 400"),
        (True, ProxiedResponse(404), "the API no longer knows the requested download"),
    ],
)
@pytest.mark.usefixtures("download_folder")
def test_download_unexpected_response_fails_record(
    harness: TargetHarness,
    proxy: InterceptingProxy,
    on_poll: bool,  # noqa: FBT001
    response: ProxiedResponse,
    reason: str,
) -> None:
    def intercept(
        request: ProxiedRequest, forward: Callable[[], ProxiedResponse]
    ) -> ProxiedResponse:
        is_intercepted = is_poll(request) if on_poll else request.matches("POST", DOWNLOADS_PATH)
        return response if is_intercepted else forward()

    proxy.intercept = intercept
    result = harness.run(download_request(harness.catalog_ids(1)[0]), state(1))
    assert (result.status, result.kinds, result.states) == (1, ["failed"], [])
    assert reason in result.reasons[0]
    assert list_files(harness.folder / "images") == []


def test_download_api_unreachable_ends_run_without_failed_record(
    harness: TargetHarness,
    download_folder: Path,
    proxy: InterceptingProxy,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each further record would fail for the same reason, and be rejected for it."""
    monkeypatch.setattr(Client, "_stop_retrying", lambda *_: True)
    proxy.intercept = lambda request, forward: (
        None if request.path.startswith(DOWNLOADS_PATH) else forward()
    )
    ids = harness.catalog_ids(2)
    result = harness.run(*map(download_request, ids), state(1), on_error="continue")
    assert isinstance(result.error, ConnectError)
    assert "closed the connection before the response was complete" in str(result.error)
    assert (result.outcomes, result.rejected, result.states) == ([], [], [])
    assert list_files(download_folder) == []
