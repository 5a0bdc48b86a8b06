"""Downloads cancelled by a signal or a failure: partial files and finished outcomes are kept."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from pixxel_sandbox import Behavior
from target_pixxel_store.downloads.downloader import Downloader
from target_pixxel_store.downloads.pipeline import DownloadPipeline
from target_pixxel_store.errors import DestinationError
from tests.target_pixxel_store.download_checks import (
    LARGE_BYTES,
    is_complete_download,
    list_files,
    on_fetch,
)
from tests.target_pixxel_store.target_harness import (
    TARGET,
    add_schemas,
    clean_environment,
    download_request,
    serialize_messages,
    state,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tests.target_pixxel_store.target_harness import TargetHarness

SLOW_DOWNLOAD = Behavior(download_seconds=0, download_bytes=LARGE_BYTES, download_rate=1e4)


def test_signal_during_download_keeps_state_and_part(
    harness: TargetHarness, download_folder: Path
) -> None:
    done, key = harness.catalog_ids(2)
    part = download_folder / key / f".{key}.part"
    on_fetch(harness, lambda _: (
        setattr(harness.sandbox, "behavior", SLOW_DOWNLOAD)
        if len(harness.sandbox.fetches) == 2 else None
    ))  # fmt: skip
    messages = add_schemas(download_request(done), state(1), download_request(key), state(2))
    with subprocess.Popen(
        [TARGET, "--config", str(harness.write_config(download_concurrency=1))],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=clean_environment(),
    ) as target:  # fmt: skip
        assert target.stdin is not None
        target.stdin.write(serialize_messages(*messages).encode())
        target.stdin.close()
        while not part.exists() or not part.stat().st_size:
            time.sleep(0.01)
            assert target.poll() is None
        target.terminate()
        assert target.stdout is not None
        states = target.stdout.read()
        assert target.wait() == 128 + signal.SIGTERM
    assert [json.loads(line) for line in states.splitlines()] == [{"upto": 1}]
    assert harness.sandbox.fetches[1].sent < LARGE_BYTES, "the transfer has stopped"
    assert part.stat().st_size
    harness.sandbox.behavior = Behavior(download_seconds=0)
    result = harness.run(*messages[1:])
    assert (result.kinds, result.states) == (["exists", "created"], [{"upto": 1}, {"upto": 2}])


def test_first_failure_cancels_others_and_keeps_parts(
    harness: TargetHarness, download_folder: Path
) -> None:
    slow, _ = ids = harness.catalog_ids(2)
    harness.sandbox.behavior = SLOW_DOWNLOAD
    on_fetch(harness, lambda _: time.sleep(0.05))
    messages = map(download_request, [*ids, "0" * 8])
    result = harness.run(*messages, state(1), download_concurrency=3)
    assert (result.status, result.kinds, result.states) == (1, ["failed"], [])
    assert "the catalog does not exist" in result.reasons[0]
    assert all(each.sent < LARGE_BYTES for each in harness.sandbox.fetches)
    assert [name for name in list_files(download_folder) if name.endswith(".zip")] == []
    harness.sandbox.behavior = Behavior(download_seconds=0)
    again = harness.run(download_request(slow))
    assert is_complete_download(harness, again.outcomes[0])


def test_download_that_finishes_while_the_run_ends_keeps_outcome(
    harness: TargetHarness, download_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finished = threading.Event()
    download, close = Downloader.download, DownloadPipeline.close

    def download_and_notify(*args: Any) -> Any:
        outcome = download(*args)
        finished.set()
        return outcome

    def close_after_download(self: DownloadPipeline) -> None:
        finished.wait()
        close(self)

    monkeypatch.setattr(Downloader, "download", download_and_notify)
    monkeypatch.setattr(DownloadPipeline, "close", close_after_download)
    [good] = harness.catalog_ids(1)
    bad = download_request(good, path="../x")
    result = harness.run(download_request(good), state(1), bad, state(2))
    assert (result.status, sorted(result.kinds)) == (1, ["created", "failed"])
    assert result.states == [{"upto": 1}]
    assert len(list_files(download_folder)) == 1


@pytest.mark.parametrize(
    ("function", "number"),
    [("pwrite", errno.ENOSPC), ("fchmod", errno.EIO), ("mkdir", errno.EACCES)],
)
def test_disk_that_fails_or_refuses_access_ends_run(
    harness: TargetHarness,
    download_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    function: str,
    number: int,
) -> None:
    download_folder.mkdir()

    def raise_error(*_: Any, **__: Any) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, function, raise_error)
    messages = *map(download_request, harness.catalog_ids(2)), state(1)
    result = harness.run(*messages, on_error="continue")
    assert isinstance(result.error, DestinationError)
    assert f"cannot write downloads: {os.strerror(number)}; free disk space" in str(result.error)
    assert (result.kinds, result.states, result.rejected) == ([], [], [])
    monkeypatch.undo()
    result = harness.run(*messages, download_to=str(download_folder))
    assert result.kinds == ["created"] * 2
