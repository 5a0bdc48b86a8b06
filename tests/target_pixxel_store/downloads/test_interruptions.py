"""Fetches that are interrupted, expire, change or return no file; no wrong bytes are kept."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest

from pixxel_sandbox import Behavior
from tests.target_pixxel_store.download_checks import (
    LARGE_BYTES,
    count_download_posts,
    is_complete_download,
    list_files,
    on_fetch,
    polled_download_ids,
    requested_ranges,
)
from tests.target_pixxel_store.target_harness import download_request, state

if TYPE_CHECKING:
    from pathlib import Path

    from pixxel_sandbox import FetchRecord
    from tests.target_pixxel_store.target_harness import TargetHarness

LARGE_READY: dict[str, Any] = {"download_seconds": 0, "download_bytes": LARGE_BYTES}


def test_fetch_interrupted_resumes_missing_range(
    harness: TargetHarness, download_folder: Path
) -> None:
    harness.sandbox.behavior = Behavior(**LARGE_READY, interrupt_fetches=4)
    result = harness.run(download_request(harness.catalog_ids(1)[0]))
    assert result.kinds == ["created"]
    assert is_complete_download(harness, result.outcomes[0])
    part = LARGE_BYTES // 5
    assert requested_ranges(harness.sandbox.fetches) == [
        None,
        *(f"bytes={part * n}-" for n in range(1, 5)),
    ]
    assert [each.status for each in harness.sandbox.fetches] == [200, 206, 206, 206, 206]
    assert {each.if_range is None for each in harness.sandbox.fetches[1:]} == {False}
    assert sum(each.sent for each in harness.sandbox.fetches) == LARGE_BYTES
    assert len(list_files(download_folder)) == 1
    assert result.outcomes[0]["attempts"] == 6


def test_fetch_many_interruptions_with_progress_completes(
    harness: TargetHarness, download_folder: Path
) -> None:
    harness.sandbox.behavior = Behavior(**LARGE_READY, interrupt_fetches=9)
    result = harness.run(download_request(harness.catalog_ids(1)[0]))
    assert is_complete_download(harness, result.outcomes[0])
    assert (len(harness.sandbox.fetches), len(list_files(download_folder))) == (10, 1)


def test_fetch_without_progress_fails_and_keeps_part(
    harness: TargetHarness, download_folder: Path
) -> None:
    [key] = harness.catalog_ids(1)
    harness.sandbox.behavior = Behavior(**LARGE_READY, interrupt_fetches=1)
    on_fetch(harness, lambda _: setattr(
        harness.sandbox, "behavior",
        Behavior(
            **LARGE_READY, interrupt_fetches=1, error_page=float(len(harness.sandbox.fetches) > 1)
        ),
    ))  # fmt: skip
    result = harness.run(download_request(key), state(1))
    assert (result.status, result.kinds, result.states) == (1, ["failed"], [])
    assert "5 attempts without new data" in result.reasons[0]
    assert len(harness.sandbox.fetches) == 6
    assert all(name.startswith(f"{key}/.") for name in list_files(download_folder))
    on_fetch(harness, lambda _: None)
    harness.sandbox.behavior = Behavior(**LARGE_READY)
    result = harness.run(download_request(key))
    assert is_complete_download(harness, result.outcomes[0])


def test_fetch_error_page_not_saved(harness: TargetHarness, download_folder: Path) -> None:
    [key] = harness.catalog_ids(1)
    harness.sandbox.behavior = Behavior(download_seconds=0, error_page=1.0)
    result = harness.run(download_request(key))
    assert "the response is an HTML page" in result.reasons[0]
    assert list_files(download_folder) == []


def test_fetch_server_without_ranges_restarts(
    harness: TargetHarness, download_folder: Path
) -> None:
    harness.sandbox.behavior = Behavior(**LARGE_READY, interrupt_fetches=2, ignore_range=True)
    result = harness.run(download_request(harness.catalog_ids(1)[0]))
    assert is_complete_download(harness, result.outcomes[0])
    assert [each.status for each in harness.sandbox.fetches] == [200, 200, 200]
    assert len(list_files(download_folder)) == 1


def test_fetch_changed_file_restarts(harness: TargetHarness, download_folder: Path) -> None:
    harness.sandbox.behavior = Behavior(**LARGE_READY, interrupt_fetches=1)
    changed = Behavior(download_seconds=0, download_bytes=LARGE_BYTES - 1000)
    on_fetch(harness, lambda each: (
        setattr(harness.sandbox, "behavior", changed) if each.range else None
    ))  # fmt: skip
    result = harness.run(download_request(harness.catalog_ids(1)[0]))
    assert is_complete_download(harness, result.outcomes[0])
    assert [each.status for each in harness.sandbox.fetches] == [200, 200]
    assert len(list_files(download_folder)) == 1


def test_fetch_expired_url_replaced(harness: TargetHarness, download_folder: Path) -> None:
    harness.sandbox.behavior = Behavior(**LARGE_READY, url_seconds=0, interrupt_fetches=1)
    valid_url = Behavior(**LARGE_READY, interrupt_fetches=1)
    on_fetch(
        harness,
        lambda _: (
            setattr(harness.sandbox, "behavior", valid_url)
            if len(harness.sandbox.fetches) > 1
            else None
        ),
    )
    result = harness.run(download_request(harness.catalog_ids(1)[0]))
    assert is_complete_download(harness, result.outcomes[0])
    assert [each.status for each in harness.sandbox.fetches] == [403, 403, 200, 206]
    assert (
        count_download_posts(harness),
        len(set(polled_download_ids(harness))),
        len(list_files(download_folder)),
    ) == (1, 1, 1)


def test_fetch_url_expired_midway_resumes(harness: TargetHarness, download_folder: Path) -> None:
    harness.sandbox.behavior = Behavior(**LARGE_READY, interrupt_fetches=2)
    downloads = harness.sandbox._state.downloads

    def replace_signing_key(each: FetchRecord) -> None:
        if each.range and len(harness.sandbox.fetches) == 2:
            downloads.signing_key = b"another key, so that the signature is of no use any more"

    on_fetch(harness, replace_signing_key)
    result = harness.run(download_request(harness.catalog_ids(1)[0]))
    assert is_complete_download(harness, result.outcomes[0])
    assert [each.status for each in harness.sandbox.fetches] == [200, 403, 206, 206]
    assert len(list_files(download_folder)) == 1


@pytest.mark.usefixtures("download_folder")
def test_fetch_url_always_rejected_fails_record(harness: TargetHarness) -> None:
    harness.sandbox.behavior = Behavior(download_seconds=0, url_seconds=0)
    result = harness.run(download_request(harness.catalog_ids(1)[0]))
    assert result.reasons == ["its signed URL is refused (403), and so were new ones"]
    assert [each.status for each in harness.sandbox.fetches] == [403] * 3


def test_fetch_object_deleted_requests_new_download(
    harness: TargetHarness, download_folder: Path
) -> None:
    [key] = harness.catalog_ids(1)
    harness.sandbox.behavior = Behavior(download_seconds=0, url_seconds=0)
    harness.run(download_request(key))
    [old] = set(polled_download_ids(harness))
    downloads = harness.sandbox._state.downloads
    downloads.by_id[old] = dataclasses.replace(downloads.by_id[old], catalog_ids=("gone",))
    harness.sandbox.behavior = Behavior(download_seconds=0)
    result = harness.run(download_request(key))
    assert is_complete_download(harness, result.outcomes[0])
    assert result.outcomes[0]["download_id"] != old
    assert (count_download_posts(harness), len(list_files(download_folder))) == (2, 1)


@pytest.mark.usefixtures("download_folder")
def test_fetch_sends_no_token(harness: TargetHarness) -> None:
    harness.run(download_request(harness.catalog_ids(1)[0]))
    assert [each.has_authorization for each in harness.sandbox.fetches] == [False]


def test_fetches_run_concurrently(harness: TargetHarness, download_folder: Path) -> None:
    harness.sandbox.behavior = Behavior(**LARGE_READY, download_rate=10e6)
    peak = 0

    def count_active(_: FetchRecord) -> None:
        nonlocal peak
        active = sum(
            each.status != 200 or each.sent < LARGE_BYTES for each in harness.sandbox.fetches
        )
        peak = max(peak, active)

    on_fetch(harness, count_active)
    result = harness.run(*map(download_request, harness.catalog_ids(4)), download_concurrency=4)
    assert result.kinds == ["created"] * 4
    assert (peak, len(list_files(download_folder))) == (4, 4)
