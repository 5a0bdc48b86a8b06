"""Downloads cancelled by a signal or a failure; signed URLs are in no output."""

from __future__ import annotations

import errno
import json
import logging
import os
import signal
import subprocess
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest

from pixxel_sandbox import Behavior
from pixxel_sandbox.files import object_server
from target_pixxel_store.downloads.partial_file import BOUNDARY_BYTES
from target_pixxel_store.errors import DestinationError
from tests.target_pixxel_store.download_checks import (
    LARGE_BYTES,
    count_download_posts,
    is_complete_download,
    list_files,
    on_fetch,
    requested_ranges,
)
from tests.target_pixxel_store.target_harness import (
    TARGET,
    add_schemas,
    clean_environment,
    download_request,
    read_json_lines,
    serialize_messages,
    state,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tests.target_pixxel_store.target_harness import TargetHarness

SLOW_DOWNLOAD: dict[str, Any] = {
    "download_seconds": 0,
    "download_bytes": 3 * BOUNDARY_BYTES,
    "download_rate": 40e6,
}


def test_signal_during_download_next_run_resumes_part(
    harness: TargetHarness, download_folder: Path
) -> None:
    done, key = harness.catalog_ids(2)
    messages = add_schemas(download_request(done), state(1), download_request(key), state(2))
    on_fetch(harness, lambda _: (
        setattr(harness.sandbox, "behavior", Behavior(**SLOW_DOWNLOAD))
        if len(harness.sandbox.fetches) > 1 else None
    ))  # fmt: skip
    config = harness.write_config(download_concurrency=1)
    with subprocess.Popen(
        [TARGET, "--config", str(config)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=clean_environment(),
    ) as target:  # fmt: skip
        assert target.stdin is not None
        target.stdin.write(serialize_messages(*messages).encode())
        target.stdin.close()
        deadline = time.monotonic() + 30
        fetches = harness.sandbox.fetches
        while len(fetches) < 2 or fetches[1].sent < 2.5 * BOUNDARY_BYTES:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        target.terminate()
        started = time.monotonic()
        assert target.stdout is not None
        states = target.stdout.read()
        assert target.wait(30) == 128 + signal.SIGTERM
        assert time.monotonic() - started < 3
    assert [json.loads(line) for line in states.splitlines()] == [{"upto": 1}]
    assert [line["outcome"] for line in read_json_lines(harness.folder / "outcomes")] == ["created"]
    assert [name for name in list_files(download_folder) if key in name and name.endswith(".part")]
    harness.sandbox.behavior = Behavior(**SLOW_DOWNLOAD | {"download_rate": 0})
    result = harness.run(download_request(key), state(2))
    assert (result.kinds, result.states) == (["created"], [{"upto": 2}])
    assert is_complete_download(harness, result.outcomes[0])
    boundaries = [f"bytes={count * BOUNDARY_BYTES}-" for count in (1, 2)]
    assert requested_ranges(harness.sandbox.fetches)[2] in boundaries
    assert count_download_posts(harness) == 2
    assert len(list_files(download_folder)) == 2


def test_first_failure_cancels_others_and_keeps_parts(
    harness: TargetHarness, download_folder: Path
) -> None:
    good, slow = harness.catalog_ids(2)
    harness.sandbox.behavior = Behavior(**{**SLOW_DOWNLOAD, "download_rate": 2e6})

    def delay_fetch(_: Any) -> None:
        time.sleep(0.05)

    on_fetch(harness, delay_fetch)
    started = time.monotonic()
    result = harness.run(
        download_request(slow),
        download_request(good),
        download_request("0" * 8),
        state(1),
        download_concurrency=3,
    )
    assert time.monotonic() - started < 5
    assert (result.status, result.kinds, result.states) == (1, ["failed"], [])
    assert "the catalog does not exist" in result.reasons[0]
    assert [name for name in list_files(download_folder) if name.endswith(".zip")] == []
    harness.sandbox.behavior = Behavior(download_seconds=0, download_bytes=20_000_000)
    again = harness.run(download_request(slow), download_request(good))
    assert again.kinds == ["created", "created"]
    assert all(is_complete_download(harness, line) for line in again.outcomes)


def test_failure_after_finished_download_keeps_outcome(
    harness: TargetHarness, download_folder: Path
) -> None:
    good, bad = harness.catalog_ids(2)
    messages = [download_request(good), state(1), download_request(bad, path="../x"), state(2)]
    result = harness.run(*messages)
    assert result.status == 1
    assert sorted(result.kinds) in (["created", "failed"], ["failed"])
    assert ("created" in result.kinds) == (result.states == [{"upto": 1}])
    assert len([name for name in list_files(download_folder) if name.endswith(".zip")]) <= 1


def test_on_error_continue_other_downloads_finish(
    harness: TargetHarness, download_folder: Path
) -> None:
    first, second = harness.catalog_ids(2)
    result = harness.run(
        download_request(first),
        download_request("0" * 8),
        download_request(second),
        state(1),
        on_error="continue",
    )
    assert (result.status, sorted(result.kinds)) == (3, ["created", "created", "failed"])
    assert result.states == [{"upto": 1}]
    assert result.rejected[-1]["record"] == {"catalog_id": "0" * 8}
    assert len(list_files(download_folder)) == 2


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_disk_write_error_ends_run(
    harness: TargetHarness, download_folder: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def raise_disk_error(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "pwrite", raise_disk_error)
    result = harness.run(
        *map(download_request, harness.catalog_ids(2)), state(1), on_error="continue"
    )
    assert isinstance(result.error, DestinationError)
    assert f"cannot write downloads: {os.strerror(number)}; free disk space" in str(result.error)
    assert (result.kinds, result.states, result.rejected) == ([], [], [])
    monkeypatch.undo()
    harness.settings["download_to"] = str(download_folder)
    assert harness.run(*map(download_request, harness.catalog_ids(2))).kinds == ["created"] * 2


@pytest.fixture
def signatures(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Collect the signatures of all URLs that the sandbox signs."""
    collected: set[str] = set()
    sign = object_server.make_signed_url

    def signed(*args: Any) -> str:
        url = sign(*args)
        collected.update(parse_qs(urlsplit(url).query)["signature"])
        return url

    monkeypatch.setattr("pixxel_sandbox.endpoints.downloads.make_signed_url", signed)
    return collected


@pytest.mark.usefixtures("download_folder")
@pytest.mark.parametrize(
    ("behavior", "kind"),
    [
        ({"interrupt_fetches": 2}, "created"),
        ({"url_seconds": 0}, "failed"),
        ({"error_page": 1.0}, "failed"),
        ({"fail_downloads": 1.0}, "failed"),
        ({"break_downloads": 1.0}, "failed"),
    ],
)
def test_url_signatures_not_in_any_output(
    harness: TargetHarness,
    signatures: set[str],
    caplog: pytest.LogCaptureFixture,
    behavior: dict[str, Any],
    kind: str,
) -> None:
    caplog.set_level(logging.DEBUG)
    [key] = harness.catalog_ids(1)
    harness.sandbox.behavior = Behavior(download_seconds=0, download_bytes=LARGE_BYTES, **behavior)
    result = harness.run(download_request(key), state(1), on_error="continue")
    assert result.kinds == [kind]
    assert bool(signatures) == ("fail_downloads" not in behavior)
    assert "urllib3.connectionpool" in caplog.text
    written = [path for path in harness.folder.rglob("*") if path.is_file()]
    texts = [path.read_bytes().decode(errors="replace") for path in written
             if path.suffix != ".zip"]  # fmt: skip
    output = "\n".join([caplog.text, result.log, *texts, *map(str, written)])
    assert [each for each in signatures if each in output] == []
    assert "signature=" not in output
