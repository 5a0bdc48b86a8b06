"""A large download survives interruptions and a kill without a wrong byte, in little memory."""

from __future__ import annotations

import hashlib
import re
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pixxel_sandbox import Behavior
from tests.target_pixxel_store.download_checks import list_files
from tests.target_pixxel_store.target_harness import (
    TARGET,
    TargetHarness,
    add_schemas,
    clean_environment,
    download_request,
    read_json_lines,
    serialize_messages,
    state,
)

if TYPE_CHECKING:
    from collections.abc import Callable

SIZE = 200_000_000
INTERRUPTIONS = 10
MAX_MEMORY = 100_000_000  # bytes


def run_target(
    harness: TargetHarness, catalog: str, should_kill: Callable[[], bool]
) -> tuple[int, int]:
    """Run the command, and kill it when `should_kill` returns True.

    Returns:
        The exit status, negative after a kill, and the peak memory in bytes.
    """
    source, memory = harness.folder / "input", 0
    source.write_text(serialize_messages(*add_schemas(download_request(catalog), state(1))))
    with (
        source.open("rb") as opened,
        (harness.folder / "log").open("ab") as log,
        subprocess.Popen(
            [TARGET, "--config", str(harness.write_config())],
            stdin=opened, stdout=subprocess.DEVNULL, stderr=log, env=clean_environment(),
        ) as target,
    ):  # fmt: skip
        while target.poll() is None:
            with suppress(OSError):  # rusage would include the memory of its parent
                text = Path(f"/proc/{target.pid}/status").read_text()
                found = re.search(r"VmHWM:\s*(\d+) kB", text)
                memory = max(memory, int(found[1]) * 1024 if found else 0)
            if should_kill():
                target.kill()
            time.sleep(0.005)
    return target.returncode, memory


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_large_download_interrupted_and_killed_completes_in_little_memory(
    harness: TargetHarness, tmp_path: Path
) -> None:
    [key] = harness.catalog_ids(1)
    harness.settings["download_to"] = str(tmp_path / "images")
    fetches = harness.sandbox.fetches
    # The kill replaces one of the interruptions.
    behavior = Behavior(
        download_seconds=0, download_bytes=SIZE, interrupt_fetches=INTERRUPTIONS + 1
    )
    harness.sandbox.behavior = replace(behavior, download_rate=100e6)
    expected = harness.sandbox.digest(key)
    status, memory = run_target(
        harness, key, lambda: len(fetches) > INTERRUPTIONS // 2 and fetches[-1].sent > SIZE // 40
    )
    assert status == -signal.SIGKILL
    assert read_json_lines(tmp_path / "outcomes") == []
    harness.sandbox.behavior = behavior
    status, again = run_target(harness, key, lambda: False)
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
