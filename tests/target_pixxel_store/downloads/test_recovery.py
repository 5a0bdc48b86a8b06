"""A large download survives broken connections and a kill, byte by byte, in little memory."""

from __future__ import annotations

import hashlib
import re
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pixxel_sandbox import Behavior
from tests.target_pixxel_store.download_checks import files, ranges
from tests.target_pixxel_store.target_runner import (
    TARGET,
    Workplace,
    environment,
    lines_of,
    state,
    text_of,
    wanted,
    with_schemas,
)

if TYPE_CHECKING:
    from collections.abc import Callable

SIZE = 200_000_000
BREAKS = 10
MEMORY = 100_000_000  # bytes


def run(place: Workplace, catalog: str, until: Callable[[], bool]) -> tuple[int, int]:
    """Run the command, killed when something holds.

    Returns:
        Its exit status, less than zero where it was killed, and the most memory that it took.
    """
    (place.folder / "input").write_text(text_of(*with_schemas(wanted(catalog), state(1))))
    memory = 0
    with (
        (place.folder / "input").open("rb") as source,
        (place.folder / "log").open("ab") as log,
        subprocess.Popen(
            [TARGET, "--config", str(place.config())],
            stdin=source, stdout=subprocess.DEVNULL, stderr=log, env=environment(),
        ) as target,
    ):  # fmt: skip
        while target.poll() is None:
            memory = max(memory, peak(target.pid))
            if until():
                target.kill()
            time.sleep(0.005)
    return target.returncode, memory


def peak(pid: int) -> int:
    """Tell the most memory that a process has taken; what rusage says is its parent's, too."""
    with suppress(OSError):
        found = re.search(r"VmHWM:\s*(\d+) kB", Path(f"/proc/{pid}/status").read_text())
        return int(found[1]) * 1024 if found else 0
    return 0


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_of_200_mb_not_a_byte_is_lost_and_few_come_twice(place: Workplace, tmp_path: Path) -> None:
    [key] = place.catalogs(1)
    place.settings["download_to"] = str(tmp_path / "images")
    fetches = place.sandbox.fetches
    # Of the fetches that are to break, the kill ends one.
    place.sandbox.behavior = Behavior(**behavior(), download_rate=100e6)
    expected = place.sandbox.digest(key)
    status, memory = run(
        place, key, lambda: len(fetches) > BREAKS // 2 and fetches[-1].sent > SIZE // 40
    )
    assert status == -signal.SIGKILL
    assert lines_of(tmp_path / "outcomes") == []
    place.sandbox.behavior = Behavior(**behavior())
    status, again = run(place, key, lambda: False)
    assert status == 0, (tmp_path / "log").read_text()[-2000:]
    [line] = lines_of(tmp_path / "outcomes")
    path = Path(line["object"])
    assert (line["outcome"], path.stat().st_size, sha256(path)) == ("created", *expected)
    assert files(tmp_path / "images") == [f"{key}/{path.name}"]
    assert len(fetches) == BREAKS + 2
    assert all(ranges(fetches)[1:])
    assert sum(each.sent for each in fetches) < 1.15 * SIZE
    assert 0 < max(memory, again) < MEMORY


def behavior() -> dict[str, Any]:
    """Behavior of both runs."""
    return {"download_seconds": 0, "download_bytes": SIZE, "interrupt_fetches": BREAKS + 1}
