"""Downloads that end early: by a kill, a signal or a failure, of their own or of another one."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import subprocess
import threading
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from signal import SIGKILL, SIGTERM
from typing import TYPE_CHECKING, Any

import pytest

from pixxel_sandbox import Behavior
from target_pixxel_store.downloads.downloader import Downloader
from target_pixxel_store.downloads.pipeline import DownloadPipeline
from target_pixxel_store.errors import DestinationError
from tests.target_pixxel_store.download_checks import LARGE_BYTES, is_complete_download, list_files
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
    from collections.abc import Callable

    from tests.target_pixxel_store.target_harness import Json, TargetHarness

SIZE = 200_000_000
INTERRUPTIONS = 10
MAX_MEMORY = 100_000_000  # bytes
SLOW_DOWNLOAD = Behavior(download_seconds=0, download_bytes=LARGE_BYTES, download_rate=1e4)


def run_target(
    harness: TargetHarness, *messages: Json, should_end: Callable[[], bool], end: int = SIGKILL
) -> tuple[int, str, int]:
    """Run the command, and send it the signal `end` when `should_end` returns True.

    Returns:
        The exit status, negative after a kill; what it has written; its peak memory in bytes.
    """
    source, memory, is_ended = harness.folder / "input", 0, False
    source.write_text(serialize_messages(*add_schemas(*messages)))
    with (
        source.open("rb") as opened,
        (harness.folder / "log").open("ab") as log,
        subprocess.Popen(
            [TARGET, "--config", str(harness.write_config())],
            stdin=opened, stdout=subprocess.PIPE, stderr=log, env=clean_environment(), text=True,
        ) as target,
    ):  # fmt: skip
        while target.poll() is None:
            with suppress(OSError):  # rusage would include the memory of its parent
                text = Path(f"/proc/{target.pid}/status").read_text()
                found = re.search(r"VmHWM:\s*(\d+) kB", text)
                memory = max(memory, int(found[1]) * 1024 if found else 0)
            if not is_ended and should_end():
                is_ended = True
                target.send_signal(end)
            time.sleep(0.005)
        assert target.stdout is not None
        return target.returncode, target.stdout.read(), memory


def test_signal_keeps_state_and_part(harness: TargetHarness, download_folder: Path) -> None:
    done, key = harness.catalog_ids(2)
    part = download_folder / key / f".{key}.part"
    messages = download_request(done), state(1), download_request(key), state(2)
    harness.run(*messages[:2])
    harness.sandbox.behavior = SLOW_DOWNLOAD
    status, states, _ = run_target(
        harness, *messages, should_end=lambda: part.exists() and part.stat().st_size > 0,
        end=SIGTERM,
    )  # fmt: skip
    assert (status, json.loads(states)) == (128 + SIGTERM, {"upto": 1})
    assert harness.sandbox.fetches[1].sent < LARGE_BYTES, "the transfer has stopped"
    assert part.stat().st_size
    harness.sandbox.behavior = Behavior(download_seconds=0)
    result = harness.run(*messages[2:])
    assert (result.kinds, result.states) == (["created"], [{"upto": 2}])


def test_first_failure_cancels_others(harness: TargetHarness, download_folder: Path) -> None:
    slow, _ = ids = harness.catalog_ids(2)
    harness.sandbox.behavior = SLOW_DOWNLOAD
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


FAILING_CALLS = {"pwrite": errno.ENOSPC, "fchmod": errno.EIO, "mkdir": errno.EACCES}


@pytest.mark.parametrize("function", FAILING_CALLS)
def test_disk_that_fails_or_refuses_access_ends_run(
    harness: TargetHarness, download_folder: Path, monkeypatch: pytest.MonkeyPatch, function: str
) -> None:
    download_folder.mkdir()
    number = FAILING_CALLS[function]

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


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_large_download_killed_in_little_memory(harness: TargetHarness, tmp_path: Path) -> None:
    [key] = harness.catalog_ids(1)
    harness.settings["download_to"] = str(tmp_path / "images")
    fetches = harness.sandbox.fetches
    # The kill replaces one of the interruptions.
    behavior = Behavior(
        download_seconds=0, download_bytes=SIZE, interrupt_fetches=INTERRUPTIONS + 1
    )
    harness.sandbox.behavior = replace(behavior, download_rate=100e6)
    expected = harness.sandbox.digest(key)
    messages = download_request(key), state(1)
    status, _, memory = run_target(
        harness, *messages,
        should_end=lambda: len(fetches) > INTERRUPTIONS // 2 and fetches[-1].sent > SIZE // 40,
    )  # fmt: skip
    assert status == -SIGKILL
    assert read_json_lines(tmp_path / "outcomes") == []
    harness.sandbox.behavior = behavior
    status, _, again = run_target(harness, *messages, should_end=lambda: False)
    assert status == 0, (tmp_path / "log").read_text()[-2000:]
    [line] = read_json_lines(tmp_path / "outcomes")
    path = Path(line["object"])
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    assert (line["outcome"], path.stat().st_size, digest) == ("created", *expected)
    assert list_files(tmp_path / "images") == [f"{key}/{path.name}"]
    assert len(fetches) == INTERRUPTIONS + 2
    assert all(each.range for each in fetches[1:])
    assert sum(each.sent for each in fetches) < 1.15 * SIZE
    assert 0 < max(memory, again) < MAX_MEMORY
