"""Download requests: each catalog is fetched once, to the file that its outcome names."""

from __future__ import annotations

import dataclasses
import re
import stat
from typing import TYPE_CHECKING, Any

import pytest
from singer_sdk.exceptions import ConfigValidationError

from pixxel_api.client import Client
from pixxel_api.errors import ConnectError
from pixxel_sandbox import Behavior
from pixxel_singer.errors import InputError
from target_pixxel_store.downloads.partial_file import PartialFile
from tests.target_pixxel_store.download_checks import (
    DOWNLOADS_PATH,
    count_download_posts,
    is_complete_download,
    list_files,
    polled_download_ids,
)
from tests.target_pixxel_store.intercepting_proxy import ProxiedResponse
from tests.target_pixxel_store.target_harness import (
    delivery_request,
    download_request,
    record,
    state,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tests.target_pixxel_store.intercepting_proxy import InterceptingProxy
    from tests.target_pixxel_store.target_harness import Json, TargetHarness


def config_error(error: Exception | None) -> str:
    assert isinstance(error, ConfigValidationError)
    return "\n".join(error.errors)


def test_download_writes_file_and_outcome(harness: TargetHarness, download_folder: Path) -> None:
    [key] = harness.catalog_ids(1)
    result = harness.run(download_request(key), state(1))
    [line] = result.outcomes
    assert (result.status, result.states, line["outcome"]) == (0, [{"upto": 1}], "created")
    assert is_complete_download(harness, line)
    assert line["object"] == f"{download_folder}/{key}/{line['object'].rpartition('/')[2]}"
    assert (set(polled_download_ids(harness)), line["attempts"]) == ({line["download_id"]}, 2)
    assert harness.posted_bodies(DOWNLOADS_PATH) == [{"catalog_ids": [key], "order_item_ids": []}]
    assert [each.has_authorization for each in harness.sandbox.fetches] == [False]
    assert result.summary["downloads"] == 1
    (plain := download_folder / "plain").touch()
    modes = [stat.S_IMODE(each.stat().st_mode) for each in (plain, *download_folder.glob("*/*"))]
    assert modes == modes[:1] * 2, "the mode is that of any file"


def test_damaged_file_fetched_again_others_not(
    harness: TargetHarness, download_folder: Path
) -> None:
    ids = harness.catalog_ids(2)
    first = harness.run(*map(download_request, ids))
    again = harness.run(*map(download_request, ids))
    assert again.kinds == ["exists", "exists"]
    assert count_download_posts(harness) == len(harness.sandbox.fetches) == 2
    assert {line["object"] for line in again.outcomes} == {
        line["object"] for line in first.outcomes
    }
    damaged, removed = (download_folder / name for name in list_files(download_folder))
    damaged.write_bytes(b"PK")
    removed.unlink()
    again = harness.run(*map(download_request, ids))
    assert again.kinds == ["created", "created"]
    assert all(is_complete_download(harness, line) for line in again.outcomes)


@pytest.mark.parametrize(
    ("change", "size", "reason"),
    [
        (bytes, 0, ""),
        (bytes, 1000, "the server states no checksum"),
        (lambda content: bytes(len(content)), 0, "a different file with this name exists"),
        (lambda content: content[1:], 0, "a different file with this name exists"),
    ],
)
def test_existing_file_that_no_run_wrote_counts_only_with_the_checksum(
    harness: TargetHarness, download_folder: Path, change: Any, size: int, reason: str
) -> None:
    [key] = harness.catalog_ids(1)
    harness.sandbox.behavior = Behavior(download_seconds=0, download_bytes=size)  # without MD5
    harness.run(download_request(key))
    [name] = list_files(download_folder)
    file = download_folder / name
    file.write_bytes(changed := change(file.read_bytes()))
    harness.reset_journal()
    result = harness.run(download_request(key))
    assert result.kinds == ["failed" if reason else "exists"]
    assert reason in result.reasons[0]
    assert (list_files(download_folder), file.read_bytes()) == ([name], changed)
    if not reason:
        again = harness.run(download_request(key))
        assert again.outcomes[0]["attempts"] == 0, "the journal has the file again"


def test_file_of_a_run_killed_just_after_its_commit_exists(
    harness: TargetHarness, download_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    messages = download_request(harness.catalog_ids(1)[0]), state(1)
    harness.sandbox.behavior = Behavior(download_seconds=0, download_bytes=1000)  # without MD5
    commit = PartialFile.commit

    def commit_and_die(*args: Any) -> None:
        commit(*args)
        raise InterruptedError

    monkeypatch.setattr(PartialFile, "commit", commit_and_die)
    harness.run(*messages)
    monkeypatch.undo()
    result = harness.run(*messages, download_to=str(download_folder))
    assert (result.kinds, result.states) == (["exists"], [{"upto": 1}])


def test_tap_catalogs_downloaded_by_filters(harness: TargetHarness, download_folder: Path) -> None:
    old, new, other = harness.catalog_ids(3)
    result = harness.run(
        record("catalogs", id=old, created_at="2024-12-31T00:00:00Z", platform="FF"),
        record("catalogs", id=new, created_at="2025-01-02T00:00:00Z", platform="FF"),
        record("catalogs", id=other, created_at="2025-01-02T00:00:00Z", platform="TD"),
        deliver_since="2025-01-01", deliver_when={"platform": "FF"},
        path_template="{platform}/{created_at:%Y}/{catalog_id}",
    )  # fmt: skip
    assert sorted(result.kinds) == ["created", "skipped", "skipped"]
    [name] = list_files(download_folder)
    assert name.startswith(f"FF/2025/{new}/")


def test_deliver_to_excludes_downloads(harness: TargetHarness, download_folder: Path) -> None:
    [key] = harness.catalog_ids(1)
    result = harness.run(
        record("catalogs", id=key, created_at="2025-01-02T00:00:00Z"), download_request(key),
        deliver_to="research", deliver_since="all",
    )  # fmt: skip
    assert result.kinds == ["created", "created"]
    assert sorted(line["delivery_id"] is None for line in result.outcomes) == [False, True]
    assert len(list_files(download_folder)) == 1


@pytest.mark.usefixtures("download_folder")
def test_deliver_since_missing_ends_run(harness: TargetHarness, tmp_path: Path) -> None:
    harness.journal_path.unlink()
    reason = "'deliver_since' is missing; 'download_to' requires"
    catalog = record("catalogs", id="b")
    result = harness.run(catalog, state(1))
    assert reason in config_error(result.error)
    assert (result.states, harness.sandbox.requests, list_files(tmp_path)) == ([], [], [])
    result = harness.run(record("archive_items", id="a"), state(1), catalog, state(2))
    assert reason in config_error(result.error)
    assert (result.states, harness.sandbox.requests) == ([{"upto": 1}], [])
    result = harness.run(download_request(harness.catalog_ids(1)[0]), catalog, state(1))
    assert isinstance(result.error, InputError)
    assert reason in str(result.error)
    assert result.kinds == ["created"], "earlier records are finished"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"path": "../out"}, "must not contain . or .. as a folder"),
        ({"path": "/etc"}, "must be relative"),
        ({"path": "a\\b"}, "backslash"),
        ({"path": "x" * 300}, "cannot write its file: File name too long"),
        ({"order_item_id": "both"}, "send one of them"),
        ({"catalog_id": "0" * 8}, "the catalog does not exist"),
    ],
)
def test_download_request_impossible_rejected_with_reason(
    harness: TargetHarness, download_folder: Path, fields: Json, reason: str
) -> None:
    fields = {"catalog_id": harness.catalog_ids(1)[0], **fields}
    result = harness.run(record("download_requests", **fields), state(1))
    assert (result.status, result.kinds, result.states) == (1, ["failed"], [])
    assert reason in result.reasons[0]
    assert list_files(download_folder) == []


@pytest.mark.parametrize("limit", [0, 1, 3])
def test_max_deliveries_ends_run(harness: TargetHarness, download_folder: Path, limit: int) -> None:
    ids = harness.catalog_ids(4)
    existing = harness.run(*map(download_request, ids[:1]))
    assert existing.kinds == ["created"]
    messages = [each for at, key in enumerate(ids) for each in (download_request(key), state(at))]
    result = harness.run(*messages, max_deliveries=limit)
    count = result.kinds.count("created")
    assert (result.status, count) == ((0, 3) if limit == 3 else (3, limit))
    assert len(list_files(download_folder)) == 1 + count
    if limit == 1:
        assert result.states[-1] == {"upto": 1}
        assert "1 deliveries and downloads requested; see 'max_deliveries'" in result.log


def test_dry_run_prints_downloads_and_writes_nothing(
    harness: TargetHarness, download_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    existing, new = harness.catalog_ids(2)
    messages = *map(download_request, (existing, new, "0" * 8)), state(1)
    assert harness.run(*messages, dry_run=True).status == 3
    assert not download_folder.exists()
    harness.run(download_request(existing))
    before = list_files(download_folder), harness.journal_path.read_text()
    capsys.readouterr()
    result = harness.run(*messages, dry_run=True)
    assert (result.status, result.states) == (3, [])
    assert result.summary["downloads"] == 1, "from the previous run: a dry run writes no summary"
    assert (list_files(download_folder), harness.journal_path.read_text()) == before
    assert count_download_posts(harness) == 1
    table = capsys.readouterr().err
    for text in ("exists", "would download", "would fail", "does not exist in this"):
        assert text in table


@pytest.mark.parametrize(
    ("download_to", "reason"),
    [
        ("http://example.org/x", ".*are read-only"), ("nosuch://x", "cannot open"),
        ("/dev/null/x", "cannot write to"), (f"{__file__}/x", "cannot write to"),
        ("memory://x", ".*keeps no files"), ("simplecache::s3://x/y", ".*keeps no files"),
        ("a\x07", "must not contain a control character"),
        (__file__, "must be a folder, but is a file"),
        ("x" * 300, "cannot .*: File name too long"), ("s3://", "must name a bucket"),
        ("~no-such-user/x", "starts with the home of an unknown user"),
    ],
)  # fmt: skip
def test_download_to_unusable_reported(
    harness: TargetHarness, download_to: str, reason: str
) -> None:
    error = harness.run(download_to=download_to).error
    text = config_error(error) if isinstance(error, ConfigValidationError) else str(error)
    assert isinstance(error, InputError | ConfigValidationError)
    assert re.search(f"'download_to':? {reason}", text)
    assert harness.sandbox.requests == []


@pytest.mark.parametrize("seconds", [0, 0.05])
def test_download_not_ready_in_time_polled_again_by_next_run(
    harness: TargetHarness, download_folder: Path, seconds: float
) -> None:
    [key] = harness.catalog_ids(1)
    harness.sandbox.behavior = Behavior(download_seconds=1000)
    result = harness.run(download_request(key), download_timeout=seconds)
    assert result.kinds == ["failed"]
    assert f"not ready after {seconds:g} s; see 'download_timeout'" in result.reasons[0]
    [download] = harness.sandbox._state.downloads.by_id.values()
    polls = len(polled_download_ids(harness))
    harness.sandbox.on_request = lambda *_: (
        setattr(download, "status", "success")
        if len(polled_download_ids(harness)) > polls + 2 else None
    )  # fmt: skip
    assert harness.run(download_request(key)).kinds == ["created"]
    assert (count_download_posts(harness), len(list_files(download_folder))) == (1, 1)


@pytest.mark.usefixtures("download_folder")
@pytest.mark.parametrize(
    ("method", "response", "reason"),
    [
        ("POST", ProxiedResponse(201, {"status": "created"}), "the response is not a download"),
        ("POST", ProxiedResponse(400), "returned 400"),
        ("GET", ProxiedResponse(400), "returned 400"),
        ("GET", ProxiedResponse(404), "and run again; its last status was 404"),
        ("GET", ProxiedResponse(200, {"id": "a", "status": "failed"}), "prepare the download (FAI"),
        (
            "GET",
            ProxiedResponse(200, {"id": "a", "status": "error", "signed_url": "http://x.invalid/"}),
            "not ready after 0.05 s; see 'download_timeout', and run again; its last status was E",
        ),
    ],
)
def test_download_unexpected_response_fails_record(
    harness: TargetHarness,
    proxy: InterceptingProxy,
    method: str,
    response: ProxiedResponse,
    reason: str,
) -> None:
    proxy.intercept = lambda request, forward: (
        response
        if request.method == method and request.path.startswith(DOWNLOADS_PATH)
        else forward()
    )
    message = download_request(harness.catalog_ids(1)[0])
    result = harness.run(message, state(1), download_timeout=0.05)
    assert (result.status, result.kinds, result.states) == (1, ["failed"], [])
    assert reason in result.reasons[0]
    assert "api_url" not in result.reasons[0]
    assert list_files(harness.folder / "images") == []


@pytest.mark.parametrize("status", [404, 409, 425])
def test_download_not_known_or_not_ready_yet_polled_again(
    harness: TargetHarness,
    download_folder: Path,
    proxy: InterceptingProxy,
    monkeypatch: pytest.MonkeyPatch,
    status: int,
) -> None:
    monkeypatch.setattr(Client, "_stop_retrying", lambda *_: True)
    refusals = [ProxiedResponse(status), ProxiedResponse(status)]
    proxy.intercept = lambda request, forward: (
        refusals.pop()
        if request.method == "GET" and request.path.startswith(DOWNLOADS_PATH) and refusals
        else forward()
    )
    result = harness.run(download_request(harness.catalog_ids(1)[0]))
    assert (result.reasons, refusals) == ([""], [])
    assert (count_download_posts(harness), len(list_files(download_folder))) == (1, 1)


@pytest.mark.usefixtures("download_folder")
def test_download_lost_after_it_was_known_fails_record(
    harness: TargetHarness, proxy: InterceptingProxy
) -> None:
    harness.sandbox.behavior = Behavior(download_seconds=1000)
    proxy.intercept = lambda request, forward: (
        ProxiedResponse(404)
        if request.method == "GET" and len(polled_download_ids(harness)) > 1
        and request.path.startswith(DOWNLOADS_PATH)
        else forward()
    )  # fmt: skip
    result = harness.run(download_request(harness.catalog_ids(1)[0]))
    assert result.reasons == ["the API no longer knows the requested download"]


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


@pytest.mark.parametrize("change", [{"status": "failed"}, {"keys": ("gone",)}, None], ids=str)
def test_download_of_earlier_run_that_is_lost_requested_again(
    harness: TargetHarness, download_folder: Path, change: Json | None
) -> None:
    [key] = harness.catalog_ids(1)
    harness.sandbox.behavior = Behavior(download_seconds=0, url_seconds=0)
    [line] = harness.run(download_request(key)).outcomes
    assert line["download_id"] in polled_download_ids(harness)
    downloads = harness.sandbox._state.downloads.by_id
    lost = downloads.pop(line["download_id"])
    if change is not None:
        downloads[line["download_id"]] = dataclasses.replace(lost, **change)
    harness.sandbox.behavior = Behavior(download_seconds=0)
    [again] = harness.run(download_request(key)).outcomes
    assert is_complete_download(harness, again)
    assert again["download_id"] != line["download_id"]
    assert (count_download_posts(harness), len(list_files(download_folder))) == (2, 1)


def test_two_catalogs_same_name_second_fails(harness: TargetHarness, download_folder: Path) -> None:
    [key] = harness.catalog_ids(1)
    harness.run(download_request(key, path="all"))
    [name] = list_files(download_folder)
    # In the journal, the file now belongs to another catalog.
    harness.journal_path.write_text(harness.journal_path.read_text().replace(key, "another"))
    result = harness.run(download_request(key, path="all"), state(1))
    assert (result.kinds, result.states) == (["failed"], [])
    assert "the file of another download has this name" in result.reasons[0]
    assert list_files(download_folder) == [name]


def test_download_response_lost_sent_again(harness: TargetHarness, download_folder: Path) -> None:
    harness.sandbox.behavior = Behavior(download_seconds=0, drop_accepted=1.0)
    harness.sandbox.on_request = lambda request, _: (
        setattr(harness.sandbox, "behavior", Behavior(download_seconds=0))
        if count_download_posts(harness) > 1 and request.method == "POST"
        else None
    )
    result = harness.run(download_request(harness.catalog_ids(1)[0]))
    assert (result.kinds, count_download_posts(harness)) == (["created"], 2)
    assert len(list_files(download_folder)) == 1


@pytest.mark.usefixtures("download_folder")
def test_max_deliveries_counts_deliveries_and_downloads(harness: TargetHarness) -> None:
    first, second = harness.catalog_ids(2)
    messages = [delivery_request(first), download_request(second), delivery_request(second)]
    result = harness.run(*messages, max_deliveries=2, batch_size=1)
    assert (result.status, len(harness.posted_bodies())) == (3, 1)


def test_download_to_missing_reported(harness: TargetHarness) -> None:
    result = harness.run(download_request(harness.catalog_ids(1)[0]), state(1))
    assert (result.status, result.kinds, result.states) == (1, ["failed"], [])
    assert "set 'download_to'" in result.reasons[0]
